//! Index clauses, in an order that leaves the indexes as the other table has them.
//!
//! A server keeps indexes in the order of their creation within each group, so an index that comes before one that
//! stays needs the later ones dropped and added in the same statement (which costs nothing where they are unchanged:
//! the server compares definitions). Must never leave an index out.

use super::{Change, Clause, Statement};
use crate::schema::table::{ForeignKey, Index, IndexKind, Table};
use crate::schema::{Vendor, print};
use crate::sql::ident;

/// The index clauses of one `ALTER TABLE`.
pub(crate) struct IndexClauses {
    /// Drops that must be executed before any column changes.
    pub(crate) dropped_first: Statement,
    /// Drops.
    pub(crate) dropped: Statement,
    /// Adds and changes of visibility.
    pub(crate) added: Statement,
}

/// Returns the index clauses. Indexes over a recreated column are made anew.
pub(crate) fn clauses(
    before: &Table,
    after: &Table,
    recreated: &[String],
    vendor: Vendor,
) -> IndexClauses {
    // MariaDB's indexes keep the block size that the table had when they were made.
    let block_size = |table: &Table| table.options.get("KEY_BLOCK_SIZE").cloned();
    let resized = vendor == Vendor::MariaDb
        && block_size(before).is_some()
        && block_size(before) != block_size(after);
    let touched = |index: &Index| {
        let own_block_size = index
            .options
            .iter()
            .any(|option| option.starts_with("KEY_BLOCK_SIZE"));
        (resized && !own_block_size)
            || other_system(index, before, after)
            || index.parts.iter().any(|part| {
                recreated.iter().any(|name| {
                    part.column
                        .as_ref()
                        .is_some_and(|column| column.to_lowercase() == *name)
                        || part
                            .expression
                            .as_ref()
                            .is_some_and(|expression| super::mentions(expression, name))
                })
            })
    };
    let mut kept: Vec<&Index> = before
        .indexes
        .iter()
        .filter(|index| {
            !touched(index)
                && !may_vanish(index, before, after)
                && after.indexes.iter().any(|other| bare(index) == bare(other))
        })
        .collect();
    keep_in_order(&mut kept, before, after);

    let is_kept = |index: &Index| kept.iter().any(|kept| bare(kept) == bare(index));
    let (first, rest): (Vec<&Index>, Vec<&Index>) = before
        .indexes
        .iter()
        .filter(|index| !is_kept(index))
        .partition(|index| other_system(index, before, after));
    let drops = |indexes: Vec<&Index>| {
        indexes
            .into_iter()
            .map(|index| Clause::new(drop_sql(index), Change::DropIndex(index.name.clone())))
            .collect()
    };
    let mut added = Vec::new();
    for index in &after.indexes {
        match kept.iter().find(|kept| bare(kept) == bare(index)) {
            None => added.push(Clause::new(
                format!("ADD {}", print::index(index)),
                Change::AddIndex(index.name.clone()),
            )),
            Some(kept) if hidden_by(kept) != hidden_by(index) => added.push(Clause::new(
                format!(
                    "ALTER INDEX {} {}",
                    ident(&index.name),
                    visibility(kept, index)
                ),
                Change::AlterIndex(index.name.clone()),
            )),
            Some(_) => {}
        }
    }
    IndexClauses {
        dropped_first: drops(first),
        dropped: drops(rest),
        added,
    }
}

/// Whether a spatial index stands on a column whose reference system changes, which no server allows.
fn other_system(index: &Index, before: &Table, after: &Table) -> bool {
    index.kind == IndexKind::Spatial
        && index.parts.iter().any(|part| {
            let srid = |table: &Table| Some(table.column(part.column.as_deref()?)?.srid);
            srid(after).is_some() && srid(before) != srid(after)
        })
}

