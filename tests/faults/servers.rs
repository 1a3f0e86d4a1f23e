//! Servers that are killed and come back, or stop answering, while a run is at work with them. Each test has servers of its own.

use super::proxy::{What, When};
use super::{At, LOCAL, REMOTE, Steps, direct, faulty, nothing_left, run};
use crate::sandbox::case::Case;
use crate::sandbox::server::{Side, signal};
use crate::sandbox::{Sandbox, Vendor, log};
use serde_json::json;

/// Waits that are enough for a server to be killed and to come back.
fn patient(case: &Case, at: At, when: When, what: What) -> super::proxy::Proxy {
    let proxy = faulty(case, at, when, what);
    let path = case.folder().join("config/config.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["retry"]["delays"] = json!(["0s", "1s", "5s", "15s"]);
    std::fs::write(&path, config.to_string()).unwrap();
    proxy
}

/// What a command asks a server, one packet an item.
fn packets(case: &Case, at: At, arguments: &[&str]) -> Vec<String> {
    let watched = faulty(case, at, When::Never, What::Cut);
    run(case, arguments).exits(0);
    watched.packets()
}

fn killing(sandbox: &'static Sandbox, side: Side) -> What {
    What::Run(Box::new(move |_| sandbox.restart(side)))
}

/// Kills and restarts the servers of one vendor at a step of plan and of apply each; both end as if nothing had happened.
fn servers_come_back(vendor: Vendor) {
    let sandbox = Sandbox::own(vendor);
    let case = Case::on(sandbox).filled(REMOTE, LOCAL);
    direct(&case);
    let plan = ["plan", "--out", "plans/p.json"];
    for (at, side, step) in [
        (At::Remote, Side::Remote, "BIT_XOR("),
        (At::Local, Side::Local, "ALTER TABLE `driftwarden_scratch"),
    ] {
        let packets = packets(&case, at, &plan);
        let (_, packet) = Steps::named(&packets, &[step]).each().next().unwrap();
        let proxy = patient(&case, at, When::Packet(packet), killing(sandbox, side));
        let output = run(&case, &plan);
        assert!(proxy.struck());
        output.exits(0).says("trying again");
        nothing_left(&case);
        assert_eq!(super::scratch_schemas(&case), [""; 0]);
    }
    direct(&case);
    let made = case.plan("p", &[]);
    case.approve_all("p", &made);
    let packets = packets(&case, At::Local, &["apply", "plans/p.json", "--dry-run"]);
    // The dry run tells where the changes begin; the first of them is where the server is killed.
    let at = When::Packet(packets.len() + 12);
    let proxy = patient(&case, At::Local, at, killing(sandbox, Side::Local));
    let output = run(&case, &["apply", "plans/p.json"]);
    assert!(proxy.struck());
    output.exits(0).says("trying again");
    case.assert_equal(&[("db", "db")]);
    log::assert_reads_only(sandbox);
}

#[test]
fn mysql_servers_that_are_killed_and_come_back() {
    servers_come_back(Vendor::MySql);
}

#[test]
fn mariadb_servers_that_are_killed_and_come_back() {
    servers_come_back(Vendor::MariaDb);
}

#[test]
fn an_sshd_that_is_killed_and_comes_back() {
    let sandbox = Sandbox::own(Vendor::MySql);
    let case = Case::on(sandbox).filled(REMOTE, LOCAL);
    direct(&case);
    let plan = ["plan", "--out", "plans/p.json"];
    let packets = packets(&case, At::Remote, &plan);
    for step in ["SHOW GRANTS", "BIT_XOR("] {
        let (_, packet) = Steps::named(&packets, &[step]).each().next().unwrap();
        let what = What::Run(Box::new(move |_| sandbox.restart_sshd()));
        let proxy = patient(&case, At::Remote, When::Packet(packet), what);
        let output = run(&case, &plan);
        assert!(proxy.struck());
        output.exits(0).says("trying again");
        nothing_left(&case);
    }
    log::assert_reads_only(sandbox);
}

/// The real thing: the server's process is stopped, so that its socket takes what comes and nothing answers.
#[test]
fn a_stopped_production_is_noticed_within_20_s() {
    let sandbox = Sandbox::own(Vendor::MySql);
    let case = Case::on(sandbox).filled(REMOTE, LOCAL);
    direct(&case);
    let plan = ["plan", "--out", "plans/p.json"];
    let packets = packets(&case, At::Remote, &plan);
    let (_, packet) = Steps::named(&packets, &["BIT_XOR("]).each().next().unwrap();
    let pid = sandbox.pid(Side::Remote);
    let what = What::Run(Box::new(move |_| signal(pid, "-STOP")));
    let proxy = faulty(&case, At::Remote, When::Packet(packet), what);
    // No attempts: the run ends when the freeze is noticed.
    let path = case.folder().join("config/config.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["retry"]["delays"] = json!([]);
    std::fs::write(&path, config.to_string()).unwrap();
    let output = run(&case, &plan);
    signal(pid, "-CONT");
    assert!(proxy.struck());
    let output = output.exits(1).says("does not answer any more");
    let (_, said) = output.stderr.split_once("no answer for ").unwrap();
    let seconds: u64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(seconds <= 20, "{output}");
    nothing_left(&case);
}
