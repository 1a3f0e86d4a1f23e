//! What each kind gives, as an expression of the column's own type and character set (docs/masking.md says it in words).
//!
//! Must never give anything of the value but its length (`digits`, `redact`), whether it is NULL or empty, and the rough
//! date (`date_shift`).

use super::fit::{self, Fitted, Space};
use crate::config::{MaskKind, NamePart};
use crate::schema::table::{Column, TypeClass};
use crate::sql::expr::{CastType, Operator, Unit};
use crate::sql::{Expr, Function};

/// Given names, in plain ASCII so that they fit every column.
const FIRST: [&str; 32] = [
    "Ada", "Alan", "Anna", "Ben", "Clara", "Daniel", "Elena", "Emil", "Eva", "Felix", "Grace",
    "Hugo", "Ida", "Jonas", "Julia", "Karl", "Laura", "Leo", "Lina", "Marie", "Max", "Mila",
    "Nina", "Noah", "Oscar", "Paula", "Peter", "Rosa", "Sara", "Simon", "Tom", "Vera",
];
/// Family names.
const LAST: [&str; 32] = [
    "Abel", "Adler", "Baker", "Berg", "Brook", "Carter", "Cole", "Dale", "Engel", "Field",
    "Fisher", "Ford", "Gray", "Hale", "Hill", "Hunt", "Keller", "King", "Lane", "Lang", "Marsh",
    "Miller", "Moore", "Novak", "Page", "Reed", "Rose", "Stone", "Taylor", "Vogel", "Ward", "Wood",
];
/// What `email` puts behind its digits.
const DOMAIN: &str = "@example.com";
/// What `phone` begins with: no country has it.
const NOWHERE: &str = "+000";

/// A mask's values as they come out of a column.
pub(super) struct Made {
    /// The expression.
    pub(super) expr: Expr,
    /// What different values become different by.
    pub(super) space: Space,
    /// What of the column decides about the outcome: two columns with the same shape and key give the same values.
    pub(super) shape: String,
}

/// Makes the values of a kind. `key` is the key of the column or its group, `unique` says whether a unique index has it.
///
/// # Errors
/// Why the kind does not fit the column.
pub(super) fn make(
    column: &Column,
    is_json: bool,
    kind: &MaskKind,
    key: &str,
    unique: bool,
) -> Result<Made, String> {
    let digest = digest(column, key);
    match kind {
        MaskKind::Keep => Err("it is kept".to_owned()),
        MaskKind::Null if column.nullable => Ok(Made {
            expr: Expr::null(),
            space: Space::Nothing,
            shape: String::new(),
        }),
        MaskKind::Null => Err("the column is NOT NULL; use \"fixed\" or another kind".to_owned()),
        MaskKind::Fixed(value) => {
            let constant = fit::constant(column, is_json, value.as_deref())?;
            Ok(Made {
                expr: unless_null(column, constant),
                space: Space::One,
                shape: String::new(),
            })
        }
        MaskKind::Hash => hash(column, is_json, &digest),
        MaskKind::Email => email(column, is_json, &digest),
        MaskKind::Name(part) => name(column, is_json, *part, &digest),
        MaskKind::Phone => phone(column, is_json, unique, &digest),
        MaskKind::Digits => digits(column, is_json, &digest),
        MaskKind::DateShift(days) => date_shift(column, *days, &digest),
        MaskKind::Redact => redact(column, is_json),
        MaskKind::Sql { .. } => Err("its text was not read".to_owned()),
    }
}

/// The digest that keyed kinds draw on: 64 hex digits, NULL for NULL. The value is hashed first by itself, so that one
/// beyond `max_allowed_packet` has a digest as well, and as UTF-8, so that columns of other character sets agree.
fn digest(column: &Column, key: &str) -> Expr {
    let source = Expr::column(&column.name);
    let canonical = match column.data_type.class() {
        Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set) => {
            match column.charset.as_deref() {
                None | Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary") => source,
                Some(_) => source.to_utf8(),
            }
        }
        Some(TypeClass::Bit) => source.binary(Operator::Plus, Expr::integer(0)),
        Some(TypeClass::Integer | TypeClass::Decimal) if column.data_type.zerofill => {
            source.binary(Operator::Plus, Expr::integer(0))
        }
        _ => source,
    };
    sha256(Expr::call(
        Function::Concat,
        vec![Expr::text(key), sha256(canonical)],
    ))
}

