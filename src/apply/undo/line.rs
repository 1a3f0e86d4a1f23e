//! The lines of a journal: JSON with a sum over the line and all before it.
//!
//! Pure. A sum tells of damage, and of a line that was changed, left out or put elsewhere. Must never pass a line whose
//! sum does not fit.

use super::Record;
use crate::value::to_hex;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Hex digits of a line's sum.
const DIGITS: usize = 16;

const HEAD: &[u8] = b"{\"sum\":\"";

/// The sum of the lines so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain(String);

impl Chain {
    /// Returns the line of a record, with its end.
    pub(super) fn line(&mut self, record: &Record) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(record).context("writing an undo record as JSON")?;
        self.0 = self.sum(&json);
        let mut line = HEAD.to_vec();
        line.extend_from_slice(self.0.as_bytes());
        line.extend_from_slice(b"\",");
        line.extend_from_slice(&json[1..]);
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a line without its end; `None` where it is no record, or not the one that stood there.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<Record> {
        let (sum, rest) = line.strip_prefix(HEAD)?.split_at_checked(DIGITS)?;
        let mut json = vec![b'{'];
        json.extend_from_slice(rest.strip_prefix(b"\",")?);
        let wanted = self.sum(&json);
        if sum != wanted.as_bytes() {
            return None;
        }
        let record = serde_json::from_slice(&json).ok()?;
        self.0 = wanted;
        Some(record)
    }

    fn sum(&self, json: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.0.as_bytes());
        hash.update(json);
        to_hex(&hash.finalize()[..DIGITS / 2])
    }
}
