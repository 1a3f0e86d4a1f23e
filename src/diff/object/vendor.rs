//! Settings and texts between MySQL and MariaDB.
//!
//! Must never make two texts equal that the same server would tell apart: [`loose`] is for texts of two vendors only.

use crate::schema::statement::{self, LexMode, TokenKind, tokens};
use crate::schema::vendor::for_mariadb;
use crate::schema::{Object, ObjectKind, Vendor};
use std::collections::BTreeSet;

/// Modes that MySQL (8 and later) does not know.
const MARIADB_MODES: [&str; 15] = [
    "NO_AUTO_CREATE_USER",
    "EMPTY_STRING_IS_NULL",
    "SIMULTANEOUS_ASSIGNMENT",
    "TIME_ROUND_FRACTIONAL",
    "IGNORE_BAD_TABLE_OPTIONS",
    "ORACLE",
    "MSSQL",
    "DB2",
    "MAXDB",
    "POSTGRESQL",
    "MYSQL323",
    "MYSQL40",
    "NO_KEY_OPTIONS",
    "NO_TABLE_OPTIONS",
    "NO_FIELD_OPTIONS",
];

/// Modes that MariaDB does not know.
const MYSQL_MODES: [&str; 1] = ["TIME_TRUNCATE_FRACTIONAL"];

/// The modes of a setting that a vendor knows.
pub(super) fn known_modes(sql_mode: &str, vendor: Vendor) -> String {
    let unknown: &[&str] = match vendor {
        Vendor::MySql => &MARIADB_MODES,
        Vendor::MariaDb => &MYSQL_MODES,
    };
    let known: Vec<&str> = sql_mode
        .split(',')
        .map(str::trim)
        .filter(|mode| {
            !mode.is_empty() && !unknown.iter().any(|other| other.eq_ignore_ascii_case(mode))
        })
        .collect();
    known.join(",")
}

/// The modes as a set.
pub(super) fn mode_set(sql_mode: &str) -> BTreeSet<String> {
    sql_mode
        .split(',')
        .map(|mode| mode.trim().to_uppercase())
        .filter(|mode| !mode.is_empty())
        .collect()
}

/// `utf8` under its newer name.
pub(super) fn charset(name: &str) -> String {
    if name == "utf8" {
        "utf8mb3".to_owned()
    } else {
        name.to_owned()
    }
}

/// `utf8_…` under its newer name.
pub(super) fn collation(name: &str) -> String {
    name.strip_prefix("utf8_")
        .map_or_else(|| name.to_owned(), |rest| format!("utf8mb3_{rest}"))
}

fn is_foreign_collation(name: &str, local: Vendor) -> bool {
    match local {
        Vendor::MySql => name.contains("uca1400") || name.contains("_nopad_"),
        Vendor::MariaDb => name.contains("_0900_"),
    }
}

/// Adapts an object of the other vendor.
///
/// # Errors
/// What local cannot hold.
pub(super) fn adapt(object: &mut Object, local: Vendor) -> Result<(), String> {
    if local == Vendor::MySql && mode_set(&object.sql_mode).contains("ORACLE") {
        return Err("it was written under sql_mode ORACLE, which MySQL does not know".to_owned());
    }
    let create = object.create.clone();
    let found = tokens(&create, LexMode::from_sql_mode(&object.sql_mode))?;
    if let Some(name) = found
        .iter()
        .filter_map(|token| token.name())
        .find(|name| is_foreign_collation(name, local))
    {
        return Err(format!(
            "it names the collation {name}, which local does not have"
        ));
    }
    if object.kind == ObjectKind::View && local == Vendor::MariaDb {
        object.create = for_mariadb(&object.create);
    }
    if is_foreign_collation(&object.collation_connection, local) {
        let known = match local {
            Vendor::MySql => "utf8mb4_0900_ai_ci",
            Vendor::MariaDb => "utf8mb4_general_ci",
        };
        known.clone_into(&mut object.collation_connection);
    }
    if object.kind == ObjectKind::Function && local == Vendor::MySql {
        let aggregate = found
            .iter()
            .take(12)
            .any(|token| token.is_word("AGGREGATE"));
        if aggregate {
            return Err("a stored aggregate function, which MySQL does not have".to_owned());
        }
    }
    if object.kind == ObjectKind::Trigger && local == Vendor::MySql {
        // MySQL prints a trigger's names without their database, MariaDB as they were written.
        let head = statement::head(&object.create, &object.sql_mode)?;
        object.create.replace_range(head.table_database_at, "");
        object.create.replace_range(head.database_at, "");
    }
    Ok(())
}

/// A text without what the two vendors print differently: quotes, case, display widths, charset and collation clauses,
/// some function names.
///
/// # Errors
/// A text that cannot be split into tokens.
pub(super) fn loose(text: &str, sql_mode: &str) -> Result<String, String> {
    let found = tokens(text, LexMode::from_sql_mode(sql_mode))?;
    let mut words: Vec<String> = Vec::with_capacity(found.len());
    let mut at = 0;
    while let Some(token) = found.get(at) {
        at += 1;
        let word = match &token.kind {
            TokenKind::Quoted(name) => name.to_lowercase(),
            TokenKind::Text => token.text.to_owned(),
            TokenKind::Symbol('(' | ')') => continue,
            _ => token.text.to_lowercase(),
        };
        match word.as_str() {
            "charset" | "collate" => {
                at += 1;
                continue;
            }
            "character" if found.get(at).is_some_and(|next| next.is_word("SET")) => {
                at += 2;
                continue;
            }
            _ => {}
        }
        let is_integer = matches!(
            word.as_str(),
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year"
        );
        words.push(match word.as_str() {
            "ucase" => "upper".to_owned(),
            "lcase" => "lower".to_owned(),
            "current_timestamp" => "now".to_owned(),
            _ => word,
        });
        let width = is_integer
            && found.get(at).is_some_and(|next| next.is_symbol('('))
            && found
                .get(at + 1)
                .is_some_and(|next| next.kind == TokenKind::Number)
            && found.get(at + 2).is_some_and(|next| next.is_symbol(')'));
        if width {
            at += 3;
        }
    }
    Ok(words.join(" "))
}
