//! Compares the rows whose time is recent, and those left from earlier plans, by key.
//!
//! Reads the remote in pages of time and key, so that nothing grows with the table, and local by the keys found. Must
//! never report a row as gone unless the remote was asked for its very key, and must never hand on a row twice.

use super::keyed::Keys;
use super::pages::key_of;
use super::resolve::{Seen, Wanted, differences, seen};
use super::spans::count;
use super::work::Answer;
use super::{Comparison, RowKey};
use crate::connect::{Row, Side};
use crate::read::chunk::{self, Key};
use crate::read::encode;
use crate::read::incremental::{Since, TimeColumn};
use crate::sql::expr::Operator;
use crate::sql::{Expr, Function, Select};
use crate::value::{Cell, Value};
use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one page.
const PAGE_ROWS: u64 = 10_000;
/// Keys that one statement names.
const NAMED_KEYS: usize = 500;

/// A page that was asked for, and how many rows it may have.
struct Page {
    answer: Answer<Vec<Row>>,
    rows: u64,
}

/// Keys that were looked at, or handed on, by a hash of theirs: there may be many.
#[derive(Default)]
struct Done(BTreeSet<[u8; 16]>);

impl Done {
    fn hash(key: &Key) -> [u8; 16] {
        let mut hash = Sha256::new();
        for part in key {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize()[..16]);
        short
    }

    fn is(&self, key: &Key) -> bool {
        self.0.contains(&Self::hash(key))
    }

    fn add(&mut self, key: &Key) {
        self.0.insert(Self::hash(key));
    }
}

/// Where all keys are compared afterwards, rows that one side lacks are found there.
fn takes(wanted: &Wanted, since: &Since) -> bool {
    !since.check_deletes || wanted.remote && wanted.local
}

