//! Rules of the config that change what is compared: `where`, and masks.

mod filter;
mod incremental;
mod language;
mod leaks;
mod mask;
mod refused;

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;
use serde_json::{Value, json};

/// Both vendors.
const VENDORS: [Vendor; 2] = [Vendor::MySql, Vendor::MariaDb];

/// Returns a case with rules beside the full comparison.
fn ruled(vendor: Vendor, remote: &str, local: &str, rules: &Value) -> Case {
    let case = Case::with_database(vendor, remote, local);
    set_rules(&case, rules);
    case
}

/// Writes the config again, with these rules beside the full comparison.
fn set_rules(case: &Case, rules: &Value) {
    let mut all = vec![json!({ "match": "*", "full_diff": true })];
    all.extend(rules.as_array().unwrap().iter().cloned());
    case.write_config(
        &json!([case.name("db")]),
        &json!({ "tables": { "rules": all } }),
    );
}

/// Returns what a query answers on a side, a line per row, cells with a bar between.
fn rows(case: &Case, side: Side, query: &str) -> Vec<String> {
    let mut conn = case.sandbox.root(side);
    conn.query_drop(format!(
        "USE `{}`; SET time_zone = '+00:00', sql_mode = ''",
        case.name("db")
    ))
    .unwrap();
    conn.query_map(query, |row: mysql::Row| {
        row.unwrap()
            .into_iter()
            .map(|cell| match cell {
                mysql::Value::NULL => "NULL".to_owned(),
                mysql::Value::Bytes(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => text,
                    Err(error) => format!("{:02x?}", error.into_bytes()),
                },
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join("|")
    })
    .unwrap()
}

/// Returns a plan's entries as `id: kind count`, plain names, in no particular order.
fn entries(case: &Case, plan: &Value) -> Vec<String> {
    let mut lines: Vec<String> = plan["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!(
                "{} {}",
                case.plain(entry["id"].as_str().unwrap()),
                entry["count"]
            )
        })
        .collect();
    lines.sort();
    lines
}

/// Approves and applies `plans/NAME.json`, and asserts that the next plan is empty.
fn applied(case: &Case, name: &str, plan: &Value) {
    case.approve_all(name, plan);
    case.driftwarden(&["apply", &format!("plans/{name}.json")])
        .exits(0);
    let after = format!("plans/{name}-after.json");
    case.driftwarden(&["plan", "--detailed-exitcode", "--out", &after])
        .exits(0);
}
