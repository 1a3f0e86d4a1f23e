//! The incremental strategy through the program: when a watermark holds, when it is void, what is kept in mind, and that
//! rounds of drift with rows denied at random end in equality once everything is approved.

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use driftwarden::plan::{digest, file};
use mysql::prelude::Queryable as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::fmt::Write as _;

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), updated_at DATETIME NULL, KEY (updated_at));";
const ROWS: &str =
    "INSERT INTO t VALUES (1, 'a', '2026-01-01'), (2, 'b', '2026-01-02'), (3, 'c', '2026-01-03');";

/// A case on each vendor that was compared once and noted.
fn each(test: impl Fn(&Case)) {
    let both = format!("{TABLE}{ROWS}");
    for vendor in Vendor::ALL {
        let case = Case::with_database(vendor, &both, &both);
        by_rules(&case, &json!([]));
        assert_eq!(strategy(&case, "first", &[]), "full");
        case.driftwarden(&["apply", "plans/first.json"])
            .exits(0)
            .says("Noted how far 1 table is compared");
        assert_eq!(strategy(&case, "noted", &[]), "incremental");
        test(&case);
    }
}

fn by_rules(case: &Case, rules: &Value) {
    case.write_config(
        &json!([case.name("db")]),
        &json!({ "tables": { "rules": rules } }),
    );
}

fn strategy(case: &Case, name: &str, arguments: &[&str]) -> String {
    let plan = case.plan(name, arguments);
    plan["tables"][0]["strategy"].as_str().unwrap().to_owned()
}

fn exactness(case: &Case, name: &str) -> String {
    let plan = case.read_plan(name);
    plan["tables"][0]["exactness"].as_str().unwrap().to_owned()
}

/// Approves and applies a plan that was made.
fn apply(case: &Case, name: &str) {
    let plan = case.read_plan(name);
    if plan["entries"] != json!([]) {
        case.approve_all(name, &plan);
    }
    case.driftwarden(&["apply", &format!("plans/{name}.json")])
        .exits(0);
}

fn value(case: &Case, side: Side, query: &str) -> String {
    let mut root = case.sandbox.root(side);
    root.query_drop(format!("USE {}", case.fill("{{db}}")))
        .unwrap();
    let value: Option<String> = root.query_first(case.fill(query)).unwrap();
    value.unwrap_or_default()
}

/// Asserts that the next plan compares in full, for that reason, and warns.
fn assert_void(case: &Case, reason: &str) {
    // The plan of an earlier time, which may hold decisions.
    drop(std::fs::remove_file(case.folder().join("plans/void.json")));
    assert_eq!(strategy(case, "void", &[]), "full");
    let said = exactness(case, "void");
    assert!(said.contains(reason), "{said}");
    let warnings = case.read_plan("void")["warnings"].to_string();
    assert!(
        warnings.contains("was compared in full") && warnings.contains(reason),
        "{warnings}"
    );
}

#[test]
fn a_restored_table_is_compared_in_full() {
    each(|case| {
        // As `mysqldump | mysql` brings it back, within the same second if need be.
        case.local_sql(&format!(
            "DROP TABLE t; {TABLE} INSERT INTO t VALUES (1, 'old', '2025-01-01')"
        ));
        assert_void(case, "re-created, restored");
        apply(case, "void");
        case.assert_equal(&[("db", "db")]);
        assert_eq!(strategy(case, "after", &[]), "incremental");
        // The notes of a dump come back with its tables, and are about others.
        case.local_sql(
            "CREATE TABLE copy LIKE t; INSERT INTO copy SELECT * FROM t; DROP TABLE t; RENAME TABLE copy TO t; UPDATE t SET v = 'x'",
        );
        assert_void(case, "re-created, restored");
    });
}

#[test]
fn a_truncated_or_altered_table_is_compared_anew() {
    each(|case| {
        case.local_sql("TRUNCATE t; INSERT INTO t VALUES (3, 'c', '2026-01-03')");
        assert_void(case, "truncated");
        apply(case, "void");
        assert_eq!(strategy(case, "after", &[]), "incremental");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        case.local_sql("ALTER TABLE t DROP COLUMN v");
        case.local_sql("ALTER TABLE t ADD COLUMN v VARCHAR(20) AFTER id");
        assert_void(case, "altered");
    });
}

#[test]
fn a_rule_s_words_are_part_of_what_was_compared() {
    each(|case| {
        by_rules(case, &json!([{ "match": "t", "where": "id < 3" }]));
        assert_void(case, "`where` or mask");
        apply(case, "void");
        assert_eq!(strategy(case, "same", &[]), "incremental");
        by_rules(case, &json!([{ "match": "t", "where": "id < 4" }]));
        assert_void(case, "`where` or mask");
    });
}

