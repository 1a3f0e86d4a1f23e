//! Settles what the config's rules mean for each table, before anything of its rows is read.
//!
//! Must never leave a rule out that names a table of the plan.

use super::survey::{Pair, Sides};
use crate::config::Config;
use crate::connect::Reader;
use crate::plan::scope::Selection;
use crate::read::rules::{Filter, RowRules};
use crate::schema::ObjectName;
use crate::sql::Read;
use crate::sql::read::ServerQuestion;
use crate::sql::rule::Clock;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;

/// Returns the rules of the tables that have any, by remote name. `pairs` are the databases as they were read, before
/// they are reduced to the selection.
///
/// # Errors
/// A rule that does not fit its table.
pub(super) fn settle(
    config: &Config,
    pairs: &[Pair],
    selection: &Selection<'_>,
    sides: &mut Sides,
) -> Result<BTreeMap<ObjectName, RowRules>> {
    let mut settled = BTreeMap::new();
    let mut now = None;
    for pair in pairs {
        for (name, info) in &pair.remote.tables {
            let remote_name = pair.remote_name(name);
            if !selection.takes(&remote_name) {
                continue;
            }
            let rule = config.rule_for(&remote_name);
            let Some(text) = &rule.filter else { continue };
            let now = match &mut now {
                Some(now) => &*now,
                unknown => unknown.insert(remote_time(sides)?),
            };
            let filter = Filter::read(
                text,
                rule.places.filter_path(),
                Clock::At(now),
                &remote_name,
                &info.table,
            )?;
            let rules = RowRules {
                filter: Some(filter),
                ..RowRules::default()
            };
            settled.insert(remote_name, rules);
        }
    }
    Ok(settled)
}

/// The time on production, in UTC, that stands for `NOW()` in every rule of the plan.
fn remote_time(sides: &mut Sides) -> Result<String> {
    let read = Read::Server(ServerQuestion::Now);
    let rows = sides
        .remote
        .run(&mut sides.session, "reading production's time", |session| {
            session.rows(&read)
        })?;
    rows.first()
        .and_then(|row| row.first().cloned().flatten())
        .and_then(|cell| String::from_utf8(cell).ok())
        .context("production did not tell the time")
}
