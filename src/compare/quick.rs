//! A first look at many small tables: one checksum each, many tables in one send, so that tables without a change cost no
//! round trips of their own.
//!
//! Of a table that is compared by time it sums the recent rows of both sides: where the sums agree, each recent row of the
//! remote is on local as it is. Must never take a table for unchanged whose count and sum over all the rows that are
//! compared were not read on both sides.

use super::{Counts, Method, RowKey, Shape, TableOutcome, TableTask, exactness, shape};
use crate::connect::{LocalSession, Reader, Remote, RemoteSession, Row, Side};
use crate::interrupt::Interrupted;
use crate::read::checksum::number;
use crate::read::encode;
use crate::retry::broke;
use crate::sql::{Expr, Function, Read, Select};
use anyhow::{Context, Result};

const STEP: &str = "looking at small tables together";

/// Tables of one send.
const TABLES: usize = 50;

/// What both sides have alike.
struct Alike {
    rows: u64,
    greatest: Option<String>,
}

/// Looks which of the tables have the same rows on both sides, under one snapshot (the caller's, where one is open), which
/// counts for none of them; `None` where a closer look is needed.
///
/// # Errors
/// What a server says when the snapshot is opened or ended; a connection that broke, tried again along the delays;
/// `Interrupted`. A table that cannot be read so needs a closer
/// look, which tells why.
pub fn unchanged(
    tasks: &[TableTask<'_>],
    remote: &Remote,
    session: &mut RemoteSession,
    local: &mut LocalSession,
) -> Result<Vec<Option<TableOutcome>>> {
    let callers = session.has_snapshot();
    if !callers {
        remote.open_snapshot(session)?;
    }
    let mut found = Vec::with_capacity(tasks.len());
    for tasks in tasks.chunks(TABLES) {
        remote.wait_while_busy(session, !callers)?;
        let shapes: Vec<Option<Shape>> = tasks
            .iter()
            .map(|task| shape(task).ok().filter(|shape| can_be_summed(task, shape)))
            .collect();
        match looked_at(tasks, &shapes, remote, session, local) {
            Ok(equal) => found.extend(
                tasks
                    .iter()
                    .zip(shapes.into_iter().zip(equal))
                    .map(|(task, (shape, alike))| Some(outcome(task, shape?, alike?))),
            ),
            // A closer look would only find the connection closed.
            Err(error) if error.is::<Interrupted>() || broke(&error) => return Err(error),
            Err(error) => {
                tracing::info!(
                    error = crate::refusal::summary(&error),
                    "small tables could not be looked at together: each is looked at by itself"
                );
                found.extend(tasks.iter().map(|_| None));
            }
        }
    }
    if !callers {
        // The rows are read: a connection that breaks only now harms nothing.
        drop(session.end_snapshot());
    }
    Ok(found)
}

fn outcome(task: &TableTask<'_>, shape: Shape, alike: Alike) -> TableOutcome {
    let method = match task.since {
        Some(_) => Method::Incremental,
        None => Method::Full,
    };
    TableOutcome {
        exactness: exactness(method, &shape),
        method,
        remote_rows: alike.rows,
        local_rows: alike.rows,
        counts: Counts::default(),
        snapshots: 0,
        greatest: alike.greatest,
        complete: true,
        shape,
    }
}

/// Whether sums tell all that is asked of the table: not the rows left from earlier plans nor the keys of old rows, and
/// local's times must be what production's are.
fn can_be_summed(task: &TableTask<'_>, shape: &Shape) -> bool {
    let Some(since) = task.since else { return true };
    let settled = since.keys.is_empty() && !since.check_deletes;
    let times = task.times.and_then(|times| {
        shape
            .columns
            .iter()
            .find(|column| column.remote.name == times.name)
    });
    settled
        && matches!(shape.key, RowKey::Columns { .. })
        && times.is_some_and(|column| {
            column.common()
                && column
                    .local
                    .as_ref()
                    .is_some_and(|local| local.data_type == column.remote.data_type)
        })
}

/// What both sides have alike of each table.
fn looked_at(
    tasks: &[TableTask<'_>],
    shapes: &[Option<Shape>],
    remote: &Remote,
    session: &mut RemoteSession,
    local: &mut LocalSession,
) -> Result<Vec<Option<Alike>>> {
    let selects = |side| {
        let selects = tasks
            .iter()
            .zip(shapes)
            .filter_map(|(task, shape)| Some(sums(task, shape.as_ref()?, side)));
        Ok::<_, anyhow::Error>(Read::Selects(selects.collect::<Result<_>>()?))
    };
    let (of_remote, of_local) = (selects(Side::Remote)?, selects(Side::Local)?);
    let (of_remote, of_local) = std::thread::scope(|scope| {
        let of_local = scope.spawn(move || local.again(STEP, |local| local.sets(&of_local)));
        let of_remote = remote.run(session, STEP, |session| session.sets(&of_remote));
        (of_remote, of_local.join())
    });
    let (of_remote, of_local) = (
        of_remote.context(STEP)?,
        of_local
            .ok()
            .context("reading from the local server ended unexpectedly")?
            .context(STEP)?,
    );
    let mut answers = of_remote.iter().zip(&of_local);
    tasks
        .iter()
        .zip(shapes)
        .map(|(task, shape)| {
            if shape.is_none() {
                return Ok(None);
            }
            let (remote, local) = answers.next().context("an answer is missing")?;
            let row = |rows: &[Row]| rows.first().cloned().context("a sum is missing");
            let (remote, local) = (row(remote)?, row(local)?);
            let rows = number(remote.first())?;
            let greatest = remote
                .get(SUMS)
                .cloned()
                .flatten()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            // A time that is none: the closer look knows what to make of it.
            let times_read = match (task.times, &greatest) {
                (Some(times), Some(text)) => times.moment(text).is_some(),
                _ => true,
            };
            let alike = remote.get(..SUMS).is_some() && remote.get(..SUMS) == local.get(..SUMS);
            Ok((alike && times_read).then_some(Alike { rows, greatest }))
        })
        .collect()
}

/// Columns of an answer that must agree: count and sum. Behind them the remote's greatest time.
const SUMS: usize = 2;

fn sums(task: &TableTask<'_>, shape: &Shape, side: Side) -> Result<Select> {
    let name = match side {
        Side::Remote => &task.remote_name,
        Side::Local => &task.local_name,
    };
    let sum = match shape.key {
        RowKey::Bag => encode::sum_of(&shape.hashed(side)),
        RowKey::Columns { .. } => encode::quick_checksum_of(&shape.summed(side)),
    };
    let mut columns = vec![Expr::count_all(), sum];
    if let (Side::Remote, Some(times)) = (side, task.times) {
        columns.push(Expr::call(Function::Max, vec![Expr::column(&times.name)]));
    }
    let select = shape.restricted(side, Select::from(name, columns));
    Ok(match (task.times, task.since, &shape.key) {
        (Some(times), Some(since), RowKey::Columns { remote, .. }) => {
            select.filter(times.filter(&since.from, None, remote)?)
        }
        _ => select,
    })
}
