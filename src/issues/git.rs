//! Commits one issue file on its own: the user's index, work tree, hooks and signing stay out of it.
//!
//! Must never commit anything else, and must never fail a command: what git does not take is just a file.

use crate::config::child;
use std::path::Path;
use std::process::{Command, Stdio};

/// Files of git's own folder that show that the user is in the middle of something.
const BUSY: [&str; 8] = [
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "BISECT_LOG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "index.lock",
];

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was made.
    Committed,
    /// There is nothing for git to do, and why.
    Skipped(&'static str),
    /// Git said no.
    Failed(String),
}

/// Commits the file, if it lies in a work tree that is not in the middle of something.
pub(super) fn commit(path: &Path, message: &str) -> Outcome {
    let (Some(folder), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Outcome::Skipped("no file name");
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let git = |arguments: &[&str]| run(folder, arguments);
    let Ok(state) = git(&["rev-parse", "--absolute-git-dir"]) else {
        return Outcome::Skipped("outside a git repository");
    };
    let state = Path::new(state.trim_end());
    if BUSY.iter().any(|name| state.join(name).exists()) {
        return Outcome::Skipped("git is in the middle of something");
    }
    if git(&["symbolic-ref", "-q", "HEAD"]).is_err() {
        return Outcome::Skipped("no branch is checked out");
    }
    if is_ignored(folder, name) {
        return Outcome::Skipped("git ignores the file");
    }
    let is_known = git(&["ls-files", "--error-unmatch", "--", name]).is_ok();
    if !is_known && let Err(said) = git(&["add", "--intent-to-add", "--", name]) {
        return Outcome::Failed(said);
    }
    let mut arguments = vec!["-c", "commit.gpgsign=false", "-c", "gc.auto=0"];
    if git(&["config", "user.email"]).is_err() {
        arguments.extend([
            "-c",
            "user.name=driftwarden",
            "-c",
            "user.email=driftwarden@localhost",
        ]);
    }
    arguments.extend([
        "commit",
        "--only",
        "--no-verify",
        "--quiet",
        "-m",
        message,
        "--",
        name,
    ]);
    match git(&arguments) {
        Ok(_) => Outcome::Committed,
        Err(said) => {
            if !is_known {
                drop(git(&["rm", "--cached", "--quiet", "--", name]));
            }
            Outcome::Failed(said)
        }
    }
}

/// Whether `git add` would take the file: it lies in a work tree, and nothing there ignores it.
pub fn would_be_taken(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let said = |arguments: &[&str]| run(folder, arguments);
    said(&["rev-parse", "--is-inside-work-tree"]).is_ok_and(|said| said.trim_end() == "true")
        && !is_ignored(folder, name)
}

/// Whether git ignores a file. `check-ignore` takes names, not patterns, and fails where it is told that they are literal.
fn is_ignored(folder: &Path, name: &str) -> bool {
    let mut command = command(folder, &["check-ignore", "-q", "--", &format!("./{name}")]);
    command
        .env_remove("GIT_LITERAL_PATHSPECS")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs git in a folder; returns its output, or what it said of its failure.
fn run(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = command(folder, arguments)
        .output()
        .map_err(|failure| failure.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Makes a call of git in a folder.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = child::command("git");
    command
        .arg("-C")
        .arg(folder)
        // `add` has a hook too.
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .env("GIT_LITERAL_PATHSPECS", "1")
        // Set when we run inside a hook; they would lead git elsewhere.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_PREFIX")
        .stdin(Stdio::null());
    command
}