#[test]
fn a_column_of_production_s_that_is_new_makes_it_void() {
    each(|case| {
        case.remote_sql(
            "ALTER TABLE t ADD COLUMN w INT DEFAULT 7; UPDATE t SET w = 8 WHERE id = 1",
        );
        assert_void(case, "its columns");
        apply(case, "void");
        case.assert_equal(&[("db", "db")]);
        // The plan's own ALTER made another table of it, and is no reason to look at every row again.
        assert_eq!(strategy(case, "after", &[]), "incremental");
        case.remote_sql("ALTER TABLE t ADD INDEX (v)");
        assert_eq!(strategy(case, "index", &[]), "incremental");
        apply(case, "index");
        assert_eq!(strategy(case, "after", &[]), "incremental");
    });
}

#[test]
fn rows_from_the_future_and_a_clock_that_ran_backward_hide_nothing() {
    each(|case| {
        case.remote_sql("INSERT INTO t VALUES (4, 'far', '9999-12-31 23:59:59')");
        assert_eq!(strategy(case, "far", &[]), "incremental");
        apply(case, "far");
        // Noted no later than production's clock, whatever the rows say.
        let noted = value(case, Side::Local, "SELECT note FROM _driftwarden_state");
        assert!(!noted.contains("9999-12-31"), "{noted}");
        case.remote_sql("UPDATE t SET v = 'now', updated_at = UTC_TIMESTAMP() WHERE id = 1");
        let plan = case.plan("now", &[]);
        assert_eq!(plan["summary"]["rows"]["update"], 1, "{plan:#}");
        // As if production's clock had been a year ahead when the last plan was made.
        case.local_sql("UPDATE _driftwarden_state SET note = REPLACE(note, '\"clock\":\"20', '\"clock\":\"21')");
        assert_void(case, "clock ran backward");
    });
}

#[test]
fn a_note_that_was_tampered_with_is_none() {
    each(|case| {
        for (broken, reason) in [
            (
                "REPLACE(note, '\"version\":1', '\"version\":2')",
                "cannot be read",
            ),
            ("'no json'", "cannot be read"),
            (
                "REPLACE(note, '\"value\":\"2026', '\"value\":\"2226')",
                "in the future",
            ),
            (
                "REPLACE(note, '\"keys\":[]', '\"keys\":[[\"1 OR 1\"]]')",
                "no rows of it",
            ),
            (
                "REPLACE(note, '\"value\":\"2026-01-03', '\"value\":\"x')",
                "no time",
            ),
        ] {
            let kept = value(
                case,
                Side::Local,
                "SELECT HEX(note) FROM _driftwarden_state",
            );
            case.local_sql(&format!("UPDATE _driftwarden_state SET note = {broken}"));
            assert_void(case, reason);
            case.local_sql(&format!(
                "UPDATE _driftwarden_state SET note = CONVERT(X'{kept}' USING utf8mb4)"
            ));
        }
        assert_eq!(strategy(case, "mended", &[]), "incremental");
        case.local_sql("DROP TABLE _driftwarden_state; CREATE TABLE _driftwarden_state (x INT)");
        assert_eq!(strategy(case, "other", &[]), "full");
        // What cannot be noted is said, and the rows are brought up all the same.
        case.remote_sql("UPDATE t SET v = 'z', updated_at = '2026-02-01' WHERE id = 1");
        case.plan("rows", &[]);
        let plan = case.read_plan("rows");
        case.approve_all("rows", &plan);
        case.driftwarden(&["apply", "plans/rows.json"])
            .exits(0)
            .says("Not noted");
        case.local_sql("DROP TABLE _driftwarden_state");
    });
}

#[test]
fn an_older_plan_that_is_applied_late_makes_the_note_void() {
    each(|case| {
        case.remote_sql("UPDATE t SET v = 'v1', updated_at = '2026-02-01' WHERE id = 1");
        case.plan("old", &[]);
        // Production takes it back, and a newer plan finds nothing of it.
        case.remote_sql("UPDATE t SET v = 'a', updated_at = '2026-01-01' WHERE id = 1; UPDATE t SET v = 'n', updated_at = '2026-03-01' WHERE id = 2");
        case.plan("new", &[]);
        apply(case, "new");
        assert_eq!(strategy(case, "noted", &[]), "incremental");
        apply(case, "old");
        assert_eq!(
            value(case, Side::Local, "SELECT v FROM t WHERE id = 1"),
            "v1"
        );
        assert_eq!(strategy(case, "after", &[]), "full");
        apply(case, "after");
        case.assert_equal(&[("db", "db")]);
        // Applied again, a plan that is done changes neither rows nor notes that it wrote.
        let noted = value(case, Side::Local, "SELECT note FROM _driftwarden_state");
        case.driftwarden(&["apply", "plans/after.json", "--offline"])
            .exits(0);
        assert_eq!(
            value(case, Side::Local, "SELECT note FROM _driftwarden_state"),
            noted
        );
    });
}

