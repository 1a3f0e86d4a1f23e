//! Proves DDL in a scratch schema on the local server.
//!
//! Remote's table is created there, and read as local prints it; local's table is created there, taken through its
//! change statement by statement, and must then be the same. A change that does not prove is a [`Failure`] with both
//! texts, never a guess. The scratch schema goes on every way out; what a killed run left goes at the next start. Must
//! never touch any other schema.

mod keys;
mod rows;
mod views;

pub use keys::{KeyProposal, RefusedKey, refused_keys};
pub use views::views_as_local_prints;

use crate::connect::{LocalSession, Reader, ServerError};
use crate::diff::clause;
use crate::diff::schema::TableDiff;
use crate::refusal;
use crate::retry;
use crate::schema::table::Table;
use crate::schema::{ObjectName, Vendor, parse, print};
use crate::sql::read::ServerQuestion;
use crate::sql::{Read, ident};
use anyhow::{Context, Result, bail};
use similar::TextDiff;
use std::collections::BTreeMap;
use std::fmt;

/// How often a change is made again from what the server printed before it must repeat itself.
const ROUNDS: usize = 4;

/// Why a table's change could not be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, and where the two tables still differ.
    pub reason: String,
    /// Columns, by lower-case name, whose local values do not convert to their new type, where that is all that stands
    /// in the way.
    pub unconverted: Vec<String>,
}

impl Failure {
    fn new(reason: String) -> Self {
        Self {
            reason,
            unconverted: Vec::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A change to be proven.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The table, under its local name.
    pub name: &'a ObjectName,
    /// The table before.
    pub local: &'a Table,
    /// The table that the change leads to, as the local server prints it.
    pub remote: &'a Table,
    /// The change.
    pub diff: &'a TableDiff,
}

/// A new table that is created without some of its indexes.
#[derive(Debug, Clone, Copy)]
pub struct Deferral<'a> {
    /// The table, under its local name.
    pub name: &'a ObjectName,
    /// As it is created.
    pub bare: &'a Table,
    /// As it is once all indexes and foreign keys are there, as the local server prints it.
    pub whole: &'a Table,
}

/// Proves changes, one after the other. Each comes back with its tables as the local server prints them after each
/// phase, or with what stands against it.
///
/// # Errors
/// When no scratch schema can be made, or the connection breaks.
pub fn prove(
    session: &mut LocalSession,
    proposals: &[Proposal<'_>],
) -> Result<BTreeMap<ObjectName, Result<TableDiff, Failure>>> {
    let mut proven = BTreeMap::new();
    if proposals.is_empty() {
        return Ok(proven);
    }
    let mut scratch = Scratch::open(session)?;
    for proposal in proposals {
        let mut answer = scratch
            .prove(proposal.local, proposal.remote, proposal.diff)
            .with_context(|| format!("proving the change of {}", proposal.name))?;
        if let Ok(diff) = &answer {
            let stands = scratch
                .try_rows(proposal.name, proposal.local, diff)
                .with_context(|| format!("trying the change of {} on its rows", proposal.name))?;
            answer = stands.map_or(answer, Err);
        }
        proven.insert(proposal.name.clone(), answer);
    }
    Ok(proven)
}

/// Returns remote's tables as the local server prints them.
///
/// # Errors
/// When no scratch schema can be made, or the connection breaks.
pub fn as_local_prints(
    session: &mut LocalSession,
    tables: &[(ObjectName, Table)],
) -> Result<BTreeMap<ObjectName, Result<Table, Failure>>> {
    let mut printed = BTreeMap::new();
    if tables.is_empty() {
        return Ok(printed);
    }
    let mut scratch = Scratch::open(session)?;
    for (name, table) in tables {
        let answer = scratch
            .as_local_prints(table)
            .with_context(|| format!("proving {name}"))?;
        printed.insert(name.clone(), answer);
    }
    Ok(printed)
}

/// Creates new tables without the indexes that wait, adds those, and returns the tables that then are not as they
/// should be.
///
/// # Errors
/// When no scratch schema can be made, or the connection breaks.
pub fn indexes_added_later(
    session: &mut LocalSession,
    deferrals: &[Deferral<'_>],
) -> Result<Vec<ObjectName>> {
    let mut stuck = Vec::new();
    if deferrals.is_empty() {
        return Ok(stuck);
    }
    let mut scratch = Scratch::open(session)?;
    for deferral in deferrals {
        let stands = scratch
            .adds_up(deferral)
            .with_context(|| format!("proving the indexes of {}", deferral.name))?;
        if !stands {
            stuck.push(deferral.name.clone());
        }
    }
    Ok(stuck)
}

/// A scratch schema on the local server.
pub struct Scratch<'a> {
    session: &'a mut LocalSession,
    name: String,
    vendor: Vendor,
}

impl<'a> Scratch<'a> {
    /// Creates the schema, after dropping those that killed runs have left behind.
    ///
    /// # Errors
    /// When the local server refuses, for example for want of the privilege to create a schema.
    pub fn open(session: &'a mut LocalSession) -> Result<Self> {
        drop_leftovers(session)?;
        let rows = session.rows(&Read::Server(ServerQuestion::ConnectionId))?;
        let connection = rows
            .first()
            .and_then(|row| text(row, 0))
            .unwrap_or_default();
        let name = format!("driftwarden_scratch_{}_{connection}", std::process::id());
        // Another run that found the schema before this one (of the same connection) was dropped holds its name to drop it.
        if session.lock_patiently(&name)?.is_some() {
            bail!("the name {name} is taken on the local server");
        }
        session
            .execute(&format!("CREATE DATABASE {}", ident(&name)))
            .with_context(|| {
                format!("creating the schema {name} on local, in which changes are proven")
            })?;
        let vendor = session.server().vendor;
        Ok(Self {
            session,
            name,
            vendor,
        })
    }

    /// Returns the schema's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates a table to hold rows for a while, with its foreign keys leading nowhere; returns its name, or why local
    /// cannot hold it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn hold(&mut self, table: &Table) -> Result<Result<ObjectName, Failure>> {
        let hidden = hide_references(table);
        Ok(match self.create(&hidden)? {
            Some(failure) => Err(failure),
            None => Ok(ObjectName::new(&self.name, &hidden.name)),
        })
    }

    /// Drops a table of [`Scratch::hold`].
    ///
    /// # Errors
    /// When the server does not drop it.
    pub fn let_go(&mut self, name: &ObjectName) -> Result<()> {
        self.drop_table(&name.name)
    }

    /// Returns the session, for rows of tables that are held.
    pub fn session(&mut self) -> &mut LocalSession {
        self.session
    }

    /// Returns remote's table as the local server prints it, or why local cannot hold it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn as_local_prints(&mut self, remote: &Table) -> Result<Result<Table, Failure>> {
        let hidden = hide_references(remote);
        if let Some(failure) = self.create(&hidden)? {
            return Ok(Err(failure));
        }
        let shown = self.show(&hidden.name)?;
        self.drop_table(&hidden.name)?;
        Ok(shown.map(|table| restore_references(table, remote)))
    }

