//! Conversations, answered from a list.

use super::*;
use crate::plan::digest;
use crate::plan::example::plan;
use std::collections::VecDeque;
use time::macros::datetime;

/// Answers from a list, and keeps what was said.
struct Script(VecDeque<&'static str>, Vec<String>);

impl Prompt for Script {
    fn show(&mut self, _: &Plan, entry: &Entry, place: (usize, usize), whole: bool) -> Result<()> {
        let whole = if whole { " whole" } else { "" };
        self.1
            .push(format!("[{}/{}] {}{whole}", place.0, place.1, entry.id));
        Ok(())
    }
    fn show_row(&mut self, entry: &Entry, row: &PlanRow, _: bool) -> Result<()> {
        self.1.push(format!("{}#{}", entry.id, row.row));
        Ok(())
    }
    fn holds(&self, _: &Plan, entry: &Entry, text: &str) -> bool {
        entry
            .sql
            .iter()
            .any(|sql| sql.to_lowercase().contains(text))
    }
    fn say(&mut self, text: &str) -> Result<()> {
        self.1.push(text.to_owned());
        Ok(())
    }
    fn key(&mut self, _: &[&str]) -> Result<Option<String>> {
        Ok(self.0.pop_front().map(str::to_owned))
    }
    fn line(&mut self, _: &str) -> Result<Option<String>> {
        Ok(self.0.pop_front().map(str::to_owned))
    }
}

fn run_on(mut plan: Plan, answers: &[&'static str]) -> (Plan, ReviewOutcome, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    let mut fresh = plan.clone();
    for entry in &mut fresh.entries {
        entry.decision = Decision::Pending;
    }
    file::write(&path, &fresh).unwrap();
    let mut script = Script(answers.iter().copied().collect(), Vec::new());
    let reviewer = Reviewer {
        by: Some("ann".into()),
        note: None,
    };
    let now = datetime!(2026-11-24 08:00:00.5 UTC);
    let outcome = interactive(&mut plan, &path, &reviewer, now, &mut script).unwrap();
    let saved = file::read(&path).unwrap();
    digest::verify(&saved).unwrap();
    (saved, outcome, script.1)
}

fn decisions(plan: &Plan) -> Vec<Decision> {
    plan.entries.iter().map(|entry| entry.decision).collect()
}

fn rows(plan: &Plan) -> Vec<Option<Decision>> {
    plan.entries[1]
        .rows
        .iter()
        .map(|row| row.decision)
        .collect()
}

use Decision::{Approve, Deny, Pending};

#[test]
fn each_change_is_asked_about() {
    let (plan, outcome, said) = run_on(plan(), &["y", "n", "s", "?", "y"]);
    assert_eq!(decisions(&plan), [Approve, Deny, Pending, Approve]);
    assert_eq!(outcome, ReviewOutcome::Finished);
    assert!(said.contains(&KEYS.to_owned()));
    assert_eq!(plan.review.at.as_deref(), Some("2026-11-24T08:00:00Z"));
}

#[test]
fn quitting_and_the_end_of_input_keep_what_was_decided() {
    for answers in [&["y", "q"][..], &["y"]] {
        let (plan, outcome, _) = run_on(plan(), answers);
        assert_eq!(decisions(&plan), [Approve, Pending, Pending, Pending]);
        assert_eq!(outcome, ReviewOutcome::Quit);
    }
}

#[test]
fn looking_on_signs_nothing() {
    let (plan, _, _) = run_on(plan(), &["s", "?", "b", "q"]);
    assert_eq!(plan.review, crate::plan::Review::default());
}

#[test]
fn the_rest_and_the_table_pass_by_what_needs_its_own_approval() {
    let mut braked = plan();
    braked.entries[3].needs_own_approval = true;
    digest::seal(&mut braked).unwrap();
    for answer in ["r", "a"] {
        let (plan, _, said) = run_on(braked.clone(), &[answer, "y", "no", "y", "yes"]);
        assert_eq!(decisions(&plan), [Approve; 4]);
        assert!(said.iter().any(|it| it.contains("needs its own approval")));
    }
}

#[test]
fn safe_ones_go_through_and_the_risky_one_is_asked_about() {
    let (plan, _, said) = run_on(plan(), &["f", "n"]);
    assert_eq!(decisions(&plan), [Approve, Approve, Approve, Deny]);
    assert!(said.last().unwrap().contains("shop.users.contract"));
}

#[test]
fn rows_are_decided_one_by_one() {
    let (plan, _, said) = run_on(plan(), &["s", "o", "y", "n", "q"]);
    assert_eq!(rows(&plan), [Some(Approve), Some(Deny)]);
    assert_eq!(decisions(&plan)[1], Approve, "nothing of it is undecided");
    assert!(said.contains(&"shop.users.update#2".to_owned()));
}

#[test]
fn one_row_is_denied_and_all_else_of_its_change_approved() {
    let (plan, _, said) = run_on(plan(), &["s", "o", "s", "b", "n", "a", "q"]);
    assert_eq!(decisions(&plan)[1], Approve);
    assert_eq!(rows(&plan), [Some(Deny), None]);
    assert!(said.last().unwrap().contains("shop.users.insert"));
    let (plan, ..) = run_on(crate::plan::example::plan(), &["s", "o", "d", "q"]);
    assert_eq!((decisions(&plan)[1], rows(&plan)[0]), (Deny, None));
}

#[test]
fn back_search_and_jump_come_to_other_changes() {
    let (decided, _, _) = run_on(plan(), &["y", "b", "n", "/", "contract", "y", "q"]);
    assert_eq!(decisions(&decided), [Deny, Pending, Pending, Approve]);
    let (decided, _, said) = run_on(plan(), &["/", "DROP COLUMN", "n", "q"]);
    assert_eq!(decisions(&decided)[3], Deny);
    assert_eq!(said[1], "[4/4] shop.users.contract");
    let (decided, _, said) = run_on(
        plan(),
        &[
            "g",
            "3",
            "y",
            "g",
            "shop.users.expand",
            "y",
            "g",
            "9",
            "g",
            "shop.user.update",
            "q",
        ],
    );
    assert_eq!(decisions(&decided), [Approve, Pending, Approve, Pending]);
    assert!(said.iter().any(|it| it.contains("no change \"9\" among 4")));
    assert!(
        said.iter()
            .any(|it| it.contains("did you mean shop.users.update"))
    );
}

#[test]
fn a_change_whose_rows_are_all_denied_is_denied() {
    let (plan, ..) = run_on(plan(), &["s", "o", "n", "n", "q"]);
    assert_eq!(decisions(&plan)[1], Deny);
    let (plan, ..) = run_on(crate::plan::example::plan(), &["s", "o", "n", "s", "q"]);
    assert_eq!(decisions(&plan)[1], Pending);
}

#[test]
fn whoever_jumps_ahead_is_led_back_to_what_was_not_asked_about() {
    let (plan, outcome, said) = run_on(plan(), &["s", "g", "4", "n", "y", "y"]);
    assert_eq!(decisions(&plan), [Pending, Approve, Approve, Deny]);
    assert_eq!(outcome, ReviewOutcome::Finished);
    assert_eq!(
        said,
        [
            "[1/4] shop.users.expand",
            "[2/4] shop.users.update",
            "[4/4] shop.users.contract",
            "[2/4] shop.users.update",
            "note: it depends on shop.users.expand, which is still pending",
            "[3/4] shop.users.insert",
        ]
    );
}

#[test]
fn a_decision_is_taken_back() {
    let (plan, ..) = run_on(plan(), &["y", "b", "u", "q"]);
    assert_eq!(decisions(&plan)[0], Pending);
}

#[test]
fn a_change_is_viewed_whole_and_says_what_it_waits_for() {
    let (_, _, said) = run_on(plan(), &["n", "v", "y", "q"]);
    assert_eq!(said[2], "[2/4] shop.users.update whole");
    assert_eq!(
        said[3],
        "note: it depends on shop.users.expand, which is denied"
    );
}

#[test]
fn a_slip_of_the_finger_shows_nothing_again() {
    let (plan, _, said) = run_on(plan(), &["x", "?", "y", "q"]);
    assert_eq!(decisions(&plan)[0], Approve);
    let shown = said.iter().filter(|it| it.starts_with("[1/4]")).count();
    assert_eq!(shown, 1, "{said:?}");
    assert!(said.contains(&"\"x\" is no answer here: ? lists them".to_owned()));
    assert!(said.contains(&KEYS.to_owned()));
}

#[test]
fn a_jump_to_a_table_that_is_misspelt_names_the_right_one() {
    let (_, _, said) = run_on(plan(), &["g", "usres", "q"]);
    assert!(
        said.iter().any(|it| it.contains("did you mean users")),
        "{said:?}"
    );
}

#[test]
fn the_questions_fit_their_terminals() {
    assert!(QUESTION[1].len() + 2 < 80 && QUESTION[2].len() + 2 < 60);
    for list in [KEYS, ROW_KEYS] {
        assert!(list.lines().all(|line| line.len() < 60), "{list}");
    }
    for key in ANSWERS.chars().chain(ROW_ANSWERS.chars()) {
        assert!(KEYS.contains(key) || ROW_KEYS.contains(key), "{key}");
    }
}