#[test]
fn a_forged_watermark_reaches_nothing_but_its_own_table_s_note() {
    each(|case| {
        case.remote_sql("UPDATE t SET v = 'w', updated_at = '2026-02-01' WHERE id = 1");
        case.plan("p", &[]);
        let path = case.folder().join("plans/p.json");
        let mut plan = file::read(&path).unwrap();
        let hostile = "'); DROP TABLE t; -- \\";
        let mut other = plan.tables[0].clone();
        other.table = "mysql.user".into();
        for table in [&mut plan.tables[0], &mut other] {
            let watermark = table.watermark.as_mut().unwrap();
            watermark.mark.value = hostile.into();
            watermark.mark.column = hostile.into();
            watermark.mark.basis = "9".repeat(100_000);
        }
        plan.tables.push(other);
        digest::seal(&mut plan).unwrap();
        std::fs::write(&path, file::to_text(&plan).unwrap()).unwrap();
        apply(case, "p");
        assert_eq!(value(case, Side::Local, "SELECT COUNT(*) FROM t"), "3");
        let elsewhere = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = '_driftwarden_state' \
                         AND TABLE_SCHEMA = 'mysql'";
        assert_eq!(value(case, Side::Local, elsewhere), "0");
        assert_void(case, "not what they were");
        case.local_sql("DROP TABLE _driftwarden_state");
    });
}

#[test]
fn the_notes_are_no_part_of_any_comparison() {
    each(|case| {
        let plan = case.plan("all", &["--full-diff-all"]);
        let text = plan.to_string();
        assert!(!text.contains("_driftwarden_state"), "{text}");
        let shown = case
            .driftwarden(&["plan", "--out", "plans/shown.json"])
            .exits(0)
            .stdout
            .clone();
        assert!(
            shown.contains("No changes. Compared: schema and rows of 1 table; of 1 table only recent changes (deletes not checked)."),
            "{shown}"
        );
    });
}

/// However large the table, an incremental plan reads the rows that changed, and those of the overlap.
#[test]
fn what_is_read_does_not_grow_with_the_table() {
    for vendor in Vendor::ALL {
        let mut read = Vec::new();
        for rows in [2_000, 40_000] {
            let numbers = "(SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 AS n FROM digits a, digits b, digits c, digits d, digits e) numbers";
            let fill = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), updated_at DATETIME(6) NOT NULL, KEY (updated_at)); \
                        CREATE TABLE digits (n INT); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)";
            let insert = format!(
                "INSERT INTO t SELECT n, 'x', '2020-01-01' + INTERVAL n MINUTE FROM {numbers} WHERE n < {rows}; DROP TABLE digits"
            );
            let both = format!("{fill}; {insert}");
            let case = Case::with_database(vendor, &both, &both);
            by_rules(&case, &json!([]));
            case.plan("first", &[]);
            apply(&case, "first");
            case.remote_sql(
                "UPDATE t SET v = 'y', updated_at = '2026-01-01' WHERE id % 200 = 7 AND id < 2000",
            );
            let plan = case.plan("recent", &[]);
            assert_eq!(plan["summary"]["rows"]["update"], 10);
            assert_eq!(plan["tables"][0]["strategy"], "incremental");
            read.push(rows_examined(&case));
        }
        assert!(read[0] > 10 && read[0] < 500, "{read:?}");
        assert_eq!(read[0], read[1]);
    }
}

/// How many rows the remote goes through for the last plan's selects of the table: they are run again, and counted.
fn rows_examined(case: &Case) -> u64 {
    let log = std::fs::read(case.sandbox.setting("REMOTE_LOG")).unwrap();
    let log = String::from_utf8_lossy(&log).into_owned();
    let table = case.fill("{{db}}.`t`");
    // Of the last plan alone: its page is the only read that asks for rows without a time.
    let all: Vec<&str> = log
        .lines()
        .filter_map(|line| Some(&line[line.find("\tSELECT ")? + 1..]))
        .filter(|sql| sql.contains(&format!("FROM {table} ")))
        .collect();
    let page = all
        .iter()
        .rposition(|sql| sql.contains("`updated_at` IS NULL"))
        .expect("a page was read");
    let mut root = case.sandbox.root(Side::Remote);
    root.query_drop("SET sql_mode = ''").unwrap();
    root.query_drop("FLUSH STATUS").unwrap();
    for sql in &all[page..] {
        root.query_drop(*sql).unwrap();
    }
    let counts: Vec<(String, u64)> = root
        .query("SHOW SESSION STATUS LIKE 'Handler_read%'")
        .unwrap();
    counts.iter().map(|(_, count)| count).sum()
}

