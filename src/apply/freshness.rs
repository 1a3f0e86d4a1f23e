//! The freshness check: what of an approved plan still fits what the servers are now.
//!
//! Must never touch a remote: its fingerprints are handed in. Must never pass a statement that is not made again from
//! the entry's texts.

use super::table::object_of;
use super::triggers;
use super::undo::Record;
use super::{ApprovedPlan, Next, Reason};
use crate::connect::{LocalSession, Reader};
use crate::introspect;
use crate::plan::{Entry, Kind, Plan, remake};
use crate::refusal::Refusal;
use crate::schema::{Database, Object, ObjectKind, ObjectName, parse, print};
use anyhow::{Context as _, Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};

/// Fingerprints of the remote's tables by local display name (`database.table`); `None` where remote has none.
pub type RemoteFingerprints = BTreeMap<String, Option<String>>;

/// What is to be done with one approved entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Execute it.
    ToDo,
    /// What it wants is so already (a schema entry; rows are looked at one by one).
    Done,
    /// Leave it, for this reason.
    Refused(Reason),
}

/// A plan whose approved entries were checked against the servers as they are now.
#[derive(Debug)]
pub struct FreshPlan {
    approved: ApprovedPlan,
    verdicts: BTreeMap<String, Verdict>,
    records: Vec<Record>,
    /// Views, triggers, routines and events of approved entries as they are now, by the entry's id.
    objects: BTreeMap<String, Object>,
}

impl FreshPlan {
    /// Checks a plan. `remote` is `None` when the remote half of the check is skipped; `records` is the undo record of
    /// earlier applies of the same plan.
    ///
    /// # Errors
    /// A [`Refusal`] when the plan is for another server or its statements are not those of its texts; otherwise what
    /// the server says.
    pub fn check(
        approved: ApprovedPlan,
        local: &mut LocalSession,
        remote: Option<&RemoteFingerprints>,
        records: Vec<Record>,
    ) -> Result<Self> {
        same_server(approved.plan(), local)?;
        for entry in approved.entries().filter(|entry| !entry.kind.is_rows()) {
            remake::check(entry, local.server().vendor)?;
        }
        let databases = read_local(approved.plan(), local)?;
        let mut fresh = Self {
            approved,
            verdicts: BTreeMap::new(),
            records,
            objects: BTreeMap::new(),
        };
        let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
        for entry in fresh.approved.entries() {
            let mut verdict = fresh.judge(entry, &databases, remote)?;
            let moves = |id: &str| verdicts.get(id) == Some(&Verdict::ToDo);
            let plan = fresh.approved.plan();
            if verdict == Verdict::Done && !triggers::is_in_place(plan, entry, &databases, &moves)?
            {
                verdict = Verdict::ToDo;
            }
            if verdict == Verdict::ToDo
                && let Some(missing) = fresh.missing_dependency(entry, &verdicts)
            {
                verdict = Verdict::Refused(missing);
            }
            verdicts.insert(entry.id.clone(), verdict);
        }
        fresh.objects = fresh.objects_now(&databases)?;
        fresh.verdicts = verdicts;
        Ok(fresh)
    }

    /// Returns the plan.
    pub fn approved(&self) -> &ApprovedPlan {
        &self.approved
    }

    /// Returns what is to be done with an entry.
    pub fn verdict(&self, id: &str) -> &Verdict {
        self.verdicts.get(id).unwrap_or(&Verdict::ToDo)
    }

    /// Returns the view, trigger, routine or event that an entry is about, as it was when the plan was checked.
    pub(super) fn object(&self, id: &str) -> Option<&Object> {
        self.objects.get(id)
    }

