//! Faults while planning: the plan is the one without a fault, or the run fails in words.

use super::proxy::{What, When};
use super::{At, Steps, case, content, every_second, faulty, nothing_left, run, scratch_schemas};
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Each step of reading production, by a piece of its statement.
const REMOTE_STEPS: &[&str] = &[
    "readonly",
    "SELECT @@version",
    "SET SESSION TRANSACTION READ ONLY",
    "SHOW GRANTS",
    "information_schema.SCHEMATA",
    "SHOW CREATE TABLE",
    "SHOW CREATE VIEW",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "SELECT (MIN(",
    "BIT_XOR(",
    "COMMIT",
    // A table that is copied.
    "ORDER BY `s` LIMIT",
    // Whole rows that differ.
    "`big` WHERE (`id` IN",
];

/// Each step of reading local and of proving.
const LOCAL_STEPS: &[&str] = &[
    "root",
    "SELECT @@version",
    "SHOW GRANTS",
    "SHOW CREATE TABLE",
    "LEFT(SCHEMA_NAME",
    "CREATE DATABASE `driftwarden_scratch",
    "CREATE TABLE `driftwarden_scratch",
    "ALTER TABLE `driftwarden_scratch",
    "DROP DATABASE IF EXISTS `driftwarden_scratch",
    "BIT_XOR(",
];

/// Plans into `plans/NAME.json`, and returns what the plan holds.
fn planned(case: &Case, name: &str) -> Value {
    run(case, &["plan", "--out", &format!("plans/{name}.json")]).exits(0);
    content(case.read_plan(name))
}

/// As [`planned`], without a fault on the way to a server, whose own way is `at`'s.
fn good(case: &Case, at: At) -> Value {
    let never = if at == At::Ssh {
        When::Connect(usize::MAX)
    } else {
        When::Never
    };
    let _way = faulty(case, at, never, What::Cut);
    planned(case, "good")
}

/// Asserts that a plan is what it is without a fault.
#[track_caller]
fn assert_same(case: &Case, name: &str, expected: &Value, why: &str, output: &Output) {
    let found = content(case.read_plan(name));
    let [found, expected] = [&found, expected].map(|plan| format!("{plan:#}"));
    assert!(
        found == expected,
        "{why}: {}\n{}",
        output.stderr,
        similar::TextDiff::from_lines(&expected, &found).unified_diff()
    );
}

/// Plans with a fault at each step, and asserts that the plan is the one without.
fn survives(vendor: Vendor, at: At, steps: &[&str], what: impl Fn() -> What) {
    Watched::of(vendor, at).survives(steps, what);
}

/// A case, its plan without a fault, and what that plan sent one of the servers.
struct Watched {
    case: Case,
    at: At,
    expected: Value,
    packets: Vec<String>,
}

impl Watched {
    fn of(vendor: Vendor, at: At) -> Self {
        let case = case(vendor);
        let watched = faulty(&case, at, When::Never, What::Cut);
        let expected = planned(&case, "watched");
        let packets = watched.packets();
        Self {
            case,
            at,
            expected,
            packets,
        }
    }

    fn survives(&self, steps: &[&str], what: impl Fn() -> What) {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let case = &self.case;
        for (step, packet) in Steps::of(&self.packets, steps).each() {
            let proxy = faulty(case, self.at, When::Packet(packet), what());
            let file = format!("f{}", FILES.fetch_add(1, Ordering::Relaxed));
            let output = run(case, &["plan", "--out", &format!("plans/{file}.json")]);
            assert!(
                proxy.struck(),
                "{step} did not come: {:#?}",
                proxy.packets()
            );
            let output = output.exits(0);
            assert_same(case, &file, &self.expected, step, &output);
            nothing_left(case);
        }
        assert_eq!(scratch_schemas(case), [""; 0]);
    }
}

#[test]
fn a_connection_cut_at_each_step_of_reading_production() {
    let steps = every_second(REMOTE_STEPS, 0);
    survives(Vendor::MySql, At::Remote, &steps, || What::Cut);
}

#[test]
fn an_answer_of_production_cut_short_at_each_step() {
    let steps = every_second(REMOTE_STEPS, 1);
    survives(Vendor::MariaDb, At::Remote, &steps, || What::CutAnswer(9));
}

#[test]
fn a_connection_cut_at_each_step_of_reading_local() {
    let steps = every_second(LOCAL_STEPS, 0);
    survives(Vendor::MySql, At::Local, &steps, || What::Cut);
}

#[test]
fn an_answer_of_local_lost_at_each_step() {
    let steps = every_second(LOCAL_STEPS, 1);
    survives(Vendor::MariaDb, At::Local, &steps, || What::LoseAnswer);
}

#[test]
fn errors_that_pass_are_waited_for() {
    // Query killed, too many connections, deadlock; shutdown, lock wait.
    for (at, step, codes) in [
        (At::Remote, "BIT_XOR(", &[1317, 1040, 1213][..]),
        (At::Local, "ALTER TABLE `driftwarden_scratch", &[1053, 1205]),
    ] {
        let watched = Watched::of(Vendor::MySql, at);
        for code in codes {
            watched.survives(&[step], || What::Answer(*code));
        }
    }
}

