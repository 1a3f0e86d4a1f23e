//! Indexes of the tables in between.
//!
//! Uniqueness that local's stale rows may violate waits until the rows are mended; uniqueness that remote's rows may
//! violate goes before them. Must never leave a foreign key or an `AUTO_INCREMENT` column without its index.

use super::Builder;
use super::columns::Course;
use crate::schema::table::{Column, ForeignKey, Index, IndexKind, Table, TypeClass};

fn is_unique(index: &Index) -> bool {
    matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
}

fn column_names(index: &Index) -> Option<Vec<String>> {
    index
        .parts
        .iter()
        .map(|part| part.column.as_ref().map(|name| name.to_lowercase()))
        .collect()
}

fn same_name(a: &Index, b: &Index) -> bool {
    a.name.eq_ignore_ascii_case(&b.name)
}

/// Whether a column can stand in an index without a prefix.
fn is_short(column: &Column) -> bool {
    column.data_type.class().is_some_and(|class| {
        !matches!(
            class,
            TypeClass::LongText | TypeClass::Blob | TypeClass::Json | TypeClass::Geometry
        )
    })
}

/// Whether the first index being unique makes the second unique too.
fn implies(first: &Index, second: &Index) -> bool {
    is_unique(first)
        && match (column_names(first), column_names(second)) {
            (Some(some), Some(all)) => {
                some.iter().all(|name| all.contains(name))
                    && second.parts.iter().all(|part| part.prefix.is_none())
            }
            _ => false,
        }
}

