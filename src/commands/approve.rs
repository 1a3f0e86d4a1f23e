//! `driftwarden approve`.

use super::Context;
use crate::cli::ApproveArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &ApproveArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new(
        "`approve` has not landed yet",
        "rebuild from a newer commit",
    )
    .into())
}

/// Runs `deny`.
///
/// # Errors
/// Always, until the command lands.
pub fn run_deny(_args: &crate::cli::DenyArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`deny` has not landed yet", "rebuild from a newer commit").into())
}
