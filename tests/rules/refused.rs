//! Masks that would break something: refused, with the reason, before a row is read.

use super::{VENDORS, ruled, set_rules};
use crate::sandbox::server::Side;
use serde_json::{Value, json};

/// Table, masks of `t`, and what the refusal says.
fn refused(table: &str, masks: &[(&str, Value, &str)]) {
    for vendor in VENDORS {
        let case = ruled(vendor, table, "", &json!([]));
        for (column, mask, said) in masks {
            set_rules(&case, &json!([{ "match": "t", "mask": { *column: mask } }]));
            let output = case.driftwarden(&["plan", "--out", "plans/p.json"]);
            let text = output.stderr.clone();
            assert!(
                text.contains(said),
                "{vendor} {column} {mask}: {said:?} is not in\n{text}"
            );
            output.exits(3);
            assert!(!case.folder().join("plans/p.json").exists());
        }
    }
}

#[test]
fn kinds_that_do_not_fit_the_column() {
    refused(
        "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(9) NOT NULL, d DATE, n INT, j JSON, e ENUM('a','b'), f FLOAT, b BLOB, g POINT, y TINYINT,
           c VARCHAR(9) GENERATED ALWAYS AS (UPPER(s)) VIRTUAL);",
        &[
            ("s", json!("null"), "the column is NOT NULL"),
            ("s", json!("email"), "\"email\" fits text columns of at least 17 characters"),
            ("s", json!("date_shift"), "\"date_shift\" fits DATE, DATETIME and TIMESTAMP columns"),
            ("s", json!({ "kind": "fixed", "value": "ten letters" }), "is none that a column of type varchar(9) holds"),
            ("s", json!({ "sql": "UPPER(x)" }), "the table has no column `x`"),
            ("d", json!("hash"), "\"hash\" fits text, binary"),
            ("d", json!({ "kind": "fixed", "value": "2020-02-30" }), "is none that a column of type date holds"),
            ("n", json!({ "kind": "fixed", "value": 3_000_000_000_i64 }), "is none that a column of type int"),
            ("n", json!("name"), "\"name\" fits text columns"),
            ("y", json!("phone"), "\"phone\" fits text columns of at least 7"),
            ("j", json!({ "sql": "'{}'" }), "a JSON column takes"),
            ("j", json!("name"), "\"name\" fits text columns"),
            ("e", json!("hash"), "\"hash\" fits"),
            ("e", json!({ "kind": "fixed", "value": "c" }), "is none that a column of type enum holds"),
            ("f", json!({ "sql": "1.1" }), "a column of type float takes no expression"),
            ("b", json!("redact"), "\"redact\" fits text and JSON columns"),
            ("g", json!("fixed"), "has no neutral value"),
            ("c", json!("hash"), "it is computed from other columns"),
            ("id", json!("hash"), "rows are told apart by it"),
        ],
    );
}

#[test]
fn unique_values_stay_unique_or_nothing_is_planned() {
    refused(
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(60), b VARCHAR(60), c INT, d VARCHAR(60), e VARCHAR(60), low VARCHAR(60) GENERATED ALWAYS AS (LOWER(e)) STORED,
           UNIQUE ua (a), UNIQUE ub (b(10)), UNIQUE uc (c), UNIQUE ud (d, c), UNIQUE ul (low), KEY (id));",
        &[
            ("a", json!("name"), "the unique index `ua` needs different values"),
            ("a", json!("fixed"), "the unique index `ua`"),
            ("a", json!("digits"), "the unique index `ua`"),
            ("a", json!({ "sql": "CONCAT('u', id)" }), "\"unique\": true"),
            ("b", json!("hash"), "the unique index `ub`"),
            ("c", json!("hash"), "the unique index `uc`"),
            ("d", json!("redact"), "the unique index `ud`"),
            ("e", json!("hash"), "the unique index `ul` is over a value computed from it"),
        ],
    );
    for vendor in VENDORS {
        let table = "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(60) NOT NULL, b VARCHAR(60), c VARCHAR(60), p VARCHAR(40), n BIGINT, UNIQUE (a), UNIQUE (b(20)), UNIQUE (id, c), UNIQUE (p), UNIQUE (n));";
        let values = "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i, CONCAT(i, '@x'), CONCAT('b', i), 'c', CONCAT('+1 ', i), i FROM n;
                      INSERT INTO t (id, a) VALUES (1000, ''), (1001, 'A@x');";
        let case = ruled(
            vendor,
            &format!("{table}{values}"),
            "",
            &json!([{ "match": "t", "mask": { "a": { "sql": "CONCAT('user', id)", "unique": true }, "b": "email", "c": "name", "p": "phone", "n": "hash" } }]),
        );
        let plan = case.plan("p", &[]);
        super::applied(&case, "p", &plan);
        assert_eq!(
            super::rows(
                &case,
                Side::Local,
                "SELECT COUNT(*), COUNT(DISTINCT a), COUNT(DISTINCT b), COUNT(DISTINCT p), COUNT(DISTINCT n) FROM t"
            ),
            ["502|502|500|500|500"]
        );
    }
}

