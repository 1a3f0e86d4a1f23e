//! `driftwarden plan`.

use super::Context;
use crate::cli::PlanArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &PlanArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`plan` has not landed yet", "rebuild from a newer commit").into())
}
