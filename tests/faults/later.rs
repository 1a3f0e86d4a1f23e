//! Faults in the ways that are faster than the plain ones: a table filled over several connections, rows read from a watermark,
//! small tables told by one send, masks.

use super::proxy::{What, When};
use super::{At, Steps, content, faulty, nothing_left, run, settings};
use crate::sandbox::Vendor;
use crate::sandbox::case::{Case, quoted};
use crate::sandbox::server::Side;
use serde_json::{Value, json};

/// More rows than are inserted over one connection.
fn many() -> String {
    let ten = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    format!(
        "CREATE TABLE many (id INT PRIMARY KEY, v VARCHAR(300));
         INSERT INTO many SELECT a.n * 10000 + b.n * 1000 + c.n * 100 + d.n * 10 + e.n, REPEAT('v', 280)
             FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2) a, {ten} b, {ten} c, {ten} d, {ten} e"
    )
}

#[test]
fn a_connection_lost_while_a_table_is_filled_over_several() {
    for (vendor, step, what) in [
        (
            Vendor::MySql,
            "COMMIT",
            (|| What::LoseAnswer) as fn() -> What,
        ),
        (Vendor::MariaDb, "INSERT INTO", || What::Cut),
    ] {
        let empty = "CREATE TABLE many (id INT PRIMARY KEY, v VARCHAR(300))";
        let case = Case::with_database(vendor, &many(), empty);
        super::direct(&case);
        let plan = case.plan("p", &[]);
        case.approve_all("p", &plan);
        let apply = ["apply", "plans/p.json", "--offline"];
        let watched = faulty(&case, At::Local, When::Never, What::Cut);
        run(&case, &apply).exits(0);
        let packets = watched.packets();
        // The first, one in the middle, the last of its kind.
        let places: Vec<usize> = (1..)
            .zip(&packets)
            .filter(|(_, text)| text.contains(step))
            .map(|(place, _)| place)
            .collect();
        for place in [
            places[0],
            places[places.len() / 2],
            places[places.len() - 1],
        ] {
            let name = quoted(&case.name("db"));
            case.sandbox.execute(
                Side::Local,
                None,
                &format!("DROP DATABASE {name}; CREATE DATABASE {name}"),
            );
            case.local_sql(empty);
            let undo = format!("plans/{}.undo", plan["id"].as_str().unwrap());
            drop(std::fs::remove_dir_all(case.folder().join(undo)));
            let proxy = faulty(&case, At::Local, When::Packet(place), what());
            let output = run(&case, &apply);
            assert!(proxy.struck(), "{step} {place}: {output}");
            drop(output.exits(0));
            case.assert_equal(&[("db", "db")]);
            nothing_left(&case);
        }
    }
}

const TIMED: &str = "
    CREATE TABLE timed (id INT PRIMARY KEY, v VARCHAR(20), updated_at DATETIME NULL, KEY (updated_at));
    INSERT INTO timed VALUES (1, 'a', '2026-01-01'), (2, 'b', '2026-01-02'), (3, 'c', '2026-01-03');
    CREATE TABLE people (id INT PRIMARY KEY, email VARCHAR(80), updated_at DATETIME NULL, KEY (updated_at));
    INSERT INTO people VALUES (1, 'ann@example.com', '2026-01-01'), (2, 'bob@example.com', '2026-01-02');
    CREATE TABLE small1 (id INT PRIMARY KEY); INSERT INTO small1 VALUES (1);
    CREATE TABLE small2 (id INT PRIMARY KEY); INSERT INTO small2 VALUES (1);
    CREATE TABLE small3 (id INT PRIMARY KEY); INSERT INTO small3 VALUES (1), (2);";

/// Masks, and full comparisons only of what has no time.
fn by_rules() -> Value {
    json!({ "tables": { "rules": [
        { "match": "people", "mask": { "email": "email" } },
        { "match": "small*", "full_diff": true },
    ] } })
}

/// A plan's content without the times at which it was made.
fn timeless(case: &Case, name: &str) -> String {
    let mut plan = content(case.read_plan(name));
    plan.as_object_mut().unwrap().remove("parts");
    for table in plan["tables"].as_array_mut().unwrap() {
        table.as_object_mut().unwrap().remove("watermark");
    }
    format!("{plan:#}")
}

/// Puts a proxy before one of the servers, with the rules above.
fn proxied(case: &Case, at: At, when: When, what: What) -> super::proxy::Proxy {
    let proxy = faulty(case, at, when, what);
    let path = case.folder().join("config/config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["tables"] = by_rules()["tables"].clone();
    std::fs::write(&path, config.to_string()).unwrap();
    proxy
}

#[test]
fn a_connection_lost_while_rows_are_read_from_a_watermark() {
    for (vendor, what) in [
        (Vendor::MySql, (|| What::Cut) as fn() -> What),
        (Vendor::MariaDb, || What::LoseAnswer),
    ] {
        let case = Case::with_database(vendor, TIMED, TIMED);
        case.write_config(&json!([case.name("db")]), &settings(&by_rules()));
        let plan = case.plan("p", &["--full-diff-all"]);
        case.approve_all("p", &plan);
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
        case.remote_sql(
            "INSERT INTO timed VALUES (4, 'd', NOW()); UPDATE timed SET v = 'x', updated_at = NOW() WHERE id = 2;
             INSERT INTO people VALUES (3, 'cid@example.com', NOW()); INSERT INTO small2 VALUES (5)",
        );
        for (at, steps) in [
            (
                At::Remote,
                &["`timed`", "`people`", "`small1`", "`small2`"][..],
            ),
            (
                At::Local,
                &["_driftwarden_state", "`timed`", "`people`", "`small2`"],
            ),
        ] {
            let watched = proxied(&case, at, When::Never, What::Cut);
            run(&case, &["plan", "--out", "plans/watched.json"]).exits(0);
            let expected = timeless(&case, "watched");
            assert!(expected.contains("incremental"), "{expected}");
            for (step, packet) in Steps::of(&watched.packets(), steps).each() {
                let proxy = proxied(&case, at, When::Packet(packet), what());
                let file = format!("{at:?}{packet}");
                let output = run(&case, &["plan", "--out", &format!("plans/{file}.json")]);
                assert!(proxy.struck(), "{step}: {output}");
                let output = output.exits(0);
                let found = timeless(&case, &file);
                assert!(
                    found == expected,
                    "{step}: {output}\n{}",
                    similar::TextDiff::from_lines(&expected, &found).unified_diff()
                );
                nothing_left(&case);
            }
        }
    }
}
