//! Durations as the config writes them: a whole number and `ms`, `s`, `m`, `h` or `d`.
//!
//! Must never accept a number without a unit.

use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

/// A duration of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
    /// A span of milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }
    /// Reads `500ms`, `10s`, `5m`, `2h`, `7d`.
    ///
    /// # Errors
    /// What is expected, when the text is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "found \"{text}\", expected a duration such as \"500ms\", \"10s\", \"5m\", \"2h\" or \"7d\""
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| expected())?;
        let factor = match &text[digits..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(expected()),
        };
        number
            .checked_mul(factor)
            .map(Self::from_millis)
            .ok_or_else(expected)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
