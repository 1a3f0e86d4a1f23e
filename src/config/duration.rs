//! Durations as the config writes them: a whole number and `ms`, `s`, `m`, `h` or `d`.
//!
//! Must never accept a number without a unit.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
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

impl fmt::Display for Span {
    /// Prints the span as the config writes it, in the largest unit that holds it whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let units = [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
        ];
        let unit = units
            .iter()
            .find(|(_, factor)| milliseconds >= *factor && milliseconds.is_multiple_of(*factor));
        match unit {
            Some((unit, factor)) => write!(f, "{}{unit}", milliseconds / factor),
            None if milliseconds == 0 => f.write_str("0s"),
            None => write!(f, "{milliseconds}ms"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and `ms`, `s`, `m`, `h` or `d`.",
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h|d)$"
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_prints_as_it_is_written() {
        for text in ["7d", "36h", "90m", "10s", "1500ms", "0s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }
}
