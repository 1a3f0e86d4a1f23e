//! `driftwarden issues`: the persisted issues.

use super::Context;
use crate::cli::{IssuesAction, IssuesArgs};
use crate::config::load::load;
use crate::issues::{Issue, Status, Store};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::fs;

/// Runs the command.
///
/// # Errors
/// When the config or the folder cannot be read, or there is no such issue.
pub fn run(args: &IssuesArgs, context: &mut Context<'_>) -> Result<u8> {
    let store = Store::new(&load(&context.config_path)?.config.issues);
    match &args.action {
        None | Some(IssuesAction::List) => list(&store, args.json, context),
        Some(IssuesAction::Show { id }) => show(&store, id, args.json, context),
        Some(IssuesAction::Resolve { id }) => resolve(&store, id, args.json, context),
    }
}

fn list(store: &Store, as_json: bool, context: &mut Context<'_>) -> Result<u8> {
    let issues = store.list()?;
    let unreadable = store.unreadable()?;
    if as_json {
        let issues: Vec<_> = issues
            .iter()
            .map(|issue| with_file(store, issue))
            .collect::<Result<_>>()?;
        let unreadable: Vec<_> = unreadable
            .iter()
            .map(|(path, why)| json!({ "file": path, "reason": why }))
            .collect();
        return print(
            context,
            &json!({ "issues": issues, "unreadable": unreadable }),
        );
    }
    if issues.is_empty() {
        writeln!(context.out, "No issues.")?;
    }
    for issue in &issues {
        writeln!(
            context.out,
            "{}  {:8}  {:>4}x  last {}  {}",
            issue.id,
            status(issue),
            issue.count,
            issue.last_seen,
            issue.title()
        )?;
    }
    for (path, why) in &unreadable {
        writeln!(context.out, "{}  cannot be read: {why}", path.display())?;
    }
    Ok(0)
}

fn show(store: &Store, id: &str, as_json: bool, context: &mut Context<'_>) -> Result<u8> {
    let issue = store.find(id)?;
    if as_json {
        return print(context, &with_file(store, &issue)?);
    }
    let path = store.path(&issue);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    context.out.write_all(text.as_bytes())?;
    Ok(0)
}

fn resolve(store: &Store, id: &str, as_json: bool, context: &mut Context<'_>) -> Result<u8> {
    let issue = store.resolve(id, "by hand", context.now)?;
    if as_json {
        return print(context, &with_file(store, &issue)?);
    }
    writeln!(context.out, "Resolved {}: {}", issue.id, issue.title())?;
    Ok(0)
}

fn status(issue: &Issue) -> &'static str {
    match issue.status {
        Status::Open => "open",
        Status::Resolved => "resolved",
    }
}

fn with_file(store: &Store, issue: &Issue) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(issue).context("writing an issue as JSON")?;
    value["file"] = json!(store.path(issue));
    Ok(value)
}

fn print(context: &mut Context<'_>, value: &serde_json::Value) -> Result<u8> {
    serde_json::to_writer_pretty(&mut *context.out, value).context("writing JSON")?;
    writeln!(context.out)?;
    Ok(0)
}
