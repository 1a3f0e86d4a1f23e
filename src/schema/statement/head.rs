//! Reads the head of a CREATE statement: its kind, DEFINER, name, and where its body starts.
//!
//! Must never accept a form that it does not know in full: what follows the head is judged by where it starts.

use super::lexer::{Token, TokenKind};
use crate::schema::ObjectKind;
use std::ops::Range;

/// An account as `DEFINER` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// User, or role.
    pub user: String,
    /// Host; `None` for a role of MariaDB.
    pub host: Option<String>,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{}@{host}", self.user),
            None => f.write_str(&self.user),
        }
    }
}

/// The head of a CREATE statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What is created.
    pub kind: ObjectKind,
    /// Where `OR REPLACE` stands, in bytes.
    pub or_replace: Option<Range<usize>>,
    /// The account that `DEFINER` names.
    pub definer: Option<Account>,
    /// Where that account stands in the text, in bytes.
    pub definer_at: Range<usize>,
    /// The database in front of the name.
    pub database: Option<String>,
    /// Where that database and its dot stand, in bytes; empty where there is none.
    pub database_at: Range<usize>,
    /// The object's name.
    pub name: String,
    /// For a trigger, the database in front of its table's name.
    pub table_database: Option<String>,
    /// Where that database and its dot stand, in bytes; empty where there is none.
    pub table_database_at: Range<usize>,
    /// For a trigger, its table.
    pub table: Option<String>,
    /// For a trigger, when it fires, in capitals: `BEFORE INSERT`.
    pub moment: Option<String>,
    /// The first token of the body: a routine's, trigger's or event's statement, a view's query.
    pub body: usize,
}

/// Walks over tokens.
pub(super) struct Cursor<'a> {
    tokens: &'a [Token<'a>],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(tokens: &'a [Token<'a>], at: usize) -> Self {
        Self { tokens, at }
    }

    pub(super) fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at)
    }

    fn second(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at + 1)
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.is_word(word))
    }

    pub(super) fn skip(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_symbol(&mut self, symbol: char) -> bool {
        let found = self.peek().is_some_and(|token| token.is_symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, words: &[&str]) -> Result<(), String> {
        for word in words {
            if !self.skip(word) {
                return Err(self.unexpected(word));
            }
        }
        Ok(())
    }

    fn any_of(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.skip(word))
    }

    pub(super) fn unexpected(&self, expected: &str) -> String {
        match self.peek() {
            Some(token) => format!(
                "`{}` at byte {} where {expected} is expected",
                token.text, token.start
            ),
            None => format!("the end where {expected} is expected"),
        }
    }

    fn name(&mut self) -> Result<(String, Range<usize>), String> {
        let token = self.peek().ok_or_else(|| self.unexpected("a name"))?;
        let name = token.name().ok_or_else(|| self.unexpected("a name"))?;
        self.at += 1;
        Ok((name.to_owned(), token.start..token.end()))
    }

    /// `name` or `database.name`.
    fn qualified(&mut self) -> Result<Qualified, String> {
        let (first, at) = self.name()?;
        if !self.skip_symbol('.') {
            return Ok(Qualified {
                database: None,
                database_at: at.start..at.start,
                name: first,
            });
        }
        let (name, name_at) = self.name()?;
        Ok(Qualified {
            database: Some(first),
            database_at: at.start..name_at.start,
            name,
        })
    }

    /// A group in parentheses, which must not hold a `;`.
    pub(super) fn parentheses(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token.kind {
                TokenKind::Symbol('(') => depth += 1,
                TokenKind::Symbol(')') => depth = depth.saturating_sub(1),
                TokenKind::Symbol(';') => break,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.unexpected("`)`"))
    }

    fn is_text(&self) -> bool {
        self.peek()
            .is_some_and(|token| token.kind == TokenKind::Text)
    }
}

struct Qualified {
    database: Option<String>,
    database_at: Range<usize>,
    name: String,
}

