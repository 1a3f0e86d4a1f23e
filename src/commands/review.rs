//! `driftwarden review`.

use super::Context;
use crate::cli::ReviewArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &ReviewArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`review` has not landed yet", "rebuild from a newer commit").into())
}
