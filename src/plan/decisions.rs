//! What the decisions in a plan amount to.
//!
//! Pure. Must never change one: that is `review`'s.

use super::{Decision, Entry, Plan, PlanRow};

impl Plan {
    /// Returns whether anyone decided anything about the plan.
    pub fn any_decided(&self) -> bool {
        self.entries.iter().any(Entry::any_decided)
    }

    /// Returns whether anything is approved.
    pub fn any_approved(&self) -> bool {
        self.entries.iter().any(Entry::any_approved)
    }

    /// Returns the entry of that id.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Returns how many entries have the decision, rows aside.
    pub fn count_decided(&self, decision: Decision) -> usize {
        let decided = |entry: &&Entry| entry.decision == decision;
        self.entries.iter().filter(decided).count()
    }
}

impl Entry {
    /// Returns the decision that holds for a row: its own, otherwise the entry's.
    pub fn decision_of(&self, row: &PlanRow) -> Decision {
        self.row_decisions
            .get(&row.row)
            .copied()
            .or(row.decision)
            .unwrap_or(self.decision)
    }

    /// Returns whether the entry, or at least one of its rows, is approved.
    pub fn any_approved(&self) -> bool {
        let rows = self.rows.iter().filter_map(|row| row.decision);
        let single = rows.chain(self.row_decisions.values().copied());
        self.decision == Decision::Approve || single.into_iter().any(|it| it == Decision::Approve)
    }

    /// Returns whether anyone decided anything about the entry.
    pub fn any_decided(&self) -> bool {
        self.decision != Decision::Pending
            || !self.row_decisions.is_empty()
            || self
                .rows
                .iter()
                .chain(&self.preview)
                .any(|row| row.decision.is_some())
    }
}
