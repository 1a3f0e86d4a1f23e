//! Issues through the program: one for each kind of failure, counted, resolved by what later succeeds, and committed alone.

use super::planned;
use crate::sandbox::case::Case;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

fn git(case: &Case, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments)
        .current_dir(case.folder())
        .env("HOME", case.folder().join("home"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn listed(case: &Case) -> Vec<Value> {
    let output = case.driftwarden(&["issues", "list", "--json"]).exits(0);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    answer["issues"].as_array().unwrap().clone()
}

/// Lets the login to production fail, or not.
fn config(case: &Case, user: &str) {
    case.write_config(
        &json!([case.name("db")]),
        &json!({"remote": {"user": user}, "retry": {"delays": []}}),
    );
}

#[test]
fn a_failure_is_one_issue_that_counts_is_committed_alone_and_is_resolved() {
    let case = planned();
    git(&case, &["init", "-q", "-b", "main"]);
    fs::write(case.folder().join("mine"), "one").unwrap();
    git(&case, &["add", "mine"]);
    git(&case, &["commit", "-q", "-m", "mine"]);
    // Work in progress, in the index and beside it, and a hook that would let nothing through.
    fs::write(case.folder().join("staged"), "staged").unwrap();
    git(&case, &["add", "staged"]);
    fs::write(case.folder().join("mine"), "two").unwrap();
    let hook = case.folder().join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&hook, mode).unwrap();

    config(&case, "nobody_here");
    for _ in 0..3 {
        case.driftwarden(&["plan"])
            .exits(1)
            .says("driftwarden issues show");
    }
    let found = listed(&case);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (&found[0]["count"], &found[0]["status"]),
        (&json!(3), &json!("open"))
    );
    let id = found[0]["id"].as_str().unwrap().to_owned();
    let output = case
        .driftwarden(&["issues", "show", &id, "--json"])
        .exits(0);
    let shown: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(shown["id"], found[0]["id"]);
    assert!(
        output
            .stdout
            .contains("the account or its password is wrong"),
        "{output}"
    );

    config(&case, case.sandbox.setting("REMOTE_USER"));
    case.driftwarden(&["plan"]).exits(0);
    assert_eq!(listed(&case)[0]["status"], "resolved");

    // The user's own is as it was.
    assert_eq!(git(&case, &["diff", "--cached", "--name-only"]), "staged\n");
    assert_eq!(git(&case, &["diff", "--name-only"]), "mine\n");
    assert_eq!(git(&case, &["symbolic-ref", "HEAD"]), "refs/heads/main\n");
    let file = format!("issues/{id}.md");
    let commits = git(&case, &["log", "--format=", "--name-only", "HEAD~4..HEAD"]);
    assert!(
        commits.split_whitespace().all(|path| path == file),
        "{commits}"
    );
    assert!(git(&case, &["show", &format!("HEAD:{file}")]).contains("resolved"));
}

#[test]
fn an_issue_is_resolved_by_hand_and_opens_again() {
    let case = planned();
    config(&case, "nobody_here");
    case.driftwarden(&["plan"]).exits(1);
    let id = listed(&case)[0]["id"].as_str().unwrap().to_owned();
    let output = case
        .driftwarden(&["issues", "resolve", &id, "--json"])
        .exits(0);
    let resolved: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(resolved["status"], "resolved");
    case.driftwarden(&["plan"]).exits(1);
    let found = listed(&case);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["status"], "open");
    case.driftwarden(&["issues", "show", "no-such-issue"])
        .exits(1)
        .says("next: ");
}
