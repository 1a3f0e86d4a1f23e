//! Points at which a build for tests can be made to die, as after `kill -9` or a loss of power.
//!
//! In a build with debug assertions `DRIFTWARDEN_FAULT=n` (read by `commands`) ends the process at its n-th step: each
//! line of the undo record before and after it is written, each statement to local before it is sent and after it was
//! answered. A release build has none of it. Must never end a process that was not armed.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps until the end; 0 for never.
#[cfg(debug_assertions)]
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Lets the process die at its n-th step from now.
#[cfg(debug_assertions)]
pub fn arm(steps: u64) {
    LEFT.store(steps, Ordering::SeqCst);
}

/// A step: the process dies here if it is armed for it, without closing or telling anything.
#[cfg(debug_assertions)]
pub fn step() {
    if LEFT.load(Ordering::SeqCst) > 0 && LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}

/// A step: nothing in a release build.
#[cfg(not(debug_assertions))]
pub const fn step() {}
