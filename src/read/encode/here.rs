//! The canonical encoding in our own words: hashes rows that were fetched as the servers would hash them, so that
//! production need not.
//!
//! Must never hash a column whose fetched bytes are not those that a server hashes: such a table is left to the server.
//! A test compares every type with both servers.

use super::Encoding;
use crate::schema::table::{Column, TypeClass};
use crate::value::{Cell, to_hex, write_hex, write_upper_hex};
use sha2::{Digest as _, Sha256};

/// Hashes rows of one table.
#[derive(Debug, Clone)]
pub struct Hasher {
    columns: Vec<Bytes>,
    row: Vec<u8>,
    text: String,
}

/// What a cell's bytes become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    /// Themselves.
    Plain,
    /// Themselves, with their length at the end.
    WithLength,
    /// Their SHA-256.
    Hashed,
    /// A double's IEEE bytes.
    Double,
}

impl Hasher {
    /// Makes a hasher for cells fetched with `select_expr_as` of these columns; `None` where one of them is not fetched as
    /// it is hashed.
    pub fn new<'c>(columns: impl IntoIterator<Item = (&'c Column, Encoding)>) -> Option<Self> {
        Some(Self {
            columns: columns
                .into_iter()
                .map(|(column, encoding)| bytes_of(column, encoding))
                .collect::<Option<_>>()?,
            row: Vec::new(),
            text: String::new(),
        })
    }

    /// Returns a row's hash, as `row_hash` has it; `None` where a cell is none of its column's.
    pub fn hash(&mut self, cells: &[Cell]) -> Option<String> {
        if cells.len() != self.columns.len() {
            return None;
        }
        self.row.clear();
        for (cell, bytes) in cells.iter().zip(&self.columns) {
            let Some(cell) = cell else { continue };
            match bytes {
                Bytes::Plain | Bytes::WithLength => self.row.extend_from_slice(cell),
                Bytes::Hashed => {
                    self.text.clear();
                    write_hex(&mut self.text, &Sha256::digest(cell));
                    self.row.extend_from_slice(self.text.as_bytes());
                }
                Bytes::Double => {
                    let number: f64 = std::str::from_utf8(cell).ok()?.parse().ok()?;
                    // A POINT as MySQL keeps it: reference system 0, little-endian, type 1, x, and 0 for y.
                    self.text.clear();
                    self.text.push_str("000000000101000000");
                    write_upper_hex(&mut self.text, &number.to_le_bytes());
                    self.text.push_str("0000000000000000");
                    self.row.extend_from_slice(self.text.as_bytes());
                }
            }
            self.row.push(b'#');
        }
        for (cell, bytes) in cells.iter().zip(&self.columns) {
            if let (Some(cell), Bytes::WithLength) = (cell, bytes) {
                self.row
                    .extend_from_slice(cell.len().to_string().as_bytes());
                self.row.push(b'#');
            }
        }
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.row.push(b'#');
            }
            self.row.push(b'0' + u8::from(cell.is_none()));
        }
        Some(to_hex(&Sha256::digest(&self.row)[..16]))
    }
}

fn bytes_of(column: &Column, encoding: Encoding) -> Option<Bytes> {
    // Other character sets are fetched as UTF-8 and hashed as they are stored.
    let as_stored = matches!(
        column.charset.as_deref(),
        None | Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary")
    );
    let found = match (column.data_type.class()?, encoding) {
        (
            TypeClass::Integer
            | TypeClass::Decimal
            | TypeClass::Year
            | TypeClass::Temporal
            | TypeClass::Timestamp,
            Encoding::Plain,
        )
        | (TypeClass::Bit, Encoding::Number) => Bytes::Plain,
        (
            TypeClass::Text | TypeClass::Enum | TypeClass::Set | TypeClass::Binary,
            Encoding::Bytes,
        ) => Bytes::WithLength,
        (TypeClass::LongText | TypeClass::Blob | TypeClass::Json, Encoding::Lob) => Bytes::Hashed,
        (TypeClass::Float | TypeClass::Double, Encoding::Double) => Bytes::Double,
        _ => return None,
    };
    as_stored.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn table(text: &str) -> crate::schema::table::Table {
        parse::table(&format!("CREATE TABLE `t` (\n  {text}\n) ENGINE=InnoDB")).unwrap()
    }

    fn hasher(text: &str) -> Option<Hasher> {
        let table = table(text);
        let columns = table.columns.iter().map(|column| {
            (
                column,
                super::super::encoding_for(Some(column), column).unwrap(),
            )
        });
        Hasher::new(columns)
    }

    #[test]
    fn a_row_is_hashed_as_the_encoding_says() {
        let mut hasher =
            hasher("`id` int NOT NULL,\n  `name` varchar(9) DEFAULT NULL,\n  `x` double").unwrap();
        let cell = |text: &str| Some(text.as_bytes().to_vec());
        let expected = |text: &str| to_hex(&Sha256::digest(text.as_bytes())[..16]);
        assert_eq!(
            hasher.hash(&[cell("7"), cell("a#b"), cell("-0")]),
            Some(expected(
                "7#a#b#00000000010100000000000000000000800000000000000000#3#0#0#0"
            ))
        );
        assert_eq!(
            hasher.hash(&[cell("7"), None, None]),
            Some(expected("7#0#1#1"))
        );
        assert_eq!(hasher.hash(&[cell("7")]), None);
        assert_eq!(hasher.hash(&[cell("7"), None, cell("x")]), None);
    }

    #[test]
    fn what_is_not_fetched_as_it_is_hashed_is_left_to_the_server() {
        assert!(hasher("`a` varchar(9) CHARACTER SET latin1").is_none());
        assert!(hasher("`a` int(4) unsigned zerofill").is_none());
        assert!(hasher("`a` point").is_none());
        assert!(hasher("`a` varchar(9) CHARACTER SET ascii").is_some());
    }
}