#[test]
fn a_login_that_is_refused_for_too_many_connections_is_made_later() {
    for at in [At::Remote, At::Local] {
        let case = case(Vendor::MySql);
        let expected = good(&case, at);
        faulty(&case, at, When::Connect(1), What::Answer(1040));
        let output = run(&case, &["plan", "--out", "plans/f.json"])
            .exits(0)
            .says("the server takes no further connection")
            .says("trying again at once");
        assert_same(&case, "f", &expected, "", &output);
    }
}

#[test]
fn what_trying_again_cannot_mend_fails_at_once() {
    let case = case(Vendor::MySql);
    let watched = faulty(&case, At::Remote, When::Never, What::Cut);
    run(&case, &["plan", "--out", "plans/watched.json"]).exits(0);
    let packets = watched.packets();
    // A privilege, and a row too large.
    for (code, said) in [
        (1142, "the account lacks a privilege"),
        (1153, "longer than max_allowed_packet"),
    ] {
        let (_, packet) = Steps::named(&packets, &["SELECT (MIN("])
            .each()
            .next()
            .unwrap();
        let proxy = faulty(&case, At::Remote, When::Packet(packet), What::Answer(code));
        let output = run(&case, &["plan", "--out", "plans/f.json"]);
        assert!(proxy.struck());
        let output = output.exits(1).says(said).says("next: ");
        assert!(!output.stderr.contains("trying again"), "{output}");
        nothing_left(&case);
    }
    // A statement's time limit: the table is left out, and said to be; the others go on.
    let (_, packet) = Steps::named(&packets, &["SELECT (MIN("])
        .each()
        .next()
        .unwrap();
    let proxy = faulty(&case, At::Remote, When::Packet(packet), What::Answer(3024));
    let output = run(&case, &["plan", "--out", "plans/f.json"]).exits(0);
    assert!(proxy.struck());
    assert!(
        output.stdout.contains("remote_limits.max_execution_time"),
        "{output}"
    );
    nothing_left(&case);
}

#[test]
fn a_server_that_stays_away_is_given_up_in_words() {
    let case = case(Vendor::MySql);
    let port = faulty(&case, At::Remote, When::Never, What::Cut).port;
    // Nobody listens on the port next to a proxy's own, as far as anyone can tell.
    case.write_config(
        &json!([case.name("db")]),
        &super::settings(&json!({"remote": {"port": port.wrapping_add(1)}})),
    );
    run(&case, &["plan"])
        .exits(1)
        .says("attempt 4 of 4")
        .says("nothing answers there")
        .says("next: ");
    nothing_left(&case);
}

/// Plans with a network that freezes at a step, and asserts that it is noticed and gone on from within the limit.
fn thaws(vendor: Vendor, at: At, step: Option<&str>, silent: usize) {
    let case = case(vendor);
    let expected = good(&case, at);
    let when = match step {
        None => When::Connect(1),
        Some(step) => {
            let watched = faulty(&case, at, When::Never, What::Cut);
            run(&case, &["plan", "--out", "plans/watched.json"]).exits(0);
            When::Packet(
                Steps::named(&watched.packets(), &[step])
                    .each()
                    .next()
                    .unwrap()
                    .1,
            )
        }
    };
    let proxy = faulty(&case, at, when, What::Freeze(silent));
    let output = run(&case, &["plan", "--out", "plans/f.json"]);
    assert!(proxy.struck());
    let output = output.exits(0).says("trying again");
    assert_same(&case, "f", &expected, "", &output);
    // What the program itself measured, where it is a statement that the server does not answer.
    if let Some((_, said)) = output.stderr.split_once("no answer for ") {
        let seconds: u64 = said.split(' ').next().unwrap().parse().unwrap();
        assert!(seconds <= 20, "{output}");
    }
    nothing_left(&case);
}

#[test]
fn a_production_that_freezes_in_a_statement_is_noticed() {
    thaws(Vendor::MySql, At::Remote, Some("BIT_XOR("), 2);
}

#[test]
fn a_production_that_freezes_at_the_login_is_noticed() {
    thaws(Vendor::MariaDb, At::Remote, None, 0);
}

#[test]
fn a_local_server_that_freezes_in_a_statement_is_noticed() {
    thaws(Vendor::MariaDb, At::Local, Some("BIT_XOR("), 2);
}

#[test]
fn a_local_server_that_freezes_in_a_proof_is_noticed() {
    thaws(
        Vendor::MySql,
        At::Local,
        Some("ALTER TABLE `driftwarden_scratch"),
        2,
    );
}

#[test]
fn an_ssh_host_that_freezes_at_the_login_is_noticed() {
    thaws(Vendor::MySql, At::Ssh, None, 0);
}

#[test]
fn an_ssh_connection_that_is_cut_is_made_again() {
    let case = case(Vendor::MySql);
    let expected = good(&case, At::Ssh);
    // In the middle of the key exchange, of the login, and of what goes through the tunnel.
    for bytes in [0, 30, 2_000, 4_500, 20_000] {
        let proxy = faulty(&case, At::Ssh, When::Connect(1), What::CutAnswer(bytes));
        let file = format!("f{bytes}");
        let output = run(&case, &["plan", "--out", &format!("plans/{file}.json")]);
        assert!(proxy.struck());
        let output = output.exits(0).says("trying again");
        assert_same(&case, &file, &expected, &file, &output);
        nothing_left(&case);
    }
}
