//! The difference of two tables as phases: what must happen before the rows, after them, and last.
//!
//! The phases are models in between: each is a whole table, and the statements lead from one to the next. A rename is
//! never guessed: it is drop and add, and says so. Must never talk to a server.

pub mod demand;
mod risk;
mod rows;
mod stages;
pub(crate) mod types;

#[cfg(test)]
mod tests;

pub use rows::{keeps_values, takes_rows_of};
pub use types::fits;

use super::clause::{self, Statement};
use crate::schema::Vendor;
use crate::schema::table::{ForeignKey, Table};
use std::collections::{BTreeMap, BTreeSet};

/// The part of a table's change that a [`PhaseDiff`] is, in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before `Expand`: takes down foreign keys that would hold up a change of the columns at either end, and
    /// constraints whose names other tables are to have.
    Detach,
    /// Before `Expand`: drops columns whose values do not convert, to be added as new ones.
    Replace,
    /// Before the rows.
    Expand,
    /// After the rows.
    Constrain,
    /// After the constrain phases of this and other tables: foreign keys that rest on what those have added.
    Attach,
    /// Last: what loses data or objects.
    Contract,
    /// After the contract phases of this and other tables: foreign keys over columns that those have changed, and what
    /// the server left otherwise than it was told.
    Reattach,
}

/// What is done earlier than it could wait, where a table in between cannot exist (its rows would be too long, say).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// Nothing.
    #[default]
    None,
    /// Columns that only local has go in the expand phase.
    Drops,
    /// The expand phase does everything.
    AtOnce,
}

/// What the change of one table depends on besides the table itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether rows of the table change between `Expand` and `Constrain`.
    pub rows_change: bool,
    /// Foreign keys of local's, by lower-case name, whose referenced side changes under them, or whose name another
    /// table is to have: they are taken down first.
    pub moved_keys: BTreeSet<String>,
    /// Checks of local's, by lower-case name, whose name another table is to have.
    pub moved_checks: BTreeSet<String>,
    /// Foreign keys of remote's, by lower-case name, with the phase after which their referenced side is as it will
    /// be; one that is not named here finds it so.
    pub ready: BTreeMap<String, Phase>,
    /// What cannot wait.
    pub haste: Haste,
    /// Whether the rows, once changed, are production's and no other: what they are computed to can be had then.
    pub exact: bool,
    /// Columns, by lower-case name, whose local values do not convert to remote's type: they are dropped, and added
    /// with remote's type, before the rows bring the values.
    pub replaced: BTreeSet<String>,
}

/// One phase of a table's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseDiff {
    /// Which.
    pub phase: Phase,
    /// The statements, clause by clause.
    pub statements: Vec<Statement>,
    /// The table before this phase.
    pub before: Table,
    /// The table after it.
    pub after: Table,
}

impl PhaseDiff {
    /// Returns the statements' texts.
    pub fn sql(&self, database: &str) -> Vec<String> {
        self.statements
            .iter()
            .map(|statement| clause::render(database, &self.before.name, statement))
            .collect()
    }

    /// Returns the statements as they would be if both tables were as `disguise` makes them.
    pub fn hiding(&self, disguise: impl Fn(&Table) -> Table, vendor: Vendor) -> Vec<Statement> {
        clause::alter(&disguise(&self.before), &disguise(&self.after), vendor)
    }

    /// Returns why something of local's is lost; empty for a safe phase.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = Vec::new();
        for clause in self.statements.iter().flatten() {
            for reason in &clause.reasons {
                if !reasons.contains(reason) {
                    reasons.push(reason.clone());
                }
            }
        }
        reasons
    }
}

/// The change of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDiff {
    /// The phases that have something to do, in order.
    pub phases: Vec<PhaseDiff>,
    /// The table as the rows find it: after `Expand`.
    pub expanded: Table,
    local: Table,
    remote: Table,
    vendor: Vendor,
    surroundings: Surroundings,
}

impl TableDiff {
    /// Returns whether the server cannot tell the two tables apart.
    pub fn is_empty(&self) -> bool {
        self.phases.is_empty()
    }

    /// Returns all statements' texts, phase by phase.
    pub fn sql(&self, database: &str) -> Vec<Vec<String>> {
        self.phases
            .iter()
            .map(|phase| phase.sql(database))
            .collect()
    }

    /// Returns the same change in as few phases as lead there, for a table whose rows do not change.
    #[must_use]
    pub fn merged(&self) -> Self {
        table(
            &self.local,
            &self.remote,
            self.vendor,
            &Surroundings {
                rows_change: false,
                ..self.surroundings.clone()
            },
        )
    }

    /// Returns the phases that local's present rows must go through and could fail in: all of them where no rows change,
    /// otherwise those before the rows. Empty where no row can stand in the way.
    pub fn tried_by_rows(&self) -> Vec<&PhaseDiff> {
        let last = if self.surroundings.rows_change {
            Phase::Expand
        } else {
            Phase::Reattach
        };
        let phases: Vec<&PhaseDiff> = self
            .phases
            .iter()
            .filter(|phase| phase.phase <= last)
            .collect();
        if phases.iter().any(|phase| risk::may_fail(phase)) {
            phases
        } else {
            Vec::new()
        }
    }

