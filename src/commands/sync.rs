//! `driftwarden sync`.

use super::Context;
use crate::cli::SyncArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &SyncArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`sync` has not landed yet", "rebuild from a newer commit").into())
}
