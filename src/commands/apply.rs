//! `driftwarden apply`: checks that a plan still fits, executes what was approved, says what was done and what not.
//!
//! Must never execute what was not approved, and never open the remote for more than its fingerprints.

use super::bars::Bars;
use super::{Context, failure, figures, setup};
use crate::apply::freshness::RemoteFingerprints;
use crate::apply::undo::{self, Journal};
use crate::apply::{ApprovedPlan, Ending, FreshPlan, Next, Outcome, Report, execute, triggers};
use crate::cli::ApplyArgs;
use crate::config::Config;
use crate::connect::{LocalSession, Notice, Remote};
use crate::introspect;
use crate::issues::Step;
use crate::plan::{Plan, digest, file, payload};
use crate::progress;
use crate::refusal::{Problem, Refusal};
use crate::render::escape::line as line_of;
use crate::render::{View, sql};
use crate::schema::{ObjectName, print};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Instant;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a failure of an entry is filed under.
pub(super) const PHASE: &str = "applying";

/// Runs the command.
///
/// # Errors
/// A refusal when nothing may be executed; an error when a server or the disk fails.
pub fn run(args: &ApplyArgs, context: &mut Context<'_>) -> Result<u8> {
    let loaded = setup::begin(context)?;
    let plan = file::read(&args.plan)?;
    apply(plan, args, &loaded.config, context)
}

/// Applies a plan that was read or just made.
///
/// # Errors
/// As for [`run`].
pub(super) fn apply(
    plan: Plan,
    args: &ApplyArgs,
    config: &Config,
    context: &mut Context<'_>,
) -> Result<u8> {
    let path = args.plan.as_path();
    digest::verify(&plan)?;
    let records = undo::read(path, &plan.id)?;
    if !undo::begun(&records) {
        young_enough(&plan, config, context.now)?;
    }
    if plan.entries.is_empty() {
        return nothing_to_do(&plan, args, config, context);
    }
    let approved = ApprovedPlan::new(plan, path, args.yolo)?;
    payloads_fit(&approved)?;
    let plan = approved.plan().clone();

    context.at("connecting");
    let mut local = LocalSession::open_patiently(config, setup::notice(context))?;
    if !args.dry_run {
        execute::lock(&mut local, &plan)?;
    }
    // What undoes another plan leads back to what local was: production has no say in it.
    let remote = if args.offline || plan.reverts.is_some() {
        None
    } else {
        Some(fingerprints(&plan, config, context)?)
    };
    context.at("checking freshness");
    let mut lost = Vec::new();
    if !args.dry_run {
        // Before the check: a trigger that is still down would count as drift.
        let names: Vec<String> = plan
            .scope
            .databases
            .iter()
            .map(|pair| pair.local.clone())
            .collect();
        lost = local.again("putting back triggers that are down", |local| {
            triggers::restore(local, path, &names)
        })?;
    }
    let fresh = FreshPlan::check(approved, &mut local, remote.as_ref(), records)?;
    if args.dry_run {
        return dry_run(&fresh, context);
    }
    context.at(PHASE);
    let mut journal = Journal::open(&undo::folder(path, &plan.id))?;
    let at = context.now.replace_nanosecond(0)?.format(&Rfc3339)?;
    let quiet = context.verbosity < 0;
    let mut since = Instant::now();
    let started = Instant::now();
    let counts = fresh.approved().entries().map(figures::rows_of);
    progress::expect(counts.sum());
    let bars = Bars::show(context);
    let mut outcome = execute::execute(&fresh, &mut local, &mut journal, &at, &mut |report| {
        figures::log(report, since.elapsed());
        since = Instant::now();
        if !quiet {
            super::bars::line(&line(report));
        }
    })?;
    drop(bars);
    outcome.lost.splice(0..0, lost);
    note_failures(&outcome, &plan, context);
    figures::told(&outcome, &plan, started.elapsed(), context)?;
    if args.json {
        print_json(&outcome, &plan, context)?;
    } else {
        print_summary(&outcome, &plan, path, context)?;
    }
    Ok(outcome.exit_code())
}

