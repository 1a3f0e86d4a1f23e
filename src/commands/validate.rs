//! `driftwarden validate`.

use super::Context;
use crate::cli::ValidateArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &ValidateArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new(
        "`validate` has not landed yet",
        "rebuild from a newer commit",
    )
    .into())
}
