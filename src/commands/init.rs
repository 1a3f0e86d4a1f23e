//! `driftwarden init`.

use super::Context;
use crate::cli::InitArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &InitArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`init` has not landed yet", "rebuild from a newer commit").into())
}
