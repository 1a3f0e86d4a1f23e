//! One connection of either side: sends a statement, reads what comes back, counts it.
//!
//! Must never drain an abandoned result (it may be gigabytes): the connection is closed instead.

use super::error::{self, Place};
use super::watch::{self, Watch, Way, Work};
use super::{Notice, Row, ServerInfo, Side};
use crate::refusal::Problem;
use crate::retry::Transient;
use crate::sql::Parameter;
use crate::value::Cell;
use anyhow::{Context, Result, anyhow, bail};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a side's connections cost so far.
///
/// The driver has no hook on its stream: bytes are those of the result sets' packets (headers, column definitions
/// estimated at 60 bytes, length prefixes, cells), without logins and ssh's own framing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Times that an answer was waited for.
    pub round_trips: u64,
    /// Bytes of result sets.
    pub bytes_received: u64,
    /// Sends, session set-up included.
    pub queries: u64,
    /// Snapshots opened.
    pub snapshots: u64,
    /// How long the longest of them was held, in milliseconds.
    pub longest_snapshot: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) round_trips: AtomicU64,
    pub(super) bytes_received: AtomicU64,
    pub(super) queries: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) longest_snapshot: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Counters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            round_trips: get(&self.round_trips),
            bytes_received: get(&self.bytes_received),
            queries: get(&self.queries),
            snapshots: get(&self.snapshots),
            longest_snapshot: get(&self.longest_snapshot),
        }
    }
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Names the statement of a send of several that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedStatement {
    /// The statement's place in the send, from 1.
    pub number: usize,
}

impl fmt::Display for FailedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {} of the send failed", self.number)
    }
}

impl std::error::Error for FailedStatement {}

/// Why a connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// It is there.
    No,
    /// It broke.
    Broken,
    /// We gave up on it while the server was at work: what it runs must be ended from another connection.
    Abandoned,
}

pub(super) struct Wire {
    // Before the connection, so that it is dropped first: it must not touch a socket that is closed.
    watch: Watch,
    conn: Option<Conn>,
    side: Side,
    pub(super) gone: Gone,
    pub(super) info: ServerInfo,
    pub(super) connection_id: u64,
    tally: Arc<Tally>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("side", &self.side)
            .field("connection_id", &self.connection_id)
            .finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects and logs in. The session is not set up yet, and `info` is empty.
    pub(super) fn login(
        opts: OptsBuilder,
        way: Way,
        place: &Place,
        tally: Arc<Tally>,
    ) -> Result<Self, mysql::Error> {
        let conn = watch::login(opts)?;
        // The handshake, and for a password that the server has not cached two more.
        Tally::add(&tally.round_trips, 2);
        Ok(Self {
            watch: Watch::start(way, u64::from(conn.connection_id())),
            connection_id: u64::from(conn.connection_id()),
            conn: Some(conn),
            side: place.side,
            gone: Gone::No,
            info: ServerInfo::unknown(),
            tally,
        })
    }

    /// Tells from now on when a statement waits for a lock, and for whose.
    pub(super) fn tell_of_locks(&self, notice: Notice) {
        self.watch.tell_of_locks(notice);
    }

    /// Streams the rows of a statement that answers with one result set.
    pub(super) fn stream(
        &mut self,
        sql: &str,
        on_row: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        let mut sets = 0;
        self.send(sql, Work::Reading, &mut |set, row| {
            sets = sets.max(set + 1);
            if set > 0 {
                bail!("the server answered with more than one result set");
            }
            on_row(row)
        })
        .map(|_| ())
    }

    /// Returns the rows of every result set.
    pub(super) fn sets(&mut self, sql: &str) -> Result<Vec<Vec<Row>>> {
        let mut sets: Vec<Vec<Row>> = Vec::new();
        let count = self.send(sql, Work::Reading, &mut |set, row| {
            while sets.len() <= set {
                sets.push(Vec::new());
            }
            if let Some(rows) = sets.last_mut() {
                rows.push(row);
            }
            Ok(())
        })?;
        while sets.len() < count {
            sets.push(Vec::new());
        }
        Ok(sets)
    }

    /// Sends statements whose results do not matter, and returns the rows affected by the last.
    pub(super) fn execute(&mut self, sql: &str) -> Result<u64> {
        self.send(sql, Work::Changing, &mut |_, _| Ok(()))?;
        Ok(self.conn.as_ref().map_or(0, Conn::affected_rows))
    }

    /// Sends a text; hands each row to `on_row` with the number of its result set, and returns the number of those.
    fn send(
        &mut self,
        sql: &str,
        work: Work,
        on_row: &mut dyn FnMut(usize, Row) -> Result<()>,
    ) -> Result<usize> {
        let tally = Arc::clone(&self.tally);
        Tally::add(&tally.queries, 1);
        Tally::add(&tally.round_trips, 1);
        let counter = &tally.bytes_received;
        self.watched(work, sql.contains(';'), |conn, watch| {
            drive(conn, sql, watch, on_row, counter)
        })
    }

