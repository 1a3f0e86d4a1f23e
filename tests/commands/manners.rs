//! How production is treated: waiting while it is busy, one snapshot where that is asked for, few round trips.

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn many_tables(count: u32) -> String {
    let mut text = String::new();
    for number in 0..count {
        let key = if number % 5 == 4 {
            ""
        } else {
            ", PRIMARY KEY(id)"
        };
        let _ = write!(
            text,
            "CREATE TABLE t{number:02} (id INT NOT NULL, v VARCHAR(20){key});
             INSERT INTO t{number:02} VALUES (1, 'a'), (2, NULL), (3, '{number}');"
        );
    }
    text
}

#[test]
fn small_tables_without_a_change_cost_no_round_trips_of_their_own() {
    for vendor in Vendor::ALL {
        let same = many_tables(40);
        let drift = "UPDATE t07 SET v = 'b' WHERE id = 2; INSERT INTO t09 VALUES (3, '9'); DELETE FROM t39;";
        let case = Case::with_database(vendor, &format!("{same} {drift}"), &same);
        let output = case
            .driftwarden(&["plan", "--json", "--out", "plans/p.json"])
            .exits(0);
        let printed: Value = serde_json::from_str(&output.stdout).unwrap();
        let trips = printed["figures"]["round_trips"].as_u64().unwrap();
        assert!(trips < 60, "{trips} round trips");
        let scanned = printed["figures"]["rows_scanned"].as_u64().unwrap();
        assert_eq!(scanned, 40 * 3 + 1, "{}", printed["figures"]);
        let plan = case.read_plan("p");
        let mut found: Vec<String> = plan["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                let id = entry["id"].as_str().unwrap();
                format!("{} {}", &id[id.find('.').unwrap() + 1..], entry["count"])
            })
            .collect();
        found.sort();
        assert_eq!(found, ["t07.update 1", "t09.insert 1", "t39.delete 3"]);
        let compared = plan["tables"].as_array().unwrap().iter();
        for table in compared {
            assert_eq!(table["strategy"], "full", "{table}");
            assert!(
                table["exactness"]
                    .as_str()
                    .unwrap()
                    .starts_with("exact: every row compared")
            );
        }
    }
}

#[test]
fn reading_waits_while_production_is_busy() {
    let table = "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1);";
    let case = Case::with_database(Vendor::MySql, table, "");
    case.write_config(
        &json!([{ "remote": case.name("db"), "local": case.name("db") }]),
        &json!({ "remote_limits": { "max_threads_running": 6 } }),
    );
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let mut root = case.sandbox.root(Side::Remote);
            std::thread::spawn(move || root.query_drop("SELECT SLEEP(6)").unwrap())
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let output = case.driftwarden(&["plan", "--out", "plans/p.json"]);
    output
        .exits(0)
        .says("more than remote_limits.max_threads_running (6): reading waits")
        .says("reading goes on");
    for thread in busy {
        thread.join().unwrap();
    }
}

/// Whoever alters a table that is being compared does not wait for a pause to end.
#[test]
fn no_snapshot_is_held_while_production_is_busy() {
    let table = "CREATE TABLE d (n INT PRIMARY KEY); INSERT INTO d VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
        CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(30)); INSERT INTO t SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n +
        10000 * e.n, 'twenty characters .' FROM d a, d b, d c, d, d e WHERE e.n < 6; DROP TABLE d; ANALYZE TABLE t;";
    for vendor in Vendor::ALL {
        let case = Case::with_database(vendor, table, table);
        case.write_config(
            &json!([{ "remote": case.name("db"), "local": case.name("db") }]),
            &json!({
                "remote_limits": { "max_threads_running": 5 },
                "tables": { "rules": [{ "match": "t", "where": "SHA2(REPEAT(v, 6000), 512) <> 'x'" }] },
            }),
        );
        std::thread::scope(|scope| {
            let plan = scope
                .spawn(|| case.driftwarden(&["plan", "--full-diff-all", "--out", "plans/p.json"]));
            std::thread::sleep(Duration::from_secs(2));
            let busy: Vec<_> = (0..8)
                .map(|_| {
                    let mut root = case.sandbox.root(Side::Remote);
                    scope.spawn(move || {
                        root.query_drop("SELECT SLEEP(9)").unwrap();
                        Instant::now()
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_secs(4));
            let mut root = case.sandbox.root(Side::Remote);
            let alter = format!("ALTER TABLE `{}`.t ADD COLUMN more INT", case.name("db"));
            root.query_drop(alter).unwrap();
            let altered = Instant::now();
            for thread in busy {
                assert!(
                    altered < thread.join().unwrap(),
                    "{vendor:?}: the ALTER waited"
                );
            }
            plan.join()
                .unwrap()
                .says("reading waits")
                .says("reading goes on");
        });
    }
}

#[test]
fn one_snapshot_for_everything_where_that_is_asked_for() {
    for vendor in Vendor::ALL {
        let tables = many_tables(3);
        let case = Case::with_database(
            vendor,
            &format!("{tables} UPDATE t01 SET v = 'b'; UPDATE t02 SET v = 'c';"),
            &tables,
        );
        let databases = json!([{ "remote": case.name("db"), "local": case.name("db") }]);
        let table_by_table = case.plan("table", &[]);
        assert!(table_by_table["remote"]["snapshots"].as_u64().unwrap() > 1);
        case.write_config(
            &databases,
            &json!({ "remote_limits": { "snapshot": "database" } }),
        );
        let output = case.driftwarden(&["plan", "--out", "plans/one.json"]);
        output.exits(0).says("the one held for");
        let plan = case.read_plan("one");
        assert_eq!(plan["remote"]["snapshots"], 1);
        assert!(
            plan["warnings"].to_string().contains("under one snapshot"),
            "{}",
            plan["warnings"]
        );
        assert_eq!(plan["entries"], table_by_table["entries"]);
    }
}

#[test]
fn several_connections_find_what_one_does() {
    let remote = "CREATE TABLE d(n INT PRIMARY KEY); INSERT INTO d VALUES(0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
        CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(30));
        INSERT INTO t SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n, 'v'
            FROM d a, d b, d c, d, d e, d f WHERE f.n < 3; DROP TABLE d; ANALYZE TABLE t;";
    for vendor in Vendor::ALL {
        let drift = "UPDATE t SET v = 'x' WHERE id % 7001 = 3; DELETE FROM t WHERE id BETWEEN 70000 AND 70500;
            INSERT INTO t VALUES(-5, 'low'), (900000, 'high');";
        let case = Case::with_database(vendor, remote, &format!("{remote} {drift}"));
        let databases = json!([{ "remote": case.name("db"), "local": case.name("db") }]);
        let mut plans = Vec::new();
        for connections in [1, 4] {
            case.write_config(
                &databases,
                &json!({ "remote_limits": { "connections": connections, "chunk_time": "50ms" } }),
            );
            let plan = case.plan(&format!("by{connections}"), &[]);
            let counts: Vec<Value> = plan["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| json!([entry["kind"], entry["count"]]))
                .collect();
            plans.push(counts);
        }
        assert_eq!(
            plans[0],
            [
                json!(["delete_rows", 2]),
                json!(["update_rows", 42]),
                json!(["insert_rows", 501])
            ]
        );
        assert_eq!(plans[0], plans[1]);
    }
}
