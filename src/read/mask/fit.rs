//! What a column can hold, and how an expression is brought into exactly that, so that production's masked value is the
//! one that local stores and reads back.
//!
//! Must never give what local would refuse or change when it is written.

use crate::read::encode;
use crate::schema::table::{Column, TypeClass};
use crate::sql::expr::CastType;
use crate::sql::{Expr, Function};

/// What a column can hold, as far as masks tell columns apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitted {
    /// Text of at most so many characters.
    Text(Option<u32>),
    /// Bytes, at most so many; `padded`: always so many.
    Bytes { length: Option<u32>, padded: bool },
    /// Whole numbers.
    Integer { least: i128, greatest: i128 },
    /// Decimals.
    Decimal { precision: u32, scale: u32 },
    /// DATE (no fraction), DATETIME, TIMESTAMP.
    Date {
        fraction: Option<u32>,
        is_timestamp: bool,
    },
    /// TIME with a fraction.
    Time(u32),
    /// MariaDB's UUID.
    Uuid,
    /// DOUBLE.
    Double,
    /// FLOAT, YEAR, ENUM, SET, JSON, GEOMETRY, addresses.
    Other,
}

/// What different values of a mask are different by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Every value is NULL, or as long as it needs to be: never in the way of a unique index.
    Nothing,
    /// Every value is the same.
    One,
    /// Not to be told, and few.
    Few,
    /// Hex digits behind so many characters.
    Hex { before: u32, digits: u32 },
    /// So many bytes.
    Bytes(u32),
    /// One of so many numbers.
    Numbers(i128),
    /// The user vouches for it.
    Promised,
}

impl Space {
    /// Returns whether at least 64 bits tell values apart within the first `prefix` characters or bytes of them.
    pub(super) fn is_wide(self, prefix: Option<u32>) -> bool {
        let seen = |length: u32, before: u32| {
            prefix.map_or(length, |prefix| length.min(prefix.saturating_sub(before)))
        };
        match self {
            Self::Nothing | Self::Promised => true,
            Self::One | Self::Few => false,
            Self::Hex { before, digits } => seen(digits, before) >= 16,
            Self::Bytes(bytes) => seen(bytes, 0) >= 8,
            Self::Numbers(numbers) => prefix.is_none() && numbers >= 1 << 64,
        }
    }
}

/// Returns what a column can hold.
pub(super) fn fitted(column: &Column) -> Fitted {
    let data_type = &column.data_type;
    let sizes: Vec<u32> = data_type
        .arguments
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect();
    let size = |place: usize, default: u32| sizes.get(place).copied().unwrap_or(default);
    match data_type.class() {
        Some(TypeClass::Text) => Fitted::Text(Some(size(0, 1))),
        Some(TypeClass::LongText) if data_type.base == "tinytext" => {
            Fitted::Text(Some(255 / widest(column.charset.as_deref())))
        }
        Some(TypeClass::LongText) => Fitted::Text(None),
        Some(TypeClass::Binary) => Fitted::Bytes {
            length: Some(size(0, 1)),
            padded: data_type.base == "binary",
        },
        Some(TypeClass::Blob) if data_type.base == "vector" => Fitted::Other,
        Some(TypeClass::Blob) => Fitted::Bytes {
            length: (data_type.base == "tinyblob").then_some(255),
            padded: false,
        },
        Some(TypeClass::Integer) => integers(&data_type.base, data_type.unsigned),
        Some(TypeClass::Bit) => Fitted::Integer {
            least: 0,
            greatest: (1_i128 << size(0, 1).min(64)) - 1,
        },
        Some(TypeClass::Decimal) => Fitted::Decimal {
            precision: size(0, 10),
            scale: size(1, 0),
        },
        Some(TypeClass::Timestamp) => Fitted::Date {
            fraction: Some(size(0, 0)),
            is_timestamp: true,
        },
        Some(TypeClass::Temporal) => match data_type.base.as_str() {
            "date" => Fitted::Date {
                fraction: None,
                is_timestamp: false,
            },
            "time" => Fitted::Time(size(0, 0)),
            _ => Fitted::Date {
                fraction: Some(size(0, 0)),
                is_timestamp: false,
            },
        },
        Some(TypeClass::TextualBinary) if data_type.base == "uuid" => Fitted::Uuid,
        Some(TypeClass::Double) => Fitted::Double,
        _ => Fitted::Other,
    }
}

