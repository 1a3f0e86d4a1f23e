//! The second look: key and hash of every row in the buckets that differ, matched by key.
//!
//! Must never report a row as gone unless the remote's answer held as many rows as the remote counts there.

use super::Comparison;
use super::keyed::Keys;
use super::pages::key_of;
use super::spans::count;
use super::work::{Answer, Worker};
use crate::connect::{Row, Side};
use crate::read::chunk::{Buckets, ChunkRange, Key, with_index};
use crate::read::encode;
use crate::read::{checksum, chunk};
use crate::sql::read::KeysFirst;
use crate::sql::{Expr, Select};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, VecDeque};

/// Most rows of a side that are matched at once.
const MATCHED_ROWS: u64 = 12_000;
/// Most bucket numbers that one statement names.
const NAMED_BUCKETS: usize = 2_000;

/// One row in so many of those that a server tests is wanted at most, where rows are found by their keys first.
const SPARSE: u64 = 5;
/// How far a row that both sides have is looked for behind others.
const MOST_AHEAD: usize = 16;
const SAME_KEY: &str = "two rows have the same key; the table's unique index does not hold";

/// Groups of rows that the servers are asked for before the group before them is matched.
const LOOKS_AHEAD: usize = 1;

/// A bucket that differs: its number, the remote's rows, local's rows.
type Bucket = (u64, u64, u64);

/// Rows among which there are differences: a range of keys, or some of its buckets.
#[derive(Debug, Clone)]
pub(super) struct Area {
    pub(super) range: ChunkRange,
    pub(super) spread: Option<Spread>,
    pub(super) remote_rows: u64,
    pub(super) local_rows: u64,
}

/// Buckets of a range that differ.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    /// How many buckets the range's rows are spread over.
    pub(super) count: u64,
    /// How many rows those are, on the side that has more of them.
    pub(super) among: u64,
    /// Those that differ.
    pub(super) differing: Vec<Bucket>,
}

impl Area {
    pub(super) fn rows(&self) -> u64 {
        self.remote_rows.max(self.local_rows)
    }

    fn is_one_sided(&self) -> bool {
        self.spread.is_none() && (self.remote_rows == 0) != (self.local_rows == 0)
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
        let Some(spread) = &self.spread else {
            return Ok(range);
        };
        let numbers = spread
            .differing
            .iter()
            .map(|(bucket, _, _)| Expr::integer(*bucket))
            .collect();
        let bucket = Buckets::Spread {
            count: spread.count,
        };
        Ok(Expr::all(vec![range, bucket.expr(key).is_in(numbers)]))
    }

    /// Whether so few of the rows that a server has to test are wanted that finding each by its key costs less than
    /// reading every one as a whole: measured, a seventh of a row of 200 bytes against one of its reading.
    fn is_sparse(&self) -> bool {
        let sparse = |spread: &Spread| self.rows().saturating_mul(SPARSE) <= spread.among;
        self.spread.as_ref().is_some_and(sparse)
    }

