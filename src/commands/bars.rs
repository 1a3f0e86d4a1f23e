//! Shows how far the work has come: bars at a terminal, a plain line now and then off it.
//!
//! Must never draw where standard error is no terminal, and must never leave a bar standing.

use super::Context;
use crate::progress::{self, Progress};
use crate::render::escape;
use indicatif::{
    HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often bars are drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(150);
/// How often a line is printed where there are no bars.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The bars that are drawn, for lines that are to stand above them.
static DRAWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Shows the progress of the process until it is dropped.
pub(super) struct Bars {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bars {
    /// Begins to show it, on standard error; with `-q` nothing is shown.
    pub(super) fn show(context: &Context<'_>) -> Self {
        if context.verbosity < 0 {
            return Self {
                stop: None,
                thread: None,
            };
        }
        let (stop, stopped) = channel();
        let draws = std::io::stderr().is_terminal() && context.verbosity == 0;
        let thread = std::thread::spawn(move || {
            let mut shown = if draws {
                Shown::bars()
            } else {
                Shown::Lines(Instant::now())
            };
            while stopped.recv_timeout(DRAWN_EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Some(now) = progress::now() {
                    shown.show(&now);
                }
            }
            shown.end();
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Prints a line on standard error, above the bars where there are any. Standard error may be closed; that is no reason
/// to stop.
pub(super) fn line(text: &str) {
    let print = || drop(writeln!(std::io::stderr(), "{text}"));
    match &*DRAWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bars) => bars.suspend(print),
        None => print(),
    }
}

enum Shown {
    Bars {
        table: ProgressBar,
        all: ProgressBar,
        /// The piece of work that the first bar is about.
        number: u64,
    },
    /// When the last line was printed.
    Lines(Instant),
}

impl Shown {
    fn bars() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let style = |template: &str| {
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "rows, saturates"
                )]
                let rate = state.per_sec() as u64;
                // A bar has no way to say that it cannot be drawn.
                let _ = write!(out, "{}", HumanCount(rate));
            })
        };
        let table = bars.add(ProgressBar::new(0));
        table.set_style(style(
            "{msg:40!} {bar:24} {human_pos:>12}/{human_len} rows, {rate}/s, {eta} left",
        ));
        let all = bars.add(ProgressBar::new(0));
        all.set_style(style(
            "{msg:40!} {bar:24} {human_pos:>12}/{human_len} rows, {elapsed}, {eta} left",
        ));
        all.set_message("all tables");
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bars);
        Self::Bars {
            table,
            all,
            number: 0,
        }
    }

    fn show(&mut self, now: &Progress) {
        match self {
            Self::Bars { table, all, number } => {
                if *number != now.number {
                    *number = now.number;
                    table.reset();
                }
                table.set_length(now.rows.max(now.done));
                table.set_position(now.done);
                table.set_message(name(now));
                all.set_length(now.all_rows.max(now.all_done));
                all.set_position(now.all_done);
            }
            Self::Lines(last) => {
                if !now.what.is_empty() && last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    line(&format!(
                        "{}: {} of about {} rows; {} of {} of all tables",
                        name(now),
                        now.done,
                        now.rows.max(now.done),
                        now.all_done,
                        now.all_rows.max(now.all_done)
                    ));
                }
            }
        }
    }

    fn end(self) {
        if let Self::Bars { table, all, .. } = self {
            table.finish_and_clear();
            all.finish_and_clear();
            *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// What is under way, with the megabytes that are done of it.
fn name(now: &Progress) -> String {
    let what = escape::line(&now.what);
    if now.bytes == 0 || now.rows == 0 {
        return what;
    }
    let bytes = u128::from(now.bytes) * u128::from(now.done.min(now.rows)) / u128::from(now.rows);
    format!(
        "{what} ({} of {} MB)",
        bytes / 1_000_000,
        now.bytes / 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_with_its_megabytes() {
        let mut now = Progress {
            what: "shop.big".into(),
            done: 50,
            rows: 100,
            bytes: 8_000_000,
            ..Progress::default()
        };
        assert_eq!(name(&now), "shop.big (4 of 8 MB)");
        now.done = 200;
        assert_eq!(name(&now), "shop.big (8 of 8 MB)");
        now.rows = 0;
        assert_eq!(name(&now), "shop.big");
    }
}
