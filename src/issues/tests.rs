use super::{KeyRange, Report, Status, Step, Store};
use crate::config;
use crate::refusal::{LOCK_NOT_GIVEN, Problem};
use anyhow::Context;
use std::fs;
use std::path::Path;
use std::process::Command;
use time::OffsetDateTime;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_500_900 + seconds).unwrap()
}

fn failure(port: u16) -> anyhow::Error {
    Err::<(), _>(anyhow::anyhow!("connection to 127.0.0.1:{port} lost"))
        .context(Problem::new(
            "the server says: Duplicate entry 'ann@x' (error 1062)",
            "see to it",
        ))
        .context(Step {
            phase: "reading rows".into(),
            database: Some("shop".into()),
            table: Some("users".into()),
            key_range: Some("'a' to 'b'".into()),
        })
        .unwrap_err()
}

fn report(port: u16, values: bool) -> Report {
    Report::new(
        &failure(port),
        "plan",
        "plan",
        "driftwarden plan --tables shop.users",
        values,
    )
}

fn store(folder: &Path, git: bool) -> Store {
    Store::new(&config::Issues {
        directory: folder.join("issues"),
        git,
    })
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_same_failure_is_one_issue_that_counts_and_is_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), false);
    let first = store.record(&report(1001, true), at(0)).unwrap();
    let again = store.record(&report(2002, true), at(60)).unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(
        (again.count, again.first_seen, again.last_seen.as_str()),
        (2, first.first_seen, "2026-11-24T06:16:00Z")
    );
    assert_eq!(store.list().unwrap().len(), 1);
    let resolved = store
        .succeeded(|issue| issue.table.as_deref() == Some("users"), at(90))
        .unwrap();
    assert_eq!(resolved.len(), 1);
    assert_eq!(
        store.find(&first.fingerprint).unwrap().status,
        Status::Resolved
    );
    assert_eq!(store.succeeded(|_| true, at(91)).unwrap(), []);
    assert_eq!(
        store.record(&report(3, true), at(100)).unwrap().status,
        Status::Open
    );
    assert!(store.find("nonsense").is_err());
    fs::write(folder.path().join("issues/README.md"), "not an issue").unwrap();
    assert_eq!(store.unreadable().unwrap(), []);
}

#[test]
fn a_file_is_read_by_people_and_programs() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), false);
    let mut report = report(1001, true);
    report.source = "src/x.rs:1".into();
    let issue = store.record(&report, at(0)).unwrap();
    let text = fs::read_to_string(store.path(&issue)).unwrap();
    let text = text.replace(&issue.fingerprint, "FINGER");
    insta::assert_snapshot!(text, @r"
    ---
    id: 20261124-FINGER
    fingerprint: FINGER
    status: open
    first_seen: 2026-11-24T06:15:00Z
    last_seen: 2026-11-24T06:15:00Z
    resolved: null
    count: 1
    command: plan
    phase: reading rows
    database: shop
    table: users
    key_range: '''a'' to ''b'''
    source: src/x.rs:1
    error:
    - reading rows of shop.users, keys 'a' to 'b'
    - 'the server says: Duplicate entry ''ann@x'' (error 1062)'
    - connection to 127.0.0.1:1001 lost
    remedy: see to it
    reproduce: driftwarden plan --tables shop.users
    ---

    # reading rows of shop.users, keys 'a' to 'b'

    - because: the server says: Duplicate entry 'ann@x' (error 1062)
    - because: connection to 127.0.0.1:1001 lost

    **Next:** see to it

    **To see it again:** `driftwarden plan --tables shop.users`
    ");
    assert_eq!(store.list().unwrap(), [issue]);
}

#[test]
fn without_values_no_value_of_a_row_stands_in_it() {
    let report = report(1, false);
    let text = format!("{report:?}");
    assert!(
        !text.contains("ann@x") && !text.contains("'a' to"),
        "{text}"
    );
    assert!(text.contains("Duplicate entry '…' (error 1062)"));
}

#[test]
fn a_range_of_keys_is_kept_with_values_only_and_makes_no_other_issue() {
    let broken = |range: &str, values| {
        let error = anyhow::anyhow!("connection lost")
            .context(KeyRange(range.into()))
            .context(Step::phase("comparing rows"));
        Report::new(&error, "plan", "plan", "", values)
    };
    let (one, other) = (broken("from 17 to 40", true), broken("from 'x'", true));
    assert_eq!(one.step.key_range.as_deref(), Some("from 17 to 40"));
    assert_eq!(one.fingerprint(), other.fingerprint());
    let without = broken("from 17 to 40", false);
    assert!(!format!("{without:?}").contains("17"), "{without:?}");
}

