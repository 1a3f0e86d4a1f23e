//! Rows that are told apart by a key: each against local as it is now, in batches.
//!
//! A row as it was is put into a table of the scratch schema, with the columns that the table had, so that the server
//! itself says what it hashes to. Must never lead back a row that is not as the apply left it.

use super::Left;
use super::rows::hashed;
use crate::apply::save;
use crate::apply::table::key_condition;
use crate::compare::{RowKey, Shape, ShapeColumn};
use crate::connect::{LocalSession, Reader as _, Row, Side};
use crate::diff::rows::{RowChange, RowKind, RowSink};
use crate::plan::Entry;
use crate::plan::payload::EntrySink;
use crate::plan::row_sql::{self, Extras, Values};
use crate::proof::Scratch;
use crate::read::encode::{self, Encoding};
use crate::schema::{Column, ObjectName, Table};
use crate::sql::{Expr, Select, qualified};
use crate::value::{Cell, Value};
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one batch at most.
const BATCH_ROWS: usize = 1000;
/// Bytes of their values at most (about).
const BATCH_BYTES: usize = 1 << 20;
/// Rows that are named at most.
const EXAMPLES: usize = 20;

/// What an apply did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Inserted it.
    Inserted,
    /// Updated it.
    Updated,
    /// Deleted it, or dropped it with its table.
    Deleted,
    /// Destroyed values of it with a schema change.
    Lost,
    /// Destroyed values of it with a schema change, and deleted it then, or tried to.
    Kept,
}

/// A row that an apply changed.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) what: What,
    pub(super) key: Values,
    /// Its values before, as far as they are to come back.
    pub(super) known: Values,
    /// The hash that the apply left it with, where that is known.
    pub(super) left: Option<String>,
}

/// Leads the rows of one table back.
pub(super) struct Keyed<'a, 's> {
    name: &'a ObjectName,
    original: &'a Table,
    now: Option<&'a Table>,
    local: &'a mut LocalSession,
    scratch: &'a mut Scratch<'s>,
    sink: &'a mut EntrySink,
    left: &'a mut Left,
    stale: u64,
    /// Rows of local's that were settled and are not left as they are.
    settled: u64,
    shape: Shape,
    key: Vec<String>,
    held: ObjectName,
    /// What the hash that the apply left is made of, as far as the table has it still.
    hash: Option<Expr>,
    batch: Vec<Fact>,
    bytes: usize,
}

/// A row of local's.
struct Here {
    before: Vec<Value>,
    before_hash: String,
    hash: String,
    left: Option<String>,
    image: Values,
}

impl<'a, 's> Keyed<'a, 's> {
    /// Begins with a table.
    pub(super) fn new(
        name: &'a ObjectName,
        (original, now): (&'a Table, Option<&'a Table>),
        replaced: &BTreeSet<String>,
        local: &'a mut LocalSession,
        scratch: &'a mut Scratch<'s>,
        sink: &'a mut EntrySink,
        left: &'a mut Left,
    ) -> Result<Self> {
        let shape = Shape::of(&save::task(name, name, original, now, replaced))?;
        let RowKey::Columns { positions, .. } = &shape.key else {
            bail!("{name} has no key");
        };
        let key = positions
            .iter()
            .filter_map(|position| shape.columns.get(*position))
            .map(|column| column.remote.name.clone())
            .collect();
        let held = match scratch.hold(original)? {
            Ok(held) => held,
            Err(failure) => bail!("the table as it was cannot be made any more: {failure}"),
        };
        Ok(Self {
            name,
            original,
            now,
            local,
            scratch,
            sink,
            left,
            stale: 0,
            settled: 0,
            shape,
            key,
            held,
            hash: None,
            batch: Vec::new(),
            bytes: 0,
        })
    }

    /// The key's columns.
    pub(super) fn key(&self) -> &[String] {
        &self.key
    }

