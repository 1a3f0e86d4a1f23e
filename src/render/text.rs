//! A plan in Terraform's manner: `+` create, `~` change, `-` destroy, values before → after.
//!
//! Must never let a name or value reach the terminal unescaped.

use super::escape::{line, terminal};
use super::style::Paint;
use super::{View, alter, diff, values, words};
use crate::plan::order::{Change, change};
use crate::plan::{Decision, Entry, Kind, Plan, PlanRow, Risk, Strategy};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Writes the whole view: where from and to, the changes by object, what was not compared, the totals, what to do next.
///
/// # Errors
/// When writing fails.
pub fn plan(view: &View<'_>, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    head(view, &mut text);
    let mut objects: Vec<&str> = Vec::new();
    for entry in &view.entries {
        if !objects.contains(&entry.object.as_str()) {
            objects.push(&entry.object);
        }
    }
    for object in objects {
        let _ = writeln!(text, "\n{}", Paint(view.color).bold(&line(object)));
        for entry in view.entries.iter().filter(|entry| entry.object == object) {
            entry_lines(view, entry, &mut text);
        }
    }
    if !view.is_part() {
        left_out(view, &mut text);
        totals(view, &mut text);
    }
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Writes one entry, with its rows.
///
/// # Errors
/// When writing fails.
pub fn entry(view: &View<'_>, entry: &Entry, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    entry_lines(view, entry, &mut text);
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Writes one row.
///
/// # Errors
/// When writing fails.
pub fn row(view: &View<'_>, entry: &Entry, row: &PlanRow, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    row_lines(view, entry, row, &mut text);
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Returns the commands that lead on from a plan, one a line.
pub fn next_steps(plan: &Plan, path: &Path) -> String {
    let path = line(&path.display().to_string());
    if plan.entries.is_empty() {
        let marked = plan.tables.iter().any(|table| table.watermark.is_some());
        return if marked {
            format!(
                "Note how far it compared, so that the next plan reads only what changed since:\n  driftwarden apply {path}\n"
            )
        } else {
            String::new()
        };
    }
    let pending = plan.count_decided(Decision::Pending) > 0;
    let mut steps = String::new();
    if pending {
        let _ = writeln!(steps, "Decide on it:\n  driftwarden review {path}");
        // It would overrule what was denied, and does nothing where all that is left is risky.
        let safe = |decision| {
            let mut entries = plan.entries.iter();
            entries.any(|it| it.risk == Risk::Safe && it.decision == decision)
        };
        if safe(Decision::Pending) && !safe(Decision::Deny) {
            let _ = writeln!(steps, "  driftwarden approve {path} --safe");
        }
    }
    if plan.any_approved() {
        let _ = writeln!(steps, "Apply what is approved:\n  driftwarden apply {path}");
    }
    steps
}

fn head(view: &View<'_>, text: &mut String) {
    let (plan, paint) = (view.plan, Paint(view.color));
    let _ = writeln!(text, "Plan {}", paint.bold(&line(&plan.id)));
    let databases: Vec<String> = plan
        .scope
        .databases
        .iter()
        .map(|pair| {
            if pair.remote == pair.local {
                line(&pair.local)
            } else {
                format!("{} → {}", line(&pair.remote), line(&pair.local))
            }
        })
        .collect();
    let _ = writeln!(
        text,
        "  from {} through {} to local {}: {}",
        line(&plan.remote.server),
        line(&plan.remote.ssh),
        line(&plan.local.server),
        databases.join(", ")
    );
    let marks: BTreeSet<char> = view
        .entries
        .iter()
        .map(|entry| words::mark(entry))
        .collect();
    if marks.is_empty() {
        return;
    }
    let legend = [('+', "create"), ('~', "change"), ('-', "destroy")];
    let used: Vec<String> = legend
        .iter()
        .filter(|(mark, _)| marks.contains(mark))
        .map(|(mark, word)| format!("{} {word}", paint.mark(*mark, &mark.to_string())))
        .collect();
    let _ = writeln!(text, "  {}", used.join("   "));
}

fn entry_lines(view: &View<'_>, entry: &Entry, text: &mut String) {
    let paint = Paint(view.color);
    let mark = words::mark(entry);
    let decision = match entry.decision {
        Decision::Approve => paint.green("approved"),
        Decision::Deny => paint.red("denied"),
        Decision::Pending => paint.dim("pending"),
    };
    let risk = match entry.risk {
        Risk::Safe => String::new(),
        Risk::Destructive => format!(", {}", paint.red("destructive")),
    };
    let _ = writeln!(
        text,
        "  {} {}  {}{risk}  [{decision}]",
        paint.mark(mark, &mark.to_string()),
        paint.bold(&line(&entry.id)),
        words::what(entry),
    );
    for reason in &entry.reasons {
        let _ = writeln!(text, "      ! {}", paint.yellow(&line(reason)));
    }
    if entry.needs_own_approval {
        let _ = writeln!(
            text,
            "      ! {}",
            paint.red("needs its own approval, by its id")
        );
    }
    if !entry.depends_on.is_empty() {
        let needs = line(&entry.depends_on.join(", "));
        let _ = writeln!(text, "      {}", paint.dim(&format!("after {needs}")));
    }
    if entry.kind.is_rows() {
        rows(view, entry, text);
    } else {
        schema(paint, entry, text);
    }
}

fn schema(paint: Paint, entry: &Entry, text: &mut String) {
    let mut put = |mark: char, shown: &str| {
        for part in terminal(shown).lines() {
            let _ = writeln!(
                text,
                "      {}",
                paint.mark(mark, &format!("{mark} {part}"))
            );
        }
    };
    match change(entry.kind) {
        Change::Create => {
            for statement in &entry.sql {
                put('+', statement);
            }
        }
        Change::Drop => {
            for statement in &entry.sql {
                put('-', statement);
            }
        }
        _ => {
            for statement in &entry.sql {
                for clause in alter::clauses(statement).unwrap_or_default() {
                    put(alter::mark(clause), clause);
                }
            }
            let texts = entry.before.as_deref().zip(entry.after.as_deref());
            let Some((before, after)) = texts else {
                if entry.kind != Kind::AlterTable {
                    for statement in &entry.sql {
                        put('~', statement);
                    }
                }
                return;
            };
            for (mark, shown) in diff::lines(before, after, 1) {
                let shown = format!("{mark} {}", line(&shown));
                let _ = writeln!(text, "        {}", paint.mark(mark, shown.trim_end()));
            }
        }
    }
}

fn rows(view: &View<'_>, entry: &Entry, text: &mut String) {
    let paint = Paint(view.color);
    let (shown, missing) = view.rows(entry);
    for row in &shown {
        row_lines(view, entry, row, text);
    }
    let left = entry.count.unwrap_or(0).saturating_sub(shown.len() as u64);
    if left > 0 {
        let kept = entry.payload.as_ref().map_or(String::new(), |payload| {
            format!(
                " in payload {} ({})",
                line(&payload.file),
                words::size(payload.raw_bytes)
            )
        });
        let one = if shown.is_empty() { "row" } else { "more row" };
        let _ = writeln!(
            text,
            "      {}",
            paint.dim(&format!("… {}{kept}", words::counted(left, one)))
        );
    }
    if let Some(why) = missing {
        let _ = writeln!(text, "      ! {}", paint.yellow(&line(&why)));
    }
}

fn row_lines(view: &View<'_>, entry: &Entry, row: &PlanRow, text: &mut String) {
    let paint = Paint(view.color);
    let mark = match change(entry.kind) {
        Change::Insert => '+',
        Change::Delete => '-',
        _ => '~',
    };
    // A row says its decision where that is not its entry's.
    let decision = match row.decision {
        Some(decision) if decision != entry.decision => {
            format!("  [{}]", words::decision(decision))
        }
        _ => String::new(),
    };
    let copies = row.copies.map_or(String::new(), |(before, after)| {
        format!("  (copies: {before} → {after})")
    });
    let fields = |values: &mut dyn Iterator<Item = (&String, &crate::value::Value)>| {
        values
            .map(|(name, value)| format!("{} = {}", line(name), values::value(value, view.whole)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let named = if row.values.is_empty() {
        fields(&mut row.key.iter())
    } else {
        fields(&mut row.values.iter())
    };
    let _ = writeln!(
        text,
        "      {}{copies}{decision}",
        paint.mark(mark, &format!("{mark} #{} {named}", row.row)),
    );
    for (name, (before, after)) in &row.change {
        let (before, after) = values::pair(before, after, view.whole);
        let marked = |mark: char, side: &values::Marked| {
            paint.mark(mark, &side.start)
                + &paint.changed(mark, &side.middle)
                + &paint.mark(mark, &side.end)
        };
        let (before, after) = (marked('-', &before), marked('+', &after));
        let name = line(name);
        // Two long values are easier to compare one below the other.
        if view.whole && before.len() + after.len() > 100 {
            let _ = writeln!(
                text,
                "          {name}:\n            - {before}\n            + {after}"
            );
        } else {
            let _ = writeln!(text, "          {name}: {before} → {after}");
        }
    }
}

/// What was not compared, and what was compared with less than full sight.
fn left_out(view: &View<'_>, text: &mut String) {
    let (plan, paint) = (view.plan, Paint(view.color));
    for (strategy, title) in [
        (Strategy::Skipped, "Rows not compared"),
        (Strategy::Incremental, "Compared incrementally"),
    ] {
        let groups = words::by_reason(plan, strategy);
        if groups.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}", paint.bold(&format!("{title}:")));
        for (tables, reason) in groups {
            // The title says it once for all.
            let reason = reason
                .strip_prefix("rows not compared: ")
                .unwrap_or(&reason);
            let _ = writeln!(text, "  {}: {}", line(&tables.join(", ")), line(reason));
        }
    }
    if !plan.unsupported.is_empty() {
        let _ = writeln!(text, "\n{}", paint.bold("Unsupported, left as it is:"));
        for it in &plan.unsupported {
            let reason = terminal(&it.reason).replace('\n', "\n    ");
            let _ = writeln!(text, "  {}: {reason}", line(&it.object));
        }
    }
    if !plan.warnings.is_empty() {
        text.push('\n');
        for warning in &plan.warnings {
            let _ = writeln!(text, "{} {}", paint.yellow("warning:"), line(warning));
        }
    }
}

fn totals(view: &View<'_>, text: &mut String) {
    let (plan, paint) = (view.plan, Paint(view.color));
    let compared = words::compared(plan);
    if plan.entries.is_empty() {
        let _ = writeln!(
            text,
            "\n{} Compared: {compared}.",
            paint.bold("No changes.")
        );
        return;
    }
    let (add, alter, destroy) = words::totals(plan);
    let _ = writeln!(
        text,
        "\n{} {} to add, {} to change, {} to destroy.",
        paint.bold("Plan:"),
        words::thousands(add),
        words::thousands(alter),
        words::thousands(destroy)
    );
    let (schema, rows) = (&plan.summary.schema, &plan.summary.rows);
    let _ = writeln!(
        text,
        "  schema: {} to create, {} to alter, {} to drop; rows: {} to insert, {} to update, {} to delete",
        words::thousands(schema.create),
        words::thousands(schema.alter),
        words::thousands(schema.drop),
        words::thousands(rows.insert),
        words::thousands(rows.update),
        words::thousands(rows.delete)
    );
    let _ = writeln!(
        text,
        "  decisions: {} approved, {} denied, {} pending",
        plan.count_decided(Decision::Approve),
        plan.count_decided(Decision::Deny),
        plan.count_decided(Decision::Pending)
    );
    let _ = writeln!(text, "  compared: {compared}");
}
