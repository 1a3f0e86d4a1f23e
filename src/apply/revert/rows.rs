//! The rows of the tables that an apply changed: which way each is led back, and the entries that come of it.
//!
//! Must never delete a row that the apply did not insert, and must never overwrite one that changed since.

use super::keyed::{Fact, Keyed, What};
use super::target::{TableUndo, Target};
use super::{Left, Request, whole};
use crate::apply::save;
use crate::apply::undo::{Blob, Images, Record, Spans, Undo};
use crate::connect::{LocalSession, Reader as _};
use crate::plan::payload::{self, EntrySink};
use crate::plan::row_entries;
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind, PlanRow};
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

/// What the rows of one table are read from.
pub(super) struct Source<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) records: &'a [Record],
    pub(super) images: &'a mut Images,
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
    let mut undone = BTreeSet::new();
    for (name, table) in &target.tables {
        let doing = || format!("reading what was done to the rows of {name}");
        let Some(original) = &table.original else {
            if !only_ours(&mut source, name, table, local).with_context(doing)? {
                found.foreign.insert(name.clone());
            }
            continue;
        };
        let mut sink = EntrySink::new(request.folder, request.inline_rows, request.preview);
        let mut left = Left {
            object: name.to_string(),
            reason: String::new(),
            examples: Vec::new(),
        };
        let way = way(&source, name, table, original)?;
        let shape = match way {
            Way::None => continue,
            Way::Lost(reason) => {
                undone.insert(name.clone());
                left.reason = reason;
                found.left.push(left);
                continue;
            }
            Way::Whole(blobs) => {
                if !whole::is_as_left(source.records, name, local).with_context(doing)? {
                    undone.insert(name.clone());
                    "rows of it changed since the plan was applied, and no key tells which"
                        .clone_into(&mut left.reason);
                    found.left.push(left);
                    continue;
                }
                whole::compare(
                    &mut source,
                    &blobs,
                    name,
                    (original, table.now.as_ref()),
                    &mut scratch,
                    local,
                    &mut sink,
                )
            }
            Way::Bag => whole::bag(
                &mut source,
                name,
                (original, table),
                &mut scratch,
                local,
                &mut sink,
                &mut left,
            ),
            Way::Keyed => {
                let mut keyed = Keyed::new(
                    name,
                    (original, table.now.as_ref()),
                    local,
                    &mut scratch,
                    &mut sink,
                    &mut left,
                )?;
                let facts = facts(&mut source, table, original, &mut keyed);
                facts.and_then(|()| keyed.finish())
            }
        }
        .with_context(doing)?;
        if !left.reason.is_empty() {
            found.left.push(left);
        }
        let shape = row_entries::plan_shape(&shape);
        let entries: Vec<Entry> = sink
            .finish(&shape)?
            .into_iter()
            .map(|rows| row_entries::row_entry(name, &shape, rows))
            .collect();
        if entries.iter().any(|entry| entry.kind == Kind::DeleteRows) {
            found.local_rows.insert(name.clone(), count(local, name)?);
        }
        if !entries.is_empty() {
            found.entries.insert(name.clone(), entries);
        }
    }
    found.undone = undone;
    Ok(found)
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

fn way(source: &Source<'_>, name: &ObjectName, table: &TableUndo, original: &Table) -> Result<Way> {
    if let Some(blobs) = whole::saved(source.records, name) {
        return Ok(Way::Whole(blobs));
    }
    let values = values(source.records, table, original);
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
    if save::key_between(original, now)?.is_some() {
        return Ok(Way::Keyed);
    }
    if values.is_none() {
        return Ok(Way::Bag);
    }
    Ok(Way::Lost(
        "values of columns were lost, and its rows have no key any more by which they could come back".to_owned(),
    ))
}

/// Values that a schema change destroyed, and what it left in their place.
struct Lost {
    blobs: Vec<Blob>,
    after: Vec<Blob>,
    /// The columns that are not what they were; all of a table that is gone.
    columns: Vec<String>,
}

/// Returns the values that are lost now, by the last entry that destroyed any.
fn values(records: &[Record], table: &TableUndo, original: &Table) -> Option<Lost> {
    let columns: Vec<String> = save::lost_columns(original, table.now.as_ref())
        .iter()
        .map(|column| column.name.clone())
        .collect();
    if columns.is_empty() {
        return None;
    }
    let mut blobs = Vec::new();
    let mut after = Vec::new();
    for record in records {
        match record {
            Record::Object {
                entry,
                resumed: false,
                ..
            } if table.changes.contains(entry) && saves(records, entry) => {
                // Saved anew: nothing of the attempt before was executed, or it was undone since.
                blobs.clear();
                after.clear();
            }
            Record::Values { entry, images } if table.changes.contains(entry) => {
                blobs.push(images.clone());
            }
            Record::After { entry, images } if table.changes.contains(entry) => {
                after.push(images.clone());
            }
            _ => {}
        }
    }
    (!blobs.is_empty()).then_some(Lost {
        blobs,
        after,
        columns,
    })
}

fn saves(records: &[Record], id: &str) -> bool {
    records
        .iter()
        .any(|record| matches!(record, Record::Values { entry, .. } if entry == id))
}

