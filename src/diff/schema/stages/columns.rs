//! Columns of the tables in between.
//!
//! Must never give a column a form that loses one of local's values before the contract phase, unless the rows need it.

use super::super::types::{fits, refuses_large, set_reordered, union};
use super::{Builder, Haste};
use crate::schema::Vendor;
use crate::schema::charset::{fineness, unprinted_collation};
use crate::schema::table::{Column, IndexKind, Table, TypeClass};
use std::collections::BTreeMap;

/// How a column gets its remote form.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Course {
    /// In the expand phase: nothing is lost by it, or the rows need it.
    Early,
    /// In the contract phase; until then as given.
    Late(Box<Column>),
}

pub(super) fn courses(
    local: &Table,
    remote: &Table,
    rows_change: bool,
    vendor: Vendor,
) -> BTreeMap<String, Course> {
    let mut courses = BTreeMap::new();
    for column in &remote.columns {
        let Some(own) = local.column(&column.name) else {
            continue;
        };
        let course = course(own, column, rows_change, (local, remote), vendor);
        courses.insert(column.name.to_lowercase(), course);
    }
    courses
}

fn course(
    local: &Column,
    remote: &Column,
    rows_change: bool,
    (local_table, remote_table): (&Table, &Table),
    vendor: Vendor,
) -> Course {
    match (&local.generated, &remote.generated) {
        (None, Some(_)) => return Course::Late(Box::new(as_is(local, remote, rows_change))),
        (Some(_), _) => return Course::Early,
        (None, None) => {}
    }
    if fits(local, remote) {
        return Course::Early;
    }
    let stays = fits(remote, local)
        && !set_reordered(local, remote)
        && !refuses_large(local, remote, vendor);
    if !rows_change || stays {
        return Course::Late(Box::new(as_is(local, remote, rows_change)));
    }
    let indexed = |table: &Table| {
        table.indexes.iter().any(|index| {
            index.parts.iter().any(|part| {
                part.prefix.is_none()
                    && part
                        .column
                        .as_ref()
                        .is_some_and(|name| name.eq_ignore_ascii_case(&local.name))
            })
        })
    };
    match union(local, remote, vendor) {
        Some(both)
            if !(both.data_type.base.ends_with("text")
                && (indexed(local_table) || indexed(remote_table))) =>
        {
            Course::Late(Box::new(as_is(&both, remote, rows_change)))
        }
        // The rows need the new type and nothing holds both: it is converted before them.
        _ => Course::Early,
    }
}

/// A column kept in its form until the contract phase. It must take remote's NULLs and, where remote no longer has
/// values for it, rows without a value.
fn as_is(column: &Column, remote: &Column, rows_change: bool) -> Column {
    let mut kept = column.clone();
    kept.name.clone_from(&remote.name);
    if rows_change && kept.check != remote.check {
        kept.check = None;
    }
    if remote.generated.is_some() {
        if rows_change {
            optional(&mut kept);
        }
    } else if remote.nullable && !kept.nullable && rows_change {
        kept.nullable = true;
    }
    kept
}

/// Whether a default is computed by the server: no literal, and not NULL.
fn is_computed(default: &str) -> bool {
    let starts_like_one = |start: char| start == '\'' || start == '-' || start.is_ascii_digit();
    let is_bits = default.starts_with("b'") || default.starts_with("x'");
    !default.starts_with(starts_like_one) && !is_bits && !default.eq_ignore_ascii_case("null")
}

/// Lets rows be inserted without a value for the column.
fn optional(column: &mut Column) {
    if !column.nullable
        && column.default.is_none()
        && !column.auto_increment
        && column.generated.is_none()
    {
        column.nullable = true;
    }
}

