//! Faults at every named step: connections cut, frozen and killed, servers and sshd restarted, errors that pass and errors that do not.
//!
//! Each run either goes on and gives what it gives without a fault, or fails with exit 1 and says what to do; nothing is left behind
//! on either server or this machine.

mod apply;
mod later;
mod leftovers;
mod plan;
pub(crate) mod proxy;
mod revert;
mod servers;

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;
use proxy::{Proxy, What, When};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Every kind of table and change that a step may be about.
const REMOTE: &str = "
    CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, UNIQUE KEY (name));
    INSERT INTO parent VALUES (1,'one'),(2,'two'),(3,'three');
    CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, v VARCHAR(40), added INT, KEY (parent_id), CONSTRAINT f FOREIGN KEY (parent_id) REFERENCES parent (id));
    INSERT INTO child VALUES (1,1,'new',NULL),(2,2,'same',NULL),(3,3,'added',7);
    CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(100));
    INSERT INTO big SELECT a.n * 100 + b.n * 10 + c.n, REPEAT('x', 90) FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) a,
        (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b,
        (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) c;
    CREATE TABLE bag (a INT, b VARCHAR(10)); INSERT INTO bag VALUES (1,'x'),(1,'x'),(2,'y');
    CREATE TABLE fresh (s VARCHAR(20) PRIMARY KEY, v INT); INSERT INTO fresh VALUES ('a',1),('b',2);
    CREATE VIEW w AS SELECT id, v FROM child;
    CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW SET NEW.v = NEW.v";
const LOCAL: &str = "
    CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(40), UNIQUE KEY (name));
    INSERT INTO parent VALUES (1,'two'),(2,'one'),(9,'gone');
    CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, v VARCHAR(40), gone INT, KEY (parent_id));
    INSERT INTO child VALUES (1,1,'old',1),(2,2,'same',2),(4,NULL,'extra',3);
    CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(100)); INSERT INTO big VALUES (1,'local'),(5000,'local');
    CREATE TABLE bag (a INT, b VARCHAR(10)); INSERT INTO bag VALUES (1,'x'),(3,'z');
    CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW SET NEW.v = NEW.v";

/// Waits between attempts that a test can afford.
const DELAYS: [&str; 3] = ["0s", "100ms", "300ms"];

/// A server on which a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Remote,
    Local,
    Ssh,
}

/// Returns a case with the drift above, which leads to its servers directly.
fn case(vendor: Vendor) -> Case {
    let case = Case::with_database(vendor, REMOTE, LOCAL);
    direct(&case);
    case
}

/// Writes a config without a proxy.
fn direct(case: &Case) {
    case.write_config(&json!([case.name("db")]), &settings(&json!({})));
}

