//! Reads table options.
//!
//! Must never take an option that it does not know: its removal could not be written either. Nor a table whose rows are kept
//! elsewhere, on another server or in other tables: what is written to it would be written there.

use super::ParseError;
use super::cursor::Cursor;
use super::lexer::Kind;
use crate::schema::table::Table;
use crate::sql::ident;

/// The options that stand as `NAME=value`, besides `ENGINE`, `CHARSET`, `COLLATE`, `COMMENT` and `AUTO_INCREMENT`.
const PLAIN: &[&str] = &[
    "AUTOEXTEND_SIZE",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "COMPRESSION",
    "DELAY_KEY_WRITE",
    "ENCRYPTION",
    "ENGINE_ATTRIBUTE",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "TRANSACTIONAL",
];

/// Engines whose tables lead to other servers, files or tables.
const ELSEWHERE: &[&str] = &[
    "CONNECT",
    "FEDERATED",
    "MERGE",
    "MRG_MYISAM",
    "S3",
    "SPHINX",
    "SPIDER",
];

/// Parses the options behind the table's body, up to the partitions or the end. Returns the next `AUTO_INCREMENT` value,
/// which is data and no option, where it is printed.
pub(crate) fn options(
    cursor: &mut Cursor<'_>,
    table: &mut Table,
) -> Result<Option<u64>, ParseError> {
    let mut next = None;
    while cursor.peek_kind().is_some() && !cursor.at_word("PARTITION") {
        if let Some(Kind::Quoted(name)) = cursor.peek_kind() {
            cursor.take_text()?;
            cursor.expect_symbol('=')?;
            let value = cursor.take_text()?.to_owned();
            table.options.insert(ident(name), value);
            continue;
        }
        let unknown = cursor.unknown();
        let mut name = cursor.word()?.to_uppercase();
        if name == "DEFAULT" {
            name = cursor.word()?.to_uppercase();
        }
        match name.as_str() {
            "CHARSET" | "COLLATE" => {
                cursor.expect_symbol('=')?;
                let value = cursor.word()?.to_lowercase();
                table.options.insert(name, value);
            }
            "ENGINE" => {
                cursor.expect_symbol('=')?;
                // Written again without quotes.
                let value = cursor.word()?.to_owned();
                if ELSEWHERE.contains(&value.to_uppercase().as_str()) {
                    return Err(elsewhere(format!("ENGINE={value}")));
                }
                table.options.insert(name, value);
            }
            // Not its value: there may be a password in it.
            "CONNECTION" | "UNION" | "INSERT_METHOD" => return Err(elsewhere(name)),
            "COMMENT" => {
                cursor.expect_symbol('=')?;
                let value = cursor.string()?;
                table.options.insert(name, value);
            }
            "AUTO_INCREMENT" => {
                cursor.expect_symbol('=')?;
                next = cursor.take_text()?.parse().ok();
            }
            // Where a server puts its files is its own affair: a folder of production's is none of local's.
            "DATA" | "INDEX" => {
                cursor.expect_word("DIRECTORY")?;
                cursor.expect_symbol('=')?;
                cursor.string()?;
            }
            "TABLESPACE" => {
                cursor.take_symbol('=');
                let value = ident(&cursor.name()?);
                table.options.insert(name, value);
            }
            "STORAGE" => {
                let value = cursor.word()?.to_uppercase();
                table.options.insert(name, value);
            }
            _ if PLAIN.contains(&name.as_str()) => {
                cursor.take_symbol('=');
                let value = cursor.take_text()?.to_owned();
                table.options.insert(name, value);
            }
            _ => return Err(unknown),
        }
    }
    Ok(next)
}

/// Refuses a table whose rows are kept elsewhere.
fn elsewhere(option: String) -> ParseError {
    ParseError {
        what: "what a table does that keeps its rows elsewhere".to_owned(),
        line: option,
    }
}