impl Builder<'_> {
    pub(super) fn expand_columns(&self, expanded: &mut Table) {
        for column in &self.remote.columns {
            if self.is_out_of_turn(column) {
                continue;
            }
            let form = match (
                self.local.column(&column.name),
                self.courses.get(&column.name.to_lowercase()),
            ) {
                (Some(_), Some(Course::Late(form))) => (**form).clone(),
                (Some(own), _) => self.early(own, column),
                (None, _) => self.new_column(column),
            };
            expanded.columns.push(form);
        }
        // What only local has stays behind the column it stood behind.
        for (position, column) in self.local.columns.iter().enumerate() {
            if self.remote.column(&column.name).is_some()
                || self.haste != Haste::None
                || self.is_out_of_turn(column)
            {
                continue;
            }
            let mut kept = column.clone();
            if self.rows_change {
                optional(&mut kept);
            }
            if kept.auto_increment
                && self
                    .remote
                    .columns
                    .iter()
                    .any(|column| column.auto_increment)
            {
                kept.auto_increment = false;
                optional(&mut kept);
            }
            let behind = self.local.columns[..position]
                .iter()
                .rev()
                .find_map(|previous| {
                    expanded
                        .columns
                        .iter()
                        .position(|other| other.name.eq_ignore_ascii_case(&previous.name))
                })
                .map_or(0, |place| place + 1);
            expanded.columns.insert(behind, kept);
        }
        self.name_charsets(expanded);
    }

    /// A column kept from local keeps its character set although the table's default changes.
    fn name_charsets(&self, expanded: &mut Table) {
        let default = |table: &Table| {
            (
                table.options.get("CHARSET").cloned(),
                table.options.get("COLLATE").cloned(),
            )
        };
        let new_default = default(self.remote);
        for column in &mut expanded.columns {
            if column.data_type.has_charset()
                && (column.charset.clone(), column.collation.clone()) != new_default
            {
                column.explicit_charset = column.charset.is_some();
                column.explicit_collation = column.collation.is_some()
                    && (column.charset.as_deref() == Some("utf8mb4")
                        || column.charset.as_deref().and_then(unprinted_collation)
                            != column.collation);
            }
        }
    }

    fn early(&self, own: &Column, remote: &Column) -> Column {
        let mut form = remote.clone();
        if !self.rows_change {
            return form;
        }
        if own.nullable && !remote.nullable && remote.generated.is_none() {
            form.nullable = true;
        }
        if own.check != remote.check {
            form.check = None;
        }
        let generated_becomes_base = own.generated.is_some() && remote.generated.is_none();
        if generated_becomes_base {
            optional(&mut form);
        }
        // A coarser collation may make two of local's stale values one.
        if own.charset == remote.charset
            && let (Some(from), Some(to)) = (&own.collation, &remote.collation)
            && fineness(from) > fineness(to)
            && self.unique_over(&remote.name)
        {
            form.collation.clone_from(&own.collation);
            form.explicit_collation = true;
            form.explicit_charset = true;
        }
        form
    }

    fn unique_over(&self, name: &str) -> bool {
        self.remote.indexes.iter().any(|index| {
            matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
                && index.parts.iter().any(|part| {
                    part.column
                        .as_ref()
                        .is_some_and(|column| column.eq_ignore_ascii_case(name))
                })
        })
    }

    /// Existing rows get a new column's default, or the type's own; a few types have none.
    fn new_column(&self, remote: &Column) -> Column {
        let mut form = remote.clone();
        let no_value_of_its_own =
            remote.data_type.class() == Some(TypeClass::Geometry) || remote.check.is_some();
        let may_lack_one = no_value_of_its_own || remote.generated.is_some();
        if self.rows_change && may_lack_one && !remote.nullable && remote.default.is_none() {
            form.nullable = true;
            form.check = None;
        }
        // What the server would compute for the rows that are there cannot be told beforehand; that they hold NULL can.
        if self.rows_change && remote.nullable && remote.default.as_deref().is_some_and(is_computed)
        {
            form.default = None;
            form.on_update = None;
        }
        if self.counter_waits(&remote.name) {
            form.auto_increment = false;
            form.nullable = true;
        }
        form
    }

    /// Whether a new counter is left NULL until the rows bring its numbers: those that local would count could be
    /// another row's. Where no other key tells the rows apart, none is kept for it.
    pub(super) fn counter_waits(&self, name: &str) -> bool {
        let is_new = self.local.column(name).is_none();
        let counts = self
            .remote
            .column(name)
            .is_some_and(|column| column.auto_increment);
        self.rows_change
            && is_new
            && counts
            && self.remote.comparison_keys().iter().any(|key| {
                let names: Vec<String> = key
                    .iter()
                    .map(|column| column.name.to_lowercase())
                    .collect();
                let stays = |name: &String| {
                    self.local
                        .column(name)
                        .is_some_and(|own| !own.nullable && own.generated.is_none())
                };
                names.iter().all(stays) && self.local.keeps_apart(&names)
            })
    }
}
