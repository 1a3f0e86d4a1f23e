//! The changes, by object: what each does, its risk, its decision.

use super::{View, class_of, html, rows};
use crate::plan::order::{Change, change};
use crate::plan::{Decision, Entry};
use crate::render::{alter, diff, words};
use std::fmt::Write as _;

/// Changes of a plan that are shown unfolded; a longer plan begins folded.
const UNFOLDED: usize = 40;

/// Writes every change that the view shows, those of one object together.
pub(super) fn entries(view: &View<'_>, page: &mut String) {
    let mut objects: Vec<&str> = Vec::new();
    for entry in &view.entries {
        if !objects.contains(&entry.object.as_str()) {
            objects.push(&entry.object);
        }
    }
    for object in objects {
        let table = view.plan.tables.iter().find(|it| it.table == object);
        let how = table.map_or(String::new(), |table| {
            format!(" <span class=\"dim\">{}</span>", html(&words::how(table)))
        });
        let _ = writeln!(
            page,
            "<section class=\"object\"><h2>{}{how}</h2>",
            html(object)
        );
        for entry in view.entries.iter().filter(|it| it.object == object) {
            article(view, entry, page);
        }
        page.push_str("</section>\n");
    }
}

fn article(view: &View<'_>, entry: &Entry, page: &mut String) {
    let mark = words::mark(entry);
    let risk = words::risk(entry.risk);
    let _ = writeln!(
        page,
        "<article data-id=\"{id}\" data-object=\"{object}\" data-kind=\"{kind}\" data-risk=\"{risk}\" \
         data-decision=\"{decision}\" data-was=\"{decision}\" data-after=\"{after}\"{own}>\n\
         <details{open}><summary><span class=\"mark {class}\">{mark}</span>\
         <span class=\"title\"><b>{what}</b>{badge} <code>{id}</code></span></summary>",
        id = html(&entry.id),
        object = html(&entry.object),
        kind = words::kind_words(entry.kind),
        decision = value(entry.decision),
        after = html(&entry.depends_on.join("\n")),
        own = if entry.needs_own_approval {
            " data-own"
        } else {
            ""
        },
        open = if view.entries.len() <= UNFOLDED {
            " open"
        } else {
            ""
        },
        class = class_of(mark),
        what = words::what(entry),
        badge = if risk == "destructive" {
            " <span class=\"badge\">destructive</span>"
        } else {
            ""
        },
    );
    for reason in &entry.reasons {
        let _ = writeln!(page, "<p class=\"reason\">{}</p>", html(reason));
    }
    if entry.needs_own_approval {
        page.push_str("<p class=\"reason\">Needs its own approval, by its id.</p>\n");
    }
    if !entry.depends_on.is_empty() {
        let _ = writeln!(
            page,
            "<p class=\"dim\">after {}</p>",
            html(&entry.depends_on.join(", "))
        );
    }
    if entry.kind.is_rows() {
        rows::rows(view, entry, page);
    } else {
        schema(entry, page);
    }
    page.push_str("</details>\n");
    choice(entry.decision, page);
    page.push_str("<p class=\"waits\" hidden></p>\n</article>\n");
}

fn choice(decision: Decision, page: &mut String) {
    page.push_str("<div class=\"choice\" role=\"group\" aria-label=\"decision\">");
    for (value, word) in [
        (Decision::Approve, "approve"),
        (Decision::Deny, "deny"),
        (Decision::Pending, "pending"),
    ] {
        let text = match value {
            Decision::Approve => "✓ approve",
            Decision::Deny => "✗ deny",
            Decision::Pending => "pending",
        };
        let _ = write!(
            page,
            "<button type=\"button\" class=\"decide\" data-value=\"{word}\" aria-pressed=\"{}\">{text}</button>",
            value == decision
        );
    }
    page.push_str("</div>\n");
}

pub(super) fn value(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "pending",
        Decision::Approve => "approve",
        Decision::Deny => "deny",
    }
}

fn schema(entry: &Entry, page: &mut String) {
    let mut lines: Vec<diff::Line> = Vec::new();
    let whole = |mark: char, text: &str| -> Vec<diff::Line> {
        text.lines().map(|line| (mark, line.to_owned())).collect()
    };
    for statement in &entry.sql {
        match change(entry.kind) {
            Change::Create => lines.extend(whole('+', statement)),
            Change::Drop => lines.extend(whole('-', statement)),
            _ => match alter::clauses(statement) {
                Some(clauses) => {
                    lines.extend(clauses.iter().map(|it| (alter::mark(it), (*it).to_owned())));
                }
                None if entry.before.is_none() => lines.extend(whole('~', statement)),
                None => {}
            },
        }
    }
    pre(&lines, page);
    if change(entry.kind) == Change::Alter
        && let (Some(before), Some(after)) = (&entry.before, &entry.after)
    {
        let difference = diff::lines(before, after, 2);
        // Where the clauses say it all, the texts wait folded.
        if lines.is_empty() {
            pre(&difference, page);
        } else {
            page.push_str("<details class=\"texts\"><summary>before and after</summary>\n");
            pre(&difference, page);
            page.push_str("</details>\n");
        }
    }
}

fn pre(lines: &[diff::Line], page: &mut String) {
    if lines.is_empty() {
        return;
    }
    page.push_str("<pre>");
    for (mark, line) in lines {
        let _ = writeln!(
            page,
            "<span class=\"{}\">{mark} {}</span>",
            class_of(*mark),
            html(line)
        );
    }
    page.push_str("</pre>\n");
}
