//! `driftwarden issues`.

use super::Context;
use crate::cli::IssuesArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &IssuesArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`issues` has not landed yet", "rebuild from a newer commit").into())
}
