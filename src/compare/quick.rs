//! A first look at many small tables: one checksum each, many tables in one send, so that tables without a change cost no
//! round trips of their own.
//!
//! Must never take a table for unchanged whose count and sum over all its rows were not read on both sides.

use super::{Method, RowKey, Shape, TableTask, exactness, shape};
use crate::connect::{LocalSession, Reader, Remote, RemoteSession, Row, Side};
use crate::interrupt::Interrupted;
use crate::read::checksum::number;
use crate::read::encode;
use crate::sql::{Expr, Read, Select};
use anyhow::{Context, Result};

/// Tables of one send.
const TABLES: usize = 50;

/// A table in which nothing differs.
#[derive(Debug, Clone)]
pub struct Unchanged {
    /// What was compared.
    pub shape: Shape,
    /// What the comparison can see, in words.
    pub exactness: String,
    /// The rows that each side has.
    pub rows: u64,
}

/// Looks which of the tables have the same rows on both sides, under one snapshot (the caller's, where one is open);
/// `None` where a closer look is needed.
///
/// # Errors
/// What a server says when the snapshot is opened or ended; `Interrupted`. A table that cannot be read so needs a closer
/// look, which tells why.
pub fn unchanged(
    tasks: &[TableTask<'_>],
    remote: &Remote,
    session: &mut RemoteSession,
    local: &mut LocalSession,
) -> Result<Vec<Option<Unchanged>>> {
    let callers = session.has_snapshot();
    if !callers {
        let step = "opening a snapshot on the remote server";
        remote.run(session, step, RemoteSession::start_snapshot)?;
    }
    let mut found = Vec::with_capacity(tasks.len());
    for tasks in tasks.chunks(TABLES) {
        remote.wait_while_busy(session)?;
        let shapes: Vec<Option<Shape>> = tasks.iter().map(|task| shape(task).ok()).collect();
        match looked_at(tasks, &shapes, session, local) {
            Ok(equal) => found.extend(shapes.into_iter().zip(equal).map(|(shape, rows)| {
                let shape = shape?;
                Some(Unchanged {
                    exactness: exactness(Method::Full, &shape),
                    rows: rows?,
                    shape,
                })
            })),
            Err(error) if error.is::<Interrupted>() => return Err(error),
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

/// The number of rows of each table that both sides have alike.
fn looked_at(
    tasks: &[TableTask<'_>],
    shapes: &[Option<Shape>],
    session: &mut RemoteSession,
    local: &mut LocalSession,
) -> Result<Vec<Option<u64>>> {
    let selects = |side| {
        let selects = tasks.iter().zip(shapes).filter_map(|(task, shape)| {
            let shape = shape.as_ref()?;
            let name = match side {
                Side::Remote => &task.remote_name,
                Side::Local => &task.local_name,
            };
            Some(sums(name, shape, side))
        });
        Read::Selects(selects.collect())
    };
    let (of_remote, of_local) = (selects(Side::Remote), selects(Side::Local));
    let (of_remote, of_local) = std::thread::scope(|scope| {
        let of_local = scope.spawn(move || local.sets(&of_local));
        (session.sets(&of_remote), of_local.join())
    });
    let (of_remote, of_local) = (
        of_remote?,
        of_local
            .ok()
            .context("reading from the local server ended unexpectedly")??,
    );
    let mut answers = of_remote.iter().zip(&of_local);
    shapes
        .iter()
        .map(|shape| {
            if shape.is_none() {
                return Ok(None);
            }
            let (remote, local) = answers.next().context("an answer is missing")?;
            let row = |rows: &[Row]| rows.first().cloned().context("a sum is missing");
            let (remote, local) = (row(remote)?, row(local)?);
            let rows = number(remote.first())?;
            Ok((remote == local).then_some(rows))
        })
        .collect()
}

fn sums(name: &crate::schema::ObjectName, shape: &Shape, side: Side) -> Select {
    let hashed = shape.hashed(side);
    let sum = match shape.key {
        RowKey::Bag => encode::sum_of(&hashed),
        RowKey::Columns { .. } => encode::checksum_of(&hashed),
    };
    shape.restricted(side, Select::from(name, vec![Expr::count_all(), sum]))
}
