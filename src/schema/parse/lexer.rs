//! Splits the text of a `SHOW CREATE TABLE` into tokens.
//!
//! Version comments (`/*!80023 … */`, `/*M!100301 … */`) are opened: the server that printed them means their
//! content. Must never drop anything else: a plain comment or an unknown character is an error. Must never take what a
//! server would read as the beginning of something else (a string in double quotes, a comment, another statement): the
//! text may come from a plan file, and pieces of it are sent again.

use super::ParseError;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare word: keyword, type, name.
    Word,
    /// An identifier in backticks, unquoted.
    Quoted(String),
    /// A string literal, unquoted.
    Text(String),
    /// A number.
    Number,
    /// Any other single character.
    Symbol(char),
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// Byte offset of its first character.
    pub(crate) start: usize,
    /// Byte offset behind its last character.
    pub(crate) end: usize,
}

/// Splits a text.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut open_comments = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = version_comment(bytes, at).ok_or_else(|| {
                    ParseError::new(text, at, "a comment that only people can read")
                })?;
                open_comments += 1;
                continue;
            }
            b'*' if bytes.get(at + 1) == Some(&b'/') && open_comments > 0 => {
                open_comments -= 1;
                at += 2;
                continue;
            }
            b'`' => {
                let (name, end) = quoted_name(text, at)?;
                at = end;
                Kind::Quoted(name)
            }
            b'\'' => {
                let (value, end) = string(text, at)?;
                at = end;
                Kind::Text(value)
            }
            byte if is_word(byte) => {
                while at < bytes.len() && is_word(bytes[at]) {
                    at += 1;
                }
                let word = &text[start..at];
                if word.bytes().all(|byte| byte.is_ascii_digit()) {
                    at = fraction(bytes, at);
                    Kind::Number
                } else {
                    Kind::Word
                }
            }
            _ => {
                let character = text[at..].chars().next().unwrap_or(' ');
                if is_ambiguous(&bytes[at..]) {
                    return Err(ParseError::new(text, at, format!("`{character}`")));
                }
                at += character.len_utf8();
                Kind::Symbol(character)
            }
        };
        tokens.push(Token {
            kind,
            start,
            end: at,
        });
    }
    Ok(tokens)
}

/// Whether a character outside of quotes means more to a server than itself.
fn is_ambiguous(rest: &[u8]) -> bool {
    match rest {
        [b'"' | b'#' | b';' | b'\\', ..] | [b'-', b'-'] => true,
        [b'-', b'-', next, ..] => next.is_ascii_whitespace() || next.is_ascii_control(),
        [first, ..] => first.is_ascii_control(),
        [] => false,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Returns the end of a version comment's opening, or `None` for a plain comment.
fn version_comment(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 2;
    if bytes.get(end) == Some(&b'M') {
        end += 1;
    }
    if bytes.get(end) != Some(&b'!') {
        return None;
    }
    end += 1;
    while bytes.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    Some(end)
}

/// Returns the end of a number's fraction and exponent.
fn fraction(bytes: &[u8], mut at: usize) -> usize {
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        while at < bytes.len() && (bytes[at].is_ascii_alphanumeric()) {
            at += 1;
        }
        if matches!(bytes.get(at), Some(b'-' | b'+')) && matches!(bytes[at - 1], b'e' | b'E') {
            at += 1;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
        }
    }
    at
}

fn quoted_name(text: &str, start: usize) -> Result<(String, usize), ParseError> {
    let mut name = String::new();
    let mut characters = text[start + 1..].char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        if character == '`' {
            if characters.peek().map(|(_, next)| *next) != Some('`') {
                return Ok((name, start + 1 + offset + 1));
            }
            characters.next();
        }
        name.push(character);
    }
    Err(ParseError::new(text, start, "a name without its end"))
}

fn string(text: &str, start: usize) -> Result<(String, usize), ParseError> {
    let mut value = String::new();
    let mut characters = text[start + 1..].char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\'' => {
                if characters.peek().map(|(_, next)| *next) != Some('\'') {
                    return Ok((value, start + 1 + offset + 1));
                }
                characters.next();
                value.push('\'');
            }
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('0') => value.push('\0'),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('b') => value.push('\u{8}'),
                Some('Z') => value.push('\u{1a}'),
                Some(escaped) => value.push(escaped),
                None => break,
            },
            _ => value.push(character),
        }
    }
    Err(ParseError::new(text, start, "a string without its end"))
}
