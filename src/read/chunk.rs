//! Key ranges, and the buckets a range's rows are spread over.
//!
//! Must never compare with a row constructor (both servers scan the whole table for one: FACTS.md, finding 9), and must
//! never let a bound change the collation a key is compared under.

use super::encode::Encoding;
use crate::schema::table::{Column, TypeClass};
use crate::sql::expr::{Function, Operator};
use crate::sql::{Expr, Select};
use anyhow::{Context, Result, bail};

/// A row's key: each column's encoded bytes, in key order.
pub type Key = Vec<Vec<u8>>;

/// A key column as one side has it.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    /// Its name on that side.
    pub name: String,
    /// Its type's class on that side.
    pub class: TypeClass,
    /// Its character set on that side.
    pub charset: Option<String>,
    /// Its canonical encoding, the same on both sides.
    pub encoding: Encoding,
}

impl KeyColumn {
    /// Describes a key column; `None` where rows cannot be found by a value of it.
    pub fn new(column: &Column, encoding: Encoding) -> Option<Self> {
        let found_by_value = matches!(
            encoding,
            Encoding::Plain
                | Encoding::Number
                | Encoding::Bytes
                | Encoding::Utf8
                | Encoding::Decimal(..)
                | Encoding::Datetime(_)
                | Encoding::Time(_)
        );
        found_by_value.then_some(Self {
            name: column.name.clone(),
            class: column.data_type.class()?,
            charset: column.charset.clone(),
            encoding,
        })
    }

    fn source(&self) -> Expr {
        Expr::column(&self.name)
    }

    /// Returns the encoded column, by which rows are told apart.
    pub fn encoded(&self) -> Expr {
        self.encoding.apply(self.source())
    }

    /// Returns whether both servers keep the column in the same order, so that ranges of it hold the same keys.
    pub fn is_ordered(&self) -> bool {
        matches!(
            self.class,
            TypeClass::Integer
                | TypeClass::Decimal
                | TypeClass::Temporal
                | TypeClass::Timestamp
                | TypeClass::Text
                | TypeClass::Binary
                | TypeClass::TextualBinary
        ) && matches!(
            self.encoding,
            Encoding::Plain | Encoding::Number | Encoding::Bytes
        )
    }

    /// Returns the constant for a value of the column: in the column's own character set, so that the comparison keeps
    /// its collation and uses its index.
    fn literal(&self, value: &[u8]) -> Result<Expr> {
        let no_text = || format!("a key of `{}` is no text", self.name);
        Ok(match (self.class, self.encoding) {
            (_, Encoding::Utf8) => Expr::in_charset(value, "utf8mb4"),
            (TypeClass::Integer | TypeClass::Decimal | TypeClass::Bit, _)
            | (_, Encoding::Number | Encoding::Decimal(..)) => {
                let text = std::str::from_utf8(value).with_context(no_text)?;
                match Expr::decimal(text) {
                    Some(number) => number,
                    None => bail!("a key of `{}` is no number", self.name),
                }
            }
            (TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set, _) => {
                match self.charset.as_deref() {
                    Some("binary") => Expr::bytes(value),
                    charset => Expr::in_charset(value, charset.unwrap_or("utf8mb4")),
                }
            }
            (TypeClass::Binary | TypeClass::Blob, _) => Expr::bytes(value),
            _ => Expr::text(std::str::from_utf8(value).with_context(no_text)?),
        })
    }
}

/// A table's key as one side has it.
#[derive(Debug, Clone)]
pub struct KeySide {
    /// The columns in key order.
    pub columns: Vec<KeyColumn>,
    /// The index over them, where that side has one.
    pub index: Option<String>,
}

/// A range of keys. Ranges with an open end hold whatever lies beyond on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkRange {
    /// Every row.
    All,
    /// The integer first column is at least `from`, and below `to` where that is given.
    Lead {
        /// Lowest value.
        from: i128,
        /// First value that is not in the range.
        to: Option<i128>,
    },
    /// Keys behind `after`, up to and with `upto`.
    Ordered {
        /// The last key of the range before.
        after: Option<Key>,
        /// The last key of the range.
        upto: Option<Key>,
    },
}

