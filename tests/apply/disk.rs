//! A disk that is full right after a change was made: what the undo record could not take is said as it is, the next apply
//! finds the change made, and a revert finds the way back.

use super::approved;
use crate::sandbox::Vendor;
use crate::sandbox::case::{Case, quoted};
use crate::sandbox::output::Output;
use crate::sandbox::server::Side;
use std::process::Command;

const LOCAL: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT, gone INT, narrow VARCHAR(40));
    INSERT INTO t VALUES (1, 1, 5, 'a long text'), (2, 2, 6, NULL), (9, 9, 7, 'x');
    CREATE TABLE family (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES family (id));
    INSERT INTO family VALUES (1, NULL), (2, 1);
    CREATE TABLE bag (a INT); INSERT INTO bag VALUES (1), (1), (2);
    CREATE TABLE old (id INT PRIMARY KEY); INSERT INTO old VALUES (1);
    CREATE VIEW v AS SELECT id FROM t;";
const REMOTE: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT, added INT, narrow VARCHAR(10));
    INSERT INTO t VALUES (1, 7, 5, 'a'), (2, 2, NULL, NULL), (3, 3, 3, 'c');
    CREATE TABLE family (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES family (id));
    INSERT INTO family VALUES (1, NULL), (3, 1), (2, 3);
    CREATE TABLE bag (a INT); INSERT INTO bag VALUES (1), (3);
    CREATE VIEW v AS SELECT id, v FROM t;";
/// Taken down for the rows, one before and one behind them.
const TRIGGERS: [&str; 2] = [
    "CREATE TRIGGER one BEFORE UPDATE ON t FOR EACH ROW SET NEW.v = 100",
    "CREATE TRIGGER two BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 100",
];

fn fill(case: &Case) {
    case.local_sql(LOCAL);
    for trigger in TRIGGERS {
        case.local_sql(trigger);
    }
}

fn undo_folder(case: &Case) -> std::path::PathBuf {
    let plan = case.read_plan("p");
    let id = plan["id"].as_str().unwrap();
    case.folder().join(format!("plans/{id}.undo"))
}

/// Puts local and the undo record back to before the apply.
fn reset(case: &Case) {
    let name = quoted(&case.name("db"));
    let sql = format!("DROP DATABASE {name}; CREATE DATABASE {name}");
    case.sandbox.execute(Side::Local, None, &sql);
    fill(case);
    std::fs::remove_dir_all(undo_folder(case)).unwrap();
}

/// Applies while no file may become longer than `bytes`, as on a disk that is full from there.
fn apply_within(case: &Case, bytes: usize) -> Output {
    let plain = case.command(&["apply", "plans/p.json", "--offline"]);
    let mut limited = Command::new("sh");
    limited
        .args([
            "-c",
            r#"trap "" XFSZ; exec prlimit --fsize="$0" "$@""#,
            &bytes.to_string(),
        ])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(case.folder())
        .env_clear()
        .envs(
            plain
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        );
    Output::of(&mut limited)
}

fn full_after_each_change(vendor: Vendor) {
    let case = Case::with_database(vendor, REMOTE, LOCAL);
    for trigger in TRIGGERS {
        case.local_sql(trigger);
        case.remote_sql(trigger);
    }
    let plan = approved(&case);
    let original = case.dump(Side::Local, "db");
    // The record of a whole apply tells where each of its lines begins.
    case.driftwarden(&["apply", "plans/p.json", "--offline"])
        .exits(0);
    let whole = std::fs::read_to_string(undo_folder(&case).join("journal.jsonl")).unwrap();
    let mut at = 0;
    let mut struck = 0;
    for line in whole.split_inclusive('\n') {
        let end = at + line.len();
        let begins = std::mem::replace(&mut at, end);
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if record["record"] != "committed" {
            continue;
        }
        let id = record["entry"].as_str().unwrap();
        reset(&case);
        let output = apply_within(&case, begins + 5);
        let said = format!("{id}: failed");
        let reports = output.stdout.lines().filter(|line| line.contains(&said));
        let reports: Vec<&str> = reports.collect();
        assert!(
            reports
                .iter()
                .all(|line| line.contains("the change was made")),
            "{id}: {output}"
        );
        assert!(!reports.is_empty(), "{id}: {output}");
        // Nothing else was executed before the very first entry, whose change stands all the same.
        let output = output.exits(4).says("make room on the disk");
        assert!(output.stdout.contains("Run it again to finish"), "{output}");
        assert_eq!(
            super::local_value(
                &case,
                "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
            ),
            "2",
            "{id}: a trigger is down: {output}"
        );
        case.driftwarden(&["apply", "plans/p.json", "--offline"])
            .exits(0);
        case.assert_equal(&[("db", "db")]);
        struck += 1;
        if struck % 3 == 0 || vendor == Vendor::MariaDb {
            case.driftwarden(&["revert", "plans/p.json", "--out", "plans/back.json"])
                .exits(0);
            case.driftwarden(&["approve", "plans/back.json", "--all"])
                .exits(0);
            case.driftwarden(&["apply", "plans/back.json"]).exits(0);
            assert_eq!(case.dump(Side::Local, "db"), original, "{id}");
            std::fs::remove_file(case.folder().join("plans/back.json")).unwrap();
        }
    }
    assert!(struck >= plan["entries"].as_array().unwrap().len() / 2);
}

#[test]
fn a_disk_that_is_full_after_a_change_on_mysql() {
    full_after_each_change(Vendor::MySql);
}

#[test]
fn a_disk_that_is_full_after_a_change_on_mariadb() {
    full_after_each_change(Vendor::MariaDb);
}
