//! Which encoding a column gets, from its definitions on both sides.
//!
//! Must never pick an encoding under which an ALTER that keeps a value changes its bytes: `before_hash` has to hold
//! before and after the expand phase.

use super::Encoding;
use crate::schema::table::{Column, DataType, TypeClass};
use crate::sql::Expr;
use std::fmt;

/// Why a column's values cannot be compared, or what the expand phase will put there cannot be told beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Reason {}

/// Returns the encoding under which a column's values are compared. `local` is `None` for a column that local does not
/// have yet.
///
/// # Errors
/// For a type this build does not know.
pub fn encoding_for(local: Option<&Column>, remote: &Column) -> Result<Encoding, Reason> {
    let remote_class = class(remote)?;
    let Some(local) = local else {
        return Ok(natural(remote_class, &remote.data_type));
    };
    let local_class = class(local)?;
    if local_class == remote_class
        && local.data_type == remote.data_type
        && local.charset == remote.charset
    {
        return Ok(natural(remote_class, &remote.data_type));
    }
    Ok(common(local, local_class, remote, remote_class))
}

fn class(column: &Column) -> Result<TypeClass, Reason> {
    column.data_type.class().ok_or_else(|| {
        Reason(format!(
            "column `{}` has the type {}, whose values this build cannot compare",
            column.name, column.data_type.base
        ))
    })
}

fn natural(class: TypeClass, data_type: &DataType) -> Encoding {
    match class {
        TypeClass::Integer | TypeClass::Decimal if data_type.zerofill => Encoding::Number,
        TypeClass::Integer
        | TypeClass::Decimal
        | TypeClass::Year
        | TypeClass::Temporal
        | TypeClass::Timestamp
        | TypeClass::TextualBinary => Encoding::Plain,
        TypeClass::Float | TypeClass::Double => Encoding::Double,
        TypeClass::Bit => Encoding::Number,
        TypeClass::Text | TypeClass::Binary | TypeClass::Enum | TypeClass::Set => Encoding::Bytes,
        TypeClass::LongText | TypeClass::Blob | TypeClass::Json | TypeClass::Geometry => {
            Encoding::Lob
        }
    }
}

fn common(
    local: &Column,
    local_class: TypeClass,
    remote: &Column,
    remote_class: TypeClass,
) -> Encoding {
    use TypeClass as Class;
    let text = |class| {
        matches!(
            class,
            Class::Text | Class::LongText | Class::Enum | Class::Set
        )
    };
    let bytes = |class| matches!(class, Class::Binary | Class::Blob);
    let long = |class| matches!(class, Class::LongText | Class::Blob);
    let exact = |class| {
        matches!(
            class,
            Class::Integer | Class::Decimal | Class::Bit | Class::Year
        )
    };
    let float = |class| matches!(class, Class::Float | Class::Double);
    let dated = |column: &Column| {
        matches!(
            column.data_type.base.as_str(),
            "date" | "datetime" | "timestamp"
        )
    };
    let one_is_long = long(local_class) || long(remote_class);
    let both = |test: &dyn Fn(Class) -> bool| test(local_class) && test(remote_class);

    if both(&exact) {
        exact_numbers(&local.data_type, &remote.data_type)
    } else if both(&|class| exact(class) || float(class)) {
        Encoding::Double
    } else if dated(local) && dated(remote) {
        Encoding::Datetime(fraction(&local.data_type).max(fraction(&remote.data_type)))
    } else if local.data_type.base == "time" && remote.data_type.base == "time" {
        Encoding::Time(fraction(&local.data_type).max(fraction(&remote.data_type)))
    } else if both(&text) {
        match (local.charset == remote.charset, one_is_long) {
            (true, false) => Encoding::Bytes,
            (true, true) => Encoding::Lob,
            (false, false) => Encoding::Utf8,
            (false, true) => Encoding::LobUtf8,
        }
    } else if local.data_type.base == "binary" && remote.data_type.base == "binary" {
        Encoding::Padded(width(&local.data_type).max(width(&remote.data_type)))
    } else if both(&|class| text(class) || bytes(class)) {
        // An ALTER between text and binary keeps the bytes.
        if one_is_long {
            Encoding::Lob
        } else {
            Encoding::Bytes
        }
    } else if local_class == Class::Geometry || remote_class == Class::Geometry {
        // As bytes, whatever the other is: MariaDB has no text for a geometry.
        Encoding::Lob
    } else if both(&|class| text(class) || class == Class::Json) {
        Encoding::LobUtf8
    } else if local_class == remote_class {
        natural(remote_class, &remote.data_type)
    } else {
        Encoding::Text
    }
}

