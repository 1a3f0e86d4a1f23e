//! What others wrote or may look at: plan and payload files with every byte changed, plans made by hand, and where secrets
//! could come out.

mod bytes;
mod hostile;
mod secrets;

use crate::sandbox::case::Case;
use driftwarden::plan::{Plan, digest, file};
use std::path::PathBuf;

/// Returns the file of the plan that [`Case::plan`] calls `p`.
fn plan_file(case: &Case) -> PathBuf {
    case.folder().join("plans/p.json")
}

/// Changes the plan and seals it again, as someone would who wants it applied.
fn forge(case: &Case, change: impl FnOnce(&mut Plan)) {
    let path = plan_file(case);
    let mut plan = file::read(&path).unwrap();
    change(&mut plan);
    plan.summary = driftwarden::plan::order::summary(&plan.entries);
    let folder = |plan: &Plan| case.folder().join("plans").join(&plan.id);
    let before = folder(&plan);
    digest::seal(&mut plan).unwrap();
    if before.exists() && before != folder(&plan) {
        std::fs::rename(before, folder(&plan)).unwrap();
    }
    std::fs::write(&path, file::to_text(&plan).unwrap()).unwrap();
}
