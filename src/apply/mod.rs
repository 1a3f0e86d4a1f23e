//! Executes the approved entries of a fresh plan on local.
//!
//! `Plan → ApprovedPlan → FreshPlan`: [`execute::execute`] takes a fresh plan and a local session, nothing else. Must
//! never touch a remote: what is needed of it is handed in as fingerprints.

pub mod approved;
mod bag;
mod counters;
mod demands;
pub mod execute;
mod foreign;
pub mod freshness;
pub mod revert;
mod rows;
mod save;
mod schema;
pub mod state;
mod table;
pub mod triggers;
pub mod undo;
mod unit;

pub use approved::ApprovedPlan;
pub use freshness::FreshPlan;

use crate::{connect, refusal, retry};

/// What leads on from an entry that was not, or not wholly, executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same apply, run again, finishes: once what the reason names has passed or is mended.
    ApplyAgain,
    /// The plan does not fit any more, or never did.
    PlanAgain,
}

/// Why an entry was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What was found.
    pub what: String,
    /// What to do about it, where more is known than what leads on.
    pub remedy: Option<String>,
    /// What leads on.
    pub next: Next,
    /// Whether the change was made all the same: what could not be completed is its undo record.
    pub made: bool,
}

impl Reason {
    /// The plan does not fit what is there.
    pub(crate) fn stale(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: None,
            next: Next::PlanAgain,
            made: false,
        }
    }

    /// What may pass.
    pub(crate) fn passing(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: None,
            next: Next::ApplyAgain,
            made: false,
        }
    }

    /// Of an error: what it names to do, and whether that or time alone mends it.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let remedy = refusal::remedy_of(error);
        // What is not there any more no apply finds again.
        let gone = matches!(connect::server_code(error), Some(1049 | 1146 | 1412));
        let mends = retry::broke(error) || remedy.is_some() && !gone;
        Self {
            what: refusal::summary(error),
            remedy: remedy.map(str::to_owned),
            next: if mends {
                Next::ApplyAgain
            } else {
                Next::PlanAgain
            },
            made: refusal::find::<undo::Unrecorded>(error).is_some(),
        }
    }

    /// Of an entry that waits for another, which did not come about for this reason.
    fn of_what_waits(&self, other: &str, ended: &str) -> Self {
        Self {
            what: format!("it depends on {other}, which {ended}"),
            remedy: None,
            next: self.next,
            made: false,
        }
    }

    /// What to do, in words.
    pub fn in_words(&self) -> &str {
        match (&self.remedy, self.next) {
            (Some(remedy), _) => remedy,
            (None, Next::ApplyAgain) => "apply the same plan again",
            (None, Next::PlanAgain) => "make a new plan: driftwarden plan",
        }
    }
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Executed; of a row entry, how many rows were changed.
    Done {
        /// Rows changed now; 0 for a schema entry.
        rows: u64,
    },
    /// Everything it wants was so already.
    AlreadyDone,
    /// Rows were left as they are, because they are not what the plan saw; the others were changed.
    Stale {
        /// Rows changed now.
        rows: u64,
        /// Rows left alone.
        stale: u64,
        /// The first of them, with what was found.
        examples: Vec<String>,
        /// What leads on.
        next: Next,
    },
    /// The user stopped it between two batches.
    Interrupted {
        /// Rows changed before.
        rows: u64,
    },
    /// Not executed, for a reason known beforehand.
    Refused(Reason),
    /// The server refused it, or the connection broke; nothing of it (or of its last batch) stands, unless its reason says
    /// so.
    Failed {
        /// Rows changed by the batches before.
        rows: u64,
        /// What failed.
        reason: Reason,
    },
}

/// An entry's id and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The entry.
    pub id: String,
    /// What became of it.
    pub ending: Ending,
}

/// What an apply did, entry by entry, in the order of execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The approved entries.
    pub reports: Vec<Report>,
    /// Triggers that were taken down and could not be put back, with what the server says.
    pub lost: Vec<String>,
    /// Tables of which it could not be noted how far they are brought up to date, with what the server says.
    pub unnoted: Vec<String>,
    /// Why the undo record could not be completed at the end.
    pub unrecorded: Option<Reason>,
    /// Whether the user interrupted it.
    pub interrupted: bool,
}

impl Outcome {
    /// Returns whether an entry was left out of which this leads on.
    pub fn leads_on_by(&self, wanted: Next) -> bool {
        let ended = self.unrecorded.as_ref();
        ended.is_some_and(|reason| reason.next == wanted)
            || self.reports.iter().any(|report| match &report.ending {
                Ending::Refused(reason) | Ending::Failed { reason, .. } => reason.next == wanted,
                Ending::Stale { next, .. } => *next == wanted,
                _ => false,
            })
    }

    /// Returns the exit code: 0 all done, 3 nothing executed, 4 some executed and some not, 1 nothing executed because
    /// of an error, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        if self.interrupted {
            return crate::interrupt::EXIT_CODE;
        }
        let any =
            |test: fn(&Ending) -> bool| self.reports.iter().any(|report| test(&report.ending));
        let executed = any(|ending| {
            matches!(ending, Ending::Done { .. })
                || matches!(
                    ending,
                    Ending::Stale { rows: 1.., .. } | Ending::Failed { rows: 1.., .. }
                )
                || matches!(ending, Ending::Failed { reason, .. } if reason.made)
        });
        let failed = any(|ending| matches!(ending, Ending::Failed { .. }))
            || !self.lost.is_empty()
            || self.unrecorded.is_some();
        let refused = any(|ending| matches!(ending, Ending::Refused(_) | Ending::Stale { .. }));
        match (executed, failed, refused) {
            (_, false, false) => 0,
            (true, ..) => 4,
            (false, true, _) => 1,
            (false, false, true) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Problem;
    use anyhow::anyhow;

    #[test]
    fn what_leads_on_is_told_by_what_an_error_is() {
        let of = |error: anyhow::Error| Reason::of(&error);
        let disk = of(Problem::new("no room for the record", "make room").into());
        assert_eq!(
            (disk.next, disk.in_words()),
            (Next::ApplyAgain, "make room")
        );
        let lost = of(anyhow::Error::new(retry::Transient {
            what: "connection lost".to_owned(),
        })
        .context("rows 1 to 2"));
        assert_eq!(lost.next, Next::ApplyAgain);
        let refused = of(anyhow!("the local server refused a statement"));
        assert_eq!(refused.next, Next::PlanAgain);
        let waits = disk.of_what_waits("s.t.insert", "failed");
        assert_eq!(waits.what, "it depends on s.t.insert, which failed");
        assert_eq!((waits.next, waits.remedy), (Next::ApplyAgain, None));
    }
}