/// Files each entry that failed as an issue, and notes the tables that were gone through.
fn note_failures(outcome: &Outcome, plan: &Plan, context: &mut Context<'_>) {
    let of = |report: &Report| remote_name(plan, &plan.entry(&report.id)?.object);
    for report in &outcome.reports {
        if matches!(report.ending, Ending::Done { .. } | Ending::AlreadyDone) {
            context.progress.tables.extend(of(report));
        }
    }
    for report in &outcome.reports {
        if let (Ending::Failed { reason, .. }, Some(table)) = (&report.ending, of(report)) {
            context.progress.tables.remove(&table);
            let error = anyhow::Error::new(Problem::new(&reason.what, reason.in_words()))
                .context(Step::table(PHASE, &table));
            failure::note("apply", &error, context);
        }
    }
    if let Some(reason) = &outcome.unrecorded {
        let error = Problem::new(&reason.what, reason.in_words()).into();
        failure::note("apply", &error, context);
    }
}

/// Returns the remote name of an entry's object.
fn remote_name(plan: &Plan, object: &str) -> Option<ObjectName> {
    plan.scope.databases.iter().find_map(|pair| {
        let name = object.strip_prefix(&pair.local)?.strip_prefix('.')?;
        Some(ObjectName::new(&pair.remote, name))
    })
}

fn young_enough(plan: &Plan, config: &Config, now: OffsetDateTime) -> Result<()> {
    let made = OffsetDateTime::parse(&plan.created_at, &Rfc3339)
        .with_context(|| format!("`created_at` of the plan is {:?}", plan.created_at))?;
    let age = now - made;
    if age > config.plan.max_age.0 {
        return Err(Refusal::new(
            format!(
                "the plan is {} old, and plan.max_age allows {}",
                in_words(age.unsigned_abs()),
                in_words(config.plan.max_age.0)
            ),
            "make a new one: driftwarden plan --decisions-from with this plan carries your decisions over",
        )
        .into());
    }
    Ok(())
}

