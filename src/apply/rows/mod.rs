//! Executes the rows of one entry in bounded batches, each re-checked under lock.
//!
//! Must never change a row that is not what the plan saw, never let a batch stand half, and never use REPLACE or ON
//! DUPLICATE KEY UPDATE (they delete or change other rows: FACTS.md, section 5).

mod fill;
mod find;
mod load;
mod swap;
mod verify;
mod write;

pub(super) use verify::hash_bits;

use super::approved::ApprovedPlan;
use super::foreign::{self, Key};
use super::state::MOST_KEYS;
use super::table::Target;
use super::undo::{Journal, Record, Unrecorded};
use crate::connect::{LocalSession, Reader as _, server_code};
use crate::interrupt;
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind, PlanRow, payload};
use crate::retry::broke;
use crate::value::Value;
use anyhow::{Context as _, Result};

/// Rows of one transaction at most.
const BATCH_ROWS: usize = 1000;
/// Bytes of the values of one transaction, and of one INSERT, at most (about).
const BATCH_BYTES: usize = 1 << 20;
/// Rows that were left alone and are named at most.
const EXAMPLES: usize = 10;
/// Errors that concern single rows, whose statement alone the server takes back: duplicate value, missing parent, remaining
/// children; NULL where none may be, a value that does not fit its column, a row too long, no partition, a violated check, a
/// trigger's SIGNAL.
const ROW_ERRORS: [u16; 29] = [
    1062, 1169, 1216, 1217, 1451, 1452, 1761, 1762, 1048, 1138, 1364, 1263, 1264, 1265, 1292, 1366,
    1367, 1406, 1411, 1416, 1690, 3140, 1118, 1713, 1526, 1748, 3819, 4025, 1644,
];

/// What came of an entry's rows so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Rows changed.
    pub(super) changed: u64,
    /// Rows that were as wanted already.
    pub(super) already: u64,
    /// Rows left alone.
    pub(super) stale: u64,
    /// The first of them.
    pub(super) examples: Vec<String>,
    /// Whether a row was left because local takes no statement of its size.
    pub(super) too_large: bool,
    /// Keys of rows left alone, as many as a note of the table can hold.
    pub(super) left: Vec<Values>,
}

impl Progress {
    /// Counts a row that is left as it is.
    pub(super) fn leave(&mut self, row: &PlanRow, why: &str) {
        self.stale += 1;
        if self.left.len() <= MOST_KEYS {
            self.left.push(row.key.clone());
        }
        if self.examples.len() < EXAMPLES {
            let key: Vec<String> = row
                .key
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            let key = if key.is_empty() {
                format!("row {}", row.row)
            } else {
                key.join(", ")
            };
            self.examples.push(format!("{key}: {why}"));
        }
    }
}

/// Where the rows of an entry are executed.
pub(super) struct Run<'a> {
    /// The plan.
    pub(super) approved: &'a ApprovedPlan,
    /// The local server.
    pub(super) local: &'a mut LocalSession,
    /// The undo record.
    pub(super) journal: &'a mut Journal,
    /// What earlier applies of the plan recorded.
    pub(super) records: &'a [Record],
    /// Whether a transaction around several entries is open: then batches neither begin nor commit, and the foreign
    /// keys are checked by whoever opened it.
    pub(super) shared: bool,
    /// Foreign keys that would act on other tables' rows.
    pub(super) acting: Vec<Key>,
    /// Foreign keys that point to the table.
    pub(super) pointing: Vec<Key>,
    /// Whether the user stopped it between two batches.
    pub(super) interrupted: bool,
    /// Rows changed by the batches that are committed.
    pub(super) stand: u64,
    /// Why the record of the last of them could not be completed.
    pub(super) unrecorded: Option<anyhow::Error>,
}

impl Run<'_> {
    /// Whether to stop here, between two batches: what is committed stands.
    ///
    /// # Errors
    /// `Interrupted`, where an open transaction around has to be rolled back.
    pub(super) fn stop(&mut self) -> Result<bool> {
        if self.shared {
            interrupt::check()?;
        }
        self.interrupted = interrupt::requested();
        Ok(self.interrupted)
    }

    /// Ends the entry where the record of what is committed could not be completed.
    ///
    /// # Errors
    /// Why it could not.
    pub(super) fn recorded(&mut self) -> Result<()> {
        self.unrecorded.take().map_or(Ok(()), Err)
    }

    /// Whether the server takes a statement of this size.
    fn fits(&self, sql: &str) -> bool {
        fits(self.local.server().max_packet, sql.len())
    }

    fn too_large(&self, sql: &str) -> String {
        format!(
            "its statement has {} bytes and local's max_allowed_packet is {}: raise that, then apply again",
            sql.len(),
            self.local.server().max_packet
        )
    }
}

/// Whether a server with this `max_allowed_packet` takes a statement of so many bytes.
fn fits(max_packet: u64, bytes: usize) -> bool {
    // A packet has a byte for the command, and some room is left to be sure.
    bytes as u64 + 64 <= max_packet
}

