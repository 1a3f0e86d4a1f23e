//! The ids of entries: `database.object.what`.
//!
//! Must never give two entries of one plan the same id: what could be taken for a separator or a pattern is encoded.

use std::fmt::Write as _;

/// Returns the id of an entry; `.`, `#`, `*`, `?`, `[`, `%`, `/` and control characters of the names are
/// percent-encoded.
pub fn entry_id(database: &str, object: &str, what: &str) -> String {
    format!("{}.{}.{what}", encoded(database), encoded(object))
}

/// Returns the id of an entry about a database itself: `database.what`.
pub fn database_id(database: &str, what: &str) -> String {
    format!("{}.{what}", encoded(database))
}

/// Returns the database that an id of [`database_id`] is about; `None` for a text that it would not make.
pub fn database_of(id: &str) -> Option<String> {
    let (database, what) = id.split_once('.')?;
    let database = decoded(database)?;
    (database_id(&database, what) == id && !what.contains('.')).then_some(database)
}

/// Returns the database, the object and the last part of an id, with their special characters; `None` for a text that
/// [`entry_id`] would not make.
pub fn parts(id: &str) -> Option<(String, String, String)> {
    let mut fields = id.split('.');
    let (database, object, what) = (fields.next()?, fields.next()?, fields.next()?);
    let (database, object) = (decoded(database)?, decoded(object)?);
    let exact = entry_id(&database, &object, what) == id;
    exact.then(|| (database, object, what.to_owned()))
}

fn decoded(name: &str) -> Option<String> {
    percent_encoding::percent_decode_str(name)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
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
            prop_assert_eq!(database_of(&database_id(&one, "x")), Some(one.clone()));
            prop_assert_eq!(parts(&entry_id(&one, &two, "x")), Some((one.clone(), two.clone(), "x".to_owned())));
            prop_assume!((&one, &two) != (&three, &four));
            prop_assert_ne!(entry_id(&one, &two, "x"), entry_id(&three, &four, "x"));
        }
    }
}
