//! The tables between local's and remote's: as the rows find it (expanded), and before anything is lost (constrained).
//!
//! The expanded table takes local's stale rows and remote's new ones at once: every column that either has, types that
//! hold both, no constraint that either could violate. Must never drop what could wait.

mod columns;
mod computed;
mod indexes;
mod partitions;

use super::types::{fits, set_reordered};
use super::{Haste, Phase, Surroundings};
use crate::diff::clause::{mentions, recreated};
use crate::schema::Vendor;
use crate::schema::table::{Check, ForeignKey, Index, IndexKind, Table};
use columns::{Course, courses};
use computed::Turns;
use indexes::{drop_unsupported_keys, keep_supporting_indexes, settle_primary_key_columns};
use std::collections::{BTreeMap, BTreeSet};

/// The tables in between.
pub(crate) struct Stages {
    /// Without the foreign keys that changes at either end would break.
    pub(crate) detached: Table,
    /// As the rows find it.
    pub(crate) expanded: Table,
    /// With remote's constraints, and still all of local's data.
    pub(crate) constrained: Table,
    /// With the foreign keys that waited for other tables' constraints.
    pub(crate) attached: Table,
    /// Remote's, but for foreign keys that wait for other tables' last changes.
    pub(crate) contracted: Table,
}

/// Returns the tables in between.
pub(crate) fn stages(
    local: &Table,
    remote: &Table,
    vendor: Vendor,
    surroundings: &Surroundings,
) -> Stages {
    Builder {
        local,
        remote,
        rows_change: surroundings.rows_change,
        moved: &surroundings.moved_keys,
        moved_checks: &surroundings.moved_checks,
        ready: &surroundings.ready,
        haste: surroundings.haste,
        courses: courses(local, remote, surroundings.rows_change, vendor),
        computed: computed::turns(local, remote, surroundings),
    }
    .build()
}

/// Returns local's table without columns that are to be replaced, and without what hangs on them.
pub(crate) fn without(local: &Table, replaced: &BTreeSet<String>) -> Table {
    let mut table = local.clone();
    if replaced.is_empty() {
        return table;
    }
    let mut gone = replaced.clone();
    loop {
        let known = gone.len();
        for column in &local.columns {
            if let Some(generated) = &column.generated
                && gone
                    .iter()
                    .any(|name| mentions(&generated.expression, name))
            {
                gone.insert(column.name.to_lowercase());
            }
        }
        if gone.len() == known {
            break;
        }
    }
    let free = |expression: &str| !gone.iter().any(|name| mentions(expression, name));
    let keeps = |name: &String| !gone.contains(&name.to_lowercase());
    table
        .columns
        .retain(|column| !gone.contains(&column.name.to_lowercase()));
    table.indexes.retain(|index| {
        index.parts.iter().all(|part| {
            part.column.as_ref().is_none_or(keeps) && part.expression.as_deref().is_none_or(free)
        })
    });
    for column in &mut table.columns {
        let indexed = table.indexes.iter().any(|index| {
            index.parts.first().is_some_and(|part| {
                part.column
                    .as_ref()
                    .is_some_and(|name| name.eq_ignore_ascii_case(&column.name))
            })
        });
        column.auto_increment &= indexed;
    }
    table.checks.retain(|check| free(&check.expression));
    table
        .foreign_keys
        .retain(|key| key.columns.iter().all(keeps));
    drop_unsupported_keys(&mut table);
    if table
        .partitioning
        .as_deref()
        .is_some_and(|clause| gone.iter().any(|name| clause.to_lowercase().contains(name)))
    {
        table.partitioning = None;
    }
    table
}

/// See [`super::unsettled_columns`].
pub(crate) fn unsettled(
    local: &Table,
    remote: &Table,
    rows_change: bool,
    vendor: Vendor,
) -> BTreeMap<String, Phase> {
    let courses = courses(local, remote, rows_change, vendor);
    let mut unsettled: BTreeMap<String, Phase> = BTreeMap::new();
    let mut mark = |name: &str, phase: Phase| {
        let known = unsettled.entry(name.to_lowercase()).or_insert(phase);
        *known = (*known).max(phase);
    };
    for column in &remote.columns {
        let Some(own) = local.column(&column.name) else {
            continue;
        };
        let felt = own.data_type != column.data_type
            || own.charset != column.charset
            || own.collation != column.collation
            || recreated(own, column);
        if felt {
            mark(
                &column.name,
                match courses.get(&column.name.to_lowercase()) {
                    Some(Course::Late(_)) => Phase::Contract,
                    _ => Phase::Expand,
                },
            );
        }
    }
    // No server partitions a table that foreign keys refer to.
    let partitioned = local.partitioning.is_none() && remote.partitioning.is_some();
    if engine_changes(local, remote) || partitioned {
        for column in &local.columns {
            mark(&column.name, Phase::Expand);
        }
    }
    for index in &local.indexes {
        let unique = matches!(index.kind, IndexKind::Unique | IndexKind::Primary);
        if unique && !remote.indexes.contains(index) {
            for part in index.parts.iter().filter_map(|part| part.column.as_ref()) {
                mark(part, Phase::Constrain);
            }
        }
    }
    unsettled
}

