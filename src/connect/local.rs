//! The developer's side: the one session that can write.
//!
//! Must never connect to a host that is not loopback unless the config says so.

use super::error::{Place, cannot_compute, is_not_there, server_code};
use super::login;
use super::watch::Way;
use super::wire::{Gone, Tally, Wire};
use super::{Notice, Reader, Row, ServerInfo, Side};
use crate::config::secret::Secret;
use crate::config::{self, Config};
use crate::fault;
use crate::interrupt;
use crate::refusal::{Problem, Refusal};
use crate::retry::{self, Delays};
use crate::sql::{Parameter, Read, Select, session};
use anyhow::{Context, Result, bail};
use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a lock that is held is asked for again: the server notices the end of a killed run, or of a connection of
/// our own that broke, only when its last statement ends.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How long a server that is not there when a command begins is waited for: most likely it is not running, or the config
/// leads elsewhere. One that was there and went is waited for along `retry.delays`.
const STARTING: Duration = Duration::from_secs(3);

/// Statements that a session keeps prepared: those of [`LocalSession::execute_bound`], a few for a table.
const PREPARED: usize = 16;

/// A session on the local server. Opens with `foreign_key_checks` off: see [`LocalSession::foreign_key_checks`].
pub struct LocalSession {
    wire: Wire,
    settings: config::Local,
    patience: Patience,
    /// Named locks that are held, taken again with a new connection.
    locks: Vec<String>,
    foreign_key_checks: bool,
}

/// How often a step on the local server is tried again, and who is told.
#[derive(Clone)]
pub struct Patience(Option<(Delays, Notice)>);

impl Patience {
    /// Runs a step along `retry.delays` while it fails for a reason that may pass; `f` is told whether this is its first
    /// attempt. Before any further one it must call [`LocalSession::renew`].
    ///
    /// # Errors
    /// The step's own error when trying again cannot mend it, or the last one when the delays are used up.
    pub fn run<T>(&self, step: &str, mut f: impl FnMut(bool) -> Result<T>) -> Result<T> {
        let Some((delays, notice)) = &self.0 else {
            return f(true);
        };
        let mut first = true;
        retry::attempt(delays, step, &**notice, || f(std::mem::take(&mut first)))
    }
}

impl fmt::Debug for LocalSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wire.fmt(f)
    }
}

/// What a stored object remembers of the session that creates it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectEnvironment {
    /// `sql_mode`.
    pub sql_mode: String,
    /// `character_set_client`; empty leaves it.
    pub charset_client: String,
    /// `collation_connection`; empty leaves it.
    pub collation_connection: String,
    /// The session's time zone, which an event keeps; empty leaves it.
    pub time_zone: String,
    /// The database it is created in.
    pub database: String,
}

impl LocalSession {
    /// Logs in, once.
    ///
    /// # Errors
    /// A [`Refusal`] for a host that is not loopback, otherwise what is wrong with the login and the remedy.
    pub fn open(local: &config::Local) -> Result<Self> {
        let wire = login(local)?;
        tracing::info!(
            server = wire.info.display.as_str(),
            identity = wire.info.identity.as_str(),
            "connected to the local server"
        );
        Ok(Self {
            wire,
            settings: local.clone(),
            patience: Patience(None),
            locks: Vec::new(),
            foreign_key_checks: false,
        })
    }

    /// Logs in; what may pass is tried again along `retry.delays`, here and in [`LocalSession::again`]. Here, a server that is not
    /// there at all is given up on early.
    ///
    /// # Errors
    /// As for [`LocalSession::open`].
    pub fn open_patiently(config: &Config, notice: Notice) -> Result<Self> {
        let delays = Delays::new(config.retry.delays.iter().map(|delay| delay.0));
        let step = "connecting to the local server";
        let enough = delays.attempts_within(STARTING);
        let mut tried = 0;
        let mut session = retry::attempt(&delays, step, &*notice, || {
            tried += 1;
            Self::open(&config.local).map_err(|error| {
                if tried >= enough && is_not_there(&error) {
                    retry::give_up(error)
                } else {
                    error
                }
            })
        })?;
        session.patience = Patience(Some((delays, notice)));
        session.tell_of_locks();
        Ok(session)
    }

