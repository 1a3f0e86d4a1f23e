//! Further connections for a large table: its chunks are read over several at the same time.
//!
//! Must never open more than `remote_limits.connections` allows, and must never fail a comparison for want of one.

use super::TableTask;
use crate::connect::{LocalSession, Remote, RemoteSession};

/// Tables of fewer rows are compared over one connection to each server.
const SHARED_ROWS: u64 = 200_000;
/// Connections to each server at most, whatever the config allows.
const MOST_CONNECTIONS: u32 = 8;

/// Further connections for one table.
#[derive(Default)]
pub(super) struct More {
    pub(super) sessions: Vec<RemoteSession>,
    pub(super) locals: Vec<LocalSession>,
}

impl More {
    /// Opens as many as `remote_limits.connections` allows, for a large table; their snapshots begin about when the first
    /// one's does. Where one cannot be had, the comparison goes on without.
    pub(super) fn open(task: &TableTask<'_>, remote: &Remote, local: &LocalSession) -> Self {
        let mut more = Self::default();
        if task.estimated_rows < SHARED_ROWS || task.local.is_none() {
            return more;
        }
        for _ in 1..remote.connections().min(MOST_CONNECTIONS) {
            let opened = remote.session().and_then(|mut session| {
                session.start_snapshot()?;
                Ok((session, local.another()?))
            });
            match opened {
                Ok((session, local)) => {
                    more.sessions.push(session);
                    more.locals.push(local);
                }
                Err(error) => {
                    tracing::warn!(
                        error = crate::refusal::summary(&error),
                        "no further connection could be opened: comparing over those there are"
                    );
                    break;
                }
            }
        }
        more
    }
}
