//! Objects that are compared and replaced as whole texts: views, triggers, procedures, functions, events.
//!
//! Must never interpret a body beyond what normalising needs.

use serde::{Deserialize, Serialize};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name, without the database.
    pub name: String,
    /// The statement that creates it, from the server's `SHOW CREATE`, with its DEFINER clause as the server prints
    /// it and without the database in front of its own name.
    pub create: String,
    /// The `DEFINER` account as `user@host`, where the kind has one.
    pub definer: Option<String>,
    /// The `sql_mode` it was created under (empty for views).
    pub sql_mode: String,
    /// `character_set_client` it was created under.
    pub charset_client: String,
    /// `collation_connection` it was created under.
    pub collation_connection: String,
    /// For a trigger, the table it belongs to.
    pub table: Option<String>,
}
