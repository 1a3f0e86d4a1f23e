//! Finds where the body of a stored program ends, as the server's parser does.
//!
//! A `;` inside a compound statement is part of it; a `;` behind it would start a second statement. Must never take a
//! word for the start of a block where the server may take it for a name: what is not certain is an error, so that a
//! mistake refuses a text and never lets one through.

use super::head::Cursor;
use super::lexer::{Token, TokenKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    If,
    CaseStatement,
    CaseExpression,
    Loop,
    Repeat,
    /// WHILE or FOR, whose DO is still to come, or has come.
    While {
        started: bool,
    },
    For {
        started: bool,
    },
}

/// Checks that the tokens from `start` are one statement, and nothing behind it.
pub(super) fn check(tokens: &[Token<'_>], start: usize) -> Result<(), String> {
    let mut body = Body {
        cursor: Cursor::new(tokens, start),
        blocks: Vec::new(),
        parentheses: 0,
        at_start: true,
    };
    while body.cursor.peek().is_some() {
        if body.step()? {
            return body.nothing_left();
        }
    }
    if body.blocks.is_empty() && body.parentheses == 0 {
        Ok(())
    } else {
        Err("the text ends inside a block or parenthesis".to_owned())
    }
}

struct Body<'a> {
    cursor: Cursor<'a>,
    blocks: Vec<Block>,
    parentheses: usize,
    /// Whether a statement may start at the current token.
    at_start: bool,
}

