//! Values as a reviewer sees them: folded where they are long, the changed part of a pair set apart.
//!
//! Must never let a control character through: text is quoted as `value` quotes it.

use super::words::counted;
use crate::value::{Value, escaped, quoted, to_hex};
use std::fmt::Write as _;

/// The longest value that is shown whole, in characters.
const LONG: usize = 72;

/// How much of what two long values share is shown beside their difference.
const AROUND: usize = 16;

/// What two values must share to have their difference marked, in characters.
const SHARED: usize = 3;

/// A value in three parts: what it shares with the other of its pair, what it does not, what it shares again. The
/// middle is empty where nothing is marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// The shared start, or the whole value.
    pub(super) start: String,
    /// The part that differs.
    pub(super) middle: String,
    /// The shared end, and a word on what is not shown.
    pub(super) end: String,
}

impl Marked {
    fn plain(text: String) -> Self {
        Self {
            start: text,
            ..Self::default()
        }
    }
}

/// Returns a value on one line, folded where it is long unless `whole`.
pub(super) fn value(value: &Value, whole: bool) -> String {
    match value {
        Value::Text(text) if !whole && text.chars().count() > LONG => {
            let start: String = text.chars().take(LONG - 8).collect();
            format!(
                "{}… ({})",
                quoted(&start),
                counted(text.chars().count() as u64, "character")
            )
        }
        Value::Bytes(bytes) if !whole && bytes.len() * 2 > LONG => {
            let start = Value::Bytes(bytes[..LONG / 2 - 4].to_vec());
            format!("{start}… ({})", counted(bytes.len() as u64, "byte"))
        }
        short => short.to_string(),
    }
}

/// Returns the two values of a change with the part that differs set apart; of long ones only that part, with a little
/// around it, unless `whole`.
pub(super) fn pair(before: &Value, after: &Value, whole: bool) -> (Marked, Marked) {
    match (before, after) {
        (Value::Text(one), Value::Text(other)) => {
            let (one, other): (Vec<char>, Vec<char>) =
                (one.chars().collect(), other.chars().collect());
            let form = Form {
                quote: "\"",
                unit: "character",
                longest: LONG,
                text: |part: &[char]| escaped(&part.iter().collect::<String>()),
            };
            form.pair(&one, &other, whole)
        }
        (Value::Bytes(one), Value::Bytes(other)) => {
            let form = Form {
                quote: "",
                unit: "byte",
                longest: LONG / 2,
                text: |part: &[u8]| to_hex(part),
            };
            let (mut before, mut after) = form.pair(one, other, whole);
            for side in [&mut before, &mut after] {
                side.start.insert_str(0, "0x");
            }
            (before, after)
        }
        _ => (
            Marked::plain(value(before, whole)),
            Marked::plain(value(after, whole)),
        ),
    }
}

/// How a kind of values is cut and written.
struct Form<T> {
    quote: &'static str,
    unit: &'static str,
    longest: usize,
    text: fn(&[T]) -> String,
}

impl<T: PartialEq> Form<T> {
    fn pair(&self, one: &[T], other: &[T], whole: bool) -> (Marked, Marked) {
        let shorter = one.len().min(other.len());
        let start = (0..shorter).take_while(|at| one[*at] == other[*at]).count();
        let end = (1..=shorter - start)
            .take_while(|back| one[one.len() - back] == other[other.len() - back])
            .count();
        (
            self.marked(one, start, end, whole),
            self.marked(other, start, end, whole),
        )
    }

    fn marked(&self, all: &[T], start: usize, end: usize, whole: bool) -> Marked {
        let folded = !whole && all.len() > self.longest;
        let (mut from, mut to) = (0, all.len());
        if folded {
            from = start.saturating_sub(AROUND);
            to = (all.len() - end + AROUND)
                .min(all.len())
                .min(from + self.longest);
        }
        let (left, right) = (start.max(from), (all.len() - end).min(to));
        let quote = self.quote;
        let mut marked = Marked {
            start: format!(
                "{}{quote}{}",
                if from > 0 { "…" } else { "" },
                (self.text)(&all[from..left])
            ),
            middle: (self.text)(&all[left..right.max(left)]),
            end: format!(
                "{}{quote}{}",
                (self.text)(&all[right.max(left)..to.max(right)]),
                if to < all.len() { "…" } else { "" }
            ),
        };
        if folded {
            let size = counted(all.len() as u64, self.unit);
            let _ = write!(marked.end, " ({size})");
        }
        // Two values that have nothing to speak of in common are read as a whole.
        if start + end < SHARED {
            return Marked::plain(marked.start + &marked.middle + &marked.end);
        }
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(side: &Marked) -> String {
        format!("{}[{}]{}", side.start, side.middle, side.end)
    }

    #[test]
    fn long_values_are_folded_around_their_difference() {
        let text =
            |mark: &str| Value::Text(format!("{}{mark}{}", "a".repeat(100), "z".repeat(100)));
        let (one, other) = pair(&text("old"), &text("newer"), false);
        assert_eq!(
            joined(&one),
            "…\"aaaaaaaaaaaaaaaa[old]zzzzzzzzzzzzzzzz\"… (203 characters)"
        );
        assert_eq!(
            joined(&other),
            "…\"aaaaaaaaaaaaaaaa[newer]zzzzzzzzzzzzzzzz\"… (205 characters)"
        );
        let same = pair(&text(""), &text(""), false);
        assert_eq!(same.0, same.1);
        assert!(value(&Value::Bytes(vec![7; 500]), false).ends_with("… (500 bytes)"));
        assert_eq!(value(&Value::Bytes(vec![7; 500]), true).len(), 1002);
        assert_eq!(
            value(&Value::Text("\x1b[2J".into()), false),
            "\"\\u{1b}[2J\""
        );
    }

    #[test]
    fn the_changed_part_is_set_apart() {
        let text = |text: &str| Value::Text(text.into());
        let shown = |one: &str, other: &str| {
            let (one, other) = pair(&text(one), &text(other), false);
            format!("{} {}", joined(&one), joined(&other))
        };
        assert_eq!(
            shown("old@example.com", "ann@example.com"),
            "\"[old]@example.com\" \"[ann]@example.com\""
        );
        assert_eq!(shown("paid", "new"), "\"paid\"[] \"new\"[]");
        assert_eq!(shown("12.50", "12.75"), "\"12.[50]\" \"12.[75]\"");
        let bytes = pair(
            &Value::Bytes(vec![1, 2, 3, 255]),
            &Value::Bytes(vec![1, 2, 3, 254]),
            false,
        );
        assert_eq!(joined(&bytes.0), "0x010203[ff]");
        let unlike = pair(&Value::Null, &text("x"), false);
        assert_eq!(joined(&unlike.0), "NULL[]");
    }

    proptest! {
        #[test]
        fn nothing_of_a_value_is_lost_when_it_is_whole(one in any::<String>(), other in any::<String>()) {
            let (before, after) = (Value::Text(one.clone()), Value::Text(other.clone()));
            let (left, right) = pair(&before, &after, true);
            for (side, text) in [(left, one), (right, other)] {
                let shown = side.start + &side.middle + &side.end;
                let quoted = escaped(&text);
                let bare: String = shown.trim_matches('"').to_owned();
                // Marks that combine are escaped or not by their place; without any the texts are the same.
                if text.is_ascii() && !text.contains('"') {
                    prop_assert_eq!(bare, quoted);
                }
            }
            let folded = pair(&before, &after, false);
            prop_assert!(!folded.0.start.chars().chain(folded.1.middle.chars()).any(char::is_control));
        }
    }
}
