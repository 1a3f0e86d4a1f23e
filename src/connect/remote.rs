//! Production's side: the tunnel, read-only sessions through it, and trying again when one breaks.
//!
//! A [`RemoteSession`] takes nothing but [`Read`]: there is no way to hand it a text. Must never gain one.

use super::error::{self, Place};
use super::login::{self, LoginFailure};
use super::watch::Way;
use super::wire::{Counters, Gone, Tally, Wire};
use super::{Reader, Row, ServerInfo, Side};
use crate::config::secret::Secret;
use crate::config::{self, Config};
use crate::interrupt;
use crate::retry::{self, Delays};
use crate::sql::{Read, session};
use crate::tunnel::{Endpoint, Tunnel};
use anyhow::{Context, Result};
use mysql::OptsBuilder;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Tells the user what went wrong and when it is tried again.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// The production server, behind its tunnel. The tunnel is closed with the last of this and its sessions.
pub struct Remote {
    link: Arc<Link>,
    server: ServerInfo,
    /// The login that `open` made, until the first session takes it.
    spare: Mutex<Option<Wire>>,
    delays: Delays,
    /// Reading waits while the server runs more threads than this.
    pub(super) most_threads: u64,
    /// Sessions that may read at the same time.
    connections: u32,
    /// When the server was last asked how many it runs.
    pub(super) asked: Mutex<Option<Instant>>,
    pub(super) notice: Notice,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Marks a failure of the tunnel itself, before the server was asked for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelFailed;

impl fmt::Display for TunnelFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opening the ssh tunnel")
    }
}

impl std::error::Error for TunnelFailed {}

/// What it takes to log in again.
struct Link {
    ssh: config::Ssh,
    settings: config::Remote,
    /// Read once, when the tunnel is there: a password command may ask its user for something.
    password: OnceLock<Option<Secret>>,
    statement_limit: Duration,
    tunnel: Mutex<Option<Arc<Tunnel>>>,
    tally: Arc<Tally>,
}

impl Remote {
    /// Opens the tunnel, logs in once, and learns which server it is.
    ///
    /// # Errors
    /// What is wrong with ssh, the forward or the login, with the remedy. What may pass is tried again along
    /// `retry.delays`.
    pub fn open(config: &Config, notice: Notice) -> Result<Self> {
        let link = Arc::new(Link {
            ssh: config.ssh.clone(),
            settings: config.remote.clone(),
            password: OnceLock::new(),
            statement_limit: config.remote_limits.max_execution_time.0,
            tunnel: Mutex::new(None),
            tally: Arc::new(Tally::default()),
        });
        let delays = Delays::new(config.retry.delays.iter().map(|delay| delay.0));
        let step = format!("connecting to production through {}", config.ssh.host);
        let wire = retry::attempt(&delays, &step, &*notice, || link.login())?;
        tracing::info!(
            ssh = config.ssh.host.as_str(),
            server = wire.info.display.as_str(),
            identity = wire.info.identity.as_str(),
            "connected to production"
        );
        Ok(Self {
            server: wire.info.clone(),
            spare: Mutex::new(Some(wire)),
            link,
            delays,
            most_threads: u64::from(config.remote_limits.max_threads_running),
            asked: Mutex::new(None),
            connections: config.remote_limits.connections,
            notice,
        })
    }

    /// Opens another session through the same tunnel; through a new one where that has died. What may pass is tried
    /// again along `retry.delays`.
    ///
    /// # Errors
    /// As for [`Remote::open`]; also when another server answers than at the start.
    pub fn session(&self) -> Result<RemoteSession> {
        let step = "opening another session on the remote server";
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match spare {
            Some(wire) => Ok(self.session_on(wire)),
            None => retry::attempt(&self.delays, step, &*self.notice, || self.try_session()),
        }
    }

    fn try_session(&self) -> Result<RemoteSession> {
        let wire = self.link.login()?;
        login::same_as_before(&self.server, &wire.info)?;
        Ok(self.session_on(wire))
    }

