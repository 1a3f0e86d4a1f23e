//! Reads indexes, foreign keys and checks.
//!
//! Must never take a word that it does not know.

use super::ParseError;
use super::cursor::Cursor;
use super::lexer::Kind;
use crate::schema::print::quoted;
use crate::schema::table::{Check, ForeignKey, Index, IndexKind, IndexPart, Table};
use crate::sql::ident;

/// Parses an item of the table's body that is not a column.
pub(crate) fn item(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), ParseError> {
    if cursor.take_word("CONSTRAINT") {
        let name = cursor.name()?;
        if cursor.take_word("FOREIGN") {
            table.foreign_keys.push(foreign_key(cursor, name)?);
        } else if cursor.take_word("CHECK") {
            table.checks.push(check(cursor, name)?);
        } else {
            return Err(cursor.unknown());
        }
        return Ok(());
    }
    let kind = if cursor.take_word("PRIMARY") {
        IndexKind::Primary
    } else if cursor.take_word("UNIQUE") {
        IndexKind::Unique
    } else if cursor.take_word("FULLTEXT") {
        IndexKind::Fulltext
    } else if cursor.take_word("SPATIAL") {
        IndexKind::Spatial
    } else if cursor.take_word("VECTOR") {
        IndexKind::Vector
    } else {
        IndexKind::Plain
    };
    cursor.expect_word("KEY")?;
    let name = if kind == IndexKind::Primary {
        "PRIMARY".to_owned()
    } else {
        cursor.name()?
    };
    table.indexes.push(index(cursor, name, kind)?);
    Ok(())
}

fn index(cursor: &mut Cursor<'_>, name: String, kind: IndexKind) -> Result<Index, ParseError> {
    let mut index = Index {
        name,
        kind,
        parts: Vec::new(),
        options: Vec::new(),
    };
    if cursor.take_word("USING") {
        index.options.push(format!("USING {}", cursor.word()?));
    }
    cursor.expect_symbol('(')?;
    loop {
        index.parts.push(part(cursor)?);
        if !cursor.take_symbol(',') {
            break;
        }
    }
    cursor.expect_symbol(')')?;
    while !cursor.at_symbol(',') && !cursor.at_symbol(')') {
        let option = option(cursor)?;
        index.options.push(option);
    }
    Ok(index)
}

fn part(cursor: &mut Cursor<'_>) -> Result<IndexPart, ParseError> {
    let mut part = IndexPart {
        column: None,
        expression: None,
        prefix: None,
        descending: false,
    };
    if cursor.at_symbol('(') {
        part.expression = Some(cursor.parenthesised()?);
    } else {
        part.column = Some(cursor.name()?);
        if cursor.take_symbol('(') {
            part.prefix = Some(cursor.number()?);
            cursor.expect_symbol(')')?;
        }
    }
    if cursor.take_word("DESC") {
        part.descending = true;
    } else {
        cursor.take_word("ASC");
    }
    Ok(part)
}

fn option(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    if cursor.take_word("USING") {
        return Ok(format!("USING {}", cursor.word()?.to_uppercase()));
    }
    if cursor.take_word("COMMENT") {
        return Ok(format!("COMMENT {}", quoted(&cursor.string()?)));
    }
    if cursor.take_word("KEY_BLOCK_SIZE") {
        cursor.take_symbol('=');
        return Ok(format!("KEY_BLOCK_SIZE={}", cursor.number()?));
    }
    if cursor.take_word("WITH") {
        cursor.expect_word("PARSER")?;
        return Ok(format!("WITH PARSER {}", ident(&cursor.name()?)));
    }
    for word in ["INVISIBLE", "IGNORED"] {
        if cursor.take_word(word) {
            return Ok(word.to_owned());
        }
    }
    for word in ["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"] {
        if cursor.take_word(word) {
            cursor.take_symbol('=');
            return Ok(format!("{word}={}", quoted(&cursor.string()?)));
        }
    }
    if let Some(Kind::Quoted(name)) = cursor.peek_kind() {
        cursor.take_text()?;
        cursor.expect_symbol('=')?;
        return Ok(format!("{}={}", ident(name), cursor.take_text()?));
    }
    Err(cursor.unknown())
}

fn foreign_key(cursor: &mut Cursor<'_>, name: String) -> Result<ForeignKey, ParseError> {
    cursor.expect_word("KEY")?;
    let columns = cursor.names()?;
    cursor.expect_word("REFERENCES")?;
    let mut referenced_database = None;
    let mut referenced_table = cursor.name()?;
    if cursor.take_symbol('.') {
        referenced_database = Some(referenced_table);
        referenced_table = cursor.name()?;
    }
    let mut key = ForeignKey {
        name,
        columns,
        referenced_database,
        referenced_table,
        referenced_columns: cursor.names()?,
        on_delete: None,
        on_update: None,
    };
    while cursor.take_word("ON") {
        if cursor.take_word("DELETE") {
            key.on_delete = Some(action(cursor)?);
        } else {
            cursor.expect_word("UPDATE")?;
            key.on_update = Some(action(cursor)?);
        }
    }
    Ok(key)
}

fn action(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let first = cursor.word()?.to_uppercase();
    Ok(match first.as_str() {
        "RESTRICT" | "CASCADE" => first,
        "SET" if cursor.take_word("NULL") => "SET NULL".to_owned(),
        "SET" if cursor.take_word("DEFAULT") => "SET DEFAULT".to_owned(),
        "NO" if cursor.take_word("ACTION") => "NO ACTION".to_owned(),
        _ => return Err(cursor.unknown()),
    })
}

fn check(cursor: &mut Cursor<'_>, name: String) -> Result<Check, ParseError> {
    let expression = cursor.parenthesised()?;
    let mut enforced = true;
    if cursor.take_word("NOT") {
        cursor.expect_word("ENFORCED")?;
        enforced = false;
    }
    Ok(Check {
        name,
        expression,
        enforced,
    })
}
