//! What a plan says of both sides beside its changes: the servers, the tables with how they were compared, the foreign keys.
//!
//! Must never read either side.

use super::rows::Compared;
use super::survey::{Pair, Sides};
use crate::commands::Context;
use crate::connect::Reader as _;
use crate::plan::assemble::Header;
use crate::plan::link::Reference;
use crate::plan::scope::Selection;
use crate::plan::strategy::Choice;
use crate::plan::{LocalServer, RemoteServer, Strategy, TablePlan};
use crate::schema::{Database, ObjectName, print as text};
use anyhow::Result;
use std::collections::BTreeMap;
use time::format_description::well_known::Rfc3339;

/// Returns what a plan says of where it comes from.
///
/// # Errors
/// When the time has no text.
pub(super) fn header(
    pairs: &[Pair],
    sides: &Sides,
    selection: &Selection<'_>,
    (schema, data): (bool, bool),
    snapshots: u64,
    context: &Context<'_>,
) -> Result<Header> {
    let (remote, local) = (sides.remote.server(), sides.local.server());
    Ok(Header {
        created_at: context.now.replace_nanosecond(0)?.format(&Rfc3339)?,
        reverts: None,
        remote: RemoteServer {
            ssh: sides.ssh_host.clone(),
            server: remote.display.clone(),
            identity: remote.identity.clone(),
            snapshots,
        },
        local: LocalServer {
            server: local.display.clone(),
            identity: local.identity.clone(),
        },
        databases: pairs.iter().map(|pair| pair.names.clone()).collect(),
        tables: selection.tables.texts().map(str::to_owned).collect(),
        schema,
        data,
    })
}

/// Returns every table of either side, with how it was compared.
pub(super) fn table_plans(
    pairs: &[Pair],
    compared: &BTreeMap<ObjectName, Compared>,
    with_data: bool,
) -> Vec<TablePlan> {
    let mut tables = BTreeMap::new();
    for pair in pairs {
        for name in pair.remote.tables.keys().chain(pair.local.tables.keys()) {
            let local_name = pair.local_name(name);
            let fingerprint = |database: &Database| {
                database
                    .tables
                    .get(name)
                    .map(|info| text::fingerprint(&info.table))
            };
            let choice = match compared.get(&local_name) {
                Some(table) => table.choice.clone(),
                None if with_data && pair.remote.tables.contains_key(name) => Choice {
                    strategy: Strategy::Skipped,
                    exactness: "rows not compared: see `unsupported`".to_owned(),
                    times: None,
                },
                None => Choice {
                    strategy: Strategy::Schema,
                    exactness: "only the schema was compared".to_owned(),
                    times: None,
                },
            };
            tables.insert(
                local_name.to_string(),
                TablePlan {
                    table: local_name.to_string(),
                    strategy: choice.strategy,
                    exactness: choice.exactness,
                    remote_schema: fingerprint(&pair.remote),
                    local_schema: fingerprint(&pair.local),
                    watermark: compared
                        .get(&local_name)
                        .and_then(|table| table.watermark.clone()),
                    auto_increment: None,
                },
            );
        }
    }
    tables.into_values().collect()
}

/// Returns the foreign keys of both sides by local names: local's hold while rows are written, production's will.
pub(super) fn references(pairs: &[Pair]) -> Vec<Reference> {
    let local_of = |pair: &Pair, database: &str, from_remote: bool| -> String {
        if !from_remote {
            return database.to_owned();
        }
        pairs
            .iter()
            .find(|other| other.names.remote == database)
            .map_or_else(
                || pair.names.local.clone(),
                |other| other.names.local.clone(),
            )
    };
    let mut references = Vec::new();
    for pair in pairs {
        for (database, from_remote) in [(&pair.remote, true), (&pair.local, false)] {
            for (name, info) in &database.tables {
                for key in &info.table.foreign_keys {
                    let parent_schema =
                        key.referenced_database.as_deref().unwrap_or(&database.name);
                    let parent_database = local_of(pair, parent_schema, from_remote);
                    let reference = Reference {
                        child: pair.local_name(name).to_string(),
                        columns: key.columns.clone(),
                        parent: ObjectName::new(parent_database, &key.referenced_table).to_string(),
                    };
                    if !references.contains(&reference) {
                        references.push(reference);
                    }
                }
            }
        }
    }
    references
}
