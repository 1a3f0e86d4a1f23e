//! Compares one table's rows on both servers, chunk by chunk, and hands the differences to a sink.
//!
//! Both servers work at the same time: one pass of checksums by bucket, a second look at the buckets that differ, and
//! only rows that differ are fetched. Must never hold a table in memory, and must never report a row as gone before the
//! remote's answer for its range has ended properly.

mod bag;
mod converted;
mod fetch;
mod incremental;
mod keyed;
mod more;
mod pace;
mod pages;
mod quick;
mod resolve;
mod shape;
mod spans;
mod work;

pub use quick::unchanged;
pub use shape::{Restriction, RowKey, RuleUnfit, Shape, ShapeColumn};
pub use work::{LocalSource, Source};

use crate::connect::{LocalSession, Reader, Remote, RemoteSession, Row, Side, server_code};
use crate::diff::rows::{Counts, RowChange, RowKind, RowSink};
use crate::issues::Step;
use crate::read::encode::{self, Hasher};
use crate::read::incremental::{Since, TimeColumn};
use crate::read::rules::RowRules;
use crate::refusal::Problem;
use crate::schema::{ObjectName, Table};
use crate::sql::{Expr, Select};
use crate::value::ValueKind;
use anyhow::{Context as _, Result, bail};
use more::More;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use work::{RemoteSource, Worker};

/// Rows of a concatenation are at most a row's 64 KB in another character set and in hex: below this.
const LEAST_PACKET: u64 = 1 << 20;

/// What a failure of a comparison is filed under.
pub const PHASE: &str = "comparing rows";

/// For a table of which no column is replaced.
pub static NONE_REPLACED: BTreeSet<String> = BTreeSet::new();

/// A table to compare.
#[derive(Debug, Clone)]
pub struct TableTask<'a> {
    /// Its name on the remote.
    pub remote_name: ObjectName,
    /// Its name on local.
    pub local_name: ObjectName,
    /// The remote's table.
    pub remote: &'a Table,
    /// Local's table as it is before the plan; `None` where it is to be created.
    pub local: Option<&'a Table>,
    /// Columns, by lower-case name, of which local's values are not kept: they are dropped and added before the rows.
    pub replaced: &'a BTreeSet<String>,
    /// The remote's estimate of its rows.
    pub estimated_rows: u64,
    /// The remote's estimate of its bytes.
    pub estimated_bytes: u64,
    /// How long one chunk's query should take.
    pub chunk_time: Duration,
    /// How long one snapshot is held before the next is opened.
    pub snapshot_time: Duration,
    /// Whether rows that only local has are left alone.
    pub keep_local: bool,
    /// Whether the schema stays as it is, so that only columns of both sides are compared.
    pub data_only: bool,
    /// Whether both servers are of the same vendor and series, so that they sort text alike.
    pub same_server_kind: bool,
    /// What the config's rules make of its rows.
    pub rules: Option<&'a RowRules>,
    /// The column that shows when a row changed, where the table has a usable one.
    pub times: Option<&'a TimeColumn>,
    /// From when on rows are compared; `None` for all of them.
    pub since: Option<&'a Since>,
}

/// How a table was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Local has no row of it: every remote row is an insert.
    Copy,
    /// Every row was compared.
    Full,
    /// Recent rows were compared, and those left from earlier plans.
    Incremental,
}

/// What came of a comparison.
#[derive(Debug, Clone)]
pub struct TableOutcome {
    /// What was compared: columns, encodings, key.
    pub shape: Shape,
    /// How.
    pub method: Method,
    /// What the comparison can see, in words, for the plan.
    pub exactness: String,
    /// Rows the remote has in what was compared.
    pub remote_rows: u64,
    /// Rows that local has in what was compared.
    pub local_rows: u64,
    /// Differences by kind.
    pub counts: Counts,
    /// Snapshots the remote was read under.
    pub snapshots: u64,
    /// The greatest time in the remote's first snapshot, of the rows read; `None` where the table has no time column or
    /// none of its rows a time.
    pub greatest: Option<String>,
    /// Whether every difference that was seen was handed on. A row that is gone when it is fetched is left for the next
    /// plan, so that nothing may be noted of the table.
    pub complete: bool,
}