fn settings(extra: &Value) -> Value {
    let mut all = json!({
        "plan": {"inline_rows": 100},
        "retry": {"delays": DELAYS},
    });
    for (key, value) in extra.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

/// Puts a proxy with a fault on the way to one of the servers.
pub(crate) fn faulty(case: &Case, at: At, when: When, what: What) -> Proxy {
    let setting = |key: &str| case.sandbox.setting(key).to_owned();
    let (proxy, extra) = match at {
        At::Remote => {
            let proxy = Proxy::start(setting("REMOTE_PORT").parse().unwrap(), when, what);
            let extra = json!({"remote": {"port": proxy.port}});
            (proxy, extra)
        }
        At::Local => {
            let proxy = Proxy::start(setting("LOCAL_PORT").parse().unwrap(), when, what);
            let extra = json!({"local": {
                "host": "127.0.0.1", "port": proxy.port, "socket": null, "user": "root",
                "password_env": "DRIFTWARDEN_LOCAL_PASSWORD",
            }});
            (proxy, extra)
        }
        At::Ssh => {
            let proxy = Proxy::start(ssh_port(case), when, what);
            let config = case.folder().join("ssh_config");
            let port = ssh_port(case);
            std::fs::write(
                &config,
                format!(
                    "Host prod\n Port {}\n HostKeyAlias [127.0.0.1]:{port}\nHost *\n Include {}\n",
                    proxy.port,
                    case.sandbox.ssh_config().display()
                ),
            )
            .unwrap();
            (
                proxy,
                json!({"ssh": {"host": "prod", "config_file": config}}),
            )
        }
    };
    case.write_config(&json!([case.name("db")]), &settings(&extra));
    proxy
}

fn ssh_port(case: &Case) -> u16 {
    let text = std::fs::read_to_string(case.sandbox.ssh_config()).unwrap();
    let (_, rest) = text.split_once("Port ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// A plan without what differs between two plans of the same content.
fn content(mut plan: Value) -> Value {
    let object = plan.as_object_mut().unwrap();
    for key in ["id", "digest", "created_at"] {
        object.remove(key);
    }
    plan["remote"].as_object_mut().unwrap().remove("snapshots");
    plan["parts"].as_object_mut().unwrap().remove("plan");
    // While a server does not answer, the other's snapshot is not kept.
    for table in plan["tables"].as_array_mut().unwrap() {
        let exactness = table["exactness"].as_str().unwrap();
        let seen = exactness.split("; read in ").next().unwrap().to_owned();
        table["exactness"] = seen.into();
    }
    plan
}

/// Asserts that nothing of this case's runs is left: no ssh master, no control folder, no scratch schema, no query.
#[track_caller]
fn nothing_left(case: &Case) {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let left = leftovers(case);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Folders of ssh masters of runs of this case, and what its runs are doing on the servers.
fn leftovers(case: &Case) -> Vec<String> {
    let mut left: Vec<String> = masters(case)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let name = case.name("db");
    for side in [Side::Remote, Side::Local] {
        let mut root = case.sandbox.root(side);
        let queries: Vec<String> = root
            .query(format!(
                "SELECT INFO FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO LIKE '%`{name}`%'"
            ))
            .unwrap();
        left.extend(
            queries
                .into_iter()
                .map(|query| format!("{side:?}: {query}")),
        );
    }
    left
}

/// Returns the folders of the ssh masters whose config leads to this case, living or not.
fn masters(case: &Case) -> Vec<PathBuf> {
    let tmp = case.folder().join("tmp");
    std::fs::read_dir(tmp)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("driftwarden-"))
        })
        .collect()
}

/// Runs the binary with a folder for temporary files of its own, so that what it leaves can be told from others'.
fn run(case: &Case, arguments: &[&str]) -> Output {
    Output::of(&mut command(case, arguments))
}

pub(crate) fn command(case: &Case, arguments: &[&str]) -> std::process::Command {
    let tmp = case.folder().join("tmp");
    std::fs::create_dir_all(&tmp).unwrap();
    let mut command = case.command(arguments);
    command.env("TMPDIR", tmp);
    command
}

/// The scratch schemas that runs of this case have left; their names hold the run's process id.
fn scratch_schemas(case: &Case) -> Vec<String> {
    let log = std::fs::read_to_string(case.folder().join("logs/driftwarden.jsonl")).unwrap();
    let runs: BTreeSet<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| Some(line["run"].as_str()?.split_once('-')?.1.to_owned()))
        .collect();
    let mut root = case.sandbox.root(Side::Local);
    let schemas: Vec<String> = root
        .query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
        .unwrap();
    schemas
        .into_iter()
        .filter(|name| {
            name.strip_prefix("driftwarden_scratch_")
                .and_then(|rest| rest.split('_').next())
                .is_some_and(|run| runs.contains(run))
        })
        .collect()
}

/// Every second one of the steps. Two tests on two vendors share a list: each step is struck on one of them, and with
/// `DRIFTWARDEN_FAULTS=all` every packet on both.
fn every_second<'s>(steps: &[&'s str], first: usize) -> Vec<&'s str> {
    steps.iter().copied().skip(first).step_by(2).collect()
}

/// Where faults strike, as packets of a run that was watched.
struct Steps(Vec<(String, usize)>);

impl Steps {
    /// Whether every packet is struck.
    fn all() -> bool {
        std::env::var("DRIFTWARDEN_FAULTS").is_ok_and(|value| value == "all")
    }

    /// Finds the last packet of each step; with `DRIFTWARDEN_FAULTS=all` every packet is one.
    #[track_caller]
    fn of(packets: &[String], steps: &[&str]) -> Self {
        if !Self::all() {
            return Self::named(packets, steps);
        }
        let numbered = packets.iter().zip(1..);
        Self(
            numbered
                .map(|(text, number)| (text.clone(), number))
                .collect(),
        )
    }

    /// Finds the last packet of each step.
    #[track_caller]
    fn named(packets: &[String], steps: &[&str]) -> Self {
        let number = |step: &str| {
            packets
                .iter()
                .rposition(|text| text.contains(step))
                .unwrap_or_else(|| panic!("no step {step} in {packets:#?}"))
                + 1
        };
        Self(
            steps
                .iter()
                .map(|step| ((*step).to_owned(), number(step)))
                .collect(),
        )
    }

    fn each(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(text, number)| (text.as_str(), *number))
    }
}
