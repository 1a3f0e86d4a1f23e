//! The canonical encoding of a column: one SQL expression per type that gives the same bytes on both servers for equal
//! values, used for checksums and row hashes (FACTS.md, section 3).
//!
//! Must never let two different values of a column encode alike, and must never depend on a session's setting beyond
//! those every session of ours has (UTC, utf8mb4).

mod choose;
mod here;
mod quick;
mod write;

#[cfg(test)]
mod tests;

pub use choose::{Reason, constant_of, encoding_for, simulated_default};
pub use here::Hasher;
pub use quick::{Quick, quick_checksum_of, quick_hash_of};
pub use write::{
    is_parameter, literal, literal_expr, needs_lenient_mode, parameter, write_literal,
};

use crate::schema::table::{Column, TypeClass, converts_to_utf8};
use crate::sql::Expr;
use crate::sql::expr::{CastType, Function, Operator};
use crate::value::{Value, ValueKind};
use std::fmt;
use std::str::FromStr;

/// How a column's value becomes bytes. Stands as text in plan files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// As the server prints it: integers, decimals, dates and times, years, UUIDs and addresses.
    Plain,
    /// As a number: BIT, ZEROFILL, and years beside integers.
    Number,
    /// The stored bytes: CHAR, VARCHAR, BINARY, VARBINARY, labels of ENUM and SET.
    Bytes,
    /// The stored bytes, filled up with zero bytes: BINARY of different widths.
    Padded(u32),
    /// SHA-256 of the stored bytes: TEXT, BLOB, JSON, GEOMETRY.
    Lob,
    /// The IEEE bytes: FLOAT and DOUBLE.
    Double,
    /// Text converted to utf8mb4: short text whose character set differs between the sides.
    Utf8,
    /// SHA-256 of text converted to utf8mb4: long text whose character set differs, and JSON beside text.
    LobUtf8,
    /// As a decimal of a common precision and scale.
    Decimal(u32, u32),
    /// As a date and time with a common fraction.
    Datetime(u32),
    /// As a time with a common fraction.
    Time(u32),
    /// The value's text: columns of types that have nothing else in common.
    Text,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Number => f.write_str("number"),
            Self::Bytes => f.write_str("bytes"),
            Self::Padded(width) => write!(f, "padded({width})"),
            Self::Lob => f.write_str("lob"),
            Self::Double => f.write_str("double"),
            Self::Utf8 => f.write_str("utf8"),
            Self::LobUtf8 => f.write_str("lob_utf8"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Datetime(fraction) => write!(f, "datetime({fraction})"),
            Self::Time(fraction) => write!(f, "time({fraction})"),
            Self::Text => f.write_str("text"),
        }
    }
}

/// A text that names no encoding of this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no encoding that this build of driftwarden knows")]
pub struct UnknownEncoding(pub String);

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(text: &str) -> Result<Self, UnknownEncoding> {
        let unknown = || UnknownEncoding(text.to_owned());
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(unknown)?),
            None => (text, ""),
        };
        let numbers = arguments
            .split(',')
            .filter(|part| !part.is_empty())
            .map(str::parse::<u32>)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| unknown())?;
        let encoding = match (name, numbers.as_slice()) {
            ("plain", []) => Self::Plain,
            ("number", []) => Self::Number,
            ("bytes", []) => Self::Bytes,
            ("padded", [width]) => Self::Padded(*width),
            ("lob", []) => Self::Lob,
            ("double", []) => Self::Double,
            ("utf8", []) => Self::Utf8,
            ("lob_utf8", []) => Self::LobUtf8,
            ("decimal", [precision, scale]) => Self::Decimal(*precision, *scale),
            ("datetime", [fraction]) => Self::Datetime(*fraction),
            ("time", [fraction]) => Self::Time(*fraction),
            ("text", []) => Self::Text,
            _ => return Err(unknown()),
        };
        // One spelling each, so that a plan's text and its meaning cannot come apart.
        (encoding.to_string() == text)
            .then_some(encoding)
            .ok_or_else(unknown)
    }
}

