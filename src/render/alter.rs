//! An ALTER TABLE statement, clause by clause.
//!
//! For showing only. Must never be used to decide what a statement does.

/// Splits `ALTER TABLE name clause, clause` into its clauses; `None` for any other statement.
pub fn clauses(sql: &str) -> Option<Vec<&str>> {
    let rest = sql.trim_start().strip_prefix("ALTER TABLE")?.trim_start();
    let rest = name(rest)?;
    let rest = match rest.strip_prefix('.') {
        Some(rest) => name(rest)?,
        None => rest,
    };
    Some(split(rest.trim().trim_end_matches(';')))
}

/// Returns the mark of a clause: `+`, `-` or `~`.
pub fn mark(clause: &str) -> char {
    if clause.starts_with("ADD") {
        '+'
    } else if clause.starts_with("DROP") {
        '-'
    } else {
        '~'
    }
}

/// Skips a quoted name.
fn name(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('`')?;
    loop {
        rest = &rest[rest.find('`')? + 1..];
        match rest.strip_prefix('`') {
            Some(doubled) => rest = doubled,
            None => return Some(rest),
        }
    }
}

fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    let mut quote: Option<char> = None;
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match (quote, character) {
            (Some('\''), '\\') => drop(characters.next()),
            // A doubled quote closes and opens again at once.
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_quotes_and_parentheses_do_not_split() {
        let sql = "ALTER TABLE `s``,`.`t`\n  ADD COLUMN `a,b` enum('x,y','it''s, \\', z') DEFAULT NULL,\n  DROP KEY `k`,\n  MODIFY COLUMN `d` decimal(10,2)";
        let found = clauses(sql).unwrap();
        assert_eq!(
            found,
            [
                "ADD COLUMN `a,b` enum('x,y','it''s, \\', z') DEFAULT NULL",
                "DROP KEY `k`",
                "MODIFY COLUMN `d` decimal(10,2)"
            ]
        );
        assert_eq!(found.iter().map(|it| mark(it)).collect::<String>(), "+-~");
        assert_eq!(clauses("CREATE TABLE `t` (a int)"), None);
    }
}
