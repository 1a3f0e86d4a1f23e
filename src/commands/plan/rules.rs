//! Settles what the config's rules mean for each table, before anything of its rows is read.
//!
//! Must never leave a rule out that names a table of the plan, and must never hand the mask key itself to a server.

use super::survey::{Pair, Sides};
use crate::config::Config;
use crate::config::rules::{EffectiveRule, Patterns};
use crate::config::secret::Secret;
use crate::connect::Reader;
use crate::nearest::nearest;
use crate::plan::scope::Selection;
use crate::read::mask::{self, LEAST_KEY, MaskKey, Ruled, TableMasks};
use crate::read::rules::{Filter, RowRules};
use crate::refusal::Refusal;
use crate::schema::{ObjectName, Table};
use crate::sql::Read;
use crate::sql::read::ServerQuestion;
use crate::sql::rule::Clock;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;

/// What the rules come to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The rules of the tables that have any, by remote name.
    pub(super) tables: BTreeMap<ObjectName, RowRules>,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
}

/// A table that the config takes in, with its rules.
struct Candidate<'a> {
    name: ObjectName,
    table: &'a Table,
    rule: EffectiveRule,
    /// Whether the plan takes it in as well.
    taken: bool,
}

impl Candidate<'_> {
    fn ruled(&self) -> Ruled<'_> {
        Ruled {
            name: &self.name,
            table: self.table,
            rule: &self.rule,
        }
    }
}

/// Settles the rules. `pairs` are the databases as they were read, before they are reduced to the selection: a mask may
/// have to agree with one of another table.
///
/// # Errors
/// A rule that does not fit its table; a refusal where a mask cannot be made.
pub(super) fn settle(
    config: &Config,
    pairs: &[Pair],
    selection: &Selection<'_>,
    sides: &mut Sides,
) -> Result<Settled> {
    let candidates = candidates(config, pairs, selection);
    let mut settled = Settled {
        warnings: check_rules(config, &candidates)?,
        ..Settled::default()
    };
    let masks = masks(config, &candidates)?;
    let mut now = None;
    for candidate in candidates.iter().filter(|candidate| candidate.taken) {
        let mut rules = RowRules::default();
        if let Some(text) = &candidate.rule.filter {
            let now = match &mut now {
                Some(now) => &*now,
                unknown => unknown.insert(remote_time(sides)?),
            };
            rules.filter = Some(Filter::read(
                text,
                candidate.rule.places.filter_path(),
                Clock::At(now),
                &candidate.name,
                candidate.table,
            )?);
        }
        if let Some(masks) = masks.get(&candidate.name) {
            rules.masks = masks.exprs();
            settled
                .warnings
                .extend(masks.warnings(&candidate.name, candidate.table));
        }
        if rules.filter.is_some() || !rules.masks.is_empty() {
            settled.tables.insert(candidate.name.clone(), rules);
        }
        settled.warnings.extend(personal_warning(candidate));
    }
    Ok(settled)
}

fn candidates<'a>(
    config: &Config,
    pairs: &'a [Pair],
    selection: &Selection<'_>,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for pair in pairs {
        for (name, info) in &pair.remote.tables {
            let name = pair.remote_name(name);
            if config.selects(&name) {
                candidates.push(Candidate {
                    rule: config.rule_for(&name),
                    taken: selection.takes(&name),
                    table: &info.table,
                    name,
                });
            }
        }
    }
    candidates
}

