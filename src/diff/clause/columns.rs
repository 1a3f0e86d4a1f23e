//! Column clauses: drop, add, change and move, as few as lead there.
//!
//! Must never guess a rename: a column whose name differs by more than case is another column.

use super::{Change, Clause, Statement};
use crate::diff::schema::fits;
use crate::schema::charset::unprinted_collation;
use crate::schema::table::{Column, Table};
use crate::schema::{Vendor, print};
use crate::sql::ident;

/// The column clauses of one `ALTER TABLE`.
pub(crate) struct ColumnClauses {
    /// `DROP COLUMN`.
    pub(crate) dropped: Statement,
    /// `ADD COLUMN`, `MODIFY COLUMN`, `CHANGE COLUMN`, in the order of the resulting table.
    pub(crate) changed: Statement,
    /// Columns dropped and added again under their name, lower case.
    pub(crate) recreated: Vec<String>,
    /// `ALTER COLUMN … SET DEFAULT` for defaults that must come in a statement of their own.
    pub(crate) defaults: Statement,
}

/// Returns the column clauses.
pub(crate) fn clauses(before: &Table, after: &Table, vendor: Vendor) -> ColumnClauses {
    let recreated = recreated_columns(before, after);
    let is_recreated = |column: &Column| recreated.contains(&column.name.to_lowercase());
    let kept_from = |column: &Column| {
        before
            .columns
            .iter()
            .position(|other| same_name(other, column))
            .filter(|_| !is_recreated(column))
    };
    let dropped = before
        .columns
        .iter()
        .filter(|column| after.column(&column.name).is_none() || is_recreated(column))
        .map(|column| {
            Clause::new(
                format!("DROP COLUMN {}", ident(&column.name)),
                Change::DropColumn(column.name.clone()),
            )
        })
        .collect();

    let origins: Vec<Option<usize>> = after.columns.iter().map(kept_from).collect();
    let stays = longest_increasing(&origins);
    let last_kept = stays.iter().rposition(|stays| *stays);
    let mut changed = Vec::new();
    let mut defaults = Vec::new();
    let adds = origins.iter().any(Option::is_none);
    for (position, column) in after.columns.iter().enumerate() {
        let unsafe_default = column
            .default
            .as_deref()
            .filter(|default| vendor == Vendor::MySql && differs_between_servers(default));
        let origin = origins[position].map(|origin| &before.columns[origin]);
        let moved = !stays[position];
        let in_default_alone = origin.is_some_and(|origin| {
            let with_default = Column {
                default: column.default.clone(),
                ..origin.clone()
            };
            !moved && same_column(before, &with_default, after, column, vendor)
        });
        // MySQL takes no such default in a statement that adds a column (error 1674).
        let apart = unsafe_default.filter(|_| adds || in_default_alone);
        if let Some(default) = apart
            && origin.is_none_or(|origin| origin.default != column.default || !in_default_alone)
        {
            defaults.push(Clause::new(
                format!("ALTER COLUMN {} SET DEFAULT {default}", ident(&column.name)),
                Change::ModifyColumn(column.name.clone()),
            ));
            if in_default_alone {
                continue;
            }
        }
        let place = match position.checked_sub(1) {
            None => " FIRST".to_owned(),
            Some(previous) => format!(" AFTER {}", ident(&after.columns[previous].name)),
        };
        let definition = print::column(&Column {
            default: column.default.clone().filter(|_| apart.is_none()),
            ..column.clone()
        });
        let Some(origin) = origin else {
            // Behind all that stay, a new column needs no place.
            let at_end = last_kept.is_some_and(|last| position > last);
            changed.push(Clause::new(
                format!(
                    "ADD COLUMN {definition}{}",
                    if at_end { "" } else { &place }
                ),
                Change::AddColumn(column.name.clone()),
            ));
            continue;
        };
        if !moved && same_column(before, origin, after, column, vendor) {
            continue;
        }
        let head = if origin.name == column.name {
            "MODIFY COLUMN".to_owned()
        } else {
            format!("CHANGE COLUMN {}", ident(&origin.name))
        };
        changed.push(Clause::new(
            format!("{head} {definition}{}", if moved { &place } else { "" }),
            Change::ModifyColumn(column.name.clone()),
        ));
    }
    ColumnClauses {
        dropped,
        changed,
        recreated,
        defaults,
    }
}

/// Whether a default's value depends on the server that computes it.
fn differs_between_servers(default: &str) -> bool {
    const FUNCTIONS: [&str; 9] = [
        "uuid(",
        "uuid_short(",
        "rand(",
        "random_bytes(",
        "user(",
        "version(",
        "sysdate(",
        "connection_id(",
        "database(",
    ];
    let default = default.to_lowercase();
    default.starts_with('(') && FUNCTIONS.iter().any(|function| default.contains(function))
}

