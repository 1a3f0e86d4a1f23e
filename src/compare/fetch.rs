//! Fetches whole rows that differ, in batches of bounded bytes, and hands them on in key order.
//!
//! Must never hand on a row that was not read: one that is gone meanwhile is left for the next plan.

use super::hash_text;
use super::keyed::Keys;
use super::pages::key_of;
use super::resolve::Wanted;
use super::work::Answer;
use super::{Comparison, RowKey, ShapeColumn};
use crate::connect::{Row, Side};
use crate::diff::rows::{RowChange, RowKind};
use crate::read::chunk::{self, Key};
use crate::schema::table::TypeClass;
use crate::sql::Select;
use anyhow::Result;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

/// Most keys of several columns that one statement names: each row is tested against them one by one. Of one column as
/// well, until it is known how wide the rows are that differ.
const BATCH_KEYS: usize = 500;
/// Most keys of one column that one statement names.
const MOST_KEYS: usize = 2_000;
/// Bytes of rows that one statement should bring, where it may name more than `BATCH_KEYS`. A production's sshd that
/// serves no session keeps Nagle's algorithm on, so that the end of each answer may wait 40 ms for an acknowledgement:
/// few large answers instead of many small ones.
const BATCH_WIDTH: usize = 512 << 10;
/// Bytes of long values that one batch should have.
const BATCH_BYTES: u64 = 4 << 20;

/// Fetches that are under way before the one before them is handed on.
const FETCHES_AHEAD: usize = 1;

/// Rows that differ, of which the first are under way.
pub(super) struct Fetch {
    wanted: Vec<(Key, Wanted)>,
    /// How many of them were asked for.
    asked: usize,
    under_way: Option<Batch>,
}

/// Rows that both servers were asked for.
struct Batch {
    wanted: Range<usize>,
    remote: Option<Answer<Vec<Row>>>,
    local: Option<Answer<Vec<Row>>>,
}

