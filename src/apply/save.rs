//! Writes to the undo record what schema changes destroy: values of columns that go or change their type, the rows of
//! tables that go, and whole tables where no key leads back.
//!
//! Must never leave out a value that the change loses, and must never hold a table in memory.

use super::triggers;
use super::undo::{Blob, Journal, Record};
use crate::compare::{self, RowKey, Shape, TableTask};
use crate::connect::{LocalSession, Reader as _};
use crate::plan::{Entry, Kind, Plan, Risk};
use crate::read::encode::{self, Encoding};
use crate::schema::table::TypeClass;
use crate::schema::{Column, ObjectName, Table, parse, print};
use crate::sql::{Expr, Select};
use crate::value::Value;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Rows of one record at most.
const SAVED_ROWS: usize = 5000;
/// Bytes of one record's values at most (about).
const SAVED_BYTES: usize = 1 << 20;

/// The name under which hashes stand beside keys.
pub(super) const HASH: &str = "\u{0}hash";

/// Returns the columns whose values a change from one table to another loses.
pub(super) fn lost_columns<'t>(now: &'t Table, after: Option<&Table>) -> Vec<&'t Column> {
    let stays = |column: &Column| {
        after
            .and_then(|table| table.column(&column.name))
            .is_some_and(|after| {
                after.data_type == column.data_type
                    && after.charset == column.charset
                    && (after.nullable || !column.nullable)
                    && after.generated.is_none()
            })
    };
    written(now).filter(|column| !stays(column)).collect()
}

/// Returns the columns, as a change leaves them, that it left with other values: what it left is told by their hash.
pub(super) fn changed_columns<'t>(before: &Table, after: &'t Table) -> Vec<&'t Column> {
    lost_columns(before, Some(after))
        .into_iter()
        .filter_map(|column| after.column(&column.name))
        .filter(|column| column.generated.is_none())
        .collect()
}

/// Whether an entry's change of a table must be preceded by saving what it loses. A column that takes another kind of
/// type counts although each of its values is one of the new type: the way back would have to convert what production
/// put there, and a server need not take back each value that it printed itself (an ENUM's empty one).
pub(super) fn is_saved(risk: Risk, now: &Table, after: Option<&Table>) -> bool {
    match risk {
        Risk::Destructive => !lost_columns(now, after).is_empty(),
        Risk::Safe => after.is_some_and(|after| !of_other_kind(now, after).is_empty()),
    }
}

/// Returns the columns that one table has and the other has with another kind of type, in lower case.
pub(super) fn of_other_kind(one: &Table, other: &Table) -> BTreeSet<String> {
    written(one)
        .filter(|column| {
            other
                .column(&column.name)
                .is_some_and(|other| other.generated.is_none() && kind_of(other) != kind_of(column))
        })
        .map(|column| column.name.to_lowercase())
        .collect()
}

/// The class of a column's type, texts of all lengths being one.
fn kind_of(column: &Column) -> Option<TypeClass> {
    match column.data_type.class() {
        Some(TypeClass::LongText) => Some(TypeClass::Text),
        Some(TypeClass::Blob) => Some(TypeClass::Binary),
        other => other,
    }
}

fn written(table: &Table) -> impl Iterator<Item = &Column> {
    table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
}

/// Saves what an entry's change of a table destroys: the values of the columns that it loses with the key, or every row
/// and the triggers of a table that goes.
pub(super) fn lost(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
    now: &Table,
    after: Option<&Table>,
) -> Result<()> {
    if after.is_none() {
        for trigger in triggers::of_table(local, name)? {
            journal.append(&Record::Lost {
                entry: entry.id.clone(),
                object: Box::new(trigger),
            })?;
        }
    }
    if !is_saved(entry.risk, now, after) {
        return Ok(());
    }
    let lost = lost_columns(now, after);
    let mut saved = key_columns(now, now, after);
    if saved.is_empty() {
        saved = written(now).collect();
    }
    for column in lost {
        if !saved.iter().any(|other| other.name == column.name) {
            saved.push(column);
        }
    }
    let entry_id = entry.id.clone();
    rows(local, journal, name, &columns(&saved), &|images| {
        Record::Values {
            entry: entry_id.clone(),
            images,
        }
    })
    .with_context(|| format!("saving what {} would lose", entry.id))
}

