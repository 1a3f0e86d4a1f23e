//! Objects that are compared and replaced as whole texts: views, triggers, procedures, functions, events.
//!
//! Must never interpret a body beyond what normalising needs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The kinds of objects kept as whole texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A stored function.
    Function,
    /// A stored procedure.
    Procedure,
    /// A view.
    View,
    /// A trigger.
    Trigger,
    /// A scheduled event.
    Event,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::View => "view",
            Self::Trigger => "trigger",
            Self::Event => "event",
        })
    }
}

/// One view, trigger, procedure, function or event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name, without the database.
    pub name: String,
    /// The statement that creates it, from the server's `SHOW CREATE`, with its DEFINER clause as the server prints
    /// it. A view's is without its own database (`statement::view`); a trigger's may have it, as whoever wrote it
    /// did.
    pub create: String,
    /// The `DEFINER` account as `user@host` (a role of MariaDB: its name), where the text has one.
    pub definer: Option<String>,
    /// The `sql_mode` it was created under (empty for views).
    pub sql_mode: String,
    /// `character_set_client` it was created under.
    pub charset_client: String,
    /// `collation_connection` it was created under.
    pub collation_connection: String,
    /// The default collation its database had when it was created; empty where the kind keeps none.
    pub database_collation: String,
    /// For an event, the time zone it runs in (`SYSTEM`, `+00:00`); empty for other kinds.
    pub time_zone: String,
    /// For a trigger, the table it belongs to.
    pub table: Option<String>,
    /// For a trigger, its place among those of its table, time and event, from 1.
    pub order: u64,
}

/// What decides how objects are created on local.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalAccounts {
    /// The account that the tool uses, as user and host.
    pub own: (String, String),
    /// All accounts, itself included; a role of MariaDB has no host.
    pub known: BTreeSet<(String, String)>,
    /// Whether functions are taken that do not say that they are deterministic or only read (error 1418 otherwise).
    pub takes_any_function: bool,
}
