//! `driftwarden apply`.

use super::Context;
use crate::cli::ApplyArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &ApplyArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`apply` has not landed yet", "rebuild from a newer commit").into())
}
