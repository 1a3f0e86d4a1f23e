//! `revert`: plan, apply, revert, apply gives the original database byte for byte, whatever is killed on the way; what
//! changed since the apply is named and left alone.
//!
//! `DRIFTWARDEN_REVERT_ROUNDS` and `DRIFTWARDEN_REVERT_SEED` widen the search of random databases, and
//! `DRIFTWARDEN_KILL_STRIDE` (1: at every step) that of the kills.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what a long run is started for"
)]

use super::{approved, each, entry_id, local_value};
use crate::rows::random as random_rows;
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;
use crate::sandbox::server::Side;
use crate::schema::random::{Random, table};
use driftwarden::schema::Vendor as Product;
use mysql::prelude::Queryable as _;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Reverts `plans/PLAN.json` into `plans/NAME.json` and approves everything.
fn reverted(case: &Case, plan: &str, name: &str) -> (serde_json::Value, Output) {
    let file = format!("plans/{name}.json");
    let output = case.driftwarden(&["revert", &format!("plans/{plan}.json"), "--out", &file]);
    let output = output.exits(0);
    let plan = case.read_plan(name);
    case.approve_all(name, &plan);
    (plan, output)
}

fn apply(case: &Case, name: &str) -> Output {
    case.driftwarden(&["apply", &format!("plans/{name}.json")])
}

/// Applies a plan and lets the process die at its n-th step; returns whether it came so far.
fn apply_killed(case: &Case, name: &str, step: u64) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    let output = case
        .command(&["apply", &format!("plans/{name}.json")])
        .env("DRIFTWARDEN_FAULT", step.to_string())
        .output()
        .unwrap();
    output.status.signal().is_some()
}

#[track_caller]
fn assert_same(case: &Case, before: &str, what: &str) {
    let after = case.dump_with_counters(Side::Local, "db");
    assert!(
        before == after,
        "{what}: the dumps differ (- wanted, + found)\n{}",
        similar::TextDiff::from_lines(before, &after).unified_diff()
    );
}

