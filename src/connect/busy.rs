//! Waits while production is busy.
//!
//! Must never wait without a word, nor for ever, nor with a snapshot open that the caller can do without: whoever alters a
//! table on production would wait behind us, and those that wait behind them count as busy threads.

use super::{Reader as _, Remote, RemoteSession};
use crate::interrupt;
use crate::refusal::Problem;
use crate::sql::Read;
use crate::sql::read::ServerQuestion;
use anyhow::{Context as _, Result};
use std::sync::TryLockError;
use std::time::{Duration, Instant};

/// How often production is asked how busy it is.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// How long until it is asked again while it is busy.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How often a connection looks whether the one that waits is done.
const LOOKED_EVERY: Duration = Duration::from_millis(5);
/// How long reading waits for a busy server.
const BUSY_FOR: Duration = Duration::from_secs(600);

impl Remote {
    /// Waits while production is busier than `remote_limits.max_threads_running` allows; asks it now and then only. With
    /// `renew`, the session's snapshot is ended for as long as that takes, and the next is opened then. Returns whether
    /// that was done.
    ///
    /// # Errors
    /// What the server says; when it stays busy for ten minutes.
    pub fn wait_while_busy(&self, session: &mut RemoteSession, renew: bool) -> Result<bool> {
        let renew = renew && session.has_snapshot();
        self.wait_until_quiet(session, renew)?;
        if !renew || session.has_snapshot() {
            return Ok(false);
        }
        self.open_snapshot(session)?;
        Ok(true)
    }

    fn wait_until_quiet(&self, session: &mut RemoteSession, renew: bool) -> Result<()> {
        let release = |session: &mut RemoteSession| {
            if renew && session.has_snapshot() {
                // A connection that breaks only now harms nothing: the next snapshot is opened on another.
                drop(session.end_snapshot());
            }
        };
        let start = Instant::now();
        let mut asked = loop {
            match self.asked.try_lock() {
                Ok(asked) => break asked,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                // Another connection asks, or waits already.
                Err(TryLockError::WouldBlock) => {
                    interrupt::check()?;
                    if start.elapsed() > BUSY_PAUSE {
                        release(session);
                    }
                    std::thread::sleep(LOOKED_EVERY);
                }
            }
        };
        if asked.is_some_and(|asked| asked.elapsed() < ASKED_EVERY) {
            return Ok(());
        }
        let mut said = false;
        loop {
            interrupt::check()?;
            let step = "asking how busy the remote server is";
            let threads = self.run(session, step, RemoteSession::threads_running)?;
            if threads <= self.most_threads {
                break;
            }
            if !std::mem::replace(&mut said, true) {
                (self.notice)(&format!(
                    "production runs {threads} threads at once, more than remote_limits.max_threads_running ({}): reading \
                     waits",
                    self.most_threads
                ));
                tracing::warn!(
                    threads,
                    limit = self.most_threads,
                    "production is busy: reading waits"
                );
            }
            release(session);
            if start.elapsed() > BUSY_FOR {
                return Err(Problem::new(
                    format!(
                        "production has run more than {} threads at once for {} minutes ({threads} now)",
                        self.most_threads,
                        BUSY_FOR.as_secs() / 60
                    ),
                    "run the command again at a quieter time, or raise remote_limits.max_threads_running",
                )
                .into());
            }
            std::thread::sleep(BUSY_PAUSE);
        }
        if said {
            (self.notice)(&format!(
                "production is quieter again after {} s: reading goes on",
                start.elapsed().as_secs()
            ));
        }
        *asked = Some(Instant::now());
        Ok(())
    }
}

impl RemoteSession {
    /// Asks how many threads the server runs, this session's own included.
    fn threads_running(&mut self) -> Result<u64> {
        let rows = self.rows(&Read::Server(ServerQuestion::ThreadsRunning))?;
        rows.first()
            .and_then(|row| row.get(1)?.as_deref())
            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
            .context("the remote server does not tell how many threads it runs")
    }
}
