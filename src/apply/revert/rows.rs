//! The rows of the tables that an apply changed: which way each is led back, and the entries that come of it.
//!
//! Must never delete a row that the apply did not insert, and must never overwrite one that changed since.

use super::facts::{Source, facts, values};
use super::keyed::Keyed;
use super::target::{TableUndo, Target};
use super::{Left, Request, whole};
use crate::apply::save;
use crate::apply::undo::{Blob, Record, Spans, Undo};
use crate::compare;
use crate::connect::{LocalSession, Reader as _};
use crate::plan::payload::{self, EntrySink};
use crate::plan::row_entries;
use crate::plan::{Entry, Kind};
use crate::proof::Scratch;
use crate::read::encode::{self, Encoding};
use crate::schema::{ObjectName, Table};
use crate::sql::{Expr, Select};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What came of the tables' rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The entries of each table that has any.
    pub(super) entries: BTreeMap<ObjectName, Vec<Entry>>,
    /// How many rows those tables have now.
    pub(super) local_rows: BTreeMap<ObjectName, u64>,
    /// Tables that the apply created and that hold rows of another hand.
    pub(super) foreign: BTreeSet<ObjectName>,
    /// Tables whose rows cannot be led back, and so stay as they are.
    pub(super) undone: BTreeSet<ObjectName>,
    /// Rows that are left alone.
    pub(super) left: Vec<Left>,
}

/// The row changes of one table.
enum Rows {
    /// There are none, or these.
    Entries(Vec<Entry>),
    /// The apply created it, and it holds rows of another hand.
    Foreign,
    /// They cannot be led back: why.
    Undone(String),
}

/// Finds the row changes of all tables.
///
/// # Errors
/// When a payload or the undo record is not what the plan and the record say; what the local server says.
pub(super) fn of_tables(
    request: &Request<'_>,
    undo: &mut Undo,
    target: &Target,
    local: &mut LocalSession,
    second: &mut LocalSession,
) -> Result<Found> {
    let mut found = Found::default();
    let mut scratch = Scratch::open(second)?;
    let mut source = Source {
        request,
        records: &undo.records,
        images: &mut undo.images,
    };
    for (name, table) in &target.tables {
        let replaced = &compare::NONE_REPLACED;
        let (rows, mut left) = of_table(&mut source, name, table, replaced, &mut scratch, local)?;
        match rows {
            Rows::Entries(entries) => found.take(name, entries, local)?,
            Rows::Foreign => drop(found.foreign.insert(name.clone())),
            Rows::Undone(reason) => {
                found.undone.insert(name.clone());
                left.reason = reason;
            }
        }
        if !left.reason.is_empty() {
            found.left.push(left);
        }
    }
    Ok(found)
}

/// Finds the row changes of a table anew, as they are when columns of it, by lower-case name, are dropped and added again
/// since what is in them does not convert back: every row's value is then brought from the undo record. Returns why it
/// cannot be, where it cannot.
///
/// # Errors
/// As for [`of_tables`].
pub(super) fn with_replaced(
    request: &Request<'_>,
    undo: &mut Undo,
    (name, table): (&ObjectName, &TableUndo),
    replaced: &BTreeSet<String>,
    (local, second): (&mut LocalSession, &mut LocalSession),
) -> Result<Result<Vec<Entry>, String>> {
    let mut scratch = Scratch::open(second)?;
    let mut source = Source {
        request,
        records: &undo.records,
        images: &mut undo.images,
    };
    // What is left is the reason why they cannot be brought: a row of another hand is none of theirs.
    let (rows, _) = of_table(&mut source, name, table, replaced, &mut scratch, local)?;
    Ok(match rows {
        Rows::Entries(entries) => Ok(entries),
        Rows::Foreign => Err("rows of it were added since the plan was applied".to_owned()),
        Rows::Undone(reason) => Err(reason),
    })
}

/// Finds the row changes of a table, and what of it is left alone.
fn of_table(
    source: &mut Source<'_>,
    name: &ObjectName,
    table: &TableUndo,
    replaced: &BTreeSet<String>,
    scratch: &mut Scratch<'_>,
    local: &mut LocalSession,
) -> Result<(Rows, Left)> {
    let mut left = Left {
        object: name.to_string(),
        reason: String::new(),
        examples: Vec::new(),
    };
    let rows = led_back(source, (name, table), replaced, scratch, local, &mut left)
        .with_context(|| format!("reading what was done to the rows of {name}"))?;
    Ok((rows, left))
}

impl Found {
    /// Takes the entries of a table in place of those that it had.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn take(
        &mut self,
        name: &ObjectName,
        entries: Vec<Entry>,
        local: &mut LocalSession,
    ) -> Result<()> {
        if entries.iter().any(|entry| entry.kind == Kind::DeleteRows) {
            self.local_rows.insert(name.clone(), count(local, name)?);
        }
        if entries.is_empty() {
            self.entries.remove(name);
        } else {
            self.entries.insert(name.clone(), entries);
        }
        Ok(())
    }
}

