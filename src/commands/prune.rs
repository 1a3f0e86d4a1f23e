//! `driftwarden prune`.

use super::Context;
use crate::cli::PruneArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &PruneArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`prune` has not landed yet", "rebuild from a newer commit").into())
}
