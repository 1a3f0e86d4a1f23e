//! `review --edit`: the decisions of a plan as YAML in an editor.
//!
//! One line per entry, its decision first, its change as comments below. A mistake opens the editor again with the
//! reason at the top. Must never take a part of a file with a mistake in it.

use super::from_file;
use super::selector::Selector;
use crate::plan::{Decision, Entry, Plan, PlanRow, Risk};
use crate::refusal::Problem;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Rows of an entry that are listed.
const ROWS: usize = 10;

/// Opens the decisions in the editor until they read without a mistake, and takes them.
///
/// # Errors
/// When the editor fails, or the file is handed back twice with the same mistake.
pub fn edit(
    plan: &mut Plan,
    plan_path: &Path,
    open: &mut dyn FnMut(&Path) -> Result<()>,
) -> Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix("driftwarden-")
        .suffix(".yaml")
        .tempfile()
        .context("make a file for the editor")?;
    let mut text = to_yaml(plan, plan_path);
    loop {
        file.as_file_mut().set_len(0)?;
        file.reopen()?.write_all(text.as_bytes())?;
        open(file.path())?;
        let edited = std::fs::read_to_string(file.path()).context("read what was edited")?;
        let mut wanted = plan.clone();
        let Err(mistake) = take(&mut wanted, &edited) else {
            *plan = wanted;
            return Ok(());
        };
        if edited == text {
            return Err(Problem::new(
                format!("the decisions still have a mistake: {mistake:#}"),
                "no decision was changed: run `driftwarden review --edit` again",
            )
            .into());
        }
        let kept = edited.lines().filter(|line| !line.starts_with("#!"));
        text = format!(
            "#! {}\n{}\n",
            format!("{mistake:#}").replace('\n', " "),
            kept.collect::<Vec<_>>().join("\n")
        );
    }
}

/// Sets the decisions in a file: entries and rows that it does not name keep theirs.
fn take(plan: &mut Plan, text: &str) -> Result<()> {
    let mut decisions = from_file::parse(text)?;
    // An editor shows what stands: only what was changed is decided, so that nothing is approved by looking at it.
    decisions.retain(|(selector, decision)| standing(plan, selector) != Some(*decision));
    from_file::decide_all(plan, &decisions)?;
    Ok(())
}

fn standing(plan: &Plan, selector: &Selector) -> Option<Decision> {
    match selector {
        Selector::Id(id) => plan.entry(id).map(|entry| entry.decision),
        _ => None,
    }
}

/// Returns the decisions as YAML.
fn to_yaml(plan: &Plan, plan_path: &Path) -> String {
    let mut text = format!(
        "# Decisions of {}: approve, deny or pending.\n\
         # For one row, uncomment its line. Lines with # are comments; leaving a line out keeps its decision.\n",
        one_line(&plan_path.display().to_string())
    );
    for entry in &plan.entries {
        let _ = writeln!(text, "\n{}: {}", quoted(&entry.id), word(entry.decision));
        describe(entry, &mut text);
    }
    text
}

fn describe(entry: &Entry, text: &mut String) {
    if entry.risk == Risk::Destructive {
        let _ = writeln!(
            text,
            "#   destructive: {}",
            one_line(&entry.reasons.join("; "))
        );
    }
    for statement in &entry.sql {
        for line in statement.lines().take(ROWS) {
            let _ = writeln!(text, "#   {}", one_line(line));
        }
    }
    let rows = entry.rows.iter().chain(&entry.preview);
    for row in rows.take(ROWS) {
        let decision = entry.row_decisions.get(&row.row).copied().or(row.decision);
        let id = quoted(&format!("{}#{}", entry.id, row.row));
        match decision {
            Some(decision) => {
                let _ = writeln!(text, "{id}: {}  # {}", word(decision), brief(row));
            }
            None => {
                let _ = writeln!(text, "#{id}: deny  # {}", brief(row));
            }
        }
    }
    if let Some(count) = entry.count.filter(|count| *count > ROWS as u64) {
        let _ = writeln!(text, "#   {count} rows in all");
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
        parts.push(format!("{name} = {value}"));
    }
    for (name, (before, after)) in &row.change {
        parts.push(format!("{name}: {before} → {after}"));
    }
    let text = one_line(&parts.join(", "));
    if text.chars().count() > 160 {
        format!("{}…", text.chars().take(160).collect::<String>())
    } else {
        text
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "pending",
        Decision::Approve => "approve",
        Decision::Deny => "deny",
    }
}

/// Returns an id as a YAML key: in JSON's quotes, which YAML reads, unless it is plain.
fn quoted(id: &str) -> String {
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'-'))
        && id.starts_with(|first: char| first.is_ascii_alphabetic());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan;

    fn edited(changes: &[(&str, &str)]) -> (Plan, Result<()>, usize) {
        let mut plan = plan();
        let mut opened = 0;
        let mut open = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            if let Some((from, to)) = changes.get(opened) {
                assert!(text.contains(from), "{text}");
                std::fs::write(path, text.replacen(from, to, 1)).unwrap();
            }
            opened += 1;
            Ok(())
        };
        let result = edit(&mut plan, Path::new("plans/p.json"), &mut open);
        (plan, result, opened)
    }

    #[test]
    fn decisions_are_short_to_read_and_write() {
        insta::assert_snapshot!(to_yaml(&plan(), Path::new("plans/p.json")), @r#"
        # Decisions of plans/p.json: approve, deny or pending.
        # For one row, uncomment its line. Lines with # are comments; leaving a line out keeps its decision.

        shop.users.expand: pending
        #   ALTER TABLE `shop`.`users` ADD COLUMN `phone` varchar(32) DEFAULT NULL

        shop.users.update: pending
        #"shop.users.update#1": deny  # id = 7, email: "old@x" → "new@x"
        #"shop.users.update#2": deny  # id = 9, email: NULL → "Ann \u{1b}[31m"

        shop.users.insert: pending
        #"shop.users.insert#1": deny  # id = 100, email = "bo@x", phone = NULL
        #   120000 rows in all

        shop.users.contract: pending
        #   destructive: drops column `legacy`
        #   ALTER TABLE `shop`.`users` DROP COLUMN `legacy`
        "#);
    }

    #[test]
    fn what_is_changed_is_decided() {
        let (plan, result, _) =
            edited(&[("shop.users.expand: pending", "shop.users.expand: approve")]);
        result.unwrap();
        assert_eq!(plan.entries[0].decision, Decision::Approve);
        assert_eq!(plan.count_decided(Decision::Pending), 3);
        let (plan, ..) = edited(&[("#\"shop.users.update#2\"", "\"shop.users.update#2\"")]);
        assert_eq!(plan.entries[1].rows[1].decision, Some(Decision::Deny));
    }

    #[test]
    fn a_mistake_opens_the_editor_again_and_loses_nothing() {
        let (plan, result, opened) = edited(&[
            (
                "shop.users.expand: pending",
                "shop.users.expand: approve\nshop.user.update: deny",
            ),
            ("shop.user.update: deny", ""),
        ]);
        result.unwrap();
        assert_eq!((opened, plan.entries[0].decision), (2, Decision::Approve));
        let (plan, result, opened) =
            edited(&[("shop.users.expand: pending", "shop.users.expand: yes")]);
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("still have a mistake")
        );
        assert_eq!((opened, plan.any_decided()), (2, false));
    }
}
