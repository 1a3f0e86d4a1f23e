//! Connections to the two servers: login, session set-up, identity, typed reads.
//!
//! The only user of `mysql::Opts`; no type of the driver leaves this folder. Must never give a remote session a way
//! to send text, and must never leave `prefer_socket` at its default (FACTS.md, finding 3).

mod blocked;
mod busy;
mod error;
mod local;
mod login;
mod remote;
mod watch;
mod wire;

pub use error::{ServerError, cannot_compute, server_code};
pub use local::{LocalSession, ObjectEnvironment, Patience};
pub use login::refuse_same_server;
pub use remote::{Notice, Remote, RemoteSession, TunnelFailed};
pub use wire::{Counters, FailedStatement};

use crate::schema::Vendor;
use crate::sql::Read;
use crate::value::Cell;
use anyhow::Result;

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Production, behind ssh: only ever read.
    Remote,
    /// The developer's own server.
    Local,
}

impl Side {
    /// Returns what a person calls the server.
    pub fn server(self) -> &'static str {
        match self {
            Self::Remote => "the remote server",
            Self::Local => "the local server",
        }
    }
}

/// What a server says of itself at login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The program it runs.
    pub vendor: Vendor,
    /// Version as it prints it, for example `9.7.4` or `10.11.19-MariaDB-…`.
    pub version: String,
    /// `MySQL 9.7.4` or `MariaDB 10.11.19`, for plans.
    pub display: String,
    /// Identity as in CONTRACT, Freshness 1.
    pub identity: String,
    /// `lower_case_table_names`.
    pub lower_case_table_names: u8,
    /// `max_allowed_packet` of the session, in bytes.
    pub max_packet: u64,
}

impl ServerInfo {
    fn unknown() -> Self {
        Self {
            vendor: Vendor::MySql,
            version: String::new(),
            display: String::new(),
            identity: String::new(),
            lower_case_table_names: 0,
            max_packet: 0,
        }
    }
}

/// A row of a result set.
pub type Row = Vec<Cell>;

/// Either session, as far as reading goes. Comparison code is written against this.
pub trait Reader {
    /// Which server this is.
    fn side(&self) -> Side;
    /// What the server said of itself.
    fn server(&self) -> &ServerInfo;
    /// Streams the rows of a single-result read. Every cell is the server's text-protocol bytes, unconverted
    /// (`character_set_results=binary`).
    ///
    /// # Errors
    /// A broken stream is an error marked `retry::Transient`, never a short result. What `on_row` returns as an
    /// error ends the read.
    fn stream(&mut self, read: &Read, on_row: &mut dyn FnMut(Row) -> Result<()>) -> Result<()>;
    /// Returns all result sets of a send (one for most reads). For small answers only. For reads with several
    /// statements an error of one statement fails the whole call; the error names the statement's number.
    ///
    /// # Errors
    /// As for `stream`.
    fn sets(&mut self, read: &Read) -> Result<Vec<Vec<Row>>>;
    /// Returns the rows of a single-result read. For small answers only.
    ///
    /// # Errors
    /// As for `stream`.
    fn rows(&mut self, read: &Read) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.stream(read, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }
}
