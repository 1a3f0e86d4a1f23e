//! Words and marks that the views share.

use crate::plan::order::{Change, change};
use crate::plan::row_entries;
use crate::plan::{Decision, Entry, Kind, Phase, Plan, Risk, Strategy, TablePlan};

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

/// Returns what a plan compared, and of what it did less: "no changes" is no more than that.
pub(super) fn compared(plan: &Plan) -> String {
    let compared = match (plan.scope.schema, plan.scope.data) {
        (true, true) => "schema and rows",
        (true, false) => "schema",
        _ => "rows",
    };
    let tables = counted(plan.tables.len() as u64, "table");
    let skipped = |it: &&crate::plan::TablePlan| it.strategy == Strategy::Skipped;
    let skipped = plan.tables.iter().filter(skipped).count() as u64;
    let mut but = Vec::new();
    if skipped > 0 && plan.scope.data {
        but.push(format!(
            "the rows of {} were not",
            counted(skipped, "table")
        ));
    }
    but.extend(partly(plan));
    if !plan.unsupported.is_empty() {
        let count = counted(plan.unsupported.len() as u64, "object");
        but.push(format!("{count} cannot be handled"));
    }
    let but = if but.is_empty() {
        String::new()
    } else {
        format!("; {}", but.join(", "))
    };
    format!("{compared} of {tables}{but}")
}

/// Returns of how many tables less than every row was compared, in words.
fn partly(plan: &Plan) -> Vec<String> {
    let recent: Vec<&str> = plan
        .tables
        .iter()
        .filter(|table| table.strategy == Strategy::Incremental)
        .map(|table| table.exactness.as_str())
        .collect();
    let count = |new_only: bool, checked: bool| {
        let is = |text: &&&str| {
            text.starts_with("new rows only") == new_only
                && text.contains("deletes not checked") != checked
        };
        recent.iter().filter(is).count() as u64
    };
    let mut said = Vec::new();
    for (new_only, what) in [(false, "only recent changes"), (true, "new rows only")] {
        for (checked, deletes) in [(false, "deletes not checked"), (true, "deletes checked")] {
            let tables = count(new_only, checked);
            if tables > 0 {
                said.push(format!(
                    "of {} {what} ({deletes})",
                    counted(tables, "table")
                ));
            }
        }
    }
    let within = |table: &&crate::plan::TablePlan| table.exactness.contains(row_entries::WITHIN);
    let within = plan.tables.iter().filter(within).count() as u64;
    if within > 0 {
        said.push(format!(
            "of {} only the rows within {} `where`",
            counted(within, "table"),
            if within == 1 { "its" } else { "their" }
        ));
    }
    said
}

pub(super) fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::CreateDatabase => "create database",
        Kind::AlterDatabase => "alter database",
        Kind::DropDatabase => "drop database",
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
        Strategy::Revert => "undone",
    }
}

/// Returns how a table was compared: the strategy in front where the words behind do not say it themselves.
pub(super) fn how(table: &TablePlan) -> String {
    let said = ["exact", "rows not compared"];
    if said.iter().any(|start| table.exactness.starts_with(start)) {
        return table.exactness.clone();
    }
    format!("{}: {}", strategy(table.strategy), table.exactness)
}

/// Returns the tables that were compared in a way, those for the same reason together: their names and the reason.
pub(super) fn by_reason(plan: &Plan, strategy: Strategy) -> Vec<(Vec<&str>, String)> {
    let mut groups: Vec<(Vec<&TablePlan>, String)> = Vec::new();
    for table in plan.tables.iter().filter(|it| it.strategy == strategy) {
        let own = format!("--full-diff {}", table.table);
        let reason = table.exactness.replace(&own, "--full-diff TABLE");
        match groups.iter_mut().find(|(_, other)| *other == reason) {
            Some((tables, _)) => tables.push(table),
            None => groups.push((vec![table], reason)),
        }
    }
    groups
        .into_iter()
        .map(|(tables, reason)| {
            let names = tables.iter().map(|it| it.table.as_str()).collect();
            let reason = match tables.as_slice() {
                [one] => one.exactness.clone(),
                _ => reason,
            };
            (names, reason)
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(120_000, "row"), "120,000 rows");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(size(8_123_456), "7.7 MiB");
    }
}