/// See [`super::converts_before_rows`].
pub(crate) fn converts_early(local: &Table, remote: &Table, name: &str) -> bool {
    let both = local.column(name).zip(remote.column(name));
    both.is_some_and(|(own, column)| {
        if set_reordered(own, column) {
            return true;
        }
        own.generated.is_none()
            && column.generated.is_none()
            && !fits(own, column)
            && [Vendor::MySql, Vendor::MariaDb].into_iter().any(|vendor| {
                let courses = courses(local, remote, true, vendor);
                courses.get(&name.to_lowercase()) == Some(&Course::Early)
            })
    })
}

/// No server takes a table with foreign keys, its own or others' to it, to another engine.
fn engine_changes(local: &Table, remote: &Table) -> bool {
    local.options.get("ENGINE") != remote.options.get("ENGINE")
}

struct Builder<'a> {
    local: &'a Table,
    remote: &'a Table,
    rows_change: bool,
    moved: &'a BTreeSet<String>,
    moved_checks: &'a BTreeSet<String>,
    ready: &'a BTreeMap<String, Phase>,
    haste: Haste,
    courses: BTreeMap<String, Course>,
    computed: Turns,
}

impl Builder<'_> {
    fn build(self) -> Stages {
        let mut detached = Table {
            foreign_keys: self.keys_that_stay(),
            ..self.local.clone()
        };
        detached
            .checks
            .retain(|check| !self.moved_checks.contains(&check.name.to_lowercase()));
        if self.haste == Haste::AtOnce {
            return self.at_once(detached);
        }
        let mut expanded = Table {
            name: self.local.name.clone(),
            options: self.remote.options.clone(),
            ..Table::default()
        };
        self.expand_columns(&mut expanded);
        self.expand_indexes(&mut expanded);
        settle_primary_key_columns(&mut expanded);
        expanded.checks = self.checks_of_expanded();
        expanded.foreign_keys = detached
            .foreign_keys
            .iter()
            .filter(|key| self.remote.foreign_keys.contains(key) || !self.rows_change)
            .cloned()
            .collect();
        expanded.partitioning = self.partitioning_of_expanded(&expanded);
        if expanded.partitioning.is_some() {
            expanded.foreign_keys.clear();
        }
        keep_supporting_indexes(&mut expanded, self.local);
        let mut constrained = self.constrain(&expanded);
        constrained.foreign_keys = self.keys_of(&expanded.foreign_keys, Phase::Constrain);
        drop_unsupported_keys(&mut constrained);
        self.constrain_partitioning(&mut constrained);
        if !self.rows_change {
            // Nothing comes in between; only foreign keys wait for the tables that they refer to.
            let mut merged = constrained.clone();
            merged.foreign_keys = self.keys_of(&expanded.foreign_keys, Phase::Expand);
            drop_unsupported_keys(&mut merged);
            if merged.partitioning.is_some() {
                merged.foreign_keys.clear();
            }
            expanded = merged;
        }
        let mut attached = constrained.clone();
        if attached.partitioning.is_none() {
            attached.foreign_keys = self.keys_of(&constrained.foreign_keys, Phase::Attach);
        }
        let contracted = Table {
            foreign_keys: self
                .remote
                .foreign_keys
                .iter()
                .filter(|key| {
                    attached.foreign_keys.contains(key) || self.attached_in(key) < Phase::Reattach
                })
                .cloned()
                .collect(),
            ..self.remote.clone()
        };
        Stages {
            detached,
            expanded,
            constrained,
            attached,
            contracted,
        }
    }

    /// Everything in the expand phase but foreign keys that wait for other tables.
    fn at_once(&self, detached: Table) -> Stages {
        let until = |phase: Phase| Table {
            foreign_keys: self
                .remote
                .foreign_keys
                .iter()
                .filter(|key| {
                    detached.foreign_keys.contains(key)
                        || self.ready_phase(key).unwrap_or(Phase::Expand) <= phase
                })
                .cloned()
                .collect(),
            ..self.remote.clone()
        };
        Stages {
            expanded: until(Phase::Expand),
            constrained: until(Phase::Constrain),
            attached: until(Phase::Attach),
            contracted: until(Phase::Contract),
            detached,
        }
    }

    /// The phase in which a foreign key is added because of the table that it refers to.
    fn ready_phase(&self, key: &ForeignKey) -> Option<Phase> {
        Some(match self.ready.get(&key.name.to_lowercase())? {
            Phase::Detach | Phase::Replace | Phase::Expand => Phase::Constrain,
            Phase::Constrain | Phase::Attach => Phase::Attach,
            Phase::Contract | Phase::Reattach => Phase::Reattach,
        })
    }

    /// The phase in which a foreign key of remote's is added.
    fn attached_in(&self, key: &ForeignKey) -> Phase {
        if key.columns.iter().any(|name| self.is_late(name)) {
            return Phase::Reattach;
        }
        self.ready_phase(key).unwrap_or(Phase::Expand)
    }

    /// The foreign keys after a phase: those before it, and those of remote's whose time has come.
    fn keys_of(&self, before: &[ForeignKey], phase: Phase) -> Vec<ForeignKey> {
        let mut keys: Vec<ForeignKey> = self
            .remote
            .foreign_keys
            .iter()
            .filter(|key| before.contains(key) || self.attached_in(key) <= phase)
            .cloned()
            .collect();
        for key in before {
            if !keys
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&key.name))
            {
                keys.push(key.clone());
            }
        }
        keys
    }

    fn is_late(&self, name: &str) -> bool {
        matches!(
            self.courses.get(&name.to_lowercase()),
            Some(Course::Late(_))
        )
    }

    fn keys_that_stay(&self) -> Vec<ForeignKey> {
        self.local
            .foreign_keys
            .iter()
            .filter(|key| {
                !self.moved.contains(&key.name.to_lowercase()) && !self.own_columns_change(key)
            })
            .cloned()
            .collect()
    }

    /// Whether the referencing columns themselves change, or become such that the key cannot stay.
    fn own_columns_change(&self, key: &ForeignKey) -> bool {
        engine_changes(self.local, self.remote)
            || key.columns.iter().any(|name| {
                match (self.local.column(name), self.remote.column(name)) {
                    (Some(own), Some(other)) => {
                        own.data_type != other.data_type
                            || own.charset != other.charset
                            || own.collation != other.collation
                            || recreated(own, other)
                    }
                    _ => false,
                }
            })
    }

    /// Checks that both have, and where no rows come in between those of local's that are in no one's way; in local's
    /// order, which is dear to change.
    fn checks_of_expanded(&self) -> Vec<Check> {
        let keeps_more = !self.rows_change && self.haste == Haste::None;
        let remote = &self.remote.checks;
        let stays = |check: &&Check| {
            let name_is_free = || {
                !self.moved_checks.contains(&check.name.to_lowercase())
                    && !remote
                        .iter()
                        .any(|other| other.name.eq_ignore_ascii_case(&check.name))
            };
            remote.contains(check) || (keeps_more && name_is_free())
        };
        self.local.checks.iter().filter(stays).cloned().collect()
    }

    fn constrain(&self, expanded: &Table) -> Table {
        let mut constrained = expanded.clone();
        for column in &mut constrained.columns {
            if let Some(remote) = self.remote.column(&column.name)
                && !self.is_late(&column.name)
            {
                *column = remote.clone();
            }
        }
        self.add_computed(&mut constrained);
        self.constrain_indexes(&mut constrained);
        settle_primary_key_columns(&mut constrained);
        let late = |expression: &str| {
            self.remote
                .columns
                .iter()
                .any(|column| self.is_late(&column.name) && mentions(expression, &column.name))
        };
        let mut checks: Vec<Check> = Vec::new();
        for check in &self.remote.checks {
            if expanded.checks.contains(check) || !late(&check.expression) {
                checks.push(check.clone());
            }
        }
        for check in &expanded.checks {
            if !checks
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&check.name))
            {
                checks.push(check.clone());
            }
        }
        constrained.checks = checks;

        constrained
    }

    fn constrain_partitioning(&self, constrained: &mut Table) {
        let remote_only = |indexes: &[Index]| {
            indexes
                .iter()
                .filter(|index| matches!(index.kind, IndexKind::Primary | IndexKind::Unique))
                .all(|index| self.remote.indexes.contains(index))
        };
        if remote_only(&constrained.indexes) && self.partition_columns_settled() {
            constrained
                .partitioning
                .clone_from(&self.remote.partitioning);
            if constrained.partitioning.is_some() {
                constrained
                    .foreign_keys
                    .retain(|key| self.remote.foreign_keys.contains(key));
            }
        }
    }
}
