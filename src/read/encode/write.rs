//! Values as literals: for writing to local, exactly as the plan has them.
//!
//! Must never let a value of a plan become anything but a literal, and must never change one.

use crate::schema::table::{Column, TypeClass};
use crate::sql::{Expr, Parameter};
use crate::value::Value;
use anyhow::{Result, bail};

/// Returns the literal that stores exactly this value in a column of local.
///
/// # Errors
/// As for [`literal_expr`].
pub fn literal(column: &Column, value: &Value) -> Result<String> {
    literal_expr(column, value).map(|constant| constant.sql())
}

/// Writes what [`literal`] returns behind what is there.
///
/// # Errors
/// As for [`literal_expr`].
pub fn write_literal(out: &mut String, column: &Column, value: &Value) -> Result<()> {
    literal_expr(column, value).map(|constant| constant.write(out))
}

/// Returns the constant that a column holding exactly this value is equal to.
///
/// # Errors
/// Where the value is none that the column's type can have (a plan that was tampered with).
pub fn literal_expr(column: &Column, value: &Value) -> Result<Expr> {
    let misfit = |what: &str| {
        anyhow::anyhow!(
            "the value {value} is no {what}, which column `{}` ({}) takes",
            column.name,
            column.data_type.base
        )
    };
    let class = column.data_type.class();
    Ok(match (value, class) {
        (_, None) => bail!(
            "column `{}` has the type {}, which this build cannot write",
            column.name,
            column.data_type.base
        ),
        (Value::Null, _) => Expr::null(),
        (Value::Integer(number), Some(class)) if is_number(class) => Expr::integer(*number),
        (Value::Integer(number), Some(TypeClass::Binary | TypeClass::Blob)) => {
            Expr::bytes(number.to_string().as_bytes())
        }
        (Value::Integer(number), _) => Expr::text(&number.to_string()),
        (Value::Text(text), Some(TypeClass::Integer | TypeClass::Decimal | TypeClass::Bit)) => {
            Expr::decimal(text).ok_or_else(|| misfit("exact number"))?
        }
        (Value::Text(text), Some(TypeClass::Float | TypeClass::Double)) => {
            double(text).ok_or_else(|| misfit("number"))?
        }
        (Value::Text(text), Some(TypeClass::Binary | TypeClass::Blob | TypeClass::Geometry)) => {
            Expr::bytes(text.as_bytes())
        }
        (Value::Text(text), _) => Expr::text(text),
        (Value::Bytes(bytes), Some(TypeClass::Binary | TypeClass::Blob | TypeClass::Geometry)) => {
            Expr::bytes(bytes)
        }
        (
            Value::Bytes(bytes),
            Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set),
        ) => in_charset(column, bytes),
        (Value::Bytes(bytes), Some(TypeClass::Json)) => Expr::in_charset(bytes, "utf8mb4"),
        (Value::Bytes(_), _) => return Err(misfit("text or number")),
    })
}

/// Whether a column holds numbers, and takes a whole one as it is.
fn is_number(class: TypeClass) -> bool {
    matches!(
        class,
        TypeClass::Integer
            | TypeClass::Decimal
            | TypeClass::Float
            | TypeClass::Double
            | TypeClass::Bit
            | TypeClass::Year
    )
}

/// Returns whether a prepared statement can be handed a value as [`parameter`] makes it. Only a literal will do for bytes in
/// a character set of their own, large bits and shapes; and for values that are no value of the column's type, which
/// [`literal_expr`] has the words for.
pub fn is_parameter(column: &Column, value: &Value) -> bool {
    let Some(class) = column.data_type.class() else {
        return false;
    };
    match (value, class) {
        (Value::Null, _) => true,
        (_, TypeClass::Geometry) => false,
        (Value::Integer(_), _) => true,
        // As text it would be taken for the bits themselves.
        (_, TypeClass::Bit) => false,
        (Value::Text(text), TypeClass::Integer | TypeClass::Decimal) => {
            Expr::decimal(text).is_some()
        }
        (Value::Text(text), TypeClass::Float | TypeClass::Double) => {
            double(text).is_some() && text.parse::<f64>().is_ok()
        }
        (Value::Text(_), _) => true,
        (Value::Bytes(_), class) => matches!(class, TypeClass::Binary | TypeClass::Blob),
    }
}

/// Returns what a prepared statement is handed to store what [`literal_expr`] does, of a value that [`is_parameter`].
pub fn parameter(column: &Column, value: Value) -> Parameter {
    match (value, column.data_type.class()) {
        (Value::Null, _) => Parameter::Null,
        (Value::Integer(number), Some(class)) if is_number(class) => Parameter::Integer(number),
        (Value::Integer(number), _) => Parameter::Bytes(number.to_string().into_bytes()),
        (Value::Text(text), Some(TypeClass::Float | TypeClass::Double)) => match text.parse() {
            Ok(number) => Parameter::Double(number),
            Err(_) => Parameter::Bytes(text.into_bytes()),
        },
        (Value::Text(text), _) => Parameter::Bytes(text.into_bytes()),
        (Value::Bytes(bytes), _) => Parameter::Bytes(bytes),
    }
}

/// Returns whether a value can be stored only without strict mode: an ENUM's empty value (index 0), which strict mode
/// refuses although the column holds it.
pub fn needs_lenient_mode(column: &Column, value: &Value) -> bool {
    let empty = match value {
        Value::Text(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Null | Value::Integer(_) => false,
    };
    empty
        && column.data_type.class() == Some(TypeClass::Enum)
        && !column
            .data_type
            .arguments
            .as_deref()
            .is_some_and(has_empty_label)
}

/// Whether `''` stands between commas in a list of quoted labels.
fn has_empty_label(labels: &str) -> bool {
    let mut rest = labels.trim_start();
    while let Some(inner) = rest.strip_prefix('\'') {
        let mut end = 0;
        let bytes = inner.as_bytes();
        while end < bytes.len() {
            match (bytes[end], bytes.get(end + 1)) {
                (b'\'', Some(b'\'')) => end += 2,
                (b'\'', _) => break,
                _ => end += 1,
            }
        }
        if end == 0 {
            return true;
        }
        rest = inner
            .get(end + 1..)
            .unwrap_or("")
            .trim_start_matches([',', ' ']);
    }
    false
}

fn in_charset(column: &Column, bytes: &[u8]) -> Expr {
    match column.charset.as_deref() {
        Some("binary") => Expr::bytes(bytes),
        Some(charset) => Expr::in_charset(bytes, charset),
        None => Expr::in_charset(bytes, "utf8mb4"),
    }
}

/// A double literal: always with an exponent, so that the server does not take it for a decimal.
fn double(text: &str) -> Option<Expr> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    Expr::double(mantissa, exponent.parse().ok()?)
}
