//! A plan as one self-contained HTML page: no network, no script but its own.
//!
//! Must never let a name or value become markup: everything passes `escape::html`, and the page's policy lets only the
//! style and script that are part of it run, by their hashes.

mod entries;
mod overview;
mod policy;
mod rows;

use super::escape::html;
use super::{View, words};
use crate::plan::Strategy;
use anyhow::Result;
use policy::hash;
use std::fmt::Write as _;
use std::io::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

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
    overview::overview(view, &mut page);
    if !view.entries.is_empty() {
        overview::filters(view, &mut page);
    }
    page.push_str("<main id=\"changes\">\n");
    entries::entries(view, &mut page);
    page.push_str("</main>\n<p id=\"none\" hidden>No change fits.</p>\n");
    not_compared(view, &mut page);
    if !view.entries.is_empty() {
        page.push_str(EXPORT);
    }
    let _ = write!(page, "<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out.write_all(page.as_bytes())?;
    Ok(())
}

const EXPORT: &str = "<footer id=\"export\">\n\
    <div class=\"line\"><span id=\"count\" aria-live=\"polite\">Nothing decided here yet.</span>\n\
    <span class=\"buttons\"><button type=\"button\" id=\"show-commands\">Commands</button>\n\
    <button type=\"button\" id=\"show-file\">Decisions file</button></span></div>\n\
    <div id=\"exported\" hidden><p id=\"how\"></p>\n\
    <textarea id=\"output\" rows=\"4\" readonly spellcheck=\"false\" aria-label=\"What to run\"></textarea>\n\
    <div class=\"line\"><span class=\"buttons\"><button type=\"button\" id=\"copy\">Copy</button>\n\
    <a id=\"download\" class=\"button\" download=\"decisions.json\" hidden>Download decisions.json</a></span>\n\
    <button type=\"button\" id=\"close\">Close</button></div></div>\n</footer>\n";

fn head(view: &View<'_>, page: &mut String) {
    let plan = view.plan;
    let (add, change, destroy) = words::totals(plan);
    let databases: Vec<String> = plan
        .scope
        .databases
        .iter()
        .map(|pair| {
            if pair.remote == pair.local {
                html(&pair.local)
            } else {
                format!("{} → {}", html(&pair.remote), html(&pair.local))
            }
        })
        .collect();
    let _ = writeln!(
        page,
        "<header>\n<h1>{}</h1>\n<p class=\"from\">{} through <b>{}</b> → local {} · made {} · plan <code>{}</code></p>",
        databases.join(", "),
        html(&plan.remote.server),
        html(&plan.remote.ssh),
        html(&plan.local.server),
        html(&plan.created_at.replace('T', " ").replace('Z', " UTC")),
        html(&plan.id)
    );
    if plan.entries.is_empty() {
        let _ = writeln!(
            page,
            "<p class=\"totals\"><b>No changes.</b> Compared: {}.</p>",
            html(&words::compared(plan))
        );
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
    if view.is_part() {
        let shown = words::counted(view.entries.len() as u64, "change");
        let _ = writeln!(
            page,
            "<p class=\"warning\">Only a part of the plan is shown: {shown} of {}.</p>",
            plan.entries.len()
        );
    }
    for warning in &plan.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", html(warning));
    }
    page.push_str("</header>\n");
}

fn not_compared(view: &View<'_>, page: &mut String) {
    let plan = view.plan;
    if plan.tables.is_empty() && plan.unsupported.is_empty() {
        return;
    }
    let skipped = |table: &&crate::plan::TablePlan| table.strategy == Strategy::Skipped;
    let open = if plan.unsupported.is_empty() && !plan.tables.iter().any(|it| skipped(&it)) {
        ""
    } else {
        " open"
    };
    let _ = writeln!(
        page,
        "<details class=\"card\"{open}><summary>What was compared, and how</summary>\n<ul>"
    );
    for it in &plan.unsupported {
        let _ = writeln!(
            page,
            "<li class=\"warning\"><b>{}</b> unsupported: <span class=\"pre\">{}</span></li>",
            html(&it.object),
            html(&it.reason)
        );
    }
    let mut tables: Vec<_> = plan.tables.iter().collect();
    tables.sort_by_key(|table| table.strategy != Strategy::Skipped);
    for table in tables {
        let _ = writeln!(
            page,
            "<li><b>{}</b> {}</li>",
            html(&table.table),
            html(&words::how(table))
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
