//! Which column types hold which: what decides whether a changed type loses anything, and when it is changed.
//!
//! Must never call a change harmless that is not: in doubt a type does not fit.

use crate::schema::table::{Column, DataType, TypeClass as T};
use crate::schema::{Vendor, charset};

/// Returns whether every value of one column is, unchanged, a value of the other.
pub fn fits(from: &Column, to: &Column) -> bool {
    if from.data_type == to.data_type && from.charset == to.charset && from.srid == to.srid {
        return true;
    }
    let (Some(from_class), Some(to_class)) = (from.data_type.class(), to.data_type.class()) else {
        return false;
    };
    match (from_class, to_class) {
        (T::Integer | T::Year, T::Integer) => {
            let (low, high) = integer_range(&from.data_type);
            let (to_low, to_high) = integer_range(&to.data_type);
            low >= to_low && high <= to_high
        }
        (T::Integer, T::Decimal) => decimal_range(&to.data_type).is_some_and(|(whole, _)| {
            let (low, high) = integer_range(&from.data_type);
            digits(low.abs().max(high)) <= whole && (low >= 0 || !to.data_type.unsigned)
        }),
        (T::Integer, T::Double) => {
            integer_range(&from.data_type).1 < 1 << 53 && !to.data_type.unsigned
        }
        (T::Integer, T::Float) => {
            integer_range(&from.data_type).1 < 1 << 24 && !to.data_type.unsigned
        }
        (T::Decimal, T::Decimal) => {
            match (decimal_range(&from.data_type), decimal_range(&to.data_type)) {
                (Some((whole, scale)), Some((to_whole, to_scale))) => {
                    whole <= to_whole
                        && scale <= to_scale
                        && (from.data_type.unsigned || !to.data_type.unsigned)
                }
                _ => false,
            }
        }
        (T::Float, T::Float | T::Double) | (T::Double, T::Double) => {
            to.data_type.arguments.is_none() && (from.data_type.unsigned || !to.data_type.unsigned)
        }
        (T::Bit, T::Bit) => length(&from.data_type, 1) <= length(&to.data_type, 1),
        (T::Integer, T::Text | T::LongText) => capacity(to).is_some_and(|limit| {
            let (low, high) = integer_range(&from.data_type);
            limit.characters >= digits(low).max(digits(high)) && !from.data_type.zerofill
        }),
        (T::Decimal, T::Text | T::LongText) => {
            match (decimal_range(&from.data_type), capacity(to)) {
                (Some((whole, 0)), Some(limit)) => {
                    limit.characters > whole && !from.data_type.zerofill
                }
                _ => false,
            }
        }
        (T::Text | T::LongText, T::Text | T::LongText) => text_fits(from, to),
        (T::Text | T::LongText, T::Blob) => match (capacity(from), capacity(to)) {
            (Some(from), Some(to)) => from.bytes <= to.bytes,
            _ => false,
        },
        (T::Binary | T::Blob, T::Binary | T::Blob) => {
            to.data_type.base != "binary"
                && to.data_type.base != "vector"
                && match (capacity(from), capacity(to)) {
                    (Some(from), Some(to)) => from.bytes <= to.bytes,
                    _ => false,
                }
        }
        (T::Json, T::LongText) => {
            to.data_type.base == "longtext" && to.charset.as_deref() == Some("utf8mb4")
        }
        (T::Enum, T::Enum) | (T::Set, T::Set) => {
            let wanted = members(&to.data_type);
            charset_fits(from, to)
                && members(&from.data_type)
                    .iter()
                    .all(|member| wanted.contains(member))
        }
        (T::Enum | T::Set, T::Text | T::LongText) => {
            let longest = if from_class == T::Set {
                from.data_type.arguments.as_deref().unwrap_or("").len()
            } else {
                members(&from.data_type)
                    .iter()
                    .map(|member| member.chars().count().saturating_sub(2))
                    .max()
                    .unwrap_or(0)
            };
            to.data_type.base != "char"
                && charset_fits(from, to)
                && capacity(to).is_some_and(|limit| limit.characters >= longest as u64)
        }
        (T::Temporal | T::Timestamp, T::Temporal | T::Timestamp) => temporal_fits(from, to),
        (T::Geometry, T::Geometry) => {
            to.data_type.base == "geometry" && (to.srid.is_none() || to.srid == from.srid)
                || (to.data_type == from.data_type && to.srid.is_none())
        }
        (T::TextualBinary, T::Text | T::LongText) => {
            capacity(to).is_some_and(|limit| limit.characters >= 45)
        }
        _ => false,
    }
}

