//! `driftwarden revert`: not built yet, and says so.
//!
//! Must never look as if it had undone anything.

use super::Context;
use crate::apply::undo;
use crate::cli::RevertArgs;
use crate::plan::file;
use crate::refusal::Problem;
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// Always: a plan that undoes another cannot be written yet. The error says where the undo record is.
pub fn run(args: &RevertArgs, _context: &mut Context<'_>) -> Result<u8> {
    let plan = file::read(&args.plan)?;
    let next = if undo::folder(&args.plan, &plan.id).exists() {
        format!(
            "what apply destroyed is kept, row by row, in {}: put it back from there, or from a backup",
            undo::folder(&args.plan, &plan.id).display()
        )
    } else {
        format!(
            "{} was not applied from here: there is nothing to undo",
            args.plan.display()
        )
    };
    Err(Problem::new("`revert` is not supported yet: no plan was written", next).into())
}
