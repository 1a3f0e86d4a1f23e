//! The second look: key and hash of every row in the buckets that differ, matched by key.
//!
//! Must never report a row as gone unless the remote's answer held as many rows as the remote counts there.

use super::Comparison;
use super::keyed::Keys;
use super::pages::key_of;
use super::spans::count;
use super::work::Answer;
use crate::connect::{Row, Side};
use crate::read::chunk::{Buckets, ChunkRange, Key, with_index};
use crate::read::encode;
use crate::read::{checksum, chunk};
use crate::sql::Expr;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;

/// Most rows of a side that are matched at once.
const MATCHED_ROWS: u64 = 20_000;
/// Most bucket numbers that one statement names.
const NAMED_BUCKETS: usize = 2_000;

/// Groups of rows that the servers are asked for before the group before them is matched.
const LOOKS_AHEAD: usize = 1;

/// A bucket that differs: its number, the remote's rows, local's rows.
type Bucket = (u64, u64, u64);

/// Rows among which there are differences: a range of keys, or some of its buckets.
#[derive(Debug, Clone)]
pub(super) struct Area {
    pub(super) range: ChunkRange,
    /// The number of buckets, and those that differ.
    pub(super) buckets: Option<(u64, Vec<Bucket>)>,
    pub(super) remote_rows: u64,
    pub(super) local_rows: u64,
}

impl Area {
    pub(super) fn rows(&self) -> u64 {
        self.remote_rows.max(self.local_rows)
    }

    fn is_one_sided(&self) -> bool {
        self.buckets.is_none() && (self.remote_rows == 0) != (self.local_rows == 0)
    }

    /// Whether a neighbouring bucket with so many rows belongs into the same area.
    pub(super) fn joins(&self, remote_rows: u64, local_rows: u64) -> bool {
        let sides = |remote, local| (remote == 0, local == 0);
        let same_sides = sides(self.remote_rows, self.local_rows) == sides(remote_rows, local_rows);
        same_sides
            && (self.is_one_sided() || self.rows() + remote_rows.max(local_rows) <= MATCHED_ROWS)
    }

    fn filter(&self, side: Side, keys: &Keys) -> Result<Expr> {
        let key = keys.side(side);
        let range = self.range.filter(key)?;
        let Some((count, buckets)) = &self.buckets else {
            return Ok(range);
        };
        let numbers = buckets
            .iter()
            .map(|(bucket, _, _)| Expr::integer(*bucket))
            .collect();
        let spread = Buckets::Spread { count: *count }.expr(key);
        Ok(Expr::all(vec![range, spread.is_in(numbers)]))
    }

    /// Cuts an area of many buckets into areas that fit.
    fn pieces(self) -> Vec<Self> {
        let Some((count, buckets)) = self.buckets else {
            return vec![self];
        };
        let mut pieces: Vec<Self> = Vec::new();
        for (bucket, remote_rows, local_rows) in buckets {
            let fits = |piece: &Self| {
                piece.remote_rows + remote_rows <= MATCHED_ROWS
                    && piece.local_rows + local_rows <= MATCHED_ROWS
                    && piece
                        .buckets
                        .as_ref()
                        .is_some_and(|(_, buckets)| buckets.len() < NAMED_BUCKETS)
            };
            match pieces.last_mut() {
                Some(piece) if fits(piece) => {
                    piece.remote_rows += remote_rows;
                    piece.local_rows += local_rows;
                    if let Some((_, buckets)) = &mut piece.buckets {
                        buckets.push((bucket, remote_rows, local_rows));
                    }
                }
                _ => pieces.push(Self {
                    range: self.range.clone(),
                    buckets: Some((count, vec![(bucket, remote_rows, local_rows)])),
                    remote_rows,
                    local_rows,
                }),
            }
        }
        pieces
    }
}

/// A group of rows that both servers were asked for.
pub(super) struct Look {
    group: Vec<Area>,
    remote: Answer<Vec<Row>>,
    local: Answer<Vec<Row>>,
}

/// A row of the second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    hash: [u8; 16],
    /// Bytes of its long values.
    bytes: u64,
}

/// What is to be fetched of the rows that differ, by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) remote: bool,
    pub(super) local: bool,
    /// Whether local is asked although no such row was seen: it may be beyond the rows that are compared.
    pub(super) beyond: bool,
    pub(super) bytes: u64,
}

