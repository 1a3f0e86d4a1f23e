//! Reads the partitioning clause, which is kept as text.
//!
//! Must never take what is not part of such a clause: behind it a server would read a query whose rows go into the new
//! table, and the text may come from a plan file.

use super::ParseError;
use super::cursor::Cursor;
use super::lexer::Kind;

/// The words that may stand outside of parentheses.
const WORDS: &[&str] = &[
    "ALGORITHM",
    "AUTO",
    "BY",
    "COLUMNS",
    "DAY",
    "DAY_HOUR",
    "DAY_MINUTE",
    "DAY_SECOND",
    "HASH",
    "HOUR",
    "HOUR_MINUTE",
    "HOUR_SECOND",
    "INTERVAL",
    "KEY",
    "LIMIT",
    "LINEAR",
    "LIST",
    "MINUTE",
    "MINUTE_SECOND",
    "MONTH",
    "PARTITION",
    "PARTITIONS",
    "QUARTER",
    "RANGE",
    "SECOND",
    "STARTS",
    "SUBPARTITION",
    "SUBPARTITIONS",
    "SYSTEM_TIME",
    "TIMESTAMP",
    "WEEK",
    "YEAR",
    "YEAR_MONTH",
];

/// The words behind which an expression or columns stand in parentheses, not the list of partitions.
const TOLD_BY: &[&str] = &["COLUMNS", "HASH", "KEY", "LIST", "RANGE"];

/// Takes the clause, which is all that is left.
pub(crate) fn partitioning(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    // Where a server puts its files is its own affair, and rows that it keeps elsewhere are not its own.
    for word in ["DIRECTORY", "CONNECTION"] {
        cursor.without(word)?;
    }
    let start = cursor.position();
    let mut told_by = false;
    loop {
        match cursor.peek_kind() {
            Some(Kind::Symbol('(')) if told_by => {
                cursor.parenthesised()?;
                told_by = false;
            }
            Some(Kind::Symbol('(')) => {
                cursor.parenthesised_from("PARTITION")?;
                break;
            }
            Some(Kind::Word) => {
                let word = cursor.peek_text().to_uppercase();
                if !WORDS.contains(&word.as_str()) {
                    return Err(cursor.unknown());
                }
                // KEY ALGORITHM = 2 (id)
                told_by = TOLD_BY.contains(&word.as_str()) || told_by && word == "ALGORITHM";
                cursor.take_text()?;
            }
            Some(Kind::Number | Kind::Text(_) | Kind::Symbol('=')) => {
                cursor.take_text()?;
            }
            Some(_) => return Err(cursor.unknown()),
            None => break,
        }
    }
    Ok(cursor.source_since(start))
}