fn integers(base: &str, unsigned: bool) -> Fitted {
    let bits = match base {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "bigint" => 64,
        _ => 32,
    };
    if unsigned {
        Fitted::Integer {
            least: 0,
            greatest: (1_i128 << bits) - 1,
        }
    } else {
        Fitted::Integer {
            least: -(1_i128 << (bits - 1)),
            greatest: (1_i128 << (bits - 1)) - 1,
        }
    }
}

/// Bytes of the widest character of a character set.
fn widest(charset: Option<&str>) -> u32 {
    match charset {
        None | Some("utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030") => 4,
        Some("utf8mb3" | "utf8" | "ujis" | "eucjpms") => 3,
        Some("ucs2" | "big5" | "gbk" | "gb2312" | "sjis" | "cp932" | "euckr") => 2,
        Some(_) => 1,
    }
}

/// Returns text in the column's character set. What that has no character for becomes `?`.
pub(super) fn in_charset(column: &Column, value: Expr) -> Expr {
    match column.charset.as_deref() {
        None | Some("utf8mb4") => value.to_utf8(),
        Some("binary") => value.to_utf8().cast(CastType::Binary),
        Some(charset) => value.to_charset(charset),
    }
}

/// Returns the constant that a column holds when it is given `value`, or a neutral one where none is given.
///
/// # Errors
/// Why the column cannot hold the value.
pub(super) fn constant(
    column: &Column,
    is_json: bool,
    value: Option<&str>,
) -> Result<Expr, String> {
    let misfit = || match value {
        Some(value) => format!(
            "the value {value:?} is none that a column of type {}{} holds as it is",
            column.data_type.base,
            column
                .data_type
                .arguments
                .as_deref()
                .filter(|_| column.data_type.class() != Some(TypeClass::Enum))
                .map_or(String::new(), |sizes| format!("({sizes})"))
        ),
        None => format!(
            "a column of type {} has no neutral value",
            column.data_type.base
        ),
    };
    if is_json {
        return json(value.unwrap_or("{}")).ok_or_else(misfit);
    }
    let given = match value {
        Some(value) => value.to_owned(),
        None => neutral(column).ok_or_else(misfit)?,
    };
    let fits = match fitted(column) {
        Fitted::Text(length) => {
            is_within(length, given.chars().count()) && charset_has(column, &given)
        }
        Fitted::Bytes { length, padded } => {
            return if is_within(length, given.len()) {
                let mut bytes = given.into_bytes();
                if let Some(length) = length.filter(|_| padded) {
                    bytes.resize(length as usize, 0);
                }
                Ok(Expr::bytes(&bytes))
            } else {
                Err(misfit())
            };
        }
        Fitted::Integer { least, greatest } => given
            .parse::<i128>()
            .is_ok_and(|number| (least..=greatest).contains(&number)),
        Fitted::Decimal { precision, scale } => {
            let whole = given
                .trim_start_matches('-')
                .split('.')
                .next()
                .unwrap_or("");
            whole.len() <= (precision - scale).max(1) as usize
                && !(column.data_type.unsigned && given.starts_with('-'))
        }
        Fitted::Date { .. } | Fitted::Time(_) => is_moment(column, &given),
        Fitted::Uuid => {
            return if is_uuid(&given) {
                Ok(Expr::text(&given))
            } else {
                Err(misfit())
            };
        }
        Fitted::Double => true,
        Fitted::Other => match column.data_type.class() {
            Some(TypeClass::Enum) => labels(column).contains(&given) && charset_has(column, &given),
            Some(TypeClass::Set) => {
                given.is_empty() || labels(column).contains(&given) && charset_has(column, &given)
            }
            // Only what a FLOAT holds exactly.
            Some(TypeClass::Float) => given
                .parse::<i32>()
                .is_ok_and(|number| number.abs() <= 1 << 24),
            Some(TypeClass::Year) => given
                .parse::<i32>()
                .is_ok_and(|year| year == 0 || (1901..=2155).contains(&year)),
            _ => false,
        },
    };
    // In a character set that we do not spell ourselves the server does.
    let by_server = || {
        let text = given.trim_end_matches(' ');
        column
            .data_type
            .has_charset()
            .then(|| in_charset(column, Expr::text(text)))
    };
    let constant = encode::constant_of(column, &given).or_else(by_server);
    constant.filter(|_| fits).ok_or_else(misfit)
}

