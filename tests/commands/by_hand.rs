//! `show --format sql`, piped into the server's own client: local becomes what production is.

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::{Sandbox, Side};
use std::process::{Command, Stdio};

/// Production: text and bytes that need quoting, a family of tables, bodies with semicolons.
const REMOTE: &str = r#"
    CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, added DECIMAL(12,4) NULL);
    CREATE TABLE child (id BINARY(4) PRIMARY KEY, parent_id INT NOT NULL, bits BIT(9) NULL, doc JSON NULL, price DOUBLE NULL,
        made DATETIME(6) NULL, data BLOB NULL, CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id));
    CREATE TABLE bag (v VARCHAR(20) NULL, n INT NULL);
    INSERT INTO parent VALUES (1, 'it''s; -- "new" \\ $x', 1.5), (2, 'Dörte 🙂', NULL), (4, 'added', -0.0001);
    INSERT INTO child VALUES (X'00FF0A27', 1, b'101010101', '{"a": [1, "x''y"]}', 0.1, '2026-01-02 03:04:05.678901', X'00275C0D0A'),
        (X'01020304', 4, NULL, NULL, -1e300, NULL, '');
    INSERT INTO bag VALUES ('a', 1), ('a', 1), ('b', NULL), (NULL, NULL);
    CREATE VIEW names AS SELECT id, name FROM parent WHERE name <> ';';
    CREATE TRIGGER parent_name BEFORE UPDATE ON parent FOR EACH ROW BEGIN SET NEW.name = TRIM(NEW.name); SET @seen = 1; END;
    CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO DELETE FROM parent WHERE id > 100;
    CREATE PROCEDURE look () BEGIN SELECT ';'; SELECT COUNT(*) FROM parent; END"#;
const LOCAL: &str = "
    CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20) NULL, old INT NULL);
    CREATE TABLE child (id BINARY(4) PRIMARY KEY, parent_id INT NOT NULL, bits BIT(9) NULL, doc JSON NULL, price DOUBLE NULL,
        made DATETIME(6) NULL, data BLOB NULL);
    CREATE TABLE bag (v VARCHAR(20) NULL, n INT NULL);
    CREATE TABLE leftover (id INT PRIMARY KEY);
    INSERT INTO parent VALUES (1, 'old', 1), (2, 'Dörte 🙂', 2), (3, 'gone', 3);
    INSERT INTO child VALUES (X'00FF0A27', 3, NULL, '{}', 1, NULL, NULL), (X'FFFFFFFF', 3, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO bag VALUES ('a', 1), ('c', 7), ('c', 7), (NULL, NULL)";

fn run_by_hand(vendor: Vendor) {
    let case = Case::new(vendor);
    let sandbox = Sandbox::shared(vendor);
    for (side, text) in [(Side::Remote, REMOTE), (Side::Local, LOCAL)] {
        case.create(side, "db");
        // Bodies have semicolons of their own: a statement ends where a line begins one.
        for statement in text.split(";\n") {
            case.sql(side, "db", statement);
        }
    }
    case.write_config(
        &serde_json::json!([case.name("db")]),
        &serde_json::json!({}),
    );
    case.plan("p", &[]);
    let script = case
        .driftwarden(&["show", "plans/p.json", "--format", "sql"])
        .exits(0)
        .stdout;
    let mut client = Command::new(sandbox.setting("CLIENT"))
        .args(["--no-defaults", "-uroot", "--default-character-set=utf8mb4"])
        .arg(format!("--socket={}", sandbox.setting("LOCAL_SOCKET")))
        .env("MYSQL_PWD", sandbox.setting("LOCAL_PASSWORD"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut client.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{script}");
    case.assert_equal(&[("db", "db")]);
    case.driftwarden(&["plan", "--detailed-exitcode", "--out", "plans/q.json"])
        .exits(0);
}

#[test]
fn sql_run_by_hand_makes_local_equal_on_mysql() {
    run_by_hand(Vendor::MySql);
}

#[test]
fn sql_run_by_hand_makes_local_equal_on_mariadb() {
    run_by_hand(Vendor::MariaDb);
}