impl Builder<'_> {
    pub(super) fn expand_indexes(&self, expanded: &mut Table) {
        let mut chosen: Vec<Index> = Vec::new();
        for index in &self.remote.indexes {
            if self.early_index(index) {
                chosen.push(index.clone());
            }
        }
        for (position, index) in self.local.indexes.iter().enumerate() {
            if self.stays_for_now(index, &chosen, expanded) {
                insert_behind_predecessor(&mut chosen, &self.local.indexes[..position], index);
            }
        }
        expanded.indexes = chosen;
        self.place_auto_increment(expanded);
    }

    /// Whether an index of remote's can be there before the rows.
    fn early_index(&self, index: &Index) -> bool {
        if self.local.indexes.contains(index) && !self.touches_recreated(index) {
            return !self.rows_change || !self.local_nulls_or_coarser(index);
        }
        if self.waits_for_late_columns(index) || self.index_comes_late(index) {
            return false;
        }
        if !self.rows_change {
            return true;
        }
        let not_null_yet = |name: &str| {
            self.local
                .column(name)
                .zip(self.remote.column(name))
                .is_some_and(|(own, remote)| own.nullable && !remote.nullable)
                || self
                    .remote
                    .column(name)
                    .is_some_and(|remote| self.new_column_waits(remote))
        };
        let has_nullable = index
            .parts
            .iter()
            .filter_map(|part| part.column.as_deref())
            .any(not_null_yet);
        match index.kind {
            IndexKind::Primary | IndexKind::Unique => {
                let fresh_counter = index.parts.len() == 1
                    && index.parts[0].column.as_deref().is_some_and(|name| {
                        self.local.column(name).is_none()
                            && !self.counter_waits(name)
                            && self
                                .remote
                                .column(name)
                                .is_some_and(|column| column.auto_increment)
                    });
                let implied = self
                    .local
                    .indexes
                    .iter()
                    .any(|own| implies(own, index) && !self.touches_recreated(own))
                    && !self.local_nulls_or_coarser(index);
                fresh_counter || (implied && !(has_nullable && index.kind == IndexKind::Primary))
            }
            // A spatial index wants its column NOT NULL.
            IndexKind::Spatial => !has_nullable,
            IndexKind::Plain => !self.comes_with_key(index),
            _ => true,
        }
    }

    /// Whether an index is there for a foreign key that is added after the rows: added before it, it would have to be
    /// dropped and added again with the key.
    fn comes_with_key(&self, index: &Index) -> bool {
        let has = |indexes: &[Index]| indexes.iter().any(|own| same_name(own, index));
        !has(&self.local.indexes)
            && self.remote.foreign_keys.iter().any(|key| {
                !self.local.foreign_keys.contains(key)
                    && supports(index, key)
                    && index.parts.len() == key.columns.len()
            })
    }

    /// Whether an index must wait for columns that get their remote form last. What keeps rows apart need not, where
    /// it can stand over the form in between.
    fn waits_for_late_columns(&self, index: &Index) -> bool {
        index
            .parts
            .iter()
            .any(|part| match (&part.column, &part.expression) {
                (Some(name), _) => match self.courses.get(&name.to_lowercase()) {
                    Some(Course::Late(form)) => {
                        let plain = |column: &Column| column.generated.is_none();
                        let settled = self.local.column(name).is_some_and(plain)
                            && self.remote.column(name).is_some_and(plain);
                        !(is_unique(index) && settled && part.prefix.is_none() && is_short(form))
                    }
                    _ => false,
                },
                (None, Some(expression)) => self.remote.columns.iter().any(|column| {
                    self.is_late(&column.name)
                        && crate::diff::clause::mentions(expression, &column.name)
                }),
                (None, None) => false,
            })
    }

    fn new_column_waits(&self, remote: &crate::schema::table::Column) -> bool {
        self.local.column(&remote.name).is_none()
            && !remote.nullable
            && remote.default.is_none()
            && remote.generated.is_none()
            && remote.data_type.class() == Some(TypeClass::Geometry)
    }

    /// Whether a unique index that both sides have could still be violated by local's stale rows in remote's form.
    fn local_nulls_or_coarser(&self, index: &Index) -> bool {
        index.kind == IndexKind::Primary
            && index.parts.iter().any(|part| {
                part.column
                    .as_deref()
                    .and_then(|name| self.local.column(name).zip(self.remote.column(name)))
                    .is_some_and(|(own, remote)| own.nullable && !remote.nullable)
            })
    }

    fn touches_recreated(&self, index: &Index) -> bool {
        index.parts.iter().any(|part| {
            part.column
                .as_deref()
                .and_then(|name| self.local.column(name).zip(self.remote.column(name)))
                .is_some_and(|(own, remote)| {
                    crate::diff::clause::recreated(own, remote) && !self.is_late(&remote.name)
                })
        })
    }

    /// Whether an index that remote does not have in this form stays through the rows.
    fn stays_for_now(&self, index: &Index, chosen: &[Index], expanded: &Table) -> bool {
        if chosen.iter().any(|other| same_name(other, index))
            || !self.fits_columns(index, expanded)
            || (self.index_goes_early(index) && !self.remote.indexes.contains(index))
            || (self.remote.indexes.contains(index) && !is_unique(index))
        {
            return false;
        }
        if !self.rows_change || !is_unique(index) {
            // A primary key that has a successor already makes room for it.
            return true;
        }
        let all_remain = column_names(index).is_some_and(|names| {
            names.iter().all(|name| {
                self.remote
                    .column(name)
                    .is_some_and(|column| !column.nullable || index.kind == IndexKind::Unique)
            })
        });
        all_remain
            && self
                .remote
                .indexes
                .iter()
                .any(|other| implies(other, index))
    }

    /// Whether the index can exist over the expanded table's columns.
    fn fits_columns(&self, index: &Index, expanded: &Table) -> bool {
        !self.touches_recreated(index)
            && index.parts.iter().all(|part| {
                let Some(column) = part
                    .column
                    .as_deref()
                    .and_then(|name| expanded.column(name))
                else {
                    return part.expression.is_some();
                };
                if index.kind == IndexKind::Spatial && column.nullable {
                    return false;
                }
                let own = self.local.column(&column.name);
                let long = matches!(
                    column.data_type.class(),
                    Some(
                        TypeClass::LongText
                            | TypeClass::Blob
                            | TypeClass::Json
                            | TypeClass::Geometry
                    )
                );
                let stringy = |class: Option<TypeClass>| {
                    matches!(
                        class,
                        Some(
                            TypeClass::Text
                                | TypeClass::LongText
                                | TypeClass::Binary
                                | TypeClass::Blob
                        )
                    )
                };
                own.is_none_or(|own| own.data_type.base == column.data_type.base)
                    || ((!long || part.prefix.is_some())
                        && (part.prefix.is_none() || stringy(column.data_type.class()))
                        && index.kind != IndexKind::Spatial
                        && (index.kind != IndexKind::Fulltext || stringy(column.data_type.class())))
            })
    }

    pub(super) fn constrain_indexes(&self, constrained: &mut Table) {
        let expanded = std::mem::take(&mut constrained.indexes);
        let mut indexes: Vec<Index> = self
            .remote
            .indexes
            .iter()
            .filter(|index| expanded.contains(index) || !self.waits_for_late_columns(index))
            .cloned()
            .collect();
        for (position, index) in expanded.iter().enumerate() {
            if !indexes.iter().any(|other| same_name(other, index)) {
                insert_behind_predecessor(&mut indexes, &expanded[..position], index);
            }
        }
        constrained.indexes = indexes;
        self.place_auto_increment(constrained);
    }

    /// `AUTO_INCREMENT` stands on a column only while an index begins with it.
    fn place_auto_increment(&self, table: &mut Table) {
        for position in 0..table.columns.len() {
            let name = table.columns[position].name.clone();
            let wanted = self
                .remote
                .column(&name)
                .map_or(table.columns[position].auto_increment, |remote| {
                    remote.auto_increment
                });
            let indexed = table.indexes.iter().any(|index| {
                matches!(
                    index.kind,
                    IndexKind::Primary | IndexKind::Unique | IndexKind::Plain
                ) && index
                    .parts
                    .first()
                    .and_then(|part| part.column.as_ref())
                    .is_some_and(|first| first.eq_ignore_ascii_case(&name))
            });
            let anywhere = table.options.get("ENGINE").is_some_and(|engine| {
                engine.eq_ignore_ascii_case("MyISAM") || engine.eq_ignore_ascii_case("Aria")
            }) && table.indexes.iter().any(|index| {
                index.parts.iter().any(|part| {
                    part.column
                        .as_ref()
                        .is_some_and(|column| column.eq_ignore_ascii_case(&name))
                })
            });
            let only_local = self.remote.column(&name).is_none();
            if !only_local && !self.is_late(&name) {
                table.columns[position].auto_increment = wanted && (indexed || anywhere);
            } else if !indexed && !anywhere {
                table.columns[position].auto_increment = false;
            }
        }
    }
}