    /// Takes local's table through its change. Returns the change with each phase's table as the server prints it, so
    /// that its statements can be made again from those texts. Where a table in between cannot exist, the change is
    /// tried with more haste; a failure is that of the first attempt.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn prove(
        &mut self,
        local: &Table,
        remote: &Table,
        diff: &TableDiff,
    ) -> Result<Result<TableDiff, Failure>> {
        let first = self.attempt(local, remote, diff)?;
        let mut hastier = diff.hastier().filter(|_| first.is_err());
        while let Some(diff) = hastier {
            let answer = self.attempt(local, remote, &diff)?;
            if answer.is_ok() {
                return Ok(answer);
            }
            hastier = diff.hastier();
        }
        Ok(first)
    }

    fn attempt(
        &mut self,
        local: &Table,
        remote: &Table,
        diff: &TableDiff,
    ) -> Result<Result<TableDiff, Failure>> {
        let mut diff = diff.clone();
        let (mut rounds, mut mended) = (0, false);
        while rounds < ROUNDS {
            rounds += 1;
            let tables = match self.walk(local, &diff)? {
                Ok(tables) => tables,
                Err(failure) => return Ok(Err(failure)),
            };
            let again = diff.with_tables(&tables);
            let repeats = again.sql("x") == diff.sql("x");
            diff = again;
            if repeats {
                let last = tables.last().unwrap_or(local);
                let Some(failure) = remaining(last, remote, self.vendor) else {
                    return Ok(Ok(diff));
                };
                match diff.with_rest(last).filter(|_| !mended) {
                    Some(more) => (diff, rounds, mended) = (more, 0, true),
                    None => return Ok(Err(failure)),
                }
            }
        }
        Ok(Err(Failure::new(
            "the change does not come to rest: the local server prints the table anew each time"
                .to_owned(),
        )))
    }

    /// Creates local's table and executes the phases. Returns the table after each.
    fn walk(&mut self, local: &Table, diff: &TableDiff) -> Result<Result<Vec<Table>, Failure>> {
        let name = &local.name;
        if let Some(failure) = self.create(&hide_references(local))? {
            return Ok(Err(failure));
        }
        let mut tables = Vec::new();
        for phase in &diff.phases {
            let hidden = phase.hiding(hide_references, self.vendor);
            for statement in &hidden {
                let sql = clause::render(&self.name, name, statement);
                if let Some(failure) = self.try_execute(&sql)? {
                    self.drop_table(name)?;
                    return Ok(Err(failure));
                }
            }
            match self.show(name)? {
                Ok(table) => tables.push(restore_references(table, &phase.after)),
                Err(failure) => {
                    self.drop_table(name)?;
                    return Ok(Err(failure));
                }
            }
        }
        self.drop_table(name)?;
        Ok(Ok(tables))
    }

    /// Whether a table created without some indexes is the whole one once those are added, as it was printed created at
    /// once.
    fn adds_up(&mut self, deferral: &Deferral<'_>) -> Result<bool> {
        let (bare, whole) = (deferral.bare, hide_references(deferral.whole));
        if self.create(bare)?.is_some() {
            return Ok(false);
        }
        let mut refused = false;
        for statement in clause::alter(bare, &whole, self.vendor) {
            let sql = clause::render(&self.name, &bare.name, &statement);
            refused |= self.try_execute(&sql)?.is_some();
        }
        let shown = self.show(&bare.name)?;
        self.drop_table(&bare.name)?;
        Ok(!refused
            && shown.is_ok_and(|table| print::fingerprint(&table) == print::fingerprint(&whole)))
    }

    fn create(&mut self, table: &Table) -> Result<Option<Failure>> {
        self.try_execute(&print::create_table_in(&self.name, table))
    }

    fn drop_table(&mut self, name: &str) -> Result<()> {
        self.session
            .execute(&print::drop_table(&self.name, name))
            .map(drop)
            .with_context(|| format!("dropping {name} in the scratch schema {}", self.name))
    }

    fn show(&mut self, name: &str) -> Result<Result<Table, Failure>> {
        let read = Read::ShowCreateTables(vec![ObjectName::new(&self.name, name)]);
        let rows = self
            .session
            .rows(&read)
            .with_context(|| format!("reading {name} in the scratch schema {}", self.name))?;
        let Some(create) = rows.first().and_then(|row| text(row, 1)) else {
            bail!(
                "the local server does not show {name} in the scratch schema {}",
                self.name
            );
        };
        Ok(parse::table(&create).map_err(|error| Failure::new(error.to_string())))
    }

    /// Executes a statement; what the server has against it is a failure, a broken connection an error.
    fn try_execute(&mut self, sql: &str) -> Result<Option<Failure>> {
        match self.session.change_schema(sql, false) {
            Ok(_) => Ok(None),
            // A killed query, a lock wait, a server that shuts down say nothing about the statement.
            Err(error) if retry::broke(&error) => Err(error),
            Err(error) => match refusal::find::<ServerError>(&error) {
                Some(server) => Ok(Some(Failure::new(format!(
                    "the local server refuses it: {} (error {}) at\n{}",
                    server
                        .message
                        .replace(&format!("{}.", ident(&self.name)), ""),
                    server.code,
                    sql.replace(&format!("{}.", ident(&self.name)), "")
                )))),
                None => Err(error),
            },
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // A schema that cannot be dropped now is a leftover, which the next start drops.
        let sql = format!("DROP DATABASE IF EXISTS {}", ident(&self.name));
        if self.session.execute(&sql).is_err() && self.session.renew().is_ok() {
            drop(self.session.execute(&sql));
        }
        drop(self.session.unlock(&self.name));
    }
}

