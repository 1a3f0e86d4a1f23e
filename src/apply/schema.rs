//! Executes schema entries: DDL on its own, one statement a send.
//!
//! Must never send a statement that was not made again from the entry's texts, and must never start from a state other
//! than the entry's `before`.

use super::freshness::text_now;
use super::table::{model_of, object_of};
use super::undo::{Journal, Record, Unrecorded};
use super::{demands, save};
use crate::connect::{LocalSession, ObjectEnvironment, Reader};
use crate::diff::schema::keeps_values;
use crate::introspect;
use crate::plan::{Entry, Kind, remake, schema_entries};
use crate::refusal::Refusal;
use crate::schema::{Object, ObjectName, Table, parse, print};
use anyhow::{Context as _, Result, bail};

/// Executes an entry. `resumed` tells that a killed apply may have executed some of its statements; `before` is the
/// view, trigger, routine or event that it is about.
///
/// # Errors
/// What the server says; the statements before it stand.
pub(super) fn run(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    resumed: bool,
    before: Option<&Object>,
) -> Result<()> {
    let name = object_of(entry)?;
    match entry.kind {
        Kind::CreateTable | Kind::AlterTable | Kind::DropTable => {
            table(local, journal, entry, &name, resumed)
        }
        Kind::CreateDatabase | Kind::AlterDatabase => {
            if resumed {
                let now = text_now(local, entry, &name)?;
                if now == entry.after || now.is_some() && entry.kind == Kind::CreateDatabase {
                    return committed(journal, entry);
                }
            }
            announce(journal, entry, None, false)?;
            for statement in remake::statements(entry, local.server().vendor)? {
                local.execute(&statement)?;
            }
            committed(journal, entry)
        }
        Kind::DropDatabase => drop_database(local, journal, entry, &name),
        _ => object(local, journal, entry, &name, resumed, before),
    }
}

/// Drops a database that nothing is left in. What driftwarden itself keeps there goes with it.
fn drop_database(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
) -> Result<()> {
    let found = introspect::databases(local, std::slice::from_ref(&name.database))?;
    for database in found.iter().filter(|database| database.exists) {
        let tables = database.tables.keys().map(String::as_str);
        let objects = database.objects.keys().map(|(_, name)| name.as_str());
        let other = database.unsupported.iter().map(|it| it.object.as_str());
        let left: Vec<&str> = tables.chain(objects).chain(other).collect();
        if let Some(one) = left.first() {
            return Err(Refusal::new(
                format!(
                    "the database {} is not empty: it holds {one}{}",
                    database.name,
                    match left.len() {
                        1 => String::new(),
                        more => format!(" and {} more", more - 1),
                    }
                ),
                "approve what drops them as well, or keep the database: driftwarden deny with this entry's id",
            )
            .into());
        }
    }
    announce(journal, entry, None, false)?;
    for statement in remake::statements(entry, local.server().vendor)? {
        local.execute(&statement)?;
    }
    committed(journal, entry)
}

fn table(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
    resumed: bool,
) -> Result<()> {
    let now = model_of(local, name)?;
    let read = |text: &Option<String>| text.as_deref().map(parse::table).transpose();
    let (before, after) = (read(&entry.before)?, read(&entry.after)?);
    let same = |one: &Option<Table>, other: &Option<Table>| {
        one.as_ref().map(print::fingerprint) == other.as_ref().map(print::fingerprint)
    };
    if same(&now, &after) {
        if resumed {
            left(local, journal, entry, name)?;
        }
        return committed(journal, entry);
    }
    let sql = if same(&now, &before) {
        remake::statements(entry, local.server().vendor)?
    } else if let (true, Some(now)) = (resumed && entry.kind == Kind::AlterTable, &now) {
        // Killed between two of its statements: go on from where the table is now, with what is left of them. Any
        // other statement was not approved: the table changed by another hand.
        let now = print::create_table(now);
        let left = schema_entries::statements(
            entry.kind,
            Some(&now),
            entry.after.as_deref(),
            name,
            local.server().vendor,
        )?;
        if !entry.sql.ends_with(&left) {
            bail!("the table changed on local since the plan was made");
        }
        left
    } else {
        bail!(
            "the table is not what the entry starts from: an entry before it was not executed, or it changed"
        );
    };
    if let (Kind::AlterTable, Some(now), Some(after)) = (entry.kind, &now, &after) {
        demands::met(local, name, now, after)?;
    }
    let middle = !same(&now, &before);
    announce(journal, entry, None, middle)?;
    if let (Some(now), false) = (&now, middle) {
        save::lost(local, journal, entry, name, now, after.as_ref())?;
    }
    local.foreign_key_checks(false)?;
    let kept = now
        .as_ref()
        .zip(after.as_ref())
        .is_some_and(|(now, after)| keeps_values(now, after));
    for statement in &sql {
        local
            .change_schema(statement, kept)
            .with_context(|| first_line(statement))?;
    }
    left(local, journal, entry, name)?;
    committed(journal, entry)
}

/// Notes what a change of columns left, by which a revert tells later changes of those values.
fn left(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
) -> Result<()> {
    if entry.kind != Kind::AlterTable {
        return Ok(());
    }
    let (Some(before), Some(after)) = (&entry.before, &entry.after) else {
        return Ok(());
    };
    let (before, after) = (parse::table(before)?, parse::table(after)?);
    if !save::is_saved(entry.risk, &before, Some(&after)) {
        return Ok(());
    }
    save::left(local, journal, entry, name, &before, &after).context(Unrecorded)
}

fn object(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
    resumed: bool,
    before: Option<&Object>,
) -> Result<()> {
    let mut sql = remake::statements(entry, local.server().vendor)?;
    if sql.len() > 1 || resumed {
        let now = text_now(local, entry, name)?;
        // A trigger that only takes another place has one text: whether it has its place, the text does not tell.
        if resumed && now == entry.after && entry.before != entry.after {
            // The answer to the last statement was lost.
            return committed(journal, entry);
        }
        if sql.len() > 1 && now.is_none() {
            // Killed between DROP and CREATE, or taken down and not put back.
            sql.remove(0);
        }
    }
    announce(journal, entry, before, false)?;
    let environment = entry.environment.clone().unwrap_or_default();
    local.set_environment(&ObjectEnvironment {
        sql_mode: environment.sql_mode,
        charset_client: environment.character_set_client,
        collation_connection: environment.collation_connection,
        time_zone: environment.time_zone,
        database: name.database.clone(),
    })?;
    let executed = sql.iter().try_for_each(|statement| {
        local
            .execute(statement)
            .map(drop)
            .with_context(|| first_line(statement))
    });
    local.reset_environment()?;
    executed?;
    committed(journal, entry)
}

fn announce(
    journal: &mut Journal,
    entry: &Entry,
    object: Option<&Object>,
    resumed: bool,
) -> Result<()> {
    journal.append(&Record::Object {
        entry: entry.id.clone(),
        before: entry.before.clone(),
        object: object.map(|object| Box::new(object.clone())),
        resumed,
    })
}

fn committed(journal: &mut Journal, entry: &Entry) -> Result<()> {
    let record = Record::Committed {
        entry: entry.id.clone(),
    };
    journal.append(&record).context(Unrecorded)
}

fn first_line(statement: &str) -> String {
    let line: String = statement
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(120)
        .collect();
    format!("executing {line}")
}
