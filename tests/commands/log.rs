//! The log: what every command did, one JSON object a line; and with `-v` the same story on standard error.

use super::planned;
use crate::sandbox::case::Case;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

fn lines(case: &Case) -> Vec<Value> {
    let text = fs::read_to_string(case.folder().join("logs/driftwarden.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect()
}

#[test]
fn every_operation_is_logged_and_told_on_request() {
    let case = planned();
    for (arguments, told) in [
        (
            &["plan", "-v", "--out", "plans/q.json"][..],
            &[
                "started",
                "connected to production",
                "compared",
                "plan written",
                "ended",
            ][..],
        ),
        (
            &["approve", "-v", "plans/q.json", "--all"],
            &["started", "decided", "ended"],
        ),
        (
            &["apply", "-v", "plans/q.json"],
            &[
                "started",
                "connected to the local server",
                "entry ended",
                "applied",
                "ended",
            ],
        ),
    ] {
        let before = lines(&case).len();
        let output = case.driftwarden(arguments).exits(0);
        assert!(
            !output.stderr.contains('\u{1b}'),
            "colour off a terminal: {}",
            output.stderr
        );
        let all = lines(&case);
        let own = &all[before..];
        let runs: BTreeSet<&str> = own.iter().filter_map(|line| line["run"].as_str()).collect();
        assert_eq!(runs.len(), 1, "one run: {own:#?}");
        for line in own {
            assert!(
                line["time"]
                    .as_str()
                    .is_some_and(|time| time.ends_with('Z')),
                "{line}"
            );
            assert!(
                line["level"].is_string() && line["module"].is_string(),
                "{line}"
            );
        }
        let logged = messages(own);
        let mut rest = logged.as_slice();
        for message in told {
            let place = rest.iter().position(|found| found == message);
            let place = place.unwrap_or_else(|| panic!("{message}: {logged:?}"));
            rest = &rest[place + 1..];
        }
        // The same, in the same order, on standard error.
        let mut shown = output.stderr.as_str();
        for message in &logged {
            let place = shown.find(message);
            let place = place.unwrap_or_else(|| panic!("{message} is not told: {output}"));
            shown = &shown[place + message.len()..];
        }
        let ended = own.last().unwrap();
        assert_eq!(ended["exit_code"], 0, "{ended}");
        assert!(ended["milliseconds"].is_u64(), "{ended}");
    }
    let compared: Vec<Value> = lines(&case)
        .into_iter()
        .filter(|line| line["message"] == "compared")
        .collect();
    assert!(
        compared
            .iter()
            .any(|line| line.to_string().contains(&case.name("db"))),
        "{compared:#?}"
    );
}

#[test]
fn the_level_is_the_config_s() {
    let case = planned();
    let count = |level: &str| {
        case.write_config(
            &json!([case.name("db")]),
            &json!({"log": {"level": level, "file": format!("logs/{level}.jsonl")}}),
        );
        case.driftwarden(&["plan", "--out", &format!("plans/{level}.json")])
            .exits(0);
        let text = fs::read_to_string(case.folder().join(format!("logs/{level}.jsonl")));
        text.unwrap_or_default().lines().count()
    };
    let [error, info, debug] = ["error", "info", "debug"].map(count);
    assert!(
        error == 0 && info > 5 && debug > info,
        "{error} {info} {debug}"
    );
}

#[test]
fn a_log_that_is_full_is_put_aside() {
    let case = planned();
    let file = case.folder().join("logs/driftwarden.jsonl");
    let old = "{\"message\":\"old\"}\n".repeat(700_000);
    fs::write(&file, &old).unwrap();
    case.driftwarden(&["validate", "plans/p.json"]).exits(0);
    case.driftwarden(&["plan", "--out", "plans/q.json"])
        .exits(0);
    let aside = case.folder().join("logs/driftwarden.jsonl.1");
    assert_eq!(fs::read_to_string(aside).unwrap(), old);
    assert!(messages(&lines(&case)).contains(&"plan written"));
}
