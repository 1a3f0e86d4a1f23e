//! The statements of an entry, made again from its texts, and what it is about.
//!
//! Pure: what a plan file says of itself is enough. Must never take the file's own `sql` for what its texts give.

use super::{Entry, Kind, Plan, entry_id, object_entries, schema_entries};
use crate::refusal::Refusal;
use crate::schema::{ObjectName, Vendor};
use anyhow::{Result, anyhow};

/// Returns the name of the object an entry is about.
///
/// # Errors
/// When id and object do not fit together (a plan made by hand).
pub fn object_of(entry: &Entry) -> Result<ObjectName> {
    let named = match entry.kind {
        Kind::CreateDatabase | Kind::AlterDatabase | Kind::DropDatabase => {
            entry_id::database_of(&entry.id)
                .filter(|name| *name == entry.object)
                .map(|name| ObjectName::new(name, ""))
        }
        _ => entry_id::parts(&entry.id)
            .map(|(database, object, _)| ObjectName::new(database, object))
            .filter(|name| name.to_string() == entry.object),
    };
    named.ok_or_else(|| {
        anyhow!(
            "the id {} and the object {} do not fit together",
            entry.id,
            entry.object
        )
    })
}

/// Makes an entry's statements again from its texts; none for an entry about rows.
///
/// # Errors
/// Why they cannot be made, in words.
pub fn statements(entry: &Entry, vendor: Vendor) -> Result<Vec<String>> {
    match entry.kind {
        kind if kind.is_rows() => Ok(Vec::new()),
        Kind::CreateDatabase
        | Kind::AlterDatabase
        | Kind::DropDatabase
        | Kind::CreateTable
        | Kind::AlterTable
        | Kind::DropTable => schema_entries::statements(
            entry.kind,
            entry.before.as_deref(),
            entry.after.as_deref(),
            &object_of(entry)?,
            vendor,
        ),
        _ => object_entries::object_statements(entry).map_err(|reason| anyhow!("{reason}")),
    }
}

/// Checks that an entry's statements are those that its texts give.
///
/// # Errors
/// A [`Refusal`] naming the entry and what does not fit.
pub fn check(entry: &Entry, vendor: Vendor) -> Result<()> {
    let tampered = |what: String| {
        Refusal::new(
            format!("entry {} does not hold together: {what}", entry.id),
            "the plan was changed by hand or by another version: make a new plan with `driftwarden plan`",
        )
    };
    object_of(entry).map_err(|error| tampered(format!("{error:#}")))?;
    if entry.kind.is_rows() {
        return Ok(());
    }
    let made = statements(entry, vendor).map_err(|error| tampered(format!("{error:#}")))?;
    if made != entry.sql {
        return Err(tampered("its `sql` is not what `before` and `after` give".to_owned()).into());
    }
    Ok(())
}

/// Checks every entry of a plan, for the vendor that its local server names itself.
///
/// # Errors
/// As for [`check`].
pub fn check_all(plan: &Plan) -> Result<()> {
    let vendor = if plan.local.server.starts_with("MariaDB") {
        Vendor::MariaDb
    } else {
        Vendor::MySql
    };
    plan.entries
        .iter()
        .try_for_each(|entry| check(entry, vendor))
}