impl ChunkRange {
    /// Returns the range in words; holds values of keys.
    pub fn in_words(&self) -> String {
        let key = |key: &Key| {
            let parts: Vec<String> = key
                .iter()
                .map(|part| format!("'{}'", String::from_utf8_lossy(part)))
                .collect();
            parts.join(", ")
        };
        match self {
            Self::All => "all".to_owned(),
            Self::Lead { from, to: None } => format!("from {from} on"),
            Self::Lead { from, to: Some(to) } => format!("from {from} to below {to}"),
            Self::Ordered { after, upto } => match (after, upto) {
                (None, None) => "all".to_owned(),
                (Some(after), None) => format!("behind {}", key(after)),
                (None, Some(upto)) => format!("up to {}", key(upto)),
                (Some(after), Some(upto)) => {
                    format!("behind {}, up to {}", key(after), key(upto))
                }
            },
        }
    }

    /// Returns the condition on one side.
    ///
    /// # Errors
    /// Where a bound is no value of its column.
    pub fn filter(&self, key: &KeySide) -> Result<Expr> {
        Ok(match self {
            Self::All => Expr::all(Vec::new()),
            Self::Lead { from, to } => {
                let Some(lead) = key.columns.first() else {
                    bail!("a range over a key without columns")
                };
                let mut conditions = vec![
                    lead.source()
                        .binary(Operator::GreaterOrEqual, Expr::integer(*from)),
                ];
                if let Some(to) = to {
                    conditions.push(lead.source().binary(Operator::Less, Expr::integer(*to)));
                }
                Expr::all(conditions)
            }
            Self::Ordered { after, upto } => {
                let mut conditions = Vec::new();
                if let Some(after) = after {
                    conditions.push(beyond(key, after, Operator::Greater, false)?);
                }
                if let Some(upto) = upto {
                    conditions.push(beyond(key, upto, Operator::Less, true)?);
                }
                Expr::all(conditions)
            }
        })
    }

    /// Returns whether it is open at both ends.
    pub fn is_everything(&self) -> bool {
        match self {
            Self::All => true,
            Self::Lead { .. } => false,
            Self::Ordered { after, upto } => after.is_none() && upto.is_none(),
        }
    }
}

/// Returns the condition for keys within any of the ranges. Ranges of an integer first column are nested by halves, so
/// that the servers, which test every row they read against it, need a comparison for each halving instead of two for
/// each range: among 150 ranges a row's hash costs two thirds of what it does in a flat list. Both still read nothing but
/// the ranges.
///
/// # Errors
/// Where a bound is no value of its column.
pub fn within_any(ranges: &[&ChunkRange], key: &KeySide) -> Result<Expr> {
    let mut leads = ranges
        .iter()
        .filter_map(|range| match range {
            ChunkRange::Lead { from, to } => Some((*from, *to)),
            ChunkRange::All | ChunkRange::Ordered { .. } => None,
        })
        .collect::<Vec<_>>();
    leads.sort_unstable();
    let apart = leads
        .windows(2)
        .all(|pair| matches!(pair, [(_, Some(to)), (from, _)] if to <= from));
    match key.columns.first() {
        Some(lead) if !leads.is_empty() && leads.len() == ranges.len() && apart => {
            halved(&leads, lead, key)
        }
        _ => {
            let filters = ranges.iter().map(|range| range.filter(key));
            Ok(Expr::any(filters.collect::<Result<_>>()?))
        }
    }
}

fn halved(ranges: &[(i128, Option<i128>)], lead: &KeyColumn, key: &KeySide) -> Result<Expr> {
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    match (lower, upper) {
        ([], [(from, to)]) => {
            let (from, to) = (*from, *to);
            ChunkRange::Lead { from, to }.filter(key)
        }
        (_, [(middle, _), ..]) => {
            let side = |operator| lead.source().binary(operator, Expr::integer(*middle));
            Ok(Expr::any(vec![
                Expr::all(vec![side(Operator::Less), halved(lower, lead, key)?]),
                Expr::all(vec![
                    side(Operator::GreaterOrEqual),
                    halved(upper, lead, key)?,
                ]),
            ]))
        }
        (_, []) => Ok(Expr::any(Vec::new())),
    }
}

/// Returns the condition for keys behind `bound`.
///
/// # Errors
/// Where the bound is no value of its columns.
pub fn after(key: &KeySide, bound: &Key) -> Result<Expr> {
    beyond(key, bound, Operator::Greater, false)
}