/// Returns the shape that a comparison of the table has, without reading a row.
///
/// # Errors
/// Where a column's type is unknown, or no column is left to compare.
pub fn shape(task: &TableTask<'_>) -> Result<Shape> {
    Shape::of(task).with_context(|| format!("comparing {}", task.local_name))
}

/// Returns whether a table holds no row.
///
/// # Errors
/// What the server says.
pub fn is_empty(reader: &mut dyn Reader, table: &ObjectName) -> Result<bool> {
    let select = Select::from(table, vec![Expr::integer(1)]).limit(1, 0);
    Ok(reader.rows(&select.into())?.is_empty())
}

/// Compares a table's rows and hands the differences to the sink. The remote is read under a snapshot of the table's own,
/// unless the caller has opened one.
///
/// # Errors
/// What a server says, with the table's name; a table that was altered or dropped meanwhile; a sink that cannot keep a
/// difference.
pub fn table(
    task: &TableTask<'_>,
    remote: &Remote,
    session: &mut RemoteSession,
    local: &mut LocalSession,
    sink: &mut dyn RowSink,
) -> Result<TableOutcome> {
    let doing = || format!("comparing the rows of {}", task.local_name);
    for server in [session.server(), local.server()] {
        if server.max_packet < LEAST_PACKET {
            bail!(Problem::new(
                format!(
                    "{}: max_allowed_packet of {} is {} bytes, too little to hash its rows",
                    doing(),
                    server.display,
                    server.max_packet
                ),
                "set max_allowed_packet to at least 1048576 on that server",
            ));
        }
    }
    let callers = session.has_snapshot();
    if !callers {
        remote
            .open_snapshot(session)
            .with_context(|| Step::table(PHASE, &task.remote_name))?;
    }
    let mut more = if callers {
        More::default()
    } else {
        More::open(task, remote, local)
    };
    let renewed = Arc::new(AtomicU64::new(0));
    let sessions = std::iter::once(&mut *session).chain(&mut more.sessions);
    let mut remotes: Vec<_> = sessions
        .map(|session| RemoteSource::new(remote, session, callers, Arc::clone(&renewed)))
        .collect();
    let mut locals = vec![LocalSource(local)];
    locals.extend(more.locals.iter_mut().map(LocalSource));
    let outcome = over(
        task,
        remotes.iter_mut().map(|source| source as _).collect(),
        locals.iter_mut().map(|source| source as _).collect(),
        sink,
        &renewed,
    );
    drop((remotes, locals));
    for session in &mut more.sessions {
        drop(session.end_snapshot());
    }
    if !callers {
        // The rows are read, or not: a connection that breaks only now harms nothing.
        drop(session.end_snapshot());
    }
    outcome
}

/// Compares a table's rows between two sources; the remote's snapshot is open already.
///
/// # Errors
/// As for [`table`].
pub fn between(
    task: &TableTask<'_>,
    remote: &mut dyn Source,
    local: &mut dyn Source,
    sink: &mut dyn RowSink,
) -> Result<TableOutcome> {
    over(task, vec![remote], vec![local], sink, &AtomicU64::new(0))
}

