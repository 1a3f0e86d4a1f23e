//! Makes the entries.

use super::statements::{Action, entry_kind, entry_what, object_statements};
use super::{Change, ObjectPlan, unsupported};
use crate::plan::{Entry, Environment, Kind, Risk, entry_id};
use crate::schema::statement::{self, LexMode, tokens};
use crate::schema::{Object, ObjectKind};

/// Appends the entry that creates or replaces an object.
pub(super) fn change(change: Change<'_>, schema_entries: &[Entry], plan: &mut ObjectPlan) {
    let action = if change.local.is_some() {
        Action::Alter
    } else {
        Action::Create
    };
    let object = &change.object;
    let mut reasons = Vec::new();
    if change.local.is_some() {
        reasons.push(format!(
            "replaces local's definition: {} differs",
            change.differences.join(", ")
        ));
    }
    let runs = object.kind == ObjectKind::Event && !is_disabled(object);
    if runs {
        reasons.push("production's event would run on local's clock, over local's data".to_owned());
    }
    let mut entry = entry(change.database, object, action);
    entry.risk = if runs { Risk::Destructive } else { Risk::Safe };
    entry.reasons = reasons;
    entry.before = change.local.map(|local| local.create.clone());
    entry.after = Some(object.create.clone());
    entry.depends_on = change.depends_on;
    entry
        .depends_on
        .extend(databases_first(change.database, object, schema_entries));
    finish(entry, change.database, object, plan);
}

/// Appends the entry that drops an object. A trigger goes with its table.
pub(super) fn drop(
    database: &str,
    object: &Object,
    schema_entries: &[Entry],
    plan: &mut ObjectPlan,
) {
    let table = object
        .table
        .as_ref()
        .map(|table| format!("{database}.{table}"));
    let goes_with_table = schema_entries
        .iter()
        .any(|entry| entry.kind == Kind::DropTable && Some(&entry.object) == table.as_ref());
    if goes_with_table {
        return;
    }
    let mut entry = entry(database, object, Action::Drop);
    entry.risk = Risk::Destructive;
    entry.reasons = vec![format!(
        "drops {} `{}`, which remote does not have",
        object.kind, object.name
    )];
    entry.before = Some(object.create.clone());
    finish(entry, database, object, plan);
}

fn finish(mut entry: Entry, database: &str, object: &Object, plan: &mut ObjectPlan) {
    match object_statements(&entry) {
        Ok(sql) => entry.sql = sql,
        Err(reason) => {
            plan.unsupported
                .push(unsupported(database, object, &reason));
            return;
        }
    }
    plan.entries.push(entry);
}

fn entry(database: &str, object: &Object, action: Action) -> Entry {
    let kind = entry_kind(object.kind, action);
    Entry {
        environment: Some(Environment {
            sql_mode: object.sql_mode.clone(),
            character_set_client: object.charset_client.clone(),
            collation_connection: object.collation_connection.clone(),
            time_zone: object.time_zone.clone(),
        }),
        ..Entry::new(
            id(database, object, action),
            kind,
            format!("{database}.{}", object.name),
        )
    }
}

/// The id of an entry about an object.
pub(super) fn id(database: &str, object: &Object, action: Action) -> String {
    entry_id(
        database,
        &object.name,
        &entry_what(entry_kind(object.kind, action)),
    )
}

/// The entries of the database itself that come first: its creation, and, for what keeps the database's collation,
/// the change of that.
fn databases_first(database: &str, object: &Object, schema_entries: &[Entry]) -> Vec<String> {
    schema_entries
        .iter()
        .filter(|entry| match entry.kind {
            Kind::CreateDatabase => true,
            Kind::AlterDatabase => object.kind != ObjectKind::View,
            _ => false,
        })
        .filter(|entry| entry.object == database)
        .map(|entry| entry.id.clone())
        .collect()
}

fn is_disabled(event: &Object) -> bool {
    let head = statement::head(&event.create, &event.sql_mode);
    let tokens = tokens(&event.create, LexMode::from_sql_mode(&event.sql_mode));
    match (head, tokens) {
        (Ok(head), Ok(tokens)) => tokens[..head.body]
            .iter()
            .any(|token| token.is_word("DISABLE")),
        _ => false,
    }
}
