//! The partitioning clause: partitions added at the end by name, anything else as a whole.
//!
//! Written as a whole, every row stays: the server moves it to where it belongs, and refuses the statement where it
//! belongs nowhere. Must never write `DROP PARTITION`, which deletes rows.

use super::{Change, Clause};

/// Returns the clause that leads from one partitioning to the other.
pub(crate) fn clause(before: Option<&str>, after: Option<&str>) -> Option<Clause> {
    if before == after {
        return None;
    }
    let sql = match (before, after) {
        (_, None) => "REMOVE PARTITIONING".to_owned(),
        (Some(before), Some(after)) => match added(before, after) {
            Some(added) => format!("ADD PARTITION ({})", added.join(", ")),
            None => after.to_owned(),
        },
        (None, Some(after)) => after.to_owned(),
    };
    Some(Clause::new(sql, Change::Partitioning))
}

/// Returns the partitions that the second text has behind all of the first's, where that is the only difference.
pub fn added(before: &str, after: &str) -> Option<Vec<String>> {
    let (before_head, before_list) = split(before)?;
    let (after_head, after_list) = split(after)?;
    (before_head == after_head
        && after_list.len() > before_list.len()
        && after_list.starts_with(&before_list))
    .then(|| after_list[before_list.len()..].to_vec())
}

/// Returns whether every row has a partition to go to.
pub fn takes_every_row(partitioning: &str) -> bool {
    let upper = partitioning.to_uppercase();
    let Some((head, list)) = split(&upper) else {
        return true;
    };
    if head.starts_with("PARTITION BY RANGE") {
        return list.last().is_some_and(|last| {
            let bound = last
                .split_once("LESS THAN")
                .map_or("", |(_, bound)| bound)
                .trim_start();
            let bound = bound.split_once(')').map_or(bound, |(bound, _)| bound);
            bound.starts_with("MAXVALUE")
                || (bound.starts_with('(')
                    && bound
                        .trim_start_matches('(')
                        .split(',')
                        .all(|part| part.trim() == "MAXVALUE"))
        });
    }
    if head.starts_with("PARTITION BY LIST") {
        return list.iter().any(|partition| {
            partition
                .split_whitespace()
                .nth(2)
                .is_some_and(|word| word == "DEFAULT")
        });
    }
    true
}

/// Splits a clause into what stands before the list of partitions and the list.
fn split(partitioning: &str) -> Option<(String, Vec<String>)> {
    let start = partitioning.find("(PARTITION ")?;
    let head = partitioning[..start].trim().to_owned();
    let list = partitioning[start..].trim();
    let inner = list.strip_prefix('(')?.strip_suffix(')')?;
    let mut parts = Vec::new();
    let mut depth = 0_i32;
    let mut quote: Option<char> = None;
    let mut part = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('\''), '\\') => {
                part.push(character);
                part.extend(characters.next());
                continue;
            }
            (Some(open), _) => {
                if open == character {
                    quote = None;
                }
            }
            (None, '\'' | '`') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(part.trim().to_owned());
                part.clear();
                continue;
            }
            (None, _) => {}
        }
        part.push(character);
    }
    parts.push(part.trim().to_owned());
    Some((head, parts))
}
