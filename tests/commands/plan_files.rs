//! A plan file that is not as it was made is refused, with the place and the next step, and nothing is executed.

use super::{approved, local};
use std::fs;

/// Changes the plan's text, and says what apply and validate must answer.
fn refused(change: impl Fn(String) -> String, code: i32, said: &str) {
    let case = approved();
    let before = local(&case);
    let path = case.folder().join("plans/p.json");
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "the change changes something");
    fs::write(&path, changed).unwrap();
    for command in ["apply", "validate"] {
        case.driftwarden(&[command, "plans/p.json"])
            .exits(code)
            .says(said)
            .says("next: ");
    }
    assert_eq!(local(&case), before);
}

#[test]
fn an_edited_plan_is_refused_by_the_entry() {
    refused(|text| text.replace("\"new\"", "\"evil\""), 3, "t.update");
}

#[test]
fn edited_sql_is_refused() {
    refused(
        |text| text.replace("ADD COLUMN `added` int", "ADD COLUMN `added` bigint"),
        3,
        "u.expand",
    );
}

#[test]
fn a_truncated_plan_is_refused() {
    refused(|text| text[..text.len() / 2].to_owned(), 3, "plans/p.json");
}

#[test]
fn a_plan_of_another_version_is_refused() {
    refused(
        |text| text.replace("\"format_version\": 1", "\"format_version\": 2"),
        3,
        "format_version",
    );
}

#[test]
fn an_unknown_field_is_refused() {
    refused(
        |text| text.replacen("\"kind\":", "\"surprise\": 1, \"kind\":", 1),
        3,
        "surprise",
    );
}

#[test]
fn a_reformatted_plan_is_as_good() {
    let case = approved();
    let path = case.folder().join("plans/p.json");
    let value: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    fs::write(&path, value.to_string()).unwrap();
    case.driftwarden(&["validate", "plans/p.json"]).exits(0);
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
}

#[test]
fn a_plan_that_is_not_there_is_an_error() {
    let case = approved();
    case.driftwarden(&["apply", "plans/q.json"])
        .exits(1)
        .says("plans/q.json");
}

#[test]
fn a_plan_with_decisions_is_not_overwritten() {
    let case = approved();
    let path = case.folder().join("plans/p.json");
    let text = fs::read_to_string(&path).unwrap();
    let output = case.driftwarden(&["plan", "--out", "plans/p.json"]);
    assert_ne!(output.code, Some(0), "{output}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}