fn is_within(length: Option<u32>, found: usize) -> bool {
    length.is_none_or(|length| found <= length as usize)
}

/// Whether a text is one of the column's character set, as far as that is certain.
fn charset_has(column: &Column, text: &str) -> bool {
    text.is_ascii()
        || match column.charset.as_deref() {
            None | Some("utf8mb4") => true,
            Some("utf8mb3" | "utf8") => text.chars().all(|character| character.len_utf8() <= 3),
            _ => false,
        }
}

fn neutral(column: &Column) -> Option<String> {
    let fraction = |whole: &str, fraction: u32| match fraction {
        0 => whole.to_owned(),
        digits => format!("{whole}.{}", "0".repeat(digits as usize)),
    };
    Some(match fitted(column) {
        Fitted::Text(length) => "masked"
            .chars()
            .take(length.unwrap_or(6) as usize)
            .collect(),
        Fitted::Bytes { .. } => String::new(),
        Fitted::Integer { .. } | Fitted::Decimal { .. } | Fitted::Double => "0".into(),
        Fitted::Date { fraction: None, .. } => "2000-01-01".into(),
        Fitted::Date {
            fraction: Some(digits),
            ..
        } => fraction("2000-01-01 00:00:00", digits),
        Fitted::Time(digits) => fraction("00:00:00", digits),
        Fitted::Uuid => "00000000-0000-0000-0000-000000000000".into(),
        Fitted::Other => match column.data_type.class() {
            Some(TypeClass::Enum) => labels(column).into_iter().next()?,
            Some(TypeClass::Set) => String::new(),
            Some(TypeClass::Float) => "0".into(),
            Some(TypeClass::Year) => "2000".into(),
            _ => return None,
        },
    })
}

/// A JSON text that every server keeps as it is spelt: empty, or a scalar.
fn json(text: &str) -> Option<Expr> {
    let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
    let is_plain = match &parsed {
        serde_json::Value::Object(fields) => fields.is_empty(),
        serde_json::Value::Array(parts) => parts.is_empty(),
        serde_json::Value::Number(number) => number.is_i64(),
        _ => true,
    };
    let printed = serde_json::to_string(&parsed).ok()?;
    (is_plain && printed == text).then(|| Expr::text(text))
}

fn is_moment(column: &Column, text: &str) -> bool {
    let pattern = match column.data_type.base.as_str() {
        "date" => "dddd-dd-dd",
        "time" => "dd:dd:dd",
        _ => "dddd-dd-dd dd:dd:dd",
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let shaped = whole.len() == pattern.len()
        && whole
            .chars()
            .zip(pattern.chars())
            .all(|(found, wanted)| match wanted {
                'd' => found.is_ascii_digit(),
                sign => found == sign,
            })
        && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let year = whole.get(..4).and_then(|year| year.parse::<u32>().ok());
    let in_range = column.data_type.base != "timestamp"
        || year.is_some_and(|year| (1971..=2037).contains(&year));
    let date = time::macros::format_description!("[year]-[month]-[day]");
    let clock = time::macros::format_description!("[hour]:[minute]:[second]");
    let exists = match whole.split_once(' ') {
        Some((day, hour)) => {
            time::Date::parse(day, date).is_ok() && time::Time::parse(hour, clock).is_ok()
        }
        None if column.data_type.base == "time" => time::Time::parse(whole, clock).is_ok(),
        None => time::Date::parse(whole, date).is_ok(),
    };
    shaped && in_range && exists
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(place, character)| {
            if [8, 13, 18, 23].contains(&place) {
                character == '-'
            } else {
                character.is_ascii_digit() || ('a'..='f').contains(&character)
            }
        })
}

