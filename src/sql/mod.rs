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
use crate::value::to_hex;

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
    if text
        .chars()
        .any(|character| character == '\\' || character.is_control())
    {
        return format!("_utf8mb4 X'{}'", to_hex(text.as_bytes()));
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns bytes as a binary literal.
pub fn bytes(bytes: &[u8]) -> String {
    format!("X'{}'", to_hex(bytes))
}
