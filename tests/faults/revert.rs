//! Faults while a revert reads what an apply did: it writes the plan that it writes without a fault, at once.

use super::proxy::{What, When};
use super::{
    At, LOCAL, REMOTE, Steps, content, direct, faulty, nothing_left, run, scratch_schemas,
};
use crate::sandbox::case::Case;
use crate::sandbox::{Sandbox, Vendor};
use serde_json::json;
use std::collections::BTreeMap;

/// The beginning of a statement, without the names in it.
fn kind(packet: &str) -> String {
    let words = packet.split_whitespace().take(3);
    words
        .map(|word| word.split('`').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Reverts with a fault at the last packet of each kind (`DRIFTWARDEN_FAULTS=all`: at each), the logins left out.
fn survives(vendor: Vendor, what: impl Fn() -> What) {
    // On servers of its own: the scratch schemas that other tests leave and take away would change the number of packets.
    let case = Case::on(Sandbox::own(vendor)).filled(REMOTE, LOCAL);
    direct(&case);
    let plan = case.plan("p", &[]);
    case.approve_all("p", &plan);
    run(&case, &["apply", "plans/p.json"]).exits(0);
    let revert = |name: &str| run(&case, &["revert", "plans/p.json", "--out", name]);
    // The first login of an account takes two packets more.
    let watched = faulty(&case, At::Local, When::Never, What::Cut);
    revert("plans/first.json").exits(0);
    let watched_again = faulty(&case, At::Local, When::Never, What::Cut);
    revert("plans/good.json").exits(0);
    let good = content(case.read_plan("good"));
    assert!(good["entries"].as_array().unwrap().len() > 5, "{good:#}");
    drop(watched);
    let packets = watched_again.packets();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (packet, text) in (1..).zip(&packets) {
        last.insert(kind(text), packet);
    }
    let steps: Vec<(String, usize)> = if Steps::all() {
        packets.iter().cloned().zip(1..).collect()
    } else {
        last.into_iter().collect()
    };
    assert!(steps.len() > 8, "{steps:#?}");
    for (step, packet) in steps {
        let proxy = faulty(&case, At::Local, When::Packet(packet), what());
        let name = format!("plans/f{packet}.json");
        let output = revert(&name);
        assert!(proxy.struck(), "{step} did not come: {output}");
        let output = output.exits(0);
        let mut found = content(case.read_plan(&format!("f{packet}")));
        let mut expected = good.clone();
        for plan in [&mut found, &mut expected] {
            for entry in plan["entries"].as_array_mut().unwrap() {
                // Its file's name is its own.
                entry["payload"] = json!(entry["payload"]["sha256"]);
            }
        }
        assert!(found == expected, "{step}: {output}\n{found:#}");
        nothing_left(&case);
        assert!(scratch_schemas(&case).is_empty(), "{step}: {output}");
    }
}

#[test]
fn a_local_connection_cut_at_each_step_of_a_revert() {
    survives(Vendor::MySql, || What::Cut);
}

#[test]
fn an_answer_of_local_lost_at_each_step_of_a_revert() {
    survives(Vendor::MariaDb, || What::LoseAnswer);
}
