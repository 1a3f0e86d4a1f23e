//! The order of a plan's entries, and their counts.
//!
//! Pure. Must never put an entry before one that it depends on, and must give the same order for the same entries
//! whatever order they come in.

use super::{Entry, Kind, Phase, RowCounts, SchemaCounts, Summary};
use crate::refusal::Problem;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Puts entries in the order of execution: by dependency, and among those that are free by phase, then by id.
///
/// The phases: databases, functions, new tables, expand, deletes, updates, inserts, constrain, procedures, views,
/// triggers, events, contract, drops.
///
/// # Errors
/// A [`Problem`] naming the entries when a dependency is missing or they depend on one another in a circle.
pub fn order(entries: &mut [Entry]) -> Result<()> {
    let rank: BTreeMap<String, (u8, String)> = entries
        .iter()
        .map(|entry| (entry.id.clone(), (stage(entry), entry.id.clone())))
        .collect();
    let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut needed_by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in entries.iter() {
        for needed in &entry.depends_on {
            if !rank.contains_key(needed) {
                return Err(cannot_order(&format!(
                    "entry {} depends on {needed}, which is not in the plan",
                    entry.id
                )));
            }
            needed_by
                .entry(needed.clone())
                .or_default()
                .push(entry.id.clone());
        }
        let needs = entry.depends_on.iter().cloned().collect();
        if open.insert(entry.id.clone(), needs).is_some() {
            return Err(cannot_order(&format!(
                "two entries have the id {}",
                entry.id
            )));
        }
    }
    let mut ready: BTreeSet<(u8, String)> = open
        .iter()
        .filter(|(_, needs)| needs.is_empty())
        .map(|(id, _)| rank[id].clone())
        .collect();
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    while let Some((_, id)) = ready.pop_first() {
        for dependant in needed_by.remove(&id).unwrap_or_default() {
            if let Some(needs) = open.get_mut(&dependant) {
                // An id that is named twice is taken out once and is ready once.
                if needs.remove(&id) && needs.is_empty() {
                    ready.insert(rank[&dependant].clone());
                }
            }
        }
        open.remove(&id);
        place.insert(id, place.len());
    }
    if !open.is_empty() {
        let circle: Vec<String> = open.into_keys().collect();
        return Err(cannot_order(&format!(
            "these entries depend on one another in a circle: {}",
            circle.join(", ")
        )));
    }
    entries.sort_by_key(|entry| place.get(&entry.id).copied());
    Ok(())
}

/// Counts entries: objects once each whatever number of phases they change in, rows by kind.
pub fn summary(entries: &[Entry]) -> Summary {
    let mut altered = BTreeSet::new();
    let mut summary = Summary {
        schema: SchemaCounts::default(),
        rows: RowCounts::default(),
    };
    for entry in entries {
        let rows = entry.count.unwrap_or(0);
        match change(entry.kind) {
            Change::Create => summary.schema.create += 1,
            Change::Drop => summary.schema.drop += 1,
            Change::Alter => {
                // By kind as well: a table and a procedure may have one name.
                if altered.insert((entry.kind, entry.object.as_str())) {
                    summary.schema.alter += 1;
                }
            }
            Change::Insert => summary.rows.insert += rows,
            Change::Update => summary.rows.update += rows,
            Change::Delete => summary.rows.delete += rows,
        }
    }
    summary
}

/// What a kind does, whatever it does it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Creates an object.
    Create,
    /// Alters an object.
    Alter,
    /// Drops an object.
    Drop,
    /// Inserts rows.
    Insert,
    /// Updates rows.
    Update,
    /// Deletes rows.
    Delete,
}

/// Returns what a kind does.
pub fn change(kind: Kind) -> Change {
    match kind {
        Kind::CreateDatabase
        | Kind::CreateTable
        | Kind::CreateView
        | Kind::CreateTrigger
        | Kind::CreateProcedure
        | Kind::CreateFunction
        | Kind::CreateEvent => Change::Create,
        Kind::AlterDatabase
        | Kind::AlterTable
        | Kind::AlterView
        | Kind::AlterTrigger
        | Kind::AlterProcedure
        | Kind::AlterFunction
        | Kind::AlterEvent => Change::Alter,
        Kind::DropDatabase
        | Kind::DropTable
        | Kind::DropView
        | Kind::DropTrigger
        | Kind::DropProcedure
        | Kind::DropFunction
        | Kind::DropEvent => Change::Drop,
        Kind::InsertRows => Change::Insert,
        Kind::UpdateRows => Change::Update,
        Kind::DeleteRows => Change::Delete,
    }
}

