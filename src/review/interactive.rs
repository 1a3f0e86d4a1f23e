//! The conversation at a terminal: one change at a time.
//!
//! Reads answers from a [`Prompt`], which tests write themselves. Saves after every answer, so that nothing is lost.

use super::{Reviewer, Selector, decide, waiting};
use crate::plan::{Decision, Entry, Plan, PlanRow, Risk, file};
use crate::value::quoted;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;
use time::OffsetDateTime;

/// The person at the other end.
pub trait Prompt {
    /// Shows a change, with its place among all; whole, or with its long values folded.
    ///
    /// # Errors
    /// When printing fails.
    fn show(
        &mut self,
        plan: &Plan,
        entry: &Entry,
        place: (usize, usize),
        whole: bool,
    ) -> Result<()>;
    /// Shows one row of a change.
    ///
    /// # Errors
    /// When printing fails.
    fn show_row(&mut self, entry: &Entry, row: &PlanRow, whole: bool) -> Result<()>;
    /// Returns whether a change's own text, as it is shown, holds a text in lower case.
    fn holds(&self, plan: &Plan, entry: &Entry, text: &str) -> bool;
    /// Says something.
    ///
    /// # Errors
    /// When printing fails.
    fn say(&mut self, text: &str) -> Result<()>;
    /// Asks for one key, in lower case; `None` at the end of input. `forms` are the same question, longest first: what
    /// fits is asked.
    ///
    /// # Errors
    /// When reading fails.
    fn key(&mut self, forms: &[&str]) -> Result<Option<String>>;
    /// Asks for a line; `None` at the end of input.
    ///
    /// # Errors
    /// When reading fails.
    fn line(&mut self, question: &str) -> Result<Option<String>>;
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
y  approve this change          n  deny it
s  skip it for now              u  undecide it
a  approve all of this table    d  deny all of this table
f  approve all that is safe     r  approve all that is left
o  decide row by row            v  view it whole
b  back to the change before    /  search
g  go to a number or an id      q  quit; decisions are kept
?  this list";

const QUESTION: [&str; 3] = [
    "Approve? [y]es [n]o [s]kip, [a]ll of the table, all sa[f]e, r[o]ws, [v]iew, [b]ack, [/] search, [g]o to, [q]uit, [?]",
    "[y]es [n]o [s]kip [a]ll sa[f]e r[o]ws [v]iew [b]ack [/]find [g]o [q]uit [?]",
    "Approve? [y n s a f o v b / g q ?]",
];

/// Keys that the question takes.
const ANSWERS: &str = "ynsadufrovb/gq";

const ROW_KEYS: &str = "\
y  approve this row             n  deny it
s  leave it to the change       v  view it whole
a  approve the change, with the rows that are not decided
d  deny it likewise
b  back to the row before       q  back to the change
?  this list";

/// Keys that a row's question takes.
const ROW_ANSWERS: &str = "ynsadvbq";

/// Asks until the answer is one of the keys; `?` lists them, and nothing is shown again for a slip of the finger.
fn ask(prompt: &mut dyn Prompt, forms: &[&str], keys: &str, list: &str) -> Result<Option<String>> {
    loop {
        match prompt.key(forms)? {
            Some(key) if key == "?" => prompt.say(list)?,
            Some(key) if !key.is_empty() && keys.contains(&key) => return Ok(Some(key)),
            Some(key) => {
                prompt.say(&format!("{} is no answer here: ? lists them", quoted(&key)))?;
            }
            None => return Ok(None),
        }
    }
}

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
    let mut walk = Walk::default();
    loop {
        let Some(entry) = plan.entries.get(walk.place) else {
            // Whoever jumped ahead is led back to what was not asked about yet.
            match walk.unasked(plan) {
                Some(place) => walk.place = place,
                None => return Ok(ReviewOutcome::Finished),
            }
            continue;
        };
        // Steps back, jumps and searches come to decided changes by name; the walk forward does not.
        if entry.decision != Decision::Pending && !all_decided && !walk.came_here {
            walk.place += 1;
            continue;
        }
        walk.came_here = false;
        let before = plan.clone();
        let step = walk.ask(plan, prompt)?;
        if *plan != before {
            reviewer.sign(&mut plan.review, now);
            file::save_decisions(plan_path, plan)?;
        }
        match step {
            Step::Next => walk.place += 1,
            Step::Stay => {}
            Step::Quit => return Ok(ReviewOutcome::Quit),
        }
    }
}

enum Step {
    Next,
    Stay,
    Quit,
}

/// Where the conversation stands.
#[derive(Default)]
struct Walk {
    place: usize,
    /// Whether the reviewer came to this place by name.
    came_here: bool,
    /// Whether this place is shown whole.
    whole: bool,
    /// What was searched for last.
    search: String,
    /// The places that were passed on purpose, undecided.
    passed: BTreeSet<usize>,
}

impl Walk {
    fn go(&mut self, place: usize) -> Step {
        self.place = place;
        self.came_here = true;
        Step::Stay
    }

