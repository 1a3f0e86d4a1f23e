//! The statements of an entry about an object, made from its texts.
//!
//! Must never give back a text that is not exactly one statement about the object that the entry names: a plan file may
//! come from anywhere.

use crate::plan::{Entry, Kind, entry_id};
use crate::schema::statement::{self, single_statement};
use crate::schema::{ObjectKind, ObjectName};
use crate::sql::{ident, qualified};

/// Makes the statements of a view's, trigger's, routine's or event's entry again, from its id, kind, texts and
/// environment. `apply` compares them with `sql`, and sends each alone in the entry's environment.
///
/// # Errors
/// Why the entry cannot be executed, in words.
pub fn object_statements(entry: &Entry) -> Result<Vec<String>, String> {
    let (kind, action) =
        kind_of(entry.kind).ok_or("it is not about a view, trigger, routine or event")?;
    let (database, object, what) = entry_id::parts(&entry.id).ok_or("its id cannot be read")?;
    if what != entry_what(entry.kind) || entry.object != format!("{database}.{object}") {
        return Err("its id, kind and object do not fit together".to_owned());
    }
    let name = ObjectName::new(database, object);
    let after = || -> Result<String, String> {
        let after = entry.after.as_deref().ok_or("it has no text to create")?;
        let environment = entry.environment.as_ref().ok_or("it has no environment")?;
        if !after.is_ascii() && !environment.character_set_client.starts_with("utf8") {
            return Err("its text is not in the character set that it names".to_owned());
        }
        create(&name, after, kind, &environment.sql_mode)
    };
    Ok(match action {
        Action::Create => vec![after()?],
        Action::Alter if kind == ObjectKind::View => vec![or_replace(&after()?)?],
        Action::Alter => vec![drop_statement(kind, &name), after()?],
        Action::Drop => vec![drop_statement(kind, &name)],
    })
}

/// What an entry does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Alter,
    Drop,
}

/// The kind of entry for an object.
pub(super) fn entry_kind(kind: ObjectKind, action: Action) -> Kind {
    match (kind, action) {
        (ObjectKind::View, Action::Create) => Kind::CreateView,
        (ObjectKind::View, Action::Alter) => Kind::AlterView,
        (ObjectKind::View, Action::Drop) => Kind::DropView,
        (ObjectKind::Trigger, Action::Create) => Kind::CreateTrigger,
        (ObjectKind::Trigger, Action::Alter) => Kind::AlterTrigger,
        (ObjectKind::Trigger, Action::Drop) => Kind::DropTrigger,
        (ObjectKind::Procedure, Action::Create) => Kind::CreateProcedure,
        (ObjectKind::Procedure, Action::Alter) => Kind::AlterProcedure,
        (ObjectKind::Procedure, Action::Drop) => Kind::DropProcedure,
        (ObjectKind::Function, Action::Create) => Kind::CreateFunction,
        (ObjectKind::Function, Action::Alter) => Kind::AlterFunction,
        (ObjectKind::Function, Action::Drop) => Kind::DropFunction,
        (ObjectKind::Event, Action::Create) => Kind::CreateEvent,
        (ObjectKind::Event, Action::Alter) => Kind::AlterEvent,
        (ObjectKind::Event, Action::Drop) => Kind::DropEvent,
    }
}

const ACTIONS: [Action; 3] = [Action::Create, Action::Alter, Action::Drop];

fn kind_of(kind: Kind) -> Option<(ObjectKind, Action)> {
    super::KINDS
        .into_iter()
        .flat_map(|object| ACTIONS.map(|action| (object, action)))
        .find(|(object, action)| entry_kind(*object, *action) == kind)
}

/// The last part of an entry's id: `create_view`, `alter_event`, … Empty for an entry that is not about an object.
pub(super) fn entry_what(kind: Kind) -> String {
    kind_of(kind).map_or_else(String::new, |(object, action)| {
        let action = match action {
            Action::Create => "create",
            Action::Alter => "alter",
            Action::Drop => "drop",
        };
        format!("{action}_{object}")
    })
}

/// The statement that creates an object, with its database in front of its name; a trigger's text stays as it is,
/// since the server keeps it word for word.
pub(super) fn create(
    name: &ObjectName,
    text: &str,
    kind: ObjectKind,
    sql_mode: &str,
) -> Result<String, String> {
    single_statement(kind, name, text, sql_mode)
        .map_err(|found| format!("its text cannot be sent: {found}"))?;
    let head = statement::head(text, sql_mode)?;
    if head.or_replace.is_some() {
        return Err("its text says OR REPLACE".to_owned());
    }
    if kind == ObjectKind::Trigger || head.database.is_some() {
        return Ok(text.to_owned());
    }
    let at = head.database_at.start;
    Ok(format!(
        "{}{}.{}",
        &text[..at],
        ident(&name.database),
        &text[at..]
    ))
}

/// `CREATE` as `CREATE OR REPLACE`. The text has been read as a CREATE statement: it starts with that word.
fn or_replace(create: &str) -> Result<String, String> {
    create
        .get(.."CREATE".len())
        .filter(|word| word.eq_ignore_ascii_case("CREATE"))
        .map(|word| format!("{word} OR REPLACE{}", &create[word.len()..]))
        .ok_or_else(|| "its text does not start with CREATE".to_owned())
}

fn drop_statement(kind: ObjectKind, name: &ObjectName) -> String {
    format!(
        "DROP {} {}",
        kind.to_string().to_uppercase(),
        qualified(name)
    )
}
