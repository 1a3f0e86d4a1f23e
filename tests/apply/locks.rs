//! Locks that somebody else holds on local: who it is is said within seconds, an apply goes on once the lock is given, and
//! gives up in a bounded time otherwise.

use super::approved;
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;
use crate::sandbox::server::Side;
use crate::sandbox::{Sandbox, Vendor};
use mysql::Conn;
use mysql::prelude::Queryable as _;
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

const REMOTE: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT, added INT);
    INSERT INTO t SELECT a.n * 10 + b.n, 1, NULL FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2) a,
        (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) b;";
const ROWS_DIFFER: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT, added INT);
    INSERT INTO t SELECT a.n * 10 + b.n, 2, NULL FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2) a,
        (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) b;";
const TABLE_DIFFERS: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT);
    INSERT INTO t SELECT a.n * 10 + b.n, 1 FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2) a,
        (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) b;";

/// A developer's connection to local with a transaction open.
fn developer(case: &Case, statements: &[&str]) -> Conn {
    let mut conn = case.sandbox.root(Side::Local);
    conn.query_drop(format!("USE {}", case.fill("{{db}}")))
        .unwrap();
    for statement in ["START TRANSACTION"].iter().chain(statements) {
        conn.query_drop(*statement).unwrap();
    }
    conn
}

/// A run that something happens in the middle of.
struct Running {
    child: std::process::Child,
    since: Instant,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
    said: String,
}

