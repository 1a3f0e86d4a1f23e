//! What a mask must leave whole: keys, unique values, joins, conditions.
//!
//! Must never let through what would make rows collide, or no longer find each other.

use super::{Ruled, TableMasks, refused};
use crate::refusal::Refusal;
use crate::schema::ObjectName;
use crate::schema::table::{Column, ForeignKey, Index, IndexKind, Table};
use crate::sql::rule::{self, Clock};
use anyhow::Result;

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Whether an expression as the server prints it names a column.
fn names(expression: &str, column: &str) -> bool {
    expression
        .to_lowercase()
        .contains(&format!("`{}`", column.to_lowercase().replace('`', "``")))
}

/// Checks what a column is used for.
pub(super) fn column(ruled: Ruled<'_>, column: &Column) -> Result<(), String> {
    if column.generated.is_some() {
        return Err("it is computed from other columns; mask those".to_owned());
    }
    let key = ruled.table.comparison_key().unwrap_or_default();
    if key.iter().any(|part| same(&part.name, &column.name)) {
        return Err(
            "rows are told apart by it (it is in the key that rows are compared by)".to_owned(),
        );
    }
    let rule = ruled.rule;
    for (what, named) in [
        ("updated_at", &rule.updated_at),
        ("created_at", &rule.created_at),
    ] {
        if named
            .as_deref()
            .is_some_and(|name| same(name, &column.name))
        {
            return Err(format!("the rule's `{what}` is about its real values"));
        }
    }
    let named = rule
        .filter
        .as_deref()
        .and_then(|text| rule::parse(text, Clock::ANY).ok())
        .map(|filter| filter.expr.columns())
        .unwrap_or_default();
    if named.iter().any(|name| same(name, &column.name)) {
        return Err(format!(
            "`{}` is about its real values, which local does not have",
            rule.places.filter_path()
        ));
    }
    Ok(())
}

/// Returns whether a unique index has the column.
pub(super) fn is_in_unique(table: &Table, column: &str) -> bool {
    unique_indexes(table).any(|index| {
        index.parts.iter().any(|part| {
            part.column
                .as_deref()
                .is_some_and(|name| same(name, column))
        })
    })
}

fn unique_indexes(table: &Table) -> impl Iterator<Item = &Index> {
    table
        .indexes
        .iter()
        .filter(|index| matches!(index.kind, IndexKind::Primary | IndexKind::Unique))
}

/// Checks that masked values stay unique where a unique index asks for it.
pub(super) fn unique(ruled: Ruled<'_>, masks: &TableMasks) -> Result<()> {
    for index in unique_indexes(ruled.table) {
        if is_unique_without(ruled.table, index, masks) {
            continue;
        }
        for part in &index.parts {
            for (name, mask) in &masks.columns {
                let Some(column) = ruled.table.column(name) else {
                    continue;
                };
                let is_it = part.column.as_deref().is_some_and(|part| same(part, name));
                if is_it && mask.space.is_wide(part.prefix) {
                    continue;
                }
                let computed = part
                    .expression
                    .as_deref()
                    .is_some_and(|text| names(text, name))
                    || part
                        .column
                        .as_deref()
                        .and_then(|part| ruled.table.column(part))
                        .and_then(|part| part.generated.as_ref())
                        .is_some_and(|generated| names(&generated.expression, name));
                if is_it || computed {
                    let why = if computed {
                        format!(
                            "the unique index `{}` is over a value computed from it, which may become the same for \
                             different rows",
                            index.name
                        )
                    } else {
                        format!(
                            "the unique index `{}` needs different values for different rows, and the mask gives less \
                             than 64 bits to tell them apart there; use \"hash\" or \"email\" on a column with room for \
                             16 hex digits, or `sql` with \"unique\": true where you know that it keeps them apart",
                            index.name
                        )
                    };
                    return Err(refused(&mask.path, ruled.name, column, &why).into());
                }
            }
        }
    }
    Ok(())
}

/// Whether an index is unique already by its columns that are not masked.
fn is_unique_without(table: &Table, index: &Index, masks: &TableMasks) -> bool {
    let plain: Vec<&str> = index
        .parts
        .iter()
        .filter(|part| part.prefix.is_none())
        .filter_map(|part| part.column.as_deref())
        .filter(|name| masks.of(name).is_none())
        .collect();
    unique_indexes(table).any(|other| {
        other.parts.iter().all(|part| {
            part.prefix.is_none()
                && part.column.as_deref().is_some_and(|name| {
                    plain.iter().any(|plain| same(plain, name))
                        && table
                            .column(name)
                            .is_some_and(|column| !column.nullable && column.generated.is_none())
                })
        })
    })
}

/// Checks that both ends of a foreign key are masked alike.
pub(super) fn foreign_key(
    masks: &TableMasks,
    name: &ObjectName,
    key: &ForeignKey,
    parent: Option<&TableMasks>,
) -> Result<()> {
    for (column, referred) in key.columns.iter().zip(&key.referenced_columns) {
        let (here, there) = (
            masks.of(column),
            parent.and_then(|parent| parent.of(referred)),
        );
        let joins = match (here, there) {
            (None, None) => true,
            // No reference at all.
            (Some(here), _) if here.space == super::Space::Nothing && here.mapping.is_none() => {
                true
            }
            (Some(here), Some(there)) => here.mapping.is_some() && here.mapping == there.mapping,
            _ => false,
        };
        if !joins {
            let path = here.or(there).map_or("", |mask| mask.path.as_str());
            return Err(Refusal::new(
                format!(
                    "`{path}`: the foreign key `{}` of {name} joins `{column}` with `{referred}` of {}, and masked \
                     values would no longer meet",
                    key.name, key.referenced_table
                ),
                "mask both columns with the same kind and the same \"group\", on columns of the same length, or neither",
            )
            .into());
        }
    }
    Ok(())
}

/// Says which CHECK constraints are about masked columns.
pub(super) fn checked(masks: &TableMasks, name: &ObjectName, table: &Table) -> Vec<String> {
    let mut warnings = Vec::new();
    for masked in masks.columns.keys() {
        let is_json = table
            .column(masked)
            .is_some_and(|column| super::is_json(table, column));
        let own = table
            .column(masked)
            .and_then(|column| column.check.as_deref());
        let asked = table
            .checks
            .iter()
            .filter(|check| check.enforced)
            .map(|check| check.expression.as_str())
            .chain(own)
            .any(|expression| {
                names(expression, masked)
                    && !(is_json && expression.to_lowercase().contains("json_valid"))
            });
        if asked {
            warnings.push(format!(
                "{name}: `{masked}` is masked and stands in a CHECK: rows whose masked value does not pass it will be \
                 refused by the local server"
            ));
        }
    }
    warnings
}