    /// Returns the first undecided place that nobody was asked about.
    fn unasked(&self, plan: &Plan) -> Option<usize> {
        let mut entries = plan.entries.iter().enumerate();
        entries
            .find(|(place, entry)| {
                entry.decision == Decision::Pending && !self.passed.contains(place)
            })
            .map(|(place, _)| place)
    }

    /// Asks about the change at this place.
    fn ask(&mut self, plan: &mut Plan, prompt: &mut dyn Prompt) -> Result<Step> {
        let place = self.place;
        let Some(entry) = plan.entries.get(place) else {
            return Ok(Step::Next);
        };
        let (id, object, own) = (
            entry.id.clone(),
            entry.object.clone(),
            entry.needs_own_approval,
        );
        let whole = std::mem::take(&mut self.whole);
        prompt.show(plan, entry, (place + 1, plan.entries.len()), whole)?;
        let selector = [Selector::Id(id.clone())];
        let of_table = |plan: &Plan| rest(plan, 0, |entry| entry.object == object);
        let Some(key) = ask(prompt, &QUESTION, ANSWERS, KEYS)? else {
            return Ok(Step::Quit);
        };
        match key.as_str() {
            "y" => {
                if own && !confirm(plan, place, prompt)? {
                    return Ok(self.go(place));
                }
                decide(plan, &selector, Decision::Approve)?;
                say_what_it_waits_for(plan, &id, prompt)?;
            }
            "n" => drop(decide(plan, &selector, Decision::Deny)?),
            "u" => {
                drop(decide(plan, &selector, Decision::Pending)?);
                self.passed.insert(place);
            }
            "s" => drop(self.passed.insert(place)),
            "a" => approve_several(plan, &of_table(plan), prompt)?,
            "d" => {
                let denied = decide(plan, &of_table(plan), Decision::Deny)?;
                prompt.say(&format!("denied {}", changes(denied.set.len())))?;
            }
            "f" => {
                let safe = rest(plan, 0, |entry| entry.risk == Risk::Safe);
                approve_several(plan, &safe, prompt)?;
                // The one in hand may be destructive: it is still to be decided.
                return Ok(Step::Stay);
            }
            "r" => {
                let rest = rest(plan, 0, |_| true);
                approve_several(plan, &rest, prompt)?;
            }
            "o" => {
                if !one_by_one(plan, place, prompt)? {
                    return Ok(self.go(place));
                }
                self.passed.insert(place);
            }
            "v" => {
                self.whole = true;
                return Ok(self.go(place));
            }
            "b" => return Ok(self.go(place.saturating_sub(1))),
            "/" => return self.search(plan, prompt),
            "g" => return self.jump(plan, prompt),
            _ => return Ok(Step::Quit),
        }
        Ok(Step::Next)
    }

    fn search(&mut self, plan: &Plan, prompt: &mut dyn Prompt) -> Result<Step> {
        let Some(text) = prompt.line("search for (again: Enter):")? else {
            return Ok(Step::Quit);
        };
        if !text.trim().is_empty() {
            self.search = text.trim().to_lowercase();
        }
        let after = (self.place + 1..plan.entries.len()).chain(0..=self.place);
        let found = after.into_iter().find(|place| {
            plan.entries.get(*place).is_some_and(|entry| {
                entry.id.to_lowercase().contains(&self.search)
                    || prompt.holds(plan, entry, &self.search)
            })
        });
        if found.is_none() {
            prompt.say(&format!("no change has {} in it", quoted(&self.search)))?;
        }
        Ok(self.go(found.unwrap_or(self.place)))
    }

    fn jump(&mut self, plan: &Plan, prompt: &mut dyn Prompt) -> Result<Step> {
        let Some(text) = prompt.line("go to (number, id or table):")? else {
            return Ok(Step::Quit);
        };
        let text = text.trim();
        let count = plan.entries.len();
        let place = match text.parse::<usize>() {
            Ok(number) if (1..=count).contains(&number) => Some(number - 1),
            _ => plan.entries.iter().position(|entry| {
                let table = entry.object.split_once('.').map_or("", |(_, name)| name);
                [entry.id.as_str(), entry.object.as_str(), table].contains(&text)
            }),
        };
        if let Some(place) = place {
            return Ok(self.go(place));
        }
        let names = plan.entries.iter().flat_map(|entry| {
            let table = entry.object.split_once('.').map_or("", |(_, name)| name);
            [table, entry.object.as_str(), entry.id.as_str()]
        });
        let near = super::selector::near(text, names);
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", near.join(" or "))
        };
        prompt.say(&format!(
            "there is no change {} among {count}{hint}",
            quoted(text)
        ))?;
        Ok(self.go(self.place))
    }
}