/// Saves, after a change was executed, hashes of the columns that it left with other values.
pub(super) fn left(
    local: &mut LocalSession,
    journal: &mut Journal,
    entry: &Entry,
    name: &ObjectName,
    before: &Table,
    after: &Table,
) -> Result<()> {
    let changed = changed_columns(before, after);
    let key = key_columns(after, before, Some(after));
    if key.is_empty() || changed.is_empty() {
        return Ok(());
    }
    let mut selected = columns(&key);
    selected.push((HASH.to_owned(), hash(&changed)?, Kinds::TEXT));
    let entry_id = entry.id.clone();
    rows(local, journal, name, &selected, &|images| Record::After {
        entry: entry_id.clone(),
        images,
    })
    .with_context(|| format!("noting what {} left", entry.id))
}

/// Returns the columns, of the table as it is now, by which either of two tables tells its rows apart: a revert finds
/// the rows by one of the two keys. Empty where the first has none.
fn key_columns<'t>(now: &'t Table, before: &Table, after: Option<&Table>) -> Vec<&'t Column> {
    let Some(own) = before.comparison_key() else {
        return Vec::new();
    };
    let other = after.and_then(Table::comparison_key).unwrap_or_default();
    let mut key: Vec<&Column> = Vec::new();
    for name in own.iter().chain(&other).map(|column| &column.name) {
        if let Some(column) = now.column(name).filter(|it| it.generated.is_none())
            && !key.iter().any(|there| there.name == column.name)
        {
            key.push(column);
        }
    }
    key
}

/// Returns the hash of columns as they are now.
pub(super) fn hash(columns: &[&Column]) -> Result<Expr> {
    let hashed = columns
        .iter()
        .map(|column| {
            Ok((
                Expr::column(&column.name),
                encode::encoding_for(Some(column), column)?,
            ))
        })
        .collect::<Result<Vec<(Expr, Encoding)>>>()?;
    Ok(encode::hash_of(&hashed))
}

struct Kinds;

impl Kinds {
    const TEXT: crate::value::ValueKind = crate::value::ValueKind::Text;
}

/// What is saved of a row: a name, how it is read, and how it becomes a value.
type Saved = (String, Expr, crate::value::ValueKind);

fn columns(columns: &[&Column]) -> Vec<Saved> {
    columns
        .iter()
        .map(|column| {
            (
                column.name.clone(),
                encode::select_expr(column),
                column.value_kind(),
            )
        })
        .collect()
}

fn rows(
    local: &mut LocalSession,
    journal: &mut Journal,
    name: &ObjectName,
    saved: &[Saved],
    record: &dyn Fn(Blob) -> Record,
) -> Result<()> {
    let select = Select::from(
        name,
        saved.iter().map(|(_, expr, _)| expr.clone()).collect(),
    );
    let names: Vec<String> = saved.iter().map(|(name, ..)| name.clone()).collect();
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let mut bytes = 0;
    let mut put = |rows: &mut Vec<Vec<Value>>| -> Result<()> {
        let blob = journal.keep(&names, rows)?;
        rows.clear();
        journal.append(&record(blob))
    };
    local.stream(&select.into(), &mut |cells| {
        bytes += cells
            .iter()
            .map(|cell| cell.as_ref().map_or(0, Vec::len))
            .sum::<usize>();
        rows.push(
            saved
                .iter()
                .zip(cells)
                .map(|((_, _, kind), cell)| Value::of_cell(cell, *kind))
                .collect(),
        );
        if rows.len() >= SAVED_ROWS || bytes >= SAVED_BYTES {
            bytes = 0;
            put(&mut rows)?;
        }
        Ok(())
    })?;
    if rows.is_empty() {
        return Ok(());
    }
    put(&mut rows)
}

/// Whether a table is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Saving {
    /// Not yet.
    No,
    /// As it was before the plan's first change.
    Yes,
    /// By an apply that ended: anew where the table has been led back to this fingerprint since, else as it was then.
    Ended(String),
}

/// Tables that are saved whole before the plan's first change to them.
#[derive(Debug, Default)]
pub(super) struct Wholes {
    /// Which of them are saved.
    saved: BTreeMap<ObjectName, Saving>,
    /// Those that this run changes.
    touched: BTreeSet<ObjectName>,
}

