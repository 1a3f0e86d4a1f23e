//! Prints the model as SQL: the canonical `CREATE TABLE`, and the parts that `ALTER TABLE` is made of.
//!
//! The canonical text is what plans show as before and after, and what fingerprints are taken of. Must never print a
//! name or a text unquoted, and never what the model does not hold.

use super::table::{Check, Column, ForeignKey, Index, IndexKind, IndexPart, Table};
use crate::sql::{ident, ident_list};
use crate::value::to_hex;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Returns the canonical `CREATE TABLE` statement.
pub fn create_table(table: &Table) -> String {
    create(&ident(&table.name), table)
}

/// Returns the canonical `CREATE TABLE` statement for a table of the named database.
pub fn create_table_in(database: &str, table: &Table) -> String {
    create(
        &format!("{}.{}", ident(database), ident(&table.name)),
        table,
    )
}

/// Returns the statement that drops a table.
pub fn drop_table(database: &str, name: &str) -> String {
    format!("DROP TABLE {}.{}", ident(database), ident(name))
}

/// Returns the statement that drops a database.
pub fn drop_database(name: &str) -> String {
    format!("DROP DATABASE {}", ident(name))
}

/// Returns the statement that creates a database, or (`alter`) sets the defaults of one.
pub fn database(alter: bool, name: &str, charset: &str, collation: &str) -> String {
    let verb = if alter { "ALTER" } else { "CREATE" };
    format!(
        "{verb} DATABASE {} CHARACTER SET {charset} COLLATE {collation}",
        ident(name)
    )
}

/// Returns `sha256:` and the digest of the canonical text, which leaves the auto-increment counter out.
pub fn fingerprint(table: &Table) -> String {
    format!(
        "sha256:{}",
        to_hex(&Sha256::digest(create_table(table).as_bytes()))
    )
}

fn create(name: &str, table: &Table) -> String {
    let lines: Vec<String> = table
        .columns
        .iter()
        .map(column)
        .chain(table.indexes.iter().map(index))
        .chain(table.foreign_keys.iter().map(foreign_key))
        .chain(table.checks.iter().map(check))
        .collect();
    let mut text = format!("CREATE TABLE {name} (\n  {}\n)", lines.join(",\n  "));
    for (name, value) in ordered_options(table) {
        text.push(' ');
        text.push_str(&option(name, value));
    }
    if let Some(partitioning) = &table.partitioning {
        text.push('\n');
        text.push_str(partitioning);
    }
    text
}

/// Options in the order in which they are written: engine and character set first, as the servers have it.
fn ordered_options(table: &Table) -> Vec<(&str, &str)> {
    let rank = |name: &str| match name {
        "ENGINE" => 0,
        "CHARSET" => 1,
        "COLLATE" => 2,
        "TABLESPACE" => 3,
        "STORAGE" => 4,
        "COMMENT" => 6,
        _ => 5,
    };
    let mut options: Vec<(&str, &str)> = table
        .options
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    options.sort_by_key(|(name, _)| rank(name));
    options
}

/// Returns a table option as written behind a table's body or in `ALTER TABLE`.
pub fn option(name: &str, value: &str) -> String {
    match name {
        "CHARSET" => format!("DEFAULT CHARSET={value}"),
        "COMMENT" => format!("COMMENT={}", quoted(value)),
        "STORAGE" => format!("STORAGE {value}"),
        _ => format!("{name}={value}"),
    }
}

