//! Reads the text of a CREATE VIEW, TRIGGER, PROCEDURE, FUNCTION or EVENT: head, names, and that it is one statement.
//!
//! The driver's connections take several statements in one send (the `mysql` crate always sets
//! `CLIENT_MULTI_STATEMENTS`, and offers no way to send `COM_SET_OPTION`, which would switch it off; version 28.0.4).
//! CREATE PROCEDURE and its like cannot be prepared either, which would refuse a second statement. So a text from a
//! plan file goes to a server only after [`single_statement`] has found it to be exactly one statement of the expected
//! kind and name. Must never guess: a text that cannot be judged is refused.

mod body;
pub mod head;
pub mod lexer;
pub mod view;

pub use head::{Account, Head};
pub use lexer::{LexMode, Token, TokenKind, tokens};

use crate::schema::{ObjectKind, ObjectName};

/// Reads the head of a CREATE statement under an `sql_mode`.
///
/// # Errors
/// What stands where the grammar has something else, in words.
pub fn head(text: &str, sql_mode: &str) -> Result<Head, String> {
    head::head(&tokens(text, LexMode::from_sql_mode(sql_mode))?)
}

/// Checks that a text is exactly one CREATE statement that makes the object of that kind and name.
///
/// A `;` at the very end is taken for what it is: nothing follows it. The name may stand alone or with the object's own database; a trigger's table likewise.
///
/// # Errors
/// Why it is not, or cannot be told, in words.
pub fn single_statement(
    kind: ObjectKind,
    name: &ObjectName,
    text: &str,
    sql_mode: &str,
) -> Result<(), String> {
    if sql_mode
        .split(',')
        .any(|mode| mode.trim().eq_ignore_ascii_case("ORACLE"))
    {
        return Err("sql_mode ORACLE, whose grammar this tool does not read".to_owned());
    }
    let tokens = tokens(text, LexMode::from_sql_mode(sql_mode))?;
    let head = head::head(&tokens)?;
    if head.kind != kind {
        return Err(format!("it creates a {}, not a {kind}", head.kind));
    }
    if head.name != name.name {
        return Err(format!("it creates `{}`, not `{}`", head.name, name.name));
    }
    for database in [&head.database, &head.table_database].into_iter().flatten() {
        if *database != name.database {
            return Err(format!(
                "it names the database `{database}`, not `{}`",
                name.database
            ));
        }
    }
    // Migrations of drivers that send several statements leave the `;` behind a body in what MySQL stores.
    let end = tokens.len().saturating_sub(usize::from(
        tokens.last().is_some_and(|token| token.is_symbol(';')),
    ));
    body::check(&tokens[..end], head.body)
}

#[cfg(test)]
mod tests;