impl Wholes {
    /// Finds the tables of a plan that no key leads back from, but for those that earlier applies saved.
    ///
    /// # Errors
    /// When a text of the plan cannot be read.
    pub(super) fn of(plan: &Plan, records: &[Record]) -> Result<Self> {
        let mut wholes = BTreeMap::new();
        let tables: BTreeSet<&str> = plan
            .entries
            .iter()
            .filter(|entry| entry.kind == Kind::AlterTable)
            .map(|entry| entry.object.as_str())
            .collect();
        for table in tables {
            let entries: Vec<&Entry> = plan
                .entries
                .iter()
                .filter(|entry| entry.object == table)
                .collect();
            if needs_whole(&entries).with_context(|| format!("reading the changes of {table}"))? {
                let Some(entry) = entries.first() else {
                    continue;
                };
                wholes.insert(
                    super::table::object_of(entry)?,
                    saving(table, &entries, records)?,
                );
            }
        }
        Ok(Self {
            saved: wholes,
            touched: BTreeSet::new(),
        })
    }

    /// Saves a table if it is one of them and not saved yet.
    ///
    /// # Errors
    /// When it cannot be read, or the record cannot be written.
    pub(super) fn save(
        &mut self,
        local: &mut LocalSession,
        journal: &mut Journal,
        name: &ObjectName,
    ) -> Result<()> {
        let Some(saved) = self.saved.get(name) else {
            return Ok(());
        };
        self.touched.insert(name.clone());
        if *saved == Saving::Yes {
            return Ok(());
        }
        let Some(now) = super::table::model_of(local, name)? else {
            return Ok(());
        };
        if let Saving::Ended(original) = saved
            && *original != print::fingerprint(&now)
        {
            return Ok(());
        }
        let all: Vec<&Column> = written(&now).collect();
        journal.note(&Record::Whole {
            table: name.to_string(),
            images: None,
        })?;
        rows(local, journal, name, &columns(&all), &|images| {
            Record::Whole {
                table: name.to_string(),
                images: Some(images),
            }
        })
        .with_context(|| format!("saving {name} before it is changed"))?;
        journal.append(&Record::WholeEnd {
            table: name.to_string(),
        })?;
        self.saved.insert(name.clone(), Saving::Yes);
        Ok(())
    }

    /// Notes what the run left of each of them, by which a revert tells later changes.
    ///
    /// # Errors
    /// When one cannot be read, or the record cannot be written.
    pub(super) fn note_left(self, local: &mut LocalSession, journal: &mut Journal) -> Result<()> {
        for name in self.touched {
            if let Some(state) = state_of(local, &name)? {
                journal.append(&Record::Left {
                    table: name.to_string(),
                    state,
                })?;
            }
        }
        Ok(())
    }
}

/// Returns what tells a table's rows from others: their number and the sum of their hashes; `None` where there is no
/// such table.
///
/// # Errors
/// What the server says.
pub(super) fn state_of(local: &mut LocalSession, name: &ObjectName) -> Result<Option<String>> {
    let Some(now) = super::table::model_of(local, name)? else {
        return Ok(None);
    };
    let hashed = written(&now)
        .map(|column| {
            Ok((
                Expr::column(&column.name),
                encode::encoding_for(Some(column), column)?,
            ))
        })
        .collect::<Result<Vec<(Expr, Encoding)>>>()?;
    let select = Select::from(name, vec![Expr::count_all(), encode::sum_of(&hashed)]);
    let rows = local
        .rows(&select.into())
        .with_context(|| format!("summing the rows of {name}"))?;
    let cells = rows.first().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<String> = cells
        .iter()
        .map(|cell| String::from_utf8_lossy(cell.as_deref().unwrap_or(b"0")).into_owned())
        .collect();
    Ok(Some(texts.join(" ")))
}

