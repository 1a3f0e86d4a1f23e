//! Compares the rows of the tables in scope, children before their parents.
//!
//! Must never compare a table in full that nobody approved of, and must never leave one out without a word.

use super::super::Context;
use super::small;
use super::survey::{Pair, Sides};
use super::watermark::{Subject, Watermarks};
use crate::compare::{self, Method, RuleUnfit, TableOutcome, TableTask};
use crate::config::MaskKind;
use crate::config::{Config, SnapshotScope};
use crate::connect::{Reader, server_code};
use crate::diff::schema::takes_rows_of;
use crate::interrupt;
use crate::plan::assemble;
use crate::plan::payload::{EntrySink, PayloadFolder};
use crate::plan::references::References;
use crate::plan::row_entries;
use crate::plan::scope::{Named, Selection};
use crate::plan::strategy::{self, Choice, Facts};
use crate::plan::{Entry, PlannedWatermark, Strategy};
use crate::progress;
use crate::read::incremental::Since;
use crate::read::rules::RowRules;
use crate::refusal::find;
use crate::schema::{ObjectName, Table, Unsupported};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long one snapshot of a table is held at most.
const SNAPSHOT_TIME: Duration = Duration::from_secs(60);

/// What the comparison of one table gave.
#[derive(Debug)]
pub(super) struct Compared {
    /// How it was compared.
    pub(super) choice: Choice,
    /// Its row entries.
    pub(super) entries: Vec<Entry>,
    /// Snapshots the remote was read under.
    pub(super) snapshots: u64,
    /// Rows that were compared: those of the side that has more.
    pub(super) scanned: u64,
    /// How far it was compared, for `apply` to note.
    pub(super) watermark: Option<PlannedWatermark>,
    /// Why it was compared in full, where that was not expected.
    pub(super) warning: Option<String>,
}

impl Compared {
    /// Returns how many rows the entries are about.
    pub(super) fn rows(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| entry.count.unwrap_or(entry.rows.len() as u64))
            .sum()
    }
}

/// One table in scope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Its database.
    pub(super) pair: &'a Pair,
    /// Its name.
    pub(super) name: &'a str,
    /// As production has it.
    pub(super) remote: &'a Table,
    /// As local has it.
    pub(super) local: Option<&'a Table>,
}

/// Returns the tables that production has, each after the tables that refer to it; without those that local has in a form
/// that cannot be read, which its list of unsupported objects names.
pub(super) fn candidates(pairs: &[Pair]) -> Vec<Candidate<'_>> {
    let mut references = References::default();
    let mut by_name = BTreeMap::new();
    for pair in pairs {
        for (name, info) in &pair.remote.tables {
            let display = pair.remote_name(name).to_string();
            let parents = info.table.foreign_keys.iter().map(|key| {
                let database = key
                    .referenced_database
                    .as_deref()
                    .unwrap_or(&pair.names.remote);
                format!("{database}.{}", key.referenced_table)
            });
            references.add(&display, parents);
            let local = pair.local.tables.get(name).map(|info| &info.table);
            let local_name = pair.local_name(name).to_string();
            let unreadable = |object: &Unsupported| object.object == local_name;
            if local.is_none() && pair.local.unsupported.iter().any(unreadable) {
                continue;
            }
            by_name.insert(
                display,
                Candidate {
                    pair,
                    name,
                    remote: &info.table,
                    local,
                },
            );
        }
    }
    references
        .parents_first()
        .iter()
        .rev()
        .filter_map(|name| by_name.get(name).copied())
        .collect()
}

/// Chooses how each table is compared.
///
/// # Errors
/// When the local server cannot be asked whether a table is empty.
fn choose<'a>(
    tables: &[Candidate<'a>],
    selection: &Selection<'_>,
    config: &Config,
    sides: &mut Sides,
) -> Result<Vec<(Candidate<'a>, Choice)>> {
    let mut chosen = Vec::with_capacity(tables.len());
    for table in tables {
        let remote_name = table.pair.remote_name(table.name);
        let rule = config.rule_for(&remote_name);
        let local_name = table.pair.local_name(table.name);
        let step = format!("looking whether {local_name} is empty");
        let local_empty = table.local.is_none()
            || sides
                .local
                .again(&step, |local| compare::is_empty(local, &local_name))?;
        let masked: Vec<String> = rule
            .mask
            .iter()
            .filter(|(_, mask)| mask.kind != MaskKind::Keep)
            .map(|(column, _)| column.clone())
            .collect();
        let facts = Facts {
            remote: table.remote,
            estimated_rows: estimated_rows(table),
            local_empty,
            full_approved: selection.approves_full(&remote_name),
            updated_at: rule.updated_at.as_deref(),
            created_at: rule.created_at.as_deref(),
            masked: &masked,
        };
        chosen.push((*table, strategy::choose(&remote_name.to_string(), &facts)));
    }
    Ok(chosen)
}

