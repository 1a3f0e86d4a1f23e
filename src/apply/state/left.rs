//! The keys of rows that an apply does not bring up: denied, pending, found changed.
//!
//! Must never forget one in silence: past a bound it is told that there are too many.

use crate::apply::{ApprovedPlan, Ending};
use crate::plan::row_sql::Values;
use crate::plan::{Decision, Entry, PlanRow, payload};
use crate::value::Value;
use anyhow::Result;

/// Keys that one note holds at most.
pub(in crate::apply) const MOST_KEYS: usize = 5_000;
/// Bytes of their values at most (about).
const MOST_BYTES: usize = 1 << 20;

/// Keys of one table.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Names of the key's columns.
    pub(super) names: Vec<String>,
    /// Values in that order.
    pub(super) keys: Vec<Vec<Value>>,
    bytes: usize,
}

/// There are more keys than a note holds, or they cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Left {
    /// Adds the rows of an entry that were not brought up. `changed` are the keys of rows that were found changed.
    pub(super) fn add(
        &mut self,
        approved: &ApprovedPlan,
        entry: &Entry,
        ending: Option<&Ending>,
        changed: &[Values],
    ) -> Result<(), TooMany> {
        let Some(shape) = entry.shape.as_ref().filter(|shape| !shape.key.is_empty()) else {
            return Err(TooMany);
        };
        self.names.clone_from(&shape.key);
        let executed = matches!(
            ending,
            Some(Ending::Done { .. } | Ending::AlreadyDone | Ending::Stale { .. })
        );
        if !executed || !all_wanted(approved, entry) {
            let rows = payload::rows(entry, &approved.plan().id, approved.path());
            self.add_rows(rows, |row| !executed || !approved.wants_row(entry, row))?;
        }
        if executed {
            for key in changed {
                self.key(key)?;
            }
            if let Some(Ending::Stale { stale, .. }) = ending
                && *stale > changed.len() as u64
            {
                return Err(TooMany);
            }
        }
        Ok(())
    }

    fn add_rows(
        &mut self,
        rows: Result<payload::Rows<'_>>,
        is_left: impl Fn(&PlanRow) -> bool,
    ) -> Result<(), TooMany> {
        // The payload of an entry that is not approved need not be there.
        for row in rows.map_err(|_| TooMany)? {
            let row = row.map_err(|_| TooMany)?;
            if is_left(&row) {
                self.key(&row.key)?;
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &Values) -> Result<(), TooMany> {
        let values: Option<Vec<Value>> = self
            .names
            .iter()
            .map(|name| key.get(name).cloned())
            .collect();
        let values = values.ok_or(TooMany)?;
        self.bytes += values
            .iter()
            .map(|value| match value {
                Value::Null | Value::Integer(_) => 8,
                Value::Text(text) => text.len(),
                Value::Bytes(bytes) => bytes.len() * 2,
            })
            .sum::<usize>();
        self.keys.push(values);
        if self.keys.len() > MOST_KEYS || self.bytes > MOST_BYTES {
            return Err(TooMany);
        }
        Ok(())
    }
}

/// Whether every row of an entry is approved, without reading them.
fn all_wanted(approved: &ApprovedPlan, entry: &Entry) -> bool {
    let by_itself =
        |own: Option<Decision>| approved.wants_decided(entry, own.unwrap_or(entry.decision));
    by_itself(None)
        && entry
            .row_decisions
            .values()
            .all(|decision| by_itself(Some(*decision)))
        && entry.rows.iter().all(|row| by_itself(row.decision))
}
