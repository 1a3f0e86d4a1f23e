//! Looks at local's rows for what would stand in the way of a schema change: NULLs where none may be, values that a new
//! type does not hold, rows that a unique key, a check or a foreign key would forbid.
//!
//! `plan` asks before it writes an entry, `apply` before it executes one. By queries, each with a limit of time; what
//! could not be counted says so. Must never change a row, and must never call a table free of obstacles that it could not
//! look at.

mod dangling;
mod loss;
mod overlay;
mod query;
mod words;

use crate::connect::{LocalSession, Row, server_code};
use crate::diff::schema::demand::Demand;
use crate::plan::Entry;
use crate::plan::payload::PayloadFolder;
use crate::proof::Scratch;
use crate::schema::table::Table;
use crate::schema::{Column, ObjectName};
use crate::value::Value;
use anyhow::{Context as _, Result};
use overlay::Layout;
use query::{Asked, Overlay, Parent};
use std::collections::BTreeMap;
use std::time::Duration;

pub use dangling::{Side, dangling, left_out};
pub use words::{before_rows, beforehand, note, refusal};

/// How long one question may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A table whose rows may be in the way of its change, or that others refer to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its name on local.
    pub name: &'a ObjectName,
    /// As local has it; `None` where it is to be created.
    pub local: Option<&'a Table>,
    /// As it is to be.
    pub wanted: &'a Table,
    /// What its rows must meet and need not have met before.
    pub demands: &'a [Demand],
    /// The plan's row entries for it.
    pub entries: &'a [Entry],
    /// Whether these leave local with production's rows and no other.
    pub exact: bool,
}

/// What stands in the way of one demand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obstacle {
    /// Local's rows that violate it now.
    pub now: u64,
    /// Rows that will violate it once the plan's row entries are executed.
    pub left: u64,
    /// Local's rows whose values the change would alter without a word, and that the plan leaves as they are.
    pub altered: u64,
    /// The keys of some of the rows that are counted.
    pub example: Option<String>,
    /// Why it could not be counted.
    pub unknown: Option<String>,
}

/// What was found, by table.
pub type Obstacles = BTreeMap<ObjectName, Vec<(Demand, Obstacle)>>;

/// Counts production's rows that refer to nothing by a foreign key, with the key of one: `None` where that is not known.
pub type Production<'p> =
    &'p mut dyn FnMut(&ObjectName, &str) -> Result<Option<(u64, Option<String>)>>;

/// Looks at the rows of all subjects. `folder` has the payloads of their entries; `examples` tells whether keys may be
/// named.
///
/// # Errors
/// When the connection breaks, no scratch schema can be made, or a payload cannot be read.
pub fn survey(
    local: &mut LocalSession,
    subjects: &[Subject<'_>],
    folder: &PayloadFolder,
    production: Production<'_>,
    examples: bool,
) -> Result<Obstacles> {
    if subjects.iter().all(|subject| subject.demands.is_empty()) {
        return Ok(Obstacles::new());
    }
    let needed = overlay::needed(subjects);
    let mut surveyor = Surveyor {
        subjects,
        overlays: BTreeMap::new(),
        production,
        examples,
    };
    if needed.is_empty() {
        return surveyor.run(local);
    }
    let mut scratch = Scratch::open(local)?;
    for (number, subject) in needed.into_iter().enumerate() {
        let made = overlay::make(&mut scratch, number, subject, folder)
            .with_context(|| format!("laying out what the plan does to {}", subject.name))?;
        surveyor.overlays.insert(subject.name.clone(), made);
    }
    surveyor.run(scratch.session())
}

/// Looks at local's rows as they are now for what violates a demand. Used before an entry is executed.
///
/// # Errors
/// When the connection breaks.
pub fn now(
    local: &mut LocalSession,
    name: &ObjectName,
    before: &Table,
    after: &Table,
    demand: &Demand,
    parent: Option<&ObjectName>,
) -> Result<Obstacle> {
    let asked = Asked {
        name,
        local: Some(before),
        wanted: after,
        overlay: None,
    };
    let parent = Parent {
        there: parent.cloned(),
        overlay: None,
    };
    let mut obstacle = Obstacle::default();
    local.statement_limit(Some(PATIENCE))?;
    let counted = reading(local, |local| count(local, &asked, demand, &parent, true));
    local.statement_limit(None)?;
    match counted? {
        Answer::Counted(now, example) => {
            obstacle.now = now;
            obstacle.left = now;
            obstacle.example = example;
        }
        Answer::Unknown(why) => obstacle.unknown = Some(why),
    }
    Ok(obstacle)
}

/// Asks in a transaction that cannot write: an expression of another's stands in the question, of production's or of a plan's,
/// before this server has judged whether a table may have it, and a function that it calls must not write.
fn reading<T>(
    local: &mut LocalSession,
    ask: impl FnOnce(&mut LocalSession) -> Result<T>,
) -> Result<T> {
    local.begin_reading()?;
    let answer = ask(local);
    let ended = local.rollback();
    // What failed first is the error to tell.
    let answer = answer?;
    ended.map(|()| answer)
}

struct Surveyor<'a, 'p> {
    subjects: &'a [Subject<'a>],
    overlays: BTreeMap<ObjectName, Layout>,
    production: Production<'p>,
    examples: bool,
}

