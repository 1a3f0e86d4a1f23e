//! Takes triggers down while rows of their table are written, and puts them back.
//!
//! No session switch keeps triggers from firing (FACTS.md, section 5), and production's row already holds what its own
//! triggers did. Must never drop one before the way back is on disk.

use super::table::object_of;
use super::undo::{self, Journal, Record};
use crate::connect::{LocalSession, ObjectEnvironment, Reader as _, server_code};
use crate::introspect;
use crate::plan::object_entries::group;
use crate::plan::{Entry, Kind, Plan};
use crate::refusal::summary;
use crate::schema::{Database, Object, ObjectKind, ObjectName};
use crate::sql::read::Metadata;
use crate::sql::{Read, qualified};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The server's error number for a trigger of that name.
const ALREADY_THERE: u16 = 1359;

/// Triggers that are down, in the order in which they are put back.
#[derive(Debug, Default)]
pub(super) struct Down(Vec<(String, Object)>);

/// Takes down the triggers of these tables. Those that are down come back also beside an error, for [`Down::up`]; after
/// a kill [`restore`] puts them back.
pub(super) fn down(
    local: &mut LocalSession,
    journal: &mut Journal,
    tables: &BTreeSet<ObjectName>,
) -> (Down, Result<()>) {
    let mut down = Down::default();
    let result = take_down(local, journal, tables, &mut down);
    (down, result)
}

