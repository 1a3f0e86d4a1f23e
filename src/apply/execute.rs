//! Runs the entries of a fresh plan, in the plan's order.
//!
//! Takes a [`FreshPlan`] and the local session, nothing else of a server. One failed entry stops only what depends on
//! it. Must never run two applies at once on one database.

use super::foreign::Keys;
use super::freshness::Verdict;
use super::rows::{Progress, Run};
use super::save::Wholes;
use super::state::Keeper;
use super::table::{Target, model_of, object_of};
use super::triggers;
use super::undo::{Journal, Record};
use super::unit::{Unit, in_turn, units};
use super::{Ending, FreshPlan, Next, Outcome, Reason, Report, bag, counters, rows, schema};
use crate::connect::LocalSession;
use crate::interrupt;
use crate::plan::{Entry, Plan};
use crate::progress;
use crate::refusal::{Refusal, summary};
use crate::retry;
use crate::schema::ObjectName;
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Told of each entry as it ends.
pub type Notice<'a> = &'a mut dyn FnMut(&Report);

/// Takes the locks that keep two applies apart, one per local database.
///
/// # Errors
/// A [`Refusal`] naming the connection that holds one.
pub fn lock(local: &mut LocalSession, plan: &Plan) -> Result<()> {
    for pair in &plan.scope.databases {
        // A lock's name may have 64 characters, a database's too.
        let hash: String = crate::value::to_hex(pair.local.as_bytes())
            .chars()
            .take(40)
            .collect();
        let name = format!("driftwarden.{hash}");
        let step = "taking the lock of the local database";
        if let Some(holder) = local.again(step, |local| local.lock_patiently(&name))? {
            return Err(Refusal::new(
                format!(
                    "another driftwarden is applying to the local database {} (connection {holder} of the local server)",
                    pair.local
                ),
                "wait until it has ended; a killed one gives the lock back by itself",
            )
            .into());
        }
    }
    Ok(())
}

/// Executes a plan. The undo record is written to before each change.
///
/// # Errors
/// When the undo record cannot be begun, or what an apply begins with cannot be read; what fails in an
/// entry is in the outcome. `at` is the time that the record notes.
pub fn execute(
    plan: &FreshPlan,
    local: &mut LocalSession,
    journal: &mut Journal,
    at: &str,
    notice: Notice<'_>,
) -> Result<Outcome> {
    journal.append(&Record::Begin {
        digest: plan.approved().plan().digest.clone(),
        at: at.to_owned(),
    })?;
    let entries: Vec<&Entry> = plan.approved().entries().collect();
    counters::note(local, journal, &entries, false)?;
    let mut runner = Runner {
        plan,
        keeper: Keeper::begin(plan, local)?,
        endings: BTreeMap::new(),
        outcome: Outcome::default(),
        stopped: None,
        wholes: Wholes::of(plan.approved().plan(), plan.records())?,
    };
    let mut grouped: Option<(Keys, Vec<Unit<'_>>)> = None;
    for entry in &entries {
        if interrupt::requested() {
            runner.outcome.interrupted = true;
            break;
        }
        if runner.endings.contains_key(&entry.id) {
            continue;
        }
        if let Some(reason) = &runner.stopped {
            let ending = Ending::Refused(reason.clone());
            runner.end(entry, ending, notice);
            continue;
        }
        if let Some(ending) = runner.beforehand(entry) {
            runner.end(entry, ending, notice);
        } else if entry.kind.is_rows() {
            if grouped.is_none() {
                let step = "reading the foreign keys around the rows";
                grouped = Some(local.again(step, |local| group(local, plan, &entries))?);
            }
            let Some((keys, units)) = &grouped else {
                continue;
            };
            for unit in in_turn(units, &entry.id) {
                let ended = |member: &&Entry| runner.endings.contains_key(&member.id);
                if runner.stopped.is_none() && !interrupt::requested() && !unit.iter().all(ended) {
                    runner.unit(unit, keys, local, journal, notice)?;
                }
            }
        } else {
            let resumed = plan.was_begun(&entry.id);
            let before = plan.object(&entry.id);
            let wholes = &mut runner.wholes;
            let ran = local.patience().run(&entry.id, |first| {
                if !first {
                    local.renew()?;
                }
                wholes.save(local, journal, &object_of(entry)?)?;
                schema::run(local, journal, entry, resumed || !first, before)
            });
            let ending = match ran {
                Ok(()) => {
                    let noted = runner.keeper.altered(local, entry);
                    runner.noted(noted);
                    Ending::Done { rows: 0 }
                }
                Err(error) if error.is::<interrupt::Interrupted>() => {
                    runner.outcome.interrupted = true;
                    break;
                }
                Err(error) if error.is::<Refusal>() => Ending::Refused(Reason::of(&error)),
                Err(error) => failed(&error, 0),
            };
            runner.end(entry, ending, notice);
        }
    }
    if runner.stopped.is_none() {
        let noted = std::mem::take(&mut runner.wholes).note_left(local, journal);
        runner.recorded(noted);
        let noted = runner.keeper.finish(local, &runner.endings);
        runner.noted(noted.map(drop));
        if !runner.outcome.interrupted {
            counters::set(local, plan.approved().plan(), &runner.endings)?;
        }
    }
    if runner.outcome.exit_code() == 0 {
        let ended = counters::note(local, journal, &entries, true)
            .and_then(|()| journal.append(&Record::End));
        runner.recorded(ended);
    }
    Ok(runner.outcome)
}

/// Notes on local how far the tables of a plan without changes were compared, and returns of how many.
///
/// # Errors
/// What the server says.
pub fn note_compared(plan: &FreshPlan, local: &mut LocalSession) -> Result<usize> {
    counters::set(local, plan.approved().plan(), &BTreeMap::new())?;
    Keeper::begin(plan, local)?.finish(local, &BTreeMap::new())
}

struct Runner<'p> {
    plan: &'p FreshPlan,
    keeper: Keeper<'p>,
    endings: BTreeMap<String, Ending>,
    outcome: Outcome,
    /// Why nothing more can be executed.
    stopped: Option<Reason>,
    wholes: Wholes,
}

