//! `AUTO_INCREMENT` counters: noted before a plan's first change and after its last, and set back by a plan that undoes
//! another.
//!
//! A counter is no part of a table's schema, and no plan but one that undoes another sets one. Must never set a counter
//! while an entry of its table is not done; the server itself never lets one fall below the highest value that is there.

use super::Ending;
use super::table::{object_of, text_of};
use super::undo::{Journal, Record};
use crate::connect::LocalSession;
use crate::plan::{Entry, Kind, Plan, TablePlan};
use crate::refusal::summary;
use crate::schema::{ObjectName, parse};
use crate::sql::qualified;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The next values, by table (`database.table`).
pub(super) type Counters = BTreeMap<String, u64>;

/// Notes the counters of the tables that entries are about, as they are now.
///
/// # Errors
/// What the server says; when the record cannot be written.
pub(super) fn note(
    local: &mut LocalSession,
    journal: &mut Journal,
    entries: &[&Entry],
    after: bool,
) -> Result<()> {
    let mut names = BTreeSet::new();
    for entry in entries.iter().filter(|entry| is_of_table(entry.kind)) {
        names.insert(object_of(entry)?);
    }
    let step = "reading the tables' AUTO_INCREMENT counters";
    let read = local.again(step, |local| {
        let mut counters = Counters::new();
        for name in &names {
            if let Some(next) = of(local, name)? {
                counters.insert(name.to_string(), next);
            }
        }
        Ok(counters)
    });
    let counters = match read {
        // All is done by then; a revert cannot tell that a counter moved later, and that is all.
        Err(error) if after => {
            tracing::info!(error = summary(&error), "counters not noted");
            return Ok(());
        }
        read => read?,
    };
    if counters.is_empty() {
        return Ok(());
    }
    journal.append(&Record::Counters { counters, after })
}

fn is_of_table(kind: Kind) -> bool {
    kind.is_rows() || matches!(kind, Kind::CreateTable | Kind::AlterTable | Kind::DropTable)
}

fn of(local: &mut LocalSession, name: &ObjectName) -> Result<Option<u64>> {
    Ok(match text_of(local, name)? {
        Some(text) => {
            parse::counter(&text).with_context(|| format!("reading the counter of {name}"))?
        }
        None => None,
    })
}

/// Sets the counters that a plan states, of tables of which every approved entry is done.
///
/// # Errors
/// What the server says.
pub(super) fn set(
    local: &mut LocalSession,
    plan: &Plan,
    endings: &BTreeMap<String, Ending>,
) -> Result<()> {
    for (name, next) in stated(plan)? {
        let object = name.to_string();
        let open = plan
            .entries
            .iter()
            .filter(|entry| entry.object == object)
            .filter_map(|entry| endings.get(&entry.id))
            .any(|ending| !matches!(ending, Ending::Done { .. } | Ending::AlreadyDone));
        if open || of(local, &name)?.is_none_or(|now| now == next) {
            continue;
        }
        let sql = format!("ALTER TABLE {} AUTO_INCREMENT = {next}", qualified(&name));
        let step = format!("setting AUTO_INCREMENT of {name} back to {next}");
        local.again(&step, |local| local.change_schema(&sql, false))?;
    }
    Ok(())
}

/// The counters that a plan states, of its own databases.
fn stated(plan: &Plan) -> Result<Vec<(ObjectName, u64)>> {
    let name_of = |table: &TablePlan| {
        plan.scope.databases.iter().find_map(|pair| {
            let name = table.table.strip_prefix(&pair.local)?.strip_prefix('.')?;
            Some(ObjectName::new(&pair.local, name))
        })
    };
    plan.tables
        .iter()
        .filter_map(|table| Some((table, table.auto_increment?)))
        .map(|(table, next)| {
            let name = name_of(table).with_context(|| {
                format!(
                    "the plan states a counter of {}, which is in none of its databases",
                    table.table
                )
            })?;
            Ok((name, next))
        })
        .collect()
}

/// Returns the counter that a table had before a plan was first applied to it, where it is known and not set by another
/// hand since the last apply ended.
pub(super) fn original(records: &[Record], table: &str, now: Option<u64>) -> Option<u64> {
    let noted = |record: &Record, wanted: bool| match record {
        Record::Counters { counters, after } if *after == wanted => counters.get(table).copied(),
        _ => None,
    };
    // An apply that is run again finds what the one before left: a counter only grows.
    let before = records
        .iter()
        .filter_map(|record| noted(record, false))
        .min()?;
    let begun = records
        .iter()
        .rposition(|record| matches!(record, Record::Begin { .. }))
        .unwrap_or(0);
    let left = records[begun..]
        .iter()
        .find_map(|record| noted(record, true));
    match (now, left) {
        (Some(now), Some(left)) if now != left && now != before => None,
        _ => Some(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Record {
        Record::Begin {
            digest: String::new(),
            at: String::new(),
        }
    }

    fn counters(next: u64, after: bool) -> Record {
        Record::Counters {
            counters: Counters::from([("s.t".to_owned(), next)]),
            after,
        }
    }

    #[test]
    fn a_counter_goes_back_to_where_it_was_before_the_first_apply() {
        let once = [begin(), counters(5, false), counters(9, true)];
        assert_eq!(original(&once, "s.t", Some(9)), Some(5));
        assert_eq!(original(&once, "s.t", None), Some(5));
        assert_eq!(original(&once, "s.other", Some(9)), None);
        let mut again = once.to_vec();
        again.extend([begin(), counters(9, false), counters(9, true)]);
        assert_eq!(original(&again, "s.t", Some(9)), Some(5));
    }

    #[test]
    fn a_counter_that_moved_since_stays() {
        let once = [begin(), counters(5, false), counters(9, true)];
        assert_eq!(original(&once, "s.t", Some(12)), None);
        // A killed apply did not note what it left.
        let mut killed = once.to_vec();
        killed.extend([begin(), counters(9, false)]);
        assert_eq!(original(&killed, "s.t", Some(12)), Some(5));
    }
}
