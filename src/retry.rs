//! Back-off: which failures are worth another attempt, and when it is made.
//!
//! Must never retry what trying again cannot mend (login, grants, host key), and must never retry in silence.

use crate::interrupt;
use anyhow::Result;
use std::fmt;
use std::time::{Duration, Instant};

/// Marks an error in an `anyhow` chain as transient: the connection broke, and the step may be tried again on a new
/// one. Whatever was read of an unfinished result must be thrown away: a broken stream is an error, never an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transient {
    /// What broke, for the line that announces the next attempt.
    pub what: String,
}

impl fmt::Display for Transient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Transient {}

/// Marks an error whose step was tried again until the delays were used up: whoever tries larger steps again does not
/// begin anew with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exhausted(String);

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Exhausted {}

/// Marks an error that may pass as one that is waited for no longer.
pub fn give_up(error: anyhow::Error) -> anyhow::Error {
    error.context(Exhausted("it is not tried again".to_owned()))
}

/// Returns whether trying the failed step again on a new connection may help.
pub fn is_transient(error: &anyhow::Error) -> bool {
    broke(error) && crate::refusal::find::<Exhausted>(error).is_none()
}

/// Returns whether a failure is of the kind that may pass, however often it was tried again already: nobody knows then
/// what the server has done.
pub fn broke(error: &anyhow::Error) -> bool {
    crate::refusal::find::<Transient>(error).is_some()
}

/// The waits before the second, third, … attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delays(Vec<Duration>);

impl Delays {
    /// Takes the waits in their order.
    pub fn new(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self(waits.into_iter().collect())
    }

    /// Returns how many attempts are made within a time, the first one included.
    pub fn attempts_within(&self, time: Duration) -> usize {
        let mut waited = Duration::ZERO;
        let within = self.0.iter().take_while(|wait| {
            waited += **wait;
            waited <= time
        });
        1 + within.count()
    }
}

/// Runs a step until it succeeds, fails for good, or the delays are used up; `notice` is told of each further attempt.
///
/// # Errors
/// The step's last error.
pub fn attempt<T>(
    delays: &Delays,
    step: &str,
    notice: &dyn Fn(&str),
    mut f: impl FnMut() -> Result<T>,
) -> Result<T> {
    let attempts = delays.0.len() + 1;
    let mut number = 1;
    loop {
        let error = match f() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some(delay) = delays.0.get(number - 1).filter(|_| is_transient(&error)) else {
            let said = format!("{step}: attempt {number} of {attempts} failed");
            return Err(if number == 1 {
                error
            } else if is_transient(&error) {
                error.context(Exhausted(said))
            } else {
                error.context(said)
            });
        };
        // Where the user has stopped the command, what failed is its own doing.
        interrupt::check()?;
        number += 1;
        tracing::warn!(
            step,
            attempt = number,
            of = attempts,
            error = crate::refusal::without_values(&crate::refusal::summary(&error)),
            "trying again"
        );
        notice(&format!(
            "{step}: {}; trying again {} (attempt {number} of {attempts})",
            crate::refusal::summary(&error),
            when(*delay)
        ));
        wait(*delay)?;
    }
}

fn when(delay: Duration) -> String {
    if delay.is_zero() {
        "at once".to_owned()
    } else if delay.subsec_millis() == 0 {
        format!("in {} s", delay.as_secs())
    } else {
        format!("in {} ms", delay.as_millis())
    }
}

/// Waits, but not past an interruption.
fn wait(delay: Duration) -> Result<()> {
    let until = Instant::now() + delay;
    loop {
        interrupt::check()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Problem;
    use std::cell::RefCell;

    fn transient() -> anyhow::Error {
        anyhow::Error::new(Transient {
            what: "connection lost".into(),
        })
        .context("reading shop.users")
    }

    #[test]
    fn what_may_pass_is_tried_again_and_announced() {
        let delays = Delays(vec![Duration::ZERO, Duration::from_millis(1)]);
        let said = RefCell::new(Vec::new());
        let mut left = 2;
        let notice = |line: &str| said.borrow_mut().push(line.to_owned());
        let value = attempt(&delays, "checksum", &notice, || {
            if left == 0 {
                return Ok(7);
            }
            left -= 1;
            Err(transient())
        });
        assert_eq!(value.unwrap(), 7);
        insta::assert_snapshot!(said.borrow().join("\n"), @r"
        checksum: reading shop.users: connection lost; trying again at once (attempt 2 of 3)
        checksum: reading shop.users: connection lost; trying again in 1 ms (attempt 3 of 3)
        ");
    }

    #[test]
    fn attempts_within_a_time_are_those_before_the_first_long_wait() {
        let delays = |waits: &[u64]| Delays::new(waits.iter().copied().map(Duration::from_secs));
        let within = |waits: &[u64]| delays(waits).attempts_within(Duration::from_secs(3));
        assert_eq!(within(&[0, 1, 5, 15, 30]), 3);
        assert_eq!((within(&[]), within(&[30]), within(&[1, 2, 1])), (1, 1, 3));
    }

    #[test]
    fn what_cannot_be_mended_fails_at_once_and_patience_ends() {
        let delays = Delays(vec![Duration::ZERO; 3]);
        let mut calls = 0;
        let result: Result<()> = attempt(&delays, "login", &|_| {}, || {
            calls += 1;
            Err(Problem::new("wrong password", "correct it").into())
        });
        assert_eq!((result.is_err(), calls), (true, 1));
        let mut calls = 0;
        let result: Result<()> = attempt(&delays, "read", &|_| {}, || {
            calls += 1;
            Err(transient())
        });
        let error = result.unwrap_err();
        assert!(broke(&error) && !is_transient(&error));
        assert_eq!(calls, 4);
    }
}