/// `(a > x) OR (a = x AND b > y) OR …`, the one form for which both servers read nothing but the range. The bound on the
/// first column alone says the same again, for the optimiser.
fn beyond(key: &KeySide, bound: &Key, operator: Operator, inclusive: bool) -> Result<Expr> {
    let literals = key
        .columns
        .iter()
        .zip(bound)
        .map(|(column, value)| column.literal(value))
        .collect::<Result<Vec<_>>>()?;
    let equal = |position: usize| {
        key.columns[position]
            .source()
            .binary(Operator::Equal, literals[position].clone())
    };
    let mut alternatives = Vec::new();
    for position in 0..literals.len() {
        let mut conditions = (0..position).map(equal).collect::<Vec<_>>();
        let last = position + 1 == literals.len();
        let operator = match (operator, inclusive && last) {
            (Operator::Greater, true) => Operator::GreaterOrEqual,
            (Operator::Less, true) => Operator::LessOrEqual,
            (operator, _) => operator,
        };
        conditions.push(
            key.columns[position]
                .source()
                .binary(operator, literals[position].clone()),
        );
        alternatives.push(if conditions.len() == 1 {
            conditions.remove(0)
        } else {
            Expr::all(conditions)
        });
    }
    if alternatives.len() == 1 {
        return Ok(alternatives.remove(0));
    }
    let lead = match operator {
        Operator::Greater => Operator::GreaterOrEqual,
        _ => Operator::LessOrEqual,
    };
    let outer = key.columns[0].source().binary(lead, literals[0].clone());
    Ok(Expr::all(vec![outer, Expr::any(alternatives)]))
}

/// How a range's rows are spread over buckets inside one scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// By the integer first column: equal widths from `from` on. Buckets are ranges themselves.
    Lead {
        /// Where bucket 0 begins.
        from: i128,
        /// Values per bucket.
        width: i128,
    },
    /// By a CRC of the key (spreads, proves nothing).
    Spread {
        /// Number of buckets.
        count: u64,
    },
}

impl Buckets {
    /// Returns the bucket number of a row on one side.
    pub fn expr(&self, key: &KeySide) -> Expr {
        match self {
            Self::Lead { from, width } => match key.columns.first() {
                Some(lead) => lead
                    .source()
                    .binary(Operator::Minus, Expr::integer(*from))
                    .binary(Operator::IntegerDivide, Expr::integer(*width)),
                None => Expr::integer(0),
            },
            Self::Spread { count } => spread_key(key, *count),
        }
    }
}

/// Returns the number of the bucket that values are spread to.
pub fn spread(values: Vec<Expr>, count: u64) -> Expr {
    let mut parts = vec![Expr::text("#")];
    parts.extend(values);
    if parts.len() == 1 {
        // The servers want something to join.
        parts.push(Expr::text(""));
    }
    let joined = Expr::call(Function::ConcatWs, parts);
    Expr::call(Function::Crc32, vec![joined]).binary(Operator::Modulo, Expr::integer(count.max(1)))
}

/// As [`spread`], of a key's columns, which are never NULL: joining a single one would cost as much as its CRC.
fn spread_key(key: &KeySide, count: u64) -> Expr {
    let [column] = key.columns.as_slice() else {
        return spread(key.columns.iter().map(KeyColumn::encoded).collect(), count);
    };
    Expr::call(Function::Crc32, vec![column.encoded()])
        .binary(Operator::Modulo, Expr::integer(count.max(1)))
}