fn in_words(span: std::time::Duration) -> String {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => format!("{} seconds", span.as_secs()),
        1..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// A plan without changes still tells how far its tables were compared.
fn nothing_to_do(
    plan: &Plan,
    args: &ApplyArgs,
    config: &Config,
    context: &mut Context<'_>,
) -> Result<u8> {
    let noted = if args.dry_run {
        0
    } else {
        note_compared(plan, &args.plan, config, setup::notice(context))?
    };
    if args.json {
        print_json(&Outcome::default(), plan, context)?;
    } else {
        writeln!(context.out, "Nothing to do: the plan has no changes.")?;
        if noted > 0 {
            writeln!(context.out, "{}", noted_in_words(noted))?;
        }
    }
    Ok(0)
}

/// Notes on local how far the tables of a plan without changes were compared, and returns of how many.
///
/// # Errors
/// A refusal when the plan is for another server, and what the local server says.
pub(super) fn note_compared(
    plan: &Plan,
    path: &Path,
    config: &Config,
    notice: Notice,
) -> Result<usize> {
    let says = |table: &crate::plan::TablePlan| {
        table.watermark.is_some() || table.auto_increment.is_some()
    };
    if !plan.tables.iter().any(says) {
        return Ok(0);
    }
    let mut local = LocalSession::open_patiently(config, notice)?;
    execute::lock(&mut local, plan)?;
    let approved = ApprovedPlan::new(plan.clone(), path, false)?;
    let fresh = FreshPlan::check(approved, &mut local, None, Vec::new())?;
    execute::note_compared(&fresh, &mut local)
        .context("noting on local how far its tables were compared")
}

/// Says of how many tables the next plan reads less.
pub(super) fn noted_in_words(tables: usize) -> String {
    let tables = match tables {
        1 => "1 table is".to_owned(),
        _ => format!("{tables} tables are"),
    };
    format!("Noted how far {tables} compared: the next plan reads what changed since.")
}

fn payloads_fit(approved: &ApprovedPlan) -> Result<()> {
    for entry in approved.entries() {
        if let Some(needed) = &entry.payload {
            payload::check(needed, &approved.plan().id, approved.path())
                .with_context(|| format!("cannot apply {}", entry.id))?;
        }
    }
    Ok(())
}

/// Reads the remote's fingerprints of the tables that the plan touches.
fn fingerprints(
    plan: &Plan,
    config: &Config,
    context: &mut Context<'_>,
) -> Result<RemoteFingerprints> {
    let remote = Remote::open(config, setup::notice(context))?;
    if remote.server().identity != plan.remote.identity {
        return Err(Refusal::new(
            format!(
                "the plan was read from another production server ({})",
                plan.remote.server
            ),
            "make a new plan with `driftwarden plan`, or check `ssh` and `remote` in the config",
        )
        .into());
    }
    let names: Vec<String> = plan
        .scope
        .databases
        .iter()
        .map(|pair| pair.remote.clone())
        .collect();
    let mut session = remote.session()?;
    let databases = remote
        .run(&mut session, "reading production's schema", |session| {
            introspect::databases(session, &names)
        })
        .context("cannot check whether production's schema is still what the plan saw")?;
    let mut found = RemoteFingerprints::new();
    for (pair, database) in plan.scope.databases.iter().zip(&databases) {
        for planned in &plan.tables {
            let Some(table) = planned.table.strip_prefix(&format!("{}.", pair.local)) else {
                continue;
            };
            let now = database
                .tables
                .get(table)
                .map(|info| print::fingerprint(&info.table));
            found.entry(planned.table.clone()).or_insert(now);
        }
    }
    Ok(found)
}

fn dry_run(fresh: &FreshPlan, context: &mut Context<'_>) -> Result<u8> {
    use crate::apply::freshness::Verdict;
    let mut plan = fresh.approved().plan().clone();
    let mut refused = Vec::new();
    plan.entries.retain(|entry| {
        match (fresh.approved().wants(&entry.id), fresh.verdict(&entry.id)) {
            (true, Verdict::Refused(reason)) => {
                refused.push(format!(
                    "-- {} would be refused: {}; next: {}",
                    entry.id,
                    reason.what,
                    reason.in_words()
                ));
                false
            }
            (wanted, verdict) => wanted && *verdict == Verdict::ToDo,
        }
    });
    writeln!(context.out, "-- Dry run: nothing was executed.")?;
    sql::plan(
        &View {
            limit: u64::MAX,
            ..View::new(&plan, Some(fresh.approved().path()))
        },
        context.out,
    )?;
    for line in &refused {
        writeln!(context.out, "{line}")?;
    }
    Ok(if refused.is_empty() { 0 } else { 3 })
}

/// Returns what became of an entry in one line.
fn line(report: &Report) -> String {
    let id = line_of(&report.id);
    match &report.ending {
        Ending::Done { rows: 0 } => format!("{id}: done"),
        Ending::Done { rows } => format!("{id}: done, {}", counted(*rows)),
        Ending::AlreadyDone => format!("{id}: nothing left to do"),
        Ending::Stale { rows, stale, .. } => {
            format!(
                "{id}: {} changed, {} left alone",
                counted(*rows),
                counted(*stale)
            )
        }
        Ending::Interrupted { rows } => format!("{id}: stopped, {} changed", counted(*rows)),
        Ending::Refused(reason) => format!("{id}: refused: {}", line_of(&reason.what)),
        Ending::Failed { rows: 0, reason } => format!("{id}: failed: {}", line_of(&reason.what)),
        Ending::Failed { rows, reason } => {
            format!(
                "{id}: failed after {}: {}",
                counted(*rows),
                line_of(&reason.what)
            )
        }
    }
}

fn counted(rows: u64) -> String {
    if rows == 1 {
        "1 row".to_owned()
    } else {
        format!("{rows} rows")
    }
}

fn print_problems(problems: &[&Report], context: &mut Context<'_>) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    writeln!(context.out, "Not done:")?;
    for (place, report) in problems.iter().enumerate() {
        writeln!(context.out, "  {}", line(report))?;
        if let Ending::Stale {
            stale, examples, ..
        } = &report.ending
        {
            for example in examples {
                writeln!(context.out, "      {}", line_of(example))?;
            }
            let named = examples.len() as u64;
            if *stale > named {
                writeln!(context.out, "      and {} more", stale - named)?;
            }
        }
        // Said once of entries in a row that have it in common.
        let remedy = self::remedy(report);
        if remedy.is_some() && remedy != problems.get(place + 1).and_then(|next| self::remedy(next))
        {
            writeln!(
                context.out,
                "      next: {}",
                line_of(remedy.unwrap_or_default())
            )?;
        }
    }
    Ok(())
}

/// Returns what an entry's own reason names to do.
fn remedy(report: &Report) -> Option<&str> {
    match &report.ending {
        Ending::Refused(reason) | Ending::Failed { reason, .. } => reason.remedy.as_deref(),
        _ => None,
    }
}

fn print_summary(
    outcome: &Outcome,
    plan: &Plan,
    path: &Path,
    context: &mut Context<'_>,
) -> Result<()> {
    let mut totals = [0_u64; 4];
    let mut objects = 0_u64;
    for report in &outcome.reports {
        let rows = match &report.ending {
            Ending::Done { rows }
            | Ending::Stale { rows, .. }
            | Ending::Failed { rows, .. }
            | Ending::Interrupted { rows } => *rows,
            _ => continue,
        };
        let Some(entry) = plan.entry(&report.id) else {
            continue;
        };
        match entry.kind {
            crate::plan::Kind::InsertRows => totals[0] += rows,
            crate::plan::Kind::UpdateRows => totals[1] += rows,
            crate::plan::Kind::DeleteRows => totals[2] += rows,
            _ => {
                let made = match &report.ending {
                    Ending::Done { .. } => true,
                    Ending::Failed { reason, .. } => reason.made,
                    _ => false,
                };
                objects += u64::from(made);
            }
        }
    }
    let problems: Vec<&Report> = outcome
        .reports
        .iter()
        .filter(|report| {
            matches!(
                report.ending,
                Ending::Stale { .. } | Ending::Refused(_) | Ending::Failed { .. }
            )
        })
        .collect();
    for lost in &outcome.lost {
        writeln!(
            context.out,
            "A trigger that was taken down is still down; the next apply tries again: {}",
            line_of(lost)
        )?;
    }
    for unnoted in &outcome.unnoted {
        writeln!(
            context.out,
            "Not noted how far local is brought up to date, so the next plan may compare in full: {}",
            line_of(unnoted)
        )?;
    }
    print_problems(&problems, context)?;
    if let Some(reason) = &outcome.unrecorded {
        writeln!(
            context.out,
            "The undo record could not be completed: {}\n      next: {}",
            line_of(&reason.what),
            line_of(reason.in_words())
        )?;
    }
    let waiting = plan.entries.len() - outcome.reports.len().min(plan.entries.len());
    if waiting > 0 && !outcome.interrupted {
        let were = if waiting == 1 { " was" } else { "s were" };
        writeln!(
            context.out,
            "{waiting} change{were} left out: denied, or not decided."
        )?;
    }
    let heading = if outcome.interrupted {
        "Apply interrupted!"
    } else if problems.is_empty() && outcome.lost.is_empty() && outcome.unrecorded.is_none() {
        "Apply complete!"
    } else {
        "Apply incomplete!"
    };
    writeln!(
        context.out,
        "{heading} Rows: {} inserted, {} updated, {} deleted. Schema: {objects} changed.",
        totals[0], totals[1], totals[2]
    )?;
    if outcome.interrupted || outcome.leads_on_by(Next::ApplyAgain) {
        writeln!(
            context.out,
            "Run it again to finish: driftwarden apply {}",
            path.display()
        )?;
    }
    if outcome.leads_on_by(Next::PlanAgain) {
        writeln!(
            context.out,
            "What was left alone stays as it was. For what is still to do, make a new plan: driftwarden plan \
             --decisions-from {}",
            path.display()
        )?;
    }
    Ok(())
}

fn print_json(outcome: &Outcome, plan: &Plan, context: &mut Context<'_>) -> Result<()> {
    let entries: Vec<serde_json::Value> = outcome
        .reports
        .iter()
        .map(|report| {
            let (status, rows, reason) = match &report.ending {
                Ending::Done { rows } => ("done", *rows, None),
                Ending::AlreadyDone => ("already_done", 0, None),
                Ending::Stale {
                    rows,
                    stale,
                    examples,
                    ..
                } => (
                    "stale",
                    *rows,
                    Some(format!("{stale} rows left alone: {}", examples.join("; "))),
                ),
                Ending::Interrupted { rows } => ("interrupted", *rows, None),
                Ending::Refused(reason) => ("refused", 0, Some(reason.what.clone())),
                Ending::Failed { rows, reason } => ("failed", *rows, Some(reason.what.clone())),
            };
            let next = match &report.ending {
                Ending::Refused(reason) | Ending::Failed { reason, .. } => Some(reason.in_words()),
                _ => None,
            };
            serde_json::json!({
                "id": report.id, "status": status, "rows": rows, "reason": reason, "next": next,
            })
        })
        .collect();
    let text = serde_json::json!({
        "plan": plan.id,
        "exit_code": outcome.exit_code(),
        "interrupted": outcome.interrupted,
        "triggers_down": outcome.lost,
        "not_noted": outcome.unnoted,
        "not_recorded": outcome.unrecorded.as_ref().map(|reason| &reason.what),
        "entries": entries,
    });
    writeln!(context.out, "{text:#}").map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            anyhow::Error::from(error)
        } else {
            Problem::new(
                format!("cannot print the result: {error}"),
                "check where the output goes",
            )
            .into()
        }
    })
}
