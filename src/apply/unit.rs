//! Which row entries must be executed in one transaction.
//!
//! Most row entries run by themselves in bounded batches, under the server's own foreign key checks. Rows of a table
//! that refers to itself, of tables that refer to each other, and of a parent whose unique values move while children
//! are pointed elsewhere, hold only together. Pure. Must never put entries apart whose foreign keys hold only together.

use crate::plan::link::Reference;
use crate::plan::{Entry, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// Row entries executed together, in the order deletes, updates, inserts and then the plan's.
pub(super) type Unit<'p> = Vec<&'p Entry>;

/// Groups the row entries. `has_other_unique` tells whether a table has a unique index besides its key.
pub(super) fn units<'p>(
    entries: &[&'p Entry],
    references: &[Reference],
    has_other_unique: &dyn Fn(&str) -> bool,
) -> Vec<Unit<'p>> {
    let rows: Vec<&Entry> = entries
        .iter()
        .copied()
        .filter(|entry| entry.kind.is_rows())
        .collect();
    let mut groups = Groups::new(rows.len());
    let of = |table: &str| -> Vec<usize> {
        (0..rows.len())
            .filter(|position| rows[*position].object == table)
            .collect()
    };
    let tables: BTreeSet<&str> = rows.iter().map(|entry| entry.object.as_str()).collect();
    for table in &tables {
        for other in &tables {
            if reaches(references, table, other) && reaches(references, other, table) {
                groups.join(of(table).into_iter().chain(of(other)));
            }
        }
        let own = of(table);
        let kinds: BTreeSet<Kind> = own.iter().map(|position| rows[*position].kind).collect();
        let moves = kinds.contains(&Kind::DeleteRows) && kinds.len() > 1;
        if moves && has_other_unique(table) {
            let repointed: Vec<usize> = references
                .iter()
                .filter(|reference| reference.parent == *table)
                .flat_map(|reference| of(&reference.child))
                .filter(|position| rows[*position].kind != Kind::InsertRows)
                .collect();
            if repointed
                .iter()
                .any(|position| rows[*position].kind == Kind::UpdateRows)
            {
                groups.join(own.into_iter().chain(repointed));
            }
        }
    }
    join_circles(&rows, &mut groups);
    groups
        .members()
        .into_iter()
        .map(|members| {
            let mut unit: Unit<'p> = members.into_iter().map(|position| rows[position]).collect();
            unit.sort_by_key(|entry| match entry.kind {
                Kind::DeleteRows => 0,
                Kind::UpdateRows => 1,
                _ => 2,
            });
            unit
        })
        .collect()
}

/// Returns the unit that an entry is in, behind all units that it waits for.
///
/// A unit is executed at the place of its first entry in the plan, and what its other entries wait for may come later
/// there: the row of another table, say, to which an update of this unit points its row.
pub(super) fn in_turn<'u, 'p>(units: &'u [Unit<'p>], entry: &str) -> Vec<&'u Unit<'p>> {
    let place: BTreeMap<&str, usize> = units
        .iter()
        .enumerate()
        .flat_map(|(place, unit)| unit.iter().map(move |member| (member.id.as_str(), place)))
        .collect();
    let waits_for = |unit: usize| -> Vec<usize> {
        let needed = units[unit].iter().flat_map(|member| &member.depends_on);
        needed
            .filter_map(|id| place.get(id.as_str()).copied())
            .filter(|other| *other != unit)
            .collect()
    };
    let mut turn = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(usize, bool)> = place
        .get(entry)
        .map(|own| (*own, false))
        .into_iter()
        .collect();
    while let Some((unit, others_done)) = open.pop() {
        if others_done {
            turn.push(&units[unit]);
        } else if seen.insert(unit) {
            open.push((unit, true));
            open.extend(waits_for(unit).into_iter().map(|other| (other, false)));
        }
    }
    turn
}

/// Joins units that wait for one another.
fn join_circles(rows: &[&Entry], groups: &mut Groups) {
    loop {
        let position: BTreeMap<&str, usize> = rows
            .iter()
            .enumerate()
            .map(|(position, entry)| (entry.id.as_str(), position))
            .collect();
        let mut waits: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (own, entry) in rows.iter().enumerate() {
            for needed in entry
                .depends_on
                .iter()
                .filter_map(|id| position.get(id.as_str()))
            {
                let (one, other) = (groups.root(own), groups.root(*needed));
                if one != other {
                    waits.entry(one).or_default().insert(other);
                }
            }
        }
        let circle = waits.keys().find_map(|start| {
            let reached = closure(&waits, *start);
            reached.contains(start).then(|| {
                reached
                    .iter()
                    .copied()
                    .filter(|unit| closure(&waits, *unit).contains(start))
                    .collect()
            })
        });
        let Some(circle): Option<Vec<usize>> = circle else {
            return;
        };
        groups.join(circle.into_iter());
    }
}