fn exact_numbers(local: &DataType, remote: &DataType) -> Encoding {
    let (local_digits, local_scale) = digits(local);
    let (remote_digits, remote_scale) = digits(remote);
    if local_scale != remote_scale {
        let scale = local_scale.max(remote_scale);
        let precision = local_digits.max(remote_digits) + scale;
        return if precision <= 65 && scale <= 30 {
            Encoding::Decimal(precision, scale)
        } else {
            Encoding::Text
        };
    }
    let plain = |data_type: &DataType| {
        matches!(
            data_type.class(),
            Some(TypeClass::Integer | TypeClass::Decimal)
        ) && !data_type.zerofill
    };
    if plain(local) && plain(remote) {
        Encoding::Plain
    } else {
        Encoding::Number
    }
}

/// Digits before the point, and after it.
fn digits(data_type: &DataType) -> (u32, u32) {
    if data_type.class() != Some(TypeClass::Decimal) {
        return (20, 0);
    }
    let mut numbers = data_type
        .arguments
        .as_deref()
        .unwrap_or("10,0")
        .split(',')
        .filter_map(|part| part.trim().parse::<u32>().ok());
    let precision = numbers.next().unwrap_or(10);
    let scale = numbers.next().unwrap_or(0);
    (precision.saturating_sub(scale), scale)
}

fn fraction(data_type: &DataType) -> u32 {
    if data_type.base == "date" {
        0
    } else {
        data_type
            .arguments
            .as_deref()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }
}

fn width(data_type: &DataType) -> u32 {
    data_type
        .arguments
        .as_deref()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1)
}

/// Returns the value that adding a column gives to the rows that are there, as a constant that stands for the column:
/// its literal default, NULL, or the implicit default of its type.
///
/// # Errors
/// Where the server makes the value up (an expression, the time, an automatic number) or this build cannot tell it.
pub fn simulated_default(column: &Column) -> Result<Expr, Reason> {
    let unknown = || {
        Reason(format!(
            "what the new column `{}` will hold in the rows that are there cannot be told beforehand",
            column.name
        ))
    };
    if column.auto_increment || column.generated.is_some() {
        return Err(unknown());
    }
    let class = class(column)?;
    match column.default.as_deref() {
        None if column.nullable => Ok(Expr::null()),
        Some(text) if text.eq_ignore_ascii_case("null") => Ok(Expr::null()),
        None => implicit(column, class).ok_or_else(unknown),
        Some(text) => {
            let value = unquoted(text).ok_or_else(unknown)?;
            constant(column, class, &value).ok_or_else(unknown)
        }
    }
}

/// Returns the constant that a column holds when it is given this value, spelt as the server prints it.
pub fn constant_of(column: &Column, text: &str) -> Option<Expr> {
    constant(column, column.data_type.class()?, text)
}

/// The text of a literal default: what stands in quotes, or a bare number.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    else {
        let bits = text
            .strip_prefix("b'")
            .and_then(|rest| rest.strip_suffix('\''));
        return match bits {
            Some(bits) => u64::from_str_radix(bits, 2)
                .ok()
                .map(|number| number.to_string()),
            None => Expr::decimal(text).map(|_| text.to_owned()),
        };
    };
    // A backslash means one thing or another by sql_mode; a quote inside is doubled.
    let plain = inner.replace("''", "");
    (!plain.contains('\'') && !plain.contains('\\')).then(|| inner.replace("''", "'"))
}