const LOCAL: &str = "CREATE TABLE p(id INT PRIMARY KEY, n VARCHAR(50) CHARACTER SET latin1, f FLOAT, d DATETIME(3) NULL, \
        legacy BLOB, wide VARCHAR(100) NOT NULL, u INT, UNIQUE KEY(u), g INT AS (id * 2), \
        changed TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP);
    CREATE TABLE c(id INT AUTO_INCREMENT PRIMARY KEY, p INT NULL, self INT NULL, FOREIGN KEY(p) REFERENCES p(id) ON DELETE CASCADE, \
        FOREIGN KEY(self) REFERENCES c(id));
    CREATE TABLE bag(a INT, b VARCHAR(20));
    CREATE TABLE keyless(a INT, b VARCHAR(20), gone INT);
    CREATE TABLE old(id INT PRIMARY KEY, t TEXT, p INT, KEY(p), CONSTRAINT old_p FOREIGN KEY(p) REFERENCES p(id));
    CREATE TABLE solo(id INT PRIMARY KEY, v VARCHAR(10));
    INSERT INTO solo VALUES(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
    CREATE TABLE log(n INT AUTO_INCREMENT PRIMARY KEY, w VARCHAR(10));
    INSERT INTO p(id, n, f, d, legacy, wide, u) VALUES
        (1, X'e9', 0.1, '2026-01-02 03:04:05.678', X'00ff0a', 'a long text that is cut', 1),
        (2, 'two', 16777217, NULL, NULL, 'short', 2), (3, NULL, -0.0, NULL, X'', 'three', 3), (4, 'four', 1, NULL, 'x', 'four', 4);
    INSERT INTO c VALUES(1, 1, NULL), (2, 1, 1), (3, 4, 2);
    INSERT INTO bag VALUES(1, 'x'), (1, 'x'), (2, 'y'), (NULL, NULL);
    INSERT INTO keyless VALUES(1, 'x', 7), (1, 'x', 8), (2, 'y', NULL);
    INSERT INTO old VALUES(1, 'one', 1), (2, NULL, 2);
    CREATE TABLE conv(id INT AUTO_INCREMENT PRIMARY KEY, e ENUM('a', 'b') NULL, d DATETIME NULL, n INT NOT NULL, t VARCHAR(20) UNIQUE, KEY(e), \
        g VARCHAR(40) AS (CONCAT(e, '-', n))) AUTO_INCREMENT = 50;
    INSERT IGNORE INTO conv(id, e, d, n, t) VALUES(1, 'a', '2020-01-02', 5, 'x'), (2, NULL, NULL, 6, NULL), (3, 'none of them', '2021-01-02', 7, 'z'), \
        (4, 'b', NULL, -8, 'w');
    CREATE VIEW v AS SELECT id FROM p;
    CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO log(w) VALUES('e');";
const REMOTE: &str = "CREATE TABLE fresh(id INT PRIMARY KEY, c INT, KEY(c));
    CREATE TABLE p(more INT NOT NULL DEFAULT 5, id INT PRIMARY KEY, n VARCHAR(50) CHARACTER SET latin1, f FLOAT, d DATETIME NULL, \
        wide VARCHAR(10) NOT NULL, u INT, UNIQUE KEY(u), g INT AS (id * 2), \
        changed TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP);
    CREATE TABLE c(id INT AUTO_INCREMENT PRIMARY KEY, p INT NULL, self INT NULL, FOREIGN KEY(p) REFERENCES p(id) ON DELETE CASCADE, \
        FOREIGN KEY(self) REFERENCES c(id));
    CREATE TABLE bag(a INT, b VARCHAR(20));
    CREATE TABLE keyless(a INT, b VARCHAR(20));
    CREATE TABLE solo(id INT PRIMARY KEY, v VARCHAR(10));
    INSERT INTO solo VALUES(1, 'x'), (2, 'y'), (4, 'z');
    CREATE TABLE log(n INT AUTO_INCREMENT PRIMARY KEY, w VARCHAR(10));
    INSERT INTO fresh VALUES(1, 1), (2, 2);
    INSERT INTO p(id, n, f, d, wide, u) VALUES
        (1, 'one', 0.2, '2026-01-02', 'a', 2), (2, 'two', 16777217, NULL, 'short', 1), (3, NULL, 0, NULL, 'three', 3), (9, 'nine', 9, NULL, 'n', 9);
    INSERT INTO c VALUES(1, 9, NULL), (4, 9, 1), (2, 1, 4);
    INSERT INTO bag VALUES(1, 'x'), (3, 'z'), (3, 'z'), (NULL, NULL);
    INSERT INTO keyless VALUES(1, 'x'), (5, 'z');
    CREATE TABLE conv(id INT AUTO_INCREMENT PRIMARY KEY, e VARCHAR(20), d VARCHAR(30), n VARCHAR(10) NOT NULL, t DATE, KEY(e), \
        g VARCHAR(40) AS (CONCAT(e, '-', n)));
    INSERT INTO conv(id, e, d, n, t) VALUES(1, 'q', 'no date', 'many', '2020-01-01'), (3, 'b', '2021-01-02', '7', NULL), (9, 'r', 's', 't', NULL);
    CREATE VIEW v AS SELECT id, n FROM p;
    CREATE VIEW v2 AS SELECT 1 AS one;";

/// Triggers and routines, each in a send of its own: MySQL keeps the semicolon of a longer one in the text.
fn triggers(case: &Case) {
    for (side, sql) in [
        (Side::Local, "CREATE PROCEDURE q(a INT) SELECT a + 1"),
        (Side::Remote, "CREATE PROCEDURE q(a INT) SELECT a + 2"),
        (
            Side::Local,
            "CREATE TRIGGER up BEFORE UPDATE ON p FOR EACH ROW SET NEW.u = NEW.u",
        ),
        (
            Side::Local,
            "CREATE TRIGGER went AFTER DELETE ON old FOR EACH ROW INSERT INTO log(w) VALUES('old')",
        ),
        (
            Side::Local,
            "CREATE TRIGGER went2 AFTER DELETE ON old FOR EACH ROW INSERT INTO log(w) VALUES('old2')",
        ),
        (
            Side::Local,
            "CREATE TRIGGER kept AFTER INSERT ON bag FOR EACH ROW INSERT INTO log(w) VALUES('bag')",
        ),
        (
            Side::Remote,
            "CREATE TRIGGER up BEFORE UPDATE ON p FOR EACH ROW SET NEW.more = 1",
        ),
        (
            Side::Remote,
            "CREATE TRIGGER kept AFTER INSERT ON bag FOR EACH ROW INSERT INTO log(w) VALUES('bag')",
        ),
        (
            Side::Remote,
            "CREATE TRIGGER anew AFTER INSERT ON fresh FOR EACH ROW INSERT INTO log(w) VALUES('f')",
        ),
    ] {
        case.sql(side, "db", sql);
    }
}

#[test]
fn plan_apply_revert_apply_gives_the_original_and_back_again() {
    each(REMOTE, LOCAL, |case| {
        triggers(case);
        let before = case.dump_with_counters(Side::Local, "db");
        approved(case);
        apply(case, "p").exits(0);
        let applied = case.dump_with_counters(Side::Local, "db");
        let (plan, _) = reverted(case, "p", "r");
        assert_eq!(plan["reverts"], case.read_plan("p")["id"]);
        assert_eq!(plan["unsupported"].as_array().unwrap().len(), 0, "{plan:#}");
        // Production is not asked, and may have changed.
        case.remote_sql("ALTER TABLE p ADD unseen INT");
        apply(case, "r").exits(0);
        assert_same(case, &before, "after the revert");
        apply(case, "r").exits(0);
        assert_same(case, &before, "after the revert was applied twice");

        let (again, _) = reverted(case, "p", "nothing");
        assert_eq!(again["entries"].as_array().unwrap().len(), 0, "{again:#}");
        reverted(case, "r", "back");
        apply(case, "back").exits(0);
        assert_same(case, &applied, "after the revert of the revert");
        reverted(case, "back", "there");
        apply(case, "there").exits(0);
        assert_same(
            case,
            &before,
            "after the revert of the revert of the revert",
        );
        case.driftwarden(&["validate", "plans/r.json", "plans/back.json"])
            .exits(0);
    });
}

#[test]
fn killed_at_any_step_an_apply_and_a_revert_end_where_they_would_have_ended() {
    let stride = number("DRIFTWARDEN_KILL_STRIDE", 97);
    each(REMOTE, LOCAL, |case| {
        triggers(case);
        let before = case.dump_with_counters(Side::Local, "db");
        approved(case);
        apply(case, "p").exits(0);
        let applied = case.dump_with_counters(Side::Local, "db");
        let mut kills = 0;
        let mut step = 7;
        reverted(case, "p", "r0");
        apply(case, "r0").exits(0);
        loop {
            let killed = apply_killed(case, "p", step);
            if step % 2 == 0 {
                // Straight back from where the kill left it.
                let name = format!("h{step}");
                reverted(case, "p", &name);
                let ended = apply(case, &name);
                assert!(ended.code == Some(0), "step {step}: {ended}");
                assert_same(
                    case,
                    &before,
                    &format!("reverted after a kill at step {step}"),
                );
            }
            apply(case, "p").exits(0);
            assert_same(
                case,
                &applied,
                &format!("applied again after a kill at step {step}"),
            );
            let name = format!("r{step}");
            reverted(case, "p", &name);
            let killed_back = apply_killed(case, &name, step);
            apply(case, &name).exits(0);
            assert_same(
                case,
                &before,
                &format!("reverted, with a kill at step {step}"),
            );
            kills += u64::from(killed) + u64::from(killed_back);
            if !killed && !killed_back {
                break;
            }
            step += stride;
        }
        assert!(kills > 2, "killed only {kills} times");
        println!("{}: {kills} kills", case.vendor());
    });
}

/// The charset changes before the rows and the length behind them: what the second change left is told by its own columns.
#[test]
fn values_that_go_behind_a_change_of_charset_come_back() {
    let remote = "CREATE TABLE p(id INT PRIMARY KEY, n VARCHAR(50), y INT NOT NULL DEFAULT 3, wide VARCHAR(30)) CHARSET utf8mb4;
        INSERT INTO p VALUES(1, 'a', 3, 'w'), (2, 'b', 4, 'w'), (7, 'new', 3, 'w')";
    let local = "CREATE TABLE p(id INT PRIMARY KEY, n VARCHAR(50), x INT, wide VARCHAR(100)) CHARSET latin1;
        INSERT INTO p VALUES(1, 'a', 11, 'w'), (2, 'b', 12, 'w'), (5, 'gone', 15, 'w')";
    each(remote, local, |case| {
        let before = case.dump_with_counters(Side::Local, "db");
        approved(case);
        apply(case, "p").exits(0);
        let (_, output) = reverted(case, "p", "r");
        assert!(!output.stderr.contains("not undone"), "{output}");
        apply(case, "r").exits(0);
        assert_same(case, &before, "after the revert");
    });
}

/// A delete that local refuses, and one that is approved later, when a column of the table has gone, or was narrowed.
fn deleted_or_kept_rows_come_back_whole(remote: &str, local: &str, left: &str) {
    let child = "CREATE TABLE c(id INT PRIMARY KEY, p INT, FOREIGN KEY(p) REFERENCES p(id)); INSERT INTO c VALUES(1, 1)";
    let (remote, local) = (format!("{remote}; {child}"), format!("{local}; {child}"));
    each(&remote, &local, |case| {
        let before = case.dump_with_counters(Side::Local, "db");
        case.local_sql("INSERT INTO c VALUES(9, 2)");
        approved(case);
        case.local_sql("UPDATE c SET p = 3 WHERE id = 9");
        apply(case, "p");
        case.local_sql("DELETE FROM c WHERE id = 9");
        reverted(case, "p", "first");
        apply(case, "first").exits(0);
        assert_same(case, &before, "after the first revert");
        std::fs::remove_file(case.folder().join("plans/p.json")).unwrap();
        let plan = approved(case);
        let delete = entry_id(&plan, ".p.delete");
        case.driftwarden(&["deny", "plans/p.json", &format!("{delete}#2")])
            .exits(0);
        // A row of another hand keeps the first delete from happening.
        case.local_sql("INSERT INTO c VALUES(9, 2)");
        apply(case, "p");
        // Not deleted yet, and its column is as production has it.
        assert_eq!(
            super::local_value(case, "SELECT n FROM p WHERE id = 3"),
            left
        );
        case.driftwarden(&["approve", "plans/p.json", &format!("{delete}#2")])
            .exits(0);
        apply(case, "p");
        case.local_sql("DELETE FROM c WHERE id = 9");
        let (_, output) = reverted(case, "p", "r");
        assert!(!output.stderr.contains("not undone"), "{output}");
        apply(case, "r").exits(0);
        assert_same(case, &before, "after the revert");
    });
}

#[test]
fn rows_deleted_or_kept_behind_a_dropped_column_come_back_whole() {
    deleted_or_kept_rows_come_back_whole(
        "CREATE TABLE p(id INT PRIMARY KEY, n INT); INSERT INTO p VALUES(1, 1)",
        "CREATE TABLE p(id INT PRIMARY KEY, n INT, gone INT); INSERT INTO p VALUES(1, 1, 11), (2, 2, 12), (3, 3, 13)",
        "3",
    );
}

#[test]
fn rows_deleted_or_kept_behind_a_narrowed_column_come_back_whole() {
    deleted_or_kept_rows_come_back_whole(
        "CREATE TABLE p(id INT PRIMARY KEY, n DECIMAL(9, 1)); INSERT INTO p VALUES(1, 1)",
        "CREATE TABLE p(id INT PRIMARY KEY, n DECIMAL(9, 3)); INSERT INTO p VALUES(1, 1), (2, 2.222), (3, 3.333)",
        "3.3",
    );
}

#[test]
fn columns_whose_new_values_do_not_convert_back_are_exchanged() {
    // No row differs in the plan's eyes but those of the first table, and each ALTER changes what is in the columns.
    let local = "CREATE TABLE a(id INT PRIMARY KEY, e ENUM('x', 'y'), s SET('k', 'l'), KEY(e));
        INSERT IGNORE INTO a VALUES(1, 'x', 'k'), (2, 'neither', 'k,l'), (3, 'y', NULL);
        CREATE TABLE wide(id INT PRIMARY KEY, v VARCHAR(100), w DOUBLE, UNIQUE(v));
        INSERT INTO wide VALUES(1, '2020-01-01', 1.5), (2, '2020-01-02 00:00:00', -0.25), (3, NULL, NULL);";
    let remote = "CREATE TABLE a(id INT PRIMARY KEY, e VARCHAR(20), s VARCHAR(20), KEY(e));
        INSERT INTO a VALUES(1, 'x', 'k'), (2, '', 'k,l'), (3, 'y', NULL);
        CREATE TABLE wide(id INT PRIMARY KEY, v DATE, w INT, UNIQUE(v));
        INSERT INTO wide VALUES(1, '2020-01-01', 2), (2, '2020-01-02', 0), (3, NULL, NULL);";
    each(remote, local, |case| {
        let before = case.dump_with_counters(Side::Local, "db");
        approved(case);
        apply(case, "p").exits(0);
        let (plan, _) = reverted(case, "p", "r");
        assert_eq!(plan["unsupported"].as_array().unwrap().len(), 0, "{plan:#}");
        apply(case, "r").exits(0);
        assert_same(case, &before, "after the revert");
        // A row that is not the apply's would lose its value with the column, so the column stays.
        apply(case, "p").exits(0);
        case.local_sql("INSERT INTO a VALUES(7, '', 'mine')");
        let (plan, _) = reverted(case, "p", "kept");
        let said = plan["unsupported"].to_string();
        assert!(
            said.contains("do not convert to the type that was there before")
                && said.contains("rows of it were added or changed since the plan was applied"),
            "{plan:#}"
        );
        apply(case, "kept").exits(0);
        assert_eq!(local_value(case, "SELECT s FROM a WHERE id = 7"), "mine");
        assert_eq!(
            local_value(case, "SELECT GROUP_CONCAT(v ORDER BY id) FROM wide"),
            "2020-01-01,2020-01-02 00:00:00"
        );
    });
}

#[test]
fn of_masked_rows_within_a_rule_and_denied_ones_what_was_applied_goes_back() {
    let table = "CREATE TABLE t(id INT AUTO_INCREMENT PRIMARY KEY, mail VARCHAR(60), n INT);";
    let local = format!(
        "{table} INSERT INTO t VALUES(1, 'own@here', 1), (2, 'two@here', 2), (50, 'beyond@here', 50)"
    );
    let remote = format!(
        "{table} INSERT INTO t VALUES(1, 'ann@acme.com', 9), (3, 'bob@acme.com', 3), (4, 'eve@acme.com', 4), (60, 'far@acme.com', 60)"
    );
    each(&remote, &local, |case| {
        case.write_config(
            &serde_json::json!([case.name("db")]),
            &serde_json::json!({ "tables": { "rules": [
                { "match": "t", "full_diff": true, "where": "id < 10", "mask": { "mail": "email" } }
            ] } }),
        );
        let before = case.dump_with_counters(Side::Local, "db");
        let plan = approved(case);
        let inserts = entry_id(&plan, ".t.insert");
        case.driftwarden(&["deny", "plans/p.json", &format!("{inserts}#2")])
            .exits(0);
        apply(case, "p").exits(0);
        assert_eq!(
            local_value(case, "SELECT GROUP_CONCAT(id ORDER BY id) FROM t"),
            "1,3,50"
        );
        let (plan, output) = reverted(case, "p", "r");
        assert_eq!(plan["summary"]["rows"]["insert"], 1, "{plan:#}");
        assert_eq!(plan["summary"]["rows"]["update"], 1, "{plan:#}");
        assert_eq!(plan["summary"]["rows"]["delete"], 1, "{plan:#}");
        assert!(!output.stdout.contains("acme.com"), "{output}");
        // One row's way back is denied, and stays to be gone later.
        let updates = entry_id(&plan, ".t.update");
        case.driftwarden(&["deny", "plans/r.json", &updates])
            .exits(0);
        apply(case, "r").exits(0);
        assert_eq!(local_value(case, "SELECT n FROM t WHERE id = 1"), "9");
        reverted(case, "p", "rest");
        apply(case, "rest").exits(0);
        assert_same(case, &before, "after both ways back");
    });
}

#[test]
fn a_database_that_the_apply_created_goes_where_nothing_else_is_in_it() {
    for vendor in Vendor::ALL {
        let case = Case::new(vendor);
        case.create(Side::Remote, "fresh");
        case.sql(
            Side::Remote,
            "fresh",
            "CREATE TABLE t(id INT PRIMARY KEY); INSERT INTO t VALUES(1); CREATE VIEW v AS SELECT id FROM t",
        );
        case.write_config(
            &serde_json::json!([case.name("fresh")]),
            &serde_json::json!({}),
        );
        approved(&case);
        let none = case.dump(Side::Local, "fresh");
        apply(&case, "p").exits(0);
        let applied = case.dump(Side::Local, "fresh");
        assert_ne!(none, applied);
        let (plan, _) = reverted(&case, "p", "r");
        let dropped = plan["entries"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["kind"] == "drop_database")
            .unwrap_or_else(|| panic!("{plan:#}"));
        assert_eq!(dropped["risk"], "destructive");
        assert_eq!(dropped["needs_own_approval"], true);
        // Something of another hand came into it after the plan was made.
        case.sql(Side::Local, "fresh", "CREATE TABLE mine(id INT)");
        apply(&case, "r")
            .exits(4)
            .says("is not empty: it holds mine");
        let (plan, output) = reverted(&case, "p", "kept");
        assert_eq!(plan["entries"].as_array().unwrap().len(), 0, "{plan:#}");
        assert!(output.stdout.contains("it stays"), "{output}");
        case.sql(Side::Local, "fresh", "DROP TABLE mine");
        apply(&case, "r").exits(0);
        assert_eq!(case.dump(Side::Local, "fresh"), none);
        apply(&case, "r").exits(0);
        reverted(&case, "r", "back");
        apply(&case, "back").exits(0);
        assert_eq!(case.dump(Side::Local, "fresh"), applied);
    }
}

#[test]
fn what_changed_since_is_named_and_left_alone() {
    each(REMOTE, LOCAL, |case| {
        triggers(case);
        approved(case);
        apply(case, "p").exits(0);
        case.local_sql(
            "UPDATE solo SET v = 'mine' WHERE id = 1; DELETE FROM solo WHERE id = 2; INSERT INTO fresh VALUES(77, 7);
             INSERT INTO bag VALUES(3, 'z'); ALTER TABLE keyless ADD mine INT; CREATE OR REPLACE VIEW v AS SELECT 3 AS mine;
             INSERT INTO p(id, wide) VALUES(4, 'mine')",
        );
        let (_, output) = reverted(case, "p", "r");
        for said in [
            "p: 1 row changed since the plan was applied",
            "solo: 2 rows changed since the plan was applied",
            "id = 2: it was deleted since",
            "id = 1: it changed since",
            "id = 4: the plan deleted it, and a row with its key is there again",
            "fresh: the apply created it, and it holds rows that were added or changed since",
            "keyless: its schema changed since the plan was applied",
            "v: it changed since the plan was applied",
            "bag: 1 different rows are there in another number than the plan left them",
        ] {
            assert!(output.stdout.contains(said), "{said}: {output}");
        }
        let ended = apply(case, "r");
        assert_eq!(ended.code, Some(0), "{ended}");
        assert_eq!(local_value(case, "SELECT v FROM solo WHERE id = 1"), "mine");
        assert_eq!(
            local_value(case, "SELECT GROUP_CONCAT(id, v ORDER BY id) FROM solo"),
            "1mine,3c,4d"
        );
        assert_eq!(local_value(case, "SELECT wide FROM p WHERE id = 4"), "mine");
        assert_eq!(local_value(case, "SELECT COUNT(*) FROM fresh"), "3");
        assert_eq!(local_value(case, "SELECT COUNT(mine) FROM v"), "1");
        assert_eq!(
            local_value(case, "SELECT COUNT(*) FROM keyless WHERE mine IS NULL"),
            "2"
        );
        assert_eq!(local_value(case, "SELECT COUNT(*) FROM old"), "2");
        assert_eq!(
            local_value(case, "SELECT HEX(legacy) FROM p WHERE id = 3"),
            ""
        );
    });
}

#[test]
fn without_a_record_that_can_be_trusted_nothing_is_written() {
    each(
        "CREATE TABLE t(id INT PRIMARY KEY); INSERT INTO t VALUES(1), (2)",
        "CREATE TABLE t(id INT PRIMARY KEY)",
        |case| {
            let plan = approved(case);
            let refused = |said: &str| {
                case.driftwarden(&["revert", "plans/p.json", "--out", "plans/r.json"])
                    .exits(3)
                    .says(said);
                assert!(!case.folder().join("plans/r.json").exists());
            };
            refused("was not applied from here");
            apply(case, "p").exits(0);
            let folder = case
                .folder()
                .join(format!("plans/{}.undo", plan["id"].as_str().unwrap()));
            let journal = folder.join("journal.jsonl");
            let text = std::fs::read_to_string(&journal).unwrap();
            std::fs::write(
                &journal,
                text.replacen("\"rows\":[[1,2]]", "\"rows\":[[1,1]]", 1),
            )
            .unwrap();
            refused("is damaged, or was changed by hand");
            std::fs::write(&journal, text.replacen("sha256:", "sha256:0", 1)).unwrap();
            refused("is damaged, or was changed by hand");
            // A last line that is cut off is that of a kill: what stands of it, local tells.
            std::fs::write(&journal, &text[..text.len() - 3]).unwrap();
            let (plan, _) = reverted(case, "p", "r");
            assert_eq!(plan["entries"][0]["count"], 2, "{plan:#}");
            apply(case, "r").exits(0);
            assert_eq!(local_value(case, "SELECT COUNT(*) FROM t"), "0");
        },
    );
}

/// Statements of one side, of which the server may refuse some.
fn lax(case: &Case, side: Side, statements: &[String]) {
    let mut root = case.sandbox.root(side);
    root.query_drop(format!("USE {}", case.fill("{{db}}")))
        .unwrap();
    root.query_drop("SET NAMES utf8mb4, sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'")
        .unwrap_or_else(|_| {
            root.query_drop("SET NAMES utf8mb4").unwrap();
            root.query_drop("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'").unwrap();
        });
    for statement in statements {
        drop(root.query_drop(statement));
    }
}

/// A random database on both sides: tables of random rows and columns, tables of random keys and indexes, tables of one
/// side, and objects.
#[allow(
    clippy::too_many_lines,
    reason = "one list of what a random database holds"
)]
fn random_database(case: &Case, seed: u64) {
    let product = match case.vendor() {
        Vendor::MySql => Product::MySql,
        Vendor::MariaDb => Product::MariaDb,
    };
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut sides = [Vec::new(), Vec::new()];
    let rows = random_rows::case(seed, product);
    for (statements, inserts) in sides.iter_mut().zip([&rows.remote, &rows.local]) {
        statements.push(rows.create.clone());
        statements.extend(inserts.iter().cloned());
    }
    let column = "`c 0```";
    for (side, statement) in [
        (1, "ALTER TABLE t ADD extra1 VARCHAR(20) NULL".to_owned()),
        (1, "UPDATE t SET extra1 = 'kept'".to_owned()),
        (
            1,
            "ALTER TABLE t ADD extra2 DECIMAL(10,4) NOT NULL DEFAULT 1.5 FIRST".to_owned(),
        ),
        (
            0,
            "ALTER TABLE t ADD more INT NOT NULL DEFAULT 7".to_owned(),
        ),
        (0, "ALTER TABLE t ADD more2 TEXT".to_owned()),
        (1, format!("ALTER TABLE t DROP COLUMN {column}")),
        (1, format!("ALTER TABLE t MODIFY {column} VARCHAR(300)")),
        (0, format!("ALTER TABLE t MODIFY {column} VARCHAR(30)")),
        (0, "ALTER TABLE t COMMENT 'other'".to_owned()),
        (1, "ALTER TABLE t ADD KEY k9 (extra2)".to_owned()),
        (1, "ALTER TABLE t DROP PRIMARY KEY".to_owned()),
    ] {
        if random.chance(30) {
            sides[side].push(statement);
        }
    }
    for statements in &mut sides {
        statements.push("CREATE TABLE elsewhere(id INT PRIMARY KEY)".into());
        statements
            .push("INSERT INTO elsewhere VALUES(0),(1),(2),(3),(4),(5),(6),(7),(8),(9)".into());
        for name in ["u", "w"] {
            statements.push(table(&mut random).replacen("TABLE t", &format!("TABLE {name}"), 1));
            let ids: Vec<String> = (2..30)
                .filter(|_| random.chance(70))
                .map(|id| format!("({id})"))
                .collect();
            statements.push(format!(
                "INSERT IGNORE INTO {name}(id) VALUES {}",
                ids.join(",")
            ));
            for column in ["a", "b", "c", "d", "e", "f", "g"] {
                let value = random.of(&[
                    "id % 5",
                    "id",
                    "'a'",
                    "'b'",
                    "'2020-01-02 03:04:05'",
                    "NULL",
                    "'7.25'",
                    "CONCAT('text ', id)",
                    "255 - id",
                ]);
                statements.push(format!(
                    "UPDATE IGNORE {name} SET `{column}` = {value} WHERE id % 7 <> {}",
                    random.below(7)
                ));
            }
        }
        if random.chance(60) {
            statements.push(
                random
                    .of(&[
                        "CREATE TABLE single(id INT PRIMARY KEY, t TEXT)",
                        "CREATE TABLE single(id INT, t TEXT)",
                    ])
                    .into(),
            );
            statements.push("INSERT INTO single VALUES(1, 'a'), (2, NULL), (3, 'c')".into());
            statements.push(
                "CREATE TRIGGER on_single BEFORE INSERT ON single FOR EACH ROW SET NEW.t = 'fired'"
                    .into(),
            );
        }
        if random.chance(60) {
            statements.push(format!(
                "CREATE VIEW v AS SELECT {} AS x",
                random.of(&["1", "'ä'", "id"])
            ));
            statements.push("CREATE VIEW v AS SELECT id AS x FROM u".into());
        }
        if random.chance(60) {
            statements.push(format!(
                "CREATE TRIGGER tr BEFORE UPDATE ON u FOR EACH ROW SET @x = {}",
                random.below(3)
            ));
            statements.push("CREATE TRIGGER tr2 BEFORE UPDATE ON u FOR EACH ROW SET @x = 9".into());
        }
        if random.chance(60) {
            statements.push(format!("CREATE PROCEDURE pr() SELECT {}", random.below(3)));
        }
        if random.chance(60) {
            statements.push(format!(
                "CREATE EVENT ev ON SCHEDULE EVERY {} DAY DISABLE DO SELECT 1",
                1 + random.below(2)
            ));
        }
    }
    let [remote, local] = sides;
    lax(case, Side::Remote, &remote);
    lax(case, Side::Local, &local);
}

