//! Expressions as MySQL prints them, in words that MariaDB takes.
//!
//! Must never touch what stands in quotes, and must never change what an expression means.

/// Rewords an expression, or a text of expressions, that MySQL printed.
///
/// The introducer of utf8mb4 goes, since MariaDB cannot keep one in front of an escape (the session's character set is
/// the same); `regexp_like` of two arguments becomes the operator.
pub(crate) fn for_mariadb(text: &str) -> String {
    let mut reworded = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let in_word =
            text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        if let Some(length) = quoted(rest) {
            reworded.push_str(&rest[..length]);
            at += length;
        } else if !in_word && starts(rest, "_utf8mb4'") {
            at += "_utf8mb4".len();
        } else if !in_word
            && starts(rest, "regexp_like(")
            && let Some((subject, pattern, length)) = two_arguments(rest)
        {
            for part in [
                "(",
                for_mariadb(subject).as_str(),
                " regexp ",
                for_mariadb(pattern).as_str(),
                ")",
            ] {
                reworded.push_str(part);
            }
            at += length;
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            reworded.push_str(&rest[..length]);
            at += length;
        }
    }
    reworded
}

fn starts(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The length of the quoted name or string that a text starts with.
fn quoted(text: &str) -> Option<usize> {
    let quote = text
        .chars()
        .next()
        .filter(|first| "'\"`".contains(*first))?;
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((place, character)) = characters.next() {
        if character == '\\' && quote != '`' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return Some(place + 1);
            }
        }
    }
    Some(text.len())
}

/// The two arguments of the call that a text starts with, and the call's length.
fn two_arguments(text: &str) -> Option<(&str, &str, usize)> {
    let open = text.find('(')?;
    let (mut depth, mut comma, mut at) = (0_usize, None, open);
    while at < text.len() {
        let rest = &text[at..];
        if let Some(length) = quoted(rest) {
            at += length;
            continue;
        }
        match rest.chars().next()? {
            '(' => depth += 1,
            ')' if depth == 1 => {
                let comma: usize = comma?;
                return Some((&text[open + 1..comma], &text[comma + 1..at], at + 1));
            }
            ')' => depth -= 1,
            ',' if depth == 1 && comma.replace(at).is_some() => return None,
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::for_mariadb;

    #[test]
    fn only_what_mariadb_does_not_take_is_reworded() {
        for (mysql, mariadb) in [
            (r"concat(_utf8mb4'it\'s ',`a`)", r"concat('it\'s ',`a`)"),
            ("regexp_like(`e`,_utf8mb4'^(a,)')", "(`e` regexp '^(a,)')"),
            (
                "regexp_like(concat(`e`,','),regexp_like(`a`,`b`))",
                "(concat(`e`,',') regexp (`a` regexp `b`))",
            ),
            ("regexp_like(`e`,'a','i')", "regexp_like(`e`,'a','i')"),
            (
                "`_utf8mb4'` + '_utf8mb4''' + x_utf8mb4'é'",
                "`_utf8mb4'` + '_utf8mb4''' + x_utf8mb4'é'",
            ),
            ("_latin1'x'", "_latin1'x'"),
        ] {
            assert_eq!(for_mariadb(mysql), mariadb);
        }
    }
}
