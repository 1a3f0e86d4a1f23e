//! The conversation at a terminal: one change at a time.
//!
//! Reads answers from a [`Prompt`], which tests write themselves. Saves after every answer, so that nothing is lost.

use super::{Reviewer, Selector, decide};
use crate::plan::{Decision, Entry, Plan, PlanRow, file};
use anyhow::Result;
use std::path::Path;
use time::OffsetDateTime;

/// The person at the other end.
pub trait Prompt {
    /// Shows a change, with its place among all.
    ///
    /// # Errors
    /// When printing fails.
    fn show(&mut self, plan: &Plan, entry: &Entry, place: (usize, usize)) -> Result<()>;
    /// Shows one row of a change.
    ///
    /// # Errors
    /// When printing fails.
    fn show_row(&mut self, entry: &Entry, row: &PlanRow) -> Result<()>;
    /// Says something.
    ///
    /// # Errors
    /// When printing fails.
    fn say(&mut self, text: &str) -> Result<()>;
    /// Asks for a line; `None` at the end of input.
    ///
    /// # Errors
    /// When reading fails.
    fn ask(&mut self, question: &str) -> Result<Option<String>>;
}

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// Every change was asked about.
    Finished,
    /// The reviewer left early; what was decided is kept.
    Quit,
}

const KEYS: &str = "\
y  approve this change          n  deny it             s  skip it
a  approve all of this table    d  deny all of this table
f  approve all that is safe     r  approve the rest
o  decide row by row            b  back                /TEXT  go to a change with this in its id
q  quit; decisions are kept     ?  this list";

/// Asks about every change that is not decided yet (about all where all are).
///
/// # Errors
/// When the plan cannot be saved, or reading and printing fail.
pub fn interactive(
    plan: &mut Plan,
    plan_path: &Path,
    reviewer: &Reviewer,
    now: OffsetDateTime,
    prompt: &mut dyn Prompt,
) -> Result<ReviewOutcome> {
    let all_decided = plan.count_decided(Decision::Pending) == 0;
    let mut place = 0;
    while let Some(entry) = plan.entries.get(place) {
        // Steps back and searches come to decided changes by name; the walk forward does not.
        if entry.decision != Decision::Pending && !all_decided {
            place += 1;
            continue;
        }
        match ask(plan, &mut place, prompt)? {
            Step::Next => place += 1,
            Step::Stay => continue,
            Step::Quit => return Ok(ReviewOutcome::Quit),
        }
        reviewer.sign(&mut plan.review, now);
        file::save_decisions(plan_path, plan)?;
    }
    Ok(ReviewOutcome::Finished)
}

enum Step {
    Next,
    Stay,
    Quit,
}

/// Asks about the change at `place`, and about those that the reviewer steps to from there.
fn ask(plan: &mut Plan, place: &mut usize, prompt: &mut dyn Prompt) -> Result<Step> {
    loop {
        let Some(entry) = plan.entries.get(*place) else {
            return Ok(Step::Stay);
        };
        prompt.show(plan, entry, (*place + 1, plan.entries.len()))?;
        let Some(answer) = prompt.ask("decide [y,n,s,a,d,f,r,o,b,/,q,?]")? else {
            return Ok(Step::Quit);
        };
        let id = Selector::Id(entry.id.clone());
        let of_table = of_object(plan, *place);
        match answer.trim() {
            "y" | "yes" | "approve" => {
                if entry.needs_own_approval && !confirm(entry, prompt)? {
                    continue;
                }
                decide(plan, &[id], Decision::Approve)?;
            }
            "n" | "no" | "deny" => drop(decide(plan, &[id], Decision::Deny)?),
            "s" | "skip" => {}
            "a" => approve_several(plan, &of_table, prompt)?,
            "d" => drop(decide(plan, &of_table, Decision::Deny)?),
            "f" => {
                let safe = rest(plan, *place, |entry| entry.risk == crate::plan::Risk::Safe);
                approve_several(plan, &safe, prompt)?;
                // The one in hand may be destructive: it is still to be decided.
                return Ok(Step::Stay);
            }
            "r" => {
                let rest = rest(plan, 0, |_| true);
                approve_several(plan, &rest, prompt)?;
            }
            "o" => {
                if !one_by_one(plan, *place, prompt)? {
                    continue;
                }
            }
            "b" | "back" => {
                *place = place.saturating_sub(1);
                continue;
            }
            "q" | "quit" => return Ok(Step::Quit),
            search if search.starts_with('/') && search.len() > 1 => {
                match find(plan, *place, &search[1..]) {
                    Some(found) => *place = found,
                    None => prompt.say("no change has that in its id")?,
                }
                continue;
            }
            _ => {
                prompt.say(KEYS)?;
                continue;
            }
        }
        return Ok(Step::Next);
    }
}