    fn session_on(&self, wire: Wire) -> RemoteSession {
        RemoteSession {
            wire,
            link: Arc::clone(&self.link),
            snapshot: false,
            since: None,
        }
    }

    /// Opens a snapshot, as [`Self::run`] runs a step.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn open_snapshot(&self, session: &mut RemoteSession) -> Result<()> {
        let step = "opening a snapshot on the remote server";
        self.run(session, step, RemoteSession::start_snapshot)
    }

    /// Runs a step, and runs it again along `retry.delays` while it fails for a reason that may pass; each time with a
    /// new session in `*session`, and a new snapshot if one was open.
    ///
    /// # Errors
    /// The step's own error when trying again cannot mend it, or the last one when the delays are used up.
    pub fn run<T>(
        &self,
        session: &mut RemoteSession,
        step: &str,
        mut f: impl FnMut(&mut RemoteSession) -> Result<T>,
    ) -> Result<T> {
        let mut fresh = true;
        let snapshot = session.snapshot;
        retry::attempt(&self.delays, step, &*self.notice, || {
            if !std::mem::take(&mut fresh) {
                self.renew(session, snapshot)?;
            }
            f(session)
        })
    }

    fn renew(&self, session: &mut RemoteSession, snapshot: bool) -> Result<()> {
        let mut new = self.try_session()?;
        new.end_query_of(session);
        if snapshot {
            new.start_snapshot()?;
        }
        tracing::info!(
            before = session.wire.connection_id,
            now = new.wire.connection_id,
            "connected to production again"
        );
        *session = new;
        Ok(())
    }

    /// Returns what the server said of itself.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Returns how many sessions may read at the same time.
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Returns what all sessions cost so far.
    pub fn counters(&self) -> Counters {
        self.link.tally.read()
    }
}

impl Link {
    /// Logs in through the tunnel, opening it first where there is none or it has died.
    fn login(&self) -> Result<Wire> {
        self.login_within(self.statement_limit)
    }

    /// Logs in to a session whose statements may take that long.
    fn login_within(&self, limit: Duration) -> Result<Wire> {
        let mut slot = self.tunnel.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|tunnel| !tunnel.is_alive()) {
            drop(slot.take());
        }
        let tunnel = if let Some(tunnel) = &*slot {
            Arc::clone(tunnel)
        } else {
            let new = Tunnel::open(&self.ssh, &self.settings);
            Arc::clone(slot.insert(Arc::new(new.context(TunnelFailed)?)))
        };
        tunnel.verify()?;
        let opts = login::options(
            &self.settings.user,
            self.password()?.map(Secret::reveal),
            Some(limit),
        );
        let opts = match tunnel.endpoint() {
            Endpoint::Port(port) => opts.ip_or_hostname(Some("127.0.0.1")).tcp_port(*port),
            Endpoint::Socket(path) => opts.socket(Some(path.to_string_lossy())),
        };
        let mut place = self.place();
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let opened = login::open(
            opts.clone(),
            way(&tunnel, opts),
            &place,
            Arc::clone(&self.tally),
            |vendor| session::remote_setup(vendor, limit),
        );
        opened.map_err(|failure| {
            if let LoginFailure::Login(said) = &failure {
                place.forward_failure = tunnel.forward_failure();
                if error::is_timeout(said) {
                    // Nothing comes through: the next attempt gets a new tunnel.
                    drop(slot.take());
                }
            }
            failure.describe(&place)
        })
    }

    fn password(&self) -> Result<Option<&Secret>> {
        if self.password.get().is_none() {
            let password = self.settings.password_source().read()?;
            return Ok(self.password.get_or_init(|| password).as_ref());
        }
        Ok(self.password.get().and_then(Option::as_ref))
    }

    fn place(&self) -> Place {
        let settings = &self.settings;
        let at = match &settings.socket {
            Some(socket) => format!("socket {}", socket.display()),
            None => format!("{}:{}", settings.host, settings.port),
        };
        Place {
            side: Side::Remote,
            server: format!(
                "MySQL at {at}, as seen from ssh host {}, as user {}",
                self.ssh.host, settings.user
            ),
            section: "remote",
            forward_failure: None,
        }
    }
}

