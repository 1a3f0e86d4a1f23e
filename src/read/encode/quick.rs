//! A cheaper spelling of a row, for checksums and hashes that two servers compute in one comparison and that nothing
//! keeps: plans have the row hash.
//!
//! Must never give two different rows one spelling, and must never be NULL where a row is not: `BIT_XOR` leaves NULL out.

use super::{Encoding, first_64_bits, point, sha256, spelling};
use crate::schema::table::{Column, TypeClass, converts_to_utf8};
use crate::sql::Expr;
use crate::sql::expr::{CastType, Function};

/// A column of a quick checksum, as one side has it. What is spelt where is the same on both sides; only how this side's
/// value gets there may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quick {
    source: Expr,
    encoding: Encoding,
    /// Whether this side's encoded value may be NULL. The sides may differ in it.
    nullable: bool,
    /// Whether CONCAT joins this side's source as it is stored: text, or a long value instead of its hash.
    as_stored: bool,
    form: Form,
    flag: Flag,
}

/// Whether a flag says that a value is NULL, which is spelt like an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    /// Neither side has NULL.
    Never,
    /// Where an empty value would be spelt the same.
    IfAlike,
    /// The encoded value may be NULL where the source is not.
    Always,
}

/// How the end of a value is told from what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It is never empty, and ends at the next `#` or after as many bytes as such values always have.
    Told,
    /// It ends at the next `#`, and may be empty.
    MaybeEmpty,
    /// It may be anything.
    Open,
}

impl Quick {
    /// Describes a column: what is hashed of it, as it is encoded; this side's definition where the source is that very
    /// column; and the definitions of both sides. With `short`, rows are short on average, so that long values are joined
    /// instead of their hashes: that costs less than a hash of its own, which is mostly its own start and end.
    pub fn new(
        (source, encoding): (Expr, Encoding),
        own: Option<&Column>,
        both: [Option<&Column>; 2],
        short: bool,
    ) -> Self {
        let of_both =
            |test: &dyn Fn(&Column) -> bool| both.iter().all(|column| column.is_some_and(test));
        let settled = of_both(&|column| is_settled(column, encoding));
        // Spelt otherwise than as it is encoded, so on both sides or on neither.
        let joins_long = short && of_both(&|column| is_long(column, encoding));
        let told = |column: &Column| is_told(column, encoding, joins_long);
        let form = if of_both(&told) {
            Form::Told
        } else if of_both(&|column| is_listed(column, encoding)) {
            Form::MaybeEmpty
        } else if !joins_long && matches!(encoding, Encoding::Lob | Encoding::LobUtf8) {
            Form::Told
        } else {
            Form::Open
        };
        Self {
            source,
            encoding,
            nullable: !settled || own.is_none_or(|column| column.nullable),
            as_stored: joins_long || own.is_some_and(|column| is_as_stored(column, encoding)),
            form,
            flag: if !settled {
                Flag::Always
            } else if of_both(&|column| !column.nullable) {
                Flag::Never
            } else {
                Flag::IfAlike
            },
        }
    }

    /// Whether it may be the last, whose end is the row's.
    fn may_be_last(&self) -> bool {
        self.flag != Flag::Always && self.form == Form::Open
    }

    /// The encoded value, and an empty text for NULL.
    fn value(&self) -> Expr {
        let value = match self.encoding {
            // The bytes as they are: 25 of them, the first of which is no `#`.
            Encoding::Double => point(self.source.clone()),
            _ if self.as_stored => self.source.clone(),
            encoding => encoding.apply(self.source.clone()),
        };
        if self.nullable {
            if_null(value, Expr::text(""))
        } else {
            value
        }
    }

    /// What stands before the values: a length where that is not told by the value, and a flag where NULL is not.
    fn before(&self, is_last: bool) -> Vec<Expr> {
        let length = match (self.form, self.encoding) {
            (Form::Open, _) if is_last => None,
            (Form::Open, Encoding::Lob) => {
                Some(Expr::call(Function::Length, vec![self.source.clone()]))
            }
            (Form::Open, encoding) => encoding.length(self.source.clone()),
            (Form::Told | Form::MaybeEmpty, _) => None,
        };
        let flagged = match self.flag {
            Flag::Never => false,
            Flag::IfAlike => is_last || self.form == Form::MaybeEmpty,
            Flag::Always => true,
        };
        let mut parts = Vec::new();
        parts.extend(length.map(|length| {
            // An empty text is told from none.
            if self.nullable {
                if_null(length, Expr::integer(-1))
            } else {
                length
            }
        }));
        if flagged {
            parts.push(Expr::call(Function::IsNull, vec![self.source.clone()]));
        }
        parts
    }
}

/// Whether values that are not NULL are never empty and have an end of their own: numbers, times, doubles, and JSON that
/// the server wrote, where it is joined as it is.
fn is_told(column: &Column, encoding: Encoding, joins_long: bool) -> bool {
    use TypeClass::{Decimal, Integer, Json, Temporal, Timestamp, Year};
    let class = column.data_type.class();
    match encoding {
        Encoding::Plain => matches!(class, Some(Integer | Decimal | Year | Temporal | Timestamp)),
        Encoding::Number | Encoding::Double => class.is_some(),
        Encoding::Lob => joins_long && class == Some(Json),
        _ => false,
    }
}