fn take_down(
    local: &mut LocalSession,
    journal: &mut Journal,
    tables: &BTreeSet<ObjectName>,
    down: &mut Down,
) -> Result<()> {
    let names: BTreeSet<String> = tables.iter().map(|table| table.database.clone()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let step = "reading the triggers of local";
    if !local.again(step, |local| any(local, &names, tables))? {
        return Ok(());
    }
    let triggers = local
        .again(step, |local| listed(local, &names, tables))
        .context(step)?;
    // The last first: put back in their order after a kill in between, they come behind those that are still up.
    for (database, trigger) in triggers.into_iter().rev() {
        journal.append(&Record::TriggerDown {
            database: database.clone(),
            trigger: Box::new(trigger.clone()),
        })?;
        let name = ObjectName::new(&database, &trigger.name);
        down.0.push((database, trigger));
        let sql = format!("DROP TRIGGER IF EXISTS {}", qualified(&name));
        if let Err(error) = local.again(&sql, |local| local.execute(&sql)) {
            down.0.pop();
            // After a broken connection no one knows: the record keeps the way back.
            if !crate::retry::broke(&error) {
                journal.append(&Record::TriggerUp {
                    database: name.database.clone(),
                    name: name.name.clone(),
                })?;
            }
            return Err(error.context(format!("taking down the trigger {name}")));
        }
    }
    Ok(())
}

/// Returns the triggers of a table, in the order in which they are put back.
///
/// # Errors
/// What the server says.
pub(super) fn of_table(local: &mut LocalSession, table: &ObjectName) -> Result<Vec<Object>> {
    let names = [table.database.clone()];
    let tables = BTreeSet::from([table.clone()]);
    if !any(local, &names, &tables)? {
        return Ok(Vec::new());
    }
    let listed = listed(local, &names, &tables)?;
    Ok(listed.into_iter().map(|(_, trigger)| trigger).collect())
}

/// The triggers of these tables with their databases, in the order in which they get their places back.
fn listed(
    local: &mut LocalSession,
    databases: &[String],
    tables: &BTreeSet<ObjectName>,
) -> Result<Vec<(String, Object)>> {
    let mut listed = Vec::new();
    for database in
        introspect::databases(local, databases).context("reading the triggers of local")?
    {
        let on_these = |table: &String| tables.contains(&ObjectName::new(&database.name, table));
        let mut triggers: Vec<Object> = database
            .objects
            .values()
            .filter(|object| object.kind == ObjectKind::Trigger)
            .filter(|object| object.table.as_ref().is_some_and(on_these))
            .cloned()
            .collect();
        triggers.sort_by_key(|trigger| trigger.order);
        listed.extend(
            triggers
                .into_iter()
                .map(|trigger| (database.name.clone(), trigger)),
        );
    }
    Ok(listed)
}

/// Whether any of these tables has a trigger: most have none, and reading the triggers' texts is slow.
fn any(
    local: &mut LocalSession,
    databases: &[String],
    tables: &BTreeSet<ObjectName>,
) -> Result<bool> {
    let read = Read::Metadata(Metadata::Triggers, databases.to_vec());
    let rows = local
        .rows(&read)
        .context("reading the triggers of local's tables")?;
    Ok(rows.iter().any(|row| {
        let text = |position: usize| {
            let cell = row.get(position).and_then(Option::as_deref);
            String::from_utf8_lossy(cell.unwrap_or_default()).to_lowercase()
        };
        tables.iter().any(|table| {
            table.database.to_lowercase() == text(0) && table.name.to_lowercase() == text(2)
        })
    }))
}

impl Down {
    /// Puts the triggers back; returns what could not be, in words. The record keeps the way back.
    ///
    /// # Errors
    /// When the connection broke; or, once all are back, when the record cannot be written.
    pub(super) fn up(self, local: &mut LocalSession, journal: &mut Journal) -> Result<Vec<String>> {
        let mut lost = Vec::new();
        let mut recorded = Ok(());
        for (database, trigger) in self.0.into_iter().rev() {
            match put_back(local, &database, &trigger) {
                Ok(()) => {
                    let up = Record::TriggerUp {
                        database,
                        name: trigger.name,
                    };
                    recorded = recorded.and(journal.append(&up));
                }
                Err(error) => lost.push(refused(error)?),
            }
        }
        recorded.map(|()| lost)
    }
}

/// What a server says against a trigger, in words; a broken connection stays an error.
fn refused(error: anyhow::Error) -> Result<String> {
    if crate::retry::broke(&error) {
        return Err(error);
    }
    Ok(summary(&error))
}

/// Puts back the triggers that killed applies took down, as the undo records beside a plan tell, in the databases
/// named (those that are locked). Returns what could not be put back, in words.
///
/// # Errors
/// When a record cannot be read or written, or the connection broke.
pub fn restore(
    local: &mut LocalSession,
    plan_path: &Path,
    databases: &[String],
) -> Result<Vec<String>> {
    let mut lost = Vec::new();
    for folder in undo::folders(plan_path)? {
        let records = undo::read_folder(&folder)?;
        let mut open = taken_down(&records);
        open.retain(|(database, _)| databases.contains(database));
        if open.is_empty() {
            continue;
        }
        let mut journal = Journal::open(&folder)?;
        for (database, trigger) in open {
            let there = introspect::databases(local, std::slice::from_ref(&database))?;
            let key = (ObjectKind::Trigger, trigger.name.clone());
            let missing = !there
                .iter()
                .any(|database| database.objects.contains_key(&key));
            if missing && let Err(error) = put_back(local, &database, &trigger) {
                lost.push(refused(error)?);
                continue;
            }
            journal.append(&Record::TriggerUp {
                database,
                name: trigger.name,
            })?;
        }
    }
    Ok(lost)
}

/// Puts the triggers that killed applies took down into the databases as they were read: the next apply puts them back
/// before it does anything else.
///
/// # Errors
/// When a record cannot be read.
pub(super) fn as_if_up(plan_path: &Path, databases: &mut [Database]) -> Result<()> {
    for folder in undo::folders(plan_path)? {
        for (name, trigger) in taken_down(&undo::read_folder(&folder)?) {
            if let Some(database) = databases.iter_mut().find(|it| it.name == name) {
                let key = (ObjectKind::Trigger, trigger.name.clone());
                database.objects.entry(key).or_insert(trigger);
            }
        }
    }
    Ok(())
}

/// The triggers that are down by a record, in the order in which they are put back.
fn taken_down(records: &[Record]) -> Vec<(String, Object)> {
    let mut open: Vec<(String, Object)> = Vec::new();
    for record in records {
        match record {
            Record::TriggerDown { database, trigger }
                if !open
                    .iter()
                    .any(|(other, there)| other == database && there.name == trigger.name) =>
            {
                open.push((database.clone(), (**trigger).clone()));
            }
            Record::TriggerUp { database, name } => {
                open.retain(|(other, trigger)| other != database || trigger.name != *name);
            }
            _ => {}
        }
    }
    open.sort_by_key(|(_, trigger)| trigger.order);
    open
}

fn put_back(local: &mut LocalSession, database: &str, trigger: &Object) -> Result<()> {
    let step = format!("putting back the trigger {database}.{}", trigger.name);
    local.patience().run(&step, |first| {
        if !first {
            local.renew()?;
        }
        local.set_environment(&ObjectEnvironment {
            sql_mode: trigger.sql_mode.clone(),
            charset_client: trigger.charset_client.clone(),
            collation_connection: trigger.collation_connection.clone(),
            database: database.to_owned(),
            ..ObjectEnvironment::default()
        })?;
        let created = local.execute(&trigger.create).map(drop);
        local.reset_environment()?;
        match created {
            // The answer to the first attempt was lost.
            Err(error) if !first && server_code(&error) == Some(ALREADY_THERE) => Ok(()),
            created => created.with_context(|| step.clone()),
        }
    })
}

/// Whether the trigger of an entry that only gives it another place runs when it will: behind all others of its table and
/// moment but those that the plan creates again after it. `moves` says of an entry before it whether it is yet to be
/// executed. True for any other entry.
///
/// # Errors
/// When id and object of an entry do not fit together.
pub(super) fn is_in_place(
    plan: &Plan,
    entry: &Entry,
    databases: &BTreeMap<String, Database>,
    moves: &dyn Fn(&str) -> bool,
) -> Result<bool> {
    if entry.kind != Kind::AlterTrigger || entry.before != entry.after {
        return Ok(true);
    }
    let name = object_of(entry)?;
    let Some(database) = databases.get(&name.database) else {
        return Ok(true);
    };
    let own = database
        .objects
        .get(&(ObjectKind::Trigger, name.name.clone()))
        .and_then(|own| Some((own.order, group(own)?)));
    let Some((order, own)) = own else {
        return Ok(true);
    };
    let is_trigger = |entry: &Entry| {
        matches!(
            entry.kind,
            Kind::CreateTrigger | Kind::AlterTrigger | Kind::DropTrigger
        )
    };
    let before = entry.depends_on.iter().filter_map(|id| plan.entry(id));
    if before.filter(|it| is_trigger(it)).any(|it| moves(&it.id)) {
        return Ok(false);
    }
    let mut waiting: BTreeSet<&str> = BTreeSet::from([entry.id.as_str()]);
    let mut later: BTreeSet<String> = BTreeSet::new();
    for other in plan.entries.iter().filter(|it| is_trigger(it)) {
        if other
            .depends_on
            .iter()
            .any(|id| waiting.contains(id.as_str()))
        {
            waiting.insert(&other.id);
            later.insert(object_of(other)?.name);
        }
    }
    Ok(!database.objects.values().any(|other| {
        other.order > order && group(other).as_ref() == Some(&own) && !later.contains(&other.name)
    }))
}