fn over<'s>(
    task: &TableTask<'_>,
    remote: Vec<&'s mut dyn Source>,
    local: Vec<&'s mut dyn Source>,
    sink: &mut dyn RowSink,
    renewed: &AtomicU64,
) -> Result<TableOutcome> {
    let shape = shape(task)?;
    let hasher = shape.hasher();
    let kinds = shape
        .columns
        .iter()
        .map(|column| encode::value_kind(&column.remote, column.encoding))
        .collect();
    std::thread::scope(|scope| {
        let remote = Worker::start(scope, Side::Remote, remote);
        let local = Worker::start(scope, Side::Local, local);
        Comparison {
            task,
            shape,
            remote,
            local,
            sink,
            counts: Counts::default(),
            remote_rows: 0,
            local_rows: 0,
            snapshots: 1,
            renewed,
            beyond: false,
            snapshot_since: Instant::now(),
            hasher,
            kinds,
            greatest: None,
            complete: true,
            keys_only: false,
            fetched_width: None,
            looks: VecDeque::new(),
            fetches: VecDeque::new(),
        }
        .run()
    })
    .map_err(|error| explain(error, task))
    .with_context(|| Step::table(PHASE, &task.remote_name))
}

/// Names a table that changed under the comparison.
fn explain(error: anyhow::Error, task: &TableTask<'_>) -> anyhow::Error {
    let what = match server_code(&error) {
        Some(1146 | 1051) => "was dropped",
        Some(1054 | 1412 | 1072 | 1176) => "was altered",
        _ => return error,
    };
    error.context(Problem::new(
        format!("{} {what} while it was being compared", task.remote_name),
        "run `driftwarden plan` again once the change is done",
    ))
}

/// A comparison under way.
struct Comparison<'a> {
    task: &'a TableTask<'a>,
    shape: Shape,
    remote: Worker,
    local: Worker,
    sink: &'a mut dyn RowSink,
    counts: Counts,
    remote_rows: u64,
    local_rows: u64,
    snapshots: u64,
    /// How often a connection opened its snapshot anew after a pause.
    renewed: &'a AtomicU64,
    /// Whether local may have rows beyond those that are compared: a row that local seems to lack is looked up by its
    /// key, whatever the `where`.
    beyond: bool,
    snapshot_since: Instant,
    /// Hashes the remote's rows here, where they are fetched as they are hashed.
    hasher: Option<Hasher>,
    /// How cells read into values.
    kinds: Vec<ValueKind>,
    greatest: Option<String>,
    complete: bool,
    /// Whether only keys are compared.
    keys_only: bool,
    /// Bytes of a row, on average, of the rows that were fetched last.
    fetched_width: Option<usize>,
    /// Second looks that both servers are at.
    looks: VecDeque<resolve::Look>,
    /// Rows that differ, of which some are under way.
    fetches: VecDeque<fetch::Fetch>,
}

