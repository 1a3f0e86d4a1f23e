//! Errors that carry what to do next: [`Refusal`] (driftwarden declines, exit 3) and [`Problem`] (a step failed, exit 1).
//!
//! Must never do I/O, and must never hold a secret or (outside a plan with full previews) a row's value.

use std::fmt;

/// What a failure says of a lock that was waited for in vain; who held it follows, and differs from one time to the next.
pub const LOCK_NOT_GIVEN: &str = "a lock was not given in time";

/// A command declined to act and nothing was executed: the process exits with code 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was about to be done, to what, and what stands in the way.
    pub reason: String,
    /// The next step for the user.
    pub remedy: String,
}

impl Refusal {
    /// Creates a refusal from its reason and the next step.
    pub fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

/// A step failed for a reason whose remedy is known: the process exits with code 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What was being done, to what, and what was found.
    pub what: String,
    /// The next step for the user.
    pub remedy: String,
}

impl Problem {
    /// Creates a problem from what happened and the next step.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// Returns the next step named by the first [`Refusal`] or [`Problem`] in an error's chain, if there is one.
pub fn remedy_of(error: &anyhow::Error) -> Option<&str> {
    find::<Refusal>(error)
        .map(|refusal| refusal.remedy.as_str())
        .or_else(|| find::<Problem>(error).map(|problem| problem.remedy.as_str()))
}

/// Returns the exit code an error stands for: 3 for a [`Refusal`], 1 for anything else.
pub fn exit_code_of(error: &anyhow::Error) -> u8 {
    if find::<Refusal>(error).is_some() {
        3
    } else {
        1
    }
}

/// Returns the first error of a type in a chain, whether it is a cause or was attached with `context`.
pub fn find<E: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    // `chain()` shows a context as a wrapper that cannot be downcast; `downcast_ref` sees through it.
    error
        .downcast_ref::<E>()
        .or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<E>()))
}

/// Returns an error and its causes in one line; a cause that only repeats what was said is left out.
pub fn summary(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said.push_str(": ");
            said.push_str(&cause);
        }
    }
    said.replace('\n', " ")
}

/// Returns a text without what a server quoted in it, which may be a row's value. A value may hold quotes itself, so
/// everything from the first quote to the last one goes.
pub fn without_values(text: &str) -> String {
    let quotes = ['\'', '"'];
    match (text.find(quotes), text.rfind(quotes)) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &text[..=first], &text[last..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn what_is_quoted_may_hold_quotes() {
        assert_eq!(
            without_values("Duplicate entry 'o'brien' for key 'x' (error 1062)"),
            "Duplicate entry '…' (error 1062)"
        );
        assert_eq!(without_values("it's gone"), "it's gone");
    }

    #[test]
    fn what_was_attached_as_context_is_found() {
        let error = anyhow::anyhow!("cause")
            .context(Refusal::new("reason", "remedy"))
            .context("above");
        assert_eq!(exit_code_of(&error), 3);
        assert_eq!(remedy_of(&error), Some("remedy"));
        let error = Err::<(), _>(Problem::new("what", "do this"))
            .context("above")
            .unwrap_err();
        assert_eq!(exit_code_of(&error), 1);
        assert_eq!(remedy_of(&error), Some("do this"));
    }
}