fn sha256(source: Expr) -> Expr {
    Expr::call(Function::Sha2, vec![source, Expr::integer(256)])
}

fn left(source: Expr, length: u32) -> Expr {
    Expr::call(Function::Left, vec![source, Expr::integer(length)])
}

/// Hex digits of the digest as a whole number.
fn number(digest: &Expr, from: u32, length: u32) -> Expr {
    let part = Expr::call(
        Function::Substring,
        vec![digest.clone(), Expr::integer(from), Expr::integer(length)],
    );
    Expr::call(
        Function::Conv,
        vec![part, Expr::integer(16), Expr::integer(10)],
    )
    .cast(CastType::Unsigned)
}

/// The digest as a number of 64 bits.
fn number64(digest: &Expr) -> Expr {
    number(digest, 1, 16)
}

fn modulo(value: Expr, by: i128) -> Expr {
    value.binary(Operator::Modulo, Expr::integer(by))
}

/// A constant, but NULL for NULL.
fn unless_null(column: &Column, constant: Expr) -> Expr {
    if column.nullable {
        let source = Expr::column(&column.name);
        Expr::call(Function::If, vec![source.is_null(), Expr::null(), constant])
    } else {
        constant
    }
}

/// Text in the column's character set; an empty text stays empty.
fn text(column: &Column, value: Expr) -> Expr {
    let source = Expr::column(&column.name);
    let length = Expr::call(Function::Length, vec![source]);
    let value = Expr::call(
        Function::If,
        vec![
            length.binary(Operator::Equal, Expr::integer(0)),
            Expr::text(""),
            value,
        ],
    );
    fit::in_charset(column, value)
}

fn no_fit(kind: &str, fits: &str) -> String {
    format!("\"{kind}\" fits {fits}; use another kind, or `sql`")
}

fn hash(column: &Column, is_json: bool, digest: &Expr) -> Result<Made, String> {
    let made = |expr, space, shape: String| Ok(Made { expr, space, shape });
    if is_json {
        let quoted = vec![Expr::text("\""), digest.clone(), Expr::text("\"")];
        return made(
            Expr::call(Function::Concat, quoted),
            Space::Nothing,
            "json".into(),
        );
    }
    match fit::fitted(column) {
        Fitted::Text(length) => {
            let width = length.map_or(64, |length| length.min(64));
            made(
                text(column, left(digest.clone(), width)),
                Space::Hex {
                    before: 0,
                    digits: width,
                },
                format!("text {width}"),
            )
        }
        Fitted::Bytes { length, padded } => {
            let width = length.map_or(32, |length| length.min(32));
            let bytes = Expr::call(Function::Unhex, vec![left(digest.clone(), 2 * width)]);
            let bytes = match length {
                Some(length) if padded && length > width => Expr::call(
                    Function::Rpad,
                    vec![bytes, Expr::integer(length), Expr::bytes(&[0])],
                ),
                _ => bytes,
            };
            made(bytes, Space::Bytes(width), format!("bytes {width}"))
        }
        Fitted::Integer { least: 0, greatest } => {
            let expr = if greatest == i128::from(u64::MAX) {
                number64(digest)
            } else {
                modulo(number64(digest), greatest + 1)
            };
            made(
                expr,
                Space::Numbers(greatest + 1),
                format!("below {greatest}"),
            )
        }
        Fitted::Integer { greatest, .. } => {
            let (expr, numbers) = if greatest == i128::from(i64::MAX) {
                // All 64 bits, negative numbers among them.
                (number64(digest).cast(CastType::Signed), 1 << 64)
            } else {
                (modulo(number64(digest), greatest + 1), greatest + 1)
            };
            made(
                expr,
                Space::Numbers(numbers),
                format!("signed below {greatest}"),
            )
        }
        Fitted::Decimal { precision, scale } if precision > scale => {
            let whole = precision - scale;
            let (expr, numbers) = if whole >= 20 {
                (number64(digest), 1 << 64)
            } else {
                let numbers = 10_i128.pow(whole);
                (modulo(number64(digest), numbers), numbers)
            };
            made(
                expr.cast(CastType::Decimal(precision, scale)),
                Space::Numbers(numbers),
                format!("decimal {whole}"),
            )
        }
        Fitted::Uuid => {
            let part = |from: u32, length: u32| {
                Expr::call(
                    Function::Substring,
                    vec![digest.clone(), Expr::integer(from), Expr::integer(length)],
                )
            };
            let parts = vec![
                Expr::text("-"),
                part(1, 8),
                part(9, 4),
                part(13, 4),
                part(17, 4),
                part(21, 12),
            ];
            // CONCAT_WS passes NULL by.
            let expr = unless_null(column, Expr::call(Function::ConcatWs, parts));
            made(expr, Space::Numbers(i128::MAX), "uuid".into())
        }
        _ => Err(no_fit(
            "hash",
            "text, binary, integer, decimal, JSON and UUID columns",
        )),
    }
}

