//! A plan as one self-contained HTML page: no network, no script but its own.
//!
//! Must never let a name or value become markup: everything passes `escape::html`, and the page's policy lets only the
//! style and script that are part of it run, by their hashes.

mod policy;
mod rows;

use super::escape::html;
use super::{View, alter, diff, words};
use crate::plan::order::{Change, change};
use crate::plan::{Decision, Entry, Strategy};
use anyhow::Result;
use policy::hash;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The width of the bars in the overview, in pixels of their own picture.
const BAR: u64 = 160;

/// Writes the view.
///
/// # Errors
/// When writing fails.
pub fn plan(view: &View<'_>, out: &mut dyn Write) -> Result<()> {
    let view = &View {
        shared: true,
        ..view.clone()
    };
    let path = view
        .path
        .map_or_else(|| "PLAN".to_owned(), |path| path.display().to_string());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Plan {}</title>\n<style>{STYLE}</style>\n</head>\n<body data-path=\"{}\">\n",
        hash(STYLE),
        hash(SCRIPT),
        html(&view.plan.id),
        html(&path)
    );
    head(view, &mut page);
    overview(view, &mut page);
    filters(view, &mut page);
    page.push_str("<main id=\"changes\">\n");
    for entry in &view.entries {
        article(view, entry, &mut page);
    }
    page.push_str("</main>\n<p id=\"none\" hidden>No change fits.</p>\n");
    not_compared(view, &mut page);
    page.push_str(EXPORT);
    let _ = write!(page, "<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out.write_all(page.as_bytes())?;
    Ok(())
}

const EXPORT: &str = "<footer id=\"export\">\n<span id=\"count\">Nothing decided here yet.</span>\n\
    <span class=\"buttons\"><button type=\"button\" id=\"show-commands\">Commands</button>\n\
    <button type=\"button\" id=\"show-file\">Decisions file</button></span>\n\
    <textarea id=\"output\" rows=\"5\" readonly hidden aria-label=\"What to run\"></textarea>\n</footer>\n";

fn head(view: &View<'_>, page: &mut String) {
    let plan = view.plan;
    let (add, change, destroy) = words::totals(plan);
    let _ = writeln!(
        page,
        "<header>\n<h1>Plan <code>{}</code></h1>",
        html(&plan.id)
    );
    if plan.entries.is_empty() {
        page.push_str("<p class=\"totals\">No changes.</p>\n");
    } else {
        let _ = writeln!(
            page,
            "<p class=\"totals\"><b class=\"add\">{} to add</b> <b class=\"change\">{} to change</b> \
             <b class=\"destroy\">{} to destroy</b></p>",
            words::thousands(add),
            words::thousands(change),
            words::thousands(destroy)
        );
    }
    let databases: Vec<&str> = plan
        .scope
        .databases
        .iter()
        .map(|pair| pair.local.as_str())
        .collect();
    let _ = writeln!(
        page,
        "<p>From {} through <b>{}</b> to local {}: {}. Made {}.</p>",
        html(&plan.remote.server),
        html(&plan.remote.ssh),
        html(&plan.local.server),
        html(&databases.join(", ")),
        html(&plan.created_at)
    );
    for warning in &plan.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", html(warning));
    }
    page.push_str("</header>\n");
}

