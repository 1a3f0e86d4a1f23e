//! The rows of an entry, before and after side by side.

use super::View;
use super::html;
use super::words;
use crate::plan::{Decision, Entry, Kind, PlanRow};
use crate::render::values;
use crate::value::Value;
use std::fmt::Write as _;

/// Writes the rows that the view shows, and what is not shown.
pub(super) fn rows(view: &View<'_>, entry: &Entry, page: &mut String) {
    let (shown, missing) = view.rows(entry);
    if !shown.is_empty() {
        page.push_str("<div class=\"scroll\"><table class=\"rows\">\n");
        page.push_str("<tr><th>row</th><th>key</th><th>column</th><th>before</th><th>after</th><th></th></tr>\n");
        for row in &shown {
            one_row(view, entry, row, page);
        }
        page.push_str("</table></div>\n");
    }
    let left = entry.count.unwrap_or(0).saturating_sub(shown.len() as u64);
    if left > 0 {
        let one = if shown.is_empty() { "row" } else { "more row" };
        let _ = writeln!(
            page,
            "<p class=\"after\">… {}</p>",
            words::counted(left, one)
        );
    }
    if let Some(why) = missing {
        let _ = writeln!(page, "<p class=\"reason\">{}</p>", html(&why));
    }
}

/// Returns a value as markup, with the part that differs marked.
fn marked(side: &values::Marked) -> String {
    if side.middle.is_empty() {
        return html(&side.start) + &html(&side.end);
    }
    format!(
        "{}<mark>{}</mark>{}",
        html(&side.start),
        html(&side.middle),
        html(&side.end)
    )
}

fn one_row(view: &View<'_>, entry: &Entry, row: &PlanRow, page: &mut String) {
    let key: Vec<String> = row
        .key
        .iter()
        .map(|(name, value)| format!("{name} = {}", values::value(value, view.whole)))
        .collect();
    let insert = entry.kind == Kind::InsertRows;
    let mut cells: Vec<(String, Option<String>, Option<String>)> = Vec::new();
    for (name, (before, after)) in &row.change {
        let (before, after) = values::pair(before, after, view.whole);
        cells.push((name.clone(), Some(marked(&before)), Some(marked(&after))));
    }
    let shown = |value: &Value| Some(html(&values::value(value, view.whole)));
    for (name, value) in &row.values {
        cells.push(if insert {
            (name.clone(), None, shown(value))
        } else {
            (name.clone(), shown(value), None)
        });
    }
    if let Some((before, after)) = row.copies {
        cells.push((
            "(copies)".into(),
            Some(before.to_string()),
            Some(after.to_string()),
        ));
    }
    let span = cells.len().max(1);
    for (position, (name, before, after)) in cells.iter().enumerate() {
        page.push_str("<tr>");
        if position == 0 {
            let _ = write!(
                page,
                "<td rowspan=\"{span}\">{}</td><td rowspan=\"{span}\">{}</td>",
                row.row,
                html(&key.join(", "))
            );
        }
        let cell = |value: &Option<String>, class: &str| {
            value.as_ref().map_or_else(
                || "<td></td>".to_owned(),
                |value| format!("<td class=\"{class}\">{value}</td>"),
            )
        };
        let _ = write!(
            page,
            "<td>{}</td>{}{}",
            html(name),
            cell(before, "destroy"),
            cell(after, "add")
        );
        if position == 0 {
            let own = row.decision.filter(|decision| *decision != entry.decision);
            let _ = write!(
                page,
                "<td rowspan=\"{span}\"><select class=\"decide-row\" data-row=\"{}\" aria-label=\"decision on the row\">",
                row.row
            );
            for (value, word, text) in [
                (None, "", "as the change"),
                (Some(Decision::Approve), "approve", "approve"),
                (Some(Decision::Deny), "deny", "deny"),
                (Some(Decision::Pending), "pending", "pending"),
            ] {
                let selected = if value == own { " selected" } else { "" };
                let _ = write!(page, "<option value=\"{word}\"{selected}>{text}</option>");
            }
            page.push_str("</select></td>");
        }
        page.push_str("</tr>\n");
    }
}
