//! Reads the answer of `SHOW CREATE VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT`.
//!
//! Must never change a text beyond taking a view's own database out of it, where that is certain.

use super::{ListedObject, text};
use crate::connect::Row;
use crate::schema::statement::{self, view::without_own_database};
use crate::schema::{Object, ObjectKind};

/// Reads an object; an error says why it cannot be handled.
pub(super) fn read(listed: &ListedObject, row: &Row) -> Result<Object, String> {
    let places = Places::of(listed.kind);
    let sql_mode = places
        .sql_mode
        .map_or_else(String::new, |place| text(row, place));
    let charset_client = text(row, places.create + 1);
    let create = row
        .get(places.create)
        .and_then(Option::as_deref)
        .ok_or("the account may see its name but not its body (MySQL: GRANT SHOW_ROUTINE ON *.*; MariaDB: GRANT SELECT ON mysql.proc)")?;
    let create = readable(create, &charset_client)?;
    let head = statement::head(&create, &sql_mode)
        .map_err(|found| format!("its CREATE text holds {found}"))?;
    let create = if listed.kind == ObjectKind::View {
        without_own_database(&create, &listed.name.database)?
    } else {
        create
    };
    Ok(Object {
        kind: listed.kind,
        name: listed.name.name.clone(),
        create,
        definer: head.definer.map(|account| account.to_string()),
        sql_mode,
        charset_client,
        collation_connection: text(row, places.create + 2),
        database_collation: if listed.kind == ObjectKind::View {
            String::new()
        } else {
            text(row, places.create + 3)
        },
        time_zone: places
            .time_zone
            .map_or_else(String::new, |place| text(row, place)),
        table: listed.table.as_ref().map(|(table, _)| table.clone()),
        order: listed.table.as_ref().map_or(0, |(_, order)| *order),
    })
}

/// Where the columns of an answer stand; charset, collation and database collation follow the text.
struct Places {
    sql_mode: Option<usize>,
    time_zone: Option<usize>,
    create: usize,
}

impl Places {
    fn of(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::View => Self {
                sql_mode: None,
                time_zone: None,
                create: 1,
            },
            ObjectKind::Event => Self {
                sql_mode: Some(1),
                time_zone: Some(2),
                create: 3,
            },
            ObjectKind::Trigger | ObjectKind::Procedure | ObjectKind::Function => Self {
                sql_mode: Some(1),
                time_zone: None,
                create: 2,
            },
        }
    }
}

/// The server sends the text in the character set of the client that created the object; a statement to local is
/// always UTF-8.
fn readable(create: &[u8], charset_client: &str) -> Result<String, String> {
    let as_it_is = create.is_ascii() || charset_client.starts_with("utf8");
    match String::from_utf8(create.to_vec()) {
        Ok(create) if as_it_is => Ok(create),
        _ => Err(format!(
            "its text holds characters beyond ASCII in {charset_client}, and driftwarden creates objects in UTF-8 only: \
             create it again over a utf8mb4 connection"
        )),
    }
}
