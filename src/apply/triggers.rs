//! Takes triggers down while rows of their table are written, and puts them back.
//!
//! No session switch keeps triggers from firing (FACTS.md, section 5), and production's row already holds what its own
//! triggers did. Must never drop one before the way back is on disk.

use super::undo::{Journal, Record};
use crate::connect::{LocalSession, ObjectEnvironment};
use crate::introspect;
use crate::schema::{Object, ObjectKind, ObjectName};
use crate::sql::qualified;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// Triggers that are down, in the order in which they are put back.
#[derive(Debug, Default)]
pub(super) struct Down(Vec<(String, Object)>);

/// Takes down the triggers of these tables.
///
/// # Errors
/// When a trigger cannot be read, recorded or dropped; those already down are put back by [`Down::up`] or, after a
/// kill, by [`restore`].
pub(super) fn down(
    local: &mut LocalSession,
    journal: &mut Journal,
    tables: &BTreeSet<ObjectName>,
) -> Result<Down> {
    let mut down = Down::default();
    let names: BTreeSet<String> = tables.iter().map(|table| table.database.clone()).collect();
    let names: Vec<String> = names.into_iter().collect();
    for database in introspect::databases(local, &names).context("reading the triggers of local")? {
        let mut triggers: Vec<&Object> = database
            .objects
            .values()
            .filter(|object| object.kind == ObjectKind::Trigger)
            .filter(|object| {
                object
                    .table
                    .as_ref()
                    .is_some_and(|table| tables.contains(&ObjectName::new(&database.name, table)))
            })
            .collect();
        // In this order they get their places back.
        triggers.sort_by_key(|trigger| trigger.order);
        for trigger in triggers {
            journal.append(&Record::TriggerDown {
                database: database.name.clone(),
                name: trigger.name.clone(),
                create: trigger.create.clone(),
                sql_mode: trigger.sql_mode.clone(),
                charset_client: trigger.charset_client.clone(),
                collation_connection: trigger.collation_connection.clone(),
            })?;
            let name = ObjectName::new(&database.name, &trigger.name);
            local
                .execute(&format!("DROP TRIGGER {}", qualified(&name)))
                .with_context(|| format!("taking down the trigger {name}"))?;
            down.0.push((database.name.clone(), trigger.clone()));
        }
    }
    Ok(down)
}

impl Down {
    /// Puts the triggers back.
    ///
    /// # Errors
    /// When one cannot be created again; the record keeps the way back.
    pub(super) fn up(self, local: &mut LocalSession, journal: &mut Journal) -> Result<()> {
        for (database, trigger) in self.0 {
            put_back(local, &database, &trigger)?;
            journal.append(&Record::TriggerUp {
                database,
                name: trigger.name,
            })?;
        }
        Ok(())
    }
}

/// Puts back what a killed apply took down.
///
/// # Errors
/// When one cannot be created again.
pub(super) fn restore(
    local: &mut LocalSession,
    journal: &mut Journal,
    records: &[Record],
) -> Result<Vec<String>> {
    let mut open: Vec<(String, Object)> = Vec::new();
    for record in records {
        match record {
            Record::TriggerDown {
                database,
                name,
                create,
                sql_mode,
                charset_client,
                collation_connection,
            } => open.push((
                database.clone(),
                Object {
                    kind: ObjectKind::Trigger,
                    name: name.clone(),
                    create: create.clone(),
                    definer: None,
                    sql_mode: sql_mode.clone(),
                    charset_client: charset_client.clone(),
                    collation_connection: collation_connection.clone(),
                    database_collation: String::new(),
                    time_zone: String::new(),
                    table: None,
                    order: 0,
                },
            )),
            Record::TriggerUp { database, name } => {
                open.retain(|(other, trigger)| other != database || trigger.name != *name);
            }
            _ => {}
        }
    }
    let mut restored = Vec::new();
    for (database, trigger) in open {
        let there = introspect::databases(local, std::slice::from_ref(&database))?;
        let key = (ObjectKind::Trigger, trigger.name.clone());
        if !there
            .iter()
            .any(|database| database.objects.contains_key(&key))
        {
            put_back(local, &database, &trigger)?;
            restored.push(format!("{database}.{}", trigger.name));
        }
        journal.append(&Record::TriggerUp {
            database,
            name: trigger.name,
        })?;
    }
    Ok(restored)
}

fn put_back(local: &mut LocalSession, database: &str, trigger: &Object) -> Result<()> {
    local.set_environment(&ObjectEnvironment {
        sql_mode: trigger.sql_mode.clone(),
        charset_client: trigger.charset_client.clone(),
        collation_connection: trigger.collation_connection.clone(),
        database: database.to_owned(),
        ..ObjectEnvironment::default()
    })?;
    let created = local
        .execute(&trigger.create)
        .map(drop)
        .with_context(|| format!("putting back the trigger {database}.{}", trigger.name));
    local.reset_environment()?;
    created
}
