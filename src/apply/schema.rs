//! Executes schema entries: DDL on its own, one statement a send.
//!
//! Must never send a statement that was not made again from the entry's texts, and must never start from a state other
//! than the entry's `before`.

use super::foreign;
use super::freshness::text_now;
use super::table::{model_of, object_of};
use super::undo::{Journal, Record};
use crate::connect::{LocalSession, ObjectEnvironment, Reader};
use crate::plan::object_entries::object_statements;
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind, Risk, schema_entries};
use crate::read::encode;
use crate::schema::{Column, ObjectName, Table, parse, print};
use crate::sql::Select;
use crate::value::Value;
use anyhow::{Context as _, Result, anyhow, bail};

/// Rows of one line of the undo record.
const SAVED_ROWS: usize = 500;

/// Makes an entry's statements again from its texts.
///
/// # Errors
/// Why they cannot be made, in words.
pub(super) fn statements(entry: &Entry, local: &dyn Reader) -> Result<Vec<String>> {
    match entry.kind {
        Kind::CreateDatabase
        | Kind::AlterDatabase
        | Kind::CreateTable
        | Kind::AlterTable
        | Kind::DropTable => schema_entries::statements(
            entry.kind,
            entry.before.as_deref(),
            entry.after.as_deref(),
            &object_of(entry)?,
            local.server().vendor,
        ),
        _ => object_statements(entry).map_err(|reason| anyhow!("{reason}")),
    }
}

/// Executes an entry. `resumed` tells that a killed apply may have executed some of its statements.
///
/// # Errors
/// What the server says; the statements before it stand.
pub(super) fn run(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    resumed: bool,
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
            announce(journal, entry)?;
            for statement in statements(entry, local)? {
                local.execute(&statement)?;
            }
            committed(journal, entry)
        }
        _ => object(local, journal, entry, &name, resumed),
    }
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
        return committed(journal, entry);
    }
    let sql = if same(&now, &before) {
        statements(entry, local)?
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
            bail!("the table changed on local since the plan was made: plan again");
        }
        left
    } else {
        bail!(
            "the table is not what the entry starts from: an entry before it was not executed, or it changed"
        );
    };
    if let Some(after) = &after {
        for key in foreign::added(name, now.as_ref(), after) {
            // The session's foreign key checks are off, and the server would take orphans in silence.
            let exists = now.is_some() && model_of(local, &key.parent)?.is_some();
            let orphans = if exists {
                key.orphans(local).unwrap_or(0)
            } else {
                0
            };
            if orphans > 0 {
                bail!(
                    "{orphans} rows refer to no row of {}, which the foreign key {} would forbid",
                    key.parent,
                    key.constraint.name
                );
            }
        }
    }
    announce(journal, entry)?;
    if let (Some(now), Risk::Destructive) = (&now, entry.risk) {
        save(local, journal, entry, name, now, after.as_ref())?;
    }
    local.foreign_key_checks(false)?;
    for statement in &sql {
        local
            .execute(statement)
            .with_context(|| first_line(statement))?;
    }
    committed(journal, entry)
}

/// Writes to the undo record what a table's change destroys: the values of columns that go or change their type, or
/// every row of a table that goes.
fn save(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
    now: &Table,
    after: Option<&Table>,
) -> Result<()> {
    let stays = |column: &Column| {
        after
            .and_then(|table| table.column(&column.name))
            .is_some_and(|after| {
                after.data_type == column.data_type
                    && after.charset == column.charset
                    && (after.nullable || !column.nullable)
            })
    };
    let written = |column: &&Column| column.generated.is_none();
    let lost: Vec<&Column> = now
        .columns
        .iter()
        .filter(written)
        .filter(|column| !stays(column))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let mut saved: Vec<&Column> = match now.comparison_key() {
        Some(key) => key,
        None => now.columns.iter().filter(written).collect(),
    };
    for column in lost {
        if !saved.iter().any(|other| other.name == column.name) {
            saved.push(column);
        }
    }
    let select = Select::from(
        name,
        saved
            .iter()
            .map(|column| encode::select_expr(column))
            .collect(),
    );
    let mut rows: Vec<Values> = Vec::new();
    local
        .stream(&select.into(), &mut |cells| {
            rows.push(
                saved
                    .iter()
                    .zip(cells)
                    .map(|(column, cell)| {
                        (
                            column.name.clone(),
                            Value::from_cell(cell.as_deref(), column.value_kind()),
                        )
                    })
                    .collect(),
            );
            if rows.len() >= SAVED_ROWS {
                let rows = std::mem::take(&mut rows);
                journal.append(&Record::Values {
                    entry: entry.id.clone(),
                    rows,
                })?;
            }
            Ok(())
        })
        .with_context(|| format!("saving what {} would lose", entry.id))?;
    if !rows.is_empty() {
        journal.append(&Record::Values {
            entry: entry.id.clone(),
            rows,
        })?;
    }
    Ok(())
}

fn object(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
    resumed: bool,
) -> Result<()> {
    let mut sql = statements(entry, local)?;
    if sql.len() > 1 || resumed {
        let now = text_now(local, entry, name)?;
        if resumed && now == entry.after {
            // The answer to the last statement was lost.
            return committed(journal, entry);
        }
        if sql.len() > 1 && now.is_none() {
            // Killed between DROP and CREATE, or taken down and not put back.
            sql.remove(0);
        }
    }
    announce(journal, entry)?;
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

fn announce(journal: &mut Journal, entry: &Entry) -> Result<()> {
    journal.append(&Record::Object {
        entry: entry.id.clone(),
        before: entry.before.clone(),
    })
}

fn committed(journal: &mut Journal, entry: &Entry) -> Result<()> {
    journal.append(&Record::Committed {
        entry: entry.id.clone(),
    })
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
