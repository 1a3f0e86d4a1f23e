//! A plan as JSON: the plan file's own format, stable and versioned.

use super::View;
use crate::plan::file::to_text;
use anyhow::Result;
use std::io::Write;

/// Writes the plan, with the view's entries only.
///
/// # Errors
/// When writing fails.
pub fn plan(view: &View<'_>, out: &mut dyn Write) -> Result<()> {
    let text = if view.is_part() {
        let mut part = view.plan.clone();
        part.entries = view.entries.iter().map(|entry| (*entry).clone()).collect();
        to_text(&part)?
    } else {
        to_text(view.plan)?
    };
    out.write_all(text.as_bytes())?;
    Ok(())
}
