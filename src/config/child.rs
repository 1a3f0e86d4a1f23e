//! Programs that are started: git, a shell, ssh. They get the environment, but no secret in it.
//!
//! Must never hand on a variable that a config names as a secret's, nor one of the default ones.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The variable of the remote's password where the config names no other.
pub(super) const REMOTE_PASSWORD: &str = "DRIFTWARDEN_REMOTE_PASSWORD";
/// The same of local's.
pub(super) const LOCAL_PASSWORD: &str = "DRIFTWARDEN_LOCAL_PASSWORD";
/// The same of the mask key.
pub(super) const MASK_KEY: &str = "DRIFTWARDEN_MASK_KEY";

const DEFAULTS: [&str; 3] = [REMOTE_PASSWORD, LOCAL_PASSWORD, MASK_KEY];

/// Variables that a config names.
static NAMED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps variables from every program that is started from now on.
pub(super) fn withhold(names: Vec<String>) {
    NAMED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(names);
}

/// Returns a call of a program that gets no secret.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in DEFAULTS {
        command.env_remove(name);
    }
    for name in NAMED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_secrets_are_withheld() {
        withhold(vec!["OF_A_CONFIG".to_owned()]);
        let removed: Vec<String> = command("x")
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        for name in DEFAULTS.iter().copied().chain(["OF_A_CONFIG"]) {
            assert!(removed.iter().any(|removed| removed == name), "{name}");
        }
    }
}
