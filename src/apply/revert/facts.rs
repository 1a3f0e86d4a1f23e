//! What an apply did to the rows of a table, row by row, read back from the plan and its undo record.
//!
//! Must never hold a table in memory: images are read record by record.

use super::Request;
use super::keyed::{Fact, Keyed, What};
use super::target::TableUndo;
use crate::apply::save;
use crate::apply::undo::{Blob, Images, Record, Spans};
use crate::plan::payload;
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind, Plan, PlanRow};
use crate::schema::{Table, parse};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What the rows of one table are read from.
pub(super) struct Source<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) records: &'a [Record],
    pub(super) images: &'a mut Images,
}

impl Source<'_> {
    /// Hands on the rows of an entry that the record speaks of, each with how it was before.
    ///
    /// # Errors
    /// When a row cannot be read, or taken.
    pub(super) fn each(
        &mut self,
        entry: &Entry,
        take: &mut dyn FnMut(&PlanRow, Option<&Values>) -> Result<()>,
    ) -> Result<()> {
        let spans = Spans::of(&entry.id, self.records);
        if spans.is_empty() {
            return Ok(());
        }
        // Rows come in the order of the records but for those that were exchanged at the end.
        let mut cache: Vec<(usize, Vec<Values>)> = Vec::new();
        for row in payload::rows(entry, &self.request.plan.id, self.request.path)? {
            let row = row?;
            let Some(place) = spans.place(row.row) else {
                continue;
            };
            let Some(Record::Rows {
                images: Some(blob), ..
            }) = self.records.get(place.record)
            else {
                take(&row, None)?;
                continue;
            };
            if !cache.iter().any(|(record, _)| *record == place.record) {
                cache.truncate(3);
                cache.insert(0, (place.record, self.images.rows(blob)?));
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
}

/// Values that a schema change destroyed, and what it left in their place.
pub(super) struct Lost {
    pub(super) blobs: Vec<Blob>,
    after: Vec<Blob>,
    /// The columns that are not what they were; all of a table that is gone.
    columns: Vec<String>,
    /// The columns whose hash says what the entry left: it need not be the only one that changed any.
    hashed: Vec<String>,
}

/// Returns the values that are lost now, by the last entry that destroyed any.
///
/// # Errors
/// When a text of the plan cannot be read.
pub(super) fn values(
    records: &[Record],
    plan: &Plan,
    table: &TableUndo,
    original: &Table,
) -> Result<Option<Lost>> {
    let columns: Vec<String> = save::lost_columns(original, table.now.as_ref())
        .iter()
        .map(|column| column.name.clone())
        .collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let mut blobs = Vec::new();
    let mut after = Vec::new();
    let mut hashed = Vec::new();
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
                hashed = left_by(plan, entry)?;
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
    Ok((!blobs.is_empty()).then_some(Lost {
        blobs,
        after,
        columns,
        hashed,
    }))
}

/// The columns whose hash was noted behind an entry.
fn left_by(plan: &Plan, id: &str) -> Result<Vec<String>> {
    let texts = plan
        .entry(id)
        .and_then(|entry| Some((entry.before.as_deref()?, entry.after.as_deref()?)));
    let Some((before, after)) = texts else {
        return Ok(Vec::new());
    };
    let (before, after) = (parse::table(before)?, parse::table(after)?);
    let changed = save::changed_columns(&before, &after);
    Ok(changed.iter().map(|column| column.name.clone()).collect())
}

fn saves(records: &[Record], id: &str) -> bool {
    records
        .iter()
        .any(|record| matches!(record, Record::Values { entry, .. } if entry == id))
}

/// Hands on every row that the apply changed or whose values it destroyed.
pub(super) fn facts(
    source: &mut Source<'_>,
    table: &TableUndo,
    original: &Table,
    keyed: &mut Keyed<'_, '_>,
) -> Result<()> {
    let values = values(source.records, source.request.plan, table, original)?;
    let gone = values
        .as_ref()
        .map(|lost| lost.columns.clone())
        .unwrap_or_default();
    let mut touched: BTreeSet<[u8; 16]> = BTreeSet::new();
    // Rows that a later apply looked at when those columns had gone: their images lack them.
    let mut partly: BTreeMap<[u8; 16], Fact> = BTreeMap::new();
    for id in &table.rows {
        let Some(entry) = source.request.plan.entry(id) else {
            continue;
        };
        keyed.begin(entry)?;
        let key = keyed.key().to_vec();
        let lost = values.is_some();
        source.each(entry, &mut |row, image| {
            let values = image.unwrap_or(&row.values);
            let key = part(values, &key)?;
            let lacks = |image: &Values| gone.iter().any(|name| !image.contains_key(name));
            let is_partly = lost && entry.kind == Kind::DeleteRows && image.is_some_and(lacks);
            let digest = digest(&key);
            // A delete may not have come about: then the row lost its values like any other.
            if lost && entry.kind != Kind::DeleteRows {
                touched.insert(digest);
            }
            let fact = Fact {
                what: match entry.kind {
                    Kind::InsertRows => What::Inserted,
                    Kind::UpdateRows => What::Updated,
                    _ => What::Deleted,
                },
                known: known(entry, image, &gone),
                key,
                left: row.after_hash.clone(),
            };
            if is_partly {
                partly.insert(digest, fact);
                return Ok(());
            }
            keyed.take(fact)
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
    keyed.begin_lost(&lost.hashed);
    let what = if table.now.is_none() {
        What::Deleted
    } else {
        What::Lost
    };
    for blob in &lost.blobs {
        for mut row in source.images.rows(blob)? {
            let key = part(&row, &key)?;
            let digest = digest(&key);
            if let Some(mut fact) = partly.remove(&digest) {
                for (name, value) in row {
                    if gone.contains(&name) {
                        fact.known.insert(name, value);
                    }
                }
                fact.what = What::Kept;
                fact.left = after.find(source.images, &key, digest)?;
                keyed.take(fact)?;
                continue;
            }
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
