//! A plan as SQL: what `apply` would execute, in order, with comments; for reading, and for running by hand.
//!
//! Values are written without knowledge of their columns. Must never let a name end a comment, and must never be what
//! `apply` runs: that makes its own statements.

use super::{View, escape, words};
use crate::plan::payload;
use crate::plan::row_sql::{self, Extras, plain_literal};
use crate::plan::{Decision, Entry, Kind, PlanRow};
use crate::schema::ObjectName;
use crate::sql::session::{LOCAL_SQL_MODE, object_environment};
use crate::sql::{ident, string};
use anyhow::{Context as _, Result};
use std::io::Write;

/// Rows of one INSERT or DELETE.
const BATCH: usize = 100;

/// Writes the statements of every entry and row that is not denied.
///
/// # Errors
/// When writing fails, or a payload is not the plan's.
pub fn plan(view: &View<'_>, out: &mut dyn Write) -> Result<()> {
    let plan = view.plan;
    writeln!(
        out,
        "-- Plan {}, for local {}",
        comment(&plan.id),
        comment(&plan.local.server)
    )?;
    writeln!(
        out,
        "-- What is denied is left out; what is pending is here, and `driftwarden apply` leaves it out until approved."
    )?;
    writeln!(
        out,
        "-- Run by hand, nothing checks that local still is what the plan saw.\n"
    )?;
    session(out)?;
    for entry in &view.entries {
        writeln!(
            out,
            "\n-- {} ({}) [{}]",
            comment(&entry.id),
            words::what(entry),
            words::decision(entry.decision)
        )?;
        for reason in &entry.reasons {
            writeln!(out, "-- {}: {}", words::risk(entry.risk), comment(reason))?;
        }
        if entry.kind.is_rows() {
            rows(view, entry, out)?;
        } else if entry.decision != Decision::Deny {
            schema(entry, out)?;
        }
    }
    Ok(())
}

/// Writes what the statements of rows and tables need of their session.
fn session(out: &mut dyn Write) -> Result<()> {
    writeln!(out, "SET NAMES utf8mb4;\nSET time_zone = '+00:00';")?;
    writeln!(out, "SET sql_mode = {};", string(LOCAL_SQL_MODE))?;
    Ok(())
}

fn schema(entry: &Entry, out: &mut dyn Write) -> Result<()> {
    if let Some(environment) = &entry.environment {
        // A stored object keeps all of these; an event would run by another clock without its time zone.
        let set = object_environment(
            &environment.sql_mode,
            &environment.character_set_client,
            &environment.collation_connection,
            &environment.time_zone,
        );
        writeln!(out, "{set};")?;
    }
    if entry.environment.is_some() || entry.kind == Kind::CreateView {
        // Bodies name things of their own database without saying so.
        let (database, _) = names(entry);
        writeln!(out, "USE {};", ident(&database))?;
    }
    for statement in &entry.sql {
        if statement.contains(';') {
            writeln!(out, "DELIMITER ;;\n{statement} ;;\nDELIMITER ;")?;
        } else {
            writeln!(out, "{statement};")?;
        }
    }
    if entry.environment.is_some() {
        session(out)?;
    }
    Ok(())
}

fn rows(view: &View<'_>, entry: &Entry, out: &mut dyn Write) -> Result<()> {
    let (database, name) = names(entry);
    let table = ObjectName::new(database, name);
    let mut batch: Vec<PlanRow> = Vec::new();
    let mut written = 0;
    let write = |batch: &mut Vec<PlanRow>, out: &mut dyn Write| -> Result<()> {
        for statement in statements(&table, entry.kind, batch)? {
            writeln!(out, "{statement};")?;
        }
        batch.clear();
        Ok(())
    };
    let source: Box<dyn Iterator<Item = Result<PlanRow>>> = match (&entry.payload, view.path) {
        (Some(_), Some(path)) => Box::new(payload::rows(entry, &view.plan.id, path)?),
        _ => Box::new(view.rows(entry).0.into_iter().map(Ok)),
    };
    for row in source {
        let row = row?;
        if row.decision == Some(Decision::Deny) {
            continue;
        }
        if written == view.limit {
            write(&mut batch, out)?;
            writeln!(out, "-- … and more rows: --limit shows them")?;
            break;
        }
        written += 1;
        batch.push(row);
        if batch.len() == BATCH {
            write(&mut batch, out)?;
        }
    }
    write(&mut batch, out)
}

fn statements(table: &ObjectName, kind: Kind, rows: &[PlanRow]) -> Result<Vec<String>> {
    let (extras, literal) = (Extras::default(), &plain_literal);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    match kind {
        Kind::InsertRows => {
            let copies = |row: &PlanRow| {
                row.copies
                    .map_or(1, |(before, after)| after.saturating_sub(before))
            };
            let values: Vec<_> = rows
                .iter()
                .flat_map(|row| (0..copies(row)).map(|_| &row.values))
                .collect();
            Ok(vec![row_sql::insert(table, &extras, &values, literal)?])
        }
        Kind::UpdateRows => rows
            .iter()
            .map(|row| {
                let change = row
                    .change
                    .iter()
                    .map(|(name, (_, after))| (name.as_str(), after));
                row_sql::update(table, &extras, &row.key, change, literal)
            })
            .collect(),
        _ if rows.iter().any(|row| row.copies.is_some()) => rows
            .iter()
            .map(|row| {
                let (before, after) = row.copies.context("a row of a bag without its copies")?;
                let same: Vec<String> = row
                    .values
                    .iter()
                    .map(|(name, value)| {
                        Ok(format!("{} <=> {}", ident(name), literal(name, value)?))
                    })
                    .collect::<Result<_>>()?;
                Ok(format!(
                    "DELETE FROM {} WHERE {} LIMIT {}",
                    crate::sql::qualified(table),
                    same.join(" AND "),
                    before.saturating_sub(after)
                ))
            })
            .collect(),
        _ => {
            let keys: Vec<_> = rows.iter().map(|row| &row.key).collect();
            Ok(vec![row_sql::delete(table, &keys, literal)?])
        }
    }
}

/// Returns the database and name of an entry's object, from its id: there they cannot be confused.
fn names(entry: &Entry) -> (String, String) {
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut parts = entry.id.split('.');
    let database = parts.next().map(decode).unwrap_or_default();
    (database, parts.next().map(decode).unwrap_or_default())
}

fn comment(text: &str) -> String {
    escape::line(text)
}