    /// Returns the same change with more haste; `None` where there is no more.
    #[must_use]
    pub fn hastier(&self) -> Option<Self> {
        let haste = match self.surroundings.haste {
            Haste::None => Haste::Drops,
            Haste::Drops => Haste::AtOnce,
            Haste::AtOnce => return None,
        };
        let surroundings = Surroundings {
            haste,
            ..self.surroundings.clone()
        };
        Some(table(&self.local, &self.remote, self.vendor, &surroundings))
    }

    /// Returns the diff with a last phase for what the server left otherwise than it was told, such as an option of the
    /// old table that it keeps. `None` where there is such a phase already.
    #[must_use]
    pub fn with_rest(&self, left: &Table) -> Option<Self> {
        if self.phases.last()?.phase == Phase::Reattach {
            return None;
        }
        let rest = phase_diff(
            Phase::Reattach,
            left.clone(),
            self.remote.clone(),
            &self.remote,
            self.vendor,
        );
        if rest.statements.is_empty() {
            return None;
        }
        let mut diff = self.clone();
        diff.phases.push(rest);
        Some(diff)
    }

    /// Returns the diff with the phases' tables as a server printed them, statements and reasons made anew.
    #[must_use]
    pub fn with_tables(&self, after: &[Table]) -> Self {
        let mut diff = self.clone();
        let mut before = self.local.clone();
        for (phase, after) in diff.phases.iter_mut().zip(after) {
            *phase = phase_diff(
                phase.phase,
                before,
                after.clone(),
                &self.remote,
                self.vendor,
            );
            if phase.phase == Phase::Expand {
                diff.expanded = after.clone();
            }
            before = after.clone();
        }
        diff.phases.retain(|phase| !phase.statements.is_empty());
        diff
    }
}

/// Returns the change that makes the local table like the remote one.
pub fn table(
    local: &Table,
    remote: &Table,
    vendor: Vendor,
    surroundings: &Surroundings,
) -> TableDiff {
    let remote = named_like(remote, &local.name);
    let stages = stages::stages(
        &stages::without(local, &surroundings.replaced),
        &remote,
        vendor,
        surroundings,
    );
    let mut phases = Vec::new();
    let mut before = local.clone();
    // Foreign keys alone first, so that those of other tables need not wait for more.
    let mut detached = Table {
        foreign_keys: stages.detached.foreign_keys.clone(),
        ..local.clone()
    };
    detached.checks.retain(|check| {
        !surroundings
            .moved_checks
            .contains(&check.name.to_lowercase())
    });
    for (phase, after) in [
        (Phase::Detach, detached),
        (Phase::Replace, stages.detached),
        (Phase::Expand, stages.expanded.clone()),
        (Phase::Constrain, stages.constrained),
        (Phase::Attach, stages.attached),
        (Phase::Contract, stages.contracted),
        (Phase::Reattach, remote.clone()),
    ] {
        let diff = phase_diff(phase, before.clone(), after.clone(), &remote, vendor);
        if !diff.statements.is_empty() {
            before = after;
            phases.push(diff);
        }
    }
    TableDiff {
        phases,
        expanded: stages.expanded,
        local: local.clone(),
        remote,
        vendor,
        surroundings: surroundings.clone(),
    }
}

/// Returns the statements of a schema entry again from its two tables: exactly those that the plan was made with.
pub fn alter_statements(
    before: &Table,
    after: &Table,
    database: &str,
    vendor: Vendor,
) -> Vec<String> {
    clause::alter(before, after, vendor)
        .iter()
        .map(|statement| clause::render(database, &before.name, statement))
        .collect()
}

/// Returns in which phase each column, by lower-case name, last changes in a way that a foreign key at either end
/// feels: its type, or an index that the key may rest on.
pub fn unsettled_columns(
    local: &Table,
    remote: &Table,
    rows_change: bool,
    vendor: Vendor,
) -> BTreeMap<String, Phase> {
    stages::unsettled(local, remote, rows_change, vendor)
}

/// Returns whether a column of local's is converted to remote's type before the rows, so that its values may not be
/// what they were; in doubt, whichever vendor local is.
pub fn converts_before_rows(local: &Table, remote: &Table, column: &str) -> bool {
    stages::converts_early(local, remote, column)
}

/// Returns whether two foreign keys say the same.
pub fn same_foreign_key(a: &ForeignKey, b: &ForeignKey) -> bool {
    a == b
}

fn phase_diff(
    phase: Phase,
    before: Table,
    after: Table,
    remote: &Table,
    vendor: Vendor,
) -> PhaseDiff {
    let mut statements = clause::alter(&before, &after, vendor);
    for clause in statements.iter_mut().flatten() {
        clause.reasons = risk::reasons(&clause.change, &before, &after, remote);
    }
    PhaseDiff {
        phase,
        statements,
        before,
        after,
    }
}

fn named_like(table: &Table, name: &str) -> Table {
    Table {
        name: name.to_owned(),
        ..table.clone()
    }
}
