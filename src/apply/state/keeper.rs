//! Writes the notes of an apply's tables, as their rows end.
//!
//! A note says what local is like once *all* of a table's rows are done or kept in mind, so it is written after the last
//! of them is committed: until then the note before it holds on (rows only come closer to the remote), and an apply that
//! is killed in between costs a second look, no row. Must never write a note for a plan that does not go on from the one
//! that is there, or for another table than the plan saw.

use super::left::{Left, TooMany};
use super::{
    Identities, Note, Stored, VERSION, identities, make_table, read, read_locked, void, write,
};
use crate::apply::{ApprovedPlan, Ending, FreshPlan};
use crate::connect::{LocalSession, Reader as _};
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind, Plan, PlannedWatermark, Strategy, TablePlan};
use crate::schema::ObjectName;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What is done before rows are changed outside the course of their table's note.
const VOIDING: &str = "making void what local remembers";

/// Databases of the server's own: nothing is noted there, whatever a plan says.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// The notes of one apply.
pub(in crate::apply) struct Keeper<'p> {
    approved: &'p ApprovedPlan,
    tables: BTreeMap<String, Kept<'p>>,
    changed: BTreeMap<String, Vec<Values>>,
    made: BTreeSet<String>,
}

/// What is known of one table.
struct Kept<'p> {
    name: ObjectName,
    strategy: Strategy,
    planned: Option<&'p PlannedWatermark>,
    /// Which table local has now.
    identity: Option<String>,
    /// The note that is there now.
    stored: Option<Stored>,
    /// Whether the plan goes on from that note, or wrote it.
    in_course: bool,
    /// Whether the plan may write the next.
    claims: bool,
    ended: bool,
}

impl<'p> Keeper<'p> {
    /// Reads what is there, before anything is executed.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::apply) fn begin(plan: &'p FreshPlan, local: &mut LocalSession) -> Result<Self> {
        let approved = plan.approved();
        let plan = approved.plan();
        let databases: Vec<String> = plan
            .scope
            .databases
            .iter()
            .map(|pair| pair.local.clone())
            .filter(|name| !SYSTEM.contains(&name.to_lowercase().as_str()))
            .collect();
        let there = identities(local, &databases)?;
        let mut notes = BTreeMap::new();
        for database in &databases {
            notes.insert(database.clone(), read(local, database)?);
        }
        let mut tables = BTreeMap::new();
        for table in &plan.tables {
            let Some(name) = name_of(table, &databases, &there) else {
                continue;
            };
            let stored = notes
                .get_mut(&name.database)
                .and_then(|notes| notes.remove(&name.name));
            let identity = there.get(&name).cloned();
            tables.insert(
                table.table.clone(),
                Kept::new(plan, table, name, identity, stored),
            );
        }
        Ok(Self {
            approved,
            tables,
            changed: BTreeMap::new(),
            made: BTreeSet::new(),
        })
    }

    /// To be called before rows of these tables are changed: a note that the plan does not go on from is void from then.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::apply) fn before_rows<'e>(
        &mut self,
        local: &mut LocalSession,
        tables: impl IntoIterator<Item = &'e ObjectName>,
    ) -> Result<()> {
        for name in tables {
            let kept = self.tables.get_mut(&name.to_string());
            match kept {
                Some(kept) if kept.in_course || kept.stored.is_none() => {}
                Some(kept) => {
                    local.again(VOIDING, |local| void(local, &kept.name))?;
                    kept.stored = None;
                }
                None => drop(local.again(VOIDING, |local| void(local, name))?),
            }
        }
        Ok(())
    }

    /// Keeps the keys of rows that were found changed.
    pub(in crate::apply) fn found_changed(&mut self, entry: &Entry, keys: Vec<Values>) {
        self.changed.insert(entry.id.clone(), keys);
    }

    /// To be called when a table was created or altered: it is another one now, with the same rows.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::apply) fn altered(
        &mut self,
        local: &mut LocalSession,
        entry: &Entry,
    ) -> Result<()> {
        let is_table = matches!(entry.kind, Kind::CreateTable | Kind::AlterTable);
        let Some(kept) = self.tables.get_mut(&entry.object).filter(|_| is_table) else {
            return Ok(());
        };
        let database = std::slice::from_ref(&kept.name.database);
        let now = identities(local, database)?.remove(&kept.name);
        let before = std::mem::replace(&mut kept.identity, now.clone());
        let note = kept.stored.as_ref().and_then(|stored| stored.note.clone());
        if let (Some(mut note), Some(before), Some(now)) = (note, before, now)
            && note.table == before
            && before != now
        {
            note.table = now;
            let text = serde_json::to_string(&note)?;
            local.begin()?;
            let written = write(local, &kept.name, &text).and_then(|()| local.commit());
            if written.is_err() {
                drop(local.rollback());
            }
            written?;
            kept.stored = Some(Stored::of(text.as_bytes()));
        }
        Ok(())
    }

    /// Writes the notes of tables whose approved row entries have all ended.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::apply) fn rows_ended(
        &mut self,
        local: &mut LocalSession,
        endings: &BTreeMap<String, Ending>,
        tables: &BTreeSet<ObjectName>,
    ) -> Result<()> {
        let over: Vec<String> = tables
            .iter()
            .map(ToString::to_string)
            .filter(|table| {
                self.row_entries(table)
                    .all(|entry| !self.approved.wants(&entry.id) || endings.contains_key(&entry.id))
            })
            .collect();
        self.note(local, endings, &over).map(drop)
    }

    /// Writes the notes of all other tables: those of which nothing was found, or nothing approved. Returns how many.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::apply) fn finish(
        &mut self,
        local: &mut LocalSession,
        endings: &BTreeMap<String, Ending>,
    ) -> Result<usize> {
        let rest: Vec<String> = self
            .tables
            .iter()
            .filter(|(_, kept)| !kept.ended)
            .map(|(table, _)| table.clone())
            .collect();
        self.note(local, endings, &rest)
    }

    fn row_entries(&self, table: &str) -> impl Iterator<Item = &'p Entry> {
        let table = table.to_owned();
        let entries = self.approved.plan().entries.iter();
        entries.filter(move |entry| entry.kind.is_rows() && entry.object == table)
    }

    fn note(
        &mut self,
        local: &mut LocalSession,
        endings: &BTreeMap<String, Ending>,
        tables: &[String],
    ) -> Result<usize> {
        let mut count = 0;
        let mut texts = Vec::new();
        for table in tables {
            let Some(kept) = self.tables.get(table).filter(|kept| kept.claims) else {
                continue;
            };
            let text = self.text(table, kept, endings, local)?;
            if text.is_none() && kept.holds_on() {
                continue;
            }
            if self.made.insert(kept.name.database.clone()) {
                make_table(local, &kept.name.database)?;
            }
            texts.push((table.clone(), text));
        }
        if !texts.is_empty() {
            local.begin()?;
            let written = self.write_all(local, &texts).and_then(|written| {
                local.commit()?;
                Ok(written)
            });
            if written.is_err() {
                drop(local.rollback());
            }
            for (table, stored) in written? {
                count += usize::from(stored.is_some());
                if let Some(kept) = self.tables.get_mut(&table) {
                    kept.stored = stored;
                }
            }
        }
        for table in tables {
            if let Some(kept) = self.tables.get_mut(table) {
                kept.ended = true;
            }
        }
        Ok(count)
    }

    fn write_all(
        &self,
        local: &mut LocalSession,
        texts: &[(String, Option<String>)],
    ) -> Result<Vec<(String, Option<Stored>)>> {
        let mut written = Vec::new();
        for (table, text) in texts {
            let Some(kept) = self.tables.get(table) else {
                continue;
            };
            // Somebody else's note since the start is left as it is.
            if read_locked(local, &kept.name)? != kept.stored {
                continue;
            }
            match text {
                Some(text) => write(local, &kept.name, text)?,
                None => drop(void(local, &kept.name)?),
            }
            written.push((
                table.clone(),
                text.as_ref().map(|text| Stored::of(text.as_bytes())),
            ));
        }
        Ok(written)
    }

    /// The next note's text; `None` where there are too many rows to keep in mind.
    fn text(
        &self,
        table: &str,
        kept: &Kept<'p>,
        endings: &BTreeMap<String, Ending>,
        local: &LocalSession,
    ) -> Result<Option<String>> {
        let (Some(planned), Some(identity)) = (kept.planned, kept.identity.clone()) else {
            return Ok(None);
        };
        let mut left = Left::default();
        for entry in self.row_entries(table) {
            let changed = self.changed.get(&entry.id).map_or(&[][..], Vec::as_slice);
            let ending = endings.get(&entry.id);
            if left.add(self.approved, entry, ending, changed) == Err(TooMany) {
                return Ok(None);
            }
        }
        let plan = self.approved.plan();
        let note = Note {
            version: VERSION,
            plan: plan.digest.clone(),
            planned_at: plan.created_at.clone(),
            remote: plan.remote.identity.clone(),
            local: local.server().identity.clone(),
            table: identity,
            mark: planned.mark.clone(),
            key: left.names,
            keys: left.keys,
        };
        Ok(Some(serde_json::to_string(&note)?))
    }
}