impl Runner<'_> {
    /// Whether an entry's ending is settled before it is tried.
    fn beforehand(&self, entry: &Entry) -> Option<Ending> {
        match self.plan.verdict(&entry.id) {
            Verdict::Refused(reason) => return Some(Ending::Refused(reason.clone())),
            Verdict::Done => return Some(Ending::AlreadyDone),
            Verdict::ToDo => {}
        }
        entry
            .depends_on
            .iter()
            .find_map(|id| match self.endings.get(id) {
                Some(Ending::Failed { reason, .. }) => {
                    Some(Ending::Refused(reason.of_what_waits(id, "failed")))
                }
                Some(Ending::Refused(reason)) => {
                    Some(Ending::Refused(reason.of_what_waits(id, "was refused")))
                }
                _ => None,
            })
    }

    fn end(&mut self, entry: &Entry, ending: Ending, notice: Notice<'_>) {
        let report = Report {
            id: entry.id.clone(),
            ending: ending.clone(),
        };
        notice(&report);
        self.outcome.reports.push(report);
        self.endings.insert(entry.id.clone(), ending);
    }

    /// What comes before the first change of tables' rows: their whole images where no key leads back, and the end of
    /// notes that the plan does not go on from.
    fn ready(
        &mut self,
        local: &mut LocalSession,
        journal: &mut Journal,
        tables: &BTreeSet<ObjectName>,
    ) -> Result<()> {
        for table in tables {
            let step = format!("saving {table} before it is changed");
            local.patience().run(&step, |first| {
                if !first {
                    local.renew()?;
                }
                self.wholes.save(local, journal, table)
            })?;
        }
        self.keeper.before_rows(local, tables)
    }

    /// Runs row entries that belong together; one alone in batches.
    fn unit(
        &mut self,
        unit: &Unit<'_>,
        keys: &Keys,
        local: &mut LocalSession,
        journal: &mut Journal,
        notice: Notice<'_>,
    ) -> Result<()> {
        let mut members: Vec<&Entry> = Vec::new();
        for entry in unit {
            if self.endings.contains_key(&entry.id) {
                continue;
            }
            match self.beforehand(entry) {
                Some(ending) => self.end(entry, ending, notice),
                None => members.push(entry),
            }
        }
        let tables: BTreeSet<ObjectName> = members
            .iter()
            .map(|entry| object_of(entry))
            .collect::<Result<_>>()?;
        if let Err(error) = self.ready(local, journal, &tables) {
            for entry in members {
                let ending = failed(&error, 0);
                self.end(entry, ending, notice);
            }
            return Ok(());
        }
        let (down, taken) = triggers::down(local, journal, &tables);
        if let Err(error) = taken {
            self.put_back(down.up(local, journal), false);
            for entry in members {
                let ending = failed(&error, 0);
                self.end(entry, ending, notice);
            }
            return Ok(());
        }
        let mut stand = 0;
        let result = local.patience().run(&names(&members), |first| {
            if !first {
                local.renew()?;
            }
            let mut run = Run {
                approved: self.plan.approved(),
                local: &mut *local,
                journal: &mut *journal,
                records: self.plan.records(),
                shared: unit.len() > 1 || tables.iter().any(|table| keys.refers_to_itself(table)),
                acting: Vec::new(),
                pointing: Vec::new(),
                interrupted: false,
                stand: 0,
                unrecorded: None,
            };
            let progress = run_members(&mut run, &members, &tables, keys);
            self.outcome.interrupted |= run.interrupted;
            let before = stand;
            stand += run.stand;
            // What an earlier attempt committed is found done by the next.
            progress.map(|mut progress| {
                if let [alone] = progress.as_mut_slice() {
                    alone.changed += before;
                }
                progress
            })
        });
        let mended = local
            .again("going on", |local| local.foreign_key_checks(false))
            .and_then(|()| down.up(local, journal));
        self.put_back(mended, result.is_ok());
        match result {
            Ok(progress) => {
                for (entry, mut progress) in members.iter().zip(progress) {
                    let left = std::mem::take(&mut progress.left);
                    self.keeper.found_changed(entry, left);
                    let ending = if self.outcome.interrupted {
                        Ending::Interrupted {
                            rows: progress.changed,
                        }
                    } else {
                        ending(progress)
                    };
                    self.end(entry, ending, notice);
                }
            }
            Err(error) if error.is::<interrupt::Interrupted>() => self.outcome.interrupted = true,
            Err(error) => {
                for entry in members {
                    let ending = failed(&error, stand);
                    self.end(entry, ending, notice);
                }
            }
        }
        if self.stopped.is_none() {
            let noted = self.keeper.rows_ended(local, &self.endings, &tables);
            self.noted(noted);
        }
        Ok(())
    }

    /// Takes what became of putting the triggers back; `stands` tells whether the entries before it went well.
    fn put_back(&mut self, mended: Result<Vec<String>>, stands: bool) {
        match mended {
            Ok(lost) => self.outcome.lost.extend(lost),
            // The connection broke: nothing more can be executed, and the next apply puts back what is down.
            Err(error) if retry::broke(&error) => {
                self.stopped = Some(Reason::passing(
                    "the connection to the local server broke before",
                ));
                if stands {
                    self.outcome.lost.push(summary(&error));
                }
            }
            // All are up again, which the record does not say.
            Err(error) => self.stopped = Some(Reason::of(&error)),
        }
    }

    /// An undo record that is not complete costs the next apply, or a revert, a look at what is there.
    fn recorded(&mut self, recorded: Result<()>) {
        if let Err(error) = recorded {
            self.outcome.unrecorded = Some(Reason::of(&error));
        }
    }

    /// What cannot be noted costs the next plan a full comparison, no row.
    fn noted(&mut self, noted: Result<()>) {
        if let Err(error) = noted {
            self.outcome.unnoted.push(summary(&error));
        }
    }
}