    /// Executes a statement with what stands for its placeholders, and returns the rows affected. The server keeps the
    /// statement prepared for the next time.
    pub(super) fn execute_bound(&mut self, sql: &str, parameters: Vec<Parameter>) -> Result<u64> {
        Tally::add(&self.tally.queries, 1);
        Tally::add(&self.tally.round_trips, 1);
        let parameters = parameters.into_iter().map(|parameter| match parameter {
            Parameter::Null => mysql::Value::NULL,
            Parameter::Integer(number) => mysql::Value::Int(number),
            Parameter::Double(number) => mysql::Value::Double(number),
            Parameter::Bytes(bytes) => mysql::Value::Bytes(bytes),
        });
        let parameters = mysql::Params::Positional(parameters.collect());
        self.watched(Work::Changing, false, |conn, _| {
            conn.exec_drop(sql, parameters)
                .map_err(|failure| Failure::Driver { number: 1, failure })
        })?;
        Ok(self.conn.as_ref().map_or(0, Conn::affected_rows))
    }

    /// Does something over the connection, under the eyes of the watch, and closes it where it can serve no more.
    fn watched<T>(
        &mut self,
        work: Work,
        several: bool,
        f: impl FnOnce(&mut Conn, &Watch) -> Result<T, Failure>,
    ) -> Result<T> {
        let side = self.side;
        let Some(conn) = &mut self.conn else {
            bail!(Transient {
                what: format!(
                    "the connection to {} was closed after an earlier failure",
                    side.server()
                ),
            });
        };
        self.watch.begin(conn, work);
        let outcome = f(conn, &self.watch);
        let (cut, blocked) = self.watch.end();
        let (number, failure) = match outcome {
            Ok(answer) => return Ok(answer),
            Err(Failure::Ours(error)) => {
                // Dropped without reading the rest; the server learns of it by the closed socket, or by a KILL.
                self.close(Gone::Abandoned);
                return Err(error);
            }
            Err(Failure::Driver { number, failure }) => (number, failure),
        };
        if let Some(why) = cut {
            self.close(Gone::Abandoned);
            return Err(anyhow!(Transient {
                what: format!("{} does not answer any more ({why})", side.server()),
            }));
        }
        if !matches!(failure, mysql::Error::MySqlError(_)) {
            self.close(if error::is_timeout(&failure) {
                Gone::Abandoned
            } else {
                Gone::Broken
            });
        }
        let failed = Err(error::statement(failure, side, blocked.as_ref()));
        if several {
            failed.context(FailedStatement { number })
        } else {
            failed
        }
    }

    fn close(&mut self, why: Gone) {
        self.gone = why;
        drop(self.conn.take());
    }

    /// Fails unless a query answered with one row, and returns it.
    pub(super) fn one_row(&mut self, sql: &str) -> Result<Row> {
        let mut sets = self.sets(sql)?;
        match (sets.pop().as_deref_mut(), sets.len()) {
            (Some([row]), _) => Ok(std::mem::take(row)),
            _ => bail!(Problem::new(
                format!(
                    "{} did not answer a question about itself with one row",
                    self.side.server()
                ),
                "see that the configured address is a MySQL or MariaDB server",
            )),
        }
    }
}

enum Failure {
    Ours(anyhow::Error),
    Driver {
        number: usize,
        failure: mysql::Error,
    },
}

fn drive(
    conn: &mut Conn,
    sql: &str,
    watch: &Watch,
    on_row: &mut dyn FnMut(usize, Row) -> Result<()>,
    bytes_received: &AtomicU64,
) -> Result<usize, Failure> {
    const COLUMN_DEFINITION: u64 = 60;
    let mut result = conn
        .query_iter(sql)
        .map_err(|failure| Failure::Driver { number: 1, failure })?;
    let mut set = 0;
    loop {
        let Some(mut rows) = result.iter() else { break };
        let columns = u64::try_from(rows.columns().as_ref().len()).unwrap_or(0);
        Tally::add(bytes_received, columns * COLUMN_DEFINITION);
        let failure = loop {
            match rows.next() {
                None => break None,
                Some(Err(failure)) => {
                    break Some(Failure::Driver {
                        number: set + 1,
                        failure,
                    });
                }
                Some(Ok(row)) => {
                    watch.sign();
                    let cells = cells(row);
                    Tally::add(bytes_received, packet_length(&cells));
                    if let Err(error) = on_row(set, cells) {
                        break Some(Failure::Ours(error));
                    }
                }
            }
        };
        match failure {
            None => drop(rows),
            Some(failure) => {
                // Dropping either would read the result to its end. What leaks is a list of column names.
                std::mem::forget(rows);
                std::mem::forget(result);
                return Err(failure);
            }
        }
        set += 1;
    }
    Ok(set)
}

/// Takes a row of the text protocol.
pub(super) fn cells(row: mysql::Row) -> Row {
    row.unwrap().into_iter().map(cell).collect()
}

/// Takes a value of the text protocol, which is bytes or NULL.
fn cell(value: mysql::Value) -> Cell {
    match value {
        mysql::Value::NULL => None,
        mysql::Value::Bytes(bytes) => Some(bytes),
        other => Some(other.as_sql(true).into_bytes()),
    }
}

fn packet_length(cells: &[Cell]) -> u64 {
    const HEADER: u64 = 4;
    let body: u64 = cells
        .iter()
        .map(|cell| {
            let length = cell
                .as_ref()
                .map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(0));
            let prefix = match length {
                0..=250 => 1,
                251..=0xffff => 3,
                0x1_0000..=0xff_ffff => 4,
                _ => 9,
            };
            prefix + length
        })
        .sum();
    HEADER + body
}