fn constant(column: &Column, class: TypeClass, text: &str) -> Option<Expr> {
    match class {
        TypeClass::Integer | TypeClass::Bit => text.parse::<i128>().ok().map(Expr::integer),
        TypeClass::Decimal => scaled(text, digits(&column.data_type).1),
        TypeClass::Float | TypeClass::Double => Expr::decimal(text),
        TypeClass::Text => {
            let text = if column.data_type.base == "char" {
                text.trim_end_matches(' ')
            } else {
                text
            };
            in_column_charset(column, text)
        }
        TypeClass::Enum | TypeClass::Set | TypeClass::LongText => in_column_charset(column, text),
        TypeClass::Temporal | TypeClass::Timestamp => {
            // Only the spelling that the server itself gives the stored value.
            let whole = match column.data_type.base.as_str() {
                "date" => 10,
                "time" => 8,
                _ => 19,
            };
            let length = match fraction(&column.data_type) {
                0 => whole,
                fraction => whole + 1 + fraction as usize,
            };
            (text.len() == length).then(|| Expr::text(text))
        }
        TypeClass::Year => (text.len() == 4).then(|| Expr::text(text)),
        TypeClass::Binary if column.data_type.base == "varbinary" && text.is_ascii() => {
            Some(Expr::bytes(text.as_bytes()))
        }
        _ => None,
    }
}

fn implicit(column: &Column, class: TypeClass) -> Option<Expr> {
    match class {
        TypeClass::Integer | TypeClass::Bit | TypeClass::Float | TypeClass::Double => {
            Some(Expr::integer(0))
        }
        TypeClass::Decimal => scaled("0", digits(&column.data_type).1),
        TypeClass::Text | TypeClass::LongText | TypeClass::Set => in_column_charset(column, ""),
        TypeClass::Blob => Some(Expr::bytes(&[])),
        TypeClass::Binary if column.data_type.base == "varbinary" => Some(Expr::bytes(&[])),
        TypeClass::Binary => Some(Expr::bytes(&vec![0; width(&column.data_type) as usize])),
        TypeClass::Year => Some(Expr::text("0000")),
        // Dates: adding a NOT NULL date without a default fails or not by sql_mode. The first label of an ENUM and the
        // rest: not worth a guess.
        _ => None,
    }
}

/// A decimal literal with exactly `scale` digits after the point, as the server prints a stored value.
fn scaled(text: &str, scale: u32) -> Option<Expr> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = scale as usize;
    let cut = fraction.get(scale..).unwrap_or("");
    let negative_zero =
        whole.starts_with('-') && text.bytes().all(|byte| !(b'1'..=b'9').contains(&byte));
    if cut.bytes().any(|digit| digit != b'0') || negative_zero || whole.is_empty() {
        return None;
    }
    let kept = fraction.get(..scale).unwrap_or(fraction);
    let number = if scale == 0 {
        whole.to_owned()
    } else {
        format!("{whole}.{kept:0<scale$}")
    };
    Expr::decimal(&number)
}

/// Text as the column stores it, where that is certain: plain ASCII, or a column in utf8mb4.
fn in_column_charset(column: &Column, text: &str) -> Option<Expr> {
    let charset = column.charset.as_deref().unwrap_or("utf8mb4");
    let ascii_based = matches!(
        charset,
        "utf8mb4"
            | "utf8mb3"
            | "utf8"
            | "ascii"
            | "latin1"
            | "latin2"
            | "cp1251"
            | "cp1252"
            | "latin5"
    );
    ((text.is_ascii() && ascii_based) || charset == "utf8mb4")
        .then(|| Expr::in_charset(text.as_bytes(), charset))
}