/// Returns whether two SETs have members in another order: a value is written with its members in that of its column.
pub(crate) fn set_reordered(from: &Column, to: &Column) -> bool {
    if [from, to]
        .iter()
        .any(|column| column.data_type.class() != Some(T::Set))
    {
        return false;
    }
    let (from, to) = (members(&from.data_type), members(&to.data_type));
    let places: Vec<usize> = from
        .iter()
        .filter_map(|member| to.iter().position(|other| other == member))
        .collect();
    !places.is_sorted()
}

/// Returns whether a conversion may be refused though the values fit: MySQL takes no decimal beyond the signed range to an
/// unsigned BIGINT (error 1292). It does so from a whole one's text.
pub(crate) fn refuses_large(local: &Column, remote: &Column, vendor: Vendor) -> bool {
    vendor == Vendor::MySql
        && remote.data_type.class() == Some(T::Integer)
        && integer_range(&remote.data_type).1 >= 1 << 63
        && decimal_range(&local.data_type).is_some_and(|(whole, _)| whole >= 19)
}

/// Returns a type that holds the values of both columns, where one is at hand.
pub(crate) fn union(local: &Column, remote: &Column, vendor: Vendor) -> Option<Column> {
    let (local_class, remote_class) = (local.data_type.class()?, remote.data_type.class()?);
    let mut union = local.clone();
    match (local_class, remote_class) {
        (T::Integer, T::Integer) => {
            let (low, high) = integer_range(&local.data_type);
            let (other_low, other_high) = integer_range(&remote.data_type);
            let (low, high) = (low.min(other_low), high.max(other_high));
            let base = ["tinyint", "smallint", "mediumint", "int", "bigint"]
                .into_iter()
                .find(|base| {
                    let (base_low, base_high) = integer_range(&plain(base, None));
                    base_low <= low && base_high >= high
                });
            union.data_type = match base {
                Some(base) => plain(base, None),
                None if local.auto_increment || remote.auto_increment => return None,
                // Neither server reads back from the other's detour what is beyond the signed range.
                None if vendor == Vendor::MySql => plain("varchar", Some("20".to_owned())),
                None => plain("decimal", Some("20,0".to_owned())),
            };
        }
        (T::Decimal, T::Integer)
            if refuses_large(local, remote, vendor)
                && decimal_range(&local.data_type).is_some_and(|(_, scale)| scale == 0) =>
        {
            let longest = printed_length(&local.data_type).max(20);
            union.data_type = plain("varchar", Some(longest.to_string()));
            in_ascii(&mut union);
            return Some(union);
        }
        (T::Decimal, T::Decimal) => {
            let (whole, scale) = decimal_range(&local.data_type)?;
            let (other_whole, other_scale) = decimal_range(&remote.data_type)?;
            let (whole, scale) = (whole.max(other_whole), scale.max(other_scale));
            if whole + scale > 65 || scale > 30 {
                return None;
            }
            union.data_type = plain("decimal", Some(format!("{},{scale}", whole + scale)));
        }
        (T::Enum, T::Enum) | (T::Set, T::Set) => {
            let mut all = members(&remote.data_type);
            for member in members(&local.data_type) {
                if !all.contains(&member) {
                    all.push(member);
                }
            }
            if local_class == T::Set && all.len() > 64 {
                return None;
            }
            union.data_type.arguments = Some(all.join(","));
            wider_charset(&mut union, remote)?;
        }
        (T::Text, T::Text) => {
            let longest = length(&local.data_type, 1).max(length(&remote.data_type, 1));
            union.data_type = plain("varchar", Some(longest.to_string()));
            wider_charset(&mut union, remote)?;
        }
        (T::LongText, T::LongText) => {
            if capacity(local)?.bytes < capacity(remote)?.bytes {
                union.data_type = remote.data_type.clone();
            }
            wider_charset(&mut union, remote)?;
        }
        // Text holds what either prints; a conversion of local's stale texts must wait until the rows are mended.
        (T::Text, T::Integer | T::Year | T::Decimal | T::Temporal | T::Timestamp)
            if vendor == Vendor::MySql || integer_range(&remote.data_type).1 < 1 << 63 =>
        {
            let longest = length(&local.data_type, 1).max(printed_length(&remote.data_type));
            union.data_type = plain("varchar", Some(longest.to_string()));
            return Some(union);
        }
        (T::Integer | T::Year | T::Decimal | T::Temporal | T::Timestamp, T::Text) => {
            let longest = length(&remote.data_type, 1).max(printed_length(&local.data_type));
            union = Column {
                charset: remote.charset.clone(),
                collation: remote.collation.clone(),
                explicit_charset: true,
                explicit_collation: true,
                default: union.default,
                ..union
            };
            union.data_type = plain("varchar", Some(longest.to_string()));
            return Some(union);
        }
        (T::Temporal | T::Timestamp, T::Temporal | T::Timestamp)
            if local.data_type.base != "time" && remote.data_type.base != "time" =>
        {
            let fraction = fraction(&local.data_type).max(fraction(&remote.data_type));
            union.data_type = plain("datetime", (fraction > 0).then(|| fraction.to_string()));
        }
        _ => return None,
    }
    if union.data_type.has_charset() && union.charset.is_none() {
        in_ascii(&mut union);
    }
    (fits(local, &union) && fits(remote, &union)).then_some(union)
}