/// Returns the condition for the rows with the given keys.
///
/// # Errors
/// Where a key is no value of its columns.
pub fn key_is_in(key: &KeySide, keys: &[&Key]) -> Result<Expr> {
    if let [column] = key.columns.as_slice() {
        let values = keys
            .iter()
            .filter_map(|key| key.first())
            .map(|value| column.literal(value))
            .collect::<Result<Vec<_>>>()?;
        return Ok(column.source().is_in(values));
    }
    let alternatives = keys
        .iter()
        .map(|values| {
            let equal = key
                .columns
                .iter()
                .zip(values.iter())
                .map(|(column, value)| {
                    Ok(column
                        .source()
                        .binary(Operator::Equal, column.literal(value)?))
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(Expr::all(equal))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Expr::any(alternatives))
}

/// Selects the key of the row `rows` behind `bound`: the end of the next chunk. No row where fewer are left.
///
/// # Errors
/// Where the bound is no value of its columns.
pub fn boundary(
    table: &crate::schema::ObjectName,
    key: &KeySide,
    bound: Option<&Key>,
    rows: u64,
) -> Result<Select> {
    let filter = match bound {
        Some(bound) => after(key, bound)?,
        None => Expr::all(Vec::new()),
    };
    let select = Select::from(table, key.columns.iter().map(KeyColumn::encoded).collect())
        .filter(filter)
        .order_by(key.columns.iter().map(KeyColumn::source).collect())
        .limit(1, rows.saturating_sub(1));
    Ok(with_index(select, key))
}

/// Orders by the key.
#[must_use]
pub fn in_key_order(select: Select, key: &KeySide) -> Select {
    let select = select.order_by(key.columns.iter().map(KeyColumn::source).collect());
    with_index(select, key)
}

/// Forces the key's index, where the side has it.
#[must_use]
pub fn with_index(select: Select, key: &KeySide) -> Select {
    match &key.index {
        Some(index) => select.force_index(index),
        None => select,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeySide {
        let column = |name: &str, class, encoding| KeyColumn {
            name: name.into(),
            class,
            charset: Some("latin1".into()),
            encoding,
        };
        KeySide {
            columns: vec![
                column("a", TypeClass::Integer, Encoding::Plain),
                column("b", TypeClass::Text, Encoding::Bytes),
                column("c", TypeClass::Temporal, Encoding::Plain),
            ],
            index: Some("PRIMARY".into()),
        }
    }

    fn bound(a: &str, b: &[u8], c: &str) -> Key {
        vec![a.as_bytes().to_vec(), b.to_vec(), c.as_bytes().to_vec()]
    }

    #[test]
    fn composite_bounds_are_spelt_out() {
        let range = ChunkRange::Ordered {
            after: Some(bound("1", b"\xe9", "2020-01-01")),
            upto: Some(bound("9", b"z", "2021-01-01")),
        };
        insta::assert_snapshot!(range.filter(&key()).unwrap().sql(), @"(((`a` >= 1) AND ((`a` > 1) OR ((`a` = 1) AND (`b` > _latin1 X'e9')) OR ((`a` = 1) AND (`b` = _latin1 X'e9') AND (`c` > '2020-01-01')))) AND ((`a` <= 9) AND ((`a` < 9) OR ((`a` = 9) AND (`b` < _latin1 X'7a')) OR ((`a` = 9) AND (`b` = _latin1 X'7a') AND (`c` <= '2021-01-01')))))");
    }

    #[test]
    fn many_ranges_are_nested_by_halves() {
        let lead = |from, to| ChunkRange::Lead { from, to };
        let ranges = [lead(40, None), lead(-10, Some(0)), lead(20, Some(30))];
        let filter = |ranges: &[ChunkRange]| {
            within_any(&ranges.iter().collect::<Vec<_>>(), &key())
                .unwrap()
                .sql()
        };
        insta::assert_snapshot!(filter(&ranges), @"(((`a` < 20) AND ((`a` >= -10) AND (`a` < 0))) OR ((`a` >= 20) AND (((`a` < 40) AND ((`a` >= 20) AND (`a` < 30))) OR ((`a` >= 40) AND ((`a` >= 40))))))");
        insta::assert_snapshot!(filter(&ranges[..1]), @"((`a` >= 40))");
        // Those that overlap are left as they are.
        let ranges = [lead(0, Some(10)), lead(5, Some(20))];
        insta::assert_snapshot!(filter(&ranges), @"(((`a` >= 0) AND (`a` < 10)) OR ((`a` >= 5) AND (`a` < 20)))");
    }

    #[test]
    fn buckets_are_counted_from_the_start_of_the_range() {
        let buckets = Buckets::Lead {
            from: -10,
            width: 7,
        };
        insta::assert_snapshot!(buckets.expr(&key()).sql(), @"((`a` - -10) DIV 7)");
        let buckets = Buckets::Spread { count: 5 };
        insta::assert_snapshot!(buckets.expr(&key()).sql(), @"(CRC32(CONCAT_WS('#', `a`, CAST(`b` AS BINARY), `c`)) % 5)");
    }

    #[test]
    fn a_bound_that_is_no_number_is_an_error() {
        let range = ChunkRange::Ordered {
            after: Some(bound("1 OR 1", b"", "")),
            upto: None,
        };
        assert!(range.filter(&key()).is_err());
    }
}
