//! Loading of new tables with many rows: indexes and foreign keys behind the rows, several connections, and a kill, a
//! refusal or an odd value in the middle of it.

use super::{approved, each, local_value};
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;
use std::process::Stdio;
use std::time::Duration;

/// Rows of the large table: above what is filled over several connections.
const ROWS: u64 = 24_000;

/// A parent, and a child of every kind of value with indexes of several kinds.
fn remote() -> String {
    format!(
        "CREATE TABLE digit(n INT PRIMARY KEY); INSERT INTO digit VALUES(0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
         CREATE TABLE number(n INT PRIMARY KEY);
         INSERT INTO number SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 1
             FROM digit a, digit b, digit c, digit d, digit e WHERE e.n < 3;
         CREATE TABLE parent(id INT PRIMARY KEY, code VARCHAR(20) NOT NULL, UNIQUE KEY code(code));
         INSERT INTO parent SELECT n, CONCAT('p', n) FROM number WHERE n <= 500;
         CREATE TABLE child(
             kind ENUM('a', 'b') NOT NULL, id INT UNSIGNED NOT NULL, serial INT NOT NULL AUTO_INCREMENT,
             parent INT NOT NULL, email VARCHAR(60), amount DECIMAL(12, 3), rate FLOAT, weight DOUBLE, j JSON, data BLOB,
             note TEXT CHARACTER SET latin1, flags SET('x', 'y'), bits BIT(9), day DATE, at DATETIME(3), seen TIMESTAMP NULL,
             big BIGINT UNSIGNED, huge DECIMAL(65, 30), `far ?:x``` DOUBLE, span TIME(6), y YEAR, words VARCHAR(40),
             PRIMARY KEY(id, kind), KEY serial(serial), UNIQUE KEY email(email), KEY parent(parent, day), KEY at(at),
             CONSTRAINT child_parent FOREIGN KEY(parent) REFERENCES parent(id));
         SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
         INSERT INTO child SELECT 1 + n % 2, n, n, 1 + n % 500, IF(n % 7, CONCAT('e', n, '@x'), NULL), n / 7, n / 3,
             n / 3.1, JSON_OBJECT('n', n, 't', JSON_ARRAY('\\'', n % 3)), UNHEX(SHA2(n, 256)),
             CONCAT('caf', CHAR(233 USING latin1), '\\t', n), n % 4, n % 512,
             IF(n % 5, '2020-02-03', IF(n % 2, '0000-00-00', '2020-02-31')), '2020-01-02 03:04:05.678', '2024-05-06 07:08:09',
             18446744073709551615 - n, IF(n % 2, 1, -1) * (99999999999999999999999999999999999 - n) / 7,
             ELT(1 + n % 4, 1.7976931348623157e308, -2.2250738585072014e-308, -0e0, 4.9406564584124654e-324),
             IF(n % 3, '-838:59:59', '12:34:56.789012'), ELT(1 + n % 3, 0, 1901, 2155),
             CONCAT(ELT(1 + n % 5, '😀', '\\', '\'', '? :x', ''), n)
             FROM number WHERE n <= {ROWS};
         DROP TABLE number; DROP TABLE digit;"
    )
}

/// How many prepared statements local has executed.
fn prepared_executions(case: &Case) -> u64 {
    let status = case
        .sandbox
        .root(Side::Local)
        .query_first::<(String, u64), _>("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'");
    status.unwrap().unwrap().1
}

#[test]
fn indexes_and_foreign_keys_come_behind_the_rows() {
    each(&remote(), "", |case| {
        let plan = approved(case);
        let entry = |id: &str| {
            plan["entries"]
                .as_array()
                .unwrap()
                .iter()
                .find(|entry| entry["id"].as_str().unwrap().ends_with(id))
                .unwrap_or_else(|| panic!("no entry {id}"))
        };
        let create = entry(".child.create")["sql"][0].as_str().unwrap();
        assert!(create.contains("KEY `serial`"), "{create}");
        assert!(
            !create.contains("KEY `email`") && !create.contains("KEY `at`"),
            "{create}"
        );
        let constrain = entry(".child.constrain");
        let sql = constrain["sql"].as_array().unwrap();
        assert_eq!(sql.len(), 1, "{constrain:#}");
        for part in ["`email`", "`parent`", "`at`", "CONSTRAINT `child_parent`"] {
            assert!(sql[0].as_str().unwrap().contains(part), "{constrain:#}");
        }
        let needed = constrain["depends_on"].to_string();
        assert!(needed.contains(".child.insert"), "{needed}");
        let before = prepared_executions(case);
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
        case.assert_equal(&[("db", "db")]);
        // Every row goes as parameters, 128 at a time, and none has to be looked at again.
        assert!(prepared_executions(case) - before >= ROWS / 128);
        let log = std::fs::read_to_string(case.folder().join("logs/driftwarden.jsonl")).unwrap();
        assert!(!log.contains("a stretch of rows was refused"), "{log}");
        let second = case.plan("second", &["--full-diff-all"]);
        assert_eq!(second["entries"], serde_json::json!([]));
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    });
}

#[test]
fn a_kill_while_a_table_is_filled_is_finished_by_the_next_apply() {
    each(&remote(), "", |case| {
        approved(case);
        let mut delay = Duration::from_millis(150);
        let (mut kills, mut partly) = (0, 0);
        loop {
            let mut child = case
                .command(&["apply", "plans/p.json", "--offline"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(delay);
            if child.try_wait().unwrap().is_some() || kills >= 25 || partly >= 2 {
                child.wait().unwrap();
                break;
            }
            // SIGKILL.
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            let there = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'child'
                         AND table_schema = DATABASE()";
            if local_value(case, there) == "1" {
                let rows: u64 = local_value(case, "SELECT COUNT(*) FROM child")
                    .parse()
                    .unwrap();
                partly += u64::from(rows > 0 && rows < ROWS);
            }
            delay = delay.mul_f64(1.3);
        }
        let mut last = case.driftwarden(&["apply", "plans/p.json", "--offline"]);
        for _ in 0..50 {
            if last.code != Some(3) || !last.stderr.contains("another driftwarden") {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
            last = case.driftwarden(&["apply", "plans/p.json", "--offline"]);
        }
        last.exits(0);
        assert!(kills > 1, "never killed");
        case.assert_equal(&[("db", "db")]);
    });
}

#[test]
fn rows_that_a_unique_index_of_local_refuses_are_named_and_all_others_stand() {
    let twice = "UPDATE child SET email = 'twice' WHERE id IN (20, 23000);";
    let whole = remote();
    let remote = whole.replace("UNIQUE KEY email(email)", "KEY email(email)") + twice;
    let local = {
        let end = whole.find("SET SESSION sql_mode").unwrap();
        let start = whole.find("CREATE TABLE parent").unwrap();
        let parents = "INSERT INTO parent SELECT n, CONCAT('p', n) FROM number WHERE n <= 500;";
        whole[start..end].replace(parents, "")
    };
    each(&remote, &local, |case| {
        let plan = case.plan("p", &["--data-only", "--full-diff-all"]);
        case.approve_all("p", &plan);
        let applied = case.driftwarden(&["apply", "plans/p.json"]);
        applied.exits(4).says("23000");
        assert_eq!(
            local_value(case, "SELECT COUNT(*) FROM child"),
            (ROWS - 1).to_string()
        );
        assert_eq!(
            local_value(case, "SELECT id FROM child WHERE email = 'twice'"),
            "20"
        );
        // What is there now is production's, value by value: only the row left alone is still to do.
        let second = case.plan("second", &["--data-only", "--full-diff-all"]);
        let entries = second["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{entries:#?}");
        assert_eq!(entries[0]["count"], 1);
    });
}

/// Applies the plan while local takes statements of at most 1 MB.
fn apply_in_small_packets(case: &Case) -> Output {
    let mut root = case.sandbox.root(Side::Local);
    let before: u64 = root
        .query_first("SELECT @@global.max_allowed_packet")
        .unwrap()
        .unwrap();
    root.query_drop("SET GLOBAL max_allowed_packet = 1048576")
        .unwrap();
    let applied = case.driftwarden(&["apply", "plans/p.json"]);
    root.query_drop(format!("SET GLOBAL max_allowed_packet = {before}"))
        .unwrap();
    applied
}

#[test]
fn statements_fit_a_server_that_takes_only_small_ones() {
    each(&remote(), "", |case: &Case| {
        approved(case);
        apply_in_small_packets(case).exits(0);
        case.assert_equal(&[("db", "db")]);
    });
}

/// A row that local takes no statement for is left and named; the same plan brings it once local does.
#[test]
fn a_row_larger_than_local_takes_is_brought_by_the_same_plan_later() {
    let remote = "CREATE TABLE t(id INT PRIMARY KEY, v LONGBLOB); INSERT INTO t VALUES(1, 'a'), (2, REPEAT('b', 3000000)), (3, 'c')";
    each(remote, "", |case: &Case| {
        approved(case);
        let said = apply_in_small_packets(case)
            .exits(4)
            .says("id = 2")
            .says("max_allowed_packet is 1048576")
            .says("Run it again to finish");
        assert!(!said.stdout.contains("make a new plan"), "{said}");
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
        case.assert_equal(&[("db", "db")]);
    });
}

#[test]
fn a_large_table_without_a_key_is_filled_and_a_kill_leaves_nothing_of_it() {
    let remote = "CREATE TABLE digit(n INT PRIMARY KEY); INSERT INTO digit VALUES(0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
        CREATE TABLE bag(a INT, e ENUM('x', 'y'), v VARCHAR(20));
        INSERT INTO bag SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n, 1 + a.n % 2, 'v' FROM digit a, digit b, digit c, digit d;
        INSERT INTO bag SELECT a, e, v FROM bag WHERE a < 500; INSERT INTO bag VALUES(NULL, NULL, NULL), (NULL, NULL, NULL);
        DROP TABLE digit;";
    each(remote, "", |case| {
        approved(case);
        for delay in [200, 300, 400] {
            let mut child = case
                .command(&["apply", "plans/p.json", "--offline"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            // SIGKILL.
            child.kill().unwrap();
            child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_secs(2));
        case.driftwarden(&["apply", "plans/p.json", "--offline"])
            .exits(0);
        assert_eq!(local_value(case, "SELECT COUNT(*) FROM bag"), "10502");
        case.assert_equal(&[("db", "db")]);
        case.driftwarden(&["apply", "plans/p.json", "--offline"])
            .exits(0);
        assert_eq!(local_value(case, "SELECT COUNT(*) FROM bag"), "10502");
    });
}
