//! Where a password could come out, and who may look at what a run leaves.

use super::plan_file;
use crate::faults::command;
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::{Side, signal};
use mysql::prelude::Queryable as _;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const REMOTE: &str = "CREATE TABLE t(id INT PRIMARY KEY, v INT);
    INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4)";
const LOCAL: &str = "CREATE TABLE t(id INT PRIMARY KEY, v INT); INSERT INTO t VALUES(1, 9), (7, 7)";

fn case(vendor: Vendor) -> Case {
    let case = Case::with_database(vendor, REMOTE, LOCAL);
    case.write_config(
        &json!([case.name("db")]),
        &json!({"plan": {"inline_rows": 2}, "log": {"level": "trace"}, "issues": {"git": false}}),
    );
    case
}

fn secrets(case: &Case) -> [String; 3] {
    [
        case.sandbox.setting("REMOTE_PASSWORD").to_owned(),
        case.sandbox.setting("LOCAL_PASSWORD").to_owned(),
        crate::sandbox::case::MASK_KEY.to_owned(),
    ]
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn no_password_is_in_a_process_that_we_start() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        let mut holder = case.sandbox.root(Side::Remote);
        holder
            .query_drop(case.fill("LOCK TABLES {{db}}.t WRITE"))
            .unwrap();
        let mut child = command(&case, &["plan", "--out", "plans/p.json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tmp = case.folder().join("tmp");
        let limit = Instant::now() + Duration::from_secs(60);
        let started = loop {
            let started = processes_that_name(&tmp);
            if !started.is_empty() && waits(&case) {
                break started;
            }
            assert!(Instant::now() < limit, "no plan waits for the lock");
            std::thread::sleep(Duration::from_millis(20));
        };
        let control = fs::read_dir(&tmp)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir())
            .expect("the master's folder");
        assert_eq!(mode(&control), 0o700, "{}", control.display());
        for process in started.into_iter().chain([child.id()]) {
            let read = |what: &str| fs::read(format!("/proc/{process}/{what}")).unwrap_or_default();
            let mut open = vec![String::from_utf8_lossy(&read("cmdline")).into_owned()];
            if process != child.id() {
                open.push(String::from_utf8_lossy(&read("environ")).into_owned());
            }
            for secret in secrets(&case) {
                assert!(
                    !open.iter().any(|text| text.contains(&secret)),
                    "{vendor}: {open:?}"
                );
            }
        }
        signal(child.id(), "-INT");
        drop(holder);
        child.wait().unwrap();
    }
}

/// The processes whose command line names a path in a folder.
fn processes_that_name(folder: &Path) -> Vec<u32> {
    let named = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process: &u32| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(named)
        })
        .collect()
}

/// Whether a statement about this case's table waits on production.
fn waits(case: &Case) -> bool {
    let found: Option<u64> = case
        .sandbox
        .root(Side::Remote)
        .query_first(format!(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO LIKE 'SELECT%`{}`.`t`%'",
            case.name("db")
        ))
        .unwrap();
    found.is_some()
}

/// Programs that the user's own settings choose: git (and what its config runs), the editor, a password command.
#[test]
fn no_password_is_in_the_environment_of_a_program_that_is_run() {
    let case = case(Vendor::MariaDb);
    let folder = case.folder();
    let seen = folder.join("seen");
    let spy = |name: &str, then: &str| {
        let path = folder.join("bin").join(name);
        fs::create_dir_all(folder.join("bin")).unwrap();
        let seen = seen.display();
        let text = format!("#!/bin/sh\n(echo \"$0\"; cat /proc/$$/environ) >> '{seen}'\n{then}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    };
    spy("git", "exit 1");
    let editor = spy("editor", "exit 0");
    let password = spy(
        "password",
        &format!("echo '{}'", case.sandbox.setting("LOCAL_PASSWORD")),
    );
    let path = format!(
        "{}:{}",
        folder.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let run = |arguments: &[&str]| {
        let mut command = case.command(arguments);
        command
            .env("PATH", &path)
            .env("VISUAL", &editor)
            .env("OTHER_SECRET", case.sandbox.setting("REMOTE_PASSWORD"));
        crate::sandbox::output::Output::of(&mut command)
    };
    let config = |host: &str| {
        case.write_config(
            &json!([case.name("db")]),
            &json!({
                "ssh": {"host": host},
                "remote": {"password_env": "OTHER_SECRET"},
                "local": {"password_env": null, "password_command": password},
                "issues": {"git": true},
            }),
        );
    };
    config("prod");
    run(&["plan", "--out", "plans/p.json"]).exits(0);
    run(&["review", "plans/p.json", "--edit"]);
    run(&["doctor"]);
    config("prod-closed");
    run(&["plan"]).exits(1);
    let seen = String::from_utf8_lossy(&fs::read(seen).unwrap()).into_owned();
    for program in ["bin/git\n", "bin/editor\n", "bin/password\n"] {
        assert!(seen.contains(program), "{program:?} was not run: {seen}");
    }
    for secret in secrets(&case) {
        assert!(!seen.contains(&secret), "{seen}");
    }
}

#[test]
fn what_a_run_leaves_holds_no_secret_and_is_the_user_s_alone() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        let plan = case.plan("p", &["-v"]);
        case.approve_all("p", &plan);
        // Failures as well: each writes an issue.
        let good = fs::read_to_string(case.folder().join("config/config.json")).unwrap();
        for (key, value) in [
            ("remote", json!({"user": "nobody_here"})),
            ("local", json!({"user": "nobody_here"})),
            ("ssh", json!({"host": "prod-closed"})),
        ] {
            case.write_config(
                &json!([case.name("db")]),
                &json!({key: value, "issues": {"git": false}}),
            );
            for arguments in [&["plan", "--json"][..], &["doctor", "--json"]] {
                case.driftwarden(arguments).exits(1);
            }
        }
        fs::write(case.folder().join("config/config.json"), good).unwrap();
        case.driftwarden(&["apply", "plans/p.json"]).exits(0);
        case.driftwarden(&["issues", "list", "--json"]).exits(0);

        let issues = files(&case.folder().join("issues"));
        assert!(!issues.is_empty(), "a failure leaves an issue");
        let mut left = issues;
        left.extend(files(&case.folder().join("logs")));
        left.extend(files(&case.folder().join("plans")));
        for path in &left {
            let bytes = fs::read(path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            for secret in secrets(&case) {
                assert!(!text.contains(&secret), "{} holds a secret", path.display());
            }
        }
        let id = case.read_plan("p")["id"].as_str().unwrap().to_owned();
        let plans = case.folder().join("plans");
        assert_eq!(mode(&plan_file(&case)), 0o600);
        for folder in [plans.join(&id), plans.join(format!("{id}.undo"))] {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for path in files(&folder) {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
        for path in files(&case.folder().join("logs")) {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_config_that_others_can_change_is_warned_of() {
    let case = case(Vendor::MySql);
    let folder = case.folder().join("config");
    let file = folder.join("config.json");
    let warned = "others can change";
    let output = case.driftwarden(&["plan"]).exits(0);
    assert!(!output.stderr.contains(warned), "{output}");
    for path in [&folder, &file] {
        let kept = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        let output = case.driftwarden(&["plan"]).exits(0);
        assert!(output.stderr.contains(warned), "{output}");
        case.driftwarden(&["doctor"]).exits(0).says(warned);
        fs::set_permissions(path, kept).unwrap();
    }
}