fn email(column: &Column, is_json: bool, digest: &Expr) -> Result<Made, String> {
    let Fitted::Text(length) = fit::fitted(column) else {
        return Err(no_fit("email", "text columns"));
    };
    let around = 1 + u32::try_from(DOMAIN.len()).unwrap_or(0);
    let digits = length.map_or(16, |length| length.saturating_sub(around).min(16));
    if is_json || digits < 4 {
        return Err(no_fit("email", "text columns of at least 17 characters"));
    }
    let parts = vec![
        Expr::text("u"),
        left(digest.clone(), digits),
        Expr::text(DOMAIN),
    ];
    Ok(Made {
        expr: text(column, Expr::call(Function::Concat, parts)),
        space: Space::Hex { before: 1, digits },
        shape: format!("text {digits}"),
    })
}

fn name(column: &Column, is_json: bool, part: NamePart, digest: &Expr) -> Result<Made, String> {
    let Fitted::Text(length) = fit::fitted(column) else {
        return Err(no_fit("name", "text columns"));
    };
    if is_json {
        return Err(no_fit("name", "text columns"));
    }
    let choose = |names: &[&str; 32], from: u32| {
        let mut arguments =
            vec![modulo(number(digest, from, 4), 32).binary(Operator::Plus, Expr::integer(1))];
        arguments.extend(names.iter().map(|name| Expr::text(name)));
        Expr::call(Function::Elt, arguments)
    };
    let (expr, numbers) = match part {
        NamePart::First => (choose(&FIRST, 1), 32),
        NamePart::Last => (choose(&LAST, 5), 32),
        NamePart::Full => {
            let parts = vec![choose(&FIRST, 1), Expr::text(" "), choose(&LAST, 5)];
            (Expr::call(Function::Concat, parts), 1024)
        }
    };
    let expr = match length {
        Some(length) => left(expr, length),
        None => expr,
    };
    Ok(Made {
        expr: text(column, expr),
        space: Space::Numbers(numbers),
        shape: format!("{part:?} {length:?}"),
    })
}

fn phone(column: &Column, is_json: bool, unique: bool, digest: &Expr) -> Result<Made, String> {
    const FITS: &str = "text columns of at least 7 characters, and numbers of at least 9 digits";
    match fit::fitted(column) {
        Fitted::Text(length) if !is_json => {
            let room = length.map_or(u32::MAX, |length| {
                length.saturating_sub(u32::try_from(NOWHERE.len()).unwrap_or(0))
            });
            // A unique column gets all 64 bits, where it has the room.
            let digits = if unique && room >= 20 {
                20
            } else {
                room.min(9)
            };
            if digits < 3 {
                return Err(no_fit("phone", FITS));
            }
            let number = if digits == 20 {
                number64(digest)
            } else {
                modulo(number64(digest), 10_i128.pow(digits))
            };
            let padded = Expr::call(
                Function::Lpad,
                vec![number, Expr::integer(digits), Expr::text("0")],
            );
            let parts = vec![Expr::text(NOWHERE), padded];
            Ok(Made {
                expr: text(column, Expr::call(Function::Concat, parts)),
                space: Space::Numbers(if digits == 20 {
                    1 << 64
                } else {
                    10_i128.pow(digits)
                }),
                shape: format!("text {digits}"),
            })
        }
        Fitted::Integer { greatest, .. } if greatest >= 999_999_999 => Ok(Made {
            expr: modulo(number64(digest), 1_000_000_000),
            space: Space::Numbers(1_000_000_000),
            shape: "number".into(),
        }),
        _ => Err(no_fit("phone", FITS)),
    }
}