impl Encoding {
    /// Returns the encoded value of a column or of a constant that stands for one.
    pub fn apply(self, source: Expr) -> Expr {
        match self {
            Self::Plain => source,
            Self::Number => source.binary(Operator::Plus, Expr::integer(0)),
            Self::Bytes => source.cast(CastType::Binary),
            Self::Padded(width) => Expr::call(
                Function::Rpad,
                vec![
                    source.cast(CastType::Binary),
                    Expr::integer(width),
                    Expr::bytes(&[0]),
                ],
            ),
            Self::Lob => sha256(source),
            Self::Double => Expr::call(Function::Hex, vec![point(source)]),
            Self::Utf8 => source.to_utf8().cast(CastType::Binary),
            Self::LobUtf8 => sha256(source.to_utf8()),
            Self::Decimal(precision, scale) => source.cast(CastType::Decimal(precision, scale)),
            Self::Datetime(fraction) => source.cast(CastType::Datetime(fraction)),
            Self::Time(fraction) => source.cast(CastType::Time(fraction)),
            Self::Text => source.cast(CastType::Char).cast(CastType::Binary),
        }
    }

    /// Returns the length that must stand beside the encoded value, where values vary in length and may hold the
    /// separator.
    fn length(self, source: Expr) -> Option<Expr> {
        let bytes = match self {
            Self::Bytes => source,
            Self::Utf8 => source.to_utf8(),
            Self::Text => source.cast(CastType::Char),
            _ => return None,
        };
        Some(Expr::call(Function::Length, vec![bytes]))
    }
}

/// Returns the encoded value of a column.
pub fn expr(name: &str, encoding: &Encoding) -> Expr {
    encoding.apply(Expr::column(name))
}

/// Returns the hash of a row over the columns named: the first 128 bits of SHA-256, as 32 lower-case hex digits.
pub fn row_hash(columns: &[(&str, Encoding)]) -> Expr {
    hash_of(&sources(columns))
}

/// Returns the checksum of a group of rows over the columns named: the XOR of 64 bits of each row's SHA-256. Goes with
/// a COUNT, since equal rows cancel out.
pub fn checksum(columns: &[(&str, Encoding)]) -> Expr {
    checksum_of(&sources(columns))
}

/// The hash of a row of which nothing is hashed: where local has no column of the remote's, and what it will have
/// cannot be told. Such rows are only counted.
pub const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb924";

/// Returns the hash of a row given by expressions: for columns that local does not have yet.
pub fn hash_of(columns: &[(Expr, Encoding)]) -> Expr {
    Expr::call(Function::Left, vec![digest(columns), Expr::integer(32)])
}

/// Returns the checksum of a group of rows given by expressions.
pub fn checksum_of(columns: &[(Expr, Encoding)]) -> Expr {
    Expr::call(Function::BitXor, vec![first_64_bits(digest(columns))])
}

/// Returns [`checksum_of`] in another spelling with the same bytes, for rows of which hardly any holds a NULL: CONCAT costs
/// MySQL a sixth of the row's time less than `CONCAT_WS`, and a row that it joins has no NULL to flag.
pub fn checksum_of_whole(columns: &[(Expr, Encoding)]) -> Expr {
    let flags = columns.len();
    if flags == 0 {
        return checksum_of(columns);
    }
    let full = spelling(columns);
    let mut joined = Vec::new();
    // Behind the separator stand values and lengths, then the flags.
    for part in &full[1..full.len() - flags] {
        joined.push(part.clone());
        joined.push(Expr::text("#"));
    }
    joined.push(Expr::text(&vec!["0"; flags].join("#")));
    let whole = Expr::call(Function::Concat, joined);
    let row = Expr::call(
        Function::IfNull,
        vec![whole, Expr::call(Function::ConcatWs, full)],
    );
    Expr::call(Function::BitXor, vec![first_64_bits(sha256(row))])
}

/// Returns the sum of a group of rows' 64-bit hashes, in which equal rows do not cancel out: for tables without a key.
pub fn sum_of(columns: &[(Expr, Encoding)]) -> Expr {
    Expr::call(Function::Sum, vec![first_64_bits(digest(columns))])
}

fn sources(columns: &[(&str, Encoding)]) -> Vec<(Expr, Encoding)> {
    columns
        .iter()
        .map(|(name, encoding)| (Expr::column(name), *encoding))
        .collect()
}