/// What a question gave.
enum Answer {
    Counted(u64, Option<String>),
    Unknown(String),
}

impl Surveyor<'_, '_> {
    fn run(&mut self, local: &mut LocalSession) -> Result<Obstacles> {
        local.statement_limit(Some(PATIENCE))?;
        let mut found = Obstacles::new();
        let mut look = || -> Result<()> {
            for subject in self.subjects {
                for demand in subject.demands {
                    let looked = reading(local, |local| self.obstacle(local, subject, demand));
                    let obstacle = looked.with_context(|| {
                        format!(
                            "looking at the rows of {} for {}",
                            subject.name,
                            demand.describe(subject.wanted)
                        )
                    })?;
                    let of_table = found.entry(subject.name.clone()).or_default();
                    of_table.push((demand.clone(), obstacle));
                }
            }
            Ok(())
        };
        let looked = look();
        local.statement_limit(None)?;
        looked.map(|()| found)
    }

    fn obstacle(
        &mut self,
        local: &mut LocalSession,
        subject: &Subject<'_>,
        demand: &Demand,
    ) -> Result<Obstacle> {
        let mut obstacle = Obstacle::default();
        let as_is = asked(subject, None);
        let parent = parent_of(subject, demand);
        let there = match &parent {
            Some(parent) => self.there(local, parent)?,
            None => None,
        };
        if subject.local.is_some() {
            let parent = Parent {
                there: there.clone(),
                overlay: None,
            };
            match count(local, &as_is, demand, &parent, self.examples)? {
                Answer::Counted(now, example) => {
                    obstacle.now = now;
                    obstacle.example = example;
                }
                Answer::Unknown(why) => obstacle.unknown = Some(why),
            }
        }
        let parent_subject = parent
            .as_ref()
            .and_then(|parent| self.subjects.iter().find(|other| other.name == parent));
        let rows_stay = subject.entries.is_empty()
            && parent_subject.is_none_or(|parent| parent.entries.is_empty());
        if rows_stay {
            obstacle.left = obstacle.now;
        } else if overlay::asks_production(subject, parent_subject, demand) {
            if let Some((left, example)) =
                (self.production)(subject.name, demand_name(demand).unwrap_or_default())?
            {
                obstacle.left = left;
                if left > 0 {
                    obstacle.example = example.filter(|_| self.examples);
                }
            }
        } else if overlay::matters(subject, demand) {
            self.left(
                local,
                subject,
                demand,
                there,
                parent.as_ref(),
                &mut obstacle,
            )?;
        }
        if let (Demand::Holds(name), None) = (demand, &obstacle.unknown)
            && (subject.entries.is_empty() || !subject.exact)
        {
            let asked = asked(
                subject,
                self.overlays.get(subject.name).and_then(Layout::overlay),
            );
            if let Some(select) = asked.altered(name) {
                match one_number(local, &query::count(&select))? {
                    Ok(altered) => obstacle.altered = altered,
                    Err(why) => obstacle.unknown = Some(why),
                }
            }
        }
        Ok(obstacle)
    }

    /// Counts over the rows as the plan will leave them.
    fn left(
        &self,
        local: &mut LocalSession,
        subject: &Subject<'_>,
        demand: &Demand,
        there: Option<ObjectName>,
        parent: Option<&ObjectName>,
        obstacle: &mut Obstacle,
    ) -> Result<()> {
        let own = self.overlays.get(subject.name);
        let of_parent = parent.and_then(|parent| self.overlays.get(parent));
        let mut laid = [own, of_parent].into_iter().flatten();
        if let Some(why) = laid.find_map(Layout::unknown) {
            obstacle.unknown = Some(why.to_owned());
            return Ok(());
        }
        let asked = asked(subject, own.and_then(Layout::overlay));
        let parent = Parent {
            there,
            overlay: of_parent.and_then(Layout::overlay),
        };
        match count(local, &asked, demand, &parent, self.examples)? {
            Answer::Counted(left, example) => {
                obstacle.left = left;
                if left > 0 {
                    obstacle.example = example;
                }
            }
            Answer::Unknown(why) => obstacle.unknown = Some(why),
        }
        Ok(())
    }

