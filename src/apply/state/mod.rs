//! What local remembers of each table: how far it was brought up to date, and which keys are to be looked at again.
//!
//! One row per table in `_driftwarden_state`, in the table's own local database; no comparison, listing or drop ever takes
//! the table in. Must never claim more than is true: whoever changes a table outside the course of its notes makes the
//! note void, and a note that cannot be read, or is about another table of that name, counts as none.

mod identity;
mod keeper;
mod left;

pub use identity::{Identities, identities};
pub(super) use keeper::Keeper;
pub(super) use left::MOST_KEYS;

use crate::connect::{LocalSession, Reader, server_code};
use crate::introspect::STATE_TABLE;
use crate::plan::Watermark;
use crate::schema::ObjectName;
use crate::sql::expr::Operator;
use crate::sql::{Expr, Select, ident, qualified, string};
use crate::value::{Value, to_hex};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The form of a note; one of another is void.
const VERSION: u32 = 1;

/// What local remembers of a table: every row of the remote that is older than the watermark (less the overlap) was equal
/// on local when the plan was applied, but for the keys. Rows that only local has are no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The form of the note.
    pub version: u32,
    /// Digest of the plan that was applied.
    pub plan: String,
    /// When that plan was made, by the clock of the machine that made it; RFC 3339.
    pub planned_at: String,
    /// Identity of the production server.
    pub remote: String,
    /// Identity of the local server.
    pub local: String,
    /// Which table of local's it is about.
    pub table: String,
    /// How far.
    pub mark: Watermark,
    /// Names of the key's columns.
    pub key: Vec<String>,
    /// Keys of rows that were denied, left pending, or found changed: values in the order of `key`.
    pub keys: Vec<Vec<Value>>,
}

/// A note as it stands on local.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Hash of its text.
    pub hash: String,
    /// The note; `None` where its text is none of ours.
    pub note: Option<Note>,
}

impl Stored {
    fn of(text: &[u8]) -> Self {
        Self {
            hash: to_hex(&Sha256::digest(text)),
            note: serde_json::from_slice::<Note>(text)
                .ok()
                .filter(|note| note.version == VERSION),
        }
    }
}

fn state_table(database: &str) -> ObjectName {
    ObjectName::new(database, STATE_TABLE)
}

/// Reads the notes of a local database, by table name; none where it keeps none.
///
/// # Errors
/// What the server says, but for a missing database or table, or one that is none of ours.
pub fn read(local: &mut LocalSession, database: &str) -> Result<BTreeMap<String, Stored>> {
    let step = "reading what local remembers";
    let asked = notes(database, None).into();
    let rows = match local.again(step, |local| local.rows(&asked)) {
        Ok(rows) => rows,
        // No such database, no such table, no such column, a view that leads nowhere.
        Err(error) if matches!(server_code(&error), Some(1049 | 1146 | 1054 | 1356)) => {
            return Ok(BTreeMap::new());
        }
        Err(error) => {
            return Err(error.context(format!("reading {}", state_table(database))));
        }
    };
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let mut cells = row.into_iter();
            let (name, text) = (cells.next()??, cells.next()??);
            Some((String::from_utf8(name).ok()?, Stored::of(&text)))
        })
        .collect())
}

fn notes(database: &str, table: Option<&str>) -> Select {
    let columns = vec![Expr::column("table_name"), Expr::column("note")];
    let select = Select::from(&state_table(database), columns);
    match table {
        Some(name) => {
            select.filter(Expr::column("table_name").binary(Operator::Equal, Expr::text(name)))
        }
        None => select,
    }
}

/// Makes the note of a local table void, in the transaction that is open, if one is: for whoever changes the table's rows
/// outside the course of its notes. Returns whether there was one.
///
/// # Errors
/// What the server says, but for a missing database or table.
pub fn void(local: &mut LocalSession, table: &ObjectName) -> Result<bool> {
    let sql = format!(
        "DELETE FROM {} WHERE {} = {}",
        qualified(&state_table(&table.database)),
        ident("table_name"),
        string(&table.name)
    );
    match local.execute(&sql) {
        Ok(deleted) => Ok(deleted > 0),
        Err(error) if matches!(server_code(&error), Some(1049 | 1146 | 1054)) => Ok(false),
        Err(error) => Err(error.context(format!("making void what local remembers of {table}"))),
    }
}

/// Makes the table of notes, where it is missing. Commits what is open, as every statement of its kind.
fn make_table(local: &mut LocalSession, database: &str) -> Result<()> {
    let table = state_table(database);
    local
        .execute(&format!(
            "CREATE TABLE IF NOT EXISTS {} (\
             `table_name` varchar(64) NOT NULL, `note` longtext NOT NULL, PRIMARY KEY (`table_name`)\
             ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin \
             COMMENT='driftwarden: how far each table was brought up to date; harmless to drop'",
            qualified(&table)
        ))
        .map(drop)
        .with_context(|| format!("making {table}"))
}

/// Returns a table's note as it stands, locked until the transaction ends.
fn read_locked(local: &mut LocalSession, table: &ObjectName) -> Result<Option<Stored>> {
    let select = notes(&table.database, Some(&table.name));
    let rows = local.rows_locked(&select)?;
    Ok(rows
        .first()
        .and_then(|row| row.get(1))
        .and_then(Option::as_deref)
        .map(Stored::of))
}

/// Writes a table's note, in the transaction that is open.
fn write(local: &mut LocalSession, table: &ObjectName, text: &str) -> Result<()> {
    void(local, table)?;
    local
        .execute(&format!(
            "INSERT INTO {} (`table_name`, `note`) VALUES ({}, {})",
            qualified(&state_table(&table.database)),
            string(&table.name),
            string(text)
        ))
        .map(drop)
        .with_context(|| format!("noting how far {table} is brought up to date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            version: VERSION,
            plan: "sha256:00".into(),
            planned_at: "2026-11-24T06:15:00Z".into(),
            remote: "a".into(),
            local: "b".into(),
            table: "2026-11-24 06:15:00 #7".into(),
            mark: Watermark {
                column: "at".into(),
                value: "2026-11-24 06:15:00".into(),
                clock: "2026-11-24 06:15:01".into(),
                ahead: 0,
                basis: "c".into(),
            },
            key: vec!["id".into()],
            keys: vec![vec![Value::Integer(7)], vec![Value::Bytes(vec![0, 255])]],
        }
    }

    #[test]
    fn a_note_comes_back() {
        let text = serde_json::to_string(&note()).unwrap();
        assert_eq!(Stored::of(text.as_bytes()).note, Some(note()));
    }

    #[test]
    fn a_note_of_another_form_counts_as_none() {
        let mut other = note();
        other.version = 2;
        let text = serde_json::to_string(&other).unwrap();
        for text in [text.as_str(), "", "{}", "\u{0}", "[1]"] {
            assert_eq!(Stored::of(text.as_bytes()).note, None);
        }
    }
}