/// Plan, apply, revert, apply, apply the plan again; two of three rounds with kills on the way, one of three straight back
/// from a kill. Returns the number of kills.
fn round(vendor: Vendor, seed: u64) -> u64 {
    let case = Case::with_database(vendor, "SELECT 1", "SELECT 1");
    random_database(&case, seed);
    let what = format!("seed {seed} on {vendor}");
    let before = case.dump_with_counters(Side::Local, "db");
    approved(&case);
    let mut kills = 0;
    let mut random = Random(seed.wrapping_mul(77) | 1);
    let killed_on_the_way = !seed.is_multiple_of(3);
    if killed_on_the_way {
        kills += u64::from(apply_killed(&case, "p", 1 + random.below(120) as u64));
    }
    let mut applied = None;
    if seed % 3 != 2 {
        let ended = apply(&case, "p");
        assert!(matches!(ended.code, Some(0 | 1 | 4)), "{what}: {ended}");
        applied = (ended.code == Some(0)).then(|| case.dump_with_counters(Side::Local, "db"));
    }
    let (plan, output) = reverted(&case, "p", "r");
    assert!(
        plan["unsupported"].as_array().unwrap().is_empty()
            && !output.stdout.contains("Left as it is"),
        "{what}: {output}\n{:#}",
        plan["unsupported"]
    );
    if killed_on_the_way {
        kills += u64::from(apply_killed(&case, "r", 1 + random.below(120) as u64));
    }
    let ended = apply(&case, "r");
    assert!(ended.code == Some(0), "{what}: {ended}\n{output}");
    assert_same(&case, &before, &format!("{what}\n{ended}"));
    if let Some(applied) = applied {
        let ended = apply(&case, "p");
        assert!(ended.code == Some(0), "{what}, applied again: {ended}");
        assert_same(&case, &applied, &format!("{what}, applied again\n{ended}"));
    }
    kills
}

#[test]
fn random_databases_come_back_byte_for_byte() {
    let first = number("DRIFTWARDEN_REVERT_SEED", 1);
    let rounds = number("DRIFTWARDEN_REVERT_ROUNDS", 3);
    let (mut kills, mut failed) = (0, Vec::new());
    for seed in first..first + rounds {
        for vendor in Vendor::ALL {
            // A long run names every seed that fails.
            match std::panic::catch_unwind(|| round(vendor, seed)) {
                Ok(killed) => kills += killed,
                Err(_) => failed.push(format!("{seed} on {vendor}")),
            }
        }
    }
    println!("{rounds} rounds on each vendor, {kills} kills, failed: {failed:?}");
    assert!(failed.is_empty(), "not whole again: {failed:?}");
}