/// As [`choose`]; at a terminal asks about the tables that would be skipped, once for all of them.
///
/// # Errors
/// As for [`choose`]; when the terminal cannot be read.
pub(super) fn choose_or_ask<'a>(
    tables: &[Candidate<'a>],
    selection: &mut Selection<'_>,
    config: &Config,
    sides: &mut Sides,
    context: &mut Context<'_>,
) -> Result<Vec<(Candidate<'a>, Choice)>> {
    let chosen = choose(tables, selection, config, sides)?;
    let skipped: Vec<String> = chosen
        .iter()
        .filter(|(_, choice)| choice.strategy == Strategy::Skipped)
        .map(|(table, _)| table.pair.remote_name(table.name).to_string())
        .collect();
    if skipped.is_empty() || !context.interactive {
        return Ok(chosen);
    }
    let question = format!(
        "Without a usable updated_at or created_at column, these tables can only be compared row by row in full:\n  \
         {}\nCompare them in full? Type yes, or the names of some, or press Enter to skip them: ",
        skipped.join("\n  ")
    );
    let answer = context.ask(&question)?;
    match answer.trim() {
        "" | "n" | "no" => return Ok(chosen),
        "y" | "yes" | "all" => selection.full_diff_all = true,
        names => {
            let names: Vec<String> = names
                .split([',', ' '])
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            selection.full_diff = Named::new("the answer", &names)?;
        }
    }
    choose(tables, selection, config, sides)
}

/// Returns what is to be compared of a table.
pub(super) fn task_of<'t>(
    table: &Candidate<'t>,
    config: &Config,
    schema: bool,
    sides: &Sides,
    rules: &'t BTreeMap<ObjectName, RowRules>,
) -> TableTask<'t> {
    let remote_name = table.pair.remote_name(table.name);
    let info = table.pair.remote.tables.get(table.name);
    let limits = &config.remote_limits;
    TableTask {
        local_name: table.pair.local_name(table.name),
        remote: table.remote,
        local: table.local,
        replaced: &compare::NONE_REPLACED,
        estimated_rows: info.map_or(0, |info| info.estimated_rows),
        estimated_bytes: info.map_or(0, |info| info.data_bytes),
        chunk_time: limits.chunk_time.0,
        snapshot_time: match limits.snapshot {
            SnapshotScope::Table => SNAPSHOT_TIME,
            SnapshotScope::Database => Duration::MAX,
        },
        keep_local: config.rule_for(&remote_name).keep_local,
        data_only: !schema,
        same_server_kind: sides.remote.server().vendor == sides.local.server().vendor,
        rules: rules.get(&remote_name),
        times: None,
        since: None,
        remote_name,
    }
}

/// Returns what became of a table whose comparison failed because it was altered or dropped meanwhile: it is
/// unsupported in this plan, and the others go on.
///
/// # Errors
/// Any other failure, as it is.
fn changed_meanwhile(table: &ObjectName, error: anyhow::Error) -> Result<Unsupported> {
    if let Some(unfit) = find::<RuleUnfit>(&error) {
        return Ok(Unsupported {
            object: table.to_string(),
            reason: unfit.to_string(),
        });
    }
    if matches!(server_code(&error), Some(3024 | 1969)) {
        return Ok(Unsupported {
            object: table.to_string(),
            reason: format!(
                "a statement over the table ran into remote_limits.max_execution_time ({error:#}). A table whose key both \
                 servers do not keep in one order, or that has none, is read in one statement: raise the limit, restrict \
                 the table with a `where` rule, or give it a primary key"
            ),
        });
    }
    // No such table, column or index; "table definition has changed" under a snapshot.
    let changed = matches!(server_code(&error), Some(1146 | 1054 | 1176 | 1412 | 1932));
    if !changed {
        return Err(error);
    }
    Ok(Unsupported {
        object: table.to_string(),
        reason: format!(
            "the table was altered or dropped while it was compared ({error:#}): plan again"
        ),
    })
}

