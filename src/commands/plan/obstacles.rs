//! Weighs what local's rows mean for the schema changes: what they are in the way of is left out or waits for the rows.
//!
//! Must never let a change into the plan that rows are known to stop.

use super::rows::Compared;
use super::survey::{Pair, Sides};
use crate::config::{Config, Preview};
use crate::connect::{Reader, server_code};
use crate::diff::schema::demand::Demand;
use crate::obstacles::{self, Obstacle, Obstacles, Subject};
use crate::plan::payload::PayloadFolder;
use crate::plan::schema_entries::{Demanding, SchemaChanges};
use crate::plan::{Entry, Kind, Strategy};
use crate::read::{encode, orphans};
use crate::schema::table::ForeignKey;
use crate::schema::{ObjectName, Table};
use crate::sql::{Expr, Select};
use crate::value::Value;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What was found on local, with what it is judged by.
#[derive(Debug, Default)]
pub(super) struct Looked {
    obstacles: Obstacles,
    wanted: BTreeMap<ObjectName, Table>,
    fates: BTreeMap<ObjectName, Fate>,
}

/// What becomes of a table's rows.
#[derive(Debug, Clone, Default)]
struct Fate {
    /// Whether its rows were compared at all.
    compared: bool,
    /// Whether local will have production's rows and no other.
    exact: bool,
    /// The entries that change or delete local's rows.
    mending: Vec<String>,
}

/// Looks at local's rows for what is in the way of the changes.
///
/// # Errors
/// When a connection breaks, or no scratch schema can be made on local.
pub(super) fn look(
    changes: &SchemaChanges,
    pairs: &[Pair],
    compared: &BTreeMap<ObjectName, Compared>,
    config: &Config,
    folder: &PayloadFolder,
    sides: &mut Sides,
) -> Result<Looked> {
    let demanding = changes.demanding();
    let fates: BTreeMap<ObjectName, Fate> = pairs
        .iter()
        .flat_map(|pair| pair.remote.tables.keys().map(move |name| (pair, name)))
        .map(|(pair, name)| {
            let local = pair.local_name(name);
            let fate = fate(compared.get(&local), config, &pair.remote_name(name));
            (local, fate)
        })
        .collect();
    let none: Vec<Demand> = Vec::new();
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    for pair in pairs {
        for (name, info) in &pair.remote.tables {
            let local = pair.local_name(name);
            if demanding.iter().any(|table| table.name == local) {
                continue;
            }
            // A table that does not change, but that others refer to.
            if let Some((local, fate)) = fates.get_key_value(&local) {
                let own = pair.local.tables.get(name).map(|info| &info.table);
                subjects.push(Subject {
                    name: local,
                    local: own,
                    wanted: own.unwrap_or(&info.table),
                    demands: &none,
                    entries: entries_of(compared, local),
                    exact: fate.exact,
                });
            }
        }
    }
    subjects.extend(
        demanding
            .iter()
            .map(|table| subject(table, compared, &fates)),
    );
    let examples = config.plan.preview == Preview::Full;
    let Sides {
        remote,
        session,
        local,
        ..
    } = sides;
    let mut production = |name: &ObjectName, key: &str| {
        let Some((child, parent, constraint, table)) = of_production(pairs, name, key) else {
            return Ok(None);
        };
        let answer = remote.run(session, "looking for orphans on production", |session| {
            ask(session, &child, &parent, &constraint, &table)
        });
        match answer {
            Ok(answer) => Ok(Some(answer)),
            // It takes too long, or cannot be compared: then it is not known.
            Err(error) if server_code(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    };
    let step = "looking at local's rows for what is in the way";
    let obstacles = local
        .again(step, |local| {
            obstacles::survey(local, &subjects, folder, &mut production, examples)
        })
        .context("cannot look at local's rows for what is in the way of the schema changes")?;
    let wanted = demanding
        .iter()
        .map(|table| (table.name.clone(), table.wanted.clone()))
        .collect();
    Ok(Looked {
        obstacles,
        wanted,
        fates,
    })
}

/// Leaves out of the changes what rows would remain in the way of; says of the rest what the plan mends. Returns the
/// tables of which something was left out.
pub(super) fn weigh(changes: &mut SchemaChanges, looked: &Looked) -> BTreeSet<ObjectName> {
    let mut held = BTreeSet::new();
    for (name, demand, obstacle, wanted, fate) in looked.all() {
        if obstacle.left > 0 {
            let reason = obstacles::refusal(demand, obstacle, wanted, fate.compared);
            changes.hold(name, demand, reason);
            held.insert(name.clone());
        } else if let Some(text) = obstacles::note(demand, obstacle, wanted, fate.exact) {
            let waits_for = if obstacle.now > 0 {
                fate.mending.clone()
            } else {
                Vec::new()
            };
            changes.note(name, demand, text, waits_for);
        }
    }
    held.extend(changes.held_tables());
    held
}

/// Leaves a table as it is where its rows would be in the way before the plan's row entries can mend them.
pub(super) fn stop_before_rows(changes: &mut SchemaChanges, looked: &Looked) {
    for (name, demand) in changes.asked_before_rows() {
        let found = looked
            .all()
            .find(|(other, made, ..)| **other == name && **made == demand);
        if let Some((_, demand, obstacle, wanted, _)) = found
            && obstacle.now > 0
        {
            changes.refuse(&name, obstacles::before_rows(demand, obstacle, wanted));
        }
    }
}

/// Returns the columns, by lower-case name and table, whose values are known not to convert before the rows, where the
/// rows bring every value.
pub(super) fn unconverted(
    changes: &SchemaChanges,
    looked: &Looked,
) -> BTreeMap<ObjectName, Vec<String>> {
    let mut columns: BTreeMap<ObjectName, Vec<String>> = BTreeMap::new();
    for (name, demand) in changes.asked_before_rows() {
        let stopped = looked.all().any(|(other, made, obstacle, ..)| {
            *other == name && *made == demand && obstacle.now > 0
        });
        if let Demand::Holds(column) = demand
            && stopped
            && looked.brings_every_value(&name)
        {
            columns.entry(name).or_default().push(column.to_lowercase());
        }
    }
    columns
}

/// Returns whether the entries of a table update or delete rows, and whether they insert or update any.
pub(super) fn loses_and_gains(
    compared: &BTreeMap<ObjectName, Compared>,
    name: &ObjectName,
) -> (bool, bool) {
    let has = |kinds: [Kind; 2]| {
        compared.get(name).is_some_and(|table| {
            let mut entries = table.entries.iter();
            entries.any(|entry| kinds.contains(&entry.kind))
        })
    };
    (
        has([Kind::UpdateRows, Kind::DeleteRows]),
        has([Kind::InsertRows, Kind::UpdateRows]),
    )
}

impl Looked {
    /// Whether the row entries of a table, once executed, leave no value of local's in it.
    pub(super) fn brings_every_value(&self, name: &ObjectName) -> bool {
        self.fates.get(name).is_some_and(|fate| fate.exact)
    }

    fn all(&self) -> impl Iterator<Item = (&ObjectName, &Demand, &Obstacle, &Table, &Fate)> {
        self.obstacles.iter().flat_map(|(name, of_table)| {
            let judged = self.wanted.get(name).zip(self.fates.get(name));
            of_table.iter().filter_map(move |(demand, obstacle)| {
                let (wanted, fate) = judged?;
                Some((name, demand, obstacle, wanted, fate))
            })
        })
    }
}

fn fate(compared: Option<&Compared>, config: &Config, remote: &ObjectName) -> Fate {
    let Some(compared) = compared else {
        return Fate::default();
    };
    let rule = config.rule_for(remote);
    let whole = matches!(compared.choice.strategy, Strategy::Full | Strategy::Copy);
    Fate {
        compared: compared.choice.strategy != Strategy::Skipped,
        exact: whole && !rule.keep_local && rule.filter.is_none() && rule.mask.is_empty(),
        mending: compared
            .entries
            .iter()
            .filter(|entry| matches!(entry.kind, Kind::UpdateRows | Kind::DeleteRows))
            .map(|entry| entry.id.clone())
            .collect(),
    }
}

fn subject<'a>(
    table: &'a Demanding,
    compared: &'a BTreeMap<ObjectName, Compared>,
    fates: &BTreeMap<ObjectName, Fate>,
) -> Subject<'a> {
    Subject {
        name: &table.name,
        local: table.local.as_ref(),
        wanted: &table.wanted,
        demands: &table.demands,
        entries: entries_of(compared, &table.name),
        exact: fates.get(&table.name).is_some_and(|fate| fate.exact),
    }
}