impl Comparison<'_> {
    /// Finds the rows that differ in the areas, and hands them on.
    pub(super) fn resolve(&mut self, areas: Vec<Area>, keys: &Keys) -> Result<()> {
        let mut group: Vec<Area> = Vec::new();
        let mut rows = 0;
        for area in areas.into_iter().flat_map(Area::pieces) {
            if keys.ordered && area.is_one_sided() {
                self.match_group(std::mem::take(&mut group), keys)?;
                // Rows are handed on in key order.
                self.finish_looks(keys)?;
                rows = 0;
                let side = if area.local_rows == 0 {
                    Side::Remote
                } else {
                    Side::Local
                };
                self.one_sided(side, keys.side(side), &area.range)?;
            } else if area.rows() > 2 * MATCHED_ROWS {
                self.match_group(std::mem::take(&mut group), keys)?;
                rows = 0;
                self.split(&area, keys)?;
            } else {
                if rows + area.rows() > 2 * MATCHED_ROWS {
                    self.match_group(std::mem::take(&mut group), keys)?;
                    rows = 0;
                }
                rows += area.rows();
                group.push(area);
            }
        }
        self.match_group(group, keys)
    }

    /// Spreads an area that is too large over finer buckets, and looks at those that differ.
    fn split(&mut self, area: &Area, keys: &Keys) -> Result<()> {
        let outer = area.buckets.as_ref().map_or(1, |(count, _)| *count);
        let finer = (area.rows() / 500).clamp(2, 50_000);
        let buckets = Buckets::Spread {
            count: outer.saturating_mul(finer),
        };
        let ask = |side| {
            let within = area.filter(side, keys)?;
            self.ask_side_sums(side, &ChunkRange::All, Some(within), &buckets, keys)
        };
        let (remote, local) = (ask(Side::Remote)?, ask(Side::Local)?);
        let remote = checksum::sums(&remote.wait()?)?;
        let local = checksum::sums(&local.wait()?)?;
        let differing = checksum::differing(&remote, &local);
        let finer = Area {
            range: area.range.clone(),
            remote_rows: differing.iter().map(|(_, rows, _)| rows).sum(),
            local_rows: differing.iter().map(|(_, _, rows)| rows).sum(),
            buckets: Some((outer.saturating_mul(finer), differing)),
        };
        for piece in finer.pieces() {
            self.match_group(vec![piece], keys)?;
        }
        Ok(())
    }

    /// Asks both servers for the rows of a group. They go on with it while the groups before are matched, and with the
    /// next chunks' sums.
    fn match_group(&mut self, group: Vec<Area>, keys: &Keys) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let local = self.ask_hashes(Side::Local, &group, keys)?;
        let remote = self.ask_hashes(Side::Remote, &group, keys)?;
        self.looks.push_back(Look {
            group,
            remote,
            local,
        });
        while self.looks.len() > LOOKS_AHEAD {
            self.finish_look(keys)?;
        }
        Ok(())
    }

    /// Matches the rows of all groups that were asked for.
    pub(super) fn finish_looks(&mut self, keys: &Keys) -> Result<()> {
        while !self.looks.is_empty() {
            self.finish_look(keys)?;
        }
        Ok(())
    }

    fn finish_look(&mut self, keys: &Keys) -> Result<()> {
        let Some(look) = self.looks.pop_front() else {
            return Ok(());
        };
        let columns = keys.positions.len();
        let local = seen(&look.local.wait()?, columns)?;
        let mut remote = seen(&look.remote.wait()?, columns)?;
        let expected = look.group.iter().map(|area| area.remote_rows).sum::<u64>();
        if remote.len() as u64 != expected {
            remote = self.read_again(&look.group, keys)?;
        }
        let wanted = differences(&remote, &local, self.task.keep_local, self.beyond);
        drop((remote, local));
        self.fetch(wanted, keys)
    }

    /// Reads the remote's rows again, beside their count: after a connection broke, the new snapshot may hold others.
    fn read_again(&mut self, group: &[Area], keys: &Keys) -> Result<BTreeMap<Key, Seen>> {
        for _ in 0..3 {
            let remote = self.ask_hashes(Side::Remote, group, keys)?;
            let filter = group_filter(Side::Remote, group, keys)?;
            let select = self.select(Side::Remote, vec![Expr::count_all()]);
            let step = format!("counting rows of {}", self.name(Side::Remote));
            let counted = self.remote.ask(step, select.filter(filter));
            let remote = seen(&remote.wait()?, keys.positions.len())?;
            if remote.len() as u64 == count(&counted.wait()?)? {
                return Ok(remote);
            }
        }
        bail!(
            "the remote's rows and their count do not agree; nothing is taken as deleted from that"
        )
    }

    /// The key, the hash that rows are compared by, the bytes of long values.
    pub(super) fn hash_columns(&self, side: Side, keys: &Keys) -> Vec<Expr> {
        let key = keys.side(side);
        let mut columns = key
            .columns
            .iter()
            .map(chunk::KeyColumn::encoded)
            .collect::<Vec<_>>();
        columns.push(encode::quick_hash_of(
            &self.only_compared(self.shape.summed(side), keys),
        ));
        columns.extend(self.shape.long_bytes(side));
        columns
    }

    /// What rows are compared by: all columns of the shape, or the key alone.
    pub(super) fn only_compared<T: Clone>(&self, columns: Vec<T>, keys: &Keys) -> Vec<T> {
        if !self.keys_only {
            return columns;
        }
        keys.positions
            .iter()
            .filter_map(|position| columns.get(*position).cloned())
            .collect()
    }

    fn ask_hashes(&self, side: Side, group: &[Area], keys: &Keys) -> Result<Answer<Vec<Row>>> {
        let key = keys.side(side);
        let columns = self.hash_columns(side, keys);
        let select = self
            .select(side, columns)
            .filter(group_filter(side, group, keys)?);
        let select = if group.iter().any(|area| area.range.is_everything()) {
            select
        } else {
            with_index(select, key)
        };
        let step = format!("reading keys and hashes of {}", self.name(side));
        Ok(self.worker(side).ask(step, select))
    }
}

