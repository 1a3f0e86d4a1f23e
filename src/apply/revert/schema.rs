//! The schema entries that lead back: databases, tables, views, triggers, routines and events.
//!
//! Must never let a column go whose values of another hand would go with it.

use super::target::Target;
use super::{Left, Request, rows};
use crate::apply::save;
use crate::apply::undo::Undo;
use crate::connect::{LocalSession, Reader as _};
use crate::diff::object;
use crate::introspect;
use crate::plan::assemble::Findings;
use crate::plan::entry_id::database_id;
use crate::plan::object_entries::{self, object_entries};
use crate::plan::schema_entries::{self, Made, Options, SchemaChanges};
use crate::plan::{Entry, Kind, Risk};
use crate::proof;
use crate::schema::{Database, ObjectName, print};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The entries of databases and tables, proven in a scratch schema. A column of another kind of type, or whose present
/// values do not convert back, is dropped and added again, and every row's value comes from the undo record: what a
/// server makes of a value on the way there and back need not be the value that was there.
pub(super) fn entries(
    request: &Request<'_>,
    undo: &mut Undo,
    target: &Target,
    pairs: &[schema_entries::Pair<'_>],
    found: &mut rows::Found,
    (local, second): (&mut LocalSession, &mut LocalSession),
) -> Result<Made> {
    let server = local.server();
    let options = Options {
        vendor: server.vendor,
        remote_vendor: server.vendor,
        lower_case_table_names: server.lower_case_table_names,
        selects: &|_| true,
        keep_local: &|_| false,
        databases: true,
    };
    let mut changes = SchemaChanges::find(pairs, &options);
    let printed = proof::as_local_prints(local, &changes.to_print())
        .context("cannot try the tables to go back to in a scratch schema")?;
    changes.printed(printed);
    for (name, table) in &target.tables {
        let (Some(original), Some(now)) = (&table.original, &table.now) else {
            continue;
        };
        let replaced = save::of_other_kind(original, now);
        if replaced.is_empty() || changes.remote(name).is_none() {
            continue;
        }
        // Where rows changed since, the column is converted instead, as far as its values let it.
        let sessions = (&mut *local, &mut *second);
        if let Ok(entries) = rows::with_replaced(request, undo, (name, table), &replaced, sessions)?
        {
            let columns: Vec<String> = replaced.into_iter().collect();
            changes.replace(name, &columns);
            found.take(name, entries, local)?;
        }
    }
    let mut proven = BTreeMap::new();
    let mut unproven: Option<BTreeSet<ObjectName>> = None;
    loop {
        changes.diff(&|name| found.entries.contains_key(name));
        let mut proposals = changes.to_prove();
        proposals.retain(|proposal| {
            unproven
                .as_ref()
                .is_none_or(|names| names.contains(proposal.name))
        });
        let mut answers = proof::prove(local, &proposals)
            .context("cannot prove the way back in a scratch schema")?;
        let (mut again, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for (name, answer) in &answers {
            let Some((failure, table)) = answer.as_ref().err().zip(target.tables.get(name)) else {
                continue;
            };
            let Some(replaced) = changes.replace(name, &failure.unconverted) else {
                continue;
            };
            let sessions = (&mut *local, &mut *second);
            match rows::with_replaced(request, undo, (name, table), &replaced, sessions)? {
                Ok(entries) => {
                    found.take(name, entries, local)?;
                    again.insert(name.clone());
                }
                Err(reason) => {
                    changes.refuse(name, does_not_convert(&replaced, &reason));
                    refused.insert(name.clone());
                }
            }
        }
        answers.retain(|name, _| !refused.contains(name));
        proven.extend(answers);
        if again.is_empty() {
            return Ok(changes.entries(proven));
        }
        unproven = Some(again);
    }
}

fn does_not_convert(columns: &BTreeSet<String>, reason: &str) -> String {
    let columns: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "values of {} as they are now do not convert to the type that was there before, and they cannot be exchanged for \
         the old ones: {reason}; the table stays as it is. Set those values (or remove those rows), and revert again",
        columns.join(", ")
    )
}

/// The entries of views, triggers, routines and events. Their definers come back whether or not they have an account.
pub(super) fn objects(
    pairs: &[schema_entries::Pair<'_>],
    local: &mut LocalSession,
    findings: &mut Findings,
) -> Result<()> {
    let mut accounts = introspect::local_accounts(local)?;
    accounts.takes_any_function = true;
    for object in pairs.iter().flat_map(|pair| pair.remote.objects.values()) {
        if let Some(definer) = &object.definer {
            let (user, host) = definer.rsplit_once('@').unwrap_or((definer, ""));
            accounts.known.insert((user.to_owned(), host.to_owned()));
        }
    }
    let both: Vec<object_entries::Pair<'_>> = pairs
        .iter()
        .map(|pair| object_entries::Pair {
            local: pair.local,
            remote: pair.remote,
        })
        .collect();
    let vendor = local.server().vendor;
    let schema = findings.entries.clone();
    let found = object_entries(&object_entries::Request {
        context: object::Context {
            remote: vendor,
            local: vendor,
            accounts: &accounts,
            databases: &[],
        },
        pairs: &both,
        schema_entries: &schema,
        selects: &|_, _| true,
        keeps_local: &|_, _| false,
    });
    findings.entries.extend(found.entries);
    findings.unsupported.extend(found.unsupported);
    Ok(())
}

/// Drops the databases that the apply created, where nothing is to be left in them.
pub(super) fn databases_again(target: &mut Target, now: &[Database], findings: &mut Findings) {
    for name in std::mem::take(&mut target.created) {
        let of_name =
            |databases: &'_ [Database]| databases.iter().position(|database| database.name == name);
        let (Some(here), Some(wanted)) = (of_name(now), of_name(&target.desired)) else {
            continue;
        };
        let (here, wanted) = (&now[here], &target.desired[wanted]);
        if !here.exists {
            continue;
        }
        let own = |object: &str| object.starts_with(&format!("{name}."));
        let is_left = !wanted.tables.is_empty()
            || !wanted.objects.is_empty()
            || !wanted.unsupported.is_empty()
            || findings.unsupported.iter().any(|it| own(&it.object));
        if is_left {
            target.left.push(Left {
                object: name,
                reason: "the apply created this database, and it holds something besides: it stays"
                    .to_owned(),
                examples: Vec::new(),
            });
            continue;
        }
        let mut entry = Entry::new(database_id(&name, "drop"), Kind::DropDatabase, name.clone());
        entry.risk = Risk::Destructive;
        entry.reasons = vec![format!(
            "drops the database `{name}`, which the apply created"
        )];
        entry.needs_own_approval = true;
        entry.sql = vec![print::drop_database(&name)];
        entry.before = Some(print::database(
            false,
            &name,
            &here.charset,
            &here.collation,
        ));
        entry.depends_on = findings
            .entries
            .iter()
            .filter(|entry| own(&entry.object))
            .map(|entry| entry.id.clone())
            .collect();
        findings.entries.push(entry);
    }
}