/// Whether values are labels of a list, none of which holds a `#`.
fn is_listed(column: &Column, encoding: Encoding) -> bool {
    let labels = column.data_type.arguments.as_deref();
    column.data_type.class() == Some(TypeClass::Enum)
        && matches!(encoding, Encoding::Bytes | Encoding::Utf8)
        && column.charset.as_deref().is_none_or(converts_to_utf8)
        && labels.is_some_and(|labels| !labels.contains('#'))
}

/// Whether values are hashed by themselves, and may be joined as they are stored instead.
fn is_long(column: &Column, encoding: Encoding) -> bool {
    use TypeClass::{Blob, Json, LongText};
    encoding == Encoding::Lob
        && matches!(column.data_type.class(), Some(Json | LongText | Blob))
        && column.data_type.base != "vector"
}

/// Whether CONCAT joins a column's bytes as they are stored, once one of its arguments is binary.
fn is_as_stored(column: &Column, encoding: Encoding) -> bool {
    let charset = column.charset.as_deref();
    let is_plain = charset.is_none_or(|charset| charset == "binary" || converts_to_utf8(charset));
    is_plain
        && matches!(encoding, Encoding::Bytes)
        && matches!(
            column.data_type.class(),
            Some(TypeClass::Text | TypeClass::Enum | TypeClass::Set | TypeClass::Binary)
        )
}

/// Whether the encoded value of what is not NULL is never NULL.
fn is_settled(column: &Column, encoding: Encoding) -> bool {
    match encoding {
        Encoding::Plain => is_told(column, encoding, false),
        Encoding::Number
        | Encoding::Bytes
        | Encoding::Utf8
        | Encoding::Lob
        | Encoding::LobUtf8
        | Encoding::Double => column.data_type.class().is_some(),
        Encoding::Padded(_)
        | Encoding::Decimal(..)
        | Encoding::Datetime(_)
        | Encoding::Time(_)
        | Encoding::Text => false,
    }
}

fn if_null(value: Expr, otherwise: Expr) -> Expr {
    Expr::call(Function::IfNull, vec![value, otherwise])
}

/// Returns the checksum of a group of rows, as [`super::checksum_of`] is one, at about two thirds of its cost: the XOR
/// of 64 bits of each row's SHA-256. Only sums of the same columns in one comparison are comparable.
pub fn quick_checksum_of(columns: &[Quick]) -> Expr {
    Expr::call(
        Function::BitXor,
        vec![first_64_bits(sha256(quick_spelling(columns)))],
    )
}

/// Returns the hash of a row by which two servers' rows are told apart in one comparison: 128 bits, as hex.
pub fn quick_hash_of(columns: &[Quick]) -> Expr {
    let digest = sha256(quick_spelling(columns));
    Expr::call(Function::Left, vec![digest, Expr::integer(32)])
}

/// As many parts for every row, with `#` between them: lengths and flags, then the values, those that may be anything at
/// the end, the last of which needs no length. Read from its start, every row has one spelling. Where that is NULL against
/// all expectation (a column that became nullable meanwhile, more than the server's largest packet), the full spelling
/// takes its place, behind a `?`, with which no quick one begins.
fn quick_spelling(columns: &[Quick]) -> Expr {
    let last = columns.iter().rposition(Quick::may_be_last);
    let mut before = Vec::new();
    let mut told = Vec::new();
    let mut open = Vec::new();
    let mut end = None;
    for (place, column) in columns.iter().enumerate() {
        let is_last = Some(place) == last;
        before.extend(column.before(is_last));
        match column.form {
            _ if is_last => end = Some(column.value()),
            Form::Open => open.push(column.value()),
            Form::Told | Form::MaybeEmpty => told.push(column.value()),
        }
    }
    if before.is_empty() {
        before.push(Expr::text(""));
    }
    let mut joined = Vec::new();
    if columns.iter().any(|column| column.as_stored) {
        // Makes the whole binary, so that the servers join the bytes as they are.
        joined.push(Expr::text("").cast(CastType::Binary));
    }
    // CONCAT costs MySQL a tenth of the row's time less than CONCAT_WS.
    for (place, part) in before
        .into_iter()
        .chain(told)
        .chain(open)
        .chain(end)
        .enumerate()
    {
        if place > 0 {
            joined.push(Expr::text("#"));
        }
        joined.push(part);
    }
    let hashed = columns
        .iter()
        .map(|column| (column.source.clone(), column.encoding))
        .collect::<Vec<_>>();
    let mut full = spelling(&hashed);
    full.insert(1, Expr::text("?"));
    Expr::call(
        Function::IfNull,
        vec![
            Expr::call(Function::Concat, joined),
            Expr::call(Function::ConcatWs, full),
        ],
    )
}