    /// Runs a step, and runs it again along `retry.delays` while it fails for a reason that may pass (a broken
    /// connection, a deadlock, a lock wait); each time over a new connection where the last one broke. The step must
    /// begin anew: a transaction that was open is rolled back.
    ///
    /// # Errors
    /// The step's own error when trying again cannot mend it, or the last one when the delays are used up.
    pub fn again<T>(&mut self, step: &str, mut f: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        self.patience().run(step, |first| {
            if !first {
                self.renew()?;
            }
            f(self)
        })
    }

    /// Returns how often a step is tried again, for steps that need more than the session.
    pub fn patience(&self) -> Patience {
        self.patience.clone()
    }

    /// Logs in once more, for work beside this session's. Foreign key checks are as they are here.
    ///
    /// # Errors
    /// As for [`LocalSession::open`]; when another server answers.
    pub fn another(&self) -> Result<Self> {
        let mut other = Self::open(&self.settings)?;
        login::same_as_before(&self.wire.info, &other.wire.info)?;
        other.patience = self.patience();
        other.tell_of_locks();
        other.foreign_key_checks(self.foreign_key_checks)?;
        Ok(other)
    }

    /// Connects again where the connection broke: with the locks that were held, and the session's settings.
    ///
    /// # Errors
    /// As for [`LocalSession::open`]; when another server answers, or another connection has taken a lock meanwhile.
    pub fn renew(&mut self) -> Result<()> {
        if self.wire.gone == Gone::No {
            return Ok(());
        }
        let mut wire = login(&self.settings)?;
        login::same_as_before(&self.wire.info, &wire.info)?;
        // Connection ids grow until the server restarts: a smaller one of ours means that the old one is another's.
        if wire.connection_id > self.wire.connection_id {
            drop(wire.execute(&session::kill_connection(self.wire.connection_id)));
        }
        tracing::info!(
            before = self.wire.connection_id,
            now = wire.connection_id,
            "connected to the local server again"
        );
        self.wire = wire;
        self.tell_of_locks();
        for name in self.locks.clone() {
            if let Some(holder) = self.lock_within(&name, LOCK_PATIENCE)? {
                bail!(Problem::new(
                    format!(
                        "while the connection to the local server was down, connection {holder} took the lock {name}"
                    ),
                    "wait until the other driftwarden has ended, then run the command again",
                ));
            }
        }
        self.foreign_key_checks(self.foreign_key_checks)
    }

    fn tell_of_locks(&self) {
        if let Patience(Some((_, notice))) = &self.patience {
            self.wire.tell_of_locks(Arc::clone(notice));
        }
    }

    /// Executes one statement and returns the rows affected. The server's error number is in the chain as
    /// `ServerError`.
    ///
    /// # Errors
    /// What the server says, or a broken connection (transient).
    pub fn execute(&mut self, sql: &str) -> Result<u64> {
        fault::step();
        let affected = self.wire.execute(sql);
        fault::step();
        affected
    }

