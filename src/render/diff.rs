//! The difference of two texts, as a unified diff without headers.

use similar::{ChangeTag, TextDiff};

/// One line of a diff: its mark (`+`, `-`, space, or `@` for lines left out) and its text.
pub type Line = (char, String);

/// Returns the lines that differ between two texts, with `context` equal lines around them. A comma at the end of a
/// line is no difference: a list that grows gives its last line one.
pub fn lines(before: &str, after: &str, context: usize) -> Vec<Line> {
    let split = |text: &'_ str| -> Vec<String> {
        let ends = |line: &str| line.trim_end_matches(',').to_owned();
        text.lines().map(ends).collect()
    };
    let (before, after) = (split(before), split(after));
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let after: Vec<&str> = after.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&before, &after);
    let mut lines = Vec::new();
    for (position, group) in diff.grouped_ops(context).iter().enumerate() {
        if position > 0 {
            lines.push(('@', "…".to_owned()));
        }
        for op in group {
            for change in diff.iter_changes(op) {
                let mark = match change.tag() {
                    ChangeTag::Equal => ' ',
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                lines.push((mark, change.value().to_string()));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh";
        let after = "a\nB\nc\nd\ne\nf\ng\nh,\ni";
        let shown: Vec<String> = lines(before, after, 1)
            .iter()
            .map(|(mark, text)| format!("{mark}{text}"))
            .collect();
        assert_eq!(shown, [" a", "-b", "+B", " c", "@…", " h", "+i"]);
    }
}