/// Marks the members of a longest increasing subsequence: the columns that need not move.
fn longest_increasing(origins: &[Option<usize>]) -> Vec<bool> {
    let mut best: Vec<(usize, Option<usize>)> = vec![(0, None); origins.len()];
    for position in 0..origins.len() {
        let Some(origin) = origins[position] else {
            continue;
        };
        best[position] = (1, None);
        for earlier in 0..position {
            if origins[earlier].is_some_and(|other| other < origin)
                && best[earlier].0 + 1 > best[position].0
            {
                best[position] = (best[earlier].0 + 1, Some(earlier));
            }
        }
    }
    let mut stays = vec![false; origins.len()];
    let mut end = (0..origins.len())
        .filter(|position| best[*position].0 > 0)
        .max_by_key(|position| (best[*position].0, std::cmp::Reverse(*position)));
    while let Some(position) = end {
        stays[position] = true;
        end = best[position].1;
    }
    stays
}

fn same_name(a: &Column, b: &Column) -> bool {
    a.name.to_lowercase() == b.name.to_lowercase()
}

/// Returns whether a change needs the column dropped and added: no server changes the storage of a generated column, and
/// computed values that are to be another type's are not worth a conversion.
pub(crate) fn recreated(before: &Column, after: &Column) -> bool {
    match (&before.generated, &after.generated) {
        (None, None) => false,
        (Some(before), Some(after)) => before.stored != after.stored,
        (None, Some(_)) => true,
        (Some(generated), None) => !generated.stored || !fits(before, after),
    }
}

/// Returns whether a column that the first table computes keeps what was computed when the second makes it a plain one.
pub(crate) fn keeps_computed_values(before: &Table, after: &Table, name: &str) -> bool {
    let both = before.column(name).zip(after.column(name));
    both.is_some_and(|(own, column)| own.generated.is_some() && column.generated.is_none())
        && !recreated_columns(before, after).contains(&name.to_lowercase())
}

/// Returns whether an expression names a column.
pub(crate) fn mentions(expression: &str, column: &str) -> bool {
    expression
        .to_lowercase()
        .contains(&ident(column).to_lowercase())
}

fn recreated_columns(before: &Table, after: &Table) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let more: Vec<String> = before
            .columns
            .iter()
            .filter_map(|column| Some((column, after.column(&column.name)?)))
            .filter(|(column, other)| {
                recreated(column, other)
                    || column.generated.as_ref().is_some_and(|generated| {
                        names
                            .iter()
                            .any(|name| mentions(&generated.expression, name))
                    })
            })
            .map(|(column, _)| column.name.to_lowercase())
            .filter(|name| !names.contains(name))
            .collect();
        if more.is_empty() {
            return names;
        }
        names.extend(more);
    }
}

/// Returns whether a server cannot tell two columns apart, each in its own table.
pub fn same_column(
    before_table: &Table,
    before: &Column,
    after_table: &Table,
    after: &Column,
    vendor: Vendor,
) -> bool {
    let mut before_bare = before.clone();
    let mut after_bare = after.clone();
    for column in [&mut before_bare, &mut after_bare] {
        column.explicit_charset = false;
        column.explicit_collation = false;
        column.other.sort();
    }
    before_bare == after_bare
        && (vendor == Vendor::MariaDb || same_naming(before_table, before, after_table, after))
}

/// MySQL remembers whether a column's character set was named; MariaDB does not. What is printed because it differs
/// from the table's default need not have been named.
fn same_naming(before_table: &Table, before: &Column, after_table: &Table, after: &Column) -> bool {
    let default = |table: &Table| {
        (
            table.options.get("CHARSET").cloned(),
            table.options.get("COLLATE").cloned(),
        )
    };
    let named = |column: &Column| column.explicit_charset || column.explicit_collation;
    if !after.data_type.has_charset() {
        return true;
    }
    let own = (after.charset.clone(), after.collation.clone());
    let after_default = default(after_table);
    if own != after_default {
        // A default collation is printed beside its set only where it was named.
        let named_default = after.explicit_collation
            && own.0.as_deref() != Some("utf8mb4")
            && own.0.as_deref().and_then(unprinted_collation) == own.1;
        return !named_default || (before.explicit_charset && before.explicit_collation);
    }
    if default(before_table) == after_default {
        return before.explicit_charset == after.explicit_charset
            && before.explicit_collation == after.explicit_collation;
    }
    !named(before) && !named(after)
}
