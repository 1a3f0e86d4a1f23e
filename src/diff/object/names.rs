//! Databases and objects that a text names.
//!
//! Must never take a column, a variable or a string for a database: an identifier counts where a dot follows it, and
//! only where nothing else in the text bears the database's name.

use crate::schema::statement::view::view_names;
use crate::schema::statement::{self, LexMode, Token, TokenKind, tokens};
use crate::schema::{Object, ObjectKind, ObjectName};
use crate::sql::ident;
use std::collections::BTreeSet;

/// Puts the local names of databases in the place of their remote names.
///
/// # Errors
/// Why it is not certain that only databases would be renamed.
pub(super) fn rename(object: &mut Object, databases: &[(String, String)]) -> Result<(), String> {
    let renamed: Vec<&(String, String)> = databases
        .iter()
        .filter(|(remote, local)| remote != local)
        .collect();
    if renamed.is_empty() {
        return Ok(());
    }
    let head = statement::head(&object.create, &object.sql_mode)?;
    let tokens = tokens(&object.create, LexMode::from_sql_mode(&object.sql_mode))?;
    let dynamic = tokens
        .iter()
        .any(|token| token.is_word("PREPARE") || token.is_word("IMMEDIATE"));
    let mut create = String::with_capacity(object.create.len());
    let mut copied = 0;
    for (place, token) in tokens.iter().enumerate() {
        if dynamic
            && token.kind == TokenKind::Text
            && let Some((remote, _)) = renamed
                .iter()
                .find(|(remote, _)| token.text.contains(remote.as_str()))
        {
            return Err(format!(
                "it builds statements out of text that may name the database {remote}, which is {} on local",
                local_name(&renamed, remote)
            ));
        }
        let Some((remote, local)) = token
            .name()
            .and_then(|name| renamed.iter().find(|(remote, _)| remote == name))
        else {
            continue;
        };
        if head.definer_at.contains(&token.start) {
            continue;
        }
        match role(&tokens, place, object.kind, databases) {
            Role::Database => {
                create.push_str(&object.create[copied..token.start]);
                create.push_str(&ident(local));
                copied = token.end();
            }
            Role::Other => {}
            Role::Unclear => {
                return Err(format!(
                    "it uses `{remote}` both as a database's name and otherwise, and the database is {local} on local"
                ));
            }
        }
    }
    create.push_str(&object.create[copied..]);
    object.create = create;
    Ok(())
}

fn local_name<'a>(renamed: &[&'a (String, String)], remote: &str) -> &'a str {
    renamed
        .iter()
        .find(|(name, _)| name == remote)
        .map_or("", |(_, local)| local)
}

enum Role {
    Database,
    /// Certainly something else that cannot be taken for the database.
    Other,
    Unclear,
}

/// What an identifier that spells like a database is.
fn role(
    tokens: &[Token<'_>],
    place: usize,
    kind: ObjectKind,
    databases: &[(String, String)],
) -> Role {
    let before = place.checked_sub(1).map(|place| &tokens[place]);
    let after = tokens.get(place + 1);
    let after_dot = before.is_some_and(|token| token.is_symbol('.'));
    let before_dot = after.is_some_and(|token| token.is_symbol('.'));
    if before.is_some_and(|token| token.is_symbol('@')) {
        return Role::Other;
    }
    if after_dot {
        // A column, unless what stands before it is a database: then a table of that name.
        let qualifier = place.checked_sub(2).and_then(|place| tokens[place].name());
        let is_table = before_dot
            || qualifier.is_some_and(|name| {
                databases
                    .iter()
                    .any(|(remote, local)| remote == name || local == name)
            });
        return if is_table { Role::Unclear } else { Role::Other };
    }
    if before_dot {
        return Role::Database;
    }
    let is_call = after.is_some_and(|token| token.is_symbol('('));
    let is_word = tokens[place].kind == TokenKind::Word;
    // In the text of a view, AS names a column; tables get their aliases without it.
    let is_column = kind == ObjectKind::View && before.is_some_and(|token| token.is_word("AS"));
    if (is_call && is_word) || is_column {
        Role::Other
    } else {
        Role::Unclear
    }
}

/// Returns the tables, views and stored functions that a view of a database refers to.
///
/// # Errors
/// A text that cannot be read.
pub fn references(view: &Object, database: &str) -> Result<BTreeSet<ObjectName>, String> {
    let names = view_names(&view.create)?;
    let all = names.tables.into_iter().chain(names.functions);
    Ok(all
        .map(|(of, name)| ObjectName::new(of.unwrap_or_else(|| database.to_owned()), name))
        .collect())
}