impl Comparison<'_> {
    /// Reads the greatest time of the remote's snapshot.
    pub(super) fn greatest_time(&self, column: &TimeColumn) -> Result<Option<String>> {
        let greatest = Expr::call(Function::Max, vec![Expr::column(&column.name)]);
        let mut select = Select::from(self.name(Side::Remote), vec![greatest]);
        if let Some(index) = &column.index {
            select = select.force_index(index);
        }
        let step = format!("finding the latest change of {}", self.name(Side::Remote));
        let rows = self.remote.ask(step, select).wait()?;
        let cell = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        Ok(cell
            .flatten()
            .and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Compares what is recent, and what is left from earlier plans.
    pub(super) fn since(&mut self, column: &TimeColumn, since: &Since) -> Result<()> {
        let RowKey::Columns {
            positions,
            remote,
            local,
            ordered,
            ..
        } = self.shape.key.clone()
        else {
            bail!("a table without a key cannot be compared by time");
        };
        let keys = Keys {
            remote,
            local,
            ordered,
            positions,
        };
        let mut done = Done::default();
        for group in since.keys.chunks(NAMED_KEYS) {
            let remote = self.hashes(
                Side::Remote,
                self.has_key(Side::Remote, group, &keys)?,
                &keys,
            );
            let local = self.hashes(Side::Local, self.has_key(Side::Local, group, &keys)?, &keys);
            let columns = keys.positions.len();
            let (remote, local) = (
                seen(&remote.wait()?, columns)?,
                seen(&local.wait()?, columns)?,
            );
            let mut wanted = differences(&remote, &local, self.task.keep_local, self.beyond);
            wanted.retain(|(key, wanted)| !done.is(key) && takes(wanted, since));
            for key in remote.keys().chain(local.keys()) {
                done.add(key);
            }
            self.fetch(wanted, &keys)?;
        }
        self.pages(column, since, &keys, &mut done)?;
        if since.check_deletes {
            self.keys_only = true;
            (self.remote_rows, self.local_rows) = (0, 0);
            return self.keyed();
        }
        if self.counts.delete > 0 {
            // What share of the table that is, for the brake.
            let select = Select::from(self.name(Side::Local), vec![Expr::count_all()]);
            let step = format!("counting the rows of {}", self.name(Side::Local));
            self.local_rows = count(&self.local.ask(step, select).wait()?)?;
        }
        Ok(())
    }

    fn pages(
        &mut self,
        column: &TimeColumn,
        since: &Since,
        keys: &Keys,
        done: &mut Done,
    ) -> Result<()> {
        let mut behind: Option<(Cell, Key)> = None;
        let mut page = self.ask_page_since(column, since, keys, None, PAGE_ROWS)?;
        loop {
            let rows = page.answer.wait()?;
            let ends = (rows.len() as u64) < page.rows;
            if !ends && !rows.last().is_some_and(|row| column.can_end(&row[0])) {
                // No statement can name that time (31 February): the page is to end with another.
                let more = page.rows.saturating_mul(4);
                page = self.ask_page_since(column, since, keys, behind.as_ref(), more)?;
                continue;
            }
            if let Some(last) = rows.last() {
                let time = last.first().cloned().flatten();
                self.note_time(column, &rows);
                behind = Some((time, key_of(&last[1..], keys.positions.len())?));
            }
            // The next page is on its way while this one is compared.
            let next = if ends {
                None
            } else {
                Some(self.ask_page_since(column, since, keys, behind.as_ref(), PAGE_ROWS)?)
            };
            self.match_page(&rows, since, keys, done)?;
            match next {
                Some(next) => page = next,
                None => return Ok(()),
            }
        }
    }

    /// Rows come in the order of their time.
    fn note_time(&mut self, column: &TimeColumn, rows: &[Row]) {
        let latest = rows.iter().rev().find_map(|row| {
            let text = String::from_utf8(row.first()?.clone()?).ok()?;
            column.moment(&text).map(|_| text)
        });
        if latest.is_some() {
            self.greatest = latest;
        }
    }

    fn ask_page_since(
        &self,
        column: &TimeColumn,
        since: &Since,
        keys: &Keys,
        behind: Option<&(Cell, Key)>,
        rows: u64,
    ) -> Result<Page> {
        let table = self.name(Side::Remote);
        let mut columns = vec![Expr::column(&column.name)];
        columns.extend(self.hash_columns(Side::Remote, keys));
        let filter = column.filter(&since.from, behind, &keys.remote)?;
        let select = self.select(Side::Remote, columns).filter(filter);
        let select = column.in_order(select, &keys.remote).limit(rows, 0);
        let step = format!("reading recent rows of {table}");
        Ok(Page {
            answer: self.remote.ask(step, select),
            rows,
        })
    }

    fn match_page(
        &mut self,
        rows: &[Row],
        since: &Since,
        keys: &Keys,
        done: &mut Done,
    ) -> Result<()> {
        let columns = keys.positions.len();
        let without_time: Vec<Row> = rows.iter().map(|row| row[1..].to_vec()).collect();
        let mut remote = seen(&without_time, columns)?;
        remote.retain(|key, _| !done.is(key));
        self.remote_rows += remote.len() as u64;
        let asked: Vec<&Key> = remote.keys().collect();
        let answers = asked
            .chunks(NAMED_KEYS)
            .map(|group| {
                let filter = chunk::key_is_in(&keys.local, group)?;
                Ok(self.hashes(Side::Local, filter, keys))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut local: BTreeMap<Key, Seen> = BTreeMap::new();
        for answer in answers {
            local.extend(seen(&answer.wait()?, columns)?);
        }
        // Another spelling of a key that its collation takes for equal: a row that the remote may not have any more.
        let others: Vec<Key> = local
            .keys()
            .filter(|key| !remote.contains_key(*key) && !done.is(key))
            .cloned()
            .collect();
        local.retain(|key, _| remote.contains_key(key));
        let mut wanted = differences(&remote, &local, true, self.beyond);
        wanted.retain(|(_, wanted)| takes(wanted, since));
        wanted.extend(self.gone(&others, since, keys)?);
        // Handed on once, even where a new connection's snapshot shows the row again, with a later time.
        for key in others.iter().chain(wanted.iter().map(|(key, _)| key)) {
            done.add(key);
        }
        self.fetch(wanted, keys)
    }

    /// Which of these rows of local's the remote does not have.
    fn gone(&self, others: &[Key], since: &Since, keys: &Keys) -> Result<Vec<(Key, Wanted)>> {
        if others.is_empty() || since.check_deletes || self.task.keep_local {
            return Ok(Vec::new());
        }
        let filter = chunk::key_is_in(&keys.remote, &others.iter().collect::<Vec<_>>())?;
        let answer = self.hashes(Side::Remote, filter, keys).wait()?;
        let there = seen(&answer, keys.positions.len())?;
        let gone = others.iter().filter(|key| !there.contains_key(*key));
        Ok(gone
            .map(|key| {
                let wanted = Wanted {
                    remote: false,
                    local: true,
                    beyond: false,
                    bytes: 0,
                };
                (key.clone(), wanted)
            })
            .collect())
    }

    /// Asks for key and hash of the rows under a condition.
    fn hashes(&self, side: Side, filter: Expr, keys: &Keys) -> Answer<Vec<Row>> {
        let select = self
            .select(side, self.hash_columns(side, keys))
            .filter(filter);
        let step = format!("reading keys and hashes of {}", self.name(side));
        self.worker(side).ask(step, select)
    }

    /// The condition for rows whose key has these values.
    fn has_key(&self, side: Side, group: &[Vec<Value>], keys: &Keys) -> Result<Expr> {
        let columns = keys
            .positions
            .iter()
            .map(|position| {
                let column = &self.shape.columns[*position];
                column.definition(side).unwrap_or(&column.remote)
            })
            .collect::<Vec<_>>();
        let alternatives = group
            .iter()
            .map(|values| {
                let equal = columns
                    .iter()
                    .zip(values)
                    .map(|(column, value)| {
                        let constant = encode::literal_expr(column, value)?;
                        Ok(Expr::column(&column.name).binary(Operator::Equal, constant))
                    })
                    .collect::<Result<Vec<_>>>()
                    .context("a key left from an earlier plan")?;
                Ok(Expr::all(equal))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Expr::any(alternatives))
    }
}
