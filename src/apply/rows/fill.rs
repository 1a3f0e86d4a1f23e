//! Fills an empty table over several connections: rows and statements are made in one thread, each connection inserts
//! a stretch of keys at a time in a transaction of its own.
//!
//! Nothing is looked for before it is inserted: the table holds nothing. Whatever the server refuses, or does not store
//! as the plan has it, is rolled back and left to [`super::load`], which looks row by row and tries again what may pass. Must never commit a
//! stretch whose checksum does not read back, and must never begin before the record of all rows is on disk.

use super::Run;
use super::load::{RowRanges, add_to_ranges};
use super::verify::{Stretch, hash_bits, stands};
use crate::apply::approved::ApprovedPlan;
use crate::apply::table::Target;
use crate::apply::undo::Record;
use crate::connect::{LocalSession, Reader as _};
use crate::plan::row_sql::{Binder, Insert, Values};
use crate::plan::{Entry, payload};
use crate::progress;
use crate::read::encode;
use crate::schema::table::TypeClass;
use crate::sql::{Expr, Select};
use crate::value::Value;
use anyhow::{Context as _, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Fewer rows are inserted as well over one connection.
const LEAST_ROWS: u64 = 20_000;
/// Connections at most; fewer where the machine has fewer processors, but two at least.
const MOST_CONNECTIONS: usize = 4;
/// Rows of one transaction at most: more gain nothing, and take their memory on every connection.
const LOAD_ROWS: u64 = 10_000;
/// Bytes of the statements of one transaction at most (about).
const LOAD_BYTES: usize = 2 << 20;
/// Bytes of one INSERT, or of a few small ones, at most (about).
const STATEMENT_BYTES: usize = 1 << 19;

/// A stretch of rows for one transaction.
struct Load {
    /// Each with its number of rows.
    statements: Vec<(Insert, u64)>,
    numbers: (u64, u64),
    stretch: Stretch,
    lenient: bool,
}

/// What became of a stretch.
enum Loaded {
    Committed {
        numbers: (u64, u64),
        rows: u64,
    },
    /// The server refused it, or stored something else: it was rolled back.
    Refused(anyhow::Error),
    Broken(anyhow::Error),
}

/// Fills the table if it is empty and the entry is large, and returns the numbers of the rows that are committed. The
/// others are left to be looked at one by one.
///
/// # Errors
/// A payload that cannot be read, or an undo record that cannot be written; what is committed stands.
pub(super) fn fill(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<RowRanges> {
    let mut committed = RowRanges::new();
    if entry.count.unwrap_or(0) < LEAST_ROWS || entry.payload.is_none() {
        return Ok(committed);
    }
    let select = Select::from(&target.name, vec![Expr::integer(1)]).limit(1, 0);
    if !run.local.rows(&select.into())?.is_empty() {
        return Ok(committed);
    }
    run.journal.append(&Record::Inserts {
        entry: entry.id.clone(),
        rows: run.approved.wanted_rows(entry),
    })?;
    let mut others = Vec::new();
    for _ in 1..connections() {
        others.push(run.local.another()?);
    }
    let refused = over(run, &mut others, entry, target, &mut committed)?;
    match refused {
        Some(error) => tracing::info!(
            entry = entry.id.as_str(),
            error = crate::refusal::summary(&error),
            "a stretch of rows was refused: the rest is looked at row by row"
        ),
        None => super::committed(run.journal, entry)?,
    }
    Ok(committed)
}

fn connections() -> usize {
    std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .clamp(2, MOST_CONNECTIONS)
}

/// Loads everything; returns why it stopped short, if it did.
fn over(
    run: &mut Run<'_>,
    others: &mut [LocalSession],
    entry: &Entry,
    target: &Target<'_>,
    committed: &mut RowRanges,
) -> Result<Option<anyhow::Error>> {
    let approved = run.approved;
    let max_packet = run.local.server().max_packet;
    let stop = AtomicBool::new(false);
    let mut refused: Option<anyhow::Error> = None;
    let mut broken: Option<anyhow::Error> = None;
    std::thread::scope(|scope| {
        let (sender, loads) = sync_channel(1);
        let stop = &stop;
        scope.spawn(move || {
            if let Err(error) = prepare(approved, entry, target, stop, &sender) {
                // The receiver has gone where the run has ended already.
                drop(sender.send(Err(error)));
            }
        });
        let loads = std::sync::Arc::new(Mutex::new(loads));
        let (done, results) = channel();
        for session in others.iter_mut().chain([&mut *run.local]) {
            let (loads, done) = (std::sync::Arc::clone(&loads), done.clone());
            scope.spawn(move || work(session, target, max_packet, stop, &loads, &done));
        }
        drop((done, loads));
        for loaded in results {
            match loaded {
                Loaded::Committed { numbers, rows } => {
                    add_to_ranges(committed, numbers);
                    run.stand += rows;
                    progress::add(rows);
                }
                Loaded::Refused(error) => {
                    refused.get_or_insert(error);
                }
                Loaded::Broken(error) => {
                    broken.get_or_insert(error);
                }
            }
            if refused.is_some() || broken.is_some() || crate::interrupt::requested() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    match broken {
        Some(error) => Err(error),
        None => Ok(refused),
    }
}

/// Takes stretches and loads them until there are no more, or something stops all.
fn work(
    session: &mut LocalSession,
    target: &Target<'_>,
    max_packet: u64,
    stop: &AtomicBool,
    loads: &Mutex<Receiver<Result<Load>>>,
    done: &Sender<Loaded>,
) {
    loop {
        let next = loads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let result = match next {
            Err(_) => return,
            // Taken and thrown away, so that whoever makes them comes to an end.
            Ok(_) if stop.load(Ordering::Relaxed) => continue,
            Ok(Err(error)) => Loaded::Broken(error),
            Ok(Ok(load)) => insert(session, target, max_packet, load),
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

fn insert(session: &mut LocalSession, target: &Target<'_>, max_packet: u64, load: Load) -> Loaded {
    let (numbers, rows) = (load.numbers, load.stretch.rows);
    let what = || format!("rows {} to {} of {}", numbers.0, numbers.1, target.name);
    let inserted = insert_all(session, target, max_packet, load);
    match inserted {
        Ok(true) => Loaded::Committed { numbers, rows },
        Ok(false) => Loaded::Refused(
            anyhow::anyhow!("they did not read back as the plan has them").context(what()),
        ),
        Err(error) => {
            // A broken connection has been rolled back by the server.
            drop(session.rollback());
            Loaded::Refused(error.context(what()))
        }
    }
}

/// Inserts a stretch in a transaction; false, and rolled back, where it does not read back as it should.
fn insert_all(
    session: &mut LocalSession,
    target: &Target<'_>,
    max_packet: u64,
    load: Load,
) -> Result<bool> {
    session.begin()?;
    if load.lenient {
        session.lenient_mode(true)?;
    }
    let mut whole = true;
    for (insert, rows) in load.statements {
        whole = super::fits(max_packet, insert.bytes())
            && match insert {
                Insert::Text(sql) => session.execute(&sql)?,
                Insert::Bound(sql, parameters) => session.execute_bound(&sql, parameters)?,
            } == rows;
        if !whole {
            break;
        }
    }
    if load.lenient {
        session.lenient_mode(false)?;
    }
    if whole && stands(session, target, &load.stretch)? {
        session.commit()?;
        return Ok(true);
    }
    session.rollback()?;
    Ok(false)
}

/// Reads the rows and makes their statements, a transaction at a time.
fn prepare(
    approved: &ApprovedPlan,
    entry: &Entry,
    target: &Target<'_>,
    stop: &AtomicBool,
    sender: &SyncSender<Result<Load>>,
) -> Result<()> {
    let changes = payload::changes(entry, &approved.plan().id, approved.path())?
        .with_context(|| format!("{} has no payload", entry.id))?;
    let mut making = Making::new(target)?;
    for change in changes {
        let (number, decision, change) = change?;
        if !approved.wants_decided(entry, decision) {
            continue;
        }
        making
            .row(number, change)
            .with_context(|| format!("row {number} of {}", entry.id))?;
        if making.rows >= LOAD_ROWS || making.bytes >= LOAD_BYTES {
            let load = making.take()?;
            if stop.load(Ordering::Relaxed)
                || load.is_some_and(|load| sender.send(Ok(load)).is_err())
            {
                return Ok(());
            }
        }
    }
    if let Some(load) = making.take()? {
        drop(sender.send(Ok(load)));
    }
    Ok(())
}

/// The stretch that is being made.
struct Making<'t> {
    target: &'t Target<'t>,
    binder: Binder<'t>,
    /// Where the key's columns stand in a row.
    key: Vec<usize>,
    /// Columns whose values may need lenient mode.
    enums: Vec<usize>,
    statements: Vec<(Insert, u64)>,
    rows: u64,
    bytes: usize,
    checksum: u64,
    /// Rows that hold a NULL.
    with_null: u64,
    lenient: bool,
    first: Option<(u64, Values)>,
    last: (u64, Vec<Value>),
}

impl<'t> Making<'t> {
    fn new(target: &'t Target<'t>) -> Result<Self> {
        let columns: Vec<_> = target.columns.iter().map(|(column, _)| column).collect();
        let place = |name: &String| {
            target
                .shape
                .columns
                .iter()
                .position(|column| column.name == *name)
                .with_context(|| format!("the key's column `{name}` is not in the shape"))
        };
        Ok(Self {
            target,
            binder: Binder::new(&target.name, &columns, &target.extras),
            key: target.shape.key.iter().map(place).collect::<Result<_>>()?,
            enums: (0..columns.len())
                .filter(|place| columns[*place].data_type.class() == Some(TypeClass::Enum))
                .collect(),
            statements: Vec::new(),
            rows: 0,
            bytes: 0,
            checksum: 0,
            with_null: 0,
            lenient: false,
            first: None,
            last: (0, Vec::new()),
        })
    }

    fn row(&mut self, number: u64, change: crate::diff::rows::RowChange) -> Result<()> {
        let values = change.after.context("it has no values")?;
        let hash = change
            .after_hash
            .as_deref()
            .context("it has no after_hash")?;
        self.checksum ^= hash_bits(hash).context("its after_hash is no hash")?;
        self.rows += 1;
        self.with_null += u64::from(values.contains(&Value::Null));
        self.lenient |= self.enums.iter().any(|place| {
            encode::needs_lenient_mode(&self.target.columns[*place].0, &values[*place])
        });
        let key = self.key.iter().map(|place| values[*place].clone());
        if self.first.is_none() {
            let names = self.target.shape.key.iter().cloned();
            self.first = Some((number, names.zip(key.clone()).collect()));
        }
        self.last.0 = number;
        self.last.1.clear();
        self.last.1.extend(key);
        self.binder.push(values);
        if self.binder.is_full() || self.binder.bytes() >= STATEMENT_BYTES {
            self.end_statements()?;
        }
        Ok(())
    }

    fn end_statements(&mut self) -> Result<()> {
        let statements = self.binder.take()?;
        self.bytes += statements
            .iter()
            .map(|(insert, _)| insert.bytes())
            .sum::<usize>();
        self.statements.extend(statements);
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Load>> {
        self.end_statements()?;
        let Some((first_number, first)) = self.first.take() else {
            return Ok(None);
        };
        self.bytes = 0;
        let names = self.target.shape.key.iter().cloned();
        let rows = std::mem::take(&mut self.rows);
        Ok(Some(Load {
            statements: std::mem::take(&mut self.statements),
            numbers: (first_number, self.last.0),
            stretch: Stretch {
                first,
                last: names.zip(self.last.1.drain(..)).collect(),
                rows,
                checksum: std::mem::take(&mut self.checksum),
                whole: std::mem::take(&mut self.with_null) * 10 < rows,
            },
            lenient: std::mem::take(&mut self.lenient),
        }))
    }
}
