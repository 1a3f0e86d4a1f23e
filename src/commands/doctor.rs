//! `driftwarden doctor`.

use super::Context;
use crate::cli::DoctorArgs;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always, until the command lands.
pub fn run(_args: &DoctorArgs, _context: &mut Context<'_>) -> Result<u8> {
    Err(Problem::new("`doctor` has not landed yet", "rebuild from a newer commit").into())
}
