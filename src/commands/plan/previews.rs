//! Says so when git would take a plan whose rows stand in it as they are.
//!
//! Must never keep a plan from being written, and must never touch the repository.

use crate::config::Preview;
use crate::issues::would_be_taken;
use crate::plan::Plan;
use crate::render::escape;
use std::path::Path;

/// Returns what the user should know before the plan goes into a commit; `None` where no value would go with it.
pub(super) fn warning(plan: &Plan, path: &Path, preview: Preview) -> Option<String> {
    let has_rows = plan
        .entries
        .iter()
        .any(|entry| !entry.rows.is_empty() || !entry.preview.is_empty());
    if preview != Preview::Full || !has_rows || !would_be_taken(path) {
        return None;
    }
    Some(format!(
        "rows of production stand in {} as they are, and git does not ignore it: where others read the repository, set \
         \"plan\": {{\"preview\": \"masked\"}} (or \"none\")",
        escape::line(&path.display().to_string())
    ))
}
