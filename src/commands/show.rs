//! `driftwarden show`.

use super::{Context, pager};
use crate::cli::{Format, ShowArgs};
use crate::plan::{Entry, Plan, digest, file, remake};
use crate::refusal::Problem;
use crate::render::{ROWS_SHOWN, View, html, json, markdown, sql, text};
use crate::review::Selector;
use crate::review::selector::near;
use anyhow::Result;
use globset::GlobBuilder;
use std::io::Write as _;

/// Renders a plan. A plan that was changed after it was made is rendered all the same, with a warning.
///
/// # Errors
/// When the plan cannot be read, or a selector matches nothing.
pub fn run(args: &ShowArgs, context: &mut Context<'_>) -> Result<u8> {
    let plan = file::read(&args.plan)?;
    if let Err(error) = digest::verify(&plan).and_then(|()| remake::check_all(&plan)) {
        writeln!(context.err, "warning: {error}")?;
    }
    let mut view = View::new(&plan, Some(&args.plan));
    view.entries = selected(args, &plan)?;
    view.color = context.color;
    view.whole = args.whole;
    view.limit = args.limit.unwrap_or(match args.format {
        Format::Sql => u64::MAX,
        Format::Html => 200,
        _ => ROWS_SHOWN,
    });
    match args.format {
        Format::Text => {
            let mut shown = Vec::new();
            text::plan(&view, &mut shown)?;
            if !view.is_part() {
                let steps = text::next_steps(&plan, &args.plan);
                write!(shown, "\n{steps}")?;
            }
            let shown_there = match pager::of_user() {
                Some(pager) if !args.no_pager => pager::show(&pager, &shown).unwrap_or(false),
                _ => false,
            };
            if !shown_there {
                context.out.write_all(&shown)?;
            }
        }
        Format::Json => json::plan(&view, context.out)?,
        Format::Markdown => markdown::plan(&view, context.out)?,
        Format::Html => html::plan(&view, context.out)?,
        Format::Sql => sql::plan(&view, context.out)?,
    }
    Ok(0)
}

/// Returns the entries that `--entry` and `--table` leave.
fn selected<'p>(args: &ShowArgs, plan: &'p Plan) -> Result<Vec<&'p Entry>> {
    let mut entries = Vec::new();
    for text in &args.entry {
        let selector = Selector::parse(text)?;
        selector.check(plan)?;
        entries.push(selector);
    }
    let mut tables = Vec::new();
    for text in &args.table {
        let matched = plan.entries.iter().any(|entry| is_of_table(text, entry));
        let known = plan.tables.iter().any(|table| table.table == *text);
        if !matched && !known {
            let names = plan.entries.iter().map(|entry| entry.object.as_str());
            let near = near(
                text,
                names.chain(plan.tables.iter().map(|it| it.table.as_str())),
            );
            let remedy = if near.is_empty() {
                "name it `database.table`, or use a glob: 'shop.*'".to_owned()
            } else {
                format!("did you mean {}?", near.join(" or "))
            };
            return Err(
                Problem::new(format!("no entry of the plan is of table {text:?}"), remedy).into(),
            );
        }
        tables.push(text);
    }
    let wanted = |entry: &&Entry| {
        (entries.is_empty() || entries.iter().any(|selector| selector.matches(entry)))
            && (tables.is_empty() || tables.iter().any(|text| is_of_table(text, entry)))
    };
    Ok(plan.entries.iter().filter(wanted).collect())
}

/// Returns whether a name, or a glob over names, is the entry's object (with its database or without).
fn is_of_table(text: &str, entry: &Entry) -> bool {
    let name = entry.object.split_once('.').map_or("", |(_, name)| name);
    if text == entry.object || text == name {
        return true;
    }
    GlobBuilder::new(text)
        .literal_separator(false)
        .backslash_escape(false)
        .build()
        .is_ok_and(|glob| {
            let glob = glob.compile_matcher();
            glob.is_match(&entry.object) || glob.is_match(name)
        })
}
