//! The differences of rows: what a comparison finds, and where it hands it on.
//!
//! Pure: must never do I/O, and must never hold more than the row in hand.

use crate::value::Value;
use anyhow::Result;

/// What happens to a row of local's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    /// Remote has it, local does not.
    Insert,
    /// Both have it, with different values.
    Update,
    /// Local has it, remote does not.
    Delete,
}

/// One row that differs. Values stand in the order of the shape's columns, key columns included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowChange {
    /// Local's row, in the shape that the expand phase leaves; `None` for an insert.
    pub before: Option<Vec<Value>>,
    /// Remote's row; `None` for a delete.
    pub after: Option<Vec<Value>>,
    /// Hash of local's row; `None` for an insert.
    pub before_hash: Option<String>,
    /// Hash of remote's row; `None` for a delete.
    pub after_hash: Option<String>,
    /// For a table without a key: how many equal rows local has before and after. More after than before comes as
    /// an insert, fewer as a delete.
    pub copies: Option<(u64, u64)>,
}

/// Takes the rows that differ as a comparison finds them, in key order within each kind.
pub trait RowSink {
    /// Takes one row.
    ///
    /// # Errors
    /// When the row cannot be kept (disk full); the comparison ends.
    fn row(&mut self, kind: RowKind, row: RowChange) -> Result<()>;
}

/// Counts of differences by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows to insert (of a bag: distinct rows that local has too few of).
    pub insert: u64,
    /// Rows to update.
    pub update: u64,
    /// Rows to delete (of a bag: distinct rows that local has too many of).
    pub delete: u64,
}

impl Counts {
    /// Counts one difference.
    pub fn add(&mut self, kind: RowKind) {
        match kind {
            RowKind::Insert => self.insert += 1,
            RowKind::Update => self.update += 1,
            RowKind::Delete => self.delete += 1,
        }
    }
}
