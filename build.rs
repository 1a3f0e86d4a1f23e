//! Puts the commit into `--version`: `driftwarden 0.1.0 (3f9a1c2b4)`.
//!
//! From `DRIFTWARDEN_COMMIT`, a packaged crate's `.cargo_vcs_info.json`, or git, the first that has one; without any, the
//! version stands alone. Debug builds do not ask git, so that a commit does not make everything be built again.
#![allow(clippy::print_stdout, reason = "how a build script speaks with cargo")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DRIFTWARDEN_COMMIT");
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let commit = std::env::var("DRIFTWARDEN_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
        .or_else(|| packaged(Path::new(&root)))
        .or_else(|| from_git(Path::new(&root)));
    let mut version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    if let Some(commit) = commit {
        version = format!("{version} ({commit})");
    } else if is_debug() {
        version.push_str(" (debug build)");
    }
    println!("cargo:rustc-env=DRIFTWARDEN_VERSION={version}");
}

fn is_debug() -> bool {
    std::env::var("PROFILE").is_ok_and(|profile| profile == "debug")
}

/// Reads the commit that `cargo package` wrote down.
fn packaged(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let rest = text.split_once("\"sha1\"")?.1;
    let commit = rest.split('"').nth(1)?;
    commit.get(..9).map(str::to_owned)
}

fn from_git(root: &Path) -> Option<String> {
    if is_debug() {
        return None;
    }
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // A copy without history inside another repository has that one's commits, not its own.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    let log = root.join(log);
    if log.is_file() {
        println!("cargo:rerun-if-changed={}", log.display());
    }
    git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=9",
        "--exclude=*",
    ])
}