/// Selects undecided changes, each by its id.
fn rest(plan: &Plan, from: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Selector> {
    plan.entries
        .iter()
        .skip(from)
        .filter(|entry| entry.decision == Decision::Pending && wanted(entry))
        .map(|entry| Selector::Id(entry.id.clone()))
        .collect()
}

fn changes(count: usize) -> String {
    format!("{count} {}", if count == 1 { "change" } else { "changes" })
}

/// Approves several at once: those that need their own approval are left for their own question.
fn approve_several(plan: &mut Plan, selectors: &[Selector], prompt: &mut dyn Prompt) -> Result<()> {
    let (own, others): (Vec<_>, Vec<_>) = selectors.iter().cloned().partition(|selector| {
        plan.entries
            .iter()
            .any(|entry| entry.needs_own_approval && selector.matches(entry))
    });
    let decided = decide(plan, &others, Decision::Approve)?;
    prompt.say(&format!("approved {}", changes(decided.set.len())))?;
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

fn say_what_it_waits_for(plan: &Plan, id: &str, prompt: &mut dyn Prompt) -> Result<()> {
    for entry in waiting(plan).iter().filter(|entry| entry.id == id) {
        for (needed, decision) in &entry.needs {
            let how = match decision {
                Decision::Deny => "denied",
                _ => "still pending",
            };
            prompt.say(&format!("note: it depends on {needed}, which is {how}"))?;
        }
    }
    Ok(())
}

fn confirm(plan: &Plan, place: usize, prompt: &mut dyn Prompt) -> Result<bool> {
    if let Some(entry) = plan.entries.get(place) {
        prompt.say(&entry.reasons.join("; "))?;
    }
    let answer = prompt.line("type `yes` to approve this change on its own:")?;
    Ok(answer.is_some_and(|answer| answer.trim() == "yes"))
}

/// Asks about every row in the plan file; returns whether the change as a whole is settled by that.
fn one_by_one(plan: &mut Plan, place: usize, prompt: &mut dyn Prompt) -> Result<bool> {
    let Some(entry) = plan.entries.get(place) else {
        return Ok(false);
    };
    let in_payload = entry.payload.is_some();
    let shown = if in_payload {
        &entry.preview
    } else {
        &entry.rows
    };
    let (id, rows) = ([Selector::Id(entry.id.clone())], shown.clone());
    if rows.is_empty() {
        prompt.say("this change has no rows in the plan file: decide on it as a whole")?;
        return Ok(false);
    }
    let (mut at, mut whole) = (0, false);
    while let (Some(row), Some(entry)) = (rows.get(at), plan.entries.get_mut(place)) {
        let mut shown = row.clone();
        shown.decision = Some(entry.decision_of(row));
        prompt.show_row(entry, &shown, std::mem::take(&mut whole))?;
        let place_of = format!("Row {} of {}", row.row, rows.len());
        let forms = [
            format!(
                "{place_of}: [y]es [n]o [s]kip, [a]ll, [d]eny all, [v]iew, [b]ack, [q] to the change, [?]"
            ),
            format!("{place_of} [y n s a d v b q ?]"),
        ];
        let forms = forms.each_ref().map(String::as_str);
        let Some(key) = ask(prompt, &forms, ROW_ANSWERS, ROW_KEYS)? else {
            return Ok(false);
        };
        match key.as_str() {
            "y" => super::decide::set_row(entry, row.row, Decision::Approve),
            "n" => super::decide::set_row(entry, row.row, Decision::Deny),
            "s" => {}
            "a" => {
                if entry.needs_own_approval && !confirm(plan, place, prompt)? {
                    return Ok(false);
                }
                decide(plan, &id, Decision::Approve)?;
                return Ok(true);
            }
            "d" => {
                decide(plan, &id, Decision::Deny)?;
                return Ok(true);
            }
            "b" => {
                at = at.saturating_sub(1);
                continue;
            }
            "v" => {
                whole = true;
                continue;
            }
            _ => return Ok(false),
        }
        at += 1;
    }
    let count = plan
        .entries
        .get(place)
        .and_then(|entry| entry.count)
        .unwrap_or(0);
    let left = count.saturating_sub(rows.len() as u64);
    if left > 0 {
        prompt.say(&format!(
            "{left} more rows are in the payload: they follow the change's decision"
        ))?;
        return Ok(false);
    }
    if let Some(entry) = plan.entries.get_mut(place) {
        settle(entry);
    }
    Ok(true)
}

/// Gives a change whose rows are all decided the decision that they come to, so that it is not asked about again.
fn settle(entry: &mut Entry) {
    let own: Option<Vec<Decision>> = match &entry.payload {
        None => entry.rows.iter().map(|row| row.decision).collect(),
        Some(_) => Some(entry.row_decisions.values().copied().collect())
            .filter(|own: &Vec<_>| Some(own.len() as u64) == entry.count),
    };
    let Some(own) = own.filter(|own| !own.contains(&Decision::Pending)) else {
        return;
    };
    if own.contains(&Decision::Approve) {
        // What needs an approval of its own got one row by row; the word for the whole is the reviewer's.
        if !entry.needs_own_approval {
            entry.decision = Decision::Approve;
        }
    } else if !own.is_empty() {
        entry.decision = Decision::Deny;
    }
}

#[cfg(test)]
mod tests;