/// Reads the head of a CREATE statement.
///
/// # Errors
/// What stands where the grammar has something else.
pub(super) fn head(tokens: &[Token<'_>]) -> Result<Head, String> {
    let mut cursor = Cursor::new(tokens, 0);
    cursor.expect(&["CREATE"])?;
    let or_start = cursor.peek().map_or(0, |token| token.start);
    let or_replace = if cursor.skip("OR") {
        cursor.expect(&["REPLACE"])?;
        Some(or_start..cursor.peek().map_or(or_start, |token| token.start))
    } else {
        None
    };
    if cursor.skip("ALGORITHM") {
        cursor.skip_symbol('=');
        if !cursor.any_of(&["UNDEFINED", "MERGE", "TEMPTABLE"]) {
            return Err(cursor.unexpected("an algorithm"));
        }
    }
    let (definer, definer_at) = definer(&mut cursor)?;
    if cursor.skip("SQL") {
        cursor.expect(&["SECURITY"])?;
        if !cursor.any_of(&["DEFINER", "INVOKER"]) {
            return Err(cursor.unexpected("DEFINER or INVOKER"));
        }
    }
    cursor.skip("AGGREGATE");
    let kind = kind(&mut cursor)?;
    if cursor.skip("IF") {
        cursor.expect(&["NOT", "EXISTS"])?;
    }
    let name = cursor.qualified()?;
    let mut head = Head {
        kind,
        or_replace,
        definer,
        definer_at,
        database: name.database,
        database_at: name.database_at,
        name: name.name,
        table_database: None,
        table_database_at: 0..0,
        table: None,
        moment: None,
        body: 0,
    };
    match kind {
        ObjectKind::View => view(&mut cursor)?,
        ObjectKind::Trigger => {
            let (moment, table) = trigger(&mut cursor)?;
            head.moment = Some(moment);
            head.table_database = table.database;
            head.table_database_at = table.database_at;
            head.table = Some(table.name);
        }
        ObjectKind::Procedure => {
            cursor.parentheses()?;
            characteristics(&mut cursor)?;
        }
        ObjectKind::Function => {
            cursor.parentheses()?;
            cursor.expect(&["RETURNS"])?;
            data_type(&mut cursor)?;
            characteristics(&mut cursor)?;
        }
        ObjectKind::Event => event(&mut cursor)?,
    }
    if cursor.peek().is_none() {
        return Err(cursor.unexpected("a body"));
    }
    head.body = cursor.at;
    Ok(head)
}

fn definer(cursor: &mut Cursor<'_>) -> Result<(Option<Account>, Range<usize>), String> {
    if !cursor.skip("DEFINER") {
        return Ok((None, 0..0));
    }
    if !cursor.skip_symbol('=') {
        return Err(cursor.unexpected("`=`"));
    }
    let (user, user_at) = cursor.name()?;
    if !cursor.skip_symbol('@') {
        return Ok((Some(Account { user, host: None }), user_at));
    }
    let (host, host_at) = cursor.name()?;
    Ok((
        Some(Account {
            user,
            host: Some(host),
        }),
        user_at.start..host_at.end,
    ))
}

fn kind(cursor: &mut Cursor<'_>) -> Result<ObjectKind, String> {
    for (word, kind) in [
        ("VIEW", ObjectKind::View),
        ("TRIGGER", ObjectKind::Trigger),
        ("PROCEDURE", ObjectKind::Procedure),
        ("FUNCTION", ObjectKind::Function),
        ("EVENT", ObjectKind::Event),
    ] {
        if cursor.skip(word) {
            return Ok(kind);
        }
    }
    Err(cursor.unexpected("VIEW, TRIGGER, PROCEDURE, FUNCTION or EVENT"))
}

fn view(cursor: &mut Cursor<'_>) -> Result<(), String> {
    if cursor.peek().is_some_and(|token| token.is_symbol('(')) {
        cursor.parentheses()?;
    }
    cursor.expect(&["AS"])?;
    let starts_query = ["SELECT", "WITH", "VALUES", "TABLE"]
        .iter()
        .any(|word| cursor.is(word))
        || cursor.peek().is_some_and(|token| token.is_symbol('('));
    if starts_query {
        Ok(())
    } else {
        Err(cursor.unexpected("a query"))
    }
}

fn trigger(cursor: &mut Cursor<'_>) -> Result<(String, Qualified), String> {
    let words = |cursor: &Cursor<'_>| cursor.peek().map_or("", |token| token.text).to_uppercase();
    let time = words(cursor);
    if !cursor.any_of(&["BEFORE", "AFTER"]) {
        return Err(cursor.unexpected("BEFORE or AFTER"));
    }
    let event = words(cursor);
    if !cursor.any_of(&["INSERT", "UPDATE", "DELETE"]) {
        return Err(cursor.unexpected("INSERT, UPDATE or DELETE"));
    }
    cursor.expect(&["ON"])?;
    let table = cursor.qualified()?;
    cursor.expect(&["FOR", "EACH", "ROW"])?;
    if cursor.any_of(&["FOLLOWS", "PRECEDES"]) {
        cursor.name()?;
    }
    Ok((format!("{time} {event}"), table))
}

fn characteristics(cursor: &mut Cursor<'_>) -> Result<(), String> {
    loop {
        if cursor.skip("COMMENT") {
            if !cursor.is_text() {
                return Err(cursor.unexpected("a string"));
            }
            cursor.at += 1;
        } else if cursor.skip("LANGUAGE") {
            cursor.expect(&["SQL"])?;
        } else if cursor.is("NOT") {
            cursor.expect(&["NOT", "DETERMINISTIC"])?;
        } else if cursor.is("CONTAINS") || cursor.is("NO") {
            cursor.at += 1;
            cursor.expect(&["SQL"])?;
        } else if cursor.is("READS") || cursor.is("MODIFIES") {
            cursor.at += 1;
            cursor.expect(&["SQL", "DATA"])?;
        } else if cursor.is("SQL") {
            cursor.expect(&["SQL", "SECURITY"])?;
            if !cursor.any_of(&["DEFINER", "INVOKER"]) {
                return Err(cursor.unexpected("DEFINER or INVOKER"));
            }
        } else if !cursor.skip("DETERMINISTIC") {
            return Ok(());
        }
    }
}

/// A type after RETURNS: words of types alone, so that no statement can hide in it.
fn data_type(cursor: &mut Cursor<'_>) -> Result<(), String> {
    if cursor.name().is_err() {
        return Err(cursor.unexpected("a type"));
    }
    loop {
        let named = cursor.skip("CHARSET")
            || cursor.skip("COLLATE")
            || (cursor.is("CHARACTER")
                && cursor.second().is_some_and(|token| token.is_word("SET"))
                && {
                    cursor.at += 2;
                    true
                });
        if named {
            if !cursor.is_text() {
                cursor.name()?;
                continue;
            }
            cursor.at += 1;
        } else if cursor.peek().is_some_and(|token| token.is_symbol('(')) {
            cursor.parentheses()?;
        } else if !cursor.any_of(&[
            "UNSIGNED",
            "SIGNED",
            "ZEROFILL",
            "BINARY",
            "VARYING",
            "PRECISION",
            "CHARACTER",
            "CHAR",
            "VARCHAR",
            "ASCII",
            "UNICODE",
            "BYTE",
            "LARGE",
            "OBJECT",
        ]) {
            return Ok(());
        }
    }
}

fn event(cursor: &mut Cursor<'_>) -> Result<(), String> {
    cursor.expect(&["ON", "SCHEDULE"])?;
    while let Some(token) = cursor.peek() {
        if token.is_symbol('(') {
            cursor.parentheses()?;
            continue;
        }
        if token.is_symbol(';') {
            break;
        }
        cursor.at += 1;
        if token.is_word("DO") {
            return Ok(());
        }
    }
    Err(cursor.unexpected("DO"))
}
