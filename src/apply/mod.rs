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
    },
    /// The user stopped it between two batches.
    Interrupted {
        /// Rows changed before.
        rows: u64,
    },
    /// Not executed, for a reason known beforehand.
    Refused(String),
    /// The server refused it, or the connection broke; nothing of it (or of its last batch) stands.
    Failed {
        /// Rows changed by the batches before.
        rows: u64,
        /// What failed.
        reason: String,
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
    /// Whether the user interrupted it.
    pub interrupted: bool,
    /// Whether something failed that may pass (a broken connection, a lock): the same apply, run again, finishes.
    pub unfinished: bool,
}

impl Outcome {
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
        });
        let failed = any(|ending| matches!(ending, Ending::Failed { .. })) || !self.lost.is_empty();
        let refused = any(|ending| matches!(ending, Ending::Refused(_) | Ending::Stale { .. }));
        match (executed, failed, refused) {
            (_, false, false) => 0,
            (true, ..) => 4,
            (false, true, _) => 1,
            (false, false, true) => 3,
        }
    }
}
