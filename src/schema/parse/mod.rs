//! Reads `SHOW CREATE TABLE` into the model: MySQL 5.7 to 9.7, MariaDB 10.x.
//!
//! What the parser does not know is a [`ParseError`] naming the place, and the table becomes unsupported. Must never
//! drop a word of the text in silence.

mod columns;
mod cursor;
mod keys;
mod lexer;
mod options;
mod partitions;

#[cfg(test)]
mod tests;

pub(crate) use lexer::{Kind as TokenKind, tokens};

use super::table::Table;
use crate::schema::charset;
use cursor::Cursor;
use std::fmt;

/// A text that the parser does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What was found or expected.
    pub what: String,
    /// The line of the text where it stands.
    pub line: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, at: usize, what: impl Into<String>) -> Self {
        let at = at.min(text.len());
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |newline| at + newline);
        Self {
            what: what.into(),
            line: text[start..end].trim().trim_end_matches(',').to_owned(),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "driftwarden does not know {} in `{}`",
            self.what, self.line
        )
    }
}

impl std::error::Error for ParseError {}

/// Parses the text of `SHOW CREATE TABLE`.
///
/// # Errors
/// A [`ParseError`] for whatever the model cannot hold.
pub fn table(create: &str) -> Result<Table, ParseError> {
    table_and_counter(create).map(|(table, _)| table)
}

/// Returns the next value of a table's `AUTO_INCREMENT` column, 1 where the text does not say; `None` for a table without
/// such a column.
///
/// # Errors
/// As for [`table`].
pub fn counter(create: &str) -> Result<Option<u64>, ParseError> {
    let (table, next) = table_and_counter(create)?;
    let counts = table.columns.iter().any(|column| column.auto_increment);
    Ok(counts.then(|| next.unwrap_or(1)))
}

fn table_and_counter(create: &str) -> Result<(Table, Option<u64>), ParseError> {
    let tokens = tokens(create)?;
    let mut cursor = Cursor::new(create, &tokens);
    // No server takes these in a table, so none printed them; in a text from elsewhere they would read other tables or
    // files.
    for word in ["SELECT", "LOAD_FILE", "OUTFILE", "DUMPFILE"] {
        cursor.without(word)?;
    }
    cursor.expect_word("CREATE")?;
    cursor.expect_word("TABLE")?;
    let mut table = Table {
        name: cursor.name()?,
        ..Table::default()
    };
    cursor.expect_symbol('(')?;
    loop {
        if matches!(cursor.peek_kind(), Some(TokenKind::Quoted(_))) {
            table.columns.push(columns::column(&mut cursor)?);
        } else {
            keys::item(&mut cursor, &mut table)?;
        }
        if !cursor.take_symbol(',') {
            break;
        }
    }
    cursor.expect_symbol(')')?;
    let next = options::options(&mut cursor, &mut table)?;
    if cursor.at_word("PARTITION") {
        table.partitioning = Some(partitions::partitioning(&mut cursor)?);
    }
    cursor.expect_end()?;
    settle_charsets(&mut table);
    Ok((table, next))
}

/// Fills in what the text leaves to the defaults that every server has in common, so that the model's effective
/// character sets mean the same on whatever server they are written to.
fn settle_charsets(table: &mut Table) {
    if let Some(name) = table.options.get("CHARSET").cloned()
        && !table.options.contains_key("COLLATE")
        && let Some(collation) = charset::unprinted_collation(&name)
    {
        table.options.insert("COLLATE".to_owned(), collation);
    }
    let table_charset = table.options.get("CHARSET").cloned();
    let table_collation = table.options.get("COLLATE").cloned();
    for column in &mut table.columns {
        if !column.data_type.has_charset() {
            continue;
        }
        if column.charset.is_none() {
            column.charset = match &column.collation {
                Some(collation) => Some(charset::of_collation(collation).to_owned()),
                None => table_charset.clone(),
            };
        }
        // Printed only because it is not the set's default; the column itself names nothing.
        if !column.explicit_charset && column.collation == table_collation {
            column.explicit_collation = false;
        }
        if column.collation.is_none() {
            if column.explicit_charset {
                column.collation = column
                    .charset
                    .as_deref()
                    .and_then(charset::unprinted_collation);
                column.explicit_collation = column.charset.as_deref() == Some("utf8mb4");
            } else {
                column.collation.clone_from(&table_collation);
            }
        }
    }
}