    /// Begins with the rows of an entry.
    pub(super) fn begin(&mut self, entry: &Entry) -> Result<()> {
        let has_all = entry
            .shape
            .iter()
            .flat_map(|shape| &shape.columns)
            .all(|column| {
                self.now
                    .is_some_and(|now| now.column(&column.name).is_some())
            });
        self.hash = if has_all {
            Some(encode::hash_of(&hashed(entry)?))
        } else {
            None
        };
        Ok(())
    }

    /// Begins with the values of columns that a schema change destroyed; what it left is told by the hash of these.
    pub(super) fn begin_lost(&mut self, hashed: &[String]) {
        let changed: Option<Vec<&Column>> = self
            .now
            .and_then(|now| hashed.iter().map(|name| now.column(name)).collect());
        self.hash = changed
            .filter(|columns| !columns.is_empty())
            .and_then(|columns| save::hash(&columns).ok());
    }

    /// Takes a row.
    ///
    /// # Errors
    /// As for [`Keyed::flush`].
    pub(super) fn take(&mut self, fact: Fact) -> Result<()> {
        self.bytes += fact
            .known
            .values()
            .map(|value| value.to_cell().map_or(0, |cell| cell.len()))
            .sum::<usize>();
        self.batch.push(fact);
        if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the table; returns the shape of its entries, and how many of the rows that are there now are led back or are
    /// back already.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn finish(mut self) -> Result<(Shape, u64)> {
        self.flush()?;
        if self.stale > 0 {
            self.left.reason = format!(
                "{} {} changed since the plan was applied, and stay as they are",
                self.stale,
                if self.stale == 1 { "row" } else { "rows" }
            );
        }
        self.scratch.let_go(&self.held)?;
        Ok((self.shape, self.settled))
    }

    /// Settles the rows taken so far.
    ///
    /// # Errors
    /// What the server says, or a sink that cannot keep a row.
    pub(super) fn flush(&mut self) -> Result<()> {
        let facts = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if facts.is_empty() {
            return Ok(());
        }
        crate::interrupt::check()?;
        let mut here = self.here(&facts)?;
        let mut rows: Vec<Values> = Vec::new();
        for fact in &facts {
            if fact.what != What::Inserted
                && let Some(row) = self.composed(fact, here.get(&bytes_of(&fact.key)))?
            {
                rows.push(row);
            }
        }
        let wanted = self.hold(&rows)?;
        for fact in &facts {
            let key = bytes_of(&fact.key);
            let (stale, is_here) = (self.stale, here.contains_key(&key));
            self.settle(fact, here.remove(&key), wanted.get(&key))?;
            self.settled += u64::from(is_here && stale == self.stale);
        }
        Ok(())
    }

    fn settle(
        &mut self,
        fact: &Fact,
        here: Option<Here>,
        wanted: Option<&(Vec<Value>, String, String)>,
    ) -> Result<()> {
        let as_left = |here: &Here| match (&fact.left, &here.left) {
            (Some(left), Some(now)) => left == now,
            // What a schema change left was not noted (a kill at that moment): it counts as left so.
            _ => matches!(fact.what, What::Lost | What::Kept),
        };
        match (fact.what, here) {
            (What::Inserted, None) => Ok(()),
            (What::Inserted, Some(here)) if as_left(&here) => self.sink.row(
                RowKind::Delete,
                RowChange {
                    before: Some(here.before),
                    before_hash: Some(here.before_hash),
                    ..RowChange::default()
                },
            ),
            (What::Inserted, Some(_)) => {
                self.leave(fact, "the plan inserted it, and it changed since");
                Ok(())
            }
            (What::Deleted | What::Kept, None) => {
                let (after, _, hash) = wanted.with_context(|| {
                    format!(
                        "a row of {} did not come back from the scratch schema",
                        self.name
                    )
                })?;
                self.sink.row(
                    RowKind::Insert,
                    RowChange {
                        after: Some(after.clone()),
                        after_hash: Some(hash.clone()),
                        ..RowChange::default()
                    },
                )
            }
            (_, None) => {
                self.leave(fact, "it was deleted since");
                Ok(())
            }
            (what, Some(here)) => match wanted {
                Some((_, hash, _)) if *hash == here.hash => Ok(()),
                Some((after, _, hash)) if what != What::Deleted && as_left(&here) => {
                    if *after == here.before {
                        return Ok(());
                    }
                    self.sink.row(
                        RowKind::Update,
                        RowChange {
                            before: Some(here.before),
                            after: Some(after.clone()),
                            before_hash: Some(here.before_hash),
                            after_hash: Some(hash.clone()),
                            copies: None,
                        },
                    )
                }
                Some(_) if what == What::Deleted => {
                    self.leave(
                        fact,
                        "the plan deleted it, and a row with its key is there again",
                    );
                    Ok(())
                }
                _ => {
                    self.leave(fact, "it changed since");
                    Ok(())
                }
            },
        }
    }

