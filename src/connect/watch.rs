//! Watches a connection while a statement is under way: a peer that is frozen is told apart from one that is busy.
//!
//! A server at work on a long statement sends nothing, and so does one that is frozen, or a network that swallows
//! everything. What tells them apart is a second, light connection on the same way: while the first is silent, it is
//! asked for a sign of life. Must never cut a connection whose server answers there, however slow the statement is.

use super::error;
use crate::interrupt;
use crate::sql::session;
use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder};
use nix::sys::socket::{Shutdown, shutdown};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How long nothing may come before the server is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(4);
/// How long a sign of life may take. Two that do not come end the connection: a frozen peer is noticed within
/// 4 + 1 + 2 × 4 s (measured: 13 s).
const SIGN: Duration = Duration::from_secs(4);
/// How long a login may take: nothing is heard of a frozen server before.
const LOGIN: Duration = Duration::from_secs(12);
const TICK: Duration = Duration::from_millis(500);

/// What a statement does, for what may be done to it when the user wants to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It only reads: on Ctrl-C it is ended on the server.
    Reading,
    /// It changes something, or may: it is left to end.
    Changing,
}

/// Leads a second connection to the same server: its options, or why there is no way any more.
pub(super) type Way = Arc<dyn Fn() -> Result<OptsBuilder, String> + Send + Sync>;

/// Watches one connection. Its thread ends with it.
pub(super) struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Grows with each statement, row and end: as long as it moves, the server is alive.
    signs: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The socket of the connection and what is under way on it.
    under_way: Option<(RawFd, Work)>,
    /// Why the connection was cut.
    cut: Option<String>,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Starts to watch connection `id`; `way` leads a second connection to the same server.
    pub(super) fn start(way: Way, id: u64) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            signs: AtomicU64::new(0),
        });
        let guard = Guard {
            shared: Arc::clone(&shared),
            second: Second { way, conn: None },
            id,
        };
        // Without a thread (a system at its limit) the connection works, unwatched.
        drop(
            std::thread::Builder::new()
                .name("watch".into())
                .spawn(move || guard.run()),
        );
        Self { shared }
    }

    /// Says that a statement is sent on the connection.
    pub(super) fn begin(&self, conn: &Conn, work: Work) {
        self.sign();
        self.shared.state().under_way = Some((conn.as_raw_fd(), work));
    }

    /// Says that something was heard.
    pub(super) fn sign(&self) {
        self.shared.signs.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that the answer has ended; returns why the connection was cut meanwhile. The socket is not touched any
    /// more when this returns, and may be closed.
    pub(super) fn end(&self) -> Option<String> {
        self.sign();
        let mut state = self.shared.state();
        state.under_way = None;
        state.cut.take()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.under_way = None;
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// The watching thread.
struct Guard {
    shared: Arc<Shared>,
    second: Second,
    id: u64,
}

impl Guard {
    fn run(mut self) {
        let mut seen = (0, Instant::now());
        let mut missed = 0;
        let mut stopped = None;
        while self.wait() {
            let signs = self.shared.signs.load(Ordering::Relaxed);
            let under_way = self.shared.state().under_way;
            let Some((_, work)) = under_way.filter(|_| signs == seen.0) else {
                seen = (signs, Instant::now());
                missed = 0;
                continue;
            };
            if work == Work::Reading && interrupt::requested() && stopped != Some(signs) {
                stopped = Some(signs);
                self.second.kill_query(self.id);
            }
            if seen.1.elapsed() < SILENCE {
                continue;
            }
            match self.second.sign_of_life() {
                Ok(()) => {
                    missed = 0;
                    seen.1 = Instant::now();
                }
                Err(_) if missed == 0 => missed = 1,
                Err(why) => {
                    self.cut(
                        signs,
                        format!("no answer for {} s, {why}", seen.1.elapsed().as_secs()),
                    );
                }
            }
        }
    }

    /// Waits for the next tick; false when the connection is gone.
    fn wait(&self) -> bool {
        let state = self.shared.state();
        if state.closed {
            return false;
        }
        let (state, _) = self
            .shared
            .changed
            .wait_timeout(state, TICK)
            .unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Ends the connection, unless something was heard of it since.
    fn cut(&self, signs: u64, why: String) {
        let mut state = self.shared.state();
        if self.shared.signs.load(Ordering::Relaxed) != signs || state.cut.is_some() {
            return;
        }
        // The owner cannot close the socket while the state is held, so it is still this connection's.
        if let Some((socket, _)) = state.under_way
            && shutdown(socket, Shutdown::Both).is_ok()
        {
            state.cut = Some(why);
        }
    }
}

/// The second connection: opened when it is first needed, and kept.
struct Second {
    way: Way,
    conn: Option<Conn>,
}

impl Second {
    /// Asks for a sign of life. A server that refuses us has answered.
    fn sign_of_life(&mut self) -> Result<(), String> {
        let failure = match self.get() {
            Ok(mut conn) => match conn.ping() {
                Ok(()) => {
                    self.conn = Some(conn);
                    return Ok(());
                }
                Err(failure) => failure,
            },
            Err(Missing::Way(why)) => return Err(why),
            Err(Missing::Login(failure)) => failure,
        };
        match failure {
            mysql::Error::MySqlError(_) => Ok(()),
            failure => Err(format!(
                "and a second connection fails as well ({})",
                error::plain(&failure)
            )),
        }
    }

    fn kill_query(&mut self, id: u64) {
        if let Ok(mut conn) = self.get()
            && conn.query_drop(session::kill_query(id)).is_ok()
        {
            self.conn = Some(conn);
        }
    }

    fn get(&mut self) -> Result<Conn, Missing> {
        match self.conn.take() {
            Some(conn) => Ok(conn),
            None => self.login(),
        }
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the second connection, which carries pings and a KILL QUERY alone"
    )]
    fn login(&self) -> Result<Conn, Missing> {
        let options = (self.way)().map_err(Missing::Way)?;
        Conn::new(
            options
                .prefer_socket(false)
                .tcp_connect_timeout(Some(SIGN))
                .read_timeout(Some(SIGN))
                .write_timeout(Some(SIGN)),
        )
        .map_err(Missing::Login)
    }
}

/// Why there is no second connection.
enum Missing {
    Way(String),
    Login(mysql::Error),
}

/// Logs in, and gives up on a server that does not answer. The driver has no time limit of its own for that.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that opens connections"
)]
pub(super) fn login(opts: OptsBuilder) -> Result<Conn, mysql::Error> {
    let (sender, outcome) = mpsc::channel();
    std::thread::Builder::new()
        .name("login".into())
        .spawn(move || drop(sender.send(Conn::new(opts.prefer_socket(false)))))?;
    let since = Instant::now();
    loop {
        match outcome.recv_timeout(TICK) {
            Ok(outcome) => return outcome,
            Err(mpsc::RecvTimeoutError::Timeout)
                if since.elapsed() < LOGIN && !interrupt::requested() => {}
            // The thread ends with the connection, at the latest with the process.
            Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}
