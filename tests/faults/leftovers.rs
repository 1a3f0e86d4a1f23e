//! Runs that are stopped or killed leave nothing: at once, or, after kill -9, when the next run starts.

use super::{case, command, masters, nothing_left, run, scratch_schemas};
use crate::sandbox::Vendor;
use crate::sandbox::case::{Case, quoted};
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a plan and returns when its checksum of `big` on one side waits for a lock that `hold` took.
fn held(case: &Case, side: Side) -> (Child, mysql::Conn) {
    let mut holder = case.sandbox.root(side);
    let table = format!("{}.{}", quoted(&case.name("db")), quoted("big"));
    holder
        .query_drop(format!("LOCK TABLES {table} WRITE"))
        .unwrap();
    let child = command(case, &["plan", "--out", "plans/p.json", "--tables", "big"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait(|| running(case, side) > 0);
    (child, holder)
}

fn wait(mut until: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !until() {
        assert!(Instant::now() < limit, "it did not come to that");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The number of this case's statements that wait on a server.
fn running(case: &Case, side: Side) -> u64 {
    let mut root = case.sandbox.root(side);
    let name = case.name("db");
    root.query_first(format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()
         AND INFO LIKE 'SELECT%`{name}`.`big`%'"
    ))
    .unwrap()
    .unwrap()
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_run_that_is_stopped_ends_its_query_and_its_tunnel() {
    for (vendor, side, name) in [
        (Vendor::MySql, Side::Remote, "-INT"),
        (Vendor::MariaDb, Side::Remote, "-TERM"),
        (Vendor::MySql, Side::Local, "-INT"),
    ] {
        let case = case(vendor);
        let (mut child, holder) = held(&case, side);
        signal(&child, name);
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(130), "{vendor} {name}");
        // The lock is still held: nothing waits for it any more, and no tunnel is open.
        assert_eq!(running(&case, side), 0, "{vendor} {name}");
        nothing_left(&case);
        drop(holder);
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once_without_its_tunnel() {
    let case = case(Vendor::MySql);
    let (mut child, holder) = held(&case, Side::Remote);
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(20));
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(holder);
    nothing_left(&case);
}

#[test]
fn what_a_killed_run_left_goes_at_the_next_start() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        let (mut child, holder) = held(&case, Side::Remote);
        let before = masters(&case);
        assert_eq!(before.len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before[0].exists(), "kill -9 leaves no time to tidy up");
        // What a run killed in the middle of a proof leaves.
        case.sandbox.execute(
            Side::Local,
            None,
            &format!("CREATE DATABASE driftwarden_scratch_{}_1", child.id()),
        );
        drop(holder);
        run(&case, &["plan", "--out", "plans/q.json"]).exits(0);
        assert_eq!(scratch_schemas(&case), [""; 0]);
        nothing_left(&case);
    }
}

#[test]
fn a_frozen_ssh_master_is_noticed_and_killed() {
    let case = case(Vendor::MySql);
    let (mut child, mut holder) = held(&case, Side::Remote);
    let control = masters(&case).remove(0).join("master");
    let pids = Command::new("pgrep")
        .args(["-f", "--", &format!("^ssh.*{}", control.display())])
        .output()
        .unwrap();
    let pid = String::from_utf8(pids.stdout).unwrap().trim().to_owned();
    assert!(
        Command::new("kill")
            .args(["-STOP", &pid])
            .status()
            .unwrap()
            .success()
    );
    holder.query_drop("UNLOCK TABLES").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    nothing_left(&case);
    // Killed; whether it was waited for is its parent's business.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z"), "{state}");
}
