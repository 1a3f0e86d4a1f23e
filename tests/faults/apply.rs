//! Faults while applying: local ends as it does without a fault, at once or when the same apply is run again.

use super::proxy::{What, When};
use super::{At, LOCAL, Steps, case, direct, every_second, faulty, nothing_left, run};
use crate::sandbox::Vendor;
use crate::sandbox::case::{Case, quoted};
use crate::sandbox::server::Side;

/// Each step of an apply on local, by a piece of its statement: lock, fingerprints, a new table, a trigger taken down, rows
/// found, deleted, changed and filled in, commit, the trigger put back, a table's last change, a view, the note of how
/// far it came. Every second one strikes on the other vendor.
const LOCAL_STEPS: &[&str] = &[
    "SELECT GET_LOCK",
    "information_schema.SCHEMATA",
    // As a statement's beginning: SHOW CREATE TABLE is another.
    "\u{3}CREATE TABLE `",
    "DROP TRIGGER",
    "FOR UPDATE",
    "DELETE FROM",
    "UPDATE `",
    "INSERT INTO",
    "COMMIT",
    "FOR EACH ROW",
    "ALTER TABLE",
    "VIEW",
];

/// What apply asks production.
const REMOTE_STEPS: &[&str] = &["information_schema.TABLES", "SHOW CREATE TABLE"];

/// Puts local back to before the apply.
fn reset(case: &Case) {
    let name = quoted(&case.name("db"));
    case.sandbox.execute(
        Side::Local,
        None,
        &format!("DROP DATABASE {name}; CREATE DATABASE {name}"),
    );
    case.local_sql(LOCAL);
    let plan = case.read_plan("p");
    let undo = format!("plans/{}.undo", plan["id"].as_str().unwrap());
    drop(std::fs::remove_dir_all(case.folder().join(undo)));
}

/// Returns a case with an approved plan, `plans/p.json`.
fn approved(vendor: Vendor) -> Case {
    let case = case(vendor);
    let plan = case.plan("p", &[]);
    case.approve_all("p", &plan);
    case
}

/// Applies with a fault at each step, and asserts that both sides are equal afterwards.
fn survives(vendor: Vendor, at: At, steps: &[&str], what: impl Fn() -> What) {
    let case = approved(vendor);
    let mut arguments = vec!["apply", "plans/p.json"];
    if at == At::Local {
        arguments.push("--offline");
    }
    // The first login of an account takes two packets more, and what was made anew is noted differently from what the plan saw.
    run(&case, &arguments).exits(0);
    reset(&case);
    let watched = faulty(&case, at, When::Never, What::Cut);
    run(&case, &arguments).exits(0);
    for (step, packet) in Steps::of(&watched.packets(), steps).each() {
        reset(&case);
        let proxy = faulty(&case, at, When::Packet(packet), what());
        let output = run(&case, &arguments);
        assert!(
            proxy.struck(),
            "{step} did not come: {output} {:#?}",
            proxy.packets()
        );
        drop(output.exits(0));
        case.assert_equal(&[("db", "db")]);
        nothing_left(&case);
    }
}

#[test]
fn a_local_connection_cut_at_each_step_of_an_apply() {
    let steps = every_second(LOCAL_STEPS, 0);
    survives(Vendor::MySql, At::Local, &steps, || What::Cut);
}

#[test]
fn an_answer_of_local_lost_at_each_step_of_an_apply() {
    let steps = every_second(LOCAL_STEPS, 1);
    survives(Vendor::MariaDb, At::Local, &steps, || What::LoseAnswer);
}

#[test]
fn a_deadlock_or_a_lock_wait_at_each_change_of_an_apply() {
    for (vendor, code, steps) in [
        (Vendor::MariaDb, 1213, ["UPDATE `", "COMMIT"]),
        (Vendor::MySql, 1205, ["INSERT INTO", "ALTER TABLE"]),
    ] {
        survives(vendor, At::Local, &steps, || What::Answer(code));
    }
}

#[test]
fn production_cut_while_apply_checks_its_schema() {
    survives(Vendor::MySql, At::Remote, REMOTE_STEPS, || What::Cut);
}

/// What no attempt can mend is said, nothing of the entry stands half, and the next apply finishes.
#[test]
fn a_local_server_that_goes_away_in_an_apply_is_found_as_it_was_left() {
    let case = approved(Vendor::MySql);
    let watched = faulty(&case, At::Local, When::Never, What::Cut);
    run(&case, &["apply", "plans/p.json"]).exits(0);
    let steps = ["UPDATE `", "FOR EACH ROW"];
    for (step, packet) in Steps::of(&watched.packets(), &steps).each() {
        reset(&case);
        // The proxy keeps refusing from then on.
        let proxy = faulty(&case, At::Local, When::Packet(packet), What::Gone);
        let output = run(&case, &["apply", "plans/p.json"]);
        assert!(proxy.struck(), "{step}");
        let code = output.code.unwrap();
        assert!([1, 4].contains(&code), "{step}: {output}");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            said.contains("Run it again to finish") || said.contains("next: "),
            "{output}"
        );
        direct(&case);
        run(&case, &["apply", "plans/p.json"]).exits(0);
        case.assert_equal(&[("db", "db")]);
    }
}