    /// Returns the undo record of earlier applies of the plan.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    fn objects_now(
        &self,
        databases: &BTreeMap<String, Database>,
    ) -> Result<BTreeMap<String, Object>> {
        let mut objects = BTreeMap::new();
        for entry in self.approved.entries() {
            let name = object_of(entry)?;
            let now = object_kind(entry.kind)
                .zip(databases.get(&name.database))
                .and_then(|(kind, database)| database.objects.get(&(kind, name.name)));
            if let Some(object) = now {
                objects.insert(entry.id.clone(), object.clone());
            }
        }
        Ok(objects)
    }

    /// Returns whether an earlier apply was killed in the middle of the entry.
    pub(super) fn was_begun(&self, id: &str) -> bool {
        let begun = self
            .records
            .iter()
            .rposition(|record| matches!(record, Record::Object { entry, .. } if entry == id));
        let ended = self
            .records
            .iter()
            .rposition(|record| matches!(record, Record::Committed { entry } if entry == id));
        begun > ended
    }

    fn judge(
        &self,
        entry: &Entry,
        databases: &BTreeMap<String, Database>,
        remote: Option<&RemoteFingerprints>,
    ) -> Result<Verdict> {
        let name = object_of(entry)?;
        let database = databases.get(&name.database);
        Ok(match entry.kind {
            Kind::CreateDatabase if database.is_some_and(|database| database.exists) => {
                Verdict::Done
            }
            Kind::CreateDatabase => Verdict::ToDo,
            Kind::DropDatabase if database.is_none_or(|database| !database.exists) => Verdict::Done,
            Kind::AlterDatabase | Kind::DropDatabase => judge_database(entry, database),
            Kind::CreateTable
            | Kind::AlterTable
            | Kind::DropTable
            | Kind::InsertRows
            | Kind::UpdateRows
            | Kind::DeleteRows => {
                if let Some(reason) = self.remote_changed(&entry.object, remote) {
                    return Ok(Verdict::Refused(reason));
                }
                if let (true, Some(trigger)) = (
                    entry.kind.is_rows(),
                    database.and_then(|it| it.unreadable_triggers.get(&name.name)),
                ) {
                    return Ok(Verdict::Refused(Reason {
                        what: format!(
                            "the trigger {trigger} on {} cannot be read, so it cannot be taken down while rows are \
                             written and would fire",
                            entry.object
                        ),
                        remedy: Some(
                            "drop it, or give the local account the rights to read it, and apply again".to_owned(),
                        ),
                        next: Next::ApplyAgain, made: false,
                    }));
                }
                self.judge_table(entry, &name, database)?
            }
            _ => self.judge_object(entry, &name, database),
        })
    }

    /// A table must be at one of the states that the plan's own entries lead it through.
    fn judge_table(
        &self,
        entry: &Entry,
        name: &ObjectName,
        database: Option<&Database>,
    ) -> Result<Verdict> {
        let now = database
            .and_then(|database| database.tables.get(&name.name))
            .map(|info| print::fingerprint(&info.table));
        let changes: Vec<&Entry> = self
            .approved
            .plan()
            .entries
            .iter()
            .filter(|other| other.object == entry.object)
            .filter(|other| {
                matches!(
                    other.kind,
                    Kind::CreateTable | Kind::AlterTable | Kind::DropTable
                )
            })
            .collect();
        let mut states = vec![self.local_schema(&entry.object)];
        for change in &changes {
            states
                .push(fingerprint_of(change.after.as_deref()).with_context(|| change.id.clone())?);
        }
        let Some(at) = states.iter().rposition(|state| *state == now) else {
            // Killed between two statements of one of the changes: those before it are done, and executing it tells
            // whether what is left of it leads on from here.
            let begun = changes
                .iter()
                .rposition(|change| self.was_begun(&change.id));
            if let Some(begun) = begun {
                let place = changes.iter().position(|change| change.id == entry.id);
                return Ok(if place.is_some_and(|place| place < begun) {
                    Verdict::Done
                } else {
                    Verdict::ToDo
                });
            }
            return Ok(Verdict::Refused(Reason::stale(match now {
                Some(_) => format!(
                    "the schema of {} changed on local since the plan was made",
                    entry.object
                ),
                None => format!("local has no table {} any more", entry.object),
            })));
        };
        let place = changes.iter().position(|change| change.id == entry.id);
        Ok(match place {
            Some(place) if at > place => Verdict::Done,
            _ => Verdict::ToDo,
        })
    }

    fn judge_object(
        &self,
        entry: &Entry,
        name: &ObjectName,
        database: Option<&Database>,
    ) -> Verdict {
        let now = object_kind(entry.kind)
            .and_then(|kind| database?.objects.get(&(kind, name.name.clone())));
        let text = now.map(|object| &object.create);
        if text == entry.after.as_ref() && now.is_none_or(|object| same_environment(entry, object))
        {
            Verdict::Done
        } else if text == entry.before.as_ref() || text.is_none() && self.was_begun(&entry.id) {
            Verdict::ToDo
        } else {
            Verdict::Refused(Reason::stale(format!(
                "{} changed on local since the plan was made",
                entry.object
            )))
        }
    }

    fn remote_changed(&self, table: &str, remote: Option<&RemoteFingerprints>) -> Option<Reason> {
        let planned = self
            .approved
            .plan()
            .tables
            .iter()
            .find(|planned| planned.table == table)?;
        let now = remote?.get(table)?;
        (*now != planned.remote_schema).then(|| {
            Reason::stale(format!(
                "the schema of {table} changed on production since the plan was made"
            ))
        })
    }

    fn local_schema(&self, table: &str) -> Option<String> {
        self.approved
            .plan()
            .tables
            .iter()
            .find(|planned| planned.table == table)
            .and_then(|planned| planned.local_schema.clone())
    }

    fn missing_dependency(
        &self,
        entry: &Entry,
        verdicts: &BTreeMap<String, Verdict>,
    ) -> Option<Reason> {
        entry
            .depends_on
            .iter()
            .find_map(|id| match verdicts.get(id) {
                Some(Verdict::ToDo | Verdict::Done) => None,
                Some(Verdict::Refused(first)) => Some(first.of_what_waits(id, "was refused")),
                None if self.approved.wants(id) => None,
                None => Some(Reason {
                    what: format!("it depends on {id}, which is not approved"),
                    remedy: Some("approve that too, and apply again".to_owned()),
                    next: Next::ApplyAgain,
                    made: false,
                }),
            })
    }
}

