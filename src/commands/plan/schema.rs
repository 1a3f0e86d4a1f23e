//! Compares the schemas: tables proven in a scratch schema, everything else as whole texts.
//!
//! Must never let an unproven change into the plan.

use super::obstacles::{self, Looked};
use super::survey::{Pair, Sides};
use crate::config::Config;
use crate::connect::Reader;
use crate::diff::object;
use crate::introspect;
use crate::plan::Entry;
use crate::plan::assemble::Findings;
use crate::plan::object_entries::{self, Request, object_entries};
use crate::plan::schema_entries::{self, Made, Options, SchemaChanges};
use crate::plan::scope::Selection;
use crate::proof;
use crate::schema::{ObjectKind, ObjectName, Table};
use anyhow::{Context as _, Result};

/// Finds the tables that differ, with production's as the local server prints them.
///
/// # Errors
/// When the local server cannot make a scratch schema.
pub(super) fn changes(
    pairs: &[Pair],
    selection: &Selection<'_>,
    config: &Config,
    sides: &mut Sides,
) -> Result<SchemaChanges> {
    let both: Vec<schema_entries::Pair<'_>> = pairs
        .iter()
        .map(|pair| schema_entries::Pair {
            local: &pair.local,
            remote: &pair.remote,
        })
        .collect();
    let server = sides.local.server();
    let options = Options {
        vendor: server.vendor,
        remote_vendor: sides.remote.server().vendor,
        lower_case_table_names: server.lower_case_table_names,
        selects: &|_| true,
        keep_local: &|name| keeps_local(pairs, config, name),
        databases: selection.takes_whole_databases(),
    };
    let mut changes = SchemaChanges::find(&both, &options);
    let step = "trying production's tables in a scratch schema on the local server";
    let printed = sides
        .local
        .again(step, |local| {
            proof::as_local_prints(local, &changes.to_print())
        })
        .context("cannot try production's tables in a scratch schema on the local server")?;
    changes.printed(printed);
    Ok(changes)
}

/// Rows to insert into a new table from which on it pays to build its indexes once they are in.
const LOADED_FIRST: u64 = 10_000;

/// Makes the entries of databases and tables. `rows` tells how many rows of a table its entries are about, `looked` what
/// local's rows are in the way of.
///
/// # Errors
/// When the local server cannot make a scratch schema.
pub(super) fn tables(
    mut changes: SchemaChanges,
    rows: &dyn Fn(&ObjectName) -> u64,
    looked: &Looked,
    sides: &mut Sides,
) -> Result<Made> {
    let held = obstacles::weigh(&mut changes, looked);
    if !held.is_empty() {
        let again: Vec<(ObjectName, Table)> = changes
            .to_print()
            .into_iter()
            .filter(|(name, _)| held.contains(name))
            .collect();
        let step = "trying tables in a scratch schema on the local server";
        let printed = sides
            .local
            .again(step, |local| proof::as_local_prints(local, &again))
            .context("cannot try tables in a scratch schema on the local server")?;
        changes.printed(printed);
    }
    changes.diff(&|name| rows(name) > 0);
    obstacles::stop_before_rows(&mut changes, looked);
    changes.defer_indexes(&|name| rows(name) >= LOADED_FIRST);
    let step = "trying new tables in a scratch schema on the local server";
    let stuck = sides
        .local
        .again(step, |local| {
            proof::indexes_added_later(local, &changes.deferrals())
        })
        .context("cannot try new tables in a scratch schema on the local server")?;
    for name in &stuck {
        changes.keep_indexes(name);
    }
    let step = "proving the changes in a scratch schema on the local server";
    let proven = sides
        .local
        .again(step, |local| proof::prove(local, &changes.to_prove()))
        .context("cannot prove the changes in a scratch schema on the local server")?;
    Ok(changes.entries(proven))
}

/// Makes the entries of views, triggers, procedures, functions and events.
///
/// # Errors
/// When local's accounts cannot be read.
pub(super) fn objects(
    pairs: &[Pair],
    selection: &Selection<'_>,
    config: &Config,
    sides: &mut Sides,
    findings: &mut Findings,
) -> Result<()> {
    let accounts = sides.local.again("reading local's accounts", |local| {
        introspect::local_accounts(local)
    })?;
    let both: Vec<object_entries::Pair<'_>> = pairs
        .iter()
        .map(|pair| object_entries::Pair {
            local: &pair.local,
            remote: &pair.remote,
        })
        .collect();
    let databases: Vec<(String, String)> = pairs
        .iter()
        .map(|pair| (pair.names.remote.clone(), pair.names.local.clone()))
        .collect();
    let schema: Vec<Entry> = findings
        .entries
        .iter()
        .filter(|entry| !entry.kind.is_rows())
        .cloned()
        .collect();
    let found = object_entries(&Request {
        context: object::Context {
            remote: sides.remote.server().vendor,
            local: sides.local.server().vendor,
            accounts: &accounts,
            databases: &databases,
        },
        pairs: &both,
        schema_entries: &schema,
        selects: &|kind, name| {
            matches!(kind, ObjectKind::View | ObjectKind::Trigger) && selection.takes(name)
                || selection.takes_whole_databases()
        },
        keeps_local: &|_, name| config.rule_for(name).keep_local,
    });
    findings.entries.extend(found.entries);
    findings.unsupported.extend(found.unsupported);
    findings.warnings.extend(found.warnings);
    Ok(())
}

fn keeps_local(pairs: &[Pair], config: &Config, local: &ObjectName) -> bool {
    pairs
        .iter()
        .find(|pair| pair.names.local == local.database)
        .is_some_and(|pair| config.rule_for(&pair.remote_name(&local.name)).keep_local)
}