fn in_ascii(column: &mut Column) {
    column.charset = Some("ascii".to_owned());
    column.collation = Some("ascii_general_ci".to_owned());
    column.explicit_charset = true;
    column.explicit_collation = true;
}

fn wider_charset(union: &mut Column, remote: &Column) -> Option<()> {
    let (own, other) = (union.charset.as_deref()?, remote.charset.as_deref()?);
    if !charset::widens(other, own) {
        let wide = if charset::widens(own, other) {
            (remote.charset.clone(), remote.collation.clone())
        } else {
            (
                Some("utf8mb4".to_owned()),
                Some("utf8mb4_general_ci".to_owned()),
            )
        };
        (union.charset, union.collation) = wide;
        union.explicit_charset = true;
        union.explicit_collation = true;
    }
    Some(())
}

fn plain(base: &str, arguments: Option<String>) -> DataType {
    DataType {
        base: base.to_owned(),
        arguments,
        unsigned: false,
        zerofill: false,
    }
}

/// How many characters a number or a time takes as text at most.
fn printed_length(data_type: &DataType) -> u64 {
    match data_type.class() {
        Some(T::Integer | T::Year) => {
            let (low, high) = integer_range(data_type);
            digits(low).max(digits(high))
        }
        Some(T::Decimal) => decimal_range(data_type).map_or(67, |(whole, scale)| whole + scale + 2),
        // `2026-11-24 06:15:00.123456`
        _ => 26,
    }
}

pub(crate) fn integer_range(data_type: &DataType) -> (i128, i128) {
    let bits = match data_type.base.as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "bigint" => 64,
        "year" => return (0, 2155),
        _ => 32,
    };
    if data_type.unsigned || data_type.zerofill {
        (0, (1 << bits) - 1)
    } else {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    }
}

fn digits(number: i128) -> u64 {
    number.to_string().len() as u64
}

