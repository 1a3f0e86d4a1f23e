//! A kill at any instant is finished by running apply again, with the same result as if nothing had happened.

use super::{approved, each, local_value};
use crate::sandbox::case::Case;
use std::process::Stdio;
use std::time::Duration;

const BEFORE: &str = "CREATE TABLE p(id INT PRIMARY KEY, n VARCHAR(50), x INT);
    CREATE TABLE c(id INT PRIMARY KEY, p INT NOT NULL, v VARCHAR(200), FOREIGN KEY(p) REFERENCES p(id));
    CREATE TABLE bag(a INT, b VARCHAR(20));
    CREATE TABLE log(n INT AUTO_INCREMENT PRIMARY KEY, w VARCHAR(10));
    CREATE TABLE old(id INT PRIMARY KEY, t TEXT);
    CREATE VIEW v AS SELECT id FROM p;
    INSERT INTO p SELECT seq, CONCAT('p', seq), seq FROM digits;
    INSERT INTO c SELECT seq, seq, REPEAT('x', 100) FROM digits;
    INSERT INTO bag SELECT seq % 500, 'b' FROM digits;
    INSERT INTO old VALUES(1, 'o');";
const GONE: &str =
    "CREATE TRIGGER gone AFTER DELETE ON c FOR EACH ROW INSERT INTO log(w) VALUES('d')";
const AFTER: &str = "UPDATE p SET n = CONCAT(n, '!') WHERE id % 3 = 0;
    DELETE FROM c WHERE id % 5 = 0;
    INSERT INTO p SELECT seq + 100000, 'new', 1 FROM digits;
    INSERT INTO c SELECT seq + 100000, seq + 100000, 'new' FROM digits;
    INSERT INTO bag SELECT seq % 1000, 'b' FROM digits;
    ALTER TABLE p ADD y INT NOT NULL DEFAULT 3, DROP COLUMN x;
    ALTER TABLE c MODIFY v VARCHAR(300), ADD KEY(v);
    DROP VIEW v; CREATE VIEW v AS SELECT id, n FROM p;
    DROP TABLE old;";

/// A table of the numbers from 1 to 2000, gone at the end.
fn with_digits(sql: &str) -> String {
    let ten = "(SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 \
               UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    format!(
        "CREATE TABLE digits AS SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 1 AS seq
         FROM {ten} a, {ten} b, {ten} c, (SELECT 0 AS n UNION SELECT 1) d; {sql} DROP TABLE digits;"
    )
}

fn kill_after(case: &Case, delay: Duration) -> bool {
    let mut child = case
        .command(&["apply", "plans/p.json", "--offline"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(delay);
    let ended = child.try_wait().unwrap().is_some();
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    ended
}

#[test]
fn killed_again_and_again_it_ends_where_it_would_have_ended() {
    let remote = with_digits(&format!("{BEFORE} {AFTER}"));
    let local = with_digits(BEFORE);
    each(&remote, &local, |case| {
        // Each in a send of its own: MySQL keeps the semicolon of a longer one in the trigger's text.
        case.remote_sql("CREATE TRIGGER up BEFORE UPDATE ON p FOR EACH ROW SET NEW.y = -1");
        case.local_sql("CREATE TRIGGER up BEFORE UPDATE ON p FOR EACH ROW SET NEW.x = -1");
        case.remote_sql(GONE);
        case.local_sql(GONE);
        approved(case);
        let mut delay = Duration::from_millis(20);
        let mut kills = 0;
        while !kill_after(case, delay) {
            kills += 1;
            delay = delay.mul_f64(1.15);
        }
        // The lock of a killed run goes when the server notices.
        let mut last = case.driftwarden(&["apply", "plans/p.json", "--offline"]);
        for _ in 0..50 {
            if last.code != Some(3) || !last.stderr.contains("another driftwarden") {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
            last = case.driftwarden(&["apply", "plans/p.json", "--offline"]);
        }
        last.exits(0);
        assert!(kills > 5, "killed only {kills} times");
        assert_eq!(
            local_value(case, "SELECT COUNT(*) FROM log"),
            "0",
            "a trigger fired"
        );
        case.assert_equal(&[("db", "db")]);
    });
}

#[test]
fn a_second_apply_is_refused_while_one_runs() {
    let remote = "CREATE TABLE t(id INT PRIMARY KEY); INSERT INTO t VALUES(1)";
    each(remote, "CREATE TABLE t(id INT PRIMARY KEY)", |case| {
        approved(case);
        let mut holder = case.sandbox.root(crate::sandbox::server::Side::Local);
        let name = driftwarden::value::to_hex(case.name("db").as_bytes());
        let lock = format!("driftwarden.{}", &name[..name.len().min(40)]);
        let got: Option<u8> = mysql::prelude::Queryable::query_first(
            &mut holder,
            format!("SELECT GET_LOCK('{lock}', 0)"),
        )
        .unwrap();
        assert_eq!(got, Some(1));
        case.driftwarden(&["apply", "plans/p.json"])
            .exits(3)
            .says("another driftwarden");
        drop(holder);
        std::thread::sleep(Duration::from_millis(500));
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    });
}
