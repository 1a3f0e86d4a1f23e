//! A rule's text, cut into tokens.
//!
//! Must never skip anything but white space: a comment is an error.

use super::RuleError;
use crate::value::from_hex;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word: keyword, function or column.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// Text in quotes, escapes undone.
    Text(String),
    /// `X'…'` or `0x…`.
    Bytes(Vec<u8>),
    /// Digits with an optional point, and an optional power of ten.
    Number(String, Option<i32>),
    /// An operator or a parenthesis.
    Sign(&'static str),
    /// The end of the text.
    End,
}

impl Token {
    /// Names the token for an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Name(name) => format!("the name `{name}`"),
            Self::Text(text) => {
                let short: String = text.chars().take(20).collect();
                format!("the text {short:?}")
            }
            Self::Bytes(_) => "a hexadecimal literal".to_owned(),
            Self::Number(digits, _) => format!("the number {digits}"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Signs, longer ones first.
const SIGNS: [&str; 26] = [
    "->>", "<=>", "<<", ">>", "<=", ">=", "<>", "!=", "&&", "->", "=", "<", ">", "+", "-", "*",
    "/", "%", "&", "|", "^", "(", ")", ",", ".", "~",
];

/// What a rule may not hold, and why, longer ones first.
const REFUSED: [(&str, &str); 13] = [
    (
        "--",
        "a rule has no comments (for minus a negative number, put a space between)",
    ),
    ("/*", "a rule has no comments"),
    ("*/", "a rule has no comments"),
    (
        "||",
        "it means OR or CONCAT by the server's settings; write one of these",
    ),
    (":=", "a rule assigns nothing"),
    ("#", "a rule has no comments"),
    (";", "a rule is one expression, not several statements"),
    (
        "@",
        "a rule reads no variables of the server or the session",
    ),
    ("?", "a rule has no parameters"),
    ("!", "write NOT"),
    ("{", "a rule has no braces"),
    ("}", "a rule has no braces"),
    ("\\", "a backslash belongs inside quotes"),
];

/// Cuts a text into tokens, each with its place in characters from 1. The last is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, RuleError> {
    let characters: Vec<char> = text.chars().collect();
    let mut lexer = Lexer {
        text: &characters,
        at: 0,
    };
    let mut found = Vec::new();
    loop {
        while lexer.peek().is_some_and(char::is_whitespace) {
            lexer.at += 1;
        }
        let position = lexer.at + 1;
        let token = lexer.token()?;
        let is_end = token == Token::End;
        found.push((token, position));
        if is_end {
            return Ok(found);
        }
    }
}

struct Lexer<'a> {
    text: &'a [char],
    at: usize,
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '_'
        || character == '$'
        || !character.is_ascii()
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn starts_with(&self, sign: &str) -> bool {
        sign.chars()
            .enumerate()
            .all(|(offset, character)| self.text.get(self.at + offset) == Some(&character))
    }

    fn error<T>(&self, what: impl Into<String>) -> Result<T, RuleError> {
        Err(RuleError::new(self.at + 1, what))
    }

    fn while_some(&mut self, test: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&test) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn token(&mut self) -> Result<Token, RuleError> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        let next = self.text.get(self.at + 1).copied();
        match first {
            '\'' | '"' => self.quoted(first).map(Token::Text),
            '`' => {
                let start = self.at;
                let name = self.quoted('`')?;
                if name.is_empty() || name.contains('\0') {
                    self.at = start;
                    return self.error("found a name without a character, expected a column");
                }
                Ok(Token::Name(name))
            }
            'x' | 'X' if next == Some('\'') => {
                self.at += 1;
                let start = self.at;
                let digits = self.quoted('\'')?;
                Self::hex(&digits, start)
            }
            '0' if matches!(next, Some('x' | 'X')) => {
                let start = self.at;
                self.at += 2;
                let digits = self.while_some(is_word);
                if digits.is_empty() {
                    self.at = start;
                    return self.error("found `0x` without digits");
                }
                Self::hex(&digits, start)
            }
            _ if first.is_ascii_digit()
                || first == '.' && next.is_some_and(|c| c.is_ascii_digit()) =>
            {
                self.number()
            }
            _ if is_word(first) => Ok(Token::Word(self.while_some(is_word))),
            _ => self.sign(),
        }
    }

    fn sign(&mut self) -> Result<Token, RuleError> {
        if let Some(sign) = ["!=", "->>", "->"]
            .into_iter()
            .find(|sign| self.starts_with(sign))
        {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        if let Some((sign, why)) = REFUSED.iter().find(|(sign, _)| self.starts_with(sign)) {
            return self.error(format!("found `{sign}`: {why}"));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.starts_with(sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let found: String = self.text[self.at..=self.at].iter().collect();
        self.error(format!("found {found:?}, which no rule holds"))
    }

    /// What stands between two quotes: doubled quotes and, but for names, escapes are undone as MySQL does by default.
    fn quoted(&mut self, quote: char) -> Result<String, RuleError> {
        let start = self.at;
        self.at += 1;
        let mut inner = String::new();
        while let Some(character) = self.peek() {
            self.at += 1;
            if character == quote {
                if self.peek() != Some(quote) {
                    return Ok(inner);
                }
                self.at += 1;
                inner.push(quote);
            } else if character == '\\' && quote != '`' {
                let Some(escaped) = self.peek() else { break };
                self.at += 1;
                match escaped {
                    '0' => inner.push('\0'),
                    'b' => inner.push('\u{8}'),
                    'n' => inner.push('\n'),
                    'r' => inner.push('\r'),
                    't' => inner.push('\t'),
                    'Z' => inner.push('\u{1a}'),
                    // Kept for LIKE.
                    '%' | '_' => inner.extend(['\\', escaped]),
                    other => inner.push(other),
                }
            } else {
                inner.push(character);
            }
        }
        self.at = start;
        self.error(format!("found {quote} without its end"))
    }

    fn hex(digits: &str, start: usize) -> Result<Token, RuleError> {
        match from_hex(digits) {
            Some(bytes) => Ok(Token::Bytes(bytes)),
            None => Err(RuleError::new(
                start + 1,
                "found a hexadecimal literal with other than pairs of digits",
            )),
        }
    }

    fn number(&mut self) -> Result<Token, RuleError> {
        let start = self.at;
        let mut digits = self.while_some(|c| c.is_ascii_digit());
        if self.peek() == Some('.') {
            self.at += 1;
            let fraction = self.while_some(|c| c.is_ascii_digit());
            let whole = if digits.is_empty() { "0" } else { &digits };
            let fraction = if fraction.is_empty() { "0" } else { &fraction };
            digits = format!("{whole}.{fraction}");
        }
        let mut power = None;
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            let sign = match self.peek() {
                Some('-') => "-",
                _ => "",
            };
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            let text = format!("{sign}{}", self.while_some(|c| c.is_ascii_digit()));
            power = text.parse().ok().filter(|power: &i32| power.abs() <= 400);
            if power.is_none() {
                return Err(RuleError::new(
                    start + 1,
                    "found a number with an impossible power of ten",
                ));
            }
        }
        if self.peek().is_some_and(is_word) || digits.len() > 80 {
            return Err(RuleError::new(
                start + 1,
                "found what is neither a number nor a name (a name that begins with a digit goes in backticks)",
            ));
        }
        Ok(Token::Number(digits, power))
    }
}
