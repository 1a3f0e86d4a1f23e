//! Which table a local table is, rather than what it looks like: a restored or re-created one is another.
//!
//! Must never take two tables for one: the time it was made or altered and, where the account may see it, InnoDB's own
//! number of it, which TRUNCATE changes as well.

use crate::connect::{LocalSession, Reader, Row, server_code};
use crate::schema::{ObjectName, Vendor};
use crate::sql::Read;
use crate::sql::read::Metadata;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;

/// Identities of local tables.
pub type Identities = BTreeMap<ObjectName, String>;

/// Reads the identities of all tables of local databases.
///
/// # Errors
/// What the server says.
pub fn identities(local: &mut LocalSession, databases: &[String]) -> Result<Identities> {
    let step = "reading which tables local has";
    let created = Read::Metadata(Metadata::Created, databases.to_vec());
    let made = local
        .again(step, |local| local.rows(&created))
        .context(step)?;
    let list = match local.server().vendor {
        Vendor::MySql => Metadata::InnodbTables,
        Vendor::MariaDb => Metadata::InnodbSysTables,
    };
    let list = Read::Metadata(list, databases.to_vec());
    let numbered = match local.again(step, |local| local.rows(&list)) {
        Ok(rows) => rows,
        // Without the PROCESS privilege, or without InnoDB: the time alone tells.
        Err(error) if server_code(&error).is_some() => Vec::new(),
        Err(error) => return Err(error.context(step)),
    };
    let numbers: BTreeMap<String, String> = numbered
        .iter()
        .map(|row| (text(row, 0), text(row, 1)))
        .collect();
    Ok(made
        .iter()
        .map(|row| {
            let name = ObjectName::new(text(row, 0), text(row, 1));
            let number = numbers
                .get(&format!("{}/{}", name.database, name.name))
                .map_or(String::new(), |number| format!(" #{number}"));
            let identity = format!("{}{number}", text(row, 2));
            (name, identity)
        })
        .collect())
}

fn text(row: &Row, place: usize) -> String {
    row.get(place)
        .and_then(Option::as_deref)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}
