//! Waits while production is busy.
//!
//! Must never wait without a word, nor for ever.

use super::{Reader as _, Remote, RemoteSession};
use crate::interrupt;
use crate::refusal::Problem;
use crate::sql::Read;
use crate::sql::read::ServerQuestion;
use anyhow::{Context as _, Result};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How often production is asked how busy it is.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// How long until it is asked again while it is busy.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How long reading waits for a busy server.
const BUSY_FOR: Duration = Duration::from_secs(600);

impl Remote {
    /// Waits while production is busier than `remote_limits.max_threads_running` allows; asks it now and then only.
    ///
    /// # Errors
    /// What the server says; when it stays busy for ten minutes.
    pub fn wait_while_busy(&self, session: &mut RemoteSession) -> Result<()> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|asked| asked.elapsed() < ASKED_EVERY) {
            return Ok(());
        }
        let start = Instant::now();
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
