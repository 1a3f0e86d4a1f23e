//! Splits a statement into tokens as MySQL and MariaDB do.
//!
//! Must never see a token where the server sees a string or a comment, nor the reverse: what differs between versions
//! (version comments, dollar quotes, NUL bytes) is an error instead of a guess.

/// The parts of a session's `sql_mode` that change how a text is split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LexMode {
    /// `"x"` is an identifier, not a string.
    pub ansi_quotes: bool,
    /// A backslash in a string is an ordinary character.
    pub no_backslash_escapes: bool,
}

/// Modes that set `ANSI_QUOTES` with themselves. A server names that too; a plan file need not.
const WITH_ANSI_QUOTES: [&str; 7] = [
    "ANSI_QUOTES",
    "ANSI",
    "DB2",
    "MAXDB",
    "MSSQL",
    "ORACLE",
    "POSTGRESQL",
];

impl LexMode {
    /// Reads the mode from an `sql_mode` value.
    pub fn from_sql_mode(sql_mode: &str) -> Self {
        let has = |mode: &str| {
            sql_mode
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(mode))
        };
        Self {
            ansi_quotes: WITH_ANSI_QUOTES.into_iter().any(has),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
        }
    }
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// An unquoted identifier or keyword.
    Word,
    /// A quoted identifier, without its quotes and with doubled quotes undone.
    Quoted(String),
    /// A string literal.
    Text,
    /// A number.
    Number,
    /// Any other character.
    Symbol(char),
}

/// A token of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// The token as it stands in the text.
    pub text: &'a str,
    /// Where it starts, in bytes.
    pub start: usize,
}

impl Token<'_> {
    /// Returns where the token ends, in bytes.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Returns whether the token is that unquoted word, in any case.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Returns whether the token is that character.
    pub fn is_symbol(&self, symbol: char) -> bool {
        self.kind == TokenKind::Symbol(symbol)
    }

    /// Returns the name that the token stands for, where it can be an identifier.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            TokenKind::Quoted(name) => Some(name),
            TokenKind::Word => Some(self.text),
            _ => None,
        }
    }
}

/// Splits a text into tokens; comments are left out.
///
/// # Errors
/// An unfinished string, identifier or comment, a version comment, a dollar quote or a NUL byte.
pub fn tokens(text: &str, mode: LexMode) -> Result<Vec<Token<'_>>, String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &text[at..];
        let next = bytes.get(at + 1).copied();
        let (kind, length) = match byte {
            0 => return Err(format!("a NUL byte at byte {at}")),
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                at += 1;
                continue;
            }
            b'#' => {
                at += line_length(rest);
                continue;
            }
            b'-' if next == Some(b'-') && starts_line_comment(bytes.get(at + 2).copied()) => {
                at += line_length(rest);
                continue;
            }
            b'/' if next == Some(b'*') => {
                at += comment_length(rest, at)?;
                continue;
            }
            b'`' => quoted_identifier(rest, '`', at)?,
            b'"' if mode.ansi_quotes => quoted_identifier(rest, '"', at)?,
            b'\'' | b'"' => (
                TokenKind::Text,
                string_length(rest, byte, mode.no_backslash_escapes)
                    .ok_or_else(|| format!("a string that does not end, at byte {at}"))?,
            ),
            b'$' => return Err(format!("a `$` outside of a name, at byte {at}")),
            b'.' if next.is_some_and(|byte| byte.is_ascii_digit())
                && found
                    .last()
                    .is_none_or(|last: &Token| last.name().is_none()) =>
            {
                (TokenKind::Number, 1 + number_length(&rest[1..]))
            }
            _ if byte.is_ascii_digit() => {
                let word = word_length(rest);
                let follows_dot = found.last().is_some_and(|last: &Token| last.is_symbol('.'));
                if follows_dot || !is_number(&rest[..word]) {
                    (TokenKind::Word, word)
                } else {
                    (TokenKind::Number, number_length(rest))
                }
            }
            _ if is_word_byte(byte) => (TokenKind::Word, word_length(rest)),
            _ => (TokenKind::Symbol(char::from(byte)), 1),
        };
        found.push(Token {
            kind,
            text: &rest[..length],
            start: at,
        });
        at += length;
    }
    Ok(found)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn word_length(rest: &str) -> usize {
    rest.bytes().take_while(|byte| is_word_byte(*byte)).count()
}

/// A digit may start a name (`1a`); digits alone, exponents and `0x…`, `0b…` are numbers.
fn is_number(word: &str) -> bool {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = word
        .split_once(['e', 'E'])
        .is_some_and(|(mantissa, exponent)| {
            mantissa.bytes().all(|byte| byte.is_ascii_digit())
                && exponent.bytes().all(|byte| byte.is_ascii_digit())
        });
    let hexadecimal = word.strip_prefix("0x").is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let binary = word.strip_prefix("0b").is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0' | b'1'))
    });
    plain || exponent || hexadecimal || binary
}

