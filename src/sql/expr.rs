//! Expressions a read is made of: a small closed tree, rendered to SQL here alone.
//!
//! Must never offer a way to put a caller's text into a statement other than as a quoted identifier or an encoded
//! literal. The functions are a closed list, none of which writes, locks or sleeps.

mod walk;
mod write;

pub use super::function::Function;

use crate::schema::ObjectName;

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
    /// `<>`
    NotEqual,
    /// `XOR`
    Xor,
    /// `*`
    Times,
    /// `/`
    Divide,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
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
    /// `CHAR(length) CHARACTER SET utf8mb4`
    Chars(u32),
    /// `BINARY(length)`
    Bytes(u32),
}

/// What an interval is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `MICROSECOND`
    Microsecond,
    /// `SECOND`
    Second,
    /// `MINUTE`
    Minute,
    /// `HOUR`
    Hour,
    /// `DAY`
    Day,
    /// `WEEK`
    Week,
    /// `MONTH`
    Month,
    /// `QUARTER`
    Quarter,
    /// `YEAR`
    Year,
}

/// The kinds of literal dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `DATE'…'`
    Date,
    /// `TIME'…'`
    Time,
    /// `TIMESTAMP'…'`
    Timestamp,
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
    /// In a character set, whose name was checked to be a plain word.
    Convert(Box<Expr>, String),
    /// No row of another table has these values.
    NoMatch {
        table: ObjectName,
        from: ObjectName,
        /// (column of `table`, column of `from`)
        columns: Vec<(String, String)>,
    },
    /// `x * 1e0`: reads a FLOAT without loss (FACTS.md, finding 7). A sum with 0e0 would lose the sign of -0.
    AsDouble(Box<Expr>),
    Negative(Box<Expr>),
    /// A pattern with another escape character than the backslash.
    LikeEscape(Box<Expr>, Box<Expr>, char),
    /// Value, lowest, highest.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Value to compare with, alternatives, otherwise.
    Case(Option<Box<Expr>>, Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// A date moved by a number of units, forth or (`true`) back.
    Moved(Box<Expr>, Box<Expr>, Unit, bool),
    /// The time from one date to another.
    Distance(Unit, Box<Expr>, Box<Expr>),
    /// A date or time, already checked to consist of digits and `-`, `:`, `.`, a space.
    Moment(Moment, String),
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
        if is_word(charset) {
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
        self.to_charset("utf8mb4")
    }
    /// `CONVERT(self USING charset)`; as it is where the charset's name is no plain word.
    #[must_use]
    pub fn to_charset(self, charset: &str) -> Self {
        if is_word(charset) {
            Self(Node::Convert(Box::new(self), charset.to_owned()))
        } else {
            self
        }
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
    /// `- self`: of a literal, the negative literal.
    #[must_use]
    pub fn negative(self) -> Self {
        match self.0 {
            Node::Integer(number) if number >= 0 => Self(Node::Integer(-number)),
            Node::Decimal(digits) if !digits.starts_with('-') => {
                Self(Node::Decimal(format!("-{digits}")))
            }
            Node::Double(digits, power) if !digits.starts_with('-') => {
                Self(Node::Double(format!("-{digits}"), power))
            }
            _ => Self(Node::Negative(Box::new(self))),
        }
    }
    /// `self LIKE pattern ESCAPE escape`.
    #[must_use]
    pub fn like_escaped(self, pattern: Self, escape: char) -> Self {
        Self(Node::LikeEscape(Box::new(self), Box::new(pattern), escape))
    }
    /// `self BETWEEN lowest AND highest`.
    #[must_use]
    pub fn between(self, lowest: Self, highest: Self) -> Self {
        Self(Node::Between(
            Box::new(self),
            Box::new(lowest),
            Box::new(highest),
        ))
    }
    /// `CASE value WHEN … THEN … ELSE … END`; without a value the alternatives are conditions. NULL for no alternatives.
    pub fn case(
        value: Option<Self>,
        alternatives: Vec<(Self, Self)>,
        otherwise: Option<Self>,
    ) -> Self {
        if alternatives.is_empty() {
            return otherwise.unwrap_or_else(Self::null);
        }
        Self(Node::Case(
            value.map(Box::new),
            alternatives,
            otherwise.map(Box::new),
        ))
    }
    /// `DATE_ADD(self, INTERVAL amount unit)`, or `DATE_SUB`.
    #[must_use]
    pub fn moved(self, amount: Self, unit: Unit, back: bool) -> Self {
        Self(Node::Moved(Box::new(self), Box::new(amount), unit, back))
    }
    /// `TIMESTAMPDIFF(unit, from, to)`.
    pub fn distance(unit: Unit, from: Self, to: Self) -> Self {
        Self(Node::Distance(unit, Box::new(from), Box::new(to)))
    }
    /// A literal date or time; `None` where the text holds what none does.
    pub fn moment(kind: Moment, text: &str) -> Option<Self> {
        let plain = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"-:. ".contains(&byte));
        plain.then(|| Self(Node::Moment(kind, text.to_owned())))
    }
}

/// Whether a name is a plain word, as those of character sets are.
fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