    /// Cuts an area of many buckets into areas that fit.
    fn pieces(self) -> Vec<Self> {
        let Some(spread) = self.spread else {
            return vec![self];
        };
        let mut pieces: Vec<Self> = Vec::new();
        for (bucket, remote_rows, local_rows) in spread.differing {
            let fits = |piece: &Self| {
                piece.remote_rows + remote_rows <= 2 * MATCHED_ROWS
                    && piece.local_rows + local_rows <= 2 * MATCHED_ROWS
                    && piece
                        .spread
                        .as_ref()
                        .is_some_and(|spread| spread.differing.len() < NAMED_BUCKETS)
            };
            match pieces.last_mut() {
                Some(piece) if fits(piece) => {
                    piece.remote_rows += remote_rows;
                    piece.local_rows += local_rows;
                    if let Some(spread) = &mut piece.spread {
                        spread.differing.push((bucket, remote_rows, local_rows));
                    }
                }
                _ => pieces.push(Self {
                    range: self.range.clone(),
                    spread: Some(Spread {
                        count: spread.count,
                        among: spread.among,
                        differing: vec![(bucket, remote_rows, local_rows)],
                    }),
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
                // The servers test every row they read against each area whose rows are spread, until one takes it.
                let is_spread = area.spread.is_some();
                if is_spread || rows + area.rows() > 2 * MATCHED_ROWS {
                    self.match_group(std::mem::take(&mut group), keys)?;
                    rows = 0;
                }
                rows += area.rows();
                group.push(area);
                if is_spread {
                    self.match_group(std::mem::take(&mut group), keys)?;
                    rows = 0;
                }
            }
        }
        self.match_group(group, keys)
    }

    /// Spreads an area that is too large over finer buckets, and looks at those that differ.
    fn split(&mut self, area: &Area, keys: &Keys) -> Result<()> {
        let outer = area.spread.as_ref().map_or(1, |spread| spread.count);
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
            spread: Some(Spread {
                count: outer.saturating_mul(finer),
                among: area
                    .spread
                    .as_ref()
                    .map_or(area.rows(), |spread| spread.among),
                differing,
            }),
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
        let local = self.ask_hashes(Side::Local, &group, keys, Worker::ask_soon)?;
        let remote = self.ask_hashes(Side::Remote, &group, keys, Worker::ask_soon)?;
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

    /// Matches the rows of all groups that were asked for, and hands on what differs.
    pub(super) fn finish_looks(&mut self, keys: &Keys) -> Result<()> {
        while !self.looks.is_empty() {
            self.finish_look(keys)?;
        }
        self.finish_fetches(keys)
    }

    fn finish_look(&mut self, keys: &Keys) -> Result<()> {
        let Some(look) = self.looks.pop_front() else {
            return Ok(());
        };
        let columns = keys.positions.len();
        let (local, mut remote) = (look.local.wait()?, look.remote.wait()?);
        let expected = look.group.iter().map(|area| area.remote_rows).sum::<u64>();
        if remote.len() as u64 != expected {
            remote = self.read_again(&look.group, keys)?;
        }
        let (remote, local) = without_equal(remote, local, columns)?;
        let (remote, local) = (seen(&remote, columns)?, seen(&local, columns)?);
        let wanted = differences(&remote, &local, self.task.keep_local, self.beyond);
        drop((remote, local));
        self.begin_fetch(wanted, keys)
    }

    /// Reads the remote's rows again, beside their count: after a connection broke, the new snapshot may hold others.
    fn read_again(&mut self, group: &[Area], keys: &Keys) -> Result<Vec<Row>> {
        for _ in 0..3 {
            let remote = self.ask_hashes(Side::Remote, group, keys, Worker::ask)?;
            let filter = group_filter(Side::Remote, group, keys)?;
            let select = self.select(Side::Remote, vec![Expr::count_all()]);
            let step = format!("counting rows of {}", self.name(Side::Remote));
            let counted = self.remote.ask(step, select.filter(filter));
            let remote = remote.wait()?;
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

    fn ask_hashes(
        &self,
        side: Side,
        group: &[Area],
        keys: &Keys,
        ask: fn(&Worker, String, Select) -> Answer<Vec<Row>>,
    ) -> Result<Answer<Vec<Row>>> {
        let key = keys.side(side);
        let columns = self.hash_columns(side, keys);
        let select = self.select(side, columns);
        let select = match (group, &key.index) {
            ([area], Some(_)) if area.is_sparse() && self.can_list_keys() => {
                let names = key.columns.iter().map(|column| column.name.clone());
                with_index(select, key).keys_first(names.collect(), area.filter(side, keys)?)
            }
            _ => select.filter(group_filter(side, group, keys)?),
        };
        let select = if group.iter().any(|area| area.range.is_everything()) {
            select
        } else {
            with_index(select, key)
        };
        let step = format!("reading keys and hashes of {}", self.name(side));
        Ok(ask(self.worker(side), step, select))
    }
}

impl Comparison<'_> {
    /// Whether no column has a name that a list of keys gives its own.
    fn can_list_keys(&self) -> bool {
        let tables = [Some(self.task.remote), self.task.local];
        // A `where` may name any of them.
        let mut columns = tables.iter().flatten().flat_map(|table| &table.columns);
        !columns.any(|column| KeysFirst::is_like_alias(&column.name))
    }
}

fn group_filter(side: Side, group: &[Area], keys: &Keys) -> Result<Expr> {
    if group.iter().all(|area| area.spread.is_none()) {
        let ranges = group.iter().map(|area| &area.range).collect::<Vec<_>>();
        return chunk::within_any(&ranges, keys.side(side));
    }
    let filters = group
        .iter()
        .map(|area| area.filter(side, keys))
        .collect::<Result<Vec<_>>>()?;
    Ok(Expr::any(filters))
}

/// Leaves out the rows that both sides have alike, as far as the order in which they come shows it: most of a look's.
///
/// # Errors
/// Where two neighbours have one key.
fn without_equal(
    remote: Vec<Row>,
    local: Vec<Row>,
    columns: usize,
) -> Result<(Vec<Row>, Vec<Row>)> {
    for rows in [&remote, &local] {
        let same_key = |pair: &[Row]| pair[0].get(..columns) == pair[1].get(..columns);
        if rows.windows(2).any(same_key) {
            bail!(SAME_KEY);
        }
    }
    let (mut of_remote, mut of_local) = (Vec::new(), Vec::new());
    let (mut remote, mut local) = (VecDeque::from(remote), VecDeque::from(local));
    while let (Some(one), Some(other)) = (remote.front(), local.front()) {
        if one == other {
            remote.pop_front();
            local.pop_front();
            continue;
        }
        // Rows that only one side has stand before the next that both have.
        let behind = |rows: &VecDeque<Row>, wanted: &Row| {
            rows.iter().take(MOST_AHEAD).position(|row| row == wanted)
        };
        match (behind(&local, one), behind(&remote, other)) {
            (Some(rows), _) => of_local.extend(local.drain(..rows)),
            (None, Some(rows)) => of_remote.extend(remote.drain(..rows)),
            (None, None) => {
                of_remote.extend(remote.pop_front());
                of_local.extend(local.pop_front());
            }
        }
    }
    of_remote.extend(remote);
    of_local.extend(local);
    Ok((of_remote, of_local))
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
            bail!(SAME_KEY);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows of a key and a hash, one for each key.
    fn rows(keys: &BTreeMap<u8, u8>) -> Vec<Row> {
        let cells = keys.iter().map(|(key, hash)| {
            vec![
                Some(key.to_string().into_bytes()),
                Some(format!("{hash:032x}").into_bytes()),
            ]
        });
        cells.collect()
    }

    proptest! {
        #[test]
        fn what_both_sides_have_alike_makes_no_difference(
            remote in prop::collection::btree_map(0_u8..60, 0_u8..3, 0..40),
            local in prop::collection::btree_map(0_u8..60, 0_u8..3, 0..40),
            turned in any::<bool>(),
        ) {
            let (remote, mut local) = (rows(&remote), rows(&local));
            if turned {
                // In whatever order they come.
                local.reverse();
            }
            let of = |remote: &[Row], local: &[Row]| {
                let (remote, local) = (seen(remote, 1).unwrap(), seen(local, 1).unwrap());
                differences(&remote, &local, false, false)
            };
            let all = of(&remote, &local);
            let (remote, local) = without_equal(remote, local, 1).unwrap();
            prop_assert_eq!(of(&remote, &local), all.clone());
            if !turned {
                // Of few rows none is left that both have.
                prop_assert!(remote.len() + local.len() <= 2 * all.len() + 2 * MOST_AHEAD);
            }
        }
    }

    #[test]
    fn two_rows_of_one_key_are_no_answer() {
        let row = |key: &str, hash: &str| vec![Some(key.into()), Some(hash.into())];
        let twice = vec![row("1", "a"), row("1", "a")];
        assert!(without_equal(twice.clone(), vec![row("1", "a")], 1).is_err());
        assert!(without_equal(Vec::new(), twice, 1).is_err());
    }
}
