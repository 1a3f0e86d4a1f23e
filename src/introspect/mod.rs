//! Reads the schemas of databases from a server, in a number of sends that does not grow with the number of objects:
//! the lists of all kinds at once, the grants, and the CREATE texts many per send.
//!
//! What the account cannot see is `unknown`, what cannot be handled is `unsupported`, with the reason. Must never read
//! an empty answer as "there is none" where the account lacks the privilege to see (FACTS.md, finding 10).

mod create;
pub mod grants;
mod object;

#[cfg(test)]
mod tests;

pub use grants::Grants;

use crate::connect::{Reader, Row, server_code};
use crate::retry::is_transient;
use crate::schema::object::LocalAccounts;
use crate::schema::{Database, ObjectKind, ObjectName, TableInfo, Unsupported, parse};
use crate::sql::Read;
use crate::sql::read::ServerQuestion;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The table in which the tool keeps its watermarks on local; left out of every schema.
pub const STATE_TABLE: &str = "_driftwarden_state";

/// Reads databases. One that the server does not have comes back with `exists` false. The order is that of the names.
///
/// # Errors
/// When a list cannot be read; what fails for a single object is in `unsupported` instead.
pub fn databases(reader: &mut dyn Reader, names: &[String]) -> Result<Vec<Database>> {
    let mut survey = survey(reader, names)?;
    let tables = std::mem::take(&mut survey.tables);
    let listed: Vec<ObjectName> = tables.iter().map(|table| table.name.clone()).collect();
    for (table, answer) in tables.iter().zip(create::tables(reader, &listed)?) {
        let Some(database) = survey.database(&table.name.database) else {
            continue;
        };
        let name = &table.name.name;
        match answer.and_then(|row| table_info(table, &row)) {
            Ok(info) => {
                database.tables.insert(name.clone(), info);
            }
            Err(reason) => unsupported(database, name, reason),
        }
    }
    let objects = std::mem::take(&mut survey.objects);
    let listed: Vec<(ObjectKind, ObjectName)> = objects
        .iter()
        .map(|object| (object.kind, object.name.clone()))
        .collect();
    for (listed, answer) in objects.iter().zip(create::objects(reader, &listed)?) {
        let Some(database) = survey.database(&listed.name.database) else {
            continue;
        };
        match answer.and_then(|row| object::read(listed, &row)) {
            Ok(object) => {
                database
                    .objects
                    .insert((object.kind, object.name.clone()), object);
            }
            Err(reason) => {
                if let Some((table, _)) = &listed.table {
                    let name = listed.name.name.clone();
                    database.unreadable_triggers.insert(table.clone(), name);
                }
                let reason = format!("{}: {reason}", listed.kind);
                unsupported(database, &listed.name.name, reason);
            }
        }
    }
    Ok(survey.databases)
}

/// Reads the account's own grants.
///
/// # Errors
/// When the server does not answer.
pub fn own_grants(reader: &mut dyn Reader) -> Result<Grants> {
    let rows = reader
        .rows(&Read::Server(ServerQuestion::Grants))
        .with_context(|| format!("reading the account's grants ({:?})", reader.side()))?;
    let lines: Vec<String> = rows.iter().map(|row| text(row, 0)).collect();
    Ok(Grants::parse(lines.iter().map(String::as_str)))
}

/// Reads what decides how stored objects are created on local: its accounts, and whether it takes any function.
///
/// # Errors
/// When the server does not answer. An account that may not read `mysql.user` knows of itself alone.
pub fn local_accounts(local: &mut dyn Reader) -> Result<LocalAccounts> {
    let own = local
        .rows(&Read::Server(ServerQuestion::CurrentUser))
        .context("reading the local account's name")?;
    let own = own.first().map(|row| text(row, 0)).unwrap_or_default();
    // A host holds no `@`; a user may.
    let (user, host) = own.rsplit_once('@').unwrap_or((&own, ""));
    let own = (user.to_owned(), host.to_owned());
    let mut known = match local.rows(&Read::Server(ServerQuestion::Accounts)) {
        Ok(rows) => rows
            .iter()
            .map(|row| (text(row, 0), text(row, 1)))
            .collect(),
        Err(error) if server_code(&error).is_some() && !is_transient(&error) => BTreeSet::new(),
        Err(error) => return Err(error).context("listing local's accounts"),
    };
    known.insert(own.clone());
    let trust = local
        .rows(&Read::Server(ServerQuestion::FunctionTrust))
        .context("reading how local takes functions")?;
    let takes_any_function = trust
        .first()
        .is_none_or(|row| text(row, 0) != "1" || text(row, 1) == "1");
    Ok(LocalAccounts {
        own,
        known,
        takes_any_function,
    })
}

/// A base table as listed.
struct ListedTable {
    name: ObjectName,
    rows: u64,
    bytes: u64,
}

/// A view, trigger, routine or event as listed.
struct ListedObject {
    kind: ObjectKind,
    name: ObjectName,
    /// For a trigger, its table and its place.
    table: Option<(String, u64)>,
}

