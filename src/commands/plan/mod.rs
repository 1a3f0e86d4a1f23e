//! `driftwarden plan`: reads both sides, writes a plan, says what to do next.
//!
//! Must never change anything on either side, but for scratch schemas on local that are dropped at once.

mod dangling;
mod facts;
mod obstacles;
mod previews;
mod report;
mod rows;
mod rules;
mod schema;
mod small;
mod survey;
mod watermark;

use super::bars::Bars;
use super::{Context, setup};
use crate::cli::{CompareArgs, PlanArgs};
use crate::compare;
use crate::config::{Config, Preview, SnapshotScope};
use crate::connect::{Counters, RemoteSession};
use crate::plan::assemble::{self, Findings};
use crate::plan::payload::PayloadFolder;
use crate::plan::schema_entries::{Made, SchemaChanges};
use crate::plan::scope::Selection;
use crate::plan::strategy::Choice;
use crate::plan::{Plan, Strategy, file};
use crate::read::rules::RowRules;
use crate::review;
use crate::schema::ObjectName;
use anyhow::Result;
use rows::{Candidate, Compared};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;
use survey::{Pair, Sides};
use watermark::Watermarks;

pub(super) use report::print;

/// A plan that was written.
#[derive(Debug)]
pub(super) struct Written {
    /// The plan.
    pub(super) plan: Plan,
    /// Its file.
    pub(super) path: PathBuf,
    /// What reading production cost.
    pub(super) counters: Counters,
    /// Whether all rows were read under one snapshot.
    pub(super) one_snapshot: bool,
    /// What of the rows stands in it.
    pub(super) preview: Preview,
    /// Rows that were compared.
    pub(super) scanned: u64,
    /// How long it took to make, in seconds.
    pub(super) seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// When either side cannot be read, or the plan cannot be written.
pub fn run(args: &PlanArgs, context: &mut Context<'_>) -> Result<u8> {
    let loaded = setup::begin(context)?;
    let written = make(
        &args.compare,
        args.decisions_from.as_deref(),
        &loaded.config,
        false,
        context,
    )?;
    print(&written, &args.compare, context)?;
    let changed = !written.plan.entries.is_empty() || !written.plan.unsupported.is_empty();
    Ok(if args.compare.detailed_exitcode && changed {
        2
    } else {
        0
    })
}

/// Reads both sides and writes the plan. `approve_full` stands for the prompt's yes to every full comparison.
///
/// # Errors
/// When either side cannot be read, or the plan cannot be written.
pub(super) fn make(
    args: &CompareArgs,
    decisions_from: Option<&Path>,
    config: &Config,
    approve_full: bool,
    context: &mut Context<'_>,
) -> Result<Written> {
    let started = Instant::now();
    let earlier = decisions_from
        .map(|path| Ok::<_, anyhow::Error>((file::read(path)?, path)))
        .transpose()?;
    if let Some(out) = &args.out {
        file::check_target(out)?;
    }
    let mut selection = Selection::new(
        config,
        &args.tables,
        &args.full_diff,
        args.full_diff_all || approve_full,
    )?;
    let (with_schema, with_data) = (!args.data_only, !args.schema_only);
    let directory = args
        .out
        .as_deref()
        .map_or_else(|| config.plan.directory.clone(), file::folder_of);
    let folder = PayloadFolder::new(&directory);

    context.at("connecting");
    let mut sides = survey::connect(config, setup::notice(context))?;
    context.at("reading the schemas");
    let mut pairs = survey::read(config, &mut sides)?;
    let rules = with_data
        .then(|| rules::settle(config, &pairs, &selection, &mut sides))
        .transpose()?
        .unwrap_or_default();
    // A pattern that matches nothing is how the command was called: no issue.
    let begun = std::mem::take(&mut context.progress.phases);
    survey::select(&mut pairs, &selection)?;
    context.progress.phases = begun;
    let mut findings = Findings {
        warnings: std::mem::take(&mut sides.warnings),
        ..Findings::default()
    };
    findings.warnings.extend(rules.warnings);
    survey::note_unsupported(&pairs, &mut findings.unsupported);

    let one_snapshot = config.remote_limits.snapshot == SnapshotScope::Database && with_data;
    if one_snapshot {
        findings
            .warnings
            .push(open_one_snapshot(&mut sides)?.to_owned());
    }
    let bars = Bars::show(context);
    let mut work = Work {
        config,
        check_deletes: args.check_deletes,
        sides: &mut sides,
        folder: &folder,
        findings: &mut findings,
        rules: &rules.tables,
        watermarks: None,
    };
    let mut compared = work.tables(&pairs, &mut selection, (with_schema, with_data), context)?;
    drop(bars);
    let scanned = compared.values().map(|table| table.scanned).sum();
    let snapshots = match end_one_snapshot(&mut sides, &mut findings) {
        Some(snapshots) => snapshots,
        None => compared.values().map(|table| table.snapshots).sum(),
    };
    context.progress.tables.extend(reached(&pairs, &compared));
    hand_over(&mut compared, &mut findings);
    if with_schema {
        schema::objects(&pairs, &selection, config, &mut sides, &mut findings)?;
    }
    findings.tables = facts::table_plans(&pairs, &compared, with_data);
    findings.references = facts::references(&pairs);

    let mut plan = assemble::assemble(
        facts::header(
            &pairs,
            &sides,
            &selection,
            (with_schema, with_data),
            snapshots,
            context,
        )?,
        findings,
    )?;
    if let Some((earlier, from)) = &earlier {
        let carried = review::carry::carry(earlier, from, &mut plan);
        context.notice(&format!(
            "decisions carried over from plan {}: {carried}",
            earlier.id
        ))?;
    }
    file::take_free_id(&directory, &mut plan)?;
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| file::path_in(&directory, &plan));
    context.at("writing the plan");
    save(folder, &path, &plan)?;
    Ok(Written {
        plan,
        path,
        counters: sides.remote.counters(),
        scanned,
        one_snapshot,
        preview: config.plan.preview,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Moves what the comparison of each table found to where the plan is put together.
fn hand_over(compared: &mut BTreeMap<ObjectName, Compared>, findings: &mut Findings) {
    for table in compared.values_mut() {
        findings.entries.append(&mut table.entries);
        findings.warnings.extend(table.warning.take());
    }
}

/// Opens the snapshot that all rows are read under; returns what the user should know of it.
fn open_one_snapshot(sides: &mut Sides) -> Result<&'static str> {
    let step = "opening the one snapshot for everything on the remote server";
    let Sides {
        remote, session, ..
    } = sides;
    remote.run(session, step, RemoteSession::start_snapshot)?;
    Ok(
        "all rows were read under one snapshot (remote_limits.snapshot: \"database\"): while it is held, a change of a \
         table's schema on production waits, and its old row versions are kept",
    )
}

/// Ends the snapshot that all rows were read under, where there is one; returns how many it took.
fn end_one_snapshot(sides: &mut Sides, findings: &mut Findings) -> Option<u64> {
    if !sides.session.has_snapshot() {
        return None;
    }
    // The rows are read: a connection that breaks only now harms nothing.
    drop(sides.session.end_snapshot());
    let snapshots = sides.remote.counters().snapshots;
    if snapshots > 1 {
        findings.warnings.push(format!(
            "the connection to production broke in between: the rows were read under {snapshots} snapshots instead of one"
        ));
    }
    Some(snapshots)
}

/// Writes the plan with its payloads.
fn save(folder: PayloadFolder, path: &Path, plan: &Plan) -> Result<()> {
    // The payloads first: a plan file never stands there without them.
    folder.publish(&plan.id)?;
    file::write(path, plan)?;
    let (schema, rows) = (&plan.summary.schema, &plan.summary.rows);
    tracing::info!(
        phase = "writing the plan",
        object = plan.id.as_str(),
        file = %path.display(),
        entries = plan.entries.len(),
        schema = schema.create + schema.alter + schema.drop,
        rows = rows.insert + rows.update + rows.delete,
        "plan written"
    );
    Ok(())
}

/// What finding the differences of tables works with.
struct Work<'a> {
    config: &'a Config,
    check_deletes: bool,
    sides: &'a mut Sides,
    folder: &'a PayloadFolder,
    findings: &'a mut Findings,
    rules: &'a BTreeMap<ObjectName, RowRules>,
    watermarks: Option<Watermarks>,
}

impl Work<'_> {
    /// Compares schemas and rows of the tables. Rows come first: whether a table's rows change decides in how many
    /// phases its schema does; then the schema is proven, and the rows of what cannot be brought up are compared
    /// over the columns that both sides have.
    fn tables(
        &mut self,
        pairs: &[Pair],
        selection: &mut Selection<'_>,
        (with_schema, with_data): (bool, bool),
        context: &mut Context<'_>,
    ) -> Result<BTreeMap<ObjectName, Compared>> {
        context.at("proving the changes");
        let changes = if with_schema {
            Some(schema::changes(pairs, selection, self.config, self.sides)?)
        } else {
            None
        };
        let mut chosen = Vec::new();
        context.at(compare::PHASE);
        if with_data {
            let tables = rows::candidates(pairs);
            chosen = rows::choose_or_ask(&tables, selection, self.config, self.sides, context)?;
            if chosen.iter().any(|(_, choice)| choice.times.is_some()) {
                self.watermarks = Some(Watermarks::read(
                    self.config,
                    pairs,
                    self.sides,
                    context.now,
                    self.check_deletes,
                )?);
            }
        }
        let mut unsupported = Vec::new();
        let mut compared =
            rows::compare_all(&chosen, &mut self.task(with_schema), &mut unsupported)?;
        unsupported.extend(dangling::leave_out(
            pairs,
            &mut compared,
            self.config,
            self.folder,
            self.sides,
        )?);
        if let Some(changes) = changes {
            context.at("proving the changes");
            let made = self.schema_entries(changes, pairs, &chosen, &mut compared)?;
            rows::without_schema(&chosen, &made.stuck, &mut compared, &mut self.task(false))?;
            self.findings.entries.extend(made.entries);
            unsupported.extend(made.stuck);
            unsupported.extend(made.held);
        }
        self.findings.unsupported.append(&mut unsupported);
        Ok(compared)
    }