/// Checks that every mask is about a column of at least one table that its rule is for: a misspelt name must not let
/// values through. Warns of rules that are for no table at all.
fn check_rules(config: &Config, candidates: &[Candidate<'_>]) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (place, rule) in config.tables.rules.iter().enumerate() {
        let masks = rule.mask.as_ref();
        if rule.filter.is_none() && masks.is_none_or(BTreeMap::is_empty) {
            continue;
        }
        // Every glob was compiled once when the config was read.
        let Ok(pattern) = Patterns::new([rule.pattern.as_str()]) else {
            continue;
        };
        let tables: Vec<&Candidate<'_>> = candidates
            .iter()
            .filter(|candidate| pattern.matches(&candidate.name))
            .collect();
        if tables.is_empty() {
            warnings.push(format!(
                "tables.rules[{place}]: \"{}\" matches no table of production, so that its `where` and masks do nothing",
                rule.pattern
            ));
            continue;
        }
        for column in masks.into_iter().flat_map(BTreeMap::keys) {
            if tables
                .iter()
                .any(|each| each.table.column(column).is_some())
            {
                continue;
            }
            let known = tables
                .iter()
                .flat_map(|each| each.table.columns.iter().map(|column| column.name.as_str()));
            let hint = nearest(column, known)
                .map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            return Err(Refusal::new(
                format!(
                    "`tables.rules[{place}].mask.{column}`: no table that \"{}\" matches has a column `{column}`{hint}",
                    rule.pattern
                ),
                "correct the column or the `match`: nothing is masked by a rule that is about nothing",
            )
            .into());
        }
    }
    Ok(warnings)
}

/// Makes the masks of every table that has some, and checks that foreign keys still join.
fn masks(
    config: &Config,
    candidates: &[Candidate<'_>],
) -> Result<BTreeMap<ObjectName, TableMasks>> {
    let key = mask_key(config, candidates)?;
    // Tables that are not of the plan are only held against those that are: any key does.
    let other = MaskKey::new(Secret::new("for holding masks against each other"));
    let mut made = BTreeMap::new();
    for candidate in candidates {
        let key = if candidate.taken { &key } else { &other };
        match TableMasks::make(candidate.ruled(), key.as_ref()) {
            Ok(masks) if masks.is_empty() => {}
            Ok(masks) => drop(made.insert(candidate.name.clone(), masks)),
            Err(refusal) if candidate.taken => return Err(refusal),
            // Not of this plan; what it would have to agree with says so itself.
            Err(_) => {}
        }
    }
    let none = TableMasks::default();
    for child in candidates {
        for key in &child.table.foreign_keys {
            let database = key
                .referenced_database
                .as_ref()
                .unwrap_or(&child.name.database);
            let parent = ObjectName::new(database, &key.referenced_table);
            let is_taken = |name: &ObjectName| {
                candidates
                    .iter()
                    .any(|candidate| candidate.taken && candidate.name == *name)
            };
            if child.taken || is_taken(&parent) {
                made.get(&child.name).unwrap_or(&none).check_foreign_key(
                    &child.name,
                    key,
                    made.get(&parent),
                )?;
            }
        }
    }
    Ok(made)
}

/// Returns the mask key, where a table of the plan has a mask that is made with it.
fn mask_key(config: &Config, candidates: &[Candidate<'_>]) -> Result<Option<MaskKey>> {
    let Some(first) = candidates
        .iter()
        .find(|candidate| candidate.taken && mask::needs_key(candidate.table, &candidate.rule))
    else {
        return Ok(None);
    };
    let variable = &config.mask_key_env;
    let remedy = format!(
        "export {variable} with at least {LEAST_KEY} random characters (`openssl rand -hex 32`), and keep them: under \
         another key every masked value changes"
    );
    match std::env::var(variable).map(|key| MaskKey::new(Secret::new(key))) {
        Ok(Some(key)) => Ok(Some(key)),
        Ok(None) => Err(Refusal::new(
            format!(
                "{} has masks that are made with a key, and {variable} holds fewer than {LEAST_KEY} characters",
                first.name
            ),
            remedy,
        )
        .into()),
        Err(_) => Err(Refusal::new(
            format!(
                "{} has masks that are made with a key, and {variable} is not set (`mask_key_env`)",
                first.name
            ),
            remedy,
        )
        .into()),
    }
}

/// Says once per table which of its columns look personal and have no rule.
fn personal_warning(candidate: &Candidate<'_>) -> Option<String> {
    let columns = mask::unmasked(candidate.table, &candidate.rule);
    let (copied, each) = match columns.len() {
        0 => return None,
        1 => ("is copied as it is", "it"),
        _ => ("are copied as they are", "each"),
    };
    Some(format!(
        "{}: `{}` may hold personal data and {copied}; give {each} a `mask` in a rule, \"keep\" where it may be copied",
        candidate.name,
        columns.join("`, `"),
    ))
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
