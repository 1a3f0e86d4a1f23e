//! What a schema of many tables costs on the way to production.

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Returns what reading production cost: round trips and queries.
fn cost(case: &Case, arguments: &[&str]) -> (u64, u64) {
    let mut all = vec!["plan", "--json", "--detailed-exitcode"];
    all.extend(arguments);
    let output = case.driftwarden(&all).exits(0);
    let plan: Value = serde_json::from_str(&output.stdout).unwrap();
    let figure = |name: &str| plan["figures"][name].as_u64().unwrap();
    (figure("round_trips"), figure("queries"))
}

/// Returns how many statements production has been sent, as it counts itself.
fn questions(case: &Case) -> u64 {
    use mysql::prelude::Queryable as _;
    let mut root = case.sandbox.root(Side::Remote);
    let row: Option<(String, u64)> = root
        .query_first("SHOW GLOBAL STATUS LIKE 'Questions'")
        .unwrap();
    row.unwrap().1
}

fn with_tables(vendor: Vendor, count: usize) -> Case {
    let mut sql = String::new();
    for number in 0..count {
        write!(
            sql,
            "CREATE TABLE t{number} (id INT PRIMARY KEY, v VARCHAR(20), KEY v (v)); \
             INSERT INTO t{number} VALUES (1,'a'),(2,'b');"
        )
        .unwrap();
    }
    Case::with_database(vendor, &sql, &sql)
}

fn equal_schemas_cost_the_same_whatever_their_size(vendor: Vendor) {
    let few = cost(&with_tables(vendor, 3), &["--schema-only"]);
    let case = with_tables(vendor, 300);
    let before = questions(&case);
    let many = cost(&case, &["--schema-only"]);
    assert_eq!(few, many, "(round trips, queries) of 3 and of 300 tables");
    assert!(many.0 <= 40, "{many:?}");
    // The server counts each statement of a send: a SHOW CREATE per table, and what does not grow with them. Other
    // tests may be at work beside this one, so only the sends are asserted exactly.
    assert!(questions(&case) - before >= 300);
}

#[test]
fn equal_schemas_cost_the_same_whatever_their_size_mysql() {
    equal_schemas_cost_the_same_whatever_their_size(Vendor::MySql);
}

#[test]
fn equal_schemas_cost_the_same_whatever_their_size_mariadb() {
    equal_schemas_cost_the_same_whatever_their_size(Vendor::MariaDb);
}

/// Three kinds of tables: with a key, with a time column as well, and with neither.
fn of_all_kinds(vendor: Vendor, count: usize) -> Case {
    let mut sql = String::new();
    for number in 0..count {
        let (name, columns) = match number % 3 {
            0 => ("keyed", "id INT PRIMARY KEY, v VARCHAR(20)"),
            1 => (
                "dated",
                "id INT PRIMARY KEY, v VARCHAR(20), \
                 updated_at DATETIME NOT NULL DEFAULT '2026-01-01', KEY (updated_at)",
            ),
            _ => ("bag", "id INT, v VARCHAR(20)"),
        };
        write!(
            sql,
            "CREATE TABLE {name}{number} ({columns}); \
             INSERT INTO {name}{number} (id, v) VALUES (1,'a'),(2,'b');"
        )
        .unwrap();
    }
    let case = Case::with_database(vendor, &sql, &sql);
    case.write_config(
        &json!([case.name("db")]),
        &json!({ "tables": { "rules": [
            { "match": "keyed*", "full_diff": true }, { "match": "bag*", "full_diff": true }
        ] } }),
    );
    case
}

/// Whether the tables have a watermark or none, what production is asked grows only by one send for 50 tables.
fn equal_rows_cost_no_round_trips_per_table(vendor: Vendor) {
    let few = of_all_kinds(vendor, 6);
    let many = of_all_kinds(vendor, 300);
    for strategy in ["full", "incremental"] {
        let (of_few, _) = cost(&few, &[]);
        let (of_many, _) = cost(&many, &[]);
        assert!(
            of_many <= 40 && of_many - of_few <= 10,
            "{strategy}: {of_many} round trips for 300 tables, {of_few} for 6"
        );
        let plan = many.plan(strategy, &[]);
        let dated = plan["tables"].as_array().unwrap();
        let as_expected = dated.iter().filter(|table| table["strategy"] == strategy);
        assert_eq!(
            as_expected.count(),
            if strategy == "full" { 300 } else { 100 }
        );
        if strategy == "full" {
            few.plan(strategy, &[]);
            for case in [&few, &many] {
                case.driftwarden(&["apply", "plans/full.json"]).exits(0);
            }
        }
    }
    // A change among them is found, and by its time.
    many.remote_sql("UPDATE dated1 SET v = 'new', updated_at = NOW() WHERE id = 2");
    let plan = many.plan("changed", &[]);
    let entries = plan["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["count"], 1);
}

#[test]
fn equal_rows_cost_no_round_trips_per_table_mysql() {
    equal_rows_cost_no_round_trips_per_table(Vendor::MySql);
}

#[test]
fn equal_rows_cost_no_round_trips_per_table_mariadb() {
    equal_rows_cost_no_round_trips_per_table(Vendor::MariaDb);
}
