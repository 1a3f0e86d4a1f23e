//! The ids of entries: `database.object.what`.
//!
//! Must never give two entries of one plan the same id: what could be taken for a separator or a pattern is encoded.

use std::fmt::Write as _;

/// Returns the id of an entry; `.`, `#`, `*`, `?`, `[`, `%`, `/` and control characters of the names are
/// percent-encoded.
pub fn entry_id(database: &str, object: &str, what: &str) -> String {
    format!("{}.{}.{what}", encoded(database), encoded(object))
}

fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '.' | '#' | '*' | '?' | '[' | '%' | '/') || character.is_control() {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_and_patterns_in_names_are_encoded() {
        assert_eq!(entry_id("shop", "users", "expand"), "shop.users.expand");
        assert_eq!(
            entry_id("a.b", "c#*?[%/é", "x"),
            "a%2Eb.c%23%2A%3F%5B%25%2Fé.x"
        );
    }

    proptest! {
        #[test]
        fn different_names_have_different_ids(one in "\\PC{1,6}", two in "\\PC{1,6}", three in "\\PC{1,6}", four in "\\PC{1,6}") {
            prop_assume!((&one, &two) != (&three, &four));
            prop_assert_ne!(entry_id(&one, &two, "x"), entry_id(&three, &four, "x"));
        }
    }
}
