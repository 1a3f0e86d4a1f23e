//! What a schema of many tables costs on the way to production.

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use serde_json::Value;
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
