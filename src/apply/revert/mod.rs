//! Makes the plan that undoes what applying another plan did, from its undo record and local as it is now.
//!
//! Such a plan is one like any other: where it leads to stands in the place of production, and it is proven, reviewed
//! and applied the same way. What changed on local since the apply is named and left alone. Must never touch a remote,
//! and must never plan over a change of the developer's.

mod facts;
mod keyed;
mod rows;
mod schema;
mod target;
mod whole;

use super::undo::{Record, Undo};
use super::{counters, triggers};
use crate::config::Deletes;
use crate::connect::{LocalSession, Reader as _};
use crate::introspect;
use crate::plan::assemble::{self, Findings, Header};
use crate::plan::link::Reference;
use crate::plan::payload::PayloadFolder;
use crate::plan::schema_entries;
use crate::plan::{Entry, LocalServer, Plan, RemoteServer, Strategy, TablePlan};
use crate::refusal::Refusal;
use crate::schema::{Database, ObjectName, print};
use anyhow::{Context as _, Result};
use std::path::Path;
use target::Target;

/// What the new plan is made from.
pub struct Request<'a> {
    /// The plan whose effects are to be undone; its digest was verified.
    pub plan: &'a Plan,
    /// Its file.
    pub path: &'a Path,
    /// UTC time of the new plan, RFC 3339, whole seconds.
    pub created_at: String,
    /// Where many rows go.
    pub folder: &'a PayloadFolder,
    /// How many rows of an entry stand in the plan itself.
    pub inline_rows: u64,
    /// What of the rows stands in the plan.
    pub preview: crate::config::Preview,
    /// What a delete may do without its own approval.
    pub deletes: &'a Deletes,
}

/// The plan, and what it leaves alone.
#[derive(Debug)]
pub struct Reverted {
    /// The plan.
    pub plan: Plan,
    /// What is not undone.
    pub left: Vec<Left>,
}

/// Something that is not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The object, `database.name`.
    pub object: String,
    /// Why, in words.
    pub reason: String,
    /// Single rows, with what was found; some of them where there are many.
    pub examples: Vec<String>,
}

/// Makes the plan. `local` reads, `second` holds rows in a scratch schema.
///
/// # Errors
/// A [`Refusal`] where no apply of the plan began, or its record is not its own or damaged; what the local server says.
pub fn make(
    request: &Request<'_>,
    local: &mut LocalSession,
    second: &mut LocalSession,
) -> Result<Reverted> {
    let plan = request.plan;
    let mut undo = open(request)?;
    super::freshness::same_server(plan, local)?;
    let mut now = databases(request, local)?;
    triggers::as_if_up(request.path, &mut now)?;
    let mut target = Target::of(plan, &undo.records, &now, local.server().vendor)?;
    let mut found = rows::of_tables(request, &mut undo, &target, local, second)?;
    target.drop_only_ours(&found.foreign, &now);
    for name in &found.undone {
        target.keep(name, &now);
    }

    let pairs: Vec<schema_entries::Pair<'_>> = now
        .iter()
        .zip(&target.desired)
        .map(|(local, remote)| schema_entries::Pair { local, remote })
        .collect();
    let mut findings = Findings::default();
    let made = schema::entries(
        request,
        &mut undo,
        &target,
        &pairs,
        &mut found,
        (local, second),
    )?;
    for stuck in &made.stuck {
        found
            .entries
            .retain(|name, _| name.to_string() != stuck.object);
    }
    findings.unsupported = made.stuck.into_iter().chain(made.held).collect();
    findings.entries = made.entries;
    schema::objects(&pairs, local, &mut findings)?;
    for (name, entries) in found.entries {
        for mut entry in entries {
            assemble::brake(
                &mut entry,
                found.local_rows.get(&name).copied().unwrap_or(0),
                request.deletes,
            );
            findings.entries.push(entry);
        }
    }
    schema::databases_again(&mut target, &now, &mut findings);
    for entry in &mut findings.entries {
        in_terms_of_a_revert(entry);
    }
    findings.tables = tables(&target, plan, &undo.records, &now);
    findings.references = references(&now, &target.desired);
    let mut left = target.left;
    left.extend(found.left);
    findings.warnings = warnings(plan, &left);
    let plan = assemble::assemble(header(request, local), findings)?;
    Ok(Reverted { plan, left })
}