/// Digits before and behind the point.
pub(crate) fn decimal_range(data_type: &DataType) -> Option<(u64, u64)> {
    let arguments = data_type.arguments.as_deref().unwrap_or("10,0");
    let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    let precision: u64 = precision.trim().parse().ok()?;
    let scale: u64 = scale.trim().parse().ok()?;
    Some((precision.checked_sub(scale)?, scale))
}

pub(crate) fn length(data_type: &DataType, default: u64) -> u64 {
    data_type
        .arguments
        .as_deref()
        .and_then(|arguments| arguments.trim().parse().ok())
        .unwrap_or(default)
}

pub(crate) fn fraction(data_type: &DataType) -> u64 {
    length(data_type, 0)
}

/// What a string or byte column holds at most.
pub(crate) struct Capacity {
    pub(crate) characters: u64,
    pub(crate) bytes: u64,
}

pub(crate) fn capacity(column: &Column) -> Option<Capacity> {
    let limit = match column.data_type.base.as_str() {
        "char" | "varchar" | "binary" | "varbinary" => {
            let characters = length(&column.data_type, 1);
            let width = column.charset.as_deref().map_or(1, max_width);
            return Some(Capacity {
                characters,
                bytes: characters * width,
            });
        }
        "tinytext" | "tinyblob" => 255,
        "text" | "blob" => 65_535,
        "mediumtext" | "mediumblob" => 16_777_215,
        "longtext" | "longblob" => 4_294_967_295,
        _ => return None,
    };
    Some(Capacity {
        characters: limit,
        bytes: limit,
    })
}

fn max_width(charset: &str) -> u64 {
    match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => 4,
        "utf8" | "utf8mb3" | "ujis" | "eucjpms" => 3,
        "ucs2" | "big5" | "gbk" | "gb2312" | "sjis" | "cp932" | "euckr" => 2,
        _ => 1,
    }
}

fn charset_fits(from: &Column, to: &Column) -> bool {
    match (from.charset.as_deref(), to.charset.as_deref()) {
        (Some(from), Some(to)) => charset::widens(from, to),
        _ => false,
    }
}

/// CHAR drops trailing blanks, so only CHAR fits into it. A counted type is measured in characters, a TEXT in bytes.
fn text_fits(from: &Column, to: &Column) -> bool {
    let counted = |column: &Column| matches!(column.data_type.base.as_str(), "char" | "varchar");
    let (Some(limit), Some(to_limit)) = (capacity(from), capacity(to)) else {
        return false;
    };
    let long_enough = match (counted(from), counted(to)) {
        (true, false) => {
            limit.characters * to.charset.as_deref().map_or(4, max_width) <= to_limit.bytes
        }
        (false, false) => limit.bytes <= to_limit.bytes,
        (_, true) => limit.characters <= to_limit.characters,
    };
    long_enough
        && charset_fits(from, to)
        && (to.data_type.base != "char" || from.data_type.base == "char")
}

fn temporal_fits(from: &Column, to: &Column) -> bool {
    let enough = fraction(&from.data_type) <= fraction(&to.data_type);
    match (from.data_type.base.as_str(), to.data_type.base.as_str()) {
        ("date" | "timestamp" | "datetime", "datetime")
        | ("timestamp", "timestamp")
        | ("time", "time") => enough || from.data_type.base == "date",
        ("date", "date") => true,
        _ => false,
    }
}

/// The members of an ENUM or SET as printed, quotes included.
pub(crate) fn members(data_type: &DataType) -> Vec<String> {
    let mut members = Vec::new();
    let mut member = String::new();
    let mut quoted = false;
    let mut characters = data_type.arguments.as_deref().unwrap_or("").chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => {
                member.push(character);
                member.extend(characters.next());
                continue;
            }
            '\'' => quoted = !quoted,
            ',' if !quoted => {
                members.push(std::mem::take(&mut member));
                continue;
            }
            _ => {}
        }
        member.push(character);
    }
    members.push(member);
    members
}