fn led_back(
    source: &mut Source<'_>,
    (name, table): (&ObjectName, &TableUndo),
    replaced: &BTreeSet<String>,
    scratch: &mut Scratch<'_>,
    local: &mut LocalSession,
    left: &mut Left,
) -> Result<Rows> {
    let Some(original) = &table.original else {
        return Ok(if only_ours(source, name, table, local)? {
            Rows::Entries(Vec::new())
        } else {
            Rows::Foreign
        });
    };
    let request = source.request;
    let mut sink = EntrySink::new(request.folder, request.inline_rows, request.preview);
    let shape = match way(source, name, table, original, replaced)? {
        Way::None | Way::Bag if !replaced.is_empty() => {
            return Ok(Rows::Undone(
                "the undo record does not have the values that were there before".to_owned(),
            ));
        }
        Way::None => return Ok(Rows::Entries(Vec::new())),
        Way::Lost(reason) => return Ok(Rows::Undone(reason)),
        Way::Whole(blobs) => {
            if !whole::is_as_left(source.records, name, local)? {
                return Ok(Rows::Undone(
                    "rows of it changed since the plan was applied, and no key tells which"
                        .to_owned(),
                ));
            }
            whole::compare(
                source,
                &blobs,
                name,
                (original, table.now.as_ref()),
                replaced,
                (scratch, local),
                &mut sink,
            )?
        }
        Way::Bag => whole::bag(
            source,
            name,
            (original, table),
            scratch,
            local,
            &mut sink,
            left,
        )?,
        Way::Keyed => {
            let models = (original, table.now.as_ref());
            let mut keyed = Keyed::new(name, models, replaced, local, scratch, &mut sink, left)?;
            facts(source, table, original, &mut keyed)?;
            let (shape, settled) = keyed.finish()?;
            // A row of another hand would lose its value with the column.
            if !replaced.is_empty() && settled != count(local, name)? {
                return Ok(Rows::Undone(
                    "rows of it were added or changed since the plan was applied".to_owned(),
                ));
            }
            shape
        }
    };
    let shape = row_entries::plan_shape(&shape);
    Ok(Rows::Entries(
        sink.finish(&shape)?
            .into_iter()
            .map(|rows| row_entries::row_entry(name, &shape, rows))
            .collect(),
    ))
}

/// How the rows of a table are led back.
enum Way {
    /// There is nothing to lead back.
    None,
    /// Row by row, by their key.
    Keyed,
    /// Equal rows by their number.
    Bag,
    /// The table against what was saved of it.
    Whole(Vec<Blob>),
    /// There is no way: why.
    Lost(String),
}

fn way(
    source: &Source<'_>,
    name: &ObjectName,
    table: &TableUndo,
    original: &Table,
    replaced: &BTreeSet<String>,
) -> Result<Way> {
    if let Some(blobs) = whole::saved(source.records, name) {
        return Ok(Way::Whole(blobs));
    }
    let values = values(source.records, source.request.plan, table, original)?;
    let Some(now) = &table.now else {
        return Ok(match original.comparison_key() {
            Some(_) => Way::Keyed,
            None => Way::Whole(values.map(|values| values.blobs).unwrap_or_default()),
        });
    };
    let changed = table
        .rows
        .iter()
        .any(|id| !Spans::of(id, source.records).is_empty());
    if values.is_none() && !changed {
        return Ok(Way::None);
    }
    if save::key_between(original, now, replaced)?.is_some() {
        return Ok(Way::Keyed);
    }
    if values.is_none() {
        return Ok(Way::Bag);
    }
    Ok(Way::Lost(
        "values of columns were lost, and its rows have no key any more by which they could come back".to_owned(),
    ))
}

/// Whether a table that the apply created holds the rows that the apply inserted and no other.
fn only_ours(
    source: &mut Source<'_>,
    name: &ObjectName,
    table: &TableUndo,
    local: &mut LocalSession,
) -> Result<bool> {
    if table.now.is_none() || count(local, name)? == 0 {
        return Ok(true);
    }
    let Some(entry) = table
        .rows
        .iter()
        .filter_map(|id| source.request.plan.entry(id))
        .find(|entry| entry.kind == Kind::InsertRows)
    else {
        return Ok(false);
    };
    let hashed = hashed(entry)?;
    let select = Select::from(name, vec![Expr::count_all(), encode::sum_of(&hashed)]);
    let answer = local.rows(&select.into())?;
    let number = |position: usize| -> Option<u128> {
        let cell = answer.first()?.get(position)?.as_deref()?;
        std::str::from_utf8(cell).ok()?.parse().ok()
    };
    let there = (number(0), number(1));
    // Of the record that came last it is not known whether it stands.
    let last = source.records.iter().rposition(
        |record| matches!(record, Record::Inserts { entry: own, .. } if *own == entry.id),
    );
    let spans = Spans::of(&entry.id, source.records);
    let (mut all, mut sure) = ((0_u128, 0_u128), (0_u128, 0_u128));
    for row in payload::rows(entry, &source.request.plan.id, source.request.path)? {
        let row = row?;
        let Some(place) = spans.place(row.row) else {
            continue;
        };
        let copies = u128::from(
            row.copies
                .map_or(1, |(before, after)| after.saturating_sub(before)),
        );
        let hash = row
            .after_hash
            .as_deref()
            .and_then(|hash| u64::from_str_radix(hash.get(..16)?, 16).ok())
            .context("a row of the plan has no after_hash")?;
        let sum = u128::from(hash) * copies;
        all = (all.0 + copies, all.1 + sum);
        if Some(place.record) != last {
            sure = (sure.0 + copies, sure.1 + sum);
        }
    }
    Ok([all, sure]
        .iter()
        .any(|(count, sum)| there == (Some(*count), Some(*sum))))
}

/// What the hash of an entry's rows is made of.
pub(super) fn hashed(entry: &Entry) -> Result<Vec<(Expr, Encoding)>> {
    let shape = entry.shape.as_ref().context("the entry has no shape")?;
    shape
        .columns
        .iter()
        .map(|column| Ok((Expr::column(&column.name), column.encoding.parse()?)))
        .collect()
}

fn count(local: &mut LocalSession, name: &ObjectName) -> Result<u64> {
    let rows = local.rows(&Select::from(name, vec![Expr::count_all()]).into())?;
    let cell = rows.first().and_then(|row| row.first().cloned().flatten());
    String::from_utf8_lossy(&cell.unwrap_or_default())
        .parse()
        .with_context(|| format!("counting the rows of {name}"))
}