/// The length of a number that starts here: digits, a fraction, an exponent.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let word = word_length(rest);
    let mut length = digits(0);
    if word > length {
        let exponent_only = rest[length..word].eq_ignore_ascii_case("e");
        if !exponent_only {
            return word;
        }
    }
    // `1..10` is a range of MariaDB's FOR loop, not a fraction.
    if bytes.get(length) == Some(&b'.') && bytes.get(length + 1) != Some(&b'.') {
        length += 1;
        length += digits(length);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

fn starts_line_comment(byte: Option<u8>) -> bool {
    byte.is_none_or(|byte| byte <= b' ' || byte == 0x7f)
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |end| end + 1)
}

fn comment_length(rest: &str, at: usize) -> Result<usize, String> {
    if rest.starts_with("/*!") || rest.starts_with("/*M!") {
        return Err(format!(
            "a version comment, which some servers execute and others skip, at byte {at}"
        ));
    }
    let end = rest[2..]
        .find("*/")
        .ok_or_else(|| format!("a comment that does not end, at byte {at}"))?;
    let content = &rest[2..2 + end];
    // An optimizer hint is split by MySQL with quotes in mind; a plain comment is not.
    if content.starts_with('+')
        && (content.contains(['\'', '"']) || !content.matches('`').count().is_multiple_of(2))
    {
        return Err(format!(
            "an optimizer hint with a quote in it, at byte {at}"
        ));
    }
    Ok(end + 4)
}

fn quoted_identifier(rest: &str, quote: char, at: usize) -> Result<(TokenKind, usize), String> {
    let mut name = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((position, character)) = characters.next() {
        if character != quote {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            name.push(quote);
        } else {
            return Ok((TokenKind::Quoted(name), position + 1));
        }
    }
    Err(format!("a quoted name that does not end, at byte {at}"))
}

fn string_length(rest: &str, quote: u8, no_backslash_escapes: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if !no_backslash_escapes => at += 2,
            byte if byte == quote => {
                if bytes.get(at + 1) == Some(&quote) {
                    at += 2;
                } else {
                    return Some(at + 1);
                }
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str, sql_mode: &str) -> Vec<String> {
        tokens(text, LexMode::from_sql_mode(sql_mode))
            .unwrap()
            .into_iter()
            .map(|token| token.text.to_owned())
            .collect()
    }

    #[test]
    fn strings_follow_the_mode() {
        assert_eq!(texts(r"'a\';' x", ""), [r"'a\';'", "x"]);
        assert_eq!(
            texts(r"'a\';b", "NO_BACKSLASH_ESCAPES")[..2],
            [r"'a\'", ";"]
        );
        assert_eq!(texts(r#""a;b" 'it''s;'"#, ""), [r#""a;b""#, "'it''s;'"]);
        let ansi = tokens(r#""a""b""#, LexMode::from_sql_mode("ANSI_QUOTES")).unwrap();
        assert_eq!(ansi[0].kind, TokenKind::Quoted("a\"b".to_owned()));
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(
            texts("a -- b;\nc # d;\ne /* ; f */ g --x", ""),
            ["a", "c", "e", "g", "-", "-", "x"]
        );
        assert_eq!(texts("1--1", ""), ["1", "-", "-", "1"]);
    }

    #[test]
    fn numbers_do_not_swallow_words() {
        assert_eq!(
            texts("1.end 1.5e3x t.1a 1..10 .5", ""),
            [
                "1.", "end", "1.5e3", "x", "t", ".", "1a", "1", ".", ".10", ".5"
            ]
        );
        assert_eq!(texts("0x1F 1e5 1a", ""), ["0x1F", "1e5", "1a"]);
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for text in [
            "/*!50000 x */",
            "/*M!100 x */",
            "$$a$$",
            "a\0b",
            "'a",
            "`a",
            "/* a",
            "/*+ a(`*/`) */",
        ] {
            assert!(tokens(text, LexMode::default()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_name_is_read_back(name in "[^\0]{0,20}") {
            let quoted = crate::sql::ident(&name);
            let found = tokens(&quoted, LexMode::default()).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].name(), Some(name.as_str()));
        }

        #[test]
        fn tokens_lie_in_order_and_inside(text in "[ -~é\n]{0,60}", ansi: bool, plain: bool) {
            let mode = LexMode { ansi_quotes: ansi, no_backslash_escapes: plain };
            if let Ok(found) = tokens(&text, mode) {
                let mut last = 0;
                for token in found {
                    prop_assert!(token.start >= last);
                    prop_assert!(!token.text.is_empty());
                    prop_assert_eq!(&text[token.start..token.end()], token.text);
                    last = token.end();
                }
            }
        }
    }
}
