//! Every byte of a plan and of its payload changed: refused, or, where it is no more than a decision or white space, obeyed.

#![allow(clippy::print_stdout, reason = "says how much it tried")]

use super::plan_file;
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use driftwarden::plan::{Plan, digest, file, payload};
use std::fs;
use std::path::Path;

/// Places at which the real program is shown a changed file, of a plan and of a payload.
const SHOWN: usize = 150;
/// Places at which it is told to apply one.
const APPLIED: usize = 40;

const REMOTE: &str = "CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20), w INT);
    INSERT INTO t VALUES(1, 'new', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 4)";
const LOCAL: &str = "CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO t VALUES(1, 'old'), (9, 'gone')";

/// Returns an approved plan with a payload.
fn case(vendor: Vendor) -> Case {
    let case = Case::with_database(vendor, REMOTE, LOCAL);
    case.write_config(
        &serde_json::json!([case.name("db")]),
        &serde_json::json!({"plan": {"inline_rows": 2}}),
    );
    let plan = case.plan("p", &[]);
    case.approve_all("p", &plan);
    case
}

/// The bits of a byte that are flipped: one, another from byte to byte; with `DRIFTWARDEN_FAULTS=all` every one.
fn bits(place: usize) -> Vec<usize> {
    if std::env::var("DRIFTWARDEN_FAULTS").is_ok_and(|value| value == "all") {
        return (0..8).collect();
    }
    vec![place % 8]
}

/// Places all over a file, the first and the last byte among them.
fn spread(length: usize, places: usize) -> impl Iterator<Item = usize> {
    (0..places).map(move |number| number * (length - 1) / (places - 1))
}

/// What a changed plan text is taken for: a plan with other decisions at most, or nothing.
fn taken(bytes: &[u8]) -> Option<Plan> {
    let plan = file::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    digest::verify(&plan).ok()?;
    Some(plan)
}

#[test]
fn every_byte_of_a_plan() {
    let case = case(Vendor::MySql);
    let path = plan_file(&case);
    let made = fs::read(&path).unwrap();
    let plan = file::read(&path).unwrap();
    let content = digest::digest(&plan).unwrap();
    let (mut flips, mut obeyed) = (0, 0);
    for place in 0..made.len() {
        for bit in bits(place) {
            flips += 1;
            let mut bytes = made.clone();
            bytes[place] ^= 1 << bit;
            if let Some(taken) = taken(&bytes) {
                // Whatever passes has the content that was made.
                assert_eq!(digest::digest(&taken).unwrap(), content, "byte {place}");
                assert_eq!(taken.id, plan.id, "byte {place}");
                obeyed += 1;
            }
        }
    }
    assert!(obeyed < flips / 4, "{obeyed} of {flips} changes pass");
    println!("{flips} bits of a plan flipped, {obeyed} of them harmless");

    let before = case.dump(Side::Local, "db");
    let mut refused = Vec::new();
    for (number, place) in spread(made.len(), SHOWN).enumerate() {
        let mut bytes = made.clone();
        bytes[place] ^= 1 << (number % 7);
        if taken(&bytes).is_some() {
            continue;
        }
        // Beside the plan, so that its payload is found.
        let name = format!("plans/b{place}.json");
        fs::write(case.folder().join(&name), bytes).unwrap();
        refused.push(name);
    }
    let mut all = vec!["validate"];
    all.extend(refused.iter().map(String::as_str));
    let output = case.driftwarden(&all).exits(3);
    for name in &refused {
        let said = output.stdout.lines().find(|line| line.starts_with(name));
        assert!(
            said.is_some_and(|line| !line.ends_with(": ok")),
            "{name}: {output}"
        );
    }
    for name in refused.iter().step_by(refused.len() / APPLIED) {
        case.driftwarden(&["apply", name, "--yolo"])
            .exits(3)
            .says("next: ");
    }
    assert_eq!(case.dump(Side::Local, "db"), before);
}

#[test]
fn every_byte_of_a_payload() {
    let case = case(Vendor::MariaDb);
    let path = plan_file(&case);
    let plan = file::read(&path).unwrap();
    let entry = plan
        .entries
        .iter()
        .find(|entry| entry.payload.is_some())
        .unwrap();
    let stated = entry.payload.as_ref().unwrap();
    let there = file::payload_folder(&path, &plan).join(&stated.file);
    let made = fs::read(&there).unwrap();
    let flipped = |place: usize, bit: usize| {
        let mut bytes = made.clone();
        bytes[place] ^= 1 << bit;
        fs::write(&there, bytes).unwrap();
    };
    let mut flips = 0;
    for place in 0..made.len() {
        for bit in bits(place) {
            flips += 1;
            flipped(place, bit);
            let error = payload::check(stated, &plan.id, &path).unwrap_err();
            assert_eq!(
                driftwarden::refusal::exit_code_of(&error),
                3,
                "byte {place}"
            );
        }
    }
    println!("{flips} bits of a payload flipped, all refused");
    let before = case.dump(Side::Local, "db");
    for (number, place) in spread(made.len(), APPLIED).enumerate() {
        flipped(place, number % 8);
        case.driftwarden(&["validate", "plans/p.json"])
            .exits(3)
            .says("SHA-256");
    }
    // The other entries of the plan are as good as ever; this one is refused before anything of it is executed.
    let output = case.driftwarden(&["apply", "plans/p.json"]).exits(3);
    assert!(output.stderr.contains("SHA-256"), "{output}");
    assert_eq!(case.dump(Side::Local, "db"), before);
    for bytes in [&made[..made.len() - 1], &[&made[..], b"x"].concat(), b""] {
        fs::write(&there, bytes).unwrap();
        case.driftwarden(&["validate", "plans/p.json"]).exits(3);
    }
    fs::write(&there, &made).unwrap();
    assert_applies(&case, Path::new("plans/p.json"));
}

/// The unchanged files are good: the tests above refuse what they refuse for its change.
#[track_caller]
fn assert_applies(case: &Case, plan: &Path) {
    case.driftwarden(&["apply", plan.to_str().unwrap()])
        .exits(0);
    case.assert_equal(&[("db", "db")]);
}
