//! Expressions a read is made of: a small closed tree, rendered to SQL here alone.
//!
//! Must never offer a way to put a caller's text into a statement other than as a quoted identifier or an encoded
//! literal. The functions are a closed list, none of which writes, locks or sleeps.

use super::{bytes, ident, qualified, string};
use crate::schema::ObjectName;
use std::fmt::Write as _;

/// The functions a read may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `COUNT(x)`.
    Count,
    /// `SUM(x)`.
    Sum,
    /// `MIN(x)`.
    Min,
    /// `MAX(x)`.
    Max,
    /// `BIT_XOR(x)`.
    BitXor,
    /// `SHA2(x, bits)`.
    Sha2,
    /// `CONCAT(…)`.
    Concat,
    /// `CONCAT_WS(separator, …)`.
    ConcatWs,
    /// `LEFT(x, n)`.
    Left,
    /// `SUBSTRING(x, from, n)`.
    Substring,
    /// `CONV(x, from, to)`.
    Conv,
    /// `HEX(x)`.
    Hex,
    /// `UNHEX(x)`.
    Unhex,
    /// `POINT(x, y)`: raw IEEE bytes of doubles.
    Point,
    /// `LENGTH(x)`, in bytes.
    Length,
    /// `ISNULL(x)`.
    IsNull,
    /// `IFNULL(x, y)`.
    IfNull,
    /// `NULLIF(x, y)`.
    NullIf,
    /// `IF(x, y, z)`.
    If,
    /// `RPAD(x, n, filling)`.
    Rpad,
    /// `FLOOR(x)`.
    Floor,
    /// `CRC32(x)`: for spreading keys over buckets only, never for comparing rows (FACTS.md, finding 2).
    Crc32,
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::BitXor => "BIT_XOR",
            Self::Sha2 => "SHA2",
            Self::Concat => "CONCAT",
            Self::ConcatWs => "CONCAT_WS",
            Self::Left => "LEFT",
            Self::Substring => "SUBSTRING",
            Self::Conv => "CONV",
            Self::Hex => "HEX",
            Self::Unhex => "UNHEX",
            Self::Point => "POINT",
            Self::Length => "LENGTH",
            Self::IsNull => "ISNULL",
            Self::IfNull => "IFNULL",
            Self::NullIf => "NULLIF",
            Self::If => "IF",
            Self::Rpad => "RPAD",
            Self::Floor => "FLOOR",
            Self::Crc32 => "CRC32",
        }
    }
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<=>`, which holds for two NULLs.
    NullSafeEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `DIV`
    IntegerDivide,
    /// `%`
    Modulo,
    /// `LIKE`
    Like,
}

/// Target types of a CAST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CastType {
    /// `BINARY`
    Binary,
    /// `UNSIGNED`
    Unsigned,
    /// `SIGNED`
    Signed,
    /// `CHAR CHARACTER SET utf8mb4`
    Char,
    /// `DECIMAL(precision, scale)`
    Decimal(u32, u32),
    /// `DATETIME(fraction)`
    Datetime(u32),
    /// `TIME(fraction)`
    Time(u32),
    /// `DATE`
    Date,
}

/// An expression of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Column(String),
    Text(String),
    Bytes(Vec<u8>),
    /// Bytes in a character set, for comparing with a string column under the column's own collation.
    InCharset(Vec<u8>, String),
    Integer(i128),
    /// An exact decimal, already checked to consist of a sign, digits and at most one point.
    Decimal(String),
    /// A double literal: an exact decimal, and a power of ten.
    Double(String, i32),
    Null,
    Star,
    Call(Function, Vec<Expr>),
    Binary(Box<Expr>, Operator, Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    IsNull(Box<Expr>),
    Cast(Box<Expr>, CastType),
    ConvertToUtf8(Box<Expr>),
    /// No row of another table has these values.
    NoMatch {
        table: ObjectName,
        from: ObjectName,
        /// (column of `table`, column of `from`)
        columns: Vec<(String, String)>,
    },
    /// `x * 1e0`: reads a FLOAT without loss (FACTS.md, finding 7). A sum with 0e0 would lose the sign of -0.
    AsDouble(Box<Expr>),
}

impl Expr {
    /// A column of the table that is read.
    pub fn column(name: &str) -> Self {
        Self(Node::Column(name.to_owned()))
    }
    /// A text literal.
    pub fn text(text: &str) -> Self {
        Self(Node::Text(text.to_owned()))
    }
    /// A binary literal.
    pub fn bytes(value: &[u8]) -> Self {
        Self(Node::Bytes(value.to_vec()))
    }
    /// A string literal given by its bytes in a character set (`_latin1 X'e9'`); the charset's name is checked to be
    /// a plain word, otherwise the literal is binary.
    pub fn in_charset(value: &[u8], charset: &str) -> Self {
        if !charset.is_empty()
            && charset
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            Self(Node::InCharset(value.to_vec(), charset.to_owned()))
        } else {
            Self::bytes(value)
        }
    }
    /// An integer literal.
    pub fn integer(value: impl Into<i128>) -> Self {
        Self(Node::Integer(value.into()))
    }
    /// An exact number literal from its text; `None` where the text is no plain decimal number.
    pub fn decimal(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty()
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
            && digits.bytes().filter(|byte| *byte == b'.').count() <= 1
            && digits.bytes().any(|byte| byte.is_ascii_digit());
        plain.then(|| Self(Node::Decimal(text.to_owned())))
    }
    /// A double literal, `mantissa` e `exponent`; `None` where the mantissa is no plain decimal number.
    pub fn double(mantissa: &str, exponent: i32) -> Option<Self> {
        Self::decimal(mantissa).map(|_| Self(Node::Double(mantissa.to_owned(), exponent)))
    }
    /// NULL.
    pub fn null() -> Self {
        Self(Node::Null)
    }
    /// `COUNT(*)`.
    pub fn count_all() -> Self {
        Self::call(Function::Count, vec![Self(Node::Star)])
    }
    /// A call of a listed function.
    pub fn call(function: Function, arguments: Vec<Self>) -> Self {
        Self(Node::Call(function, arguments))
    }
    /// `self operator other`.
    #[must_use]
    pub fn binary(self, operator: Operator, other: Self) -> Self {
        Self(Node::Binary(Box::new(self), operator, Box::new(other)))
    }
    /// All of the conditions (true when there are none).
    pub fn all(conditions: Vec<Self>) -> Self {
        Self(Node::All(conditions))
    }
    /// Any of the conditions (false when there are none).
    pub fn any(conditions: Vec<Self>) -> Self {
        Self(Node::Any(conditions))
    }
    /// `NOT self`.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }
    /// `self IN (…)`; false for an empty list.
    #[must_use]
    pub fn is_in(self, values: Vec<Self>) -> Self {
        if values.is_empty() {
            Self::any(Vec::new())
        } else {
            Self(Node::In(Box::new(self), values))
        }
    }
    /// `self IS NULL`.
    #[must_use]
    pub fn is_null(self) -> Self {
        Self(Node::IsNull(Box::new(self)))
    }
    /// `CAST(self AS …)`.
    #[must_use]
    pub fn cast(self, target: CastType) -> Self {
        Self(Node::Cast(Box::new(self), target))
    }
    /// `CONVERT(self USING utf8mb4)`.
    #[must_use]
    pub fn to_utf8(self) -> Self {
        Self(Node::ConvertToUtf8(Box::new(self)))
    }
    /// Whether no row of `table` has, in the first column of each pair, what the row of `from` that is read has in the
    /// second: an anti-join, by which orphans are found.
    pub fn no_match(table: &ObjectName, from: &ObjectName, columns: Vec<(String, String)>) -> Self {
        Self(Node::NoMatch {
            table: table.clone(),
            from: from.clone(),
            columns,
        })
    }
    /// `self * 1e0`.
    #[must_use]
    pub fn as_double(self) -> Self {
        Self(Node::AsDouble(Box::new(self)))
    }

    /// Renders the expression.
    pub fn sql(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match &self.0 {
            Node::Column(name) => out.push_str(&ident(name)),
            Node::Text(text) => out.push_str(&string(text)),
            Node::Bytes(value) => out.push_str(&bytes(value)),
            Node::InCharset(value, charset) => {
                let _ = write!(out, "_{charset} {}", bytes(value));
            }
            Node::Integer(value) => {
                let _ = write!(out, "{value}");
            }
            Node::Decimal(text) => out.push_str(text),
            Node::Double(mantissa, exponent) => {
                let _ = write!(out, "{mantissa}e{exponent}");
            }
            Node::Null => out.push_str("NULL"),
            Node::Star => out.push('*'),
            Node::Call(function, arguments) => {
                out.push_str(function.name());
                write_list(out, arguments);
            }
            Node::Binary(one, operator, other) => {
                out.push('(');
                one.write(out);
                out.push_str(match operator {
                    Operator::Equal => " = ",
                    Operator::NullSafeEqual => " <=> ",
                    Operator::Less => " < ",
                    Operator::LessOrEqual => " <= ",
                    Operator::Greater => " > ",
                    Operator::GreaterOrEqual => " >= ",
                    Operator::Plus => " + ",
                    Operator::Minus => " - ",
                    Operator::IntegerDivide => " DIV ",
                    Operator::Modulo => " % ",
                    Operator::Like => " LIKE ",
                });
                other.write(out);
                out.push(')');
            }
            Node::All(conditions) => write_joined(out, conditions, " AND ", "TRUE"),
            Node::Any(conditions) => write_joined(out, conditions, " OR ", "FALSE"),
            Node::Not(inner) => {
                out.push_str("(NOT ");
                inner.write(out);
                out.push(')');
            }
            Node::In(inner, values) => {
                out.push('(');
                inner.write(out);
                out.push_str(" IN ");
                write_list(out, values);
                out.push(')');
            }
            Node::IsNull(inner) => {
                out.push('(');
                inner.write(out);
                out.push_str(" IS NULL)");
            }
            Node::Cast(inner, target) => {
                out.push_str("CAST(");
                inner.write(out);
                let _ = match target {
                    CastType::Binary => write!(out, " AS BINARY)"),
                    CastType::Unsigned => write!(out, " AS UNSIGNED)"),
                    CastType::Signed => write!(out, " AS SIGNED)"),
                    CastType::Char => write!(out, " AS CHAR CHARACTER SET utf8mb4)"),
                    CastType::Decimal(precision, scale) => {
                        write!(out, " AS DECIMAL({precision},{scale}))")
                    }
                    CastType::Datetime(fraction) => write!(out, " AS DATETIME({fraction}))"),
                    CastType::Time(fraction) => write!(out, " AS TIME({fraction}))"),
                    CastType::Date => write!(out, " AS DATE)"),
                };
            }
            Node::ConvertToUtf8(inner) => {
                out.push_str("CONVERT(");
                inner.write(out);
                out.push_str(" USING utf8mb4)");
            }
            Node::NoMatch {
                table,
                from,
                columns,
            } => write_no_match(out, table, from, columns),
            Node::AsDouble(inner) => {
                out.push('(');
                inner.write(out);
                out.push_str(" * 1e0)");
            }
        }
    }
}

/// Writes an anti-join, under an alias of its own for a table that refers to itself.
fn write_no_match(
    out: &mut String,
    table: &ObjectName,
    from: &ObjectName,
    columns: &[(String, String)],
) {
    let _ = write!(
        out,
        "(NOT EXISTS (SELECT 1 FROM {} AS `referred to`",
        qualified(table)
    );
    for (position, (there, here)) in columns.iter().enumerate() {
        let joint = if position == 0 { "WHERE" } else { "AND" };
        let _ = write!(
            out,
            " {joint} `referred to`.{} = {}.{}",
            ident(there),
            qualified(from),
            ident(here)
        );
    }
    out.push_str("))");
}

fn write_list(out: &mut String, parts: &[Expr]) {
    out.push('(');
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        part.write(out);
    }
    out.push(')');
}

fn write_joined(out: &mut String, parts: &[Expr], joint: &str, empty: &str) {
    if parts.is_empty() {
        out.push_str(empty);
        return;
    }
    out.push('(');
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            out.push_str(joint);
        }
        part.write(out);
    }
    out.push(')');
}