/// Executes an entry of rows with a key.
///
/// # Errors
/// What stops the entry: the last batch does not stand, those before it do.
pub(super) fn run(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<Progress> {
    let mut progress = Progress::default();
    let mut swaps = Vec::new();
    let mut batch: Vec<PlanRow> = Vec::new();
    let mut bytes = 0;
    let approved = run.approved;
    // On even where a foreign key would cascade: rows that it would act on are left alone before (`referring`), and
    // the table's own foreign keys need the server's eye.
    run.local.foreign_key_checks(!run.shared)?;
    if entry.kind == Kind::InsertRows && !run.shared {
        return load::run(run, entry, target);
    }
    for row in payload::rows(entry, &approved.plan().id, approved.path())? {
        let row = row?;
        if !approved.wants_row(entry, &row) {
            continue;
        }
        bytes += weight(&row);
        batch.push(row);
        if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
            self::batch(run, entry, target, &batch, &mut progress, &mut swaps)?;
            crate::progress::add(batch.len() as u64);
            batch.clear();
            bytes = 0;
            if run.stop()? {
                break;
            }
        }
    }
    self::batch(run, entry, target, &batch, &mut progress, &mut swaps)?;
    if !swaps.is_empty() {
        swap::swap(run, entry, target, &swaps, &mut progress)?;
    }
    Ok(progress)
}

/// Runs `f` in a transaction of its own, unless one is open around it; as a whole once more where the connection broke,
/// or for a deadlock or a lock that was waited for too long. Rows that were committed unseen count as done then.
pub(super) fn transaction<T>(
    run: &mut Run<'_>,
    entry: &Entry,
    mut f: impl FnMut(&mut Run<'_>) -> Result<T>,
) -> Result<T> {
    if run.shared {
        return part(run, f);
    }
    run.recorded()?;
    run.local.patience().run(&entry.id, |first| {
        if !first {
            run.local.renew()?;
        }
        once(run, entry, &mut f)
    })
}

/// Runs `f` as [`transaction`] does, with the progress as it was before each attempt; only what succeeds counts.
pub(super) fn attempt(
    run: &mut Run<'_>,
    entry: &Entry,
    progress: &mut Progress,
    mut f: impl FnMut(&mut Run<'_>, &mut Progress) -> Result<()>,
) -> Result<()> {
    let mut after = progress.clone();
    transaction(run, entry, |run| {
        after.clone_from(progress);
        f(run, &mut after)
    })?;
    if !run.shared {
        run.stand = after.changed;
    }
    *progress = after;
    run.recorded()
}

/// Runs `f` in the transaction that is open around it; a row that is refused takes back what `f` did, nothing else.
pub(super) fn part<T>(run: &mut Run<'_>, f: impl FnOnce(&mut Run<'_>) -> Result<T>) -> Result<T> {
    run.local.savepoint()?;
    let done = f(run);
    if done.as_ref().is_err_and(concerns_a_row) {
        run.local.back_to_savepoint()?;
    }
    done
}

fn once<T>(
    run: &mut Run<'_>,
    entry: &Entry,
    f: &mut impl FnMut(&mut Run<'_>) -> Result<T>,
) -> Result<T> {
    run.local.begin()?;
    let result = f(run).and_then(|value| {
        run.local.commit()?;
        Ok(value)
    });
    match &result {
        // What is committed counts, whatever becomes of its record.
        Ok(_) => run.unrecorded = committed(run.journal, entry).err(),
        Err(error) => {
            // What failed first is the error to tell; a broken connection has rolled back by itself.
            drop(run.local.rollback());
            rolled_back(run.journal, entry, error);
        }
    }
    result
}

/// Notes that what was recorded of an entry's rows is committed.
///
/// # Errors
/// When the record cannot be written: then a revert looks at each row.
pub(super) fn committed(journal: &mut Journal, entry: &Entry) -> Result<()> {
    let record = Record::Committed {
        entry: entry.id.clone(),
    };
    journal.note(&record).context(Unrecorded)
}

/// Notes that what was recorded of an entry's rows does not stand. After a broken connection no one knows.
pub(super) fn rolled_back(journal: &mut Journal, entry: &Entry, error: &anyhow::Error) {
    if !broke(error) {
        // The error that is told is the first one; without this line a revert looks at each row.
        drop(journal.note(&Record::RolledBack {
            entry: entry.id.clone(),
        }));
    }
}

fn batch(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
    swaps: &mut Vec<PlanRow>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut collided = Vec::new();
    attempt(run, entry, progress, |run, progress| {
        collided.clear();
        let todo = find::judge(run.local, entry, target, rows, progress)?;
        write::write(run, entry, target, &todo, progress, &mut collided)
    })
    .with_context(|| describe(entry, rows))?;
    swaps.append(&mut collided);
    Ok(())
}

/// Whether an error is about single rows of a statement: the others may do without them.
pub(super) fn concerns_a_row(error: &anyhow::Error) -> bool {
    server_code(error).is_some_and(|code| ROW_ERRORS.contains(&code))
        || error.is::<foreign::Dangling>()
}

/// What the server says of a row.
pub(super) fn in_words(error: &anyhow::Error) -> String {
    crate::refusal::find::<crate::connect::ServerError>(error)
        .map_or_else(|| error.to_string(), |server| server.message.clone())
}

fn describe(entry: &Entry, rows: &[PlanRow]) -> String {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => format!("rows {} to {} of {}", first.row, last.row, entry.id),
        _ => format!("rows of {}", entry.id),
    }
}

fn weight(row: &PlanRow) -> usize {
    let of = |value: &Value| match value {
        Value::Null | Value::Integer(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len() * 2,
    };
    row.values
        .values()
        .chain(row.key.values())
        .map(of)
        .sum::<usize>()
        + row
            .change
            .values()
            .map(|(_, after)| of(after))
            .sum::<usize>()
}
