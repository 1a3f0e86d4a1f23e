//! A position in a list of tokens, with the few moves that the parsers need.
//!
//! Must never skip a token that no parser asked for.

use super::ParseError;
use super::lexer::{Kind, Token};

/// A position in a text's tokens.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self {
            text,
            tokens,
            at: 0,
        }
    }

    /// Returns an error at the current place.
    pub(crate) fn unknown(&self) -> ParseError {
        match self.tokens.get(self.at) {
            Some(token) => ParseError::new(
                self.text,
                token.start,
                format!("`{}`", &self.text[token.start..token.end]),
            ),
            None => ParseError::new(self.text, self.text.len(), "the end of the text"),
        }
    }

    /// Returns an error about the type that was just read.
    pub(crate) fn unknown_type(&self, base: &str) -> ParseError {
        let place = self.tokens[self.at.saturating_sub(1)].start;
        ParseError::new(self.text, place, format!("the type `{base}`"))
    }

    pub(crate) fn peek_kind(&self) -> Option<&'a Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    /// Returns the source text of the current token, empty at the end.
    pub(crate) fn peek_text(&self) -> &'a str {
        self.tokens
            .get(self.at)
            .map_or("", |token| &self.text[token.start..token.end])
    }

    /// Returns the current token's source text and moves on.
    pub(crate) fn take_text(&mut self) -> Result<&'a str, ParseError> {
        if self.at >= self.tokens.len() {
            return Err(self.unknown());
        }
        let text = self.peek_text();
        self.at += 1;
        Ok(text)
    }

    pub(crate) fn at_word(&self, word: &str) -> bool {
        self.peek_kind() == Some(&Kind::Word) && self.peek_text().eq_ignore_ascii_case(word)
    }

    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), ParseError> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.unknown())
        }
    }

    pub(crate) fn at_symbol(&self, symbol: char) -> bool {
        self.peek_kind() == Some(&Kind::Symbol(symbol))
    }

    pub(crate) fn take_symbol(&mut self, symbol: char) -> bool {
        let found = self.at_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect_symbol(&mut self, symbol: char) -> Result<(), ParseError> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            Err(self.unknown())
        }
    }

    /// Takes an identifier, quoted or bare.
    pub(crate) fn name(&mut self) -> Result<String, ParseError> {
        let name = match self.peek_kind() {
            Some(Kind::Quoted(name)) => name.clone(),
            Some(Kind::Word) => self.peek_text().to_owned(),
            _ => return Err(self.unknown()),
        };
        self.at += 1;
        Ok(name)
    }

    /// Takes any bare word.
    pub(crate) fn word(&mut self) -> Result<&'a str, ParseError> {
        if self.peek_kind() == Some(&Kind::Word) {
            self.take_text()
        } else {
            Err(self.unknown())
        }
    }

    /// Takes a string literal, unquoted.
    pub(crate) fn string(&mut self) -> Result<String, ParseError> {
        match self.peek_kind() {
            Some(Kind::Text(value)) => {
                self.at += 1;
                Ok(value.clone())
            }
            _ => Err(self.unknown()),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u32, ParseError> {
        let number = (self.peek_kind() == Some(&Kind::Number))
            .then(|| self.peek_text().parse().ok())
            .flatten()
            .ok_or_else(|| self.unknown())?;
        self.at += 1;
        Ok(number)
    }

    /// Takes a balanced pair of parentheses and returns its source text, parentheses included.
    pub(crate) fn parenthesised(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        self.expect_symbol('(')?;
        let mut depth = 1;
        while depth > 0 {
            match self.peek_kind() {
                Some(Kind::Symbol('(')) => depth += 1,
                Some(Kind::Symbol(')')) => depth -= 1,
                None => return Err(self.unknown()),
                _ => {}
            }
            self.at += 1;
        }
        Ok(self.source(start, self.at))
    }

    /// As [`Cursor::parenthesised`], for what begins with a word.
    pub(crate) fn parenthesised_from(&mut self, word: &str) -> Result<String, ParseError> {
        let start = self.at;
        self.expect_symbol('(')?;
        self.expect_word(word)?;
        self.at = start;
        self.parenthesised()
    }

    /// Takes a parenthesised list of names.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect_symbol('(')?;
        let mut names = vec![self.name()?];
        while self.take_symbol(',') {
            names.push(self.name()?);
        }
        self.expect_symbol(')')?;
        Ok(names)
    }

    /// Returns the position, for [`Cursor::source_since`].
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Returns the source text from a position to the current one.
    pub(crate) fn source_since(&self, start: usize) -> String {
        self.source(start, self.at)
    }

    /// Refuses a word in what is left.
    pub(crate) fn without(&self, word: &str) -> Result<(), ParseError> {
        let found = self.tokens[self.at..].iter().find(|token| {
            token.kind == Kind::Word && self.text[token.start..token.end].eq_ignore_ascii_case(word)
        });
        match found {
            Some(token) => Err(ParseError::new(self.text, token.start, format!("`{word}`"))),
            None => Ok(()),
        }
    }

    pub(crate) fn expect_end(&self) -> Result<(), ParseError> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err(self.unknown())
        }
    }

    /// Returns tokens as source text: whatever stood between two of them becomes one space, nothing stays nothing.
    fn source(&self, start: usize, end: usize) -> String {
        let mut source = String::new();
        let mut previous_end = None;
        for token in &self.tokens[start..end] {
            if previous_end.is_some_and(|previous| previous != token.start) {
                source.push(' ');
            }
            source.push_str(&self.text[token.start..token.end]);
            previous_end = Some(token.end);
        }
        source
    }
}
