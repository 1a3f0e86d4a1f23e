//! Lines that fit a terminal: a long one goes on below, further in, so that the marks in front stay a column of their own.
//!
//! Must never lose or reorder a character, or break an escape sequence.

use console::{AnsiCodeIterator, measure_text_width};

/// How much further in a line goes on.
const INDENT: usize = 4;

/// The narrowest rest of a line that is worth being written in.
const NARROWEST: usize = 20;

/// Returns text whose lines fit a width: broken behind a space where one is near, else anywhere.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        let indent = line.chars().take_while(|it| *it == ' ').count() + INDENT;
        if measure_text_width(line) <= width || indent + NARROWEST > width {
            out.push_str(line);
        } else {
            break_up(line, width, indent, &mut out);
        }
        out.push_str(end);
    }
    out
}

fn break_up(line: &str, width: usize, indent: usize, out: &mut String) {
    let new_line = format!("\n{}", " ".repeat(indent));
    let mut used = 0;
    // The last space of this line that is far enough right: where it stands in `out`, and what is used up to it.
    let mut space: Option<(usize, usize)> = None;
    for (part, is_code) in AnsiCodeIterator::new(line) {
        if is_code {
            out.push_str(part);
            continue;
        }
        for character in part.chars() {
            let wide = measure_text_width(character.encode_utf8(&mut [0; 4]));
            if used + wide > width {
                if let Some((place, before)) = space.take() {
                    out.insert_str(place, &new_line);
                    used = indent + used - before;
                } else {
                    out.push_str(&new_line);
                    used = indent;
                }
            }
            out.push(character);
            used += wide;
            if character == ' ' && used > width / 2 {
                space = Some((out.len(), used));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_line_goes_on_further_in() {
        let line =
            "      ! replaces the definition that local has: its text differs here\n  short\n";
        assert_eq!(
            wrapped(line, 40),
            "      ! replaces the definition that \n          local has: its text differs \n          here\n  short\n"
        );
        let line = format!("  \u{1b}[31m{}\u{1b}[0m", "x".repeat(50));
        let shown = wrapped(&line, 40);
        assert_eq!(
            shown,
            format!(
                "  \u{1b}[31m{}\n      {}\u{1b}[0m",
                "x".repeat(38),
                "x".repeat(12)
            )
        );
        // Too narrow to be worth it: the terminal breaks it as it likes.
        assert_eq!(wrapped(&line, 20), line);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_everything_fits(words in "[a-zé字😀 ]{0,200}", width in 40_usize..90) {
            let shown = wrapped(&words, width);
            for line in shown.lines() {
                prop_assert!(measure_text_width(line.trim_end()) <= width, "{line:?}");
            }
            let bare = |text: &str| text.replace(['\n', ' '], "");
            prop_assert_eq!(bare(&shown), bare(&words));
        }
    }
}
