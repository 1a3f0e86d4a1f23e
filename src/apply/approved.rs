//! The approved part of a plan.
//!
//! Pure. Must never take a pending or denied decision for an approval.

use super::undo;
use crate::plan::{Decision, Entry, Plan, PlanRow, Risk};
use crate::refusal::Refusal;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A plan of which something is approved.
#[derive(Debug, Clone)]
pub struct ApprovedPlan {
    plan: Plan,
    path: PathBuf,
    yolo: bool,
    wanted: BTreeSet<String>,
}

impl ApprovedPlan {
    /// Takes a plan whose digest was verified. With `yolo` every pending decision counts as approved, but for entries
    /// that need their own approval.
    ///
    /// # Errors
    /// A [`Refusal`] when nothing is approved.
    pub fn new(plan: Plan, path: &Path, yolo: bool) -> Result<Self> {
        let mut approved = Self {
            plan,
            path: path.to_owned(),
            yolo,
            wanted: BTreeSet::new(),
        };
        approved.wanted = approved
            .plan
            .entries
            .iter()
            .filter(|entry| entry.any_approved() || approved.waves_through(entry))
            .map(|entry| entry.id.clone())
            .collect();
        if approved.wanted.is_empty() && !approved.plan.entries.is_empty() {
            let path = path.display();
            let own = approved
                .plan
                .entries
                .iter()
                .find(|entry| yolo && entry.needs_own_approval);
            return Err(match own {
                Some(entry) => Refusal::new(
                    format!(
                        "nothing of {path} is approved: {} needs approval by its id",
                        entry.id
                    ),
                    format!("driftwarden approve {path} {}", entry.id),
                ),
                None => Refusal::new(
                    format!("nothing of {path} is approved, so nothing was executed"),
                    if approved.any_safe_pending() {
                        format!("driftwarden review {path}, or driftwarden approve {path} --safe")
                    } else {
                        format!("driftwarden review {path}")
                    },
                ),
            }
            .into());
        }
        Ok(approved)
    }

    /// Returns whether `approve --safe` would do anything.
    fn any_safe_pending(&self) -> bool {
        let mut entries = self.plan.entries.iter();
        entries.any(|it| it.risk == Risk::Safe && it.decision == Decision::Pending)
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the plan's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the entries of which something is approved, in the plan's order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.plan
            .entries
            .iter()
            .filter(|entry| self.wants(&entry.id))
    }

    /// Returns whether something of the entry is approved.
    pub fn wants(&self, id: &str) -> bool {
        self.wanted.contains(id)
    }

    /// Returns whether a row, whose decision is the one that holds for it, is approved.
    pub fn wants_row(&self, entry: &Entry, row: &PlanRow) -> bool {
        self.wants_decided(entry, row.decision.unwrap_or(entry.decision))
    }

    /// Returns whether a row of the entry for which the decision holds is approved.
    pub fn wants_decided(&self, entry: &Entry, decision: Decision) -> bool {
        match decision {
            Decision::Approve => true,
            Decision::Pending => self.yolo && !entry.needs_own_approval,
            Decision::Deny => false,
        }
    }

    /// Returns the numbers of an entry's approved rows, as ranges.
    pub fn wanted_rows(&self, entry: &Entry) -> undo::Ranges {
        let decision = |number: u64| {
            let own = entry.row_decisions.get(&number).copied();
            own.unwrap_or(entry.decision)
        };
        let numbers = 1..=entry.count.unwrap_or(0);
        undo::ranges(numbers.filter(|number| self.wants_decided(entry, decision(*number))))
    }

    fn waves_through(&self, entry: &Entry) -> bool {
        self.yolo && entry.decision == Decision::Pending && !entry.needs_own_approval
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Kind;
    use crate::plan::example::{entry, plan};
    use crate::refusal::remedy_of;

    fn with(entries: Vec<Entry>) -> Plan {
        let mut plan = plan();
        plan.entries = entries;
        plan
    }

    #[test]
    fn what_is_safe_is_named_where_something_is() {
        let remedy = |risk| {
            let one = entry("s.t.delete", Kind::DeleteRows, risk);
            let error = ApprovedPlan::new(with(vec![one]), Path::new("p.json"), false).unwrap_err();
            remedy_of(&error).unwrap().to_owned()
        };
        assert_eq!(remedy(Risk::Destructive), "driftwarden review p.json");
        assert!(remedy(Risk::Safe).ends_with("driftwarden approve p.json --safe"));
    }

    #[test]
    fn approved_rows_are_told_by_their_numbers() {
        let mut rows = entry("s.t.insert", Kind::InsertRows, Risk::Safe);
        rows.count = Some(9);
        rows.decision = Decision::Approve;
        rows.row_decisions = [
            (1, Decision::Deny),
            (5, Decision::Deny),
            (6, Decision::Approve),
        ]
        .into();
        let approved =
            ApprovedPlan::new(with(vec![rows.clone()]), Path::new("x.json"), false).unwrap();
        assert_eq!(approved.wanted_rows(&rows), [(2, 4), (6, 9)]);
        rows.decision = Decision::Deny;
        assert_eq!(approved.wanted_rows(&rows), [(6, 6)]);
    }

    #[test]
    fn nothing_approved_is_a_refusal() {
        let plan = with(vec![entry("s.t.insert", Kind::InsertRows, Risk::Safe)]);
        let error = ApprovedPlan::new(plan, Path::new("plans/x.json"), false).unwrap_err();
        assert_eq!(crate::refusal::exit_code_of(&error), 3);
    }

    #[test]
    fn yolo_passes_by_what_is_denied_or_needs_its_own_approval() {
        let mut denied = entry("s.a.insert", Kind::InsertRows, Risk::Safe);
        denied.decision = Decision::Deny;
        let mut large = entry("s.b.delete", Kind::DeleteRows, Risk::Destructive);
        large.needs_own_approval = true;
        let pending = entry("s.c.insert", Kind::InsertRows, Risk::Safe);
        let approved = ApprovedPlan::new(
            with(vec![denied, large, pending]),
            Path::new("x.json"),
            true,
        )
        .unwrap();
        let ids: Vec<&str> = approved.entries().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["s.c.insert"]);
    }
}
