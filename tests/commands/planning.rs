//! Exit codes of `plan` and `sync`, and what they say without a terminal.

use super::{LOCAL, REMOTE, local, planned};
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;
use serde_json::json;
use std::fs;
use std::process::Command;

#[test]
fn detailed_exitcode_tells_changes_from_none() {
    let case = planned();
    case.driftwarden(&["plan", "--detailed-exitcode", "--out", "plans/q.json"])
        .exits(2);
    case.driftwarden(&["apply", "plans/p.json", "--yolo"])
        .exits(0);
    case.driftwarden(&["plan", "--detailed-exitcode", "--out", "plans/r.json"])
        .exits(0)
        .says("No changes");
}

#[test]
fn the_user_is_told_where_git_would_take_rows() {
    const TOLD: &str = "git does not ignore it";
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    let plan = || {
        let output = case.driftwarden(&["plan"]).exits(0);
        output.stderr.contains(TOLD)
    };
    assert!(!plan(), "there is no repository");
    let made = Command::new("git")
        .args(["init", "-q"])
        .current_dir(case.folder())
        .status();
    assert!(made.unwrap().success());
    assert!(plan());
    case.write_config(
        &json!([case.name("db")]),
        &json!({"plan": {"preview": "masked"}}),
    );
    assert!(!plan(), "no value stands in the plan");
    case.write_config(&json!([case.name("db")]), &json!({}));
    fs::write(case.folder().join(".gitignore"), "plans/\n").unwrap();
    assert!(!plan(), "git leaves the folder out");
}

#[test]
fn wrong_usage_exits_1() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    case.driftwarden(&["plan", "--no-such-flag"]).exits(1);
    case.driftwarden(&["no-such-command"]).exits(1);
    case.driftwarden(&["approve"]).exits(1);
}

#[test]
fn a_plan_changes_nothing() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    let before = local(&case);
    case.plan("p", &[]);
    assert_eq!(local(&case), before);
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    let output = case.driftwarden(&["plan", "--json"]).exits(0);
    let answer: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(answer.is_object(), "{output}");
}

#[test]
fn a_table_that_needs_a_full_comparison_is_skipped_and_the_flag_named() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    case.write_config(&json!([case.name("db")]), &json!({"tables": {"rules": []}}));
    let output = case
        .driftwarden(&["plan", "--out", "plans/p.json"])
        .exits(0)
        .says("--full-diff");
    assert!(!output.stdout.contains("t.insert"), "{output}");
}

#[test]
fn sync_without_a_terminal_stops_after_the_plan() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    let before = local(&case);
    case.driftwarden(&["sync"]).says("driftwarden approve");
    assert_eq!(local(&case), before);
    case.driftwarden(&["sync", "--yolo"]).exits(0);
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn what_is_wrong_with_the_way_to_production_is_said_and_exits_1() {
    for (what, said) in [
        (json!({"ssh": {"host": "prod-changed-host"}}), "CHANGED"),
        (
            json!({"ssh": {"host": "prod-wrong-key"}}),
            "refuses the login",
        ),
        (json!({"remote": {"port": 1}}), "nothing answers"),
        (
            json!({"local": {"socket": "/nowhere/mysql.sock"}}),
            "cannot be reached",
        ),
    ] {
        let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
        case.write_config(&json!([case.name("db")]), &what);
        let output = case
            .driftwarden(&["plan", "--out", "plans/p.json"])
            .exits(1)
            .says(said)
            .says("next: ");
        assert!(!case.folder().join("plans/p.json").exists(), "{output}");
    }
}

#[test]
fn an_unknown_database_is_named() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    case.write_config(&json!(["not_there_at_all"]), &json!({}));
    let output = case.driftwarden(&["plan"]).says("not_there_at_all");
    assert!(matches!(output.code, Some(1 | 3)), "{output}");
}

#[test]
fn a_full_disk_leaves_no_half_plan() {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    // No file may grow beyond 2 KiB: writing the plan fails in the middle, as on a full disk.
    let program = case.command(&[]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", r#"ulimit -f 4; trap "" XFSZ; exec "$@""#, "sh"])
        .arg(program.get_program())
        .args(["plan", "--out", "plans/p.json"])
        .current_dir(case.folder())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        );
    let output = Output::of(&mut limited).exits(1).says("next: ");
    let left: Vec<_> = std::fs::read_dir(case.folder().join("plans"))
        .map(|entries| entries.filter_map(Result::ok).collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "{left:?} {output}");
}