/// A number's IEEE bytes, within a point's.
fn point(number: Expr) -> Expr {
    Expr::call(Function::Point, vec![number, Expr::integer(0)])
}

fn sha256(source: Expr) -> Expr {
    Expr::call(Function::Sha2, vec![source, Expr::integer(256)])
}

/// `CONV` and `CAST` are exact here; `CONV(…) + 0` would be a double (FACTS.md, section 3).
fn first_64_bits(digest: Expr) -> Expr {
    let digits = Expr::call(Function::Left, vec![digest, Expr::integer(16)]);
    Expr::call(
        Function::Conv,
        vec![digits, Expr::integer(16), Expr::integer(10)],
    )
    .cast(CastType::Unsigned)
}

/// The values, then the lengths of those that vary, then which are NULL: read from the end, every row has one spelling.
fn digest(columns: &[(Expr, Encoding)]) -> Expr {
    sha256(Expr::call(Function::ConcatWs, spelling(columns)))
}

/// The separator, and the parts to join.
fn spelling(columns: &[(Expr, Encoding)]) -> Vec<Expr> {
    let mut parts = vec![Expr::text("#")];
    parts.extend(
        columns
            .iter()
            .map(|(source, encoding)| encoding.apply(source.clone())),
    );
    parts.extend(
        columns
            .iter()
            .filter_map(|(source, encoding)| encoding.length(source.clone())),
    );
    // One digit each: as arguments of their own, the servers join them in a tenth of the row's time less than as one text.
    parts.extend(
        columns
            .iter()
            .map(|(source, _)| Expr::call(Function::IsNull, vec![source.clone()])),
    );
    // A row without a column to hash has a hash as well; the servers want something to join.
    if columns.is_empty() {
        parts.push(Expr::text(""));
    }
    parts
}

/// Returns how a column's cell is fetched so that nothing is lost: FLOAT as a double, BIT as a number, text that
/// converts to UTF-8 as UTF-8, everything else as the server's own bytes.
pub fn select_expr(column: &Column) -> Expr {
    select_source(Expr::column(&column.name), column)
}

/// As [`select_expr`], for an expression that has the column's type and character set.
fn select_source(source: Expr, column: &Column) -> Expr {
    match column.data_type.class() {
        Some(TypeClass::Float) => source.as_double(),
        // As a decimal: MariaDB may make 2^63 - 1 of larger whole numbers where it groups (10.11: `SELECT b + 0 … GROUP BY`).
        Some(TypeClass::Bit) => source.cast(CastType::Decimal(20, 0)),
        Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set) => {
            match column.charset.as_deref() {
                None | Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary") => source,
                Some(charset) if converts_to_utf8(charset) => source.to_utf8(),
                Some(_) => source,
            }
        }
        _ => source,
    }
}

/// Returns how a column's cell is fetched for a comparison: as `select_expr` does, but as UTF-8 where the sides differ
/// in the character set, so that either side's column can take the value.
pub fn select_expr_as(column: &Column, encoding: Encoding) -> Expr {
    select_source_as(Expr::column(&column.name), column, encoding)
}

/// As [`select_expr_as`], for an expression that has the column's type and character set.
pub fn select_source_as(source: Expr, column: &Column, encoding: Encoding) -> Expr {
    match encoding {
        Encoding::Utf8 | Encoding::LobUtf8 if is_text(column) => source.to_utf8(),
        _ => select_source(source, column),
    }
}

/// Returns how a cell that was fetched with [`select_expr_as`] reads into a value.
pub fn value_kind(column: &Column, encoding: Encoding) -> ValueKind {
    match encoding {
        Encoding::Utf8 | Encoding::LobUtf8 if is_text(column) => ValueKind::Text,
        _ => column.value_kind(),
    }
}

/// Reads a cell that was fetched with [`select_expr_as`].
pub fn value_of(column: &Column, encoding: Encoding, cell: Option<&[u8]>) -> Value {
    Value::from_cell(cell, value_kind(column, encoding))
}

fn is_text(column: &Column) -> bool {
    matches!(
        column.data_type.class(),
        Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set)
    )
}