/// One round: what production does, and which rows are denied.
#[derive(Debug, Clone)]
struct Round {
    changes: Vec<(u8, u8)>,
    denied: Vec<u8>,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (
        proptest::collection::vec((0_u8..30, 0_u8..3), 0..8),
        proptest::collection::vec(0_u8..6, 0..4),
    );
    let round = round.prop_map(|(changes, denied)| Round { changes, denied });
    proptest::collection::vec(round, 3..5)
}

/// Drift that always moves the time on, several rounds of it with rows denied at random: when everything is approved at
/// last, local is what production is.
#[test]
fn nothing_that_was_denied_is_ever_lost() {
    for vendor in Vendor::ALL {
        let config = Config {
            cases: 2,
            max_shrink_iters: 0,
            rng_seed: RngSeed::Fixed(20_261_124),
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config)
            .run(&rounds(), |rounds| {
                run_rounds(vendor, &rounds);
                Ok(())
            })
            .unwrap();
    }
}

fn run_rounds(vendor: Vendor, rounds: &[Round]) {
    let both = format!("{TABLE}{ROWS}");
    let case = Case::with_database(vendor, &both, &both);
    by_rules(&case, &json!([]));
    case.plan("first", &[]);
    apply(&case, "first");
    let mut minute = 0;
    for (number, round) in rounds.iter().enumerate() {
        let mut sql = String::new();
        for (id, what) in &round.changes {
            minute += 7;
            let at = format!("'2026-02-01' + INTERVAL {minute} MINUTE");
            let _ = match what {
                0 => write!(sql, "DELETE FROM t WHERE id = {id};"),
                _ => write!(
                    sql,
                    "INSERT INTO t VALUES ({id}, 'r{minute}', {at}) ON DUPLICATE KEY UPDATE v = 'r{minute}', updated_at = {at};"
                ),
            };
        }
        case.remote_sql(&sql);
        let name = format!("r{number}");
        let deletes: &[&str] = if number % 2 == 1 {
            &["--check-deletes"]
        } else {
            &[]
        };
        let plan = case.plan(&name, deletes);
        let path = format!("plans/{name}.json");
        if plan["entries"] != json!([]) {
            case.approve_all(&name, &plan);
        }
        for entry in plan["entries"].as_array().unwrap() {
            let id = entry["id"].as_str().unwrap();
            for row in &round.denied {
                if u64::from(*row) < entry["count"].as_u64().unwrap() {
                    case.driftwarden(&["deny", &path, &format!("{id}#{}", row + 1)])
                        .exits(0);
                }
            }
        }
        let output = case.driftwarden(&["apply", &path]);
        // 3: every row was denied.
        assert!(matches!(output.code, Some(0 | 3)), "{output}");
    }
    assert_eq!(strategy(&case, "last", &["--check-deletes"]), "incremental");
    apply(&case, "last");
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn a_revert_that_is_applied_makes_the_note_void() {
    each(|case| {
        case.remote_sql(
            "UPDATE t SET v = 'new', updated_at = '2026-02-01' WHERE id = 1; INSERT INTO t VALUES (4, 'd', '2026-02-02')",
        );
        case.plan("p", &[]);
        apply(case, "p");
        assert_eq!(strategy(case, "noted", &[]), "incremental");
        case.driftwarden(&["revert", "plans/p.json", "--out", "plans/r.json"])
            .exits(0);
        // A plan alone changes nothing of what is noted.
        assert_eq!(strategy(case, "still", &[]), "incremental");
        apply(case, "r");
        assert_eq!(
            value(
                case,
                Side::Local,
                "SELECT GROUP_CONCAT(v ORDER BY id) FROM t"
            ),
            "a,b,c"
        );
        // Production's rows are older than the mark, and must be found all the same.
        assert_eq!(strategy(case, "after", &[]), "full");
        apply(case, "after");
        case.assert_equal(&[("db", "db")]);
        assert_eq!(strategy(case, "noted again", &[]), "incremental");
    });
}

#[test]
fn another_mask_key_makes_the_note_void() {
    for vendor in Vendor::ALL {
        let both = format!("{TABLE}{ROWS}");
        let case = Case::with_database(vendor, &both, &both);
        by_rules(&case, &json!([{ "match": "t", "mask": { "v": "hash" } }]));
        case.plan("first", &[]);
        apply(&case, "first");
        assert_eq!(strategy(&case, "same", &[]), "incremental");
        let output = case
            .command(&["plan", "--out", "plans/other.json"])
            .env("DRIFTWARDEN_MASK_KEY", "quite another mask key")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let plan = case.read_plan("other");
        assert_eq!(plan["tables"][0]["strategy"], "full", "{plan:#}");
        // Every row has another mask, however old it is.
        assert_eq!(plan["summary"]["rows"]["update"], 3, "{plan:#}");
        assert!(
            plan["warnings"].to_string().contains("`where` or mask"),
            "{plan:#}"
        );
    }
}
