//! JSON laid out for reviewing: what fits on a line stands on a line, so that a row of a plan is a line of a diff.
//!
//! Pure. Must never change the content: it is JSON like any other.

use serde_json::Value as Json;
use std::fmt;

/// The longest line, in characters, that an array or object is kept on.
const WIDTH: usize = 110;

/// Returns a value as JSON text with a newline at its end.
///
/// Arrays and objects of at most 110 columns stand on one line, longer ones with one item a line.
pub fn pretty(value: &Json) -> String {
    let mut text = Pretty(String::new());
    text.value(value, 0, 0, true);
    text.0.push('\n');
    text.0
}

struct Pretty(String);

impl Pretty {
    /// Writes a value that starts in column `used` and is followed by one more character.
    fn value(&mut self, value: &Json, indent: usize, used: usize, top: bool) {
        if !top {
            let line = OneLine(value).to_string();
            if used + line.chars().count() < WIDTH || !has_items(value) {
                self.0.push_str(&line);
                return;
            }
        }
        match value {
            Json::Array(items) => {
                self.0.push('[');
                for (position, item) in items.iter().enumerate() {
                    self.start(indent + 2, position);
                    self.value(item, indent + 2, indent + 2, false);
                }
                self.end(indent, ']');
            }
            Json::Object(fields) => {
                self.0.push('{');
                for (position, (name, item)) in fields.iter().enumerate() {
                    self.start(indent + 2, position);
                    let name = Json::from(name.as_str()).to_string();
                    self.0.push_str(&name);
                    self.0.push_str(": ");
                    let used = indent + 4 + name.chars().count();
                    self.value(item, indent + 2, used, false);
                }
                self.end(indent, '}');
            }
            other => self.0.push_str(&other.to_string()),
        }
    }

    fn start(&mut self, indent: usize, position: usize) {
        if position > 0 {
            self.0.push(',');
        }
        self.0.push('\n');
        self.0.push_str(&" ".repeat(indent));
    }

    fn end(&mut self, indent: usize, bracket: char) {
        self.0.push('\n');
        self.0.push_str(&" ".repeat(indent));
        self.0.push(bracket);
    }
}

fn has_items(value: &Json) -> bool {
    match value {
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

/// A value on one line, with spaces after `:` and `,` and inside braces.
struct OneLine<'a>(&'a Json);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Json::Array(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    let joint = if position > 0 { ", " } else { "" };
                    write!(f, "{joint}{}", Self(item))?;
                }
                f.write_str("]")
            }
            Json::Object(fields) if fields.is_empty() => f.write_str("{}"),
            Json::Object(fields) => {
                f.write_str("{ ")?;
                for (position, (name, item)) in fields.iter().enumerate() {
                    let joint = if position > 0 { ", " } else { "" };
                    write!(f, "{joint}{}: {}", Json::from(name.as_str()), Self(item))?;
                }
                f.write_str(" }")
            }
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            ".{0,30}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                proptest::collection::btree_map(".{0,8}", inner, 0..6)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_laid_out_reads_back(value in json()) {
            let read: Json = serde_json::from_str(&pretty(&value)).unwrap();
            prop_assert_eq!(read, value);
        }
    }

    #[test]
    fn short_things_stay_on_a_line() {
        let value = serde_json::json!({
            "rows": [
                { "row": 1, "key": { "id": 7 }, "change": { "email": ["old@x", "new@x"] }, "before_hash": "aaaaaaaa" },
                { "row": 2, "key": { "id": 9 }, "change": { "name": [null, "Ann"] }, "before_hash": "bbbbbbbb" }
            ],
            "reasons": []
        });
        insta::assert_snapshot!(pretty(&value), @r#"
        {
          "rows": [
            { "row": 1, "key": { "id": 7 }, "change": { "email": ["old@x", "new@x"] }, "before_hash": "aaaaaaaa" },
            { "row": 2, "key": { "id": 9 }, "change": { "name": [null, "Ann"] }, "before_hash": "bbbbbbbb" }
          ],
          "reasons": []
        }
        "#);
    }
}
