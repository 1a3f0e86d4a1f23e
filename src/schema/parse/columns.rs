//! Reads a column's line.
//!
//! Must never take a word that it does not know.

use super::ParseError;
use super::cursor::Cursor;
use super::lexer::Kind;
use crate::schema::print::quoted;
use crate::schema::table::{Column, DataType, Generated};

/// Parses one column.
pub(crate) fn column(cursor: &mut Cursor<'_>) -> Result<Column, ParseError> {
    let name = cursor.name()?;
    let data_type = data_type(cursor)?;
    if data_type.class().is_none() {
        return Err(cursor.unknown_type(&data_type.base));
    }
    let mut column = Column {
        name,
        data_type,
        nullable: true,
        ..Column::default()
    };
    while !cursor.at_symbol(',') && !cursor.at_symbol(')') {
        attribute(cursor, &mut column)?;
    }
    Ok(column)
}

fn data_type(cursor: &mut Cursor<'_>) -> Result<DataType, ParseError> {
    let mut data_type = DataType {
        base: cursor.word()?.to_lowercase(),
        ..DataType::default()
    };
    if cursor.at_symbol('(') {
        let arguments = cursor.parenthesised()?;
        data_type.arguments = Some(arguments[1..arguments.len() - 1].to_owned());
    }
    loop {
        if cursor.take_word("unsigned") {
            data_type.unsigned = true;
        } else if cursor.take_word("zerofill") {
            data_type.zerofill = true;
        } else {
            return Ok(data_type);
        }
    }
}

fn attribute(cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), ParseError> {
    if cursor.take_word("CHARACTER") {
        cursor.expect_word("SET")?;
        column.charset = Some(cursor.word()?.to_lowercase());
        column.explicit_charset = true;
    } else if cursor.take_word("COLLATE") {
        column.collation = Some(cursor.word()?.to_lowercase());
        column.explicit_collation = true;
    } else if cursor.take_word("NOT") {
        if cursor.take_word("SECONDARY") {
            column.other.push("NOT SECONDARY".to_owned());
        } else {
            cursor.expect_word("NULL")?;
            column.nullable = false;
        }
    } else if cursor.take_word("NULL") {
        column.nullable = true;
    } else if cursor.take_word("DEFAULT") {
        column.default = Some(default(cursor)?);
    } else if cursor.take_word("ON") {
        cursor.expect_word("UPDATE")?;
        column.on_update = Some(call(cursor)?);
    } else if cursor.take_word("AUTO_INCREMENT") {
        column.auto_increment = true;
    } else if cursor.take_word("GENERATED") {
        cursor.expect_word("ALWAYS")?;
        cursor.expect_word("AS")?;
        if !cursor.at_symbol('(') {
            return Err(cursor.unknown());
        }
        let expression = cursor.parenthesised()?;
        let stored = cursor.take_word("STORED") || cursor.take_word("PERSISTENT");
        if !stored {
            cursor.take_word("VIRTUAL");
        }
        column.generated = Some(Generated { expression, stored });
    } else if cursor.take_word("COMMENT") {
        column.comment = cursor.string()?;
    } else if cursor.take_word("INVISIBLE") {
        column.invisible = true;
    } else if cursor.take_word("SRID") {
        column.srid = Some(cursor.number()?);
    } else if cursor.take_word("CHECK") {
        column.check = Some(cursor.parenthesised()?);
    } else {
        let other = other_attribute(cursor)?;
        column.other.push(other);
    }
    Ok(())
}

fn other_attribute(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    for (word, with_value) in [
        ("COMPRESSED", false),
        ("COLUMN_FORMAT", true),
        ("STORAGE", true),
    ] {
        if cursor.take_word(word) {
            return Ok(if with_value {
                format!("{word} {}", cursor.word()?.to_uppercase())
            } else {
                word.to_owned()
            });
        }
    }
    for word in ["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"] {
        if cursor.take_word(word) {
            cursor.take_symbol('=');
            return Ok(format!("{word} {}", quoted(&cursor.string()?)));
        }
    }
    Err(cursor.unknown())
}

/// Parses a default: a literal, a parenthesised expression, or a function call.
fn default(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let start = cursor.position();
    if !cursor.take_symbol('-') {
        cursor.take_symbol('+');
    }
    match cursor.peek_kind() {
        Some(Kind::Symbol('(')) => {
            cursor.parenthesised()?;
        }
        Some(Kind::Word) => {
            let word = cursor.take_text()?;
            if cursor.at_symbol('(') {
                cursor.parenthesised()?;
            } else if matches!(cursor.peek_kind(), Some(Kind::Text(_)))
                && (word.starts_with('_') || matches!(word, "b" | "B" | "x" | "X"))
            {
                cursor.take_text()?;
            }
        }
        Some(Kind::Text(_) | Kind::Number) => {
            cursor.take_text()?;
        }
        _ => return Err(cursor.unknown()),
    }
    Ok(cursor.source_since(start))
}

/// Parses a function's name with or without arguments.
fn call(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let start = cursor.position();
    cursor.word()?;
    if cursor.at_symbol('(') {
        cursor.parenthesised()?;
    }
    Ok(cursor.source_since(start))
}
