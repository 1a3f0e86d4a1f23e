//! The decisions as an editor shows them.
//!
//! Must never let a name or value end a comment.

use crate::plan::{Decision, Entry, Kind, Phase, Plan, PlanRow, Risk};
use std::fmt::Write as _;
use std::path::Path;

/// Rows of a change that are listed.
const ROWS: usize = 3;

/// Lines of a statement that are shown.
const LINES: usize = 6;

/// The longest value that is shown whole, in characters.
const SHORT: usize = 40;

/// The longest comment, in characters.
const WIDE: usize = 120;

/// Returns the decisions as YAML: a list of one-line maps.
pub(super) fn to_yaml(plan: &Plan, plan_path: &Path) -> String {
    let mut text = format!(
        "# {}: {}. Change the word in front: approve, deny or pending (a, d, p are enough).\n\
         # A line left out keeps its decision. Take the # off a row's line to decide on it alone. Globs do several at\n\
         # once: `- approve: shop.orders.*`. A change that needs its own approval is approved by its line only.\n",
        one_line(&plan_path.display().to_string()),
        match plan.entries.len() {
            1 => "1 change".to_owned(),
            changes => format!("{changes} changes"),
        },
    );
    let widest = plan.entries.iter().map(|it| line(it).chars().count());
    let widest = widest.max().unwrap_or(0).min(WIDE / 2);
    for entry in &plan.entries {
        let line = line(entry);
        let _ = write!(text, "\n{line:widest$}  # {}", what(entry));
        if entry.risk == Risk::Destructive {
            let _ = write!(text, ", DESTRUCTIVE: {}", cut(&entry.reasons.join("; ")));
        }
        if entry.needs_own_approval {
            text.push_str(", needs its own approval");
        }
        text.push('\n');
        details(entry, &mut text);
    }
    text
}

fn line(entry: &Entry) -> String {
    format!("- {}: {}", word(entry.decision), quoted(&entry.id))
}

fn details(entry: &Entry, text: &mut String) {
    for statement in &entry.sql {
        // What an ALTER alters, its own line says already.
        let skipped = usize::from(entry.kind == Kind::AlterTable && statement.lines().count() > 1);
        let lines = statement.lines().skip(skipped);
        for line in lines.clone().take(LINES) {
            let _ = writeln!(text, "#     {}", cut(line.trim_end_matches(',')));
        }
        let left = lines.count().saturating_sub(LINES);
        if left > 0 {
            let _ = writeln!(text, "#     … {left} more lines");
        }
    }
    let rows = entry.rows.iter().chain(&entry.preview);
    for row in rows.take(ROWS) {
        let id = quoted(&format!("{}#{}", entry.id, row.row));
        let own = entry.row_decisions.get(&row.row).copied().or(row.decision);
        match own {
            Some(decision) => {
                let _ = writeln!(text, "- {}: {id}  # {}", word(decision), brief(row));
            }
            None => {
                let _ = writeln!(text, "#- deny: {id}  # {}", brief(row));
            }
        }
    }
    let listed = (entry.rows.len() + entry.preview.len()).min(ROWS) as u64;
    let left = entry.count.unwrap_or(0).saturating_sub(listed);
    if left > 0 {
        let _ = writeln!(text, "#     … {left} more rows");
    }
}

fn what(entry: &Entry) -> String {
    let count = entry.count.unwrap_or(0);
    let rows = if count == 1 { "row" } else { "rows" };
    match (entry.kind, entry.phase) {
        (Kind::InsertRows, _) => format!("insert {count} {rows}"),
        (Kind::UpdateRows, _) => format!("update {count} {rows}"),
        (Kind::DeleteRows, _) => format!("delete {count} {rows}"),
        (Kind::AlterTable, Some(Phase::Expand)) => "alter table, before the rows".to_owned(),
        (Kind::AlterTable, Some(Phase::Constrain)) => "alter table, after the rows".to_owned(),
        (Kind::AlterTable, Some(Phase::Contract)) => "alter table, last".to_owned(),
        // "create_view" reads as it is written.
        (kind, _) => serde_json::to_value(kind)
            .ok()
            .and_then(|kind| kind.as_str().map(|kind| kind.replace('_', " ")))
            .unwrap_or_default(),
    }
}

fn brief(row: &PlanRow) -> String {
    let mut parts: Vec<String> = Vec::new();
    let values = if row.values.is_empty() {
        &row.key
    } else {
        &row.values
    };
    for (name, value) in values {
        parts.push(format!("{name} = {}", short(&value.to_string(), 0)));
    }
    for (name, (before, after)) in &row.change {
        let (before, after) = (before.to_string(), after.to_string());
        let pairs = before.chars().zip(after.chars());
        let same = pairs.take_while(|(one, other)| one == other).count();
        let (before, after) = (short(&before, same), short(&after, same));
        parts.push(format!("{name}: {before} → {after}"));
    }
    cut(&parts.join(", "))
}

/// Cuts a long value to the part around a place: where it begins to differ from another.
fn short(text: &str, place: usize) -> String {
    let length = text.chars().count();
    if length <= SHORT {
        return text.to_owned();
    }
    let from = if place < SHORT / 2 {
        0
    } else {
        place.min(length) - SHORT / 4
    };
    let shown: String = text.chars().skip(from).take(SHORT).collect();
    let (before, after) = (from > 0, from + SHORT < length);
    format!(
        "{}{shown}{}",
        if before { "…" } else { "" },
        if after { "…" } else { "" }
    )
}

fn cut(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() > WIDE {
        format!("{}…", text.chars().take(WIDE).collect::<String>())
    } else {
        text
    }
}

pub(super) fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "pending",
        Decision::Approve => "approve",
        Decision::Deny => "deny",
    }
}

/// Returns an id as YAML: in JSON's quotes, which YAML reads, unless it is plain.
fn quoted(id: &str) -> String {
    let plain = id.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'-' | b'#')
    }) && id.starts_with(|first: char| first.is_ascii_alphabetic());
    if plain {
        id.to_owned()
    } else {
        serde_json::Value::from(id).to_string()
    }
}

/// Nothing in a comment may end it.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control()
            || matches!(character, '\u{85}' | '\u{2028}'..='\u{202e}' | '\u{feff}')
        {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}