/// The labels of an ENUM or SET.
fn labels(column: &Column) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = column.data_type.arguments.as_deref().unwrap_or_default();
    while let Some(start) = rest.find('\'') {
        let mut label = String::new();
        let mut characters = rest[start + 1..].char_indices().peekable();
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            if character != '\'' {
                label.push(character);
            } else if characters.peek().is_some_and(|(_, next)| *next == '\'') {
                characters.next();
                label.push('\'');
            } else {
                end = start + 1 + at + 1;
                break;
            }
        }
        labels.push(label);
        rest = &rest[end..];
    }
    labels
}

/// Brings an expression of the user's into what the column holds: cut, rounded, within the type's range, NULL for NULL
/// alone where the column takes none.
///
/// # Errors
/// Why the column's type takes no expression.
pub(super) fn fit(column: &Column, is_json: bool, expr: Expr) -> Result<Expr, String> {
    if is_json {
        return Err("a JSON column takes \"null\", \"fixed\", \"hash\" or \"redact\"".to_owned());
    }
    let between = |expr: Expr, least: i128, greatest: i128| {
        let below = Expr::call(Function::Least, vec![expr, Expr::integer(greatest)]);
        Expr::call(Function::Greatest, vec![below, Expr::integer(least)])
    };
    let value = match fitted(column) {
        Fitted::Text(length) => {
            let text = in_charset(column, expr);
            let text = match length {
                Some(length) => Expr::call(Function::Left, vec![text, Expr::integer(length)]),
                None => text,
            };
            if column.data_type.base == "char" {
                Expr::call(Function::Rtrim, vec![text])
            } else {
                text
            }
        }
        Fitted::Bytes { length, padded } => {
            let bytes = expr.cast(CastType::Binary);
            match length {
                Some(length) if padded => Expr::call(
                    Function::Rpad,
                    vec![bytes, Expr::integer(length), Expr::bytes(&[0])],
                ),
                Some(length) => Expr::call(Function::Left, vec![bytes, Expr::integer(length)]),
                None => bytes,
            }
        }
        Fitted::Integer { least: 0, greatest } if greatest == i128::from(u64::MAX) => {
            expr.cast(CastType::Unsigned)
        }
        Fitted::Integer { least, greatest } => {
            between(expr.cast(CastType::Signed), least, greatest)
        }
        Fitted::Decimal { precision, scale } => {
            let value = expr.cast(CastType::Decimal(precision, scale));
            if column.data_type.unsigned {
                Expr::call(Function::Greatest, vec![value, Expr::integer(0)])
                    .cast(CastType::Decimal(precision, scale))
            } else {
                value
            }
        }
        Fitted::Date { fraction: None, .. } => expr.cast(CastType::Date),
        Fitted::Date {
            fraction: Some(fraction),
            ..
        } => expr.cast(CastType::Datetime(fraction)),
        Fitted::Time(fraction) => expr.cast(CastType::Time(fraction)),
        Fitted::Double => expr.as_double(),
        Fitted::Other if column.data_type.class() == Some(TypeClass::Enum) => {
            let labels: Vec<Expr> = labels(column)
                .iter()
                .map(|label| Expr::text(label))
                .collect();
            let mut search = vec![expr];
            search.extend(labels.clone());
            let mut found = vec![Expr::call(Function::Field, search)];
            found.extend(labels);
            in_charset(column, Expr::call(Function::Elt, found))
        }
        Fitted::Uuid | Fitted::Other => {
            return Err(format!(
                "a column of type {} takes no expression, only \"null\" or \"fixed\"",
                column.data_type.base
            ));
        }
    };
    // NULL stays NULL, and nothing else becomes it where the column takes none.
    if column.nullable {
        let source = Expr::column(&column.name);
        return Ok(Expr::case(
            None,
            vec![(source.is_null().negated(), value)],
            None,
        ));
    }
    let neutral = constant(column, false, None)?;
    Ok(Expr::call(Function::IfNull, vec![value, neutral]))
}