impl Body<'_> {
    /// Takes one token or construct; `true` when the outermost compound statement has ended.
    fn step(&mut self) -> Result<bool, String> {
        let Some(token) = self.cursor.peek() else {
            return Ok(false);
        };
        let at_start = std::mem::take(&mut self.at_start);
        match &token.kind {
            TokenKind::Symbol('(') => self.parentheses += 1,
            TokenKind::Symbol(')') => {
                self.parentheses = self
                    .parentheses
                    .checked_sub(1)
                    .ok_or_else(|| format!("a `)` without `(` at byte {}", token.start))?;
            }
            TokenKind::Symbol(';') => return self.semicolon().map(|()| false),
            // What follows a dot or an at sign is a name, whatever it spells.
            TokenKind::Symbol('.' | '@') => {
                self.cursor.at += 1;
                if self.cursor.peek().is_some_and(|next| next.name().is_some()) {
                    self.cursor.at += 1;
                }
                return Ok(false);
            }
            TokenKind::Word => return self.word(at_start),
            TokenKind::Quoted(_) if at_start && self.label() => return Ok(false),
            _ => {}
        }
        self.cursor.at += 1;
        Ok(false)
    }

    fn semicolon(&mut self) -> Result<(), String> {
        let place = self.cursor.peek().map_or(0, |token| token.start);
        let in_statement = self
            .blocks
            .last()
            .is_some_and(|block| *block != Block::CaseExpression);
        if self.parentheses > 0 || !in_statement {
            return Err(format!(
                "a `;` at byte {place} that ends the statement before the text ends"
            ));
        }
        self.cursor.at += 1;
        self.at_start = true;
        Ok(())
    }

    fn word(&mut self, at_start: bool) -> Result<bool, String> {
        if self.cursor.is("END") {
            return self.end();
        }
        if self.cursor.skip("CASE") {
            self.blocks.push(if at_start {
                Block::CaseStatement
            } else {
                Block::CaseExpression
            });
            return Ok(false);
        }
        if self.parentheses == 0 {
            if at_start && self.statement_start()? {
                return Ok(false);
            }
            if self.opens_statements() {
                self.at_start = true;
                return Ok(false);
            }
        }
        self.cursor.at += 1;
        Ok(false)
    }

    /// Handles the first word of a statement; `false` where it is an ordinary statement.
    fn statement_start(&mut self) -> Result<bool, String> {
        if self.label() {
            return Ok(true);
        }
        for (word, block, starts) in [
            ("BEGIN", Block::Begin, true),
            ("IF", Block::If, false),
            ("LOOP", Block::Loop, true),
            ("REPEAT", Block::Repeat, true),
            ("WHILE", Block::While { started: false }, false),
            ("FOR", Block::For { started: false }, false),
        ] {
            if self.cursor.skip(word) {
                self.blocks.push(block);
                self.at_start = starts;
                return Ok(true);
            }
        }
        if self.cursor.skip("DECLARE") {
            self.handler()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// `label:`, after which a statement starts.
    fn label(&mut self) -> bool {
        let place = self.cursor.at;
        self.cursor.at += 1;
        if self.cursor.skip_symbol(':')
            && !self.cursor.peek().is_some_and(|token| token.is_symbol('='))
        {
            self.at_start = true;
            return true;
        }
        self.cursor.at = place;
        false
    }

    /// `CONTINUE HANDLER FOR condition, …` after DECLARE, after which a statement starts; otherwise nothing.
    fn handler(&mut self) -> Result<(), String> {
        let place = self.cursor.at;
        let is_handler = ["CONTINUE", "EXIT", "UNDO"]
            .iter()
            .any(|word| self.cursor.skip(word))
            && self.cursor.skip("HANDLER");
        if !is_handler {
            self.cursor.at = place;
            return Ok(());
        }
        if !self.cursor.skip("FOR") {
            return Err(self.cursor.unexpected("FOR"));
        }
        loop {
            if self.cursor.skip("SQLSTATE") {
                self.cursor.skip("VALUE");
            } else if self.cursor.skip("NOT") && !self.cursor.is("FOUND") {
                return Err(self.cursor.unexpected("FOUND"));
            }
            // A SQLSTATE, an error number, FOUND, SQLWARNING, SQLEXCEPTION or the name of a condition.
            self.cursor.at += 1;
            if !self.cursor.skip_symbol(',') {
                break;
            }
        }
        self.at_start = true;
        Ok(())
    }

    /// THEN, ELSE and DO, where they belong to a statement.
    fn opens_statements(&mut self) -> bool {
        match self.blocks.last_mut() {
            Some(Block::If | Block::CaseStatement) => {
                self.cursor.skip("THEN") || self.cursor.skip("ELSE")
            }
            Some(Block::While { started } | Block::For { started }) if !*started => {
                *started = self.cursor.skip("DO");
                *started
            }
            _ => false,
        }
    }

    fn end(&mut self) -> Result<bool, String> {
        let place = self.cursor.peek().map_or(0, |token| token.start);
        self.cursor.at += 1;
        let Some(block) = self.blocks.pop() else {
            return Err(format!("an END at byte {place} that ends nothing"));
        };
        let suffix = match block {
            Block::Begin | Block::CaseExpression => None,
            Block::If => Some("IF"),
            Block::CaseStatement => Some("CASE"),
            Block::Loop => Some("LOOP"),
            Block::Repeat => Some("REPEAT"),
            Block::While { .. } => Some("WHILE"),
            Block::For { .. } => Some("FOR"),
        };
        if let Some(word) = suffix
            && !self.cursor.skip(word)
        {
            return Err(self.cursor.unexpected(word));
        }
        if block == Block::CaseExpression {
            return Ok(false);
        }
        if self.parentheses > 0 {
            return Err(format!("an END at byte {place} inside parentheses"));
        }
        Ok(self.blocks.is_empty())
    }

    /// Behind the outermost compound statement nothing but its label may stand.
    fn nothing_left(&mut self) -> Result<(), String> {
        if self
            .cursor
            .peek()
            .is_some_and(|token| token.name().is_some())
        {
            self.cursor.at += 1;
        }
        match self.cursor.peek() {
            None => Ok(()),
            Some(_) => Err(self.cursor.unexpected("the end")),
        }
    }
}