/// Whether a table is in the record whole. An apply that is run again after it ended must not take what it left for what
/// was there before: only a schema that was changed and is the first one again shows that it was led back.
fn saving(table: &str, entries: &[&Entry], records: &[Record]) -> Result<Saving> {
    let last = |test: &dyn Fn(&Record) -> bool| records.iter().rposition(test);
    let whole =
        last(&|record| matches!(record, Record::WholeEnd { table: whole } if whole == table));
    if whole.is_none() {
        return Ok(Saving::No);
    }
    let first = entries.iter().find(|entry| entry.kind == Kind::AlterTable);
    let altered = last(
        &|record| matches!(record, Record::Object { entry, .. } if entries.iter().any(|own| own.id == *entry)),
    );
    let ended = last(&|record| matches!(record, Record::End));
    match first.and_then(|entry| entry.before.as_deref()) {
        Some(original) if altered > whole && ended > whole => {
            Ok(Saving::Ended(print::fingerprint(&parse::table(original)?)))
        }
        _ => Ok(Saving::Yes),
    }
}

/// Whether rows of a table cannot be told by one key before, during and after a plan's changes although values go.
fn needs_whole(entries: &[&Entry]) -> Result<bool> {
    let alters: Vec<&&Entry> = entries
        .iter()
        .filter(|entry| entry.kind == Kind::AlterTable)
        .collect();
    let (Some(first), Some(last)) = (alters.first(), alters.last()) else {
        return Ok(false);
    };
    let read = |text: &Option<String>| -> Result<Table> {
        Ok(parse::table(
            text.as_deref()
                .context("an ALTER TABLE without its texts")?,
        )?)
    };
    let (original, end) = (read(&first.before)?, read(&last.after)?);
    let rows: Vec<&&Entry> = entries
        .iter()
        .filter(|entry| entry.kind.is_rows())
        .collect();
    let mut losing = 0;
    let mut loses_before_rows = false;
    let mut rows_passed = false;
    for entry in entries {
        rows_passed |= entry.kind.is_rows();
        if entry.kind == Kind::AlterTable {
            let (before, after) = (read(&entry.before)?, read(&entry.after)?);
            let any = is_saved(entry.risk, &before, Some(&after));
            losing += u8::from(any);
            loses_before_rows |= any && !rows_passed && !rows.is_empty();
        }
    }
    let key = key_between(&original, &end, &compare::NONE_REPLACED)?;
    let other_key = |entry: &&&Entry| {
        entry
            .shape
            .as_ref()
            .is_some_and(|shape| !shape.key.is_empty() && Some(&shape.key) != key.as_ref())
    };
    // Equal rows are counted over the columns of both tables: with another number of columns, different rows are alike.
    let other_columns = written(&original).count() != written(&end).count()
        || written(&original).any(|column| end.column(&column.name).is_none());
    Ok(
        (losing > 0 || !rows.is_empty() && other_columns) && key.is_none()
            || losing > 1
            || loses_before_rows
            || rows.iter().any(other_key),
    )
}

/// Returns the columns by which rows of one table are found in the other, some columns of which are replaced; `None`
/// where there are none.
pub(super) fn key_between(
    wanted: &Table,
    now: &Table,
    replaced: &BTreeSet<String>,
) -> Result<Option<Vec<String>>> {
    let name = ObjectName::new("", &wanted.name);
    let shape = Shape::of(&task(&name, &name, wanted, Some(now), replaced))?;
    Ok(match &shape.key {
        RowKey::Columns { positions, .. } => Some(
            positions
                .iter()
                .filter_map(|position| shape.columns.get(*position))
                .map(|column| column.remote.name.clone())
                .collect(),
        ),
        RowKey::Bag => None,
    })
}

/// Returns a comparison of a table as it is to be (in the place of the remote's) with the one that is there.
pub(super) fn task<'a>(
    wanted_name: &ObjectName,
    name: &ObjectName,
    wanted: &'a Table,
    now: Option<&'a Table>,
    replaced: &'a BTreeSet<String>,
) -> compare::TableTask<'a> {
    TableTask {
        remote_name: wanted_name.clone(),
        local_name: name.clone(),
        remote: wanted,
        local: now,
        replaced,
        estimated_rows: 0,
        estimated_bytes: 0,
        chunk_time: Duration::from_millis(500),
        snapshot_time: Duration::MAX,
        keep_local: false,
        data_only: false,
        same_server_kind: true,
        rules: None,
        times: None,
        since: None,
    }
}
