//! The developer's side: the one session that can write.
//!
//! Must never connect to a host that is not loopback unless the config says so.

use super::error::Place;
use super::login;
use super::wire::{Gone, Tally, Wire};
use super::{Reader, Row, ServerInfo, Side};
use crate::config;
use crate::config::secret::Secret;
use crate::refusal::{Problem, Refusal};
use crate::sql::{Read, Select, session};
use crate::value::Cell;
use anyhow::{Context, Result, bail};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

/// A session on the local server. Opens with `foreign_key_checks` off: see [`LocalSession::foreign_key_checks`].
#[derive(Debug)]
pub struct LocalSession {
    wire: Wire,
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
    /// Logs in.
    ///
    /// # Errors
    /// A [`Refusal`] for a host that is not loopback, otherwise what is wrong with the login and the remedy.
    pub fn open(local: &config::Local) -> Result<Self> {
        let password = local.password_source().read()?;
        let opts = login::options(&local.user, password.as_ref().map(Secret::reveal), None);
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
        let wire = login::open(opts, &place, Arc::new(Tally::default()), |_| {
            session::local_setup()
        })
        .map_err(|failure| failure.describe(&place))?;
        tracing::info!(
            server = wire.info.display.as_str(),
            identity = wire.info.identity.as_str(),
            "connected to the local server"
        );
        Ok(Self { wire })
    }

    /// Executes one statement and returns the rows affected. The server's error number is in the chain as
    /// `ServerError`.
    ///
    /// # Errors
    /// What the server says, or a broken connection (transient).
    pub fn execute(&mut self, sql: &str) -> Result<u64> {
        self.wire.execute(sql)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn begin(&mut self) -> Result<()> {
        self.wire.execute(session::BEGIN).map(drop)
    }

    /// Commits.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`]; after a broken connection it is not known whether the commit was made.
    pub fn commit(&mut self) -> Result<()> {
        self.wire.execute(session::COMMIT).map(drop)
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

    /// Gives a named lock back.
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn unlock(&mut self, name: &str) -> Result<()> {
        self.wire.sets(&session::release_lock(name)).map(drop)
    }

    /// Switches foreign key checks of this session (they are off at first).
    ///
    /// # Errors
    /// As for [`LocalSession::execute`].
    pub fn foreign_key_checks(&mut self, on: bool) -> Result<()> {
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

    fn stream(&mut self, read: &Read, on_row: &mut dyn FnMut(&[Cell]) -> Result<()>) -> Result<()> {
        self.wire.stream(&read.sql(), on_row)
    }

    fn sets(&mut self, read: &Read) -> Result<Vec<Vec<Row>>> {
        self.wire.sets(&read.sql())
    }
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