fn closure(waits: &BTreeMap<usize, BTreeSet<usize>>, start: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(unit) = open.pop() {
        for next in waits.get(&unit).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

/// Whether a chain of at least one foreign key leads from one table to another.
fn reaches(references: &[Reference], from: &str, to: &str) -> bool {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![from];
    while let Some(table) = open.pop() {
        for reference in references
            .iter()
            .filter(|reference| reference.child == table)
        {
            if reference.parent == to {
                return true;
            }
            if reached.insert(&reference.parent) {
                open.push(&reference.parent);
            }
        }
    }
    false
}

/// Disjoint sets over positions.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&self, mut position: usize) -> usize {
        while self.0[position] != position {
            position = self.0[position];
        }
        position
    }

    fn join(&mut self, positions: impl Iterator<Item = usize>) {
        let mut first = None;
        for position in positions {
            let root = self.root(position);
            match first {
                None => first = Some(root),
                Some(first) => {
                    let first = self.root(first);
                    self.0[root] = first;
                }
            }
        }
    }

    fn members(&self) -> Vec<Vec<usize>> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for position in 0..self.0.len() {
            members
                .entry(self.root(position))
                .or_default()
                .push(position);
        }
        members.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Risk;
    use crate::plan::example::entry;

    fn row(table: &str, kind: Kind, depends_on: &[&str]) -> Entry {
        let what = match kind {
            Kind::InsertRows => "insert",
            Kind::UpdateRows => "update",
            _ => "delete",
        };
        let mut entry = entry(&format!("{table}.{what}"), kind, Risk::Safe);
        entry.object = table.to_owned();
        entry.depends_on = depends_on.iter().map(|id| (*id).to_owned()).collect();
        entry
    }

    fn reference(child: &str, parent: &str) -> Reference {
        Reference {
            child: child.into(),
            columns: vec!["x".into()],
            parent: parent.into(),
        }
    }

    fn ids(entries: &[Entry], references: &[Reference], unique: bool) -> Vec<Vec<String>> {
        let entries: Vec<&Entry> = entries.iter().collect();
        units(&entries, references, &|_| unique)
            .iter()
            .map(|unit| unit.iter().map(|entry| entry.id.clone()).collect())
            .collect()
    }

    #[test]
    fn entries_run_by_themselves_where_foreign_keys_allow() {
        let entries = [
            row("s.p", Kind::InsertRows, &[]),
            row("s.c", Kind::InsertRows, &["s.p.insert"]),
        ];
        assert_eq!(
            ids(&entries, &[reference("s.c", "s.p")], true),
            [["s.p.insert"], ["s.c.insert"]]
        );
    }

    #[test]
    fn a_table_that_refers_to_itself_runs_in_one_transaction() {
        let entries = [
            row("s.t", Kind::InsertRows, &[]),
            row("s.t", Kind::DeleteRows, &[]),
        ];
        assert_eq!(
            ids(&entries, &[reference("s.t", "s.t")], false),
            [["s.t.delete", "s.t.insert"]]
        );
    }

    #[test]
    fn a_parent_whose_unique_value_moves_runs_with_the_children_that_are_repointed() {
        let entries = [
            row("s.p", Kind::InsertRows, &[]),
            row("s.c", Kind::UpdateRows, &["s.p.insert"]),
            row("s.p", Kind::DeleteRows, &["s.c.update"]),
        ];
        let references = [reference("s.c", "s.p")];
        assert_eq!(
            ids(&entries, &references, true),
            [["s.p.delete", "s.c.update", "s.p.insert"]]
        );
        assert_eq!(ids(&entries, &references, false).len(), 3);
    }

    #[test]
    fn a_unit_comes_behind_those_that_any_of_its_entries_waits_for() {
        let entries = [
            row("s.t", Kind::DeleteRows, &[]),
            row("s.q", Kind::InsertRows, &[]),
            row("s.p", Kind::InsertRows, &["s.q.insert"]),
            row("s.t", Kind::UpdateRows, &["s.p.insert"]),
        ];
        let entries: Vec<&Entry> = entries.iter().collect();
        let references = [reference("s.t", "s.t"), reference("s.t", "s.p")];
        let units = units(&entries, &references, &|_| false);
        let turn = |entry: &str| -> Vec<String> {
            let turn = in_turn(&units, entry);
            turn.iter()
                .flat_map(|unit| unit.iter())
                .map(|entry| entry.id.clone())
                .collect()
        };
        assert_eq!(
            turn("s.t.delete"),
            ["s.q.insert", "s.p.insert", "s.t.delete", "s.t.update"]
        );
        assert_eq!(turn("s.q.insert"), ["s.q.insert"]);
    }

    #[test]
    fn units_that_wait_for_each_other_become_one() {
        let entries = [
            row("s.p", Kind::InsertRows, &[]),
            row("s.p", Kind::DeleteRows, &["s.c.update"]),
            row("s.r", Kind::InsertRows, &["s.p.insert"]),
            row("s.c", Kind::UpdateRows, &["s.p.insert", "s.r.insert"]),
        ];
        let references = [
            reference("s.c", "s.p"),
            reference("s.c", "s.r"),
            reference("s.r", "s.p"),
        ];
        assert_eq!(ids(&entries, &references, true).len(), 1);
    }
}