    /// Whether local has a table.
    fn there(&self, local: &mut LocalSession, name: &ObjectName) -> Result<Option<ObjectName>> {
        if let Some(subject) = self.subjects.iter().find(|other| other.name == name) {
            return Ok(subject.local.map(|_| name.clone()));
        }
        match crate::compare::is_empty(local, name) {
            Ok(_) => Ok(Some(name.clone())),
            Err(error) if server_code(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn asked<'a>(subject: &Subject<'a>, overlay: Option<&'a Overlay>) -> Asked<'a> {
    Asked {
        name: subject.name,
        local: subject.local,
        wanted: subject.wanted,
        overlay,
    }
}

/// The name of what makes a demand.
fn demand_name(demand: &Demand) -> Option<&str> {
    match demand {
        Demand::Reference(name) => Some(name),
        _ => None,
    }
}

/// The table that a demand's foreign key refers to.
pub fn parent_of(subject: &Subject<'_>, demand: &Demand) -> Option<ObjectName> {
    let Demand::Reference(name) = demand else {
        return None;
    };
    let key = query::foreign_key(subject.wanted, name)?;
    let database = key
        .referenced_database
        .as_deref()
        .unwrap_or(&subject.name.database);
    Some(ObjectName::new(database, &key.referenced_table))
}

fn count(
    local: &mut LocalSession,
    asked: &Asked<'_>,
    demand: &Demand,
    parent: &Parent<'_>,
    examples: bool,
) -> Result<Answer> {
    let (total, rows) = if let Demand::Unique(name) = demand {
        let index = asked
            .wanted
            .indexes
            .iter()
            .find(|index| index.name == *name)
            .with_context(|| format!("{} has no index {name}", asked.name))?;
        (asked.count_sharing(index), asked.sharing(index))
    } else {
        let Some(select) = asked.violating(demand, Some(parent)) else {
            return Ok(Answer::Unknown(
                "no query tells which values are lost".to_owned(),
            ));
        };
        (query::count(&select), select)
    };
    let total = match one_number(local, &total)? {
        Ok(total) => total,
        Err(why) => return Ok(Answer::Unknown(why)),
    };
    if total == 0 || !examples {
        return Ok(Answer::Counted(total, None));
    }
    let key = asked.key();
    let wanted = if matches!(demand, Demand::Unique(_)) {
        2
    } else {
        1
    };
    let first = query::first(&rows, key.len(), wanted);
    let example = match local.query(&first) {
        Ok(rows) => named(&key, &rows),
        // The count stands; a key that takes too long to find is left out.
        Err(error) if server_code(&error).is_some() => None,
        Err(error) => return Err(error),
    };
    Ok(Answer::Counted(total, example))
}

/// Errors below are of the operating system and its files.
const FIRST_SERVER_ERROR: u16 = 1000;

/// The number that a query gives, or why the server does not tell.
fn one_number(local: &mut LocalSession, sql: &str) -> Result<Result<u64, String>> {
    let mut answer = local.query(sql);
    if answer
        .as_ref()
        .is_err_and(|error| server_code(error).is_some_and(|code| code < FIRST_SERVER_ERROR))
    {
        // The server's own files (a temporary table that was in the way of another): not a fault of the query.
        answer = local.query(sql);
    }
    match answer {
        Ok(rows) => {
            let cell = rows.first().and_then(|row| row.first().cloned().flatten());
            let text = cell.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            text.and_then(|text| text.parse().ok())
                .map(Ok)
                .context("a count that is no number")
        }
        Err(error) => match server_code(&error) {
            // The limit of time of each vendor.
            Some(3024 | 1969 | 1317) => Ok(Err(format!(
                "not counted within {} seconds",
                PATIENCE.as_secs()
            ))),
            Some(code) => Ok(Err(format!("local could not be asked (error {code})"))),
            None => Err(error),
        },
    }
}

fn named(key: &[&Column], rows: &[Row]) -> Option<String> {
    if key.is_empty() || rows.is_empty() {
        return None;
    }
    let one = |row: &Row| -> String {
        let parts: Vec<String> = key
            .iter()
            .zip(row)
            .map(|(column, cell)| {
                let value = Value::from_cell(cell.as_deref(), column.value_kind());
                format!("`{}` = {value}", column.name)
            })
            .collect();
        parts.join(", ")
    };
    Some(rows.iter().map(one).collect::<Vec<_>>().join(" and "))
}
