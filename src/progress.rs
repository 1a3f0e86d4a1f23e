//! How far the work has come: told by whoever works, shown by whoever watches.
//!
//! One state for the process, as for `interrupt`: it costs next to nothing where nobody watches. Must never print.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far the work has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is under way, such as a table's name; empty where nothing is.
    pub what: String,
    /// Rows of it that are done.
    pub done: u64,
    /// Its rows, as far as they can be told beforehand.
    pub rows: u64,
    /// Its bytes, as far as they can be told beforehand.
    pub bytes: u64,
    /// Rows that are done of everything.
    pub all_done: u64,
    /// The rows of everything.
    pub all_rows: u64,
    /// Grows with every piece of work that begins.
    pub number: u64,
}

static STATE: Mutex<Option<Progress>> = Mutex::new(None);

fn state() -> MutexGuard<'static, Option<Progress>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells how many rows all the work has, before it begins.
pub fn expect(all_rows: u64) {
    *state() = Some(Progress {
        all_rows,
        ..Progress::default()
    });
}

/// Begins a piece of work of about so many rows and bytes.
pub fn begin(what: &str, rows: u64, bytes: u64) {
    let mut state = state();
    let progress = state.get_or_insert_default();
    what.clone_into(&mut progress.what);
    (progress.done, progress.rows, progress.bytes) = (0, rows, bytes);
    progress.number += 1;
}

/// Notes that so many more rows are done.
pub fn add(rows: u64) {
    if let Some(progress) = &mut *state() {
        progress.done += rows;
        progress.all_done += rows;
    }
}

/// Ends what is under way: what was guessed of it too much is not waited for.
pub fn end() {
    if let Some(progress) = &mut *state() {
        progress.all_done += progress.rows.saturating_sub(progress.done);
        progress.what.clear();
        (progress.done, progress.rows, progress.bytes) = (0, 0, 0);
    }
}

/// Returns how far the work has come; `None` before it began.
pub fn now() -> Option<Progress> {
    state().clone()
}

/// Fewer rows than this say nothing of a rate.
const RATED_ROWS: u64 = 10_000;

/// Returns rows and seconds in words: `1000000 rows in 2.5 s (400000 rows/s)`, `1 row in 0.4 s`.
pub fn figures(rows: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let noun = if rows == 1 { "row" } else { "rows" };
    if rows < RATED_ROWS {
        return format!("{rows} {noun} in {seconds:.1} s");
    }
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for reading"
    )]
    let rate = (rows as f64 / seconds.max(0.001)) as u64;
    format!("{rows} {noun} in {seconds:.1} s ({rate} rows/s)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_guessed_too_high_is_done_at_the_end() {
        expect(150);
        begin("shop.a", 100, 1000);
        add(40);
        assert_eq!(now().map(|now| (now.done, now.all_done)), Some((40, 40)));
        end();
        begin("shop.b", 50, 10);
        add(60);
        end();
        let now = now().unwrap_or_default();
        assert_eq!((now.all_done, now.number, now.what.as_str()), (160, 2, ""));
        let half = Duration::from_millis(500);
        assert_eq!(figures(20_000, half), "20000 rows in 0.5 s (40000 rows/s)");
        assert_eq!(figures(1, half), "1 row in 0.5 s");
    }
}
