//! Count and checksum of a range's rows, by bucket.
//!
//! Must never take a missing or malformed answer for an empty bucket.

use super::chunk::{Buckets, ChunkRange, KeySide, with_index};
use super::encode::{self, Quick};
use crate::schema::ObjectName;
use crate::sql::{Expr, Select};
use crate::value::Cell;
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// Count and checksum of a bucket. The sum is text: a bag's may pass 64 bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Rows.
    pub rows: u64,
    /// Checksum as the server prints it.
    pub checksum: Vec<u8>,
}

/// Sums by bucket number.
pub type Sums = BTreeMap<u64, Sum>;

/// Selects the sums of a range's rows, by bucket.
///
/// # Errors
/// Where a bound is no value of its column.
pub fn select(
    table: &ObjectName,
    key: &KeySide,
    range: &ChunkRange,
    within: Option<Expr>,
    buckets: &Buckets,
    columns: &[Quick],
) -> Result<Select> {
    let mut conditions = vec![range.filter(key)?];
    conditions.extend(within);
    let bucket = buckets.expr(key);
    let select = Select::from(
        table,
        vec![
            bucket.clone(),
            Expr::count_all(),
            encode::quick_checksum_of(columns),
        ],
    )
    .filter(Expr::all(conditions))
    .group_by(vec![bucket]);
    Ok(if range.is_everything() {
        select
    } else {
        with_index(select, key)
    })
}

/// Reads the answer to a select of bucket, count, checksum.
///
/// # Errors
/// Where a cell is missing or no number.
pub fn sums(rows: &[Vec<Cell>]) -> Result<Sums> {
    rows.iter()
        .map(|row| {
            let bucket = number(row.first())?;
            let rows = number(row.get(1))?;
            let checksum = row
                .get(2)
                .cloned()
                .flatten()
                .context("a checksum is missing")?;
            Ok((bucket, Sum { rows, checksum }))
        })
        .collect()
}

/// Reads a cell as a whole number.
///
/// # Errors
/// Where it is missing or none.
pub fn number(cell: Option<&Cell>) -> Result<u64> {
    let bytes = cell
        .and_then(Option::as_ref)
        .context("a number is missing in the server's answer")?;
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .with_context(|| {
            format!(
                "the server answered {:?} where a whole number belongs",
                String::from_utf8_lossy(bytes)
            )
        })
}

/// Returns the buckets whose sums differ, with the rows of both: (bucket, one, other).
pub fn differing(one: &Sums, other: &Sums) -> Vec<(u64, u64, u64)> {
    let rows = |sums: &Sums, bucket| sums.get(&bucket).map_or(0, |sum: &Sum| sum.rows);
    let mut buckets = one
        .iter()
        .filter(|(bucket, sum)| other.get(bucket) != Some(sum))
        .map(|(bucket, _)| *bucket)
        .chain(
            other
                .keys()
                .copied()
                .filter(|bucket| !one.contains_key(bucket)),
        )
        .collect::<Vec<_>>();
    buckets.sort_unstable();
    buckets
        .into_iter()
        .map(|bucket| (bucket, rows(one, bucket), rows(other, bucket)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bucket: &str, rows: &str, checksum: &str) -> Vec<Cell> {
        [bucket, rows, checksum]
            .map(|text| Some(text.as_bytes().to_vec()))
            .to_vec()
    }

    #[test]
    fn buckets_of_either_side_are_found() {
        let one = sums(&[row("0", "2", "7"), row("1", "1", "5"), row("3", "1", "1")]).unwrap();
        let other = sums(&[row("0", "2", "7"), row("1", "1", "6"), row("2", "4", "9")]).unwrap();
        assert_eq!(differing(&one, &other), [(1, 1, 1), (2, 0, 4), (3, 1, 0)]);
    }

    #[test]
    fn a_malformed_answer_is_an_error() {
        assert!(sums(&[row("0", "x", "1")]).is_err());
        assert!(sums(&[vec![Some(b"0".to_vec()), Some(b"1".to_vec()), None]]).is_err());
        assert!(sums(&[vec![]]).is_err());
    }
}
