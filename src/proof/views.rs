//! Reads production's views as the local server prints them, where production runs another vendor.
//!
//! Two vendors print one view differently, so their texts cannot be compared. Each view is created in the scratch
//! schema over stand-ins for what it refers to, and read back: then two texts of one server are compared. Must never
//! pass on a view that local has not taken.

use super::Scratch;
use crate::connect::{LocalSession, ObjectEnvironment, ServerError};
use crate::diff::object::{self, Context, references};
use crate::introspect;
use crate::refusal;
use crate::schema::object::LocalAccounts;
use crate::schema::table::Table;
use crate::schema::{Database, Object, ObjectKind, ObjectName, Vendor, print, statement, vendor};
use crate::sql::ident;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Returns production's views of a database as the local server prints them, by name, or why local cannot hold one.
///
/// # Errors
/// When no scratch schema can be made, or the connection breaks.
pub fn views_as_local_prints(
    session: &mut LocalSession,
    remote: &Database,
    remote_vendor: Vendor,
    accounts: &LocalAccounts,
) -> Result<BTreeMap<String, Result<Object, String>>> {
    let views: BTreeMap<&str, &Object> = of_kind(remote, ObjectKind::View);
    if views.is_empty() {
        return Ok(BTreeMap::new());
    }
    Scratch::open(session)?
        .views(remote, &views, remote_vendor, accounts)
        .context("trying production's views in a scratch schema on the local server")
}

fn of_kind(database: &Database, kind: ObjectKind) -> BTreeMap<&str, &Object> {
    database
        .objects
        .values()
        .filter(|object| object.kind == kind)
        .map(|object| (object.name.as_str(), object))
        .collect()
}

impl Scratch<'_> {
    fn views(
        &mut self,
        remote: &Database,
        views: &BTreeMap<&str, &Object>,
        remote_vendor: Vendor,
        accounts: &LocalAccounts,
    ) -> Result<BTreeMap<String, Result<Object, String>>> {
        let databases = [(remote.name.clone(), self.name.clone())];
        let context = Context {
            remote: remote_vendor,
            local: self.vendor,
            accounts,
            databases: &databases,
        };
        self.stand_ins(remote, views, &context)?;
        let mut failed: BTreeMap<&str, String> = BTreeMap::new();
        let mut open: Vec<&str> = views.keys().copied().collect();
        // A view that refers to another is taken once that one is there.
        loop {
            let before = open.len();
            let mut left = Vec::new();
            for name in open {
                match self.create_object(views[name], &context)? {
                    None => drop(failed.remove(name)),
                    Some(reason) => {
                        failed.insert(name, reason);
                        left.push(name);
                    }
                }
            }
            open = left;
            if open.is_empty() || open.len() == before {
                break;
            }
        }
        let read = introspect::databases(self.session, std::slice::from_ref(&self.name))?;
        let mut answers = BTreeMap::new();
        for (name, view) in views {
            let answer = match failed.remove(name) {
                Some(reason) => Err(reason),
                None => read
                    .iter()
                    .flat_map(|database| database.objects.values())
                    .find(|object| object.kind == ObjectKind::View && object.name == *name)
                    .ok_or_else(|| "local does not show it".to_owned())
                    .and_then(|printed| with_definer_of(printed, view)),
            };
            answers.insert((*name).to_owned(), answer);
        }
        Ok(answers)
    }

    /// Creates the tables, without rows and keys, and the functions that views refer to. What local does not take is
    /// missed by the view itself.
    fn stand_ins(
        &mut self,
        remote: &Database,
        views: &BTreeMap<&str, &Object>,
        context: &Context<'_>,
    ) -> Result<()> {
        let needed: BTreeSet<ObjectName> = views
            .values()
            .filter_map(|view| references(view, &remote.name).ok())
            .flatten()
            .filter(|name| name.database == remote.name)
            .collect();
        let functions: BTreeMap<String, &Object> = of_kind(remote, ObjectKind::Function)
            .into_iter()
            .map(|(name, object)| (name.to_lowercase(), object))
            .collect();
        for name in needed {
            let table = remote
                .tables
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(&name.name));
            if let Some((_, info)) = table {
                let stand_in = stand_in(&info.table, context.local);
                let sql = print::create_table_in(&self.name, &stand_in);
                self.try_execute(&sql)?;
            } else if let Some(function) = functions.get(&name.name.to_lowercase()) {
                self.create_object(function, context)?;
            }
        }
        Ok(())
    }

    /// Creates an object in the scratch schema. Returns what stands against it.
    fn create_object(&mut self, remote: &Object, context: &Context<'_>) -> Result<Option<String>> {
        let object = match object::wanted(remote, context) {
            Ok(wanted) => wanted.object,
            Err(reason) => return Ok(Some(reason)),
        };
        self.session.set_environment(&ObjectEnvironment {
            sql_mode: object.sql_mode.clone(),
            charset_client: object.charset_client.clone(),
            collation_connection: object.collation_connection.clone(),
            time_zone: object.time_zone.clone(),
            database: self.name.clone(),
        })?;
        let created = self.session.execute(&object.create);
        self.session.reset_environment()?;
        match created {
            Ok(_) => Ok(None),
            Err(error) => match refusal::find::<ServerError>(&error) {
                Some(server) => Ok(Some(format!(
                    "local refuses it: {} (error {})",
                    server
                        .message
                        .replace(&format!("{}.", ident(&self.name)), "")
                        .replace(&format!("{}.", self.name), ""),
                    server.code
                ))),
                None => Err(error),
            },
        }
    }
}

/// The table's columns, by name, type and character set alone.
fn stand_in(table: &Table, local: Vendor) -> Table {
    let mut stand_in = table.clone();
    vendor::reword(&mut stand_in, local);
    stand_in.indexes.clear();
    stand_in.foreign_keys.clear();
    stand_in.checks.clear();
    stand_in.partitioning = None;
    for column in &mut stand_in.columns {
        column.generated = None;
        column.default = None;
        column.on_update = None;
        column.auto_increment = false;
        column.check = None;
        column.other.clear();
    }
    stand_in
}

/// Local's text with the definer that production names.
fn with_definer_of(printed: &Object, remote: &Object) -> Result<Object, String> {
    let mut object = printed.clone();
    let own = statement::head(&printed.create, &printed.sql_mode)?;
    let wanted = statement::head(&remote.create, &remote.sql_mode)?;
    let account = &remote.create[wanted.definer_at];
    if !own.definer_at.is_empty() && !account.is_empty() {
        object.create.replace_range(own.definer_at, account);
    }
    object.definer.clone_from(&remote.definer);
    Ok(object)
}
