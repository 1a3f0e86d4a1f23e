//! Decisions: who approves what, from a command, a file, an editor or a conversation at the terminal.
//!
//! Must never change anything of a plan but its decisions and `review`, and must never approve an entry that needs its
//! own approval by anything but its exact id.

pub mod carry;
pub mod decide;
pub mod edit;
pub mod from_file;
pub mod interactive;
pub mod selector;

pub use decide::{Decided, Waiting, decide, waiting};
pub use interactive::{Prompt, ReviewOutcome, interactive};
pub use selector::Selector;

use crate::plan::Review;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Who decides, when and why, as kept with the decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reviewer {
    /// Name.
    pub by: Option<String>,
    /// Reason.
    pub note: Option<String>,
}

impl Reviewer {
    /// Records the reviewer in a plan; a note that was there stays where none is given.
    pub fn sign(&self, review: &mut Review, now: OffsetDateTime) {
        review.by.clone_from(&self.by);
        let whole_seconds = now.replace_nanosecond(0).unwrap_or(now);
        review.at = whole_seconds.format(&Rfc3339).ok();
        if self.note.is_some() {
            review.note.clone_from(&self.note);
        }
    }
}