fn digits(column: &Column, is_json: bool, digest: &Expr) -> Result<Made, String> {
    // a to f become digits as well.
    let decimal = [
        ("a", "0"),
        ("b", "1"),
        ("c", "2"),
        ("d", "3"),
        ("e", "4"),
        ("f", "5"),
    ]
    .iter()
    .fold(digest.clone(), |stream, (letter, digit)| {
        Expr::call(
            Function::Replace,
            vec![stream, Expr::text(letter), Expr::text(digit)],
        )
    });
    let source = Expr::column(&column.name);
    let cut = |length: Expr| Expr::call(Function::Left, vec![decimal.clone(), length]);
    match fit::fitted(column) {
        Fitted::Text(_) if !is_json => {
            let length = Expr::call(Function::CharLength, vec![source]);
            Ok(Made {
                expr: fit::in_charset(column, cut(length)),
                space: Space::Few,
                shape: "text".into(),
            })
        }
        Fitted::Integer { greatest, .. } => {
            // A digit fewer than the type's greatest number has: these always fit.
            let most = greatest.to_string().len().saturating_sub(1).clamp(1, 18);
            let plain = source.binary(Operator::Plus, Expr::integer(0));
            let unsigned = Expr::call(
                Function::Replace,
                vec![plain, Expr::text("-"), Expr::text("")],
            );
            let length = Expr::call(
                Function::Least,
                vec![
                    Expr::call(Function::CharLength, vec![unsigned]),
                    Expr::integer(i128::try_from(most).unwrap_or(1)),
                ],
            );
            Ok(Made {
                expr: cut(length).cast(CastType::Unsigned),
                space: Space::Few,
                shape: format!("number {most}"),
            })
        }
        _ => Err(no_fit("digits", "text and integer columns")),
    }
}

fn date_shift(column: &Column, days: u32, digest: &Expr) -> Result<Made, String> {
    let Fitted::Date {
        fraction,
        is_timestamp,
    } = fit::fitted(column)
    else {
        return Err(no_fit("date_shift", "DATE, DATETIME and TIMESTAMP columns"));
    };
    let source = Expr::column(&column.name);
    let amount =
        modulo(number(digest, 1, 8), i128::from(days)).binary(Operator::Plus, Expr::integer(1));
    let earlier = source.clone().moved(amount.clone(), Unit::Day, true);
    let moved = if is_timestamp {
        // A TIMESTAMP begins in 1970: the first years move the other way.
        Expr::call(
            Function::If,
            vec![
                source
                    .clone()
                    .binary(Operator::Less, Expr::text("1981-01-01 00:00:00")),
                source.clone().moved(amount, Unit::Day, false),
                earlier,
            ],
        )
    } else {
        earlier
    };
    let (target, zero, otherwise) = match fraction {
        None => (CastType::Date, "0000-00-00", "2000-01-01"),
        Some(fraction) => (
            CastType::Datetime(fraction),
            "0000-00-00 00:00:00",
            "2000-01-01 00:00:00",
        ),
    };
    let number = source.clone().binary(Operator::Plus, Expr::integer(0));
    let expr = Expr::case(
        None,
        vec![
            (source.is_null(), Expr::null()),
            (
                number.binary(Operator::Equal, Expr::integer(0)),
                Expr::text(zero),
            ),
        ],
        // A date that is none (2020-02-00) has no day before it.
        Some(Expr::call(
            Function::IfNull,
            vec![moved, Expr::text(otherwise)],
        )),
    );
    Ok(Made {
        expr: expr.cast(target),
        space: Space::Few,
        shape: format!("{days} {fraction:?} {is_timestamp}"),
    })
}

fn redact(column: &Column, is_json: bool) -> Result<Made, String> {
    if is_json {
        return Ok(Made {
            expr: unless_null(column, Expr::text("\"***\"")),
            space: Space::One,
            shape: String::new(),
        });
    }
    let Fitted::Text(_) = fit::fitted(column) else {
        return Err(no_fit("redact", "text and JSON columns"));
    };
    let length = Expr::call(Function::CharLength, vec![Expr::column(&column.name)]);
    let most = Expr::call(Function::Least, vec![length, Expr::integer(1000)]);
    let stars = Expr::call(Function::Repeat, vec![Expr::text("*"), most]);
    Ok(Made {
        expr: fit::in_charset(column, stars),
        space: Space::Few,
        shape: String::new(),
    })
}