impl<'p> Kept<'p> {
    fn new(
        plan: &Plan,
        table: &'p TablePlan,
        name: ObjectName,
        identity: Option<String>,
        stored: Option<Stored>,
    ) -> Self {
        let planned = table.watermark.as_ref();
        let hash = stored.as_ref().map(|stored| &stored.hash);
        let own = stored
            .as_ref()
            .and_then(|stored| stored.note.as_ref())
            .filter(|note| note.plan == plan.digest);
        let goes_on =
            planned.is_some_and(|planned| planned.replaces.as_ref() == hash) || own.is_some();
        // What was read from the remote in full needs no note before it, but is none's successor once there is another.
        let in_course = planned.is_some()
            && (goes_on || stored.is_none() && table.strategy != Strategy::Incremental);
        let same_table = planned.is_some_and(|planned| {
            let by_rows = table.strategy == Strategy::Copy || planned.local_table.is_none();
            by_rows
                || planned.local_table == identity
                || own.is_some_and(|note| Some(&note.table) == identity.as_ref())
        });
        Self {
            strategy: table.strategy,
            planned,
            identity,
            stored,
            in_course,
            claims: in_course && same_table,
            ended: false,
            name,
        }
    }

    /// Whether the note before stays true although rows were found that the next cannot keep in mind: they are of the
    /// time that is read again anyway.
    fn holds_on(&self) -> bool {
        self.strategy == Strategy::Incremental
            && self.planned.is_none_or(|planned| !planned.keys_compared)
    }
}

/// The name of a table of the plan, where its text settles it.
fn name_of(table: &TablePlan, databases: &[String], there: &Identities) -> Option<ObjectName> {
    let mut names = databases.iter().filter_map(|database| {
        let name = table.table.strip_prefix(database)?.strip_prefix('.')?;
        Some(ObjectName::new(database, name))
    });
    let name = names.next().filter(|_| names.next().is_none())?;
    // A table that is to be created is none yet.
    (there.contains_key(&name) || table.local_schema.is_none()).then_some(name)
}