struct Survey {
    databases: Vec<Database>,
    /// The databases' names as the server spells them in its lists, with their places.
    places: BTreeMap<String, usize>,
    fold: bool,
    tables: Vec<ListedTable>,
    objects: Vec<ListedObject>,
}

impl Survey {
    fn database(&mut self, name: &str) -> Option<&mut Database> {
        let place = self.places.get(&folded(name, self.fold))?;
        self.databases.get_mut(*place)
    }
}

/// Servers with `lower_case_table_names` hold names without regard to case; others answer for names in another case
/// (`information_schema` compares so), which must not be taken for the database that was asked for.
fn folded(name: &str, fold: bool) -> String {
    if fold {
        name.to_lowercase()
    } else {
        name.to_owned()
    }
}

fn survey(reader: &mut dyn Reader, names: &[String]) -> Result<Survey> {
    let fold = reader.server().lower_case_table_names != 0;
    let vendor = reader.server().vendor;
    let grants = own_grants(reader)?;
    let sets = reader
        .sets(&Read::Survey(names.to_vec()))
        .with_context(|| format!("listing what is in {}", names.join(", ")))?;
    let mut sets = sets.into_iter();
    let mut next = || sets.next().unwrap_or_default();
    let mut survey = Survey {
        databases: names
            .iter()
            .map(|name| Database {
                name: name.clone(),
                unknown: grants.unknown(vendor, name),
                tables_unknown: grants.tables_unknown(name),
                ..Database::default()
            })
            .collect(),
        places: names
            .iter()
            .enumerate()
            .map(|(place, name)| (folded(name, fold), place))
            .collect(),
        fold,
        tables: Vec::new(),
        objects: Vec::new(),
    };
    for row in next() {
        if let Some(database) = survey.database(&text(&row, 0)) {
            database.exists = true;
            database.charset = text(&row, 1);
            database.collation = text(&row, 2);
        }
    }
    for row in next() {
        survey.list_table(&row);
    }
    for row in next() {
        let order = text(&row, 3).parse().unwrap_or(1);
        survey.list(ObjectKind::Trigger, &row, Some((text(&row, 2), order)));
    }
    for row in next() {
        let kind = match text(&row, 2).as_str() {
            "FUNCTION" => ObjectKind::Function,
            "PROCEDURE" => ObjectKind::Procedure,
            other => {
                let reason = format!("{} is not supported", other.to_lowercase());
                survey.unsupported(&row, reason);
                continue;
            }
        };
        survey.list(kind, &row, None);
    }
    for row in next() {
        survey.list(ObjectKind::Event, &row, None);
    }
    Ok(survey)
}

impl Survey {
    /// `schema, name, type, engine, rows, data length, comment`
    fn list_table(&mut self, row: &Row) {
        let name = name(row);
        if name.name == STATE_TABLE || self.database(&name.database).is_none() {
            return;
        }
        match text(row, 2).as_str() {
            "BASE TABLE" => self.tables.push(ListedTable {
                name,
                rows: text(row, 4).parse().unwrap_or(0),
                bytes: text(row, 5).parse().unwrap_or(0),
            }),
            "VIEW" => self.list(ObjectKind::View, row, None),
            "SYSTEM VERSIONED" => self.unsupported(
                row,
                "a system-versioned table: its history cannot be compared or copied; remove the versioning, or \
                 exclude the table"
                    .to_owned(),
            ),
            "SEQUENCE" => self.unsupported(
                row,
                "a sequence: not compared; create it on local by hand".to_owned(),
            ),
            // A temporary table belongs to a session, and none of it is ours.
            kind if kind.contains("TEMPORARY") => {}
            kind => {
                let reason = format!("a {}, which driftwarden does not know", kind.to_lowercase());
                self.unsupported(row, reason);
            }
        }
    }

    fn list(&mut self, kind: ObjectKind, row: &Row, table: Option<(String, u64)>) {
        let name = name(row);
        if self.database(&name.database).is_some() {
            self.objects.push(ListedObject { kind, name, table });
        }
    }

    fn unsupported(&mut self, row: &Row, reason: String) {
        let name = name(row);
        if let Some(database) = self.database(&name.database) {
            unsupported(database, &name.name, reason);
        }
    }
}

fn unsupported(database: &mut Database, name: &str, reason: String) {
    database.unsupported.push(Unsupported {
        object: format!("{}.{name}", database.name),
        reason,
    });
}

/// `table, create text`
fn table_info(listed: &ListedTable, row: &Row) -> Result<TableInfo, String> {
    let create = row
        .get(1)
        .cloned()
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or("its CREATE TABLE is not UTF-8 text")?;
    let table = parse::table(&create).map_err(|error| error.to_string())?;
    Ok(TableInfo {
        table,
        create,
        estimated_rows: listed.rows,
        data_bytes: listed.bytes,
    })
}

/// The cell as text; empty for NULL.
fn text(row: &Row, place: usize) -> String {
    row.get(place)
        .and_then(Option::as_deref)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}

fn name(row: &Row) -> ObjectName {
    ObjectName::new(text(row, 0), text(row, 1))
}
