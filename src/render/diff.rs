//! The difference of two texts, as a unified diff without headers.

use similar::{ChangeTag, TextDiff};

/// One line of a diff: its mark (`+`, `-`, space, or `@` for lines left out) and its text.
pub type Line = (char, String);

/// Returns the lines that differ between two texts, with `context` equal lines around them.
pub fn lines(before: &str, after: &str, context: usize) -> Vec<Line> {
    let diff = TextDiff::from_lines(before, after);
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
                let text = change.to_string_lossy().trim_end_matches('\n').to_owned();
                lines.push((mark, text));
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
        let after = "a\nB\nc\nd\ne\nf\ng\nh\ni";
        let shown: String = lines(before, after, 1)
            .iter()
            .map(|(mark, text)| format!("{mark}{text}\n"))
            .collect();
        assert_eq!(
            shown,
            " a\n-b\n+B\n c\n@…\n g\n-h\n+h\n+i\n".replace("-h\n+h\n", "-h\n+h\n")
        );
    }
}
