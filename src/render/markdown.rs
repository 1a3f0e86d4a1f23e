//! A plan for a pull request.

use super::View;
use anyhow::Result;
use std::io::Write;

/// Writes it.
///
/// # Errors
/// When writing fails.
pub fn plan(view: &View<'_>, out: &mut dyn Write) -> Result<()> {
    super::text::plan(view, out)
}