/// Hands on every row that the apply changed or whose values it destroyed.
fn facts(
    source: &mut Source<'_>,
    table: &TableUndo,
    original: &Table,
    keyed: &mut Keyed<'_, '_>,
) -> Result<()> {
    let values = values(source.records, table, original);
    let gone = values
        .as_ref()
        .map(|lost| lost.columns.clone())
        .unwrap_or_default();
    let mut touched: BTreeSet<[u8; 16]> = BTreeSet::new();
    for id in &table.rows {
        let Some(entry) = source.request.plan.entry(id) else {
            continue;
        };
        keyed.begin(entry)?;
        let key = keyed.key().to_vec();
        let lost = values.is_some();
        each_row(source, entry, &mut |row, image| {
            let values = image.unwrap_or(&row.values);
            let key = part(values, &key)?;
            if lost {
                touched.insert(digest(&key));
            }
            keyed.take(Fact {
                what: match entry.kind {
                    Kind::InsertRows => What::Inserted,
                    Kind::UpdateRows => What::Updated,
                    _ => What::Deleted,
                },
                known: known(entry, image, &gone),
                key,
                left: row.after_hash.clone(),
            })
        })?;
        keyed.flush()?;
    }
    let Some(lost) = values else {
        return Ok(());
    };
    let key = keyed.key().to_vec();
    let mut after = After {
        blobs: lost.after.into_iter(),
        hashes: BTreeMap::new(),
    };
    keyed.begin_lost(&lost.columns);
    let what = if table.now.is_none() {
        What::Deleted
    } else {
        What::Lost
    };
    for blob in &lost.blobs {
        for mut row in source.images.rows(blob)? {
            let key = part(&row, &key)?;
            let digest = digest(&key);
            if touched.contains(&digest) {
                continue;
            }
            let left = after.find(source.images, &key, digest)?;
            if what == What::Lost {
                row.retain(|name, _| lost.columns.contains(name));
            }
            keyed.take(Fact {
                what,
                known: row,
                key,
                left,
            })?;
        }
    }
    keyed.flush()
}

/// Hands on the rows of an entry that the record speaks of, each with how it was before.
fn each_row(
    source: &mut Source<'_>,
    entry: &Entry,
    take: &mut dyn FnMut(&PlanRow, Option<&Values>) -> Result<()>,
) -> Result<()> {
    let spans = Spans::of(&entry.id, source.records);
    if spans.is_empty() {
        return Ok(());
    }
    // Rows come in the order of the records but for those that were exchanged at the end.
    let mut cache: Vec<(usize, Vec<Values>)> = Vec::new();
    for row in payload::rows(entry, &source.request.plan.id, source.request.path)? {
        let row = row?;
        let Some(place) = spans.place(row.row) else {
            continue;
        };
        let Some(Record::Rows {
            images: Some(blob), ..
        }) = source.records.get(place.record)
        else {
            take(&row, None)?;
            continue;
        };
        if !cache.iter().any(|(record, _)| *record == place.record) {
            cache.truncate(3);
            cache.insert(0, (place.record, source.images.rows(blob)?));
        }
        let image = cache
            .iter()
            .find(|(record, _)| *record == place.record)
            .and_then(|(_, rows)| rows.get(usize::try_from(place.row).ok()?))
            .with_context(|| {
                format!(
                    "row {} of {} has no image in the undo record",
                    row.row, entry.id
                )
            })?;
        take(&row, Some(image))?;
    }
    Ok(())
}

/// What of a row's image is to come back: all of a row that was deleted; of one that was updated, the columns that the
/// plan wrote and those that are gone.
fn known(entry: &Entry, image: Option<&Values>, gone: &[String]) -> Values {
    let mut known = image.cloned().unwrap_or_default();
    if entry.kind == Kind::UpdateRows {
        let written: BTreeSet<&str> = entry
            .shape
            .iter()
            .flat_map(|shape| &shape.columns)
            .map(|column| column.name.as_str())
            .collect();
        known.retain(|name, _| written.contains(name.as_str()) || gone.contains(name));
    }
    known
}

/// Hashes of what a schema change left, looked up in the order in which they were noted.
struct After {
    blobs: std::vec::IntoIter<Blob>,
    hashes: BTreeMap<[u8; 16], String>,
}

impl After {
    /// Returns the hash of a row; `None` where the record has none (a kill before it was noted).
    fn find(
        &mut self,
        images: &mut Images,
        key: &Values,
        wanted: [u8; 16],
    ) -> Result<Option<String>> {
        loop {
            if let Some(hash) = self.hashes.remove(&wanted) {
                return Ok(Some(hash));
            }
            let Some(blob) = self.blobs.next() else {
                return Ok(None);
            };
            let names: Vec<String> = key.keys().cloned().collect();
            for row in images.rows(&blob)? {
                if let Some(crate::value::Value::Text(hash)) = row.get(save::HASH) {
                    let digest = digest(&part(&row, &names)?);
                    self.hashes.insert(digest, hash.clone());
                }
            }
        }
    }
}

fn part(values: &Values, names: &[String]) -> Result<Values> {
    names
        .iter()
        .map(|name| {
            let value = values
                .get(name)
                .or_else(|| {
                    values
                        .iter()
                        .find(|(other, _)| other.to_lowercase() == name.to_lowercase())
                        .map(|(_, value)| value)
                })
                .with_context(|| {
                    format!("a recorded row has no value of its key's column `{name}`")
                })?;
            Ok((name.clone(), value.clone()))
        })
        .collect()
}

/// Sixteen bytes that stand for a key: of a table that lost columns, the keys of its changed rows are held.
fn digest(key: &Values) -> [u8; 16] {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for value in key.values() {
        let cell = value.to_cell();
        hash.update(
            cell.as_ref()
                .map_or(u64::MAX, |cell| cell.len() as u64)
                .to_le_bytes(),
        );
        hash.update(cell.unwrap_or_default());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
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

impl Source<'_> {
    /// Hands on the rows of an entry that the record speaks of.
    ///
    /// # Errors
    /// When a row cannot be read, or taken.
    pub(super) fn each(
        &mut self,
        entry: &Entry,
        take: &mut dyn FnMut(&PlanRow, Option<&Values>) -> Result<()>,
    ) -> Result<()> {
        each_row(self, entry, take)
    }
}