fn group_filter(side: Side, group: &[Area], keys: &Keys) -> Result<Expr> {
    if group.iter().all(|area| area.buckets.is_none()) {
        let ranges = group.iter().map(|area| &area.range).collect::<Vec<_>>();
        return chunk::within_any(&ranges, keys.side(side));
    }
    let filters = group
        .iter()
        .map(|area| area.filter(side, keys))
        .collect::<Result<Vec<_>>>()?;
    Ok(Expr::any(filters))
}

pub(super) fn seen(rows: &[Row], columns: usize) -> Result<BTreeMap<Key, Seen>> {
    let mut found = BTreeMap::new();
    for row in rows {
        let hash = super::hash_text(row, columns)?;
        let hash = crate::value::from_hex(&hash)
            .and_then(|bytes| bytes.try_into().ok())
            .context("a row's hash is no hex")?;
        let bytes = match row.get(columns + 1) {
            Some(_) => checksum::number(row.get(columns + 1))?,
            None => 0,
        };
        let key = key_of(row, columns)?;
        if found.insert(key, Seen { hash, bytes }).is_some() {
            bail!("two rows have the same key; the table's unique index does not hold");
        }
    }
    Ok(found)
}

/// Returns the keys of rows that one side lacks or that differ.
pub(super) fn differences(
    remote: &BTreeMap<Key, Seen>,
    local: &BTreeMap<Key, Seen>,
    keep_local: bool,
    beyond: bool,
) -> Vec<(Key, Wanted)> {
    let mut wanted = Vec::new();
    for (key, row) in remote {
        let before = local.get(key);
        if before.is_none_or(|before| before.hash != row.hash) {
            wanted.push((
                key.clone(),
                Wanted {
                    remote: true,
                    local: before.is_some(),
                    beyond: beyond && before.is_none(),
                    bytes: row.bytes + before.map_or(0, |before| before.bytes),
                },
            ));
        }
    }
    if !keep_local {
        for (key, row) in local.iter().filter(|(key, _)| !remote.contains_key(*key)) {
            wanted.push((
                key.clone(),
                Wanted {
                    remote: false,
                    local: true,
                    beyond: false,
                    bytes: row.bytes,
                },
            ));
        }
    }
    wanted
}