/// Returns the way of a second connection: through the same tunnel, whose port is checked to be ours each time.
fn way(tunnel: &Arc<Tunnel>, opts: OptsBuilder) -> Way {
    // Not to keep a tunnel alive that everyone else has let go.
    let tunnel = Arc::downgrade(tunnel);
    Arc::new(move || {
        let tunnel = tunnel.upgrade().ok_or("and the tunnel is gone")?;
        tunnel
            .verify()
            .map_err(|failure| format!("and {}", crate::refusal::summary(&failure)))?;
        Ok(opts.clone())
    })
}

/// A read-only session on production.
pub struct RemoteSession {
    wire: Wire,
    link: Arc<Link>,
    snapshot: bool,
    since: Option<Instant>,
}

impl fmt::Debug for RemoteSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wire.fmt(f)
    }
}

impl RemoteSession {
    /// Opens a consistent snapshot: what is read until it ends is of one moment.
    ///
    /// # Errors
    /// A broken connection (transient), or what the server says.
    pub fn start_snapshot(&mut self) -> Result<()> {
        self.wire
            .execute(session::START_SNAPSHOT)
            .context("opening a snapshot on the remote server")?;
        self.snapshot = true;
        self.since = Some(Instant::now());
        tracing::debug!(connection = self.wire.connection_id, "snapshot opened");
        Tally::add(&self.link.tally.snapshots, 1);
        Ok(())
    }

    /// Ends the snapshot, so that nothing on production waits for it.
    ///
    /// # Errors
    /// As for [`RemoteSession::start_snapshot`].
    pub fn end_snapshot(&mut self) -> Result<()> {
        self.snapshot = false;
        if let Some(since) = self.since.take() {
            let held = since.elapsed();
            tracing::debug!(
                connection = self.wire.connection_id,
                seconds = held.as_secs_f64(),
                "snapshot ended"
            );
            let held = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
            self.link
                .tally
                .longest_snapshot
                .fetch_max(held, Ordering::Relaxed);
        }
        self.wire
            .execute(session::COMMIT)
            .context("ending a snapshot on the remote server")?;
        Ok(())
    }

    /// Returns whether a snapshot is open.
    pub fn has_snapshot(&self) -> bool {
        self.snapshot
    }

    /// Ends on the server what an older session was running when it was given up, as far as that can be done.
    fn end_query_of(&mut self, old: &mut RemoteSession) {
        // Connection ids grow until the server restarts: a smaller one of ours means that the old one is another's.
        let may_run = old.wire.gone != Gone::No && self.wire.connection_id > old.wire.connection_id;
        if may_run {
            drop(
                self.wire
                    .execute(&session::kill_query(old.wire.connection_id)),
            );
            old.wire.gone = Gone::Broken;
        }
    }
}

impl Drop for RemoteSession {
    fn drop(&mut self) {
        if self.wire.gone != Gone::Abandoned {
            return;
        }
        // Not for long: this may be the end of the command.
        if let Ok(mut wire) = self.link.login_within(Duration::ZERO) {
            drop(wire.execute(&session::kill_query(self.wire.connection_id)));
        }
    }
}

impl Reader for RemoteSession {
    fn side(&self) -> Side {
        Side::Remote
    }

    fn server(&self) -> &ServerInfo {
        &self.wire.info
    }

    fn stream(&mut self, read: &Read, on_row: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
        interrupt::check()?;
        self.wire.stream(&read.sql(), &mut |row| {
            interrupt::check()?;
            on_row(row)
        })
    }

    fn sets(&mut self, read: &Read) -> Result<Vec<Vec<Row>>> {
        interrupt::check()?;
        self.wire.sets(&read.sql())
    }
}

#[allow(
    dead_code,
    reason = "proves that a session can move to another thread, and the remote be used from several"
)]
fn assert_threads(session: RemoteSession, remote: Remote) -> (impl Send, impl Send + Sync) {
    (session, remote)
}
