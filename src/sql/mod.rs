//! The one place that quotes identifiers and encodes values, and the closed vocabulary of reads.
//!
//! [`read::Read`] is all that a remote session can be asked: built from typed parts, never from a string of a caller.
//! Must never do I/O.

pub mod expr;
mod function;
pub mod read;
pub mod rule;
pub mod session;

pub use expr::{Expr, Function};
pub use read::{Read, Select};

use crate::schema::ObjectName;

/// What stands for a placeholder of a prepared statement: never part of its text.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// SQL NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A double.
    Double(f64),
    /// Text in utf8mb4, an exact number or a time as text, or a binary column's bytes.
    Bytes(Vec<u8>),
}

impl Parameter {
    /// About the bytes it takes in a packet.
    pub fn size(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Double(_) => 8,
            Self::Bytes(bytes) => bytes.len() + 9,
        }
    }
}

/// Returns an identifier in backticks, safe for any name a server can hold.
pub fn ident(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('`');
    for character in name.chars() {
        if character == '`' {
            quoted.push('`');
        }
        quoted.push(character);
    }
    quoted.push('`');
    quoted
}

/// Returns a qualified name, each part in backticks.
pub fn qualified(name: &ObjectName) -> String {
    format!("{}.{}", ident(&name.database), ident(&name.name))
}

/// Returns identifiers in backticks, joined by a comma and a space.
pub fn ident_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// Returns text as a string literal that means the same under every `sql_mode` and connection character set of
/// utf8mb4: quotes are doubled; text with a backslash or a control character goes as hex.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

/// Writes text as [`string`] returns it.
pub(crate) fn write_string(out: &mut String, text: &str) {
    // Most text is plain ASCII, which bytes alone can tell.
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'\\';
    let is_plain = text.bytes().all(plain)
        || !text
            .chars()
            .any(|character| character == '\\' || character.is_control());
    if !is_plain {
        out.push_str("_utf8mb4 X'");
        crate::value::write_hex(out, text.as_bytes());
        out.push('\'');
        return;
    }
    out.push('\'');
    for (place, part) in text.split('\'').enumerate() {
        if place > 0 {
            out.push_str("''");
        }
        out.push_str(part);
    }
    out.push('\'');
}

/// Returns bytes as a binary literal.
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2 + 3);
    write_bytes(&mut out, bytes);
    out
}

/// Writes bytes as [`bytes`] returns them.
pub(crate) fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("X'");
    crate::value::write_hex(out, bytes);
    out.push('\'');
}
