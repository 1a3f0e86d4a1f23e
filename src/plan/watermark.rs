//! How far a table was compared, as a plan carries it to the apply that notes it on local.
//!
//! Covered by the digest. Must never hold a key or a value of a row beside the time itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a table was compared: rows of this time and later are read by the next incremental comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// The remote's column it is a value of.
    pub column: String,
    /// The greatest time in the remote's first snapshot of the table, but no later than the remote's clock then.
    pub value: String,
    /// The remote's clock before that snapshot, UTC.
    pub clock: String,
    /// Seconds that the remote's own time zone was ahead of UTC.
    pub ahead: i64,
    /// Hash over what the comparison rested on: the remote's table and columns, `where`, mask, time column, key.
    pub basis: String,
}

/// A watermark that an apply notes on local when it has done, or kept in mind, everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedWatermark {
    /// The watermark.
    pub mark: Watermark,
    /// Which table local had: a restored or re-created one is another. `null` where local had none.
    pub local_table: Option<String>,
    /// Hash of the note on local that the comparison went on from, `null` where there was none.
    pub replaces: Option<String>,
    /// Whether the keys of all rows were compared as well, so that what was found may be of any time.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub keys_compared: bool,
}
