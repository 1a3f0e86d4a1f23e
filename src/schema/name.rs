//! Names of objects inside databases.
//!
//! Must never quote for SQL: that is `sql`'s alone.

use std::fmt;

/// The name of a table or other object, with its database. Displayed as `database.name` for people, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The database (schema) the object is in.
    pub database: String,
    /// The object's own name.
    pub name: String,
}

impl ObjectName {
    /// Creates a name from its two parts.
    pub fn new(database: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}
