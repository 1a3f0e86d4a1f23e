//! Partitioning of the tables in between.
//!
//! Local's stale rows and remote's new ones must both have a partition to go to; where no clause offers that, the
//! table is not partitioned while the rows change.

use super::Builder;
use crate::diff::clause::partitions;
use crate::schema::table::{IndexKind, Table};

impl Builder<'_> {
    pub(super) fn partition_columns_settled(&self) -> bool {
        self.remote.partitioning.as_deref().is_none_or(|clause| {
            !self.remote.columns.iter().any(|column| {
                self.is_late(&column.name)
                    && clause.to_lowercase().contains(&column.name.to_lowercase())
            })
        })
    }

    pub(super) fn partitioning_of_expanded(&self, expanded: &Table) -> Option<String> {
        let (own, wanted) = (&self.local.partitioning, &self.remote.partitioning);
        if own == wanted {
            return own.clone();
        }
        let wanted_text = wanted.as_deref()?;
        let fits_now = self.partition_columns_settled()
            && expanded.indexes.iter().all(|index| {
                !matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
                    || self.remote.indexes.contains(index)
            });
        let appended = own
            .as_deref()
            .is_some_and(|own| partitions::added(own, wanted_text).is_some());
        let takes_all = !self.rows_change || appended || partitions::takes_every_row(wanted_text);
        if fits_now && takes_all {
            wanted.clone()
        } else if own.as_deref().is_some_and(|own| {
            !self.rows_change
                || partitions::takes_every_row(own)
                || partitions::added(wanted_text, own).is_some()
        }) && expanded.indexes == self.local.indexes
        {
            own.clone()
        } else {
            None
        }
    }
}
