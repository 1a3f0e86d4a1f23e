//! What an incremental comparison reads: rows by the time of their last change, from a moment on.
//!
//! Pure. Must never leave out a row whose time is unknown (NULL, zero), and must never take a time for later than the
//! remote's own clock: a row dated into the future would hide every change until then.

use super::chunk::{self, Key, KeySide};
use crate::schema::table::{Column, Index, IndexKind, Table, TypeClass};
use crate::sql::expr::Operator;
use crate::sql::{Expr, Select};
use crate::value::{Cell, Value};
use anyhow::{Context, Result};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// Microseconds since 1970.
pub type Moment = i128;

/// Microseconds of a second.
pub const SECOND: Moment = 1_000_000;

/// Rows up to which a table is read without an index on its time column, by the server's estimate.
const SMALL_TABLE: u64 = 100_000;

/// What a time column is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    /// Seconds since 1970, or milliseconds, microseconds, nanoseconds: told by their size.
    Integer,
    /// DATE, in the zone of whoever writes it.
    Date,
    /// DATETIME, in the zone of whoever writes it.
    Datetime,
    /// TIMESTAMP, read in UTC.
    Timestamp,
}

/// What a time column tells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// When it was last changed.
    Changes,
    /// When it was made.
    NewRows,
}

/// A column by which changed rows are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub kind: TimeKind,
    /// What it tells.
    pub tells: Tells,
    /// The remote's index that it leads, if there is one.
    pub index: Option<String>,
}

/// The remote's clock, read before the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// UTC.
    pub utc: Moment,
    /// Seconds that the server's own time zone is ahead of UTC.
    pub ahead: i64,
}

/// What is read of a table that has a valid watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// Rows of this time and later are read; a literal of the column.
    pub from: String,
    /// Rows to look at again whatever their time: values of the key's columns, in key order.
    pub keys: Vec<Vec<Value>>,
    /// Whether the keys of all rows are compared as well.
    pub check_deletes: bool,
}

impl TimeColumn {
    /// Returns whether a column can serve, with the reason where it cannot.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn of(table: &Table, column: &Column, tells: Tells, rows: u64) -> Result<Self, String> {
        let name = &column.name;
        if column.generated.is_some() {
            return Err(format!("`{name}` is computed from other columns"));
        }
        let kind = match (column.data_type.class(), column.data_type.base.as_str()) {
            (Some(TypeClass::Timestamp), _) => TimeKind::Timestamp,
            (Some(TypeClass::Temporal), "datetime") => TimeKind::Datetime,
            (Some(TypeClass::Temporal), "date") => TimeKind::Date,
            (Some(TypeClass::Integer), "int" | "integer" | "bigint") => TimeKind::Integer,
            _ => {
                return Err(format!(
                    "`{name}` is {} and holds no time",
                    column.data_type.base
                ));
            }
        };
        let index = leading_index(table, name);
        if index.is_none() && rows >= SMALL_TABLE {
            return Err(format!(
                "`{name}` leads no index on production, and the table has about {rows} rows"
            ));
        }
        Ok(Self {
            name: name.clone(),
            kind,
            tells,
            index,
        })
    }

    /// Reads a value of the column; `None` for what is no time (NULL, zero, 31 February, a number too small).
    pub fn moment(&self, text: &str) -> Option<Moment> {
        match self.kind {
            TimeKind::Integer => {
                let number = text.parse::<i128>().ok()?;
                Some(number * SECOND / unit(number)?)
            }
            TimeKind::Date => parse(&format!("{text} 00:00:00")),
            TimeKind::Datetime | TimeKind::Timestamp => parse(text),
        }
    }

    /// Returns a time as the column spells it, rounded down to whole seconds; an integer in the unit of `like`.
    fn spelt(&self, moment: Moment, like: &str) -> Option<String> {
        let seconds = i64::try_from(moment.div_euclid(SECOND)).ok()?;
        if self.kind == TimeKind::Integer {
            let unit = unit(like.parse::<i128>().ok()?)?;
            return Some((i128::from(seconds) * unit).to_string());
        }
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let date = format!(
            "{:04}-{:02}-{:02}",
            at.year(),
            u8::from(at.month()),
            at.day()
        );
        Some(match self.kind {
            TimeKind::Date => date,
            _ => format!(
                "{date} {:02}:{:02}:{:02}",
                at.hour(),
                at.minute(),
                at.second()
            ),
        })
    }

    /// The remote's clock as the column would show it.
    fn now(&self, clock: &Clock) -> Moment {
        match self.kind {
            TimeKind::Integer | TimeKind::Timestamp => clock.utc,
            TimeKind::Date | TimeKind::Datetime => clock.utc + Moment::from(clock.ahead) * SECOND,
        }
    }

    /// Returns the watermark for the greatest time seen: itself, but no later than the remote's clock. With `coarse` it
    /// is rounded down to the minute, so that it is no value of a row. `None` where it is no time.
    pub fn watermark(&self, greatest: &str, clock: &Clock, coarse: bool) -> Option<String> {
        let seen = self.moment(greatest)?;
        let now = self.now(clock);
        if seen <= now && !coarse {
            return Some(greatest.to_owned());
        }
        let mut moment = seen.min(now);
        if coarse {
            moment -= moment.rem_euclid(60 * SECOND);
        }
        self.spelt(moment, greatest)
    }

    /// Returns the later of two watermarks.
    pub fn later(&self, one: &str, other: &str) -> String {
        let later = if self.moment(one) >= self.moment(other) {
            one
        } else {
            other
        };
        later.to_owned()
    }

    /// Returns where reading begins: the watermark, less an overlap in microseconds. `None` where it is no time.
    pub fn from(&self, watermark: &str, overlap: Moment) -> Option<String> {
        let mut from = self.moment(watermark)? - overlap;
        if self.kind == TimeKind::Timestamp {
            // The type holds nothing earlier.
            from = from.max(SECOND);
        }
        self.spelt(from.max(0), watermark)
    }

    fn literal(&self, text: &str) -> Result<Expr> {
        match self.kind {
            TimeKind::Integer => Expr::decimal(text)
                .with_context(|| format!("a value of `{}` is no number", self.name)),
            _ => Ok(Expr::text(text)),
        }
    }

    fn zero(&self) -> Expr {
        match self.kind {
            TimeKind::Integer => Expr::integer(0),
            TimeKind::Date => Expr::text("0000-00-00"),
            _ => Expr::text("0000-00-00 00:00:00"),
        }
    }

    fn is_zero(text: &str) -> bool {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0' | b'-' | b':' | b' ' | b'.'))
    }

    /// Returns whether a page can end with a row of that time, so that the next goes on behind it.
    pub fn can_end(&self, time: &Cell) -> bool {
        match time {
            None => true,
            Some(bytes) => std::str::from_utf8(bytes)
                .is_ok_and(|text| Self::is_zero(text) || self.moment(text).is_some()),
        }
    }

    /// Returns the condition for the rows from a time on, and those without a time; behind a row where that is given.
    ///
    /// # Errors
    /// Where a value is none of its column.
    pub fn filter(&self, from: &str, behind: Option<&(Cell, Key)>, key: &KeySide) -> Result<Expr> {
        let column = || Expr::column(&self.name);
        let unknown = || column().is_null();
        let zero = || column().binary(Operator::Equal, self.zero());
        let known = || -> Result<Expr> {
            Ok(column().binary(Operator::GreaterOrEqual, self.literal(from)?))
        };
        let Some((time, last)) = behind else {
            return Ok(Expr::any(vec![known()?, unknown(), zero()]));
        };
        let same =
            |same: Expr| -> Result<Expr> { Ok(Expr::all(vec![same, chunk::after(key, last)?])) };
        let Some(time) = time else {
            return Ok(Expr::any(vec![same(unknown())?, zero(), known()?]));
        };
        let text = std::str::from_utf8(time)
            .with_context(|| format!("a value of `{}` is no time", self.name))?;
        if Self::is_zero(text) {
            return Ok(Expr::any(vec![same(zero())?, known()?]));
        }
        let equal = column().binary(Operator::Equal, self.literal(text)?);
        let later = column().binary(Operator::Greater, self.literal(text)?);
        Ok(Expr::any(vec![same(equal)?, later]))
    }

    /// Orders a page by time and key, through the index.
    #[must_use]
    pub fn in_order(&self, select: Select, key: &KeySide) -> Select {
        let mut order = vec![Expr::column(&self.name)];
        order.extend(key.columns.iter().map(|column| Expr::column(&column.name)));
        let select = select.order_by(order);
        match &self.index {
            Some(index) => select.force_index(index),
            None => select,
        }
    }
}

