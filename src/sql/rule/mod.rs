//! The SQL that a rule of the config may hold (`where`, `{ "sql": … }`): read into an expression of ours, and only that
//! is ever rendered.
//!
//! Must never hand a user's text on, and must never accept what could write, lock, sleep, look into other tables or
//! give another answer for the same row.

mod cast;
mod lexer;
mod operand;
mod parse;

#[cfg(test)]
mod tests;

use super::Expr;
use std::fmt;

/// The longest rule in characters.
const LONGEST: usize = 10_000;

/// What the time is in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock<'a> {
    /// `NOW()` is refused: a mask must give the same value every time.
    Stopped,
    /// `NOW()` is this moment, `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
    At(&'a str),
}

impl Clock<'_> {
    /// A moment that stands for any: for reading a rule only to see whether it is one.
    pub const ANY: Self = Self::At("2000-01-01 00:00:00.000000");
}

/// A rule, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it says.
    pub expr: Expr,
    /// Whether it names the time, so that another plan's may mean other rows.
    pub moves: bool,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleError {
    /// Where, in characters from 1.
    pub position: usize,
    /// What was found there, and what is allowed.
    pub what: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.position, self.what)
    }
}

impl RuleError {
    fn new(position: usize, what: impl Into<String>) -> Self {
        Self {
            position,
            what: what.into(),
        }
    }
}

/// Reads a rule.
///
/// # Errors
/// The first thing that is not allowed, with its place.
pub fn parse(text: &str, clock: Clock<'_>) -> Result<Rule, RuleError> {
    if text.chars().count() > LONGEST {
        return Err(RuleError::new(
            LONGEST,
            format!("the rule goes on, expected at most {LONGEST} characters"),
        ));
    }
    parse::Parser::new(lexer::tokens(text)?, clock).rule()
}