fn run_members(
    run: &mut Run<'_>,
    members: &[&Entry],
    tables: &BTreeSet<ObjectName>,
    keys: &Keys,
) -> Result<Vec<Progress>> {
    match members {
        [] => Ok(Vec::new()),
        [entry] if !run.shared => {
            run.pointing = keys.pointing_to(&object_of(entry)?);
            run.acting = run
                .pointing
                .iter()
                .filter(|key| key.acts())
                .cloned()
                .collect();
            run_entry(run, entry).map(|progress| vec![progress])
        }
        _ => together(run, members, tables, keys),
    }
}

fn names(entries: &[&Entry]) -> String {
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    ids.join(", ")
}

fn run_entry(run: &mut Run<'_>, entry: &Entry) -> Result<Progress> {
    let target = Target::read(run.local, entry)?;
    let bytes = entry
        .payload
        .as_ref()
        .map_or(0, |payload| payload.raw_bytes);
    progress::begin(&entry.id, entry.count.unwrap_or(0), bytes);
    let done = if target.shape.key.is_empty() {
        bag::run(run, entry, &target)
    } else {
        rows::run(run, entry, &target)
    };
    progress::end();
    let done = done?;
    run.recorded()?;
    Ok(done)
}

/// Runs entries in one transaction whose foreign keys are checked at its end: no reference may lead nowhere that did
/// not before.
fn together(
    run: &mut Run<'_>,
    members: &[&Entry],
    tables: &BTreeSet<ObjectName>,
    keys: &Keys,
) -> Result<Vec<Progress>> {
    run.local.foreign_key_checks(false)?;
    run.local.begin()?;
    let result = all_of(run, members, tables, keys).and_then(|progress| {
        run.local.commit()?;
        Ok(progress)
    });
    match result {
        Ok(progress) => {
            run.stand = progress.iter().map(|one| one.changed).sum();
            for entry in members {
                rows::committed(run.journal, entry)?;
            }
            Ok(progress)
        }
        Err(error) => {
            drop(run.local.rollback());
            for entry in members {
                rows::rolled_back(run.journal, entry, &error);
            }
            Err(error)
        }
    }
}

