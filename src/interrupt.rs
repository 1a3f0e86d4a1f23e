//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process at once.
//!
//! Loops ask [`requested`] or [`check`] between two steps. Must never end the process on the first signal, and must
//! never leave on the second without closing what [`on_exit`] was given (ssh masters outlive us otherwise).

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The exit code after an interruption.
pub const EXIT_CODE: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static NEXT: AtomicU64 = AtomicU64::new(0);
static CLOSERS: Mutex<BTreeMap<u64, Box<dyn Fn() + Send>>> = Mutex::new(BTreeMap::new());

/// The user asked to stop; the command ends with exit code 130.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Starts to listen for SIGINT, SIGTERM and SIGHUP.
///
/// # Errors
/// When the system refuses the handlers.
pub fn install() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .context("installing the handlers for SIGINT and SIGTERM")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if REQUESTED.swap(true, Ordering::SeqCst) {
                    for close in closers().values() {
                        close();
                    }
                    std::process::exit(i32::from(EXIT_CODE));
                }
            }
        })
        .context("starting the thread that waits for signals")?;
    Ok(())
}

/// Returns whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Fails when the user asked to stop.
///
/// # Errors
/// [`Interrupted`].
pub fn check() -> Result<()> {
    if requested() {
        return Err(Interrupted.into());
    }
    Ok(())
}

/// Registers what must happen even when a second signal ends the process, until the guard is dropped.
pub fn on_exit(close: impl Fn() + Send + 'static) -> Guard {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    closers().insert(id, Box::new(close));
    Guard(id)
}

/// Keeps a registration of [`on_exit`].
#[derive(Debug)]
pub struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        drop(closers().remove(&self.0));
    }
}

fn closers() -> MutexGuard<'static, BTreeMap<u64, Box<dyn Fn() + Send>>> {
    CLOSERS.lock().unwrap_or_else(PoisonError::into_inner)
}
