//! A plan file made by hand, its digest recomputed: it still executes nothing that its kind does not allow.

use super::{approved, each, local_value};
use crate::sandbox::case::Case;
use driftwarden::plan::{Plan, digest, file};

/// Changes the approved plan and seals it again.
fn forged(case: &Case, change: impl Fn(&mut Plan)) {
    approved(case);
    let path = case.folder().join("plans/p.json");
    let mut plan = file::read(&path).unwrap();
    change(&mut plan);
    digest::seal(&mut plan).unwrap();
    std::fs::write(&path, file::to_text(&plan).unwrap()).unwrap();
}

const REMOTE: &str =
    "CREATE TABLE t(id INT PRIMARY KEY, v INT, w INT); INSERT INTO t VALUES(1, 1, 1);
    CREATE VIEW s AS SELECT 2 AS x";
const LOCAL: &str = "CREATE TABLE t(id INT PRIMARY KEY, v INT); INSERT INTO t VALUES(1, 1);
    CREATE VIEW s AS SELECT 1 AS x; CREATE TABLE precious(id INT PRIMARY KEY); INSERT INTO precious VALUES(1)";

/// What becomes of the plan's sql with `precious` in danger.
fn refused(change: impl Fn(&mut Plan)) {
    each(REMOTE, LOCAL, |case| {
        forged(case, &change);
        let output = case.driftwarden(&["apply", "plans/p.json", "--yolo", "--offline"]);
        assert!(matches!(output.code, Some(1 | 3 | 4)), "{output}");
        assert_eq!(
            local_value(case, "SELECT COUNT(*) FROM precious"),
            "1",
            "{output}"
        );
    });
}

fn without_precious(plan: &mut Plan) {
    plan.entries
        .retain(|entry| !entry.object.ends_with(".precious"));
    plan.summary = driftwarden::plan::order::summary(&plan.entries);
}

#[test]
fn a_statement_behind_the_alter() {
    refused(|plan| {
        without_precious(plan);
        for entry in &mut plan.entries {
            if let Some(sql) = entry.sql.first_mut() {
                sql.push_str("; DROP TABLE precious");
            }
        }
    });
}

#[test]
fn a_statement_of_its_own() {
    refused(|plan| {
        without_precious(plan);
        for entry in &mut plan.entries {
            if !entry.sql.is_empty() {
                entry.sql.push("DROP TABLE precious".to_owned());
            }
        }
    });
}

#[test]
fn a_statement_inside_the_text() {
    refused(|plan| {
        without_precious(plan);
        for entry in &mut plan.entries {
            if let Some(after) = &mut entry.after {
                after.push_str("; DROP TABLE precious");
                entry.sql = vec![after.clone()];
            }
        }
    });
}

#[test]
fn a_shape_that_names_no_unique_key() {
    each(
        "CREATE TABLE t(id INT PRIMARY KEY, v INT); INSERT INTO t VALUES(1, 1)",
        "CREATE TABLE t(id INT PRIMARY KEY, v INT); INSERT INTO t VALUES(2, 1), (3, 1)",
        |case| {
            forged(case, |plan| {
                for entry in &mut plan.entries {
                    if let Some(shape) = &mut entry.shape {
                        shape.key = vec!["v".into()];
                    }
                    for row in &mut entry.rows {
                        row.key = [("v".to_owned(), driftwarden::value::Value::Integer(1))]
                            .into_iter()
                            .collect();
                    }
                }
            });
            case.driftwarden(&["apply", "plans/p.json", "--yolo", "--offline"]);
            assert_eq!(local_value(case, "SELECT COUNT(*) FROM t"), "2");
        },
    );
}

#[test]
fn a_database_outside_the_scope() {
    refused(|plan| {
        without_precious(plan);
        for entry in &mut plan.entries {
            entry.object = entry.object.replacen(|_: char| true, "m", 1);
            entry.id = format!("mysql.{}", entry.id.split_once('.').unwrap().1);
            entry.object = format!("mysql.{}", entry.object.split_once('.').unwrap().1);
        }
    });
}
