//! Text in quotes, as a person reads it: what cannot be seen is spelled out, what is only unusual is not.
//!
//! Must never give two texts the same look: whatever would leave no trace on a screen is escaped.

/// Returns text in double quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Returns text as it stands between double quotes. Control characters, spaces that are not the usual one, and
/// characters that hide or reorder text are escaped as Rust escapes them; accents and vowel signs stay with their letter,
/// joiners and variation selectors where emoji and scripts need them.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if is_shown(before, character, rest.peek().copied()) {
            out.push(character);
        } else if is_invisible(character) {
            out.extend(character.escape_unicode());
        } else {
            out.extend(character.escape_debug());
        }
        before = Some(character);
    }
    out
}

/// Returns whether a character leaves its trace between its neighbours.
fn is_shown(before: Option<char>, character: char, after: Option<char>) -> bool {
    match character {
        '\'' => true,
        // Emoji, and the scripts that join their letters: all beyond Latin, Greek, Cyrillic and Hebrew.
        '\u{200c}' | '\u{200d}' => {
            let joins = |it: char| it >= '\u{600}' && !matches!(it, '\u{200c}' | '\u{200d}');
            before.is_some_and(joins) && after.is_some_and(|it| joins(it) && !is_invisible(it))
        }
        // The choice between a symbol's text and emoji form.
        '\u{fe0e}' | '\u{fe0f}' => {
            before.is_some_and(|it| !it.is_ascii() && !it.is_alphanumeric() && !is_invisible(it))
        }
        _ if character.is_ascii() || is_invisible(character) => false,
        // Rust escapes a mark that combines where it stands alone, and not behind a letter.
        _ => {
            let at_start = character.escape_debug().eq([character]);
            at_start || (before.is_some() && behind_a_letter(character))
        }
    }
}

fn behind_a_letter(character: char) -> bool {
    let pair: String = ['x', character].iter().collect();
    pair.escape_debug().eq(['x', character])
}

/// Returns whether a character is one of the combining or joining ones that show nothing themselves.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200c}'
            | '\u{200d}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_read_their_script() {
        for text in [
            "it's",
            "नमस्ते",
            "สวัสดี",
            "cafe\u{301}",
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} ❤\u{fe0f}\u{200d}🔥 🇦🇹",
            "می\u{200c}خواهم",
        ] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        assert_eq!(quoted("a\"b\\c\n\t\0"), r#""a\"b\\c\n\t\0""#);
        for (text, shown) in [
            ("a\u{a0}b", r"a\u{a0}b"),
            ("pay\u{200d}pal", r"pay\u{200d}pal"),
            ("é\u{200c}é", r"é\u{200c}é"),
            ("a\u{fe0f}", r"a\u{fe0f}"),
            ("é\u{fe0f}", r"é\u{fe0f}"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\u{fe0f}"),
            ("👩\u{200d}\u{200d}👧", r"👩\u{200d}\u{200d}👧"),
            ("👩\u{200d}", r"👩\u{200d}"),
            ("\u{301}a", r"\u{301}a"),
            ("a\u{34f}", r"a\u{34f}"),
            (
                "a\u{202e}b\u{200b}\u{1b}[31m",
                r"a\u{202e}b\u{200b}\u{1b}[31m",
            ),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    proptest! {
        #[test]
        fn two_texts_never_look_the_same(one in any::<String>(), other in any::<String>()) {
            prop_assert_eq!(escaped(&one) == escaped(&other), one == other);
            prop_assert!(!escaped(&one).chars().any(char::is_control));
        }
    }
}