/// Returns a column's definition, its name included.
pub fn column(column: &Column) -> String {
    let mut text = format!("{} {}", ident(&column.name), data_type(column));
    for other in column.other.iter().filter(|other| *other == "COMPRESSED") {
        let _ = write!(text, " {other}");
    }
    if let Some(charset) = column
        .charset
        .as_deref()
        .filter(|_| column.explicit_charset)
    {
        let _ = write!(text, " CHARACTER SET {charset}");
    }
    if let Some(collation) = column
        .collation
        .as_deref()
        .filter(|_| column.explicit_collation)
    {
        let _ = write!(text, " COLLATE {collation}");
    }
    if let Some(generated) = &column.generated {
        let _ = write!(
            text,
            " GENERATED ALWAYS AS {} {}",
            generated.expression,
            if generated.stored {
                "STORED"
            } else {
                "VIRTUAL"
            }
        );
    }
    if !column.nullable {
        text.push_str(" NOT NULL");
    } else if column.data_type.base == "timestamp" && column.generated.is_none() {
        text.push_str(" NULL");
    }
    if let Some(srid) = column.srid {
        let _ = write!(text, " SRID {srid}");
    }
    for other in column.other.iter().filter(|other| *other != "COMPRESSED") {
        let _ = write!(text, " {other}");
    }
    if column.invisible {
        text.push_str(" INVISIBLE");
    }
    if let Some(default) = &column.default {
        let _ = write!(text, " DEFAULT {default}");
    }
    if let Some(on_update) = &column.on_update {
        let _ = write!(text, " ON UPDATE {on_update}");
    }
    if column.auto_increment {
        text.push_str(" AUTO_INCREMENT");
    }
    if !column.comment.is_empty() {
        let _ = write!(text, " COMMENT {}", quoted(&column.comment));
    }
    if let Some(check) = &column.check {
        let _ = write!(text, " CHECK {check}");
    }
    text
}

/// Returns a column's type as printed, without character set.
pub fn data_type(column: &Column) -> String {
    let data_type = &column.data_type;
    let mut text = data_type.base.clone();
    if let Some(arguments) = &data_type.arguments {
        let _ = write!(text, "({arguments})");
    }
    if data_type.unsigned {
        text.push_str(" unsigned");
    }
    if data_type.zerofill {
        text.push_str(" zerofill");
    }
    text
}

/// Returns an index's definition, as in `CREATE TABLE` and behind `ADD`.
pub fn index(index: &Index) -> String {
    let parts: Vec<String> = index.parts.iter().map(part).collect();
    let head = match index.kind {
        IndexKind::Primary => "PRIMARY KEY".to_owned(),
        IndexKind::Unique => format!("UNIQUE KEY {}", ident(&index.name)),
        IndexKind::Plain => format!("KEY {}", ident(&index.name)),
        IndexKind::Fulltext => format!("FULLTEXT KEY {}", ident(&index.name)),
        IndexKind::Spatial => format!("SPATIAL KEY {}", ident(&index.name)),
        IndexKind::Vector => format!("VECTOR KEY {}", ident(&index.name)),
    };
    let mut text = format!("{head} ({})", parts.join(","));
    for option in &index.options {
        let _ = write!(text, " {option}");
    }
    text
}

fn part(part: &IndexPart) -> String {
    let mut text = match (&part.column, &part.expression) {
        (Some(column), _) => ident(column),
        (None, expression) => expression.clone().unwrap_or_default(),
    };
    if let Some(prefix) = part.prefix {
        let _ = write!(text, "({prefix})");
    }
    if part.descending {
        text.push_str(" DESC");
    }
    text
}

/// Returns a foreign key's definition, as in `CREATE TABLE` and behind `ADD`.
pub fn foreign_key(key: &ForeignKey) -> String {
    let mut text = format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES ",
        ident(&key.name),
        ident_list(key.columns.iter().map(String::as_str)),
    );
    if let Some(database) = &key.referenced_database {
        let _ = write!(text, "{}.", ident(database));
    }
    let _ = write!(
        text,
        "{} ({})",
        ident(&key.referenced_table),
        ident_list(key.referenced_columns.iter().map(String::as_str))
    );
    if let Some(action) = &key.on_delete {
        let _ = write!(text, " ON DELETE {action}");
    }
    if let Some(action) = &key.on_update {
        let _ = write!(text, " ON UPDATE {action}");
    }
    text
}

/// Returns a check's definition, as in `CREATE TABLE` and behind `ADD`.
pub fn check(check: &Check) -> String {
    let mut text = format!(
        "CONSTRAINT {} CHECK {}",
        ident(&check.name),
        check.expression
    );
    if !check.enforced {
        text.push_str(" NOT ENFORCED");
    }
    text
}

/// Returns a text in single quotes, escaped as the servers print it. For the places of a DDL statement that take no
/// other form of literal (comments, engine attributes); it holds for sessions without `NO_BACKSLASH_ESCAPES`, which
/// driftwarden's own are.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            _ => quoted.push(character),
        }
    }
    quoted.push('\'');
    quoted
}
