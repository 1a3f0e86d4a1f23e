//! Compares the schemas: tables proven in a scratch schema, everything else as whole texts.
//!
//! Must never let an unproven change into the plan.

use super::obstacles::{self, Looked};
use super::survey::{Pair, Sides};
use crate::config::Config;
use crate::connect::Reader;
use crate::diff::object;
use crate::diff::schema::TableDiff;
use crate::introspect;
use crate::plan::Entry;
use crate::plan::assemble::Findings;
use crate::plan::object_entries::{self, Request, object_entries};
use crate::plan::schema_entries::{self, Options, SchemaChanges};
use crate::plan::scope::Selection;
use crate::proof::{self, Failure};
use crate::schema::object::LocalAccounts;
use crate::schema::{Database, ObjectKind, ObjectName, Table, Unsupported};
use anyhow::{Context as _, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

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
    let step = "trying production's foreign keys in a scratch schema on the local server";
    let refused = sides
        .local
        .again(step, |local| {
            proof::refused_keys(local, &changes.keys_to_try())
        })
        .context("cannot try production's foreign keys in a scratch schema on the local server")?;
    changes.leave_out(refused);
    Ok(changes)
}

/// Rows to insert into a new table from which on it pays to build its indexes once they are in.
const LOADED_FIRST: u64 = 10_000;

/// Leaves out of the changes what local's rows are in the way of.
///
/// # Errors
/// When the local server cannot make a scratch schema.
pub(super) fn leave_out(
    changes: &mut SchemaChanges,
    looked: &Looked,
    sides: &mut Sides,
) -> Result<()> {
    let held = obstacles::weigh(changes, looked);
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
    Ok(())
}

/// Lets the indexes of new tables wait for many rows. `rows` tells how many rows of a table its entries are about.
///
/// # Errors
/// When the local server cannot make a scratch schema.
pub(super) fn defer_indexes(
    changes: &mut SchemaChanges,
    rows: &dyn Fn(&ObjectName) -> u64,
    sides: &mut Sides,
) -> Result<()> {
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
    Ok(())
}

/// The changes that could be proven, by table, and why the others could not.
pub(super) type Proven = BTreeMap<ObjectName, Result<TableDiff, Failure>>;

/// Proves the changes, of these tables or of all.
///
/// # Errors
/// When the local server cannot make a scratch schema.
pub(super) fn prove(
    changes: &SchemaChanges,
    among: Option<&BTreeSet<ObjectName>>,
    sides: &mut Sides,
) -> Result<Proven> {
    let mut proposals = changes.to_prove();
    proposals.retain(|proposal| among.is_none_or(|names| names.contains(proposal.name)));
    let step = "proving the changes in a scratch schema on the local server";
    sides
        .local
        .again(step, |local| proof::prove(local, &proposals))
        .context("cannot prove the changes in a scratch schema on the local server")
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
    let remotes = with_views_as_local_prints(pairs, &accounts, sides, findings)?;
    let both: Vec<object_entries::Pair<'_>> = pairs
        .iter()
        .zip(&remotes)
        .map(|(pair, remote)| object_entries::Pair {
            local: &pair.local,
            remote,
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

/// Returns production's databases. Where production runs another vendor, their views are as the local server prints
/// them; one that local cannot hold is unsupported, and not taken for absent.
fn with_views_as_local_prints<'a>(
    pairs: &'a [Pair],
    accounts: &LocalAccounts,
    sides: &mut Sides,
    findings: &mut Findings,
) -> Result<Vec<Cow<'a, Database>>> {
    let vendor = sides.remote.server().vendor;
    let mut remotes = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let mut remote = Cow::Borrowed(&pair.remote);
        if vendor != sides.local.server().vendor {
            let step = "trying production's views in a scratch schema on the local server";
            let printed = sides.local.again(step, |local| {
                proof::views_as_local_prints(local, &pair.remote, vendor, accounts)
            })?;
            for (name, answer) in printed {
                let remote = remote.to_mut();
                let key = (ObjectKind::View, name);
                match answer {
                    Ok(view) => drop(remote.objects.insert(key, view)),
                    Err(reason) => {
                        remote.objects.remove(&key);
                        let reason = format!("view: {reason}");
                        remote.unsupported.push(Unsupported {
                            object: pair.remote_name(&key.1).to_string(),
                            reason: reason.clone(),
                        });
                        findings.unsupported.push(Unsupported {
                            object: pair.local_name(&key.1).to_string(),
                            reason,
                        });
                    }
                }
            }
        }
        remotes.push(remote);
    }
    Ok(remotes)
}

fn keeps_local(pairs: &[Pair], config: &Config, local: &ObjectName) -> bool {
    pairs
        .iter()
        .find(|pair| pair.names.local == local.database)
        .is_some_and(|pair| config.rule_for(&pair.remote_name(&local.name)).keep_local)
}
