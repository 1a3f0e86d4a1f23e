//! Watches a connection while a statement is under way: a peer that is frozen is told apart from one that is busy.
//!
//! A server at work on a long statement sends nothing, and so does one that is frozen, or a network that swallows
//! everything. What tells them apart is a second, light connection on the same way: while the first is silent, it is
//! asked for a sign of life, and local whether the statement waits for a lock, and for whose. Must never cut a connection
//! whose server answers there, however slow the statement is.

use super::blocked::Blocked;
use super::{Notice, Row, error};
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
/// 4 + 1 + 2 × 4 s (measured: 13 s), and local, which is asked for locks earlier, before that.
const SIGN: Duration = Duration::from_secs(4);
/// How long a login may take: nothing is heard of a frozen server before.
const LOGIN: Duration = Duration::from_secs(12);
/// How long a statement on local is silent before it is asked whether it waits for a lock.
const UNHURRIED: Duration = Duration::from_secs(2);
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

#[derive(Default)]
struct State {
    /// The socket of the connection and what is under way on it.
    under_way: Option<(RawFd, Work)>,
    /// Why the connection was cut.
    cut: Option<String>,
    /// The lock that the statement under way was last seen to wait for.
    blocked: Option<Blocked>,
    /// Who is told of such a wait; without it nobody asks.
    told: Option<Notice>,
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
            said: None,
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

    /// Asks from now on whether a statement that takes its time waits for a lock, and tells of it.
    pub(super) fn tell_of_locks(&self, notice: Notice) {
        self.shared.state().told = Some(notice);
    }

    /// Says that the answer has ended; returns why the connection was cut meanwhile, and what lock it waited for. The
    /// socket is not touched any more when this returns, and may be closed.
    pub(super) fn end(&self) -> (Option<String>, Option<Blocked>) {
        self.sign();
        let mut state = self.shared.state();
        state.under_way = None;
        (state.cut.take(), state.blocked.take())
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
    /// The holders of locks that were told of last.
    said: Option<Vec<u64>>,
}

impl Guard {
    fn run(mut self) {
        let mut seen = (0, Instant::now());
        let mut missed = 0;
        let mut stopped = None;
        let mut asked = None;
        while self.wait() {
            let signs = self.shared.signs.load(Ordering::Relaxed);
            let under_way = self.shared.state().under_way;
            let Some((_, work)) = under_way.filter(|_| signs == seen.0) else {
                seen = (signs, Instant::now());
                missed = 0;
                continue;
            };
            // What waits for a lock has nothing to finish.
            let idle = work == Work::Reading || self.shared.state().blocked.is_some();
            if idle && interrupt::requested() && stopped != Some(signs) {
                stopped = Some(signs);
                self.second.kill_query(self.id);
            }
            if asked != Some(signs) && seen.1.elapsed() >= UNHURRIED {
                asked = Some(signs);
                missed = self.look_for_lock(signs);
            }
            if seen.1.elapsed() < SILENCE {
                continue;
            }
            match self.second.sign_of_life() {
                Ok(()) => {
                    seen.1 = Instant::now();
                    missed = self.look_for_lock(signs);
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

    /// Looks whether the statement under way waits for a lock, and tells of it once. Returns how many signs of life were
    /// missed by that: an answer is one.
    fn look_for_lock(&mut self, signs: u64) -> u32 {
        let Some(told) = self.shared.state().told.clone() else {
            return 0;
        };
        let Ok(found) = self.second.blocked(self.id) else {
            return 1;
        };
        let mut state = self.shared.state();
        if self.shared.signs.load(Ordering::Relaxed) != signs || state.under_way.is_none() {
            return 0;
        }
        state.blocked.clone_from(&found);
        drop(state);
        if let Some(blocked) = found
            && self.said.as_ref() != Some(&blocked.ids())
        {
            self.said = Some(blocked.ids());
            tracing::warn!(
                connection = self.id,
                lock = blocked.to_string(),
                "waiting for a lock"
            );
            told(&blocked.waiting());
        }
        0
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

    /// Asks what lock a connection waits for. A server that does not tell leaves it unknown; one that does not answer is
    /// an error.
    fn blocked(&mut self, id: u64) -> Result<Option<Blocked>, Missing> {
        let mut conn = match self.get() {
            Err(Missing::Login(mysql::Error::MySqlError(_))) => return Ok(None),
            got => got?,
        };
        for (question, certain) in session::lock_questions(id) {
            match conn.query::<mysql::Row, _>(question) {
                Ok(rows) => {
                    let rows: Vec<Row> = rows.into_iter().map(super::wire::cells).collect();
                    if let Some(blocked) = Blocked::of(&rows, certain) {
                        self.conn = Some(conn);
                        return Ok(Some(blocked));
                    }
                }
                Err(mysql::Error::MySqlError(_)) => {}
                Err(failure) => return Err(Missing::Login(failure)),
            }
        }
        self.conn = Some(conn);
        Ok(None)
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