#[test]
fn other_server_errors_are_other_issues() {
    let one = Report::new(&anyhow::anyhow!("x (error 1062)"), "plan", "plan", "", true);
    let other = Report::new(&anyhow::anyhow!("x (error 1064)"), "plan", "plan", "", true);
    assert_ne!(one.fingerprint(), other.fingerprint());
}

#[test]
fn whoever_holds_a_lock_it_is_the_same_issue() {
    let held = |by: &str| {
        let error = anyhow::anyhow!("Lock wait timeout exceeded (error 1205)")
            .context(format!("the local server: {LOCK_NOT_GIVEN}{by}"));
        Report::new(&error, "apply", "apply", "", true).fingerprint()
    };
    let one = held(": connection 7 (root@localhost, idle for 3 s) has locked t");
    let two = held(
        ": connection 8 (app@%, busy for 1 s), connection 9 (root@localhost, idle) have locked t",
    );
    assert_eq!(one, two);
    assert_eq!(one, held(""));
}

#[test]
fn git_gets_the_issue_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    git(root, &["init", "-q", "-b", "main"]);
    for (key, value) in [
        ("user.name", "ann"),
        ("user.email", "ann@x"),
        ("commit.gpgsign", "true"),
    ] {
        git(root, &["config", key, value]);
    }
    fs::write(root.join("a"), "1").unwrap();
    git(root, &["add", "a"]);
    git(root, &["-c", "commit.gpgsign=false", "commit", "-qm", "a"]);
    // Work in progress: one change staged, one not, one file unknown, and a hook that refuses everything.
    fs::write(root.join("a"), "2").unwrap();
    git(root, &["add", "a"]);
    fs::write(root.join("a"), "3").unwrap();
    fs::write(root.join("new"), "x").unwrap();
    fs::create_dir_all(root.join(".git/hooks")).unwrap();
    let ran = folder.path().join(".git/ran");
    for hook in ["prepare-commit-msg", "post-index-change", "post-commit"] {
        let hook = root.join(".git/hooks").join(hook);
        let text = format!("#!/bin/sh\necho \"$0\" >> '{}'\nexit 1\n", ran.display());
        fs::write(&hook, text).unwrap();
        Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    }
    let before = git(root, &["status", "--porcelain"]);
    let diff = git(root, &["diff", "--cached"]);

    drop(fs::remove_file(&ran));
    let store = store(root, true);
    let issue = store.record(&report(1, true), at(0)).unwrap();
    store.record(&report(1, true), at(1)).unwrap();
    store.resolve(&issue.id, "by hand", at(2)).unwrap();
    assert_eq!(fs::read_to_string(ran).ok(), None, "a hook ran");

    assert_eq!(git(root, &["status", "--porcelain"]), before);
    assert_eq!(git(root, &["diff", "--cached"]), diff);
    assert_eq!(git(root, &["rev-list", "--count", "HEAD"]), "4");
    assert_eq!(
        git(root, &["diff", "--name-only", "HEAD~3", "HEAD"]),
        format!("issues/{}.md", issue.id)
    );

    // In the middle of a merge it is just a file.
    fs::write(
        root.join(".git/MERGE_HEAD"),
        git(root, &["rev-parse", "HEAD"]),
    )
    .unwrap();
    store.record(&report(1, true), at(3)).unwrap();
    fs::remove_file(root.join(".git/MERGE_HEAD")).unwrap();
    assert_eq!(git(root, &["rev-list", "--count", "HEAD"]), "4");
}

#[test]
fn what_git_ignores_is_left_out() {
    use super::git::{Outcome, commit, would_be_taken};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let [kept, ignored] = ["kept.md", ":ignored.md"].map(|name| root.join(name));
    for path in [&kept, &ignored] {
        fs::write(path, "x").unwrap();
        assert!(!would_be_taken(path), "there is no repository");
    }
    git(root, &["init", "-q", "-b", "main"]);
    fs::write(root.join(".gitignore"), ":ignored.*\n").unwrap();
    assert!(would_be_taken(&kept));
    assert!(!would_be_taken(&ignored));
    assert_eq!(
        commit(&ignored, "ignored"),
        Outcome::Skipped("git ignores the file")
    );
    assert_eq!(commit(&kept, "kept"), Outcome::Committed);
}
