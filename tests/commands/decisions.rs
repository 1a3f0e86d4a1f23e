//! Nothing is executed that was not approved.

use super::{approved, id, local, planned};

#[test]
fn an_unapproved_plan_executes_nothing() {
    let case = planned();
    let before = local(&case);
    case.driftwarden(&["apply", "plans/p.json"])
        .exits(3)
        .says("nothing of plans/p.json is approved")
        .says("next: ");
    case.driftwarden(&["deny", "plans/p.json", "--all"])
        .exits(0);
    case.driftwarden(&["apply", "plans/p.json", "--yolo"])
        .exits(3);
    assert_eq!(local(&case), before);
}

#[test]
fn a_dry_run_prints_the_sql_and_executes_nothing() {
    let case = approved();
    let before = local(&case);
    let output = case
        .driftwarden(&["apply", "plans/p.json", "--dry-run"])
        .exits(0);
    assert!(
        output.stdout.contains("ALTER TABLE") && output.stdout.contains("INSERT INTO"),
        "{output}"
    );
    assert_eq!(local(&case), before);
}

#[test]
fn yolo_approves_what_is_pending_and_never_what_was_denied() {
    let case = planned();
    case.driftwarden(&["deny", "plans/p.json", &id(&case, "db.t.delete")])
        .exits(0);
    case.driftwarden(&["apply", "plans/p.json", "--yolo"])
        .exits(0);
    let after = local(&case);
    assert!(
        after.contains("'gone'") && after.contains("'added'"),
        "{after}"
    );
    assert!(
        after.contains("'new'") && after.contains("`added` int"),
        "{after}"
    );
}

#[test]
fn a_denied_row_is_left_as_it_is() {
    let case = approved();
    case.driftwarden(&[
        "deny",
        "plans/p.json",
        &format!("{}#1", id(&case, "db.t.update")),
    ])
    .exits(0);
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    let after = local(&case);
    assert!(
        after.contains("'old'") && after.contains("'added'"),
        "{after}"
    );
}

#[test]
fn safe_approves_nothing_that_loses_data() {
    let case = planned();
    case.driftwarden(&["approve", "plans/p.json", "--safe"])
        .exits(0);
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    let after = local(&case);
    assert!(
        after.contains("'gone'") && after.contains("'added'"),
        "{after}"
    );
}

#[test]
fn an_entry_whose_dependency_was_denied_is_refused_by_name() {
    let case = crate::sandbox::case::Case::with_database(
        crate::sandbox::Vendor::MySql,
        "CREATE TABLE n (id INT PRIMARY KEY); INSERT INTO n VALUES (1);
         CREATE TABLE o (id INT PRIMARY KEY); INSERT INTO o VALUES (1)",
        "CREATE TABLE o (id INT PRIMARY KEY)",
    );
    case.plan("p", &[]);
    case.driftwarden(&["approve", "plans/p.json", "--all"])
        .exits(0);
    case.driftwarden(&["deny", "plans/p.json", &id(&case, "db.n.create")])
        .exits(0);
    case.driftwarden(&["apply", "plans/p.json"])
        .exits(4)
        .says(&id(&case, "db.n.insert"))
        .says(&id(&case, "db.n.create"));
}

#[test]
fn applying_twice_is_harmless() {
    let case = approved();
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    let after = local(&case);
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    assert_eq!(local(&case), after);
    case.assert_equal(&[("db", "db")]);
}