fn entries_of<'a>(compared: &'a BTreeMap<ObjectName, Compared>, name: &ObjectName) -> &'a [Entry] {
    compared
        .get(name)
        .map_or(&[], |table| table.entries.as_slice())
}

/// A foreign key as production has it: child, parent, constraint, and the child's definition.
fn of_production(
    pairs: &[Pair],
    name: &ObjectName,
    key: &str,
) -> Option<(ObjectName, ObjectName, ForeignKey, Table)> {
    let pair = pairs
        .iter()
        .find(|pair| pair.names.local == name.database)?;
    let table = &pair.remote.tables.get(&name.name)?.table;
    let constraint = table.foreign_keys.iter().find(|own| own.name == key)?;
    let database = constraint
        .referenced_database
        .as_deref()
        .unwrap_or(&pair.names.remote);
    Some((
        pair.remote_name(&name.name),
        ObjectName::new(database, &constraint.referenced_table),
        constraint.clone(),
        table.clone(),
    ))
}

/// Asks production how many rows of a table refer to nothing, and for one of them.
fn ask(
    session: &mut dyn Reader,
    child: &ObjectName,
    parent: &ObjectName,
    constraint: &ForeignKey,
    table: &Table,
) -> Result<(u64, Option<String>)> {
    let orphaned = orphans::orphaned(child, parent, constraint);
    let counting = Select::from(child, vec![Expr::count_all()]).filter(orphaned.clone());
    let rows = session.rows(&counting.into())?;
    let count = rows
        .first()
        .and_then(|row| row.first().cloned().flatten())
        .and_then(|cell| String::from_utf8(cell).ok())
        .and_then(|text| text.parse::<u64>().ok())
        .context("a count that is no number")?;
    let key = table.comparison_key().unwrap_or_default();
    if count == 0 || key.is_empty() {
        return Ok((count, None));
    }
    let columns = key
        .iter()
        .map(|column| encode::select_expr(column))
        .collect();
    let one = Select::from(child, columns).filter(orphaned).limit(1, 0);
    let rows = session.rows(&one.into())?;
    let example = rows.first().map(|row| {
        let parts: Vec<String> = key
            .iter()
            .zip(row)
            .map(|(column, cell)| {
                let value = Value::from_cell(cell.as_deref(), column.value_kind());
                format!("`{}` = {value}", column.name)
            })
            .collect();
        parts.join(", ")
    });
    Ok((count, example))
}