    fn leave(&mut self, fact: &Fact, why: &str) {
        self.stale += 1;
        if self.left.examples.len() < EXAMPLES {
            let key: Vec<String> = fact
                .key
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            self.left
                .examples
                .push(format!("{}: {why}", key.join(", ")));
        }
    }

    /// The row as it was: what is known of it, and for the rest local's values. `None` where that is not there.
    fn composed(&self, fact: &Fact, here: Option<&Here>) -> Result<Option<Values>> {
        if here.is_none() && !matches!(fact.what, What::Deleted | What::Kept) {
            return Ok(None);
        }
        // What is there may be of another hand: nothing of it but columns that it lacks comes back.
        let all = fact.what != What::Kept || here.is_none();
        let mut row = Values::new();
        for column in &self.shape.columns {
            let name = &column.remote.name;
            let value = find(&fact.known, name)
                .filter(|_| all || column.local.is_none())
                .or_else(|| find(&here?.image, &column.local.as_ref()?.name));
            match value {
                Some(value) => drop(row.insert(name.clone(), value.clone())),
                None => bail!(
                    "the undo record has no value of `{name}` for a row of {}",
                    self.name
                ),
            }
        }
        Ok(Some(row))
    }

    /// Local's rows with the keys, by key.
    fn here(&mut self, facts: &[Fact]) -> Result<BTreeMap<Vec<Cell>, Here>> {
        let Some(now) = self.now else {
            return Ok(BTreeMap::new());
        };
        let key = self.key_columns(|column| column.local.as_ref())?;
        let own: Vec<&Column> = now
            .columns
            .iter()
            .filter(|column| column.generated.is_none())
            .collect();
        let mut selected: Vec<Expr> = key
            .iter()
            .map(|(column, encoding)| encode::select_expr_as(column, *encoding))
            .collect();
        selected.extend(self.shape.selected(Side::Local));
        selected.push(self.shape.plan_hash(Side::Local));
        selected.push(self.shape.comparison_hash(Side::Local));
        selected.push(self.hash.clone().unwrap_or_else(Expr::null));
        selected.extend(own.iter().map(|column| encode::select_expr(column)));
        let keys: Vec<&Values> = facts.iter().map(|fact| &fact.key).collect();
        let select =
            Select::from(self.name, selected).filter(key_condition(now, &self.key, &keys)?);
        let mut found = BTreeMap::new();
        for row in self.local.rows(&select.into())? {
            let (place, columns) = (key.len(), self.shape.columns.len());
            let image = own
                .iter()
                .zip(row.iter().skip(place + columns + 3))
                .map(|(column, cell)| {
                    let value = Value::from_cell(cell.as_deref(), column.value_kind());
                    (column.name.clone(), value)
                })
                .collect();
            let here = Here {
                before: self.values(&row, place),
                before_hash: text(&row, place + columns)?,
                hash: text(&row, place + columns + 1)?,
                left: text(&row, place + columns + 2).ok(),
                image,
            };
            found.insert(key_of(&key, &row), here);
        }
        Ok(found)
    }

