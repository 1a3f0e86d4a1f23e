//! Words and marks that the views share.

use crate::plan::order::{Change, change};
use crate::plan::{Decision, Entry, Kind, Phase, Plan, Risk, Strategy};
use crate::value::Value;

/// Returns the mark of an entry: `+`, `~` or `-`.
pub(super) fn mark(entry: &Entry) -> char {
    match change(entry.kind) {
        Change::Create | Change::Insert => '+',
        Change::Drop | Change::Delete => '-',
        Change::Alter | Change::Update if entry.phase == Some(Phase::Contract) => '-',
        Change::Alter | Change::Update => '~',
    }
}

/// Returns what an entry does: `alter table, expand`, `insert 3 rows`.
pub(super) fn what(entry: &Entry) -> String {
    let rows = |verb: &str| {
        let count = entry.count.unwrap_or(0);
        format!("{verb} {}", counted(count, "row"))
    };
    match entry.kind {
        Kind::InsertRows => rows("insert"),
        Kind::UpdateRows => rows("update"),
        Kind::DeleteRows => rows("delete"),
        kind => {
            let phase = match entry.phase {
                Some(Phase::Expand) => ", expand",
                Some(Phase::Constrain) => ", constrain",
                Some(Phase::Contract) => ", contract",
                None => "",
            };
            format!("{}{phase}", kind_words(kind))
        }
    }
}

pub(super) fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::CreateDatabase => "create database",
        Kind::AlterDatabase => "alter database",
        Kind::CreateTable => "create table",
        Kind::AlterTable => "alter table",
        Kind::DropTable => "drop table",
        Kind::CreateView => "create view",
        Kind::AlterView => "replace view",
        Kind::DropView => "drop view",
        Kind::CreateTrigger => "create trigger",
        Kind::AlterTrigger => "replace trigger",
        Kind::DropTrigger => "drop trigger",
        Kind::CreateProcedure => "create procedure",
        Kind::AlterProcedure => "replace procedure",
        Kind::DropProcedure => "drop procedure",
        Kind::CreateFunction => "create function",
        Kind::AlterFunction => "replace function",
        Kind::DropFunction => "drop function",
        Kind::CreateEvent => "create event",
        Kind::AlterEvent => "replace event",
        Kind::DropEvent => "drop event",
        Kind::InsertRows => "insert rows",
        Kind::UpdateRows => "update rows",
        Kind::DeleteRows => "delete rows",
    }
}

pub(super) fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "pending",
        Decision::Approve => "approved",
        Decision::Deny => "denied",
    }
}

pub(super) fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "safe",
        Risk::Destructive => "destructive",
    }
}

pub(super) fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Copy => "copy",
        Strategy::Full => "full",
        Strategy::Incremental => "incremental",
        Strategy::Skipped => "skipped",
        Strategy::Schema => "schema only",
    }
}

/// Returns `1 row`, `2 rows`, `120,000 rows`.
pub(super) fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(count))
}

/// Returns a number with its thousands set apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a size in bytes for people.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in units {
        if bytes >= 1 << shift {
            let tenths = (u128::from(bytes) * 10) >> shift;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    counted(bytes, "byte")
}

/// Returns how much a plan adds, changes and destroys, objects and rows together.
pub(super) fn totals(plan: &Plan) -> (u64, u64, u64) {
    let (schema, rows) = (&plan.summary.schema, &plan.summary.rows);
    (
        schema.create + rows.insert,
        schema.alter + rows.update,
        schema.drop + rows.delete,
    )
}

/// The longest value that is shown whole, in characters.
const LONG: usize = 72;

/// How much of what two long values share is shown beside their difference.
const AROUND: usize = 16;

/// Returns a value on one line, folded where it is long. Control characters are spelled out by its quoting.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Text(text) if text.chars().count() > LONG => {
            let start: String = text.chars().take(LONG - 8).collect();
            format!(
                "{start:?}… ({})",
                counted(text.chars().count() as u64, "character")
            )
        }
        Value::Bytes(bytes) if bytes.len() * 2 > LONG => {
            let start = Value::Bytes(bytes[..LONG / 2 - 4].to_vec());
            format!("{start}… ({})", counted(bytes.len() as u64, "byte"))
        }
        short => short.to_string(),
    }
}

/// Returns two values of a change; of long texts only the part that differs, with a little around it.
pub(super) fn pair(before: &Value, after: &Value) -> (String, String) {
    let (Value::Text(one), Value::Text(other)) = (before, after) else {
        return (value(before), value(after));
    };
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len() <= LONG && other.len() <= LONG {
        return (value(before), value(after));
    }
    let shorter = one.len().min(other.len());
    let start = (0..shorter).take_while(|at| one[*at] == other[*at]).count();
    let end = (1..=shorter - start)
        .take_while(|back| one[one.len() - back] == other[other.len() - back])
        .count();
    let part = |text: &[char]| {
        let from = start.saturating_sub(AROUND);
        let to = (text.len() - end + AROUND).min(text.len());
        let shown: String = text[from..to].iter().take(LONG).collect();
        let cut = to - from > LONG;
        format!(
            "{}{shown:?}{} ({})",
            if from > 0 { "…" } else { "" },
            if to < text.len() || cut { "…" } else { "" },
            counted(text.len() as u64, "character")
        )
    };
    (part(&one), part(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_folded_around_their_difference() {
        let text =
            |mark: &str| Value::Text(format!("{}{mark}{}", "a".repeat(100), "z".repeat(100)));
        let (one, other) = pair(&text("old"), &text("newer"));
        assert_eq!(
            one,
            "…\"aaaaaaaaaaaaaaaaoldzzzzzzzzzzzzzzzz\"… (203 characters)"
        );
        assert_eq!(
            other,
            "…\"aaaaaaaaaaaaaaaanewerzzzzzzzzzzzzzzzz\"… (205 characters)"
        );
        let same = pair(&text(""), &text(""));
        assert_eq!(same.0, same.1);
        assert!(value(&Value::Bytes(vec![7; 500])).ends_with("… (500 bytes)"));
        assert_eq!(value(&Value::Text("\x1b[2J".into())), "\"\\u{1b}[2J\"");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(120_000, "row"), "120,000 rows");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(size(8_123_456), "7.7 MiB");
    }
}
