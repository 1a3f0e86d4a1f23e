//! `driftwarden revert`.

use super::Context;
use crate::cli::RevertArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &RevertArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`revert` has not landed yet", "rebuild from a newer commit").into())
}