/// A database must have the defaults that the entry changes, or those that it sets.
fn judge_database(entry: &Entry, database: Option<&Database>) -> Verdict {
    let now = database.map(|now| print::database(false, &now.name, &now.charset, &now.collation));
    if now == entry.after {
        Verdict::Done
    } else if now == entry.before {
        Verdict::ToDo
    } else {
        Verdict::Refused(Reason::stale(format!(
            "the defaults of {} changed on local since the plan was made",
            entry.object
        )))
    }
}

/// Returns the text of an entry's object (or database) as it is now; `None` when it is not there.
///
/// # Errors
/// What the server says.
pub(super) fn text_now(
    local: &mut LocalSession,
    entry: &Entry,
    name: &ObjectName,
) -> Result<Option<String>> {
    let mut databases = introspect::databases(local, std::slice::from_ref(&name.database))?;
    let Some(mut database) = databases.pop().filter(|database| database.exists) else {
        return Ok(None);
    };
    Ok(match object_kind(entry.kind) {
        Some(kind) => database
            .objects
            .remove(&(kind, name.name.clone()))
            .map(|object| object.create),
        None => Some(print::database(
            false,
            &database.name,
            &database.charset,
            &database.collation,
        )),
    })
}

pub(super) fn same_server(plan: &Plan, local: &LocalSession) -> Result<()> {
    let now = &local.server().identity;
    if plan.local.identity == plan.remote.identity {
        return Err(Refusal::new(
            "the plan's local server is its remote server: driftwarden never writes to production",
            "make the plan again against a local server",
        )
        .into());
    }
    if *now == plan.remote.identity {
        return Err(Refusal::new(
            "the local server of the config is the production server that the plan was read from",
            "correct `local` in the config: driftwarden never writes to production",
        )
        .into());
    }
    if *now != plan.local.identity {
        return Err(Refusal::new(
            format!(
                "the plan was made for another local server ({})",
                plan.local.server
            ),
            "apply it where it was made for, or make a new plan with `driftwarden plan`",
        )
        .into());
    }
    Ok(())
}

fn read_local(plan: &Plan, local: &mut LocalSession) -> Result<BTreeMap<String, Database>> {
    let mut names = BTreeSet::new();
    for entry in &plan.entries {
        names.insert(object_of(entry)?.database);
    }
    let allowed: BTreeSet<&str> = plan
        .scope
        .databases
        .iter()
        .map(|pair| pair.local.as_str())
        .collect();
    if let Some(stranger) = names.iter().find(|name| !allowed.contains(name.as_str())) {
        return Err(Refusal::new(
            format!("the plan changes the database {stranger}, which is not in its scope"),
            "the plan was changed by hand: make a new plan with `driftwarden plan`",
        )
        .into());
    }
    let names: Vec<String> = names.into_iter().collect();
    let step = "reading the local schema";
    let databases = local
        .again(step, |local| introspect::databases(local, &names))
        .context(step)?;
    Ok(names.into_iter().zip(databases).collect())
}

pub(super) fn fingerprint_of(text: Option<&str>) -> Result<Option<String>> {
    text.map(|text| {
        parse::table(text)
            .map(|table| print::fingerprint(&table))
            .map_err(|error| anyhow!("{error}"))
    })
    .transpose()
}

pub(super) fn object_kind(kind: Kind) -> Option<ObjectKind> {
    Some(match kind {
        Kind::CreateView | Kind::AlterView | Kind::DropView => ObjectKind::View,
        Kind::CreateTrigger | Kind::AlterTrigger | Kind::DropTrigger => ObjectKind::Trigger,
        Kind::CreateProcedure | Kind::AlterProcedure | Kind::DropProcedure => ObjectKind::Procedure,
        Kind::CreateFunction | Kind::AlterFunction | Kind::DropFunction => ObjectKind::Function,
        Kind::CreateEvent | Kind::AlterEvent | Kind::DropEvent => ObjectKind::Event,
        _ => return None,
    })
}

/// Whether an object was created under the settings that an entry wants.
pub(super) fn same_environment(entry: &Entry, object: &Object) -> bool {
    let modes = |text: &str| -> BTreeSet<String> {
        text.split(',')
            .filter(|mode| !mode.is_empty())
            .map(str::to_uppercase)
            .collect()
    };
    entry.environment.as_ref().is_none_or(|environment| {
        modes(&environment.sql_mode) == modes(&object.sql_mode)
            && environment.character_set_client == object.charset_client
            && environment.collation_connection == object.collation_connection
            && environment.time_zone == object.time_zone
    })
}
