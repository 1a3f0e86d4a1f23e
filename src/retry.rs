//! Back-off: which failures are worth another attempt, and when it is made.
//!
//! Must never retry what trying again cannot mend (login, grants, host key), and must never retry in silence.

use std::fmt;

/// Marks an error in an `anyhow` chain as transient: the connection broke, and the step may be tried again on a new
/// one. Whatever was read of an unfinished result must be thrown away: a broken stream is an error, never an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transient {
    /// What broke, for the line that announces the next attempt.
    pub what: String,
}

impl fmt::Display for Transient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Transient {}

/// Returns whether trying the failed step again on a new connection may help.
pub fn is_transient(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Transient>())
}