/// Drops scratch schemas whose run is gone: a live run holds the lock of its schema's name.
fn drop_leftovers(session: &mut LocalSession) -> Result<()> {
    let rows = session.rows(&Read::Server(ServerQuestion::ScratchSchemas))?;
    for name in rows.iter().filter_map(|row| text(row, 0)) {
        if session.lock(&name)?.is_none() {
            let dropped = session.execute(&format!("DROP DATABASE IF EXISTS {}", ident(&name)));
            session.unlock(&name)?;
            dropped.with_context(|| {
                format!("dropping {name}, which an interrupted run left on local")
            })?;
        }
    }
    Ok(())
}

fn remaining(last: &Table, remote: &Table, vendor: Vendor) -> Option<Failure> {
    let mut wanted = remote.clone();
    wanted.name.clone_from(&last.name);
    let left = clause::alter(last, &wanted, vendor);
    if left.is_empty() {
        return None;
    }
    let (reached, wanted) = (print::create_table(last), print::create_table(&wanted));
    let difference = TextDiff::from_lines(&reached, &wanted)
        .unified_diff()
        .context_radius(0)
        .header("reached", "remote")
        .to_string();
    Some(Failure::new(format!(
        "the change does not reach remote's table:\n{difference}"
    )))
}

/// Points foreign keys at tables that do not exist, so that a table is proven alone, whatever else the schema holds.
fn hide_references(table: &Table) -> Table {
    let mut hidden = table.clone();
    for key in &mut hidden.foreign_keys {
        let to_itself = key.referenced_database.is_none()
            && key.referenced_table.eq_ignore_ascii_case(&table.name);
        if !to_itself {
            key.referenced_database = None;
            HIDDEN_PARENT.clone_into(&mut key.referenced_table);
        }
    }
    hidden
}

const HIDDEN_PARENT: &str = "driftwarden hidden parent";

fn restore_references(mut table: Table, original: &Table) -> Table {
    let keys: BTreeMap<String, _> = original
        .foreign_keys
        .iter()
        .map(|key| (key.name.to_lowercase(), key))
        .collect();
    for key in &mut table.foreign_keys {
        if let Some(original) = keys.get(&key.name.to_lowercase())
            && key.referenced_table == HIDDEN_PARENT
        {
            key.referenced_database
                .clone_from(&original.referenced_database);
            key.referenced_table.clone_from(&original.referenced_table);
        }
    }
    table
}

fn text(row: &[crate::value::Cell], position: usize) -> Option<String> {
    row.get(position)?
        .as_ref()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