fn open(request: &Request<'_>) -> Result<Undo> {
    let plan = request.plan;
    let Some(undo) = Undo::open(request.path, &plan.id)? else {
        return Err(Refusal::new(
            format!(
                "{} was not applied from here: it has no undo record ({})",
                request.path.display(),
                super::undo::folder(request.path, &plan.id).display()
            ),
            "nothing of it stands on this local server; if it was applied elsewhere, revert it there",
        )
        .into());
    };
    let stranger = undo
        .records
        .iter()
        .any(|record| matches!(record, Record::Begin { digest, .. } if *digest != plan.digest));
    if stranger {
        return Err(Refusal::new(
            format!(
                "the undo record {} is of another plan than {}",
                super::undo::folder(request.path, &plan.id).display(),
                request.path.display()
            ),
            "put the plan's own file (or record) back: git checkout",
        )
        .into());
    }
    Ok(undo)
}

fn databases(request: &Request<'_>, local: &mut LocalSession) -> Result<Vec<Database>> {
    let names: Vec<String> = request
        .plan
        .scope
        .databases
        .iter()
        .map(|pair| pair.local.clone())
        .collect();
    introspect::databases(local, &names).context("reading the local schema")
}

/// Says "before" where an ordinary plan speaks of production.
fn in_terms_of_a_revert(entry: &mut Entry) {
    for reason in &mut entry.reasons {
        *reason = reason
            .replace(
                "which remote does not have",
                "which was not there before the apply",
            )
            .replace(" on remote)", " before)")
            .replace(
                "local's values do not convert, the rows bring remote's",
                "the rows bring the values that were there before",
            )
            .replace("production's event would run", "the event would run again");
    }
}

/// The next `AUTO_INCREMENT` value that a table goes back to.
fn counter(
    name: &ObjectName,
    table: &target::TableUndo,
    records: &[Record],
    now: &[Database],
) -> Option<u64> {
    let original = table.original.as_ref()?;
    original
        .columns
        .iter()
        .find(|column| column.auto_increment)?;
    let here = now
        .iter()
        .find(|database| database.name == name.database)
        .and_then(|database| database.tables.get(&name.name))
        .and_then(|info| crate::schema::parse::counter(&info.create).ok()?);
    counters::original(records, &name.to_string(), here)
}

fn tables(target: &Target, plan: &Plan, records: &[Record], now: &[Database]) -> Vec<TablePlan> {
    let fingerprint = |table: &Option<crate::schema::Table>| table.as_ref().map(print::fingerprint);
    target
        .tables
        .iter()
        .map(|(name, table)| TablePlan {
            table: name.to_string(),
            strategy: Strategy::Revert,
            watermark: None,
            auto_increment: counter(name, table, records, now),
            exactness: format!("what applying plan {} did is undone", plan.id),
            remote_schema: fingerprint(&table.original),
            local_schema: fingerprint(&table.now),
        })
        .collect()
}

/// The foreign keys that hold now, and those that will.
fn references(now: &[Database], desired: &[Database]) -> Vec<Reference> {
    let mut references = Vec::new();
    for database in now.iter().chain(desired) {
        for (name, info) in &database.tables {
            for key in &info.table.foreign_keys {
                let parent = key.referenced_database.as_deref().unwrap_or(&database.name);
                let reference = Reference {
                    child: ObjectName::new(&database.name, name).to_string(),
                    columns: key.columns.clone(),
                    parent: ObjectName::new(parent, &key.referenced_table).to_string(),
                };
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
        }
    }
    references
}

/// What the plan says of what it leaves, without a value of a row.
fn warnings(plan: &Plan, left: &[Left]) -> Vec<String> {
    let mut warnings = vec![format!(
        "undoes what applying plan {} did; production is not looked at",
        plan.id
    )];
    warnings.extend(
        left.iter()
            .map(|left| format!("not undone: {}: {}", left.object, left.reason)),
    );
    warnings
}

fn header(request: &Request<'_>, local: &LocalSession) -> Header {
    let plan = request.plan;
    Header {
        created_at: request.created_at.clone(),
        reverts: Some(plan.id.clone()),
        remote: RemoteServer {
            snapshots: 0,
            ..plan.remote.clone()
        },
        local: LocalServer {
            server: local.server().display.clone(),
            identity: local.server().identity.clone(),
        },
        databases: plan.scope.databases.clone(),
        tables: Vec::new(),
        schema: true,
        data: true,
    }
}
