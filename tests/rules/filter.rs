//! `where`: both sides are restricted, and what is outside is neither read nor deleted.

use super::{VENDORS, applied, entries, rows, ruled, set_rules};
use crate::sandbox::server::Side;
use serde_json::json;

const TABLE: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, created_at DATE NOT NULL, v VARCHAR(20), g INT);";

#[test]
fn rows_outside_are_neither_read_nor_deleted() {
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            &format!("{TABLE} INSERT INTO t VALUES (1,'2024-01-01','old',1),(2,'2025-01-01','new',1),(3,'2025-02-01','changed',1),(4,'2025-03-01','same',1),
                      (5,'2025-04-01','moved in',1),(6,'2024-05-01','moved out',1);"),
            &format!("{TABLE} INSERT INTO t VALUES (3,'2025-02-01','v',1),(4,'2025-03-01','same',1),
                      (5,'2024-04-01','beyond',1),(6,'2025-05-01','was in',1),(7,'2025-06-01','gone',1),(8,'2024-06-01','stays',1);"),
            &json!([{ "match": "t", "where": "created_at >= '2025-01-01'" }]),
        );
        let plan = case.plan("p", &[]);
        assert_eq!(
            entries(&case, &plan),
            ["db.t.delete 2", "db.t.insert 1", "db.t.update 2"],
            "{plan:#}"
        );
        assert!(!plan.to_string().contains("moved out"), "{plan:#}");
        assert!(plan.to_string().contains("only rows within its `where`"));
        applied(&case, "p", &plan);
        assert_eq!(
            rows(&case, Side::Local, "SELECT id, v FROM t ORDER BY id"),
            ["2|new", "3|changed", "4|same", "5|moved in", "8|stays"]
        );
    }
}

/// Of a large table as well: its sums hold nothing from outside, whatever its key.
#[test]
fn of_a_large_table_only_rows_within_are_summed_up() {
    const DIGITS: &str = "CREATE TABLE d (n INT PRIMARY KEY); INSERT INTO d VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);";
    let table = |key: &str, value: &str| {
        format!(
            "CREATE TABLE t (id {key} PRIMARY KEY, v VARCHAR(20), g INT); INSERT INTO t SELECT {value}, 'v', n % 100 FROM (SELECT
             a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n AS n FROM d a, d b, d c, d d, d e WHERE e.n < 3) x;"
        )
    };
    for vendor in VENDORS {
        for (key, value) in [("INT", "n"), ("CHAR(9)", "CONCAT('k', n)")] {
            let remote = format!(
                "{DIGITS} {} DROP TABLE d; ANALYZE TABLE t;",
                table(key, value)
            );
            // What is outside is not what production has.
            let drift = "UPDATE t SET v = 'x' WHERE g = 1 LIMIT 3; DELETE FROM t WHERE g > 50; UPDATE t SET v = 'y' WHERE g = 2;";
            let rules = json!([{ "match": "t", "where": "g = 1" }]);
            let case = ruled(vendor, &remote, &format!("{remote} {drift}"), &rules);
            let output = case
                .driftwarden(&["plan", "--json", "--out", "plans/p.json"])
                .exits(0);
            let printed: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
            let plan = case.read_plan("p");
            assert_eq!(entries(&case, &plan), ["db.t.update 3"], "{plan:#}");
            let figures = &printed["figures"];
            assert_eq!(figures["rows_scanned"], 300, "{figures}");
            // Three rows and the sums of three hundred.
            assert!(
                figures["bytes_received"].as_u64().unwrap() < 60_000,
                "{figures}"
            );
        }
    }
}

/// Row by row where there is one, a stream where local has nothing within, a bag where there is no key.
#[test]
fn a_local_row_with_the_key_is_found_whatever_the_where() {
    let numbers = |from: u32, to: u32, g: &str| {
        format!(
            "INSERT INTO t (id, created_at, v, g) WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i, '2025-01-01', CONCAT('r', i), {g} FROM n;"
        )
    };
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            &format!("{TABLE} {}", numbers(1, 900, "i % 3")),
            &format!("{TABLE} {}", numbers(1, 300, "9")),
            &json!([{ "match": "t", "where": "g = 1" }]),
        );
        let plan = case.plan("p", &[]);
        assert_eq!(
            entries(&case, &plan),
            ["db.t.insert 200", "db.t.update 100"]
        );
        applied(&case, "p", &plan);
        let beyond = rows(&case, Side::Local, "SELECT COUNT(*) FROM t WHERE g = 9");
        assert_eq!(beyond, ["200"]);
    }
}

#[test]
fn without_a_key_equal_rows_are_counted_within_the_where() {
    let table = "CREATE TABLE t (a INT, g INT);";
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            &format!("{table} INSERT INTO t VALUES (1,1),(1,1),(2,1),(3,2),(NULL,NULL);"),
            &format!("{table} INSERT INTO t VALUES (1,1),(4,1),(5,2),(6,NULL);"),
            &json!([{ "match": "t", "where": "g = 1" }]),
        );
        let plan = case.plan("p", &[]);
        applied(&case, "p", &plan);
        assert_eq!(
            rows(&case, Side::Local, "SELECT a, g FROM t ORDER BY g, a"),
            ["6|NULL", "1|1", "1|1", "2|1", "5|2"]
        );
    }
}