    /// Executes one statement with what stands for its placeholders, and returns the rows affected. The server prepares the
    /// text once for any number of executions.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn execute_bound(&mut self, sql: &str, parameters: Vec<Parameter>) -> Result<u64> {
        fault::step();
        let affected = self.wire.execute_bound(sql, parameters);
        fault::step();
        affected
    }

    /// Runs one query and returns its rows.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        Ok(self.wire.sets(sql)?.pop().unwrap_or_default())
    }

    /// Limits the time that each query may take; `None` for no limit.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn statement_limit(&mut self, limit: Option<std::time::Duration>) -> Result<()> {
        let vendor = self.wire.info.vendor;
        self.wire
            .execute(&session::statement_limit(vendor, limit))
            .map(drop)
    }

    /// Executes a statement that changes a schema. Production may have computed a generated column, a functional index or a
    /// check leniently from a value that strict mode refuses: where the change leaves every stored value as it is
    /// (`keeps_values`), or is one of indexes alone, it is computed leniently here too.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn change_schema(&mut self, sql: &str, keeps_values: bool) -> Result<u64> {
        match self.execute(sql) {
            Err(error)
                if cannot_compute(&error)
                    && (keeps_values || session::touches_only_indexes(sql)) =>
            {
                self.leniently(sql)
            }
            answer => answer,
        }
    }

    /// Executes a statement out of strict mode.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn leniently(&mut self, sql: &str) -> Result<u64> {
        self.lenient_mode(true)?;
        let done = self.execute(sql);
        let strict = self.lenient_mode(false);
        // What failed first is the error to tell.
        let done = done?;
        strict.map(|()| done)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn begin(&mut self) -> Result<()> {
        self.wire.execute(session::BEGIN).map(drop)
    }

    /// Begins a transaction in which nothing can be written, for a question that holds a text of a plan's.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn begin_reading(&mut self) -> Result<()> {
        self.wire.execute(session::BEGIN_READING).map(drop)
    }

    /// Commits.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`]; after a broken connection it is not known whether the commit was made.
    pub fn commit(&mut self) -> Result<()> {
        fault::step();
        let committed = self.wire.execute(session::COMMIT).map(drop);
        fault::step();
        committed
    }

    /// Rolls back. A broken connection has been rolled back by the server.
    ///
    /// # Errors
    /// What the server says.
    pub fn rollback(&mut self) -> Result<()> {
        if self.wire.gone != Gone::No {
            return Ok(());
        }
        self.wire.execute(session::ROLLBACK).map(drop)
    }

    /// Marks a place in the open transaction for [`LocalSession::back_to_savepoint`].
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn savepoint(&mut self) -> Result<()> {
        self.wire.execute(session::SAVEPOINT).map(drop)
    }

    /// Takes back what was done since the last [`LocalSession::savepoint`]; what came before stays in the transaction.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn back_to_savepoint(&mut self) -> Result<()> {
        self.wire.execute(session::ROLLBACK_TO_SAVEPOINT).map(drop)
    }

    /// Returns the rows of a select, locked until the transaction ends (`FOR UPDATE`).
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn rows_locked(&mut self, select: &Select) -> Result<Vec<Row>> {
        let sql = format!("{} FOR UPDATE", select.sql());
        let mut sets = self.wire.sets(&sql)?;
        Ok(sets.pop().unwrap_or_default())
    }

    /// Takes a named lock of the server, without waiting. `None` when it was got, otherwise the connection id of its
    /// holder. It is given back when the session ends.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn lock(&mut self, name: &str) -> Result<Option<u64>> {
        for _ in 0..3 {
            let got = self.wire.one_row(&session::get_lock(name))?;
            if login::text(&got, 0) == "1" {
                if !self.locks.iter().any(|held| held == name) {
                    self.locks.push(name.to_owned());
                }
                return Ok(None);
            }
            let holder = self.wire.one_row(&session::lock_holder(name))?;
            if let Ok(id) = login::text(&holder, 0).parse() {
                return Ok(Some(id));
            }
            // Given back between the two questions.
        }
        bail!("the lock {name} of the local server could not be taken")
    }

    /// As [`LocalSession::lock`], but waits a while for a holder that is about to end.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`]; `Interrupted`.
    pub fn lock_patiently(&mut self, name: &str) -> Result<Option<u64>> {
        self.lock_within(name, LOCK_PATIENCE)
    }

    fn lock_within(&mut self, name: &str, patience: Duration) -> Result<Option<u64>> {
        let until = Instant::now() + patience;
        loop {
            match self.lock(name)? {
                Some(_) if Instant::now() < until => {
                    interrupt::check()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                ended => return Ok(ended),
            }
        }
    }

    /// Gives a named lock back.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn unlock(&mut self, name: &str) -> Result<()> {
        self.locks.retain(|held| held != name);
        self.wire.sets(&session::release_lock(name)).map(drop)
    }

    /// Switches foreign key checks of this session (they are off at first).
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn foreign_key_checks(&mut self, on: bool) -> Result<()> {
        self.foreign_key_checks = on;
        self.wire.execute(session::foreign_key_checks(on)).map(drop)
    }

    /// Switches strict mode off or on again. Whoever switches it off checks what was stored.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn lenient_mode(&mut self, on: bool) -> Result<()> {
        self.wire.execute(&session::strict_mode(!on)).map(drop)
    }

    /// Makes a database the current one.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn use_database(&mut self, name: &str) -> Result<()> {
        self.wire.execute(&session::use_database(name)).map(drop)
    }

    /// Sets what stored objects remember of the session that creates them.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn set_environment(&mut self, environment: &ObjectEnvironment) -> Result<()> {
        self.use_database(&environment.database)?;
        let sql = session::object_environment(
            &environment.sql_mode,
            &environment.charset_client,
            &environment.collation_connection,
            &environment.time_zone,
        );
        self.wire
            .execute(&sql)
            .with_context(|| {
                format!(
                    "setting the session as for an object of {}",
                    environment.database
                )
            })
            .map(drop)
    }

    /// Sets the session back to how it was opened (foreign key checks off).
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn reset_environment(&mut self) -> Result<()> {
        self.foreign_key_checks = false;
        self.wire.execute(&session::local_setup()).map(drop)
    }
}