impl Comparison<'_> {
    /// Fetches the rows with these keys and hands them on, behind those that are under way.
    pub(super) fn fetch(&mut self, wanted: Vec<(Key, Wanted)>, keys: &Keys) -> Result<()> {
        self.begin_fetch(wanted, keys)?;
        self.finish_fetches(keys)
    }

    /// Asks both servers for the first of the rows with these keys, and hands on those asked for before the last.
    pub(super) fn begin_fetch(
        &mut self,
        mut wanted: Vec<(Key, Wanted)>,
        keys: &Keys,
    ) -> Result<()> {
        let numeric = keys
            .remote
            .columns
            .iter()
            .map(|column| column.class == TypeClass::Integer)
            .collect::<Vec<_>>();
        wanted.sort_by(|(one, _), (other, _)| compare_keys(one, other, &numeric));
        let mut fetch = Fetch {
            wanted,
            asked: 0,
            under_way: None,
        };
        fetch.under_way = self.ask_batch(&mut fetch, keys)?;
        self.fetches.push_back(fetch);
        while self.fetches.len() > FETCHES_AHEAD {
            self.finish_fetch(keys)?;
        }
        Ok(())
    }

    /// Hands on all rows that are being fetched.
    pub(super) fn finish_fetches(&mut self, keys: &Keys) -> Result<()> {
        while !self.fetches.is_empty() {
            self.finish_fetch(keys)?;
        }
        Ok(())
    }

    fn finish_fetch(&mut self, keys: &Keys) -> Result<()> {
        let Some(mut fetch) = self.fetches.pop_front() else {
            return Ok(());
        };
        while let Some(batch) = fetch.under_way.take() {
            // The next batch is on its way while this one is handed on.
            fetch.under_way = self.ask_batch(&mut fetch, keys)?;
            self.hand_on(&fetch.wanted, batch, keys)?;
        }
        Ok(())
    }

    fn ask_batch(&self, fetch: &mut Fetch, keys: &Keys) -> Result<Option<Batch>> {
        let rest = &fetch.wanted[fetch.asked..];
        let mut length = 0;
        let mut bytes = 0;
        for (_, wanted) in rest.iter().take(self.batch_keys(keys)) {
            bytes += wanted.bytes;
            if length > 0 && bytes > BATCH_BYTES {
                break;
            }
            length += 1;
        }
        if length == 0 {
            return Ok(None);
        }
        let of = |test: fn(&Wanted) -> bool| {
            rest[..length]
                .iter()
                .filter(|(_, wanted)| test(wanted))
                .map(|(key, _)| key)
                .collect::<Vec<_>>()
        };
        let remote = self.ask_rows(Side::Remote, &of(|wanted| wanted.remote), keys)?;
        let local = self.ask_rows(
            Side::Local,
            &of(|wanted| wanted.local || wanted.beyond),
            keys,
        )?;
        let from = fetch.asked;
        fetch.asked += length;
        Ok(Some(Batch {
            wanted: from..fetch.asked,
            remote,
            local,
        }))
    }

    /// How many rows are fetched at once.
    fn batch_keys(&self, keys: &Keys) -> usize {
        if keys.positions.len() > 1 {
            return BATCH_KEYS;
        }
        match self.fetched_width {
            Some(width) => (BATCH_WIDTH / width.max(1)).clamp(BATCH_KEYS, MOST_KEYS),
            None => BATCH_KEYS,
        }
    }

    fn ask_rows(
        &self,
        side: Side,
        wanted: &[&Key],
        keys: &Keys,
    ) -> Result<Option<Answer<Vec<Row>>>> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let key = keys.side(side);
        let select = Select::from(self.name(side), self.fetched(side, key))
            .filter(chunk::key_is_in(key, wanted)?);
        // Of local's rows none is beyond the comparison whose key the remote's rows have.
        let select = match side {
            Side::Remote => self.shape.restricted(side, select),
            Side::Local => select,
        };
        let step = format!("reading rows of {}", self.name(side));
        Ok(Some(self.worker(side).ask_soon(step, select)))
    }

    fn hand_on(&mut self, wanted: &[(Key, Wanted)], batch: Batch, keys: &Keys) -> Result<()> {
        let columns = keys.positions.len();
        let mut remote = by_key(batch.remote, columns)?;
        let mut local = by_key(batch.local, columns)?;
        let rows = remote.len() + local.len();
        let cells = remote.values().chain(local.values()).flatten().flatten();
        if let Some(width) = cells.map(Vec::len).sum::<usize>().checked_div(rows) {
            self.fetched_width = Some(width);
        }
        for (key, wanted) in &wanted[batch.wanted] {
            let after = remote.remove(key);
            let before = local.remove(key);
            // Gone since it was seen: the next plan finds out what became of it.
            if wanted.remote && after.is_none() || wanted.local && before.is_none() {
                self.complete = false;
                continue;
            }
            match (before, after) {
                (Some(before), Some(after)) => self.emit_update(&before, &after, columns)?,
                (None, Some(after)) => self.emit_one_sided(Side::Remote, &after, columns)?,
                (Some(before), None) => self.emit_one_sided(Side::Local, &before, columns)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Hands on a row that both sides have, as `fetched` selects it, unless it turns out to be the same.
    fn emit_update(&mut self, before: &Row, after: &Row, columns: usize) -> Result<()> {
        let (before_hash, after_hash) = (hash_text(before, columns)?, hash_text(after, columns)?);
        if before_hash == after_hash && self.shape.columns.iter().all(ShapeColumn::common) {
            return Ok(());
        }
        let change = RowChange {
            before: Some(self.values(&before[columns + 1..])),
            after: Some(self.values(&after[columns + 1..])),
            before_hash: Some(before_hash),
            after_hash: Some(after_hash),
            copies: None,
        };
        self.emit(RowKind::Update, change)
    }

    /// Hands on rows that only the remote has among those that are compared. Local may have them beyond: then they are
    /// updates.
    pub(super) fn hand_on_remote(&mut self, rows: &[Row], columns: usize) -> Result<()> {
        let key = match &self.shape.key {
            RowKey::Columns { local, .. } if self.beyond => local.clone(),
            _ => {
                return rows
                    .iter()
                    .try_for_each(|row| self.emit_one_sided(Side::Remote, row, columns));
            }
        };
        for rows in rows.chunks(BATCH_KEYS) {
            let wanted = rows
                .iter()
                .map(|row| key_of(row, columns))
                .collect::<Result<Vec<_>>>()?;
            let select = Select::from(self.name(Side::Local), self.fetched(Side::Local, &key))
                .filter(chunk::key_is_in(&key, &wanted.iter().collect::<Vec<_>>())?);
            let step = format!("looking for rows of {}", self.name(Side::Local));
            let mut local = by_key(Some(self.local.ask(step, select)), columns)?;
            for (row, key) in rows.iter().zip(&wanted) {
                match local.remove(key) {
                    Some(before) => self.emit_update(&before, row, columns)?,
                    None => self.emit_one_sided(Side::Remote, row, columns)?,
                }
            }
        }
        Ok(())
    }
}

fn by_key(answer: Option<Answer<Vec<Row>>>, columns: usize) -> Result<BTreeMap<Key, Row>> {
    let Some(answer) = answer else {
        return Ok(BTreeMap::new());
    };
    answer
        .wait()?
        .into_iter()
        .map(|row| Ok((key_of(&row, columns)?, row)))
        .collect()
}

/// Orders keys as the servers do as far as that can be told here: integers by value, everything else by bytes.
fn compare_keys(one: &Key, other: &Key, numeric: &[bool]) -> Ordering {
    let value = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<i128>().ok())
    };
    for ((one, other), numeric) in one.iter().zip(other).zip(numeric) {
        let order = if *numeric {
            value(one).cmp(&value(other))
        } else {
            one.cmp(other)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