#[test]
fn columns_that_join_need_the_same_mask() {
    let tables = "CREATE TABLE parent (id INT PRIMARY KEY, mail VARCHAR(60) NOT NULL, UNIQUE (mail));
                  CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(60), FOREIGN KEY (mail) REFERENCES parent (mail));";
    for vendor in VENDORS {
        let case = ruled(vendor, tables, "", &json!([]));
        let grouped = |group: &str, kind: &str| json!({ "kind": kind, "group": group });
        for (child, parent) in [
            (json!("email"), json!("keep")),
            (json!("keep"), json!("email")),
            (json!("email"), json!("email")),
            (grouped("a", "email"), grouped("b", "email")),
            (grouped("a", "hash"), grouped("a", "email")),
            (json!("fixed"), json!("keep")),
        ] {
            set_rules(
                &case,
                &json!([{ "match": "t", "mask": { "mail": child } }, { "match": "parent", "mask": { "mail": parent } }]),
            );
            for tables in ["t", "parent", "*"] {
                case.driftwarden(&["plan", "--out", "plans/p.json", "--tables", tables])
                    .exits(3)
                    .says("masked values would no longer meet");
            }
        }
        set_rules(
            &case,
            &json!([{ "match": "t", "mask": { "mail": "null" } }]),
        );
        case.plan("q", &[]);
    }
}

#[test]
fn a_key_a_condition_and_a_column_are_needed() {
    let table = "CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(60), at DATETIME, CONSTRAINT shaped CHECK (mail LIKE '%@%'));";
    for vendor in VENDORS {
        let case = ruled(
            vendor,
            table,
            "",
            &json!([{ "match": "t", "mask": { "mail": "email" } }]),
        );
        for key in [None, Some("short")] {
            let mut command = case.command(&["plan", "--out", "plans/p.json"]);
            match key {
                None => command.env_remove("DRIFTWARDEN_MASK_KEY"),
                Some(key) => command.env("DRIFTWARDEN_MASK_KEY", key),
            };
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{text}");
            assert!(
                text.contains("DRIFTWARDEN_MASK_KEY") && text.contains("openssl rand -hex 32"),
                "{text}"
            );
        }
        let plan = case.plan("p", &[]);
        assert!(
            plan["warnings"]
                .to_string()
                .contains("`mail` is masked and stands in a CHECK"),
            "{plan:#}"
        );
        let plan_again = ["plan", "--out", "plans/q.json"];
        set_rules(
            &case,
            &json!([{ "match": "t", "mask": { "mail": "email" }, "where": "mail IS NOT NULL" }]),
        );
        case.driftwarden(&plan_again)
            .exits(3)
            .says("is about its real values, which local does not have");
        set_rules(
            &case,
            &json!([{ "match": "t", "mask": { "at": "null" }, "updated_at": "at" }]),
        );
        case.driftwarden(&plan_again).says("updated_at");
        set_rules(
            &case,
            &json!([{ "match": "*", "mask": { "maill": "email" } }]),
        );
        case.driftwarden(&plan_again)
            .exits(3)
            .says("has a column `maill`; did you mean `mail`?");
        set_rules(
            &case,
            &json!([{ "match": "tt", "mask": { "mail": "email" } }]),
        );
        let plan = case.plan("r", &[]);
        assert!(
            plan["warnings"]
                .to_string()
                .contains("matches no table of production"),
            "{plan:#}"
        );
        set_rules(
            &case,
            &json!([{ "match": "t", "mask": { "mail": "emial" } }]),
        );
        case.driftwarden(&plan_again)
            .exits(1)
            .says("did you mean \"email\"?");
    }
}
