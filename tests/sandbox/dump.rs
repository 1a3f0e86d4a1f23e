//! A database as comparable text: how every object is created, and every row.
//!
//! Independent of the program's own reading of schemas and rows. Must never leave out anything but what the two sides may
//! differ in: the next `AUTO_INCREMENT` value and creation times.

use super::case::quoted;
use mysql::prelude::Queryable as _;
use mysql::{Conn, Row, Value};
use std::fmt::Write as _;

/// Returns everything in a database as text; the next `AUTO_INCREMENT` values where they are asked for.
pub(crate) fn database(root: &mut Conn, name: &str, counters: bool) -> String {
    for sql in [
        "SET NAMES utf8mb4",
        "SET character_set_results = binary",
        "SET time_zone = '+00:00'",
        "SET sql_mode = ''",
    ] {
        root.query_drop(sql).unwrap();
    }
    let mut text = String::new();
    if root.query_drop(format!("USE {}", quoted(name))).is_err() {
        return "no such database\n".into();
    }
    let show = |root: &mut Conn, text: &mut String, kind: &str, name: &str| {
        show(root, text, kind, name, counters);
    };
    show(root, &mut text, "DATABASE", &quoted(name));
    for (table, kind) in names(
        root,
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '_driftwarden_state' ORDER BY 1",
    ) {
        if kind == "VIEW" {
            show(root, &mut text, "VIEW", &quoted(&table));
        } else {
            show(root, &mut text, "TABLE", &quoted(&table));
            rows(root, &mut text, &table);
        }
    }
    for (trigger, _) in names(
        root,
        "SELECT TRIGGER_NAME, '' FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
    ) {
        show(root, &mut text, "TRIGGER", &quoted(&trigger));
    }
    for (routine, kind) in names(
        root,
        "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 2, 1",
    ) {
        show(root, &mut text, &kind, &quoted(&routine));
    }
    for (event, _) in names(
        root,
        "SELECT EVENT_NAME, '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY 1",
    ) {
        show(root, &mut text, "EVENT", &quoted(&event));
    }
    text
}

fn names(root: &mut Conn, sql: &str) -> Vec<(String, String)> {
    root.query::<Row, _>(sql)
        .unwrap()
        .into_iter()
        .map(|row| (cell(&row[0]), cell(&row[1])))
        .collect()
}

/// Appends every column of SHOW CREATE but the creation time and the database's name.
fn show(root: &mut Conn, text: &mut String, kind: &str, name: &str, counters: bool) {
    let row: Row = root
        .query_first(format!("SHOW CREATE {kind} {name}"))
        .unwrap()
        .expect("SHOW CREATE gives a row");
    for (column, value) in row.columns_ref().iter().zip(row.clone().unwrap()) {
        if ["Created", "Database"].contains(&&*column.name_str()) {
            continue;
        }
        let value = cell(&value);
        let value = if kind == "TABLE" && !counters {
            without_auto_increment(&value)
        } else {
            value
        };
        writeln!(text, "{}: {value}", column.name_str()).unwrap();
    }
}

fn without_auto_increment(create: &str) -> String {
    let Some((before, after)) = create.rsplit_once(" AUTO_INCREMENT=") else {
        return create.to_owned();
    };
    let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{before}{rest}")
}

/// Appends the rows in the order of their text; values come in the binary protocol, so that none is rounded.
fn rows(root: &mut Conn, text: &mut String, table: &str) {
    let columns = root
        .exec_map(
            "SELECT COLUMN_NAME, '' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
            (table,),
            |row: Row| cell(&row[0]),
        )
        .unwrap();
    let list: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
    let found: Vec<Row> = root
        .exec(
            format!("SELECT {} FROM {}", list.join(", "), quoted(table)),
            (),
        )
        .unwrap();
    let mut lines: Vec<String> = found
        .into_iter()
        .map(|row| {
            row.unwrap()
                .iter()
                .map(shown)
                .collect::<Vec<_>>()
                .join(" | ")
        })
        .collect();
    lines.sort();
    for line in lines {
        writeln!(text, "  {line}").unwrap();
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.as_sql(true),
    }
}

/// Returns a value such that no two different ones look alike.
fn shown(value: &Value) -> String {
    match value {
        Value::Bytes(bytes)
            if bytes
                .iter()
                .all(|byte| (b' '..=b'~').contains(byte) && *byte != b'|') =>
        {
            format!("'{}'", String::from_utf8_lossy(bytes))
        }
        Value::Bytes(bytes) => bytes.iter().fold("0x".to_owned(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        }),
        Value::Float(float) => format!("float {float:?} {:08x}", float.to_bits()),
        Value::Double(double) => format!("double {double:?} {:016x}", double.to_bits()),
        other => other.as_sql(true),
    }
}
