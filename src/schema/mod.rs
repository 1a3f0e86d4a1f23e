//! The vocabulary of schemas: names, tables, columns, indexes, and the objects kept as whole texts.
//!
//! Everything here is plain data read from `SHOW CREATE …` texts. Must never do I/O, and must never guess: what the
//! model cannot hold makes the parser fail, and the object becomes [`Unsupported`].

pub mod charset;
pub mod name;
pub mod object;
pub mod parse;
pub mod personal;
pub mod print;
pub mod statement;
pub mod table;
pub mod vendor;

pub use name::ObjectName;
pub use object::{Object, ObjectKind};
pub use table::{Column, Table};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The program a server runs, which decides its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// Oracle MySQL and its builds.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// Something the tool saw but cannot handle; the plan shows it, nothing is skipped in silence.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Unsupported {
    /// The object, as `database.name` (local names).
    pub object: String,
    /// Why it cannot be handled, and what the user can do.
    pub reason: String,
}

/// One database's schema as read from one server.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// The database's name on the server it was read from.
    pub name: String,
    /// Whether the database exists on that server.
    pub exists: bool,
    /// Default character set of the database (empty when it does not exist).
    pub charset: String,
    /// Default collation of the database (empty when it does not exist).
    pub collation: String,
    /// Base tables by name, with what the server said about each.
    pub tables: BTreeMap<String, TableInfo>,
    /// Views, triggers, procedures, functions and events, by kind and name.
    pub objects: BTreeMap<(ObjectKind, String), Object>,
    /// What the account cannot see: never to be read as absent.
    pub unknown: BTreeMap<ObjectKind, String>,
    /// Tables with a trigger that cannot be read, and so not be taken down and put back, by the table's name: rows
    /// written to such a table would fire it.
    pub unreadable_triggers: BTreeMap<String, String>,
    /// Why the account may not see every table and view, where it may not: never read a missing table as dropped.
    pub tables_unknown: Option<String>,
    /// Objects that were seen but cannot be handled (the name in `Unsupported::object` is `name.object`).
    pub unsupported: Vec<Unsupported>,
}

/// A base table with its text and the server's estimates.
#[derive(Debug, Clone)]
pub struct TableInfo {
    /// The parsed table.
    pub table: Table,
    /// The text of `SHOW CREATE TABLE`, as the server printed it.
    pub create: String,
    /// The server's estimate of the number of rows.
    pub estimated_rows: u64,
    /// The server's estimate of the size of the data, in bytes.
    pub data_bytes: u64,
}