/// The picture of where the changes are: per object, how much is created, changed, destroyed.
fn overview(view: &View<'_>, page: &mut String) {
    let mut objects: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for entry in &view.entries {
        let counts = objects.entry(&entry.object).or_default();
        let slot = match words::mark(entry) {
            '+' => 0,
            '~' => 1,
            _ => 2,
        };
        counts[slot] += entry.count.unwrap_or(1);
    }
    if objects.is_empty() {
        return;
    }
    let largest = objects
        .values()
        .flatten()
        .copied()
        .max()
        .unwrap_or(1)
        .max(1);
    page.push_str(
        "<details open class=\"overview\"><summary>Where the changes are</summary>\n<table>\n",
    );
    page.push_str("<tr><th>object</th><th>created</th><th>changed</th><th>destroyed</th></tr>\n");
    for (object, counts) in objects {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", html(object));
        for (count, class) in counts.into_iter().zip(["add", "change", "destroy"]) {
            // Logarithmic, so that one row still shows beside a million.
            let width = if count == 0 {
                0
            } else {
                (BAR * u64::from(count.ilog2() + 1) / u64::from(largest.ilog2() + 1)).max(4)
            };
            let number = if count == 0 {
                String::new()
            } else {
                words::thousands(count)
            };
            let _ = write!(
                page,
                "<td><svg viewBox=\"0 0 {BAR} 10\" class=\"{class}\" aria-hidden=\"true\">\
                 <rect width=\"{width}\" height=\"10\" rx=\"2\"/></svg> {number}</td>"
            );
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n</details>\n");
}

fn filters(view: &View<'_>, page: &mut String) {
    let mut objects: Vec<&str> = view
        .entries
        .iter()
        .map(|entry| entry.object.as_str())
        .collect();
    objects.sort_unstable();
    objects.dedup();
    let mut kinds: Vec<&str> = view
        .entries
        .iter()
        .map(|entry| words::kind_words(entry.kind))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let options = |items: &[&str]| -> String {
        let mut options = String::new();
        for item in items {
            let _ = write!(options, "<option>{}</option>", html(item));
        }
        options
    };
    let _ = writeln!(
        page,
        "<div class=\"filters\" role=\"search\">\n\
         <input type=\"search\" id=\"search\" placeholder=\"search ids, values, SQL\" aria-label=\"search\">\n\
         <select id=\"object\" aria-label=\"object\"><option value=\"\">all objects</option>{}</select>\n\
         <select id=\"kind\" aria-label=\"kind\"><option value=\"\">all kinds</option>{}</select>\n\
         <select id=\"risk\" aria-label=\"risk\"><option value=\"\">any risk</option><option>safe</option>\
         <option>destructive</option></select>\n\
         <select id=\"decision\" aria-label=\"decision\"><option value=\"\">any decision</option>\
         <option value=\"pending\">pending</option><option value=\"approve\">approved</option>\
         <option value=\"deny\">denied</option></select>\n\
         <span id=\"shown\"></span>\n</div>",
        options(&objects),
        options(&kinds)
    );
}

fn article(view: &View<'_>, entry: &Entry, page: &mut String) {
    let mark = words::mark(entry);
    let risk = words::risk(entry.risk);
    let _ = writeln!(
        page,
        "<article data-id=\"{id}\" data-object=\"{object}\" data-kind=\"{kind}\" data-risk=\"{risk}\" \
         data-decision=\"{decision}\"{own}>\n<details{open}><summary><span class=\"mark {class}\">{mark}</span> \
         <code>{id}</code> <span class=\"what\">{what}</span>{badge}</summary>",
        id = html(&entry.id),
        object = html(&entry.object),
        kind = words::kind_words(entry.kind),
        decision = decision_value(entry.decision),
        own = if entry.needs_own_approval {
            " data-own"
        } else {
            ""
        },
        open = if view.entries.len() <= 40 {
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
            "<p class=\"after\">after {}</p>",
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
    page.push_str("</article>\n");
}

fn choice(decision: Decision, page: &mut String) {
    page.push_str("<div class=\"choice\"><select class=\"decide\" aria-label=\"decision\">");
    for (value, word) in [
        (Decision::Pending, "pending"),
        (Decision::Approve, "approve"),
        (Decision::Deny, "deny"),
    ] {
        let selected = if value == decision { " selected" } else { "" };
        let _ = write!(page, "<option value=\"{word}\"{selected}>{word}</option>");
    }
    page.push_str("</select></div>\n");
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
        page.push_str("<p class=\"after\">before and after</p>\n");
        pre(&diff::lines(before, after, 2), page);
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

fn not_compared(view: &View<'_>, page: &mut String) {
    let plan = view.plan;
    if plan.tables.is_empty() && plan.unsupported.is_empty() {
        return;
    }
    page.push_str(
        "<details class=\"overview\"><summary>What was compared, and how</summary>\n<ul>\n",
    );
    for it in &plan.unsupported {
        let _ = writeln!(
            page,
            "<li><b>{}</b> unsupported: <span class=\"pre\">{}</span></li>",
            html(&it.object),
            html(&it.reason)
        );
    }
    let mut tables: Vec<_> = plan.tables.iter().collect();
    tables.sort_by_key(|table| table.strategy != Strategy::Skipped);
    for table in tables {
        let _ = writeln!(
            page,
            "<li><b>{}</b> {}: {}</li>",
            html(&table.table),
            words::strategy(table.strategy),
            html(&table.exactness)
        );
    }
    page.push_str("</ul>\n</details>\n");
}

fn class_of(mark: char) -> &'static str {
    match mark {
        '+' => "add",
        '-' => "destroy",
        '~' => "change",
        _ => "same",
    }
}

fn decision_value(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "pending",
        Decision::Approve => "approve",
        Decision::Deny => "deny",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan as example;
    use crate::value::Value;

    fn page(plan: &crate::plan::Plan) -> String {
        let mut out = Vec::new();
        super::plan(&View::new(plan, None), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_page_is_whole_and_names_its_parts_by_hash() {
        let page = page(&example());
        assert!(page.contains(&format!("script-src 'sha256-{}'", hash(SCRIPT))));
        assert_eq!(page.matches("<article").count(), 4);
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains(" style=")
        );
        assert!(page.contains(
            "<td class=\"destroy\">&quot;old@x&quot;</td><td class=\"add\">&quot;new@x&quot;</td>"
        ));
    }

    #[test]
    fn hostile_text_is_no_markup() {
        let mut plan = example();
        let evil = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>";
        plan.remote.ssh = evil.into();
        plan.warnings.push(evil.into());
        plan.unsupported[0].reason = evil.into();
        plan.tables[0].exactness = evil.into();
        for entry in &mut plan.entries {
            entry.id.push_str(evil);
            entry.object.push_str(evil);
            entry.reasons.push(evil.into());
            entry.depends_on.push(evil.into());
            entry.sql = vec![format!("ALTER TABLE `a` ADD `{evil}`")];
            entry.after = Some(evil.into());
            for row in entry.rows.iter_mut().chain(&mut entry.preview) {
                row.key.insert(evil.into(), Value::Text(evil.into()));
                row.change
                    .insert(evil.into(), (Value::Text(evil.into()), Value::Null));
            }
        }
        let page = page(&plan);
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("<img"));
        assert!(!page.contains("onerror='"));
    }
}