/// What every comparison works with.
pub(super) struct Task<'a> {
    /// Settings.
    pub(super) config: &'a Config,
    /// Whether the plan brings the schema up as well.
    pub(super) schema: bool,
    /// Both servers.
    pub(super) sides: &'a mut Sides,
    /// Where many rows go.
    pub(super) folder: &'a PayloadFolder,
    /// What the config's rules make of rows, by remote name.
    pub(super) rules: &'a BTreeMap<ObjectName, RowRules>,
    /// What local remembers; `None` where no table has a time column.
    pub(super) watermarks: Option<&'a Watermarks>,
}

/// Compares every table as chosen. Tables that were altered or dropped meanwhile are noted as unsupported.
///
/// # Errors
/// What either server says, with the table's name.
pub(super) fn compare_all(
    chosen: &[(Candidate<'_>, Choice)],
    task: &mut Task<'_>,
    unsupported: &mut Vec<Unsupported>,
) -> Result<BTreeMap<ObjectName, Compared>> {
    let mut compared = BTreeMap::new();
    let compared_ones = chosen
        .iter()
        .filter(|(_, choice)| choice.strategy != Strategy::Skipped);
    let rows = compared_ones.filter_map(|(table, _)| table.pair.remote.tables.get(table.name));
    progress::expect(rows.map(|info| info.estimated_rows).sum());
    let mut known = small::unchanged(chosen, task)?;
    for (table, choice) in chosen {
        let name = table.pair.local_name(table.name);
        if let Some(found) = known.remove(&name) {
            progress::add(found.scanned);
            compared.insert(name, found);
            continue;
        }
        if choice.strategy == Strategy::Skipped {
            let skipped = Compared {
                choice: choice.clone(),
                entries: Vec::new(),
                snapshots: 0,
                scanned: 0,
                watermark: None,
                warning: None,
            };
            compared.insert(name, skipped);
            continue;
        }
        match compare(table, choice, &BTreeSet::new(), task) {
            Ok(result) => drop(compared.insert(name, result)),
            Err(error) => unsupported.push(changed_meanwhile(&name, error)?),
        }
    }
    Ok(compared)
}

/// Returns how many rows of a table its entries are about.
pub(super) fn count(compared: &BTreeMap<ObjectName, Compared>, name: &ObjectName) -> u64 {
    compared.get(name).map_or(0, Compared::rows)
}

/// Compares again tables of which columns are replaced: local has no value for them.
///
/// # Errors
/// As for [`compare_all`].
pub(super) fn with_replaced(
    chosen: &[(Candidate<'_>, Choice)],
    replaced: &BTreeMap<ObjectName, BTreeSet<String>>,
    compared: &mut BTreeMap<ObjectName, Compared>,
    task: &mut Task<'_>,
) -> Result<()> {
    for (table, choice) in chosen {
        let name = table.pair.local_name(table.name);
        if let Some(columns) = replaced.get(&name) {
            let again = compare(table, choice, columns, task)?;
            compared.insert(name, again);
        }
    }
    Ok(())
}

/// Compares again, over the columns that both sides have, the tables whose schema cannot be brought up. Where local's
/// table as it is cannot take production's rows, they are left out.
///
/// # Errors
/// As for [`compare_all`].
pub(super) fn without_schema(
    chosen: &[(Candidate<'_>, Choice)],
    unsupported: &[Unsupported],
    compared: &mut BTreeMap<ObjectName, Compared>,
    task: &mut Task<'_>,
) -> Result<()> {
    for (table, choice) in chosen {
        let name = table.pair.local_name(table.name);
        let stuck = unsupported
            .iter()
            .any(|unsupported| unsupported.object == name.to_string());
        if !stuck
            || compared
                .get(&name)
                .is_none_or(|table| table.entries.is_empty())
        {
            continue;
        }
        compared.remove(&name);
        if let Some(local) = table.local {
            let again = match takes_rows_of(local, table.remote) {
                Ok(()) => compare(table, choice, &BTreeSet::new(), task)?,
                Err(reason) => Compared {
                    choice: Choice {
                        strategy: Strategy::Skipped,
                        times: None,
                        exactness: format!(
                            "rows not compared: the schema cannot be brought up (see `unsupported`), and {reason}"
                        ),
                    },
                    entries: Vec::new(),
                    warning: None,
                    watermark: None,
                    scanned: 0,
                    snapshots: 0,
                },
            };
            compared.insert(name, again);
        }
    }
    Ok(())
}

/// Compares one table.
fn compare(
    table: &Candidate<'_>,
    choice: &Choice,
    replaced: &BTreeSet<String>,
    work: &mut Task<'_>,
) -> Result<Compared> {
    interrupt::check()?;
    let started = Instant::now();
    let Task {
        config,
        schema,
        sides,
        folder,
        rules,
        watermarks,
    } = work;
    let local_name = table.pair.local_name(table.name);
    let rule = config.rule_for(&table.pair.remote_name(table.name));
    let mut task = task_of(table, config, *schema, sides, rules);
    task.replaced = replaced;
    task.times = choice.times.as_ref();
    let shape = compare::shape(&task)?;
    let (remote_name, name) = (task.remote_name.clone(), local_name.clone());
    let subject = choice.times.as_ref().map(|column| Subject {
        remote_name: &remote_name,
        local_name: &name,
        rule: &rule,
        shape: &shape,
        column,
    });
    let watermarks = watermarks.zip(subject.as_ref());
    let wanted = watermarks.filter(|_| choice.strategy == Strategy::Incremental);
    let since = wanted.map(|(watermarks, subject)| watermarks.since(subject));
    task.since = since.as_ref().and_then(|since| since.as_ref().ok());

    // What cannot go on from where a connection broke (a table without an order) begins anew, with nothing kept.
    let step = format!("comparing the rows of {local_name} anew");
    progress::begin(
        &local_name.to_string(),
        task.estimated_rows,
        task.estimated_bytes,
    );
    let (outcome, sink) = sides.local.patience().run(&step, |first| {
        if !first {
            sides.local.renew()?;
        }
        let mut sink = EntrySink::new(folder, config.plan.inline_rows, config.plan.preview);
        let outcome = compare::table(
            &task,
            &sides.remote,
            &mut sides.session,
            &mut sides.local,
            &mut sink,
        )?;
        Ok((outcome, sink))
    })?;
    progress::end();
    tracing::info!(
        phase = compare::PHASE,
        object = task.remote_name.to_string(),
        method = ?outcome.method,
        remote_rows = outcome.remote_rows,
        local_rows = outcome.local_rows,
        inserts = outcome.counts.insert,
        updates = outcome.counts.update,
        deletes = outcome.counts.delete,
        snapshots = outcome.snapshots,
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "compared"
    );
    let shape = row_entries::plan_shape(&outcome.shape);
    let mut entries = Vec::new();
    for found in sink.finish(&shape)? {
        let mut entry = row_entries::row_entry(&local_name, &shape, found);
        assemble::brake(&mut entry, outcome.local_rows, &config.deletes);
        entries.push(entry);
    }
    let went_on = task.since.filter(|_| outcome.method == Method::Incremental);
    let (choice, warning) = settled(&local_name, choice, &outcome, went_on, since.as_ref());
    let choice = Choice {
        exactness: row_entries::with_rules(choice.exactness, task.rules),
        ..choice
    };
    let watermark = watermarks
        .filter(|_| outcome.complete)
        .and_then(|(watermarks, subject)| {
            let greatest = outcome.greatest.as_deref();
            watermarks.planned(subject, greatest, went_on, !entries.is_empty())
        });
    Ok(Compared {
        choice,
        entries,
        snapshots: outcome.snapshots,
        scanned: outcome.remote_rows.max(outcome.local_rows),
        watermark,
        warning,
    })
}

/// Returns how the table was compared in the end, and what the user should know of that.
pub(super) fn settled(
    name: &ObjectName,
    choice: &Choice,
    outcome: &TableOutcome,
    went_on: Option<&Since>,
    since: Option<&Result<Since, (String, bool)>>,
) -> (Choice, Option<String>) {
    let mut warning = None;
    let (strategy, exactness) = match (outcome.method, choice.times.as_ref().zip(went_on)) {
        (Method::Copy, _) => (Strategy::Copy, outcome.exactness.clone()),
        (_, Some((column, since))) => {
            let mut seen = strategy::seen_since(column, since);
            for note in &outcome.shape.notes {
                seen.push_str("; ");
                seen.push_str(note);
            }
            (Strategy::Incremental, seen)
        }
        (..) => {
            let mut exactness = outcome.exactness.clone();
            if let Some(Err((why, is_news))) = since {
                exactness = format!("{exactness}; in full because {why}");
                warning = is_news.then(|| format!("{name} was compared in full: {why}"));
            }
            (Strategy::Full, exactness)
        }
    };
    let settled = Choice {
        strategy,
        exactness,
        times: choice.times.clone(),
    };
    (settled, warning)
}

fn estimated_rows(table: &Candidate<'_>) -> u64 {
    let info = table.pair.remote.tables.get(table.name);
    info.map_or(0, |info| info.estimated_rows)
}