impl Comparison<'_> {
    fn run(mut self) -> Result<TableOutcome> {
        let has_key = matches!(self.shape.key, RowKey::Columns { .. });
        let recent = self.task.times.zip(self.task.since);
        let method = match recent {
            _ if self.local_is_empty()? => Method::Copy,
            Some(_) if has_key => Method::Incremental,
            _ => Method::Full,
        };
        self.try_rules()?;
        self.beyond = method != Method::Copy && self.shape.restriction.is_some();
        if let Some(column) = self.task.times.filter(|_| method != Method::Incremental) {
            // Before anything else is read: what changes later is of that time or later.
            self.greatest = self.greatest_time(column)?;
        }
        match (method, self.shape.key.clone()) {
            (Method::Incremental, _) => {
                if let Some((column, since)) = recent {
                    self.since(column, since)?;
                }
            }
            (Method::Copy, _) => self.copy()?,
            (Method::Full, RowKey::Bag) => self.bag()?,
            (Method::Full, RowKey::Columns { .. }) => self.keyed()?,
        }
        self.snapshots += self.renewed.load(Ordering::Relaxed);
        let mut exactness = exactness(method, &self.shape);
        if self.snapshots > 1 {
            let _ = write!(
                exactness,
                "; read in {} spans, each under a snapshot of its own",
                self.snapshots
            );
        }
        Ok(TableOutcome {
            method,
            exactness,
            remote_rows: self.remote_rows,
            local_rows: self.local_rows,
            counts: self.counts,
            snapshots: self.snapshots,
            greatest: self.greatest,
            complete: self.complete,
            shape: self.shape,
        })
    }

    /// Has both servers resolve what the rules say, without reading a row, so that a mistake of types or character sets
    /// is told apart from one of the comparison.
    fn try_rules(&self) -> Result<()> {
        if self.task.rules.is_none() {
            return Ok(());
        }
        for side in [Side::Remote, Side::Local] {
            if side == Side::Local && self.task.local.is_none() {
                continue;
            }
            let columns = vec![self.shape.comparison_hash(side)];
            let select = self.select(side, columns).limit(0, 0);
            let step = format!("trying the rules of {}", self.name(side));
            self.worker(side).ask(step, select).wait().map_err(|error| {
                match server_code(&error) {
                    Some(_) => error.context(Problem::new(
                        format!(
                            "{} cannot compute what the config's rules say of {}",
                            side.server(),
                            self.name(side)
                        ),
                        "correct the `where` or the mask's `sql` that the server's message is about",
                    )),
                    None => error,
                }
            })?;
        }
        Ok(())
    }

    /// Whether the snapshot has been held for as long as one may be.
    fn snapshot_is_due(&self) -> bool {
        self.snapshot_since.elapsed() >= self.task.snapshot_time
    }

    /// Ends the snapshot and opens the next; nothing may be under way on the remote.
    fn next_snapshot(&mut self) -> Result<()> {
        for answer in self.remote.next_snapshots() {
            answer.wait()?;
        }
        self.snapshots += 1;
        self.snapshot_since = Instant::now();
        Ok(())
    }

    fn local_is_empty(&self) -> Result<bool> {
        if self.task.local.is_none() {
            return Ok(true);
        }
        let select = Select::from(&self.task.local_name, vec![Expr::integer(1)]).limit(1, 0);
        let step = format!("looking whether {} is empty", self.task.local_name);
        Ok(self.local.ask(step, select).wait()?.is_empty())
    }

    fn name(&self, side: Side) -> &ObjectName {
        match side {
            Side::Remote => &self.task.remote_name,
            Side::Local => &self.task.local_name,
        }
    }

    /// Selects from the rows of a side that are compared.
    fn select(&self, side: Side, columns: Vec<Expr>) -> Select {
        self.shape
            .restricted(side, Select::from(self.name(side), columns))
    }

    fn worker(&self, side: Side) -> &Worker {
        match side {
            Side::Remote => &self.remote,
            Side::Local => &self.local,
        }
    }

    fn emit(&mut self, kind: RowKind, change: RowChange) -> Result<()> {
        if kind == RowKind::Delete && self.task.keep_local {
            return Ok(());
        }
        self.counts.add(kind);
        self.sink.row(kind, change)
    }

    /// Reads fetched cells into the values of the shape's columns.
    fn values(&self, cells: &[crate::value::Cell]) -> Vec<crate::value::Value> {
        self.shape
            .columns
            .iter()
            .zip(cells)
            .map(|(column, cell)| {
                encode::value_of(&column.remote, column.encoding, cell.as_deref())
            })
            .collect()
    }
}

/// What a comparison can see, in words.
fn exactness(method: Method, shape: &Shape) -> String {
    let exactness = match (method, &shape.key) {
        (Method::Copy, _) => "exact: local has no row of it, every remote row is inserted",
        (Method::Full, RowKey::Bag) => {
            "exact: every row compared; without a usable key, equal rows are counted"
        }
        (Method::Full, RowKey::Columns { .. }) => "exact: every row compared",
        (Method::Incremental, _) => "recent rows compared",
    };
    let mut exactness = exactness.to_owned();
    for note in &shape.notes {
        exactness.push_str("; ");
        exactness.push_str(note);
    }
    exactness
}

/// Returns a cell as a hash.
fn hash_text(row: &Row, position: usize) -> Result<String> {
    hash_of(row.get(position).cloned().flatten())
}

/// Reads a hash, of a cell that is not needed any more.
fn hash_of(cell: crate::value::Cell) -> Result<String> {
    cell.and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| text.len() == 32)
        .context("a row's hash is missing in the server's answer")
}
