//! One line of the decisions that an editor shows.

use crate::plan::Decision;
use crate::refusal::Problem;
use crate::review::Selector;
use anyhow::Result;

/// What a line should look like.
const EXPECTED: &str = "a line is `- approve: ID`, `- deny: ID` or `- pending: ID` (a, d, p)";

/// Reads a line: `- decision: selector`, or `selector: decision` as in a file for `--from`; `None` for a comment or an
/// empty line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(line: &str) -> Result<Option<(Selector, Decision)>> {
    let text = line.trim();
    if text.is_empty() || text.starts_with('#') || text == "---" {
        return Ok(None);
    }
    let is_listed = text.strip_prefix('-');
    let (left, rest) = scalar(is_listed.unwrap_or(text).trim_start())?;
    // A colon is forgotten easily, and never needed to understand the line.
    let rest = rest.trim_start();
    let (right, rest) = scalar(rest.strip_prefix(':').unwrap_or(rest).trim_start())?;
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(wrong(format!("found {rest:?} after {right:?}")));
    }
    let (selector, decision) = match (decision(&left), decision(&right)) {
        (Some(found), _) => (right, found),
        (None, Some(found)) if is_listed.is_none() => (left, found),
        _ => return Err(wrong(format!("{left:?} is no decision"))),
    };
    if selector.is_empty() {
        return Err(wrong("the decision is about nothing".to_owned()));
    }
    Ok(Some((Selector::parse(&selector)?, decision)))
}

fn decision(word: &str) -> Option<Decision> {
    match word.to_ascii_lowercase().as_str() {
        "approve" | "approved" | "a" | "y" => Some(Decision::Approve),
        "deny" | "denied" | "d" | "n" => Some(Decision::Deny),
        "pending" | "p" => Some(Decision::Pending),
        _ => None,
    }
}

/// Takes a scalar off the front: quoted as in JSON or in YAML's single quotes, or up to a colon that ends it or a space.
fn scalar(text: &str) -> Result<(String, &str)> {
    if text.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
        return match stream.next() {
            Some(Ok(found)) => Ok((found, &text[stream.byte_offset()..])),
            _ => Err(wrong(format!("the quotes of {text} do not end"))),
        };
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let Some(end) = quoted.find('\'') else {
            return Err(wrong(format!("the quotes of {text} do not end")));
        };
        return Ok((quoted[..end].to_owned(), &quoted[end + 1..]));
    }
    let end = text
        .char_indices()
        .find(|(at, character)| {
            character.is_whitespace()
                || (*character == ':'
                    && text[at + 1..]
                        .chars()
                        .next()
                        .is_none_or(char::is_whitespace))
        })
        .map_or(text.len(), |(at, _)| at);
    Ok((text[..end].to_owned(), &text[end..]))
}

fn wrong(what: String) -> anyhow::Error {
    Problem::new(what, EXPECTED).into()
}
