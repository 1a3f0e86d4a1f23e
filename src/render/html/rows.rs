//! The rows of an entry: of an update before and after side by side, of an insert or a delete a row a line.

use super::entries::value as word;
use super::{View, html};
use crate::plan::{Entry, Kind, PlanRow};
use crate::render::{values, words};
use std::fmt::Write as _;

/// Rows that are shown unfolded.
const UNFOLDED: usize = 10;

/// Writes the rows that the view shows, and what is not shown.
pub(super) fn rows(view: &View<'_>, entry: &Entry, page: &mut String) {
    let (shown, missing) = view.rows(entry);
    let (first, others) = shown.split_at(shown.len().min(UNFOLDED));
    table(view, entry, first, page);
    if !others.is_empty() {
        let _ = writeln!(
            page,
            "<details class=\"texts\"><summary>{}</summary>",
            words::counted(others.len() as u64, "more row")
        );
        table(view, entry, others, page);
        page.push_str("</details>\n");
    }
    let left = entry.count.unwrap_or(0).saturating_sub(shown.len() as u64);
    if left > 0 {
        let one = if shown.is_empty() { "row" } else { "more row" };
        let kept = if entry.payload.is_some() {
            " in the payload file"
        } else {
            ""
        };
        let _ = writeln!(
            page,
            "<p class=\"dim\">… {}{kept}</p>",
            words::counted(left, one)
        );
    }
    if let Some(why) = missing {
        let _ = writeln!(page, "<p class=\"reason\">{}</p>", html(&why));
    }
}

fn table(view: &View<'_>, entry: &Entry, rows: &[PlanRow], page: &mut String) {
    let Some(first) = rows.first() else { return };
    let class = if entry.kind == Kind::UpdateRows {
        "rows updates"
    } else {
        "rows"
    };
    let _ = write!(
        page,
        "<div class=\"scroll\"><table class=\"{class}\">\n<thead><tr><th></th><th>#</th>"
    );
    let has_copies = rows.iter().any(|row| row.copies.is_some());
    if entry.kind == Kind::UpdateRows {
        page.push_str("<th>key</th><th>column</th><th>before</th><th>after</th>");
    } else {
        for name in first.values.keys() {
            let _ = write!(page, "<th>{}</th>", html(name));
        }
        if has_copies {
            page.push_str("<th>copies</th>");
        }
    }
    page.push_str("</tr></thead>\n");
    for row in rows {
        let _ = write!(
            page,
            "<tbody data-row=\"{}\"{}>",
            row.row,
            row.decision
                .filter(|decision| *decision != entry.decision)
                .map_or(String::new(), |own| format!(
                    " data-own-was=\"{}\"",
                    word(own)
                ))
        );
        if entry.kind == Kind::UpdateRows {
            update(view, row, page);
        } else {
            line(view, entry, row, has_copies, page);
        }
        page.push_str("</tbody>\n");
    }
    page.push_str("</table></div>\n");
}

/// Writes the cell that decides on the row, and its number.
fn start(row: &PlanRow, span: usize, page: &mut String) {
    let _ = write!(
        page,
        "<tr><td rowspan=\"{span}\"><button type=\"button\" class=\"tick\"></button></td>\
         <td rowspan=\"{span}\" class=\"dim\">{}</td>",
        row.row
    );
}

fn update(view: &View<'_>, row: &PlanRow, page: &mut String) {
    let key: Vec<String> = row
        .key
        .iter()
        .map(|(name, value)| format!("{name} = {}", values::value(value, view.whole)))
        .collect();
    let span = row.change.len().max(1);
    start(row, span, page);
    let _ = write!(
        page,
        "<td class=\"key\" rowspan=\"{span}\">{}</td>",
        html(&key.join(", "))
    );
    for (position, (name, (before, after))) in row.change.iter().enumerate() {
        let (before, after) = values::pair(before, after, view.whole);
        if position > 0 {
            page.push_str("<tr>");
        }
        let _ = write!(
            page,
            "<td class=\"column\">{}</td><td class=\"destroy\">{}</td><td class=\"add\">{}</td></tr>",
            html(name),
            marked(&before),
            marked(&after)
        );
    }
    if row.change.is_empty() {
        page.push_str("</tr>");
    }
}

fn line(view: &View<'_>, entry: &Entry, row: &PlanRow, has_copies: bool, page: &mut String) {
    let class = if entry.kind == Kind::InsertRows {
        "add"
    } else {
        "destroy"
    };
    start(row, 1, page);
    for value in row.values.values() {
        let shown = html(&values::value(value, view.whole));
        let _ = write!(page, "<td class=\"{class}\">{shown}</td>");
    }
    if has_copies {
        let copies = row.copies.map_or(String::new(), |(before, after)| {
            format!("{before} → {after}")
        });
        let _ = write!(page, "<td>{copies}</td>");
    }
    page.push_str("</tr>");
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