/// Returns whether rows can be gone through in the order of the table's key.
pub fn key_is_ordered(table: &Table) -> bool {
    table.comparison_key().is_some_and(|columns| {
        columns.iter().all(|column| {
            matches!(
                column.data_type.class(),
                Some(
                    TypeClass::Integer
                        | TypeClass::Decimal
                        | TypeClass::Year
                        | TypeClass::Temporal
                        | TypeClass::Timestamp
                        | TypeClass::Text
                        | TypeClass::Binary
                        | TypeClass::TextualBinary
                )
            )
        })
    })
}

fn leading_index(table: &Table, name: &str) -> Option<String> {
    let leads = |index: &&Index| {
        matches!(
            index.kind,
            IndexKind::Primary | IndexKind::Unique | IndexKind::Plain
        ) && !index.options.iter().any(|option| {
            let option = option.to_uppercase();
            option.contains("HASH") || option == "INVISIBLE" || option == "IGNORED"
        }) && index.parts.first().is_some_and(|part| {
            part.prefix.is_none()
                && part
                    .column
                    .as_ref()
                    .is_some_and(|column| column.to_lowercase() == name.to_lowercase())
        })
    };
    // The shortest: its entries are nearest to (time, key).
    table
        .indexes
        .iter()
        .filter(leads)
        .min_by_key(|index| index.parts.len())
        .map(|index| index.name.clone())
}

/// How many of an epoch's units make a second; `None` for a number that is no time of our days.
fn unit(number: i128) -> Option<i128> {
    Some(match number {
        100_000_000..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
        100_000_000_000_000_000..100_000_000_000_000_000_000 => 1_000_000_000,
        _ => return None,
    })
}

/// Reads `2026-11-24 06:15:00.123456`.
pub fn parse(text: &str) -> Option<Moment> {
    let (date, clock) = text.split_once(' ')?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next()?);
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let time = Time::from_hms(
        hour.parse().ok()?,
        minute.parse().ok()?,
        second.parse().ok()?,
    )
    .ok()?;
    let micros = if fraction.is_empty() {
        0
    } else if fraction.len() <= 6 && fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{fraction:0<6}").parse::<Moment>().ok()?
    } else {
        return None;
    };
    let seconds = PrimitiveDateTime::new(date, time)
        .assume_utc()
        .unix_timestamp();
    Some(Moment::from(seconds) * SECOND + micros)
}

#[cfg(test)]
mod tests;