impl Running {
    fn apply(case: &Case) -> Self {
        let mut child = case
            .command(&["apply", "plans/p.json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            since: Instant::now(),
            lines,
            said: String::new(),
        }
    }

    /// Waits until it has said something, and returns how long that took.
    fn until(&mut self, text: &str) -> Duration {
        while !self.said.contains(text) {
            let line = self
                .lines
                .next()
                .unwrap_or_else(|| panic!("it never said {text}: {}", self.said));
            self.said.push_str(&line.unwrap());
            self.said.push('\n');
        }
        self.since.elapsed()
    }

    fn end(mut self) -> Output {
        for line in self.lines.map_while(Result::ok) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        let mut stdout = String::new();
        let mut from = self.child.stdout.take().unwrap();
        from.read_to_string(&mut stdout).unwrap();
        Output {
            arguments: "apply".to_owned(),
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr: self.said,
        }
    }
}

/// A transaction that holds a table, or rows, is named within seconds; once it ends, apply goes on.
fn goes_on(vendor: Vendor, local: &str, holding: &str) {
    // Where a server does not note who holds a table, every transaction that is open counts: no other test may have one.
    let case = Case::on(Sandbox::own(vendor)).filled(REMOTE, local);
    approved(&case);
    let mut developer = developer(&case, &[holding]);
    let id = developer.connection_id();
    let mut running = Running::apply(&case);
    let took = running.until("waiting on the local server");
    assert!(took < Duration::from_secs(6), "{took:?}: {}", running.said);
    let named = format!("connection {id} (root@localhost");
    assert!(running.said.contains(&named), "{}", running.said);
    assert!(running.said.contains("idle for "), "{}", running.said);
    developer.query_drop("COMMIT").unwrap();
    running.end().exits(0);
    case.assert_equal(&[("db", "db")]);
}

/// Without further attempts the wait ends soon, and the entry's reason names the holder and what to do.
fn gives_up(vendor: Vendor, local: &str, holding: &str) {
    // Where a server does not note who holds a table, every transaction that is open counts: no other test may have one.
    let case = Case::on(Sandbox::own(vendor)).filled(REMOTE, local);
    approved(&case);
    let delays = json!({"retry": {"delays": []}});
    case.write_config(&json!([case.name("db")]), &delays);
    let mut developer = developer(&case, &[holding]);
    let id = developer.connection_id();
    let since = Instant::now();
    let output = case.driftwarden(&["apply", "plans/p.json"]);
    assert!(since.elapsed() < Duration::from_secs(20), "{output}");
    let output = output
        .exits(1)
        .says("a lock was not given in time")
        .says(&format!("connection {id} (root@localhost, idle for "))
        .says(&format!("KILL {id}"));
    assert!(
        output.stdout.contains("next: commit or roll back"),
        "{output}"
    );
    // Whoever holds it next time, it is the same issue.
    case.driftwarden(&["apply", "plans/p.json"])
        .says("seen 2 times");
    developer.query_drop("ROLLBACK").unwrap();
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn a_table_in_use_on_mysql() {
    goes_on(Vendor::MySql, TABLE_DIFFERS, "SELECT * FROM t");
    gives_up(Vendor::MySql, TABLE_DIFFERS, "SELECT * FROM t");
}

#[test]
fn a_table_in_use_on_mariadb() {
    goes_on(Vendor::MariaDb, TABLE_DIFFERS, "SELECT * FROM t");
    gives_up(Vendor::MariaDb, TABLE_DIFFERS, "SELECT * FROM t");
}

#[test]
fn rows_in_use_on_mysql() {
    goes_on(Vendor::MySql, ROWS_DIFFER, "SELECT * FROM t FOR UPDATE");
    gives_up(Vendor::MySql, ROWS_DIFFER, "UPDATE t SET v = 9");
}

#[test]
fn rows_in_use_on_mariadb() {
    goes_on(Vendor::MariaDb, ROWS_DIFFER, "SELECT * FROM t FOR UPDATE");
    gives_up(Vendor::MariaDb, ROWS_DIFFER, "UPDATE t SET v = 9");
}

/// An account that may not see others' transactions is told at least that it waits, and how to find for whom.
#[test]
fn an_account_that_sees_no_one_is_told_how_to_find_the_holder() {
    for vendor in Vendor::ALL {
        let case = Case::with_database(vendor, REMOTE, TABLE_DIFFERS);
        let account = case.name("dev");
        case.sandbox.execute(
            Side::Local,
            None,
            &format!(
                "CREATE USER `{account}`@localhost IDENTIFIED BY '{}'; GRANT ALL ON `{}`.* TO `{account}`@localhost; \
                 GRANT ALL ON `driftwarden\\_scratch\\_%`.* TO `{account}`@localhost",
                case.sandbox.setting("LOCAL_PASSWORD"),
                case.name("db")
            ),
        );
        case.write_config(
            &json!([case.name("db")]),
            &json!({"local": {"user": account}, "retry": {"delays": []}}),
        );
        approved(&case);
        let _developer = developer(&case, &["SELECT * FROM t"]);
        let mut running = Running::apply(&case);
        running.until("waiting on the local server: another connection has locked");
        running.end().exits(1).says("SHOW FULL PROCESSLIST");
    }
}

/// A statement that waits has nothing to finish: Ctrl-C does not wait for the lock.
#[test]
fn an_interrupted_apply_does_not_wait_for_a_lock() {
    for vendor in Vendor::ALL {
        let case = Case::with_database(vendor, REMOTE, TABLE_DIFFERS);
        approved(&case);
        let mut developer = developer(&case, &["SELECT * FROM t"]);
        let mut running = Running::apply(&case);
        running.until("waiting on the local server");
        let since = Instant::now();
        crate::sandbox::server::signal(running.child.id(), "-INT");
        running.end().exits(130);
        assert!(since.elapsed() < Duration::from_secs(5));
        developer.query_drop("ROLLBACK").unwrap();
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
        case.assert_equal(&[("db", "db")]);
    }
}

/// A deadlock of a developer's transaction with apply's: the server ends apply's, which is tried again.
fn deadlock(vendor: Vendor) {
    let case = Case::with_database(vendor, REMOTE, ROWS_DIFFER);
    approved(&case);
    // Apply locks the rows in the order of their keys, and waits for this one with those before it.
    let mut developer = developer(&case, &["UPDATE t SET v = 5 WHERE id >= 10"]);
    let mut running = Running::apply(&case);
    running.until("waiting on the local server");
    // The developer's transaction has changed more, so that apply's is the one to end.
    developer
        .query_drop("UPDATE t SET v = 5 WHERE id < 10")
        .unwrap();
    running.until("(error 1213)");
    running.until("trying again");
    developer.query_drop("ROLLBACK").unwrap();
    running.end().exits(0);
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn a_deadlock_with_a_developer_on_mysql() {
    deadlock(Vendor::MySql);
}

#[test]
fn a_deadlock_with_a_developer_on_mariadb() {
    deadlock(Vendor::MariaDb);
}