    /// Puts rows into the scratch table, reads them back with their hashes, and empties it.
    #[allow(
        clippy::type_complexity,
        reason = "values, and the hashes that compare and that stand in the plan"
    )]
    fn hold(
        &mut self,
        rows: &[Values],
    ) -> Result<BTreeMap<Vec<Cell>, (Vec<Value>, String, String)>> {
        let mut found = BTreeMap::new();
        if rows.is_empty() {
            return Ok(found);
        }
        insert(self.scratch.session(), &self.held, self.original, rows)?;
        let key = self.key_columns(|column| Some(&column.remote))?;
        let mut selected: Vec<Expr> = key
            .iter()
            .map(|(column, encoding)| encode::select_expr_as(column, *encoding))
            .collect();
        selected.extend(self.shape.selected(Side::Remote));
        selected.push(self.shape.comparison_hash(Side::Remote));
        selected.push(self.shape.plan_hash(Side::Remote));
        let select = Select::from(&self.held, selected);
        for row in self.scratch.session().rows(&select.into())? {
            let (place, columns) = (key.len(), self.shape.columns.len());
            let values = self.values(&row, place);
            let hashes = (
                text(&row, place + columns)?,
                text(&row, place + columns + 1)?,
            );
            found.insert(key_of(&key, &row), (values, hashes.0, hashes.1));
        }
        self.scratch
            .session()
            .execute(&format!("DELETE FROM {}", qualified(&self.held)))?;
        Ok(found)
    }

    fn values(&self, row: &Row, place: usize) -> Vec<Value> {
        self.shape
            .columns
            .iter()
            .zip(row.iter().skip(place))
            .map(|(column, cell)| {
                encode::value_of(&column.remote, column.encoding, cell.as_deref())
            })
            .collect()
    }

    fn key_columns(
        &self,
        side: impl Fn(&ShapeColumn) -> Option<&Column>,
    ) -> Result<Vec<(Column, Encoding)>> {
        self.key
            .iter()
            .map(|name| {
                self.shape
                    .columns
                    .iter()
                    .find(|column| column.remote.name == *name)
                    .and_then(|column| Some((side(column)?.clone(), column.encoding)))
                    .with_context(|| format!("{} has no key column `{name}` any more", self.name))
            })
            .collect()
    }
}

/// Inserts rows into a table of the scratch schema.
///
/// # Errors
/// What the server says.
pub(super) fn insert(
    session: &mut LocalSession,
    held: &ObjectName,
    model: &Table,
    rows: &[Values],
) -> Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let written: Vec<&str> = first.keys().map(String::as_str).collect();
    let extras = Extras::of(model, &written);
    let column = |name: &str| {
        model
            .column(name)
            .with_context(|| format!("{} had no column `{name}`", model.name))
    };
    let literal = |name: &str, value: &Value| encode::literal(column(name)?, value);
    let lenient = rows.iter().flat_map(|row| row.iter()).any(|(name, value)| {
        column(name).is_ok_and(|column| encode::needs_lenient_mode(column, value))
    });
    let rows: Vec<&Values> = rows.iter().collect();
    let sql = row_sql::insert(held, &extras, &rows, &literal)?;
    if lenient {
        session.lenient_mode(true)?;
    }
    let inserted = session.execute(&sql);
    if lenient {
        session.lenient_mode(false)?;
    }
    inserted
        .map(drop)
        .context("putting rows as they were into the scratch schema")
}

fn key_of(key: &[(Column, Encoding)], row: &Row) -> Vec<Cell> {
    key.iter()
        .zip(row)
        .map(|((column, encoding), cell)| {
            encode::value_of(column, *encoding, cell.as_deref()).to_cell()
        })
        .collect()
}

fn bytes_of(key: &Values) -> Vec<Cell> {
    key.values().map(Value::to_cell).collect()
}

fn find<'v>(values: &'v Values, name: &str) -> Option<&'v Value> {
    values.get(name).or_else(|| {
        values
            .iter()
            .find(|(other, _)| other.to_lowercase() == name.to_lowercase())
            .map(|(_, value)| value)
    })
}

fn text(row: &Row, position: usize) -> Result<String> {
    let cell = row
        .get(position)
        .cloned()
        .flatten()
        .context("a row without its hash")?;
    Ok(String::from_utf8(cell)?)
}