/// Selects the undecided changes of the same object as the one at `place`, each by a glob that is its id.
fn of_object(plan: &Plan, place: usize) -> Vec<Selector> {
    let object = plan.entries.get(place).map(|entry| entry.object.clone());
    rest(plan, 0, |entry| Some(&entry.object) == object.as_ref())
}

fn rest(plan: &Plan, from: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Selector> {
    plan.entries
        .iter()
        .skip(from)
        .filter(|entry| entry.decision == Decision::Pending && wanted(entry))
        .map(|entry| Selector::Id(entry.id.clone()))
        .collect()
}

/// Approves several at once: those that need their own approval are left for their own question.
fn approve_several(plan: &mut Plan, selectors: &[Selector], prompt: &mut dyn Prompt) -> Result<()> {
    let (own, others): (Vec<_>, Vec<_>) = selectors.iter().cloned().partition(|selector| {
        plan.entries
            .iter()
            .any(|entry| entry.needs_own_approval && selector.matches(entry))
    });
    let decided = decide(plan, &others, Decision::Approve)?;
    let count = decided.set.len();
    prompt.say(&format!(
        "approved {count} {}",
        if count == 1 { "change" } else { "changes" }
    ))?;
    for (id, reasons) in decided.destructive {
        prompt.say(&format!("  destructive: {id}: {}", reasons.join("; ")))?;
    }
    for selector in own {
        prompt.say(&format!(
            "  left: {} needs its own approval",
            selector.text()
        ))?;
    }
    Ok(())
}

fn confirm(entry: &Entry, prompt: &mut dyn Prompt) -> Result<bool> {
    prompt.say(&entry.reasons.join("; "))?;
    let answer = prompt.ask("type `yes` to approve this change on its own")?;
    Ok(answer.is_some_and(|answer| answer.trim() == "yes"))
}

/// Asks about every row in the plan file; false where there is none or the reviewer stops.
fn one_by_one(plan: &mut Plan, place: usize, prompt: &mut dyn Prompt) -> Result<bool> {
    let Some(entry) = plan.entries.get_mut(place) else {
        return Ok(false);
    };
    let shown = if entry.payload.is_some() {
        &entry.preview
    } else {
        &entry.rows
    };
    let rows = shown.clone();
    if rows.is_empty() {
        prompt.say("this change has no rows in the plan file: decide on it as a whole")?;
        return Ok(false);
    }
    for row in &rows {
        prompt.show_row(entry, row)?;
        let decision = match prompt
            .ask("this row [y,n,s, q: back to the change]")?
            .as_deref()
            .map(str::trim)
        {
            Some("y" | "yes") => Decision::Approve,
            Some("n" | "no") => Decision::Deny,
            Some("q" | "quit") | None => return Ok(false),
            _ => continue,
        };
        super::decide::set_row(entry, row.row, decision);
    }
    let left = entry.count.unwrap_or(0).saturating_sub(rows.len() as u64);
    if left > 0 {
        prompt.say(&format!(
            "{left} more rows are in the payload: they follow the change's decision"
        ))?;
        return Ok(false);
    }
    Ok(true)
}

fn find(plan: &Plan, from: usize, text: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let holds = |entry: &Entry| entry.id.to_lowercase().contains(&text);
    let after = (from + 1..plan.entries.len()).chain(0..=from);
    after
        .into_iter()
        .find(|place| plan.entries.get(*place).is_some_and(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::digest;
    use crate::plan::example::plan;
    use std::collections::VecDeque;
    use time::macros::datetime;

    /// Answers from a list, and keeps what was said.
    struct Script(VecDeque<&'static str>, Vec<String>);

    impl Prompt for Script {
        fn show(&mut self, _: &Plan, entry: &Entry, place: (usize, usize)) -> Result<()> {
            self.1
                .push(format!("[{}/{}] {}", place.0, place.1, entry.id));
            Ok(())
        }
        fn show_row(&mut self, entry: &Entry, row: &PlanRow) -> Result<()> {
            self.1.push(format!("{}#{}", entry.id, row.row));
            Ok(())
        }
        fn say(&mut self, text: &str) -> Result<()> {
            self.1.push(text.to_owned());
            Ok(())
        }
        fn ask(&mut self, _: &str) -> Result<Option<String>> {
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
        let rows: Vec<_> = plan.entries[1]
            .rows
            .iter()
            .map(|row| row.decision)
            .collect();
        assert_eq!(rows, [Some(Approve), Some(Deny)]);
        assert!(said.contains(&"shop.users.update#2".to_owned()));
    }

    #[test]
    fn back_and_search_come_to_other_changes() {
        let (plan, _, _) = run_on(plan(), &["y", "b", "n", "/contract", "y", "q"]);
        assert_eq!(decisions(&plan), [Deny, Pending, Pending, Approve]);
    }
}