    /// Proves the changes of tables, without what local's rows are in the way of. Where local's values do not convert to
    /// a column's new type, and the rows bring every value anyway, the column is replaced instead: its rows are compared
    /// again, and the change is proven again.
    fn schema_entries(
        &mut self,
        mut changes: SchemaChanges,
        pairs: &[Pair],
        chosen: &[(Candidate<'_>, Choice)],
        compared: &mut BTreeMap<ObjectName, Compared>,
    ) -> Result<Made> {
        let looked = obstacles::look(
            &changes,
            pairs,
            compared,
            self.config,
            self.folder,
            self.sides,
        )?;
        schema::leave_out(&mut changes, &looked, self.sides)?;
        let mut proven = BTreeMap::new();
        let mut unproven: Option<BTreeSet<ObjectName>> = None;
        loop {
            changes.note_exact(&|name| looked.brings_every_value(name));
            changes.note_parents(&|name| obstacles::loses_and_gains(compared, name));
            changes.diff(&|name| rows::count(compared, name) > 0);
            let known = obstacles::unconverted(&changes, &looked);
            let mut replaced = replace(&mut changes, known);
            if replaced.is_empty() {
                obstacles::stop_before_rows(&mut changes, &looked);
                if unproven.is_none() {
                    let rows = |name: &ObjectName| rows::count(compared, name);
                    schema::defer_indexes(&mut changes, &rows, self.sides)?;
                }
                let found = schema::prove(&changes, unproven.as_ref(), self.sides)?;
                let met = found
                    .iter()
                    .filter(|(name, _)| looked.brings_every_value(name))
                    .filter_map(|(name, answer)| {
                        let failure = answer.as_ref().err()?;
                        Some((name.clone(), failure.unconverted.clone()))
                    })
                    .collect();
                proven.extend(found);
                replaced = replace(&mut changes, met);
                if replaced.is_empty() {
                    return Ok(changes.entries(proven));
                }
                unproven = Some(replaced.keys().cloned().collect());
            }
            rows::with_replaced(chosen, &replaced, compared, &mut self.task(true))?;
        }
    }

    fn task(&mut self, schema: bool) -> rows::Task<'_> {
        rows::Task {
            config: self.config,
            schema,
            sides: &mut *self.sides,
            folder: self.folder,
            rules: self.rules,
            watermarks: self.watermarks.as_ref(),
        }
    }
}

/// Returns the remote names of the tables whose rows were compared.
fn reached(pairs: &[Pair], compared: &BTreeMap<ObjectName, Compared>) -> Vec<ObjectName> {
    let mut tables = Vec::new();
    for pair in pairs {
        for name in pair.remote.tables.keys() {
            let table = compared.get(&pair.local_name(name));
            if table.is_some_and(|table| table.choice.strategy != Strategy::Skipped) {
                tables.push(pair.remote_name(name));
            }
        }
    }
    tables
}

/// Has columns replaced. Returns the tables of which one is new, with all that are replaced.
fn replace(
    changes: &mut SchemaChanges,
    columns: BTreeMap<ObjectName, Vec<String>>,
) -> BTreeMap<ObjectName, BTreeSet<String>> {
    columns
        .into_iter()
        .filter_map(|(name, columns)| {
            let all = changes.replace(&name, &columns)?;
            Some((name, all))
        })
        .collect()
}
