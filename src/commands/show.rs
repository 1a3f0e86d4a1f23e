//! `driftwarden show`.

use super::Context;
use crate::cli::ShowArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &ShowArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`show` has not landed yet", "rebuild from a newer commit").into())
}