#[test]
fn a_copy_takes_what_is_within_and_payloads_too() {
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            &format!("{TABLE} INSERT INTO t (id, created_at, g) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
                      SELECT i, '2025-01-01' + INTERVAL i DAY, i FROM n;"),
            "",
            &json!([{ "match": "t", "where": "created_at BETWEEN DATE'2025-02-01' AND '2025-12-31' AND g % 2 = 0" }]),
        );
        let plan = case.plan("p", &[]);
        assert_eq!(
            entries(&case, &plan),
            ["db.t.create null", "db.t.insert 167"]
        );
        applied(&case, "p", &plan);
        let within = "SELECT COUNT(*), MIN(g), MAX(g) FROM t WHERE created_at BETWEEN '2025-02-01' AND '2025-12-31' AND g % 2 = 0";
        assert_eq!(
            rows(&case, Side::Local, "SELECT COUNT(*), MIN(g), MAX(g) FROM t"),
            rows(&case, Side::Remote, within)
        );
    }
}

#[test]
fn a_where_that_moves_with_the_time_is_one_moment_per_plan() {
    let table = "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6), v INT);";
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            &format!(
                "{table} INSERT INTO t VALUES (1, UTC_TIMESTAMP() - INTERVAL 40 DAY, 1),(2, UTC_TIMESTAMP() - INTERVAL 2 DAY, 2),(3, UTC_TIMESTAMP() - INTERVAL 1 DAY, 3);"
            ),
            &format!("{table} INSERT INTO t VALUES (9, UTC_TIMESTAMP() - INTERVAL 50 DAY, 9);"),
            &json!([{ "match": "t", "where": "at >= NOW(3) - INTERVAL 30 DAY" }]),
        );
        let plan = case.plan("p", &[]);
        assert_eq!(entries(&case, &plan), ["db.t.insert 2"]);
        assert!(plan.to_string().contains("moves with the time"));
        applied(&case, "p", &plan);
        assert_eq!(
            rows(&case, Side::Local, "SELECT id FROM t ORDER BY id"),
            ["2", "3", "9"]
        );
    }
}

#[test]
fn a_column_that_local_lacks_is_stood_in_for_or_named() {
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            "CREATE TABLE t (id INT PRIMARY KEY, live INT NOT NULL DEFAULT 1); INSERT INTO t VALUES (1,1),(2,0),(3,1);",
            "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1),(2),(4);",
            &json!([{ "match": "t", "where": "live = 1" }]),
        );
        // Local's rows will hold the default, and so are within: 2 is not within on production.
        let plan = case.plan("p", &[]);
        assert_eq!(
            entries(&case, &plan),
            ["db.t.delete 2", "db.t.expand null", "db.t.insert 1"]
        );
        applied(&case, "p", &plan);
        assert_eq!(
            rows(&case, Side::Local, "SELECT id, live FROM t ORDER BY id"),
            ["1|1", "3|1"]
        );

        let case = ruled(
            vendor,
            "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, n INT); INSERT INTO t VALUES (1,'2025-01-01',1);",
            "CREATE TABLE t (id INT PRIMARY KEY, n VARCHAR(5)); INSERT INTO t VALUES (1,'1');",
            &json!([{ "match": "t", "where": "at > '2024-01-01'" }]),
        );
        let plan = case.plan("p", &[]);
        let said = plan["unsupported"].to_string();
        assert!(
            said.contains("tables.rules[1].where` names `at`, which local does not have"),
            "{said}"
        );
        assert!(
            !entries(&case, &plan)
                .iter()
                .any(|entry| entry.contains("insert")),
            "{plan:#}"
        );
        set_rules(&case, &json!([{ "match": "t", "where": "n > 0" }]));
        let plan = case.plan("q", &[]);
        let said = plan["unsupported"].to_string();
        assert!(
            said.contains("`n`, which is varchar on local and int on production"),
            "{said}"
        );
    }
}

#[test]
fn mistakes_name_the_rule_the_table_and_what_was_meant() {
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            TABLE,
            TABLE,
            &json!([{ "match": "t", "where": "craeted_at > 1" }]),
        );
        let plan = ["plan", "--out", "plans/p.json"];
        case.driftwarden(&plan)
            .exits(1)
            .says("`tables.rules[1].where`")
            .says("has no column `craeted_at` on production; did you mean `created_at`?");
        set_rules(&case, &json!([{ "match": "t", "where": "id = SLEEP(1)" }]));
        case.driftwarden(&plan)
            .exits(1)
            .says("`tables.rules[1].where`: at character 6: found `SLEEP`");
        // The types alone do not tell: the server does, before a row is read.
        let mixed = "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(5) CHARACTER SET latin1, b VARCHAR(5) CHARACTER SET latin2); INSERT INTO t VALUES (1,'x','y');";
        let case = ruled(
            vendor,
            mixed,
            mixed,
            &json!([{ "match": "t", "where": "a = b" }]),
        );
        case.driftwarden(&plan)
            .exits(1)
            .says("cannot compute what the config's rules say");
    }
}
