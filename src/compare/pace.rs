//! How large chunks and buckets are: by the time a chunk takes, and by the bytes its sums take over the tunnel.
//!
//! Pure. Must never let one measurement change the size more than fourfold.

use std::time::Duration;

/// Rows of the first chunk, before a time has been measured.
const FIRST_CHUNK: f64 = 20_000.0;
pub(super) const LEAST_CHUNK: f64 = 1_000.0;
const MOST_CHUNK: f64 = 500_000.0;
/// Share of a table's bytes that the buckets' sums may take over the tunnel.
const SUMS_SHARE: f64 = 0.003;
/// Bytes of one bucket's sum on the wire.
const SUM_BYTES: f64 = 34.0;

/// Returns the rows that are to take `target` where `now` is the size so far and so many rows took so long.
pub(super) fn followed(now: f64, rows: f64, elapsed: Duration, target: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let fitting = rows * target.as_secs_f64() / seconds;
    fitting.clamp(now / 4.0, now * 4.0)
}

/// Chunk sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) rows: f64,
    pub(super) bucket_rows: f64,
    target: Duration,
}

impl Pace {
    pub(super) fn new(estimated_rows: u64, estimated_bytes: u64, target: Duration) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let width = (estimated_bytes as f64 / estimated_rows.max(1) as f64).max(20.0);
        Self {
            rows: FIRST_CHUNK,
            bucket_rows: (SUM_BYTES / (SUMS_SHARE * width)).clamp(32.0, 1000.0),
            target,
        }
    }

    /// Follows the time that so many rows took.
    pub(super) fn learn(&mut self, rows: u64, elapsed: Duration) {
        if rows == 0 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let rows = rows as f64;
        self.rows = followed(self.rows, rows, elapsed, self.target).clamp(LEAST_CHUNK, MOST_CHUNK);
    }

    /// How many buckets so many rows should be spread over.
    pub(super) fn buckets(&self, rows: u64) -> u64 {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate, between 1 and 100,000"
        )]
        let count = (rows as f64 / self.bucket_rows).clamp(1.0, 100_000.0) as u64;
        count
    }

    /// How many rows the next chunk should have.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a small positive range"
    )]
    pub(super) fn chunk_rows(&self) -> u64 {
        self.rows as u64
    }
}