fn all_of(
    run: &mut Run<'_>,
    members: &[&Entry],
    tables: &BTreeSet<ObjectName>,
    keys: &Keys,
) -> Result<Vec<Progress>> {
    let mut before = Vec::new();
    for key in keys.around(tables) {
        before.push(key.orphans(run.local)?);
    }
    let mut progress = Vec::with_capacity(members.len());
    for entry in members {
        progress.push(run_entry(run, entry).with_context(|| entry.id.clone())?);
    }
    for (key, before) in keys.around(tables).zip(before) {
        let after = key.orphans(run.local)?;
        if after > before {
            let left: Vec<&str> = progress
                .iter()
                .flat_map(|progress| &progress.examples)
                .map(String::as_str)
                .collect();
            let left = if left.is_empty() {
                String::new()
            } else {
                format!(" (rows that had to be left: {})", left.join("; "))
            };
            bail!(
                "{} rows of {} would refer to no row of {} by {}: nothing of {} was changed{left}",
                after - before,
                key.child,
                key.parent,
                key.constraint.name,
                names(members)
            );
        }
    }
    Ok(progress)
}

fn group<'p>(
    local: &mut LocalSession,
    plan: &FreshPlan,
    entries: &[&'p Entry],
) -> Result<(Keys, Vec<Unit<'p>>)> {
    let mut tables = BTreeSet::new();
    let mut unique: BTreeMap<String, bool> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.kind.is_rows()) {
        let name = object_of(entry)?;
        if tables.insert(name.clone()) {
            let key = entry
                .shape
                .as_ref()
                .map(|shape| shape.key.clone())
                .unwrap_or_default();
            let other =
                model_of(local, &name)?.is_some_and(|model| Target::has_other_unique(&model, &key));
            unique.insert(entry.object.clone(), other);
        }
    }
    let keys = Keys::read(local, &tables)
        .with_context(|| format!("grouping the rows of plan {}", plan.approved().plan().id))?;
    let units = units(entries, &keys.references(), &|table| {
        unique.get(table).copied().unwrap_or(false)
    });
    Ok((keys, units))
}

fn failed(error: &anyhow::Error, rows: u64) -> Ending {
    Ending::Failed {
        rows,
        reason: Reason::of(error),
    }
}

fn ending(progress: Progress) -> Ending {
    match progress {
        Progress {
            changed: 0,
            stale: 0,
            ..
        } => Ending::AlreadyDone,
        Progress {
            changed, stale: 0, ..
        } => Ending::Done { rows: changed },
        Progress {
            changed,
            stale,
            examples,
            too_large,
            ..
        } => Ending::Stale {
            rows: changed,
            stale,
            examples,
            next: if too_large {
                Next::ApplyAgain
            } else {
                Next::PlanAgain
            },
        },
    }
}
