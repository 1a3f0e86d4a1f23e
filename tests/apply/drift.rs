//! What changed between plan and apply, and what was denied, is left alone and named.

use super::{approved, each, entry_id, local_value};

const SHOP: &str = "CREATE TABLE customers(id INT PRIMARY KEY, name VARCHAR(20));
    CREATE TABLE orders(id INT PRIMARY KEY, customer INT NOT NULL, FOREIGN KEY(customer) REFERENCES customers(id));
    CREATE TABLE items(id INT PRIMARY KEY, parent INT NOT NULL,
        FOREIGN KEY(parent) REFERENCES orders(id) ON DELETE CASCADE);
    CREATE TABLE notes(id INT PRIMARY KEY, parent INT NOT NULL, FOREIGN KEY(parent) REFERENCES orders(id));
    INSERT INTO customers VALUES(1, 'a'), (2, 'b');
    INSERT INTO orders VALUES(1, 1), (2, 2), (3, 1);";

#[test]
fn a_row_whose_parent_was_denied_is_left_alone_also_where_its_own_children_cascade() {
    let remote = format!(
        "{SHOP} INSERT INTO customers VALUES(3, 'c'), (4, 'd'); INSERT INTO orders VALUES(10, 3), (11, 4);"
    );
    each(&remote, SHOP, |case| {
        let plan = approved(case);
        let customers = entry_id(&plan, ".customers.insert");
        case.driftwarden(&["deny", "plans/p.json", &format!("{customers}#1")])
            .exits(0);
        case.driftwarden(&["apply", "plans/p.json"])
            .exits(4)
            .says("id = 10");
        assert_eq!(
            local_value(case, "SELECT GROUP_CONCAT(id ORDER BY id) FROM orders"),
            "1,2,3,11"
        );
    });
}

#[test]
fn children_that_appeared_since_keep_their_parent() {
    let remote = format!("{SHOP} DELETE FROM orders WHERE id = 3;");
    for children in ["items", "notes"] {
        each(&remote, SHOP, |case| {
            approved(case);
            case.local_sql(&format!("INSERT INTO {children} VALUES(1, 3)"));
            case.driftwarden(&["apply", "plans/p.json"])
                .exits(3)
                .says(children);
            assert_eq!(local_value(case, "SELECT COUNT(*) FROM orders"), "3");
            assert_eq!(
                local_value(case, &format!("SELECT COUNT(*) FROM {children}")),
                "1"
            );
        });
    }
}

#[test]
fn rows_that_changed_since_the_plan_are_named_and_the_others_go_on() {
    let table = "CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20), at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'
        ON UPDATE CURRENT_TIMESTAMP, g INT GENERATED ALWAYS AS (id + 1));";
    let remote =
        format!("{table} INSERT INTO t(id, v) VALUES(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');");
    let local =
        format!("{table} INSERT INTO t(id, v) VALUES(1, 'x'), (2, 'x'), (8, 'x'), (9, 'x');");
    each(&remote, &local, |case| {
        approved(case);
        case.local_sql(
            "UPDATE t SET v = 'mine' WHERE id IN (2, 8); INSERT INTO t(id, v) VALUES(4, 'mine'), (3, 'c')",
        );
        let output = case.driftwarden(&["apply", "plans/p.json"]).exits(4);
        for key in ["id = 2:", "id = 8:", "id = 4:"] {
            assert!(output.stdout.contains(key), "{key} is not named: {output}");
        }
        assert_eq!(
            local_value(case, "SELECT GROUP_CONCAT(id, v ORDER BY id) FROM t"),
            "1a,2mine,3c,4mine,8mine"
        );
        assert_eq!(
            local_value(case, "SELECT at FROM t WHERE id = 1"),
            "2020-01-01 00:00:00"
        );
        case.driftwarden(&["apply", "plans/p.json"]).exits(3);
    });
}

#[test]
fn a_schema_that_changed_since_the_plan_is_refused() {
    let remote = "CREATE TABLE t(id INT PRIMARY KEY, v INT, w INT); CREATE VIEW s AS SELECT 2 AS x; CREATE TABLE other(id INT PRIMARY KEY, v INT)";
    let local = "CREATE TABLE t(id INT PRIMARY KEY, v INT); CREATE VIEW s AS SELECT 1 AS x; CREATE TABLE other(id INT PRIMARY KEY)";
    each(remote, local, |case| {
        approved(case);
        case.local_sql("ALTER TABLE t ADD mine INT; DROP VIEW s; CREATE VIEW s AS SELECT 3 AS x");
        case.driftwarden(&["apply", "plans/p.json"])
            .exits(4)
            .says("changed on local since the plan was made");
        assert_eq!(local_value(case, "SELECT x FROM s"), "3");
        assert_eq!(
            local_value(
                case,
                "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'other'"
            ),
            "2"
        );
        case.remote_sql("ALTER TABLE other ADD more INT");
        case.driftwarden(&["apply", "plans/p.json"])
            .exits(3)
            .says("changed on production");
        case.driftwarden(&["apply", "plans/p.json", "--offline"])
            .exits(3);
    });
}

#[test]
fn an_alter_that_failed_is_not_gone_on_with_from_another_table() {
    let remote = "CREATE TABLE t(id INT PRIMARY KEY, v INT NOT NULL, UNIQUE KEY u(v)); INSERT INTO t VALUES(1, 1), (2, 2)";
    let local =
        "CREATE TABLE t(id INT PRIMARY KEY, v INT NOT NULL); INSERT INTO t VALUES(1, 5), (2, 5)";
    each(remote, local, |case| {
        let plan = approved(case);
        let rows = entry_id(&plan, ".t.update");
        case.driftwarden(&[
            "deny",
            "plans/p.json",
            &format!("{rows}#1"),
            &format!("{rows}#2"),
        ])
        .exits(0);
        let first = case.driftwarden(&["apply", "plans/p.json"]);
        assert_ne!(first.code, Some(0), "{first}");
        case.local_sql("ALTER TABLE t ADD mine INT; UPDATE t SET v = id");
        let second = case.driftwarden(&["apply", "plans/p.json"]);
        assert_ne!(second.code, Some(0), "{second}");
        assert_eq!(
            local_value(
                case,
                "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'mine'"
            ),
            "1"
        );
    });
}

#[test]
fn a_trigger_that_cannot_be_read_keeps_rows_from_being_written() {
    let table =
        "CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE free(id INT PRIMARY KEY);";
    let remote = format!("{table} INSERT INTO t VALUES(1, 'a'); INSERT INTO free VALUES(1);");
    each(&remote, table, |case| {
        approved(case);
        // Its text is not UTF-8, so it could not be put back as it was.
        case.local_sql(
            "SET NAMES latin1; CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 'é'",
        );
        case.driftwarden(&["apply", "plans/p.json"])
            .exits(4)
            .says("the trigger odd on")
            .says(
                "cannot be read, so it cannot be taken down while rows are written and would fire",
            );
        assert_eq!(local_value(case, "SELECT COUNT(*) FROM t"), "0");
        assert_eq!(local_value(case, "SELECT COUNT(*) FROM free"), "1");
        case.local_sql("DROP TRIGGER odd");
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
        assert_eq!(local_value(case, "SELECT v FROM t"), "a");
    });
}