/// Members of a primary key are NOT NULL whatever else is said of them.
pub(super) fn settle_primary_key_columns(table: &mut Table) {
    let Some(names) = table.primary_key().and_then(column_names) else {
        return;
    };
    for column in &mut table.columns {
        if names.contains(&column.name.to_lowercase()) {
            column.nullable = false;
            if column.default.as_deref() == Some("NULL") {
                column.default = None;
            }
        }
    }
}

/// Keeps, as a plain index, what a foreign key of the expanded table rests on.
pub(super) fn keep_supporting_indexes(expanded: &mut Table, local: &Table) {
    for key in expanded.foreign_keys.clone() {
        if expanded.indexes.iter().any(|index| supports(index, &key)) {
            continue;
        }
        if let Some(index) = local
            .indexes
            .iter()
            .find(|index| supports(index, &key) && index.kind != IndexKind::Primary)
            && !expanded.indexes.iter().any(|other| same_name(other, index))
        {
            let mut plain = index.clone();
            plain.kind = IndexKind::Plain;
            expanded.indexes.push(plain);
        }
    }
    drop_unsupported_keys(expanded);
}

/// Drops foreign keys whose columns or index are no longer there: the name of the index may be wanted for another one.
pub(super) fn drop_unsupported_keys(table: &mut Table) {
    let indexes = &table.indexes;
    table
        .foreign_keys
        .retain(|key| indexes.iter().any(|index| supports(index, key)));
}

fn supports(index: &Index, key: &ForeignKey) -> bool {
    matches!(
        index.kind,
        IndexKind::Primary | IndexKind::Unique | IndexKind::Plain
    ) && index.parts.len() >= key.columns.len()
        && index.parts.iter().zip(&key.columns).all(|(part, name)| {
            part.prefix.is_none()
                && part
                    .column
                    .as_ref()
                    .is_some_and(|column| column.eq_ignore_ascii_case(name))
        })
}

/// Inserts an index behind the nearest of its predecessors that is there.
fn insert_behind_predecessor(list: &mut Vec<Index>, predecessors: &[Index], index: &Index) {
    let place = predecessors
        .iter()
        .rev()
        .find_map(|previous| list.iter().position(|other| same_name(other, previous)))
        .map_or(0, |place| place + 1);
    list.insert(place, index.clone());
}