fn stage(entry: &Entry) -> u8 {
    match entry.kind {
        Kind::CreateDatabase | Kind::AlterDatabase => 0,
        Kind::CreateFunction | Kind::AlterFunction => 1,
        Kind::CreateTable => 2,
        Kind::AlterTable => match entry.phase {
            Some(Phase::Expand) | None => 3,
            Some(Phase::Constrain) => 7,
            Some(Phase::Contract) => 12,
        },
        Kind::DeleteRows => 4,
        Kind::UpdateRows => 5,
        Kind::InsertRows => 6,
        Kind::CreateProcedure | Kind::AlterProcedure => 8,
        Kind::CreateView | Kind::AlterView => 9,
        Kind::CreateTrigger | Kind::AlterTrigger => 10,
        Kind::CreateEvent | Kind::AlterEvent => 11,
        Kind::DropEvent => 13,
        Kind::DropTrigger => 14,
        Kind::DropView => 15,
        Kind::DropProcedure => 16,
        Kind::DropTable => 17,
        Kind::DropFunction => 18,
        Kind::DropDatabase => 19,
    }
}

fn cannot_order(what: &str) -> anyhow::Error {
    Problem::new(
        format!("cannot put the plan's entries in order: {what}"),
        "this is a fault of driftwarden: please report it with the log file",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Risk;
    use crate::plan::example::{entry, plan};
    use proptest::prelude::*;

    fn ids(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    #[test]
    fn phases_order_what_dependencies_leave_open() {
        let mut entries = vec![
            entry("s.old.drop", Kind::DropTable, Risk::Destructive),
            entry("s.b.insert", Kind::InsertRows, Risk::Safe),
            entry("s.v.view", Kind::CreateView, Risk::Safe),
            entry("s.a.insert", Kind::InsertRows, Risk::Safe),
            entry("s.a.create", Kind::CreateTable, Risk::Safe),
            entry("s.database", Kind::CreateDatabase, Risk::Safe),
            entry("s.a.delete", Kind::DeleteRows, Risk::Destructive),
        ];
        entries[3].depends_on = vec!["s.b.insert".into(), "s.a.create".into()];
        order(&mut entries).unwrap();
        assert_eq!(
            ids(&entries),
            [
                "s.database",
                "s.a.create",
                "s.a.delete",
                "s.b.insert",
                "s.a.insert",
                "s.v.view",
                "s.old.drop"
            ]
        );
    }

    #[test]
    fn a_circle_and_a_missing_dependency_are_errors() {
        let mut entries = vec![
            entry("s.a.create", Kind::CreateTable, Risk::Safe),
            entry("s.b.create", Kind::CreateTable, Risk::Safe),
        ];
        entries[0].depends_on = vec!["s.b.create".into()];
        entries[1].depends_on = vec!["s.a.create".into()];
        let said = order(&mut entries).unwrap_err().to_string();
        assert!(said.contains("s.a.create, s.b.create"), "{said}");
        entries[1].depends_on = vec!["s.c.create".into()];
        let said = order(&mut entries).unwrap_err().to_string();
        assert!(
            said.contains("s.c.create, which is not in the plan"),
            "{said}"
        );
    }

    #[test]
    fn an_object_altered_in_two_phases_counts_once() {
        let counts = plan().summary;
        assert_eq!(
            (counts.schema.alter, counts.rows.update, counts.rows.insert),
            (1, 2, 120_000)
        );
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_gives_one_order(
            edges in proptest::collection::vec((0usize..8, 0usize..8), 0..12),
            arrival in Just((0usize..8).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let kinds = [Kind::CreateTable, Kind::InsertRows, Kind::DropTable];
            let build = |position: usize| {
                let mut made = entry(&format!("s.t{position}.x"), kinds[position % 3], Risk::Safe);
                // Edges point from higher to lower numbers, so there is no circle.
                made.depends_on = edges
                    .iter()
                    .filter(|(from, to)| *from == position && to < from)
                    .map(|(_, to)| format!("s.t{to}.x"))
                    .collect();
                made
            };
            let mut one: Vec<Entry> = (0..8).map(build).collect();
            let mut other: Vec<Entry> = arrival.into_iter().map(build).collect();
            order(&mut one).unwrap();
            order(&mut other).unwrap();
            prop_assert_eq!(ids(&one), ids(&other));
            for (position, entry) in one.iter().enumerate() {
                for needed in &entry.depends_on {
                    prop_assert!(one[..position].iter().any(|earlier| &earlier.id == needed));
                }
            }
        }
    }
}
