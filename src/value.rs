//! A cell as the server sends it, and its faithful form in a plan file.
//!
//! Must never change a value on its way: `Cell → Value → JSON → Value → SQL literal` gives the same bytes back.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

mod quote;

pub use quote::{escaped, quoted};

/// One cell of a result set: the bytes the server sent in the text protocol, or `None` for NULL.
pub type Cell = Option<Vec<u8>>;

/// The largest integer that a JSON number carries exactly in every reader (2^53).
const MAX_SAFE_INTEGER: i64 = 1 << 53;

/// A column's value in a plan.
///
/// In JSON: NULL is `null`, an integer of at most 2^53 is a number, valid UTF-8 text (and larger integers, decimals,
/// floats, dates) a string exactly as MySQL prints it, any other bytes `{"hex": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// An integer within ±2^53.
    Integer(i64),
    /// Text, or a number or date as MySQL prints it.
    Text(String),
    /// Bytes that are not text.
    Bytes(Vec<u8>),
}

/// How a column's bytes are to be read into a [`Value`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Whole numbers: JSON numbers where they fit.
    Integer,
    /// Text, decimals, dates: strings where they are valid UTF-8.
    #[default]
    Text,
    /// Binary columns, and text in a character set that does not convert to UTF-8 and back: always hex.
    Bytes,
}

impl Value {
    /// Reads a cell of a column of the given kind. Bytes that do not fit the kind are kept as [`Value::Bytes`].
    pub fn from_cell(cell: Option<&[u8]>, kind: ValueKind) -> Self {
        Self::of_cell(cell.map(<[u8]>::to_vec), kind)
    }

    /// As [`Value::from_cell`], of a cell that is not needed any more.
    pub fn of_cell(cell: Cell, kind: ValueKind) -> Self {
        let Some(bytes) = cell else { return Self::Null };
        if kind == ValueKind::Bytes {
            return Self::Bytes(bytes);
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Self::Bytes(error.into_bytes()),
        };
        if kind == ValueKind::Integer
            && is_canonical(&text)
            && let Ok(number) = text.parse::<i64>()
            && (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&number)
        {
            return Self::Integer(number);
        }
        Self::Text(text)
    }

    /// Returns the bytes the server would send for this value, `None` for NULL.
    pub fn to_cell(&self) -> Cell {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string().into_bytes()),
            Self::Text(text) => Some(text.as_bytes().to_vec()),
            Self::Bytes(bytes) => Some(bytes.clone()),
        }
    }
}

impl fmt::Display for Value {
    /// Prints the value for a person: NULL, a number, quoted text, or `0x…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Bytes(bytes) => write!(f, "0x{}", to_hex(bytes)),
        }
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A column's value: null, a whole number within ±2^53, text (numbers beyond, decimals and \
                            dates as MySQL prints them), or any other bytes as hex.",
            "anyOf": [
                { "type": "null" },
                { "type": "integer", "minimum": -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER },
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "hex": { "type": "string", "pattern": "^([0-9a-f]{2})*$" } },
                    "required": ["hex"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &to_hex(bytes))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a whole number within ±2^53, a string, or {\"hex\": \"…\"}")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&number) {
                    Ok(Value::Integer(number))
                } else {
                    Err(E::invalid_value(de::Unexpected::Signed(number), &self))
                }
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                i64::try_from(number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
                    .and_then(|number| self.visit_i64(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let Some((key, hex)) = map.next_entry::<String, String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                if key != "hex" {
                    return Err(de::Error::unknown_field(&key, &["hex"]));
                }
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom("a value in hex has the one field `hex`"));
                }
                from_hex(&hex).map(Value::Bytes).ok_or_else(|| {
                    de::Error::invalid_value(de::Unexpected::Str(&hex), &"lower-case hex")
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Returns bytes as lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    write_hex(&mut text, bytes);
    text
}

/// Writes bytes as lower-case hex.
pub fn write_hex(out: &mut String, bytes: &[u8]) {
    write_digits(out, bytes, b"0123456789abcdef");
}

/// Writes bytes as upper-case hex, as `HEX()` does.
pub fn write_upper_hex(out: &mut String, bytes: &[u8]) {
    write_digits(out, bytes, b"0123456789ABCDEF");
}

fn write_digits(out: &mut String, bytes: &[u8], digits: &[u8; 16]) {
    out.reserve(bytes.len() * 2);
    let mut written = [0; 128];
    for bytes in bytes.chunks(written.len() / 2) {
        for (pair, byte) in written.chunks_exact_mut(2).zip(bytes) {
            pair[0] = digits[usize::from(byte >> 4)];
            pair[1] = digits[usize::from(byte & 15)];
        }
        // Digits are ASCII.
        out.push_str(std::str::from_utf8(&written[..bytes.len() * 2]).unwrap_or_default());
    }
}

/// Whether a number of this text is printed as the same text ("007" of a ZEROFILL column is not).
fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits.first() {
        Some(b'0') => text == "0",
        Some(first) => first.is_ascii_digit(),
        None => false,
    }
}

/// Reads lower- or upper-case hex; `None` where a digit is missing or is none.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cell_comes_back_through_json_bit_for_bit(
            bytes in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            kind in prop_oneof![Just(ValueKind::Integer), Just(ValueKind::Text), Just(ValueKind::Bytes)],
        ) {
            let value = Value::from_cell(bytes.as_deref(), kind);
            let json = serde_json::to_string(&value).unwrap();
            let read: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(read.to_cell(), bytes);
        }

        #[test]
        fn integers_come_back(number in any::<i64>()) {
            let text = number.to_string().into_bytes();
            let value = Value::from_cell(Some(&text), ValueKind::Integer);
            prop_assert_eq!(value.to_cell(), Some(text));
        }
    }

    #[test]
    fn large_integers_are_strings() {
        assert_eq!(
            Value::from_cell(Some(b"9007199254740992"), ValueKind::Integer),
            Value::Integer(1 << 53)
        );
        assert_eq!(
            Value::from_cell(Some(b"9007199254740993"), ValueKind::Integer),
            Value::Text("9007199254740993".into())
        );
        assert!(serde_json::from_str::<Value>("9007199254740993").is_err());
        assert!(serde_json::from_str::<Value>("1.5").is_err());
        assert!(serde_json::from_str::<Value>(r#"{"hex":"0"}"#).is_err());
    }
}
