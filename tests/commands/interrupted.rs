//! An apply that was killed is finished by running it again, and two at once are refused.

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

const REMOTE: &str = "
    SET SESSION cte_max_recursion_depth = 100000;
    CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(100), w INT UNIQUE);
    INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) SELECT i, REPEAT('x', 90), i FROM n;
    CREATE TABLE last (id INT PRIMARY KEY, added INT)";
const LOCAL: &str = "
    CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(100), w INT UNIQUE);
    CREATE TABLE last (id INT PRIMARY KEY, gone INT)";

/// Returns a case whose apply takes a while, approved.
fn long() -> Case {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    let plan = case.plan("p", &[]);
    case.approve_all("p", &plan);
    case
}

fn rows(case: &Case) -> u64 {
    let mut root = case.sandbox.root(Side::Local);
    let table = format!("`{}`.big", case.name("db"));
    root.query_first(format!("SELECT COUNT(*) FROM {table}"))
        .unwrap()
        .unwrap()
}

/// Starts an apply and returns when it has written rows, or has ended.
fn begun(case: &Case) -> std::process::Child {
    let mut child = case
        .command(&["apply", "plans/p.json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    while rows(case) == 0 && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < limit, "apply wrote nothing in a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn an_apply_that_was_killed_is_finished_by_running_it_again() {
    let case = long();
    let mut child = begun(&case);
    child.kill().unwrap();
    child.wait().unwrap();
    let written = rows(&case);
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    case.assert_equal(&[("db", "db")]);
    assert!(written > 0, "it was killed before it wrote anything");
}

#[test]
fn a_plan_is_written_while_an_apply_is_at_work() {
    let case = long();
    let mut root = case.sandbox.root(Side::Local);
    // Holds the apply where it is: its INSERT waits for this row. Whoever only reads waits for nothing.
    root.query_drop("START TRANSACTION").unwrap();
    root.query_drop(case.fill("INSERT INTO {{db}}.big VALUES (1, 'held', 1)"))
        .unwrap();
    let mut first = case
        .command(&["apply", "plans/p.json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut watch = case.sandbox.root(Side::Local);
    let limit = Instant::now() + Duration::from_secs(40);
    loop {
        let waiting: Option<u64> = watch
            .query_first(format!(
                "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%{}%'",
                case.name("db")
            ))
            .unwrap();
        if waiting.is_some() {
            break;
        }
        assert!(
            first.try_wait().unwrap().is_none() && Instant::now() < limit,
            "the apply does not wait for the row"
        );
        // What is asked for more often than every 100 ms is answered from before.
        std::thread::sleep(Duration::from_millis(200));
    }
    case.plan("q", &[]);
    assert!(first.try_wait().unwrap().is_none(), "the apply has ended");
    root.query_drop("ROLLBACK").unwrap();
    assert!(first.wait().unwrap().success());
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn a_second_apply_at_the_same_time_is_refused() {
    let case = long();
    let mut root = case.sandbox.root(Side::Local);
    // Holds the first apply where it is: its INSERT waits for this lock.
    root.query_drop(format!("LOCK TABLES `{}`.big WRITE", case.name("db")))
        .unwrap();
    let mut first = case
        .command(&["apply", "plans/p.json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut watch = case.sandbox.root(Side::Local);
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let waiting: Option<u64> = watch
            .query_first(format!(
                "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for%lock' AND INFO LIKE '%{}%'",
                case.name("db")
            ))
            .unwrap();
        if waiting.is_some() {
            break;
        }
        assert!(
            first.try_wait().unwrap().is_none() && Instant::now() < limit,
            "the first apply does not wait for the lock"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    case.driftwarden(&["apply", "plans/p.json"])
        .exits(3)
        .says("another driftwarden is applying");
    root.query_drop("UNLOCK TABLES").unwrap();
    assert!(first.wait().unwrap().success());
    case.assert_equal(&[("db", "db")]);
}