/// Whether an index may have been made by the server for a foreign key, and would go or move with this change: a server
/// replaces such an index in silence when another one serves the key, or when the key is added again. `SHOW CREATE` does
/// not tell which indexes those are (nor does the key still stand when it was taken down before), so an index that could
/// be one is written out: at the latest with the change that takes the key down whose name it bears.
fn may_vanish(index: &Index, before: &Table, after: &Table) -> bool {
    let parts: Option<Vec<&str>> = index
        .parts
        .iter()
        .map(|part| part.column.as_deref())
        .collect();
    let Some(parts) = parts.filter(|_| index.kind == IndexKind::Plain && index.options.is_empty())
    else {
        return false;
    };
    let covers = |key: &ForeignKey| {
        let columns = key.columns.iter().map(String::as_str);
        columns.eq(parts.iter().copied())
    };
    let named_after = |key: &ForeignKey| index.name.eq_ignore_ascii_case(&key.name);
    let key_comes = after.foreign_keys.iter().any(|key| {
        // The server names such an index after the key, or after its first column.
        let could_be_its_own = named_after(key)
            || parts
                .first()
                .is_some_and(|first| index.name.starts_with(first));
        could_be_its_own && covers(key) && !before.foreign_keys.contains(key)
    });
    let key_goes = before
        .foreign_keys
        .iter()
        .any(|key| named_after(key) && covers(key) && !after.foreign_keys.contains(key));
    let other_comes = after.indexes.iter().any(|other| {
        other.name != index.name
            && !before.indexes.contains(other)
            && other.parts.len() >= parts.len()
            && other
                .parts
                .iter()
                .zip(&parts)
                .all(|(part, column)| part.column.as_deref() == Some(column))
    });
    key_comes || key_goes || other_comes
}

/// Leaves only those indexes that can stay where they are: in each group a beginning of the wanted sequence, in the
/// present order.
fn keep_in_order(kept: &mut Vec<&Index>, before: &Table, after: &Table) {
    let place = |index: &Index| {
        before
            .indexes
            .iter()
            .position(|other| bare(other) == bare(index))
    };
    let mut stopped: Vec<u8> = Vec::new();
    let mut last: Vec<(u8, usize)> = Vec::new();
    for index in &after.indexes {
        let group = group(index, after);
        let stays = kept.iter().any(|kept| bare(kept) == bare(index));
        let in_order = place(index).filter(|place| {
            stays
                && !stopped.contains(&group)
                && !last
                    .iter()
                    .any(|(other, last)| *other == group && last > place)
        });
        if let Some(place) = in_order {
            last.push((group, place));
        } else {
            stopped.push(group);
            kept.retain(|kept| bare(kept) != bare(index));
        }
    }
}

/// The servers' own order of groups: primary, unique without NULLs, unique of whole columns, unique, others, fulltext.
fn group(index: &Index, table: &Table) -> u8 {
    let nullable = index.parts.iter().any(|part| {
        part.column
            .as_deref()
            .and_then(|name| table.column(name))
            .is_none_or(|column| column.nullable)
    });
    let partial = index.parts.iter().any(|part| part.prefix.is_some());
    match index.kind {
        IndexKind::Primary => 0,
        IndexKind::Unique => 1 + 2 * u8::from(nullable) + u8::from(partial),
        IndexKind::Plain | IndexKind::Spatial | IndexKind::Vector => 5,
        IndexKind::Fulltext => 6,
    }
}

fn drop_sql(index: &Index) -> String {
    if index.kind == IndexKind::Primary {
        "DROP PRIMARY KEY".to_owned()
    } else {
        format!("DROP INDEX {}", ident(&index.name))
    }
}

const HIDDEN: [&str; 2] = ["INVISIBLE", "IGNORED"];

/// The index without its visibility, which can be changed alone.
fn bare(index: &Index) -> Index {
    let mut bare = index.clone();
    bare.options
        .retain(|option| !HIDDEN.contains(&option.as_str()));
    bare
}

fn hidden_by(index: &Index) -> Option<&str> {
    index
        .options
        .iter()
        .map(String::as_str)
        .find(|option| HIDDEN.contains(option))
}

fn visibility(before: &Index, after: &Index) -> &'static str {
    match (hidden_by(before), hidden_by(after)) {
        (_, Some("IGNORED")) => "IGNORED",
        (_, Some(_)) => "INVISIBLE",
        (Some("IGNORED"), None) => "NOT IGNORED",
        (_, None) => "VISIBLE",
    }
}