impl Reader for LocalSession {
    fn side(&self) -> Side {
        Side::Local
    }

    fn server(&self) -> &ServerInfo {
        &self.wire.info
    }

    fn stream(&mut self, read: &Read, on_row: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
        self.wire.stream(&read.sql(), on_row)
    }

    fn sets(&mut self, read: &Read) -> Result<Vec<Vec<Row>>> {
        self.wire.sets(&read.sql())
    }
}

/// Logs in and sets the session up.
fn login(local: &config::Local) -> Result<Wire> {
    let password = local.password_source().read()?;
    let opts = login::options(&local.user, password.as_ref().map(Secret::reveal), None)
        .stmt_cache_size(PREPARED);
    let (opts, at) = match (&local.socket, &local.host) {
        (Some(socket), None) => {
            let path = socket.to_string_lossy().into_owned();
            let at = format!("socket {path}");
            (opts.socket(Some(path)), at)
        }
        (None, Some(host)) => {
            let port = local.port.unwrap_or(3306);
            let address = address(host, port, local.allow_non_loopback)?;
            let at = format!("{host}:{port}");
            (
                opts.ip_or_hostname(Some(address.to_string()))
                    .tcp_port(port),
                at,
            )
        }
        _ => bail!(Problem::new(
            "`local` names neither a socket nor a host, or both",
            "set either `local.socket`, or `local.host` and `local.port`",
        )),
    };
    let place = Place {
        side: Side::Local,
        server: format!("the local server at {at}, as user {}", local.user),
        section: "local",
        forward_failure: None,
    };
    let way: Way = {
        let opts = opts.clone();
        Arc::new(move || Ok(opts.clone()))
    };
    let mut wire = login::open(opts, way, &place, Arc::new(Tally::default()), |_| {
        session::local_setup()
    })
    .map_err(|failure| failure.describe(&place))?;
    for favour in session::local_favours(wire.info.vendor) {
        match wire.execute(favour) {
            Err(error) if server_code(&error).is_none() => return Err(error),
            _ => {}
        }
    }
    Ok(wire)
}

/// Returns the address to connect to: a loopback one, unless others are allowed.
fn address(host: &str, port: u16, allow_non_loopback: bool) -> Result<IpAddr> {
    let addresses: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => (host, port)
            .to_socket_addrs()
            .map_err(|failure| {
                anyhow::Error::new(failure).context(Problem::new(
                    format!("`local.host` {host} cannot be resolved"),
                    "correct `local.host`, or use `local.socket`",
                ))
            })?
            .map(|address| address.ip())
            .collect(),
    };
    let stranger = addresses.iter().find(|address| !address.is_loopback());
    if let (Some(stranger), false) = (stranger, allow_non_loopback) {
        bail!(Refusal::new(
            format!(
                "`local.host` {host} is {stranger}, which is not this machine: driftwarden would write to it"
            ),
            "use a server on this machine, or, if you are sure, set `local.allow_non_loopback` to true",
        ));
    }
    // IPv4 first: local servers listen there more often.
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied()
        .with_context(|| format!("`local.host` {host} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken_for_local() {
        assert!(address("127.0.0.1", 3306, false).is_ok());
        assert!(address("127.5.0.1", 3306, false).is_ok());
        assert!(address("::1", 3306, false).is_ok());
        assert!(address("localhost", 3306, false).unwrap().is_loopback());
        let error = address("192.0.2.1", 3306, false).unwrap_err();
        assert_eq!(crate::refusal::exit_code_of(&error), 3);
        assert!(address("0.0.0.0", 3306, false).is_err());
        assert!(address("192.0.2.1", 3306, true).is_ok());
    }
}
