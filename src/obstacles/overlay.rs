//! What a plan does to a table's rows, laid out in a scratch schema so that queries can ask over rows as they will be.
//!
//! Must never write anywhere but in the scratch schema, and must never hold an entry's rows in memory.

use super::query::Overlay;
use super::{Subject, parent_of};
use crate::connect::server_code;
use crate::diff::clause::mentions;
use crate::diff::schema::demand::Demand;
use crate::plan::payload::{self, PayloadFolder};
use crate::plan::row_sql::{self, Extras, Values};
use crate::plan::{Entry, Kind, PlanRow};
use crate::proof::Scratch;
use crate::read::encode;
use crate::retry::broke;
use crate::schema::table::{Column, Index, IndexKind, Table};
use crate::schema::{ObjectName, print};
use crate::sql::{ident, ident_list, qualified};
use crate::value::Value;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// Rows of one table's entries that are laid out at most.
pub(super) const MOST_ROWS: u64 = 100_000;

/// Rows of one statement.
const ROWS: usize = 500;

/// Whether a demand can be violated by rows that the plan's entries leave or bring. Where they leave production's rows
/// and no other, those meet what production's table asks; but its checks need not be enforced there, nor its foreign
/// keys have been.
pub(super) fn matters(subject: &Subject<'_>, demand: &Demand) -> bool {
    !subject.exact
        || matches!(
            demand,
            Demand::Check(_) | Demand::ColumnCheck(_) | Demand::Reference(_)
        )
}

/// Whether production itself can tell: both tables of a foreign key will have its rows and no other.
pub(super) fn asks_production(
    subject: &Subject<'_>,
    parent: Option<&Subject<'_>>,
    demand: &Demand,
) -> bool {
    matches!(demand, Demand::Reference(_))
        && subject.exact
        && parent.is_some_and(|parent| parent.exact)
}

/// Returns the tables whose changed rows must be laid out.
pub(super) fn needed<'a, 's>(subjects: &'s [Subject<'a>]) -> Vec<&'s Subject<'a>> {
    let mut names: BTreeSet<ObjectName> = BTreeSet::new();
    for subject in subjects {
        for demand in subject.demands {
            let parent = parent_of(subject, demand);
            let parent = parent.and_then(|name| subjects.iter().find(|other| *other.name == name));
            if asks_production(subject, parent, demand) || !matters(subject, demand) {
                continue;
            }
            let both = [Some(subject), parent];
            for table in both.into_iter().flatten() {
                if !table.entries.is_empty() {
                    names.insert(table.name.clone());
                }
            }
        }
    }
    subjects
        .iter()
        .filter(|subject| names.contains(subject.name))
        .collect()
}

/// What became of laying a table's changed rows out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// They are not, with the reason.
    Unknown(String),
    /// Where they are.
    Laid(Overlay),
}

impl Layout {
    /// Returns why the rows are not laid out.
    pub(super) fn unknown(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Laid(_) => None,
        }
    }

    /// Returns where the rows are.
    pub(super) fn overlay(&self) -> Option<&Overlay> {
        match self {
            Self::Unknown(_) => None,
            Self::Laid(overlay) => Some(overlay),
        }
    }
}

/// Lays out what the plan does to a table's rows.
///
/// # Errors
/// When the connection breaks, or a row cannot be read.
pub(super) fn make(
    scratch: &mut Scratch<'_>,
    number: usize,
    subject: &Subject<'_>,
    folder: &PayloadFolder,
) -> Result<Layout> {
    let total: u64 = subject
        .entries
        .iter()
        .map(|entry| entry.count.unwrap_or(0))
        .sum();
    if total > MOST_ROWS {
        return Ok(Layout::Unknown(format!(
            "the plan changes more than {MOST_ROWS} rows, too many to tell beforehand"
        )));
    }
    let key: Vec<String> = subject
        .entries
        .iter()
        .find_map(|entry| entry.shape.as_ref())
        .map(|shape| shape.key.clone())
        .unwrap_or_default();
    let database = scratch.name().to_owned();
    let overlay = Overlay {
        gone: ObjectName::new(&database, format!("gone {number}")),
        after: ObjectName::new(&database, format!("after {number}")),
        key: key.clone(),
    };
    let own = subject.local.unwrap_or(subject.wanted);
    let gone = keys_alone(own, &key, &overlay.gone.name);
    let mut after = without_demands(subject.wanted, &key, &overlay.after.name);
    after
        .columns
        .retain(|column| column.generated.is_none() || is_asked_for(&column.name, subject.wanted));
    let local = scratch.session();
    if !key.is_empty() {
        local.execute(&print::create_table_in(&database, &gone))?;
    }
    local.execute(&print::create_table_in(&database, &after))?;
    local.begin()?;
    let mut layer = Layer {
        subject,
        overlay: &overlay,
        gone: &gone,
        after: &after,
        extras: Extras::of(&after, &[]),
    };
    layer.extras.required.clear();
    let laid = layer.lay_all(scratch, folder);
    match laid {
        Ok(()) => {
            scratch.session().commit()?;
            Ok(Layout::Laid(overlay))
        }
        // What is computed of a row, say, that only further entries mend. The server's message holds values, so its
        // number speaks.
        Err(error) => match server_code(&error).filter(|_| !broke(&error)) {
            Some(code) => {
                scratch.session().rollback()?;
                Ok(Layout::Unknown(format!(
                    "the rows cannot be laid out as the plan leaves them (error {code})"
                )))
            }
            None => Err(error),
        },
    }
}

struct Layer<'a> {
    subject: &'a Subject<'a>,
    overlay: &'a Overlay,
    gone: &'a Table,
    after: &'a Table,
    extras: Extras,
}

impl Layer<'_> {
    fn lay_all(&self, scratch: &mut Scratch<'_>, folder: &PayloadFolder) -> Result<()> {
        for kind in [Kind::UpdateRows, Kind::DeleteRows, Kind::InsertRows] {
            let entries = self.subject.entries.iter();
            for entry in entries.filter(|entry| entry.kind == kind) {
                self.lay(scratch, entry, folder)?;
            }
        }
        Ok(())
    }

    fn lay(&self, scratch: &mut Scratch<'_>, entry: &Entry, folder: &PayloadFolder) -> Result<()> {
        let mut batch: Vec<PlanRow> = Vec::with_capacity(ROWS);
        for row in payload::staged_rows(entry, folder)? {
            batch.push(row?);
            if batch.len() == ROWS {
                self.batch(scratch, entry.kind, &batch)?;
                batch.clear();
            }
        }
        self.batch(scratch, entry.kind, &batch)
    }

    fn batch(&self, scratch: &mut Scratch<'_>, kind: Kind, rows: &[PlanRow]) -> Result<()> {
        if rows.is_empty() || (self.overlay.key.is_empty() && kind != Kind::InsertRows) {
            return Ok(());
        }
        let local = scratch.session();
        if kind == Kind::InsertRows {
            let values: Vec<&Values> = rows.iter().map(|row| &row.values).collect();
            let sql = row_sql::insert(
                &self.overlay.after,
                &self.extras,
                &values,
                &|name, value| literal(self.after, name, value),
            )?;
            return local.execute(&sql).map(drop);
        }
        let keys: Vec<&Values> = rows.iter().map(|row| &row.key).collect();
        let key_literal = |name: &str, value: &Value| literal(self.gone, name, value);
        let sql = row_sql::insert(&self.overlay.gone, &Extras::default(), &keys, &key_literal)?;
        local.execute(&sql)?;
        if kind == Kind::DeleteRows {
            return Ok(());
        }
        let own = self
            .subject
            .local
            .context("an update of a table that local lacks")?;
        let common: Vec<&str> = self
            .after
            .columns
            .iter()
            .filter(|column| column.generated.is_none() && own.column(&column.name).is_some())
            .map(|column| column.name.as_str())
            .collect();
        let list = ident_list(common.iter().copied());
        // Stale values that the new form does not hold are overwritten below.
        local.execute(&format!(
            "INSERT IGNORE INTO {} ({list}) SELECT {list} FROM {} WHERE {}",
            qualified(&self.overlay.after),
            qualified(self.subject.name),
            row_sql::key_condition(&keys, &|name, value| literal(own, name, value))?
        ))?;
        for row in rows {
            let change = row
                .change
                .iter()
                .map(|(name, (_, after))| (name.as_str(), after));
            let sql = row_sql::update(
                &self.overlay.after,
                &self.extras,
                &row.key,
                change,
                &|name, value| literal(self.after, name, value),
            )?;
            local.execute(&sql)?;
        }
        Ok(())
    }
}

fn literal(table: &Table, name: &str, value: &Value) -> Result<String> {
    let column = table
        .column(name)
        .with_context(|| format!("{} has no column `{name}`", ident(&table.name)))?;
    encode::literal(column, value)
}

/// A table of the key's columns alone.
fn keys_alone(own: &Table, key: &[String], name: &str) -> Table {
    let columns: Vec<Column> = key
        .iter()
        .filter_map(|name| own.column(name))
        .map(|column| Column {
            auto_increment: false,
            default: None,
            on_update: None,
            check: None,
            ..column.clone()
        })
        .collect();
    Table {
        name: name.to_owned(),
        indexes: vec![index("PRIMARY", IndexKind::Primary, key)],
        columns,
        options: plain_options(own),
        ..Table::default()
    }
}

/// A table with all columns that asks nothing of its rows.
fn without_demands(wanted: &Table, key: &[String], name: &str) -> Table {
    let mut table = Table {
        name: name.to_owned(),
        options: plain_options(wanted),
        columns: wanted.columns.clone(),
        ..Table::default()
    };
    for column in &mut table.columns {
        column.auto_increment = false;
        column.check = None;
        column.on_update = None;
        column.nullable = true;
        match &mut column.generated {
            None => column.default = None,
            // A stale value may be none that it can be computed from.
            Some(generated) => generated.stored = false,
        }
    }
    let is_plain = |name: &String| wanted.column(name).is_some_and(|it| it.generated.is_none());
    if !key.is_empty() {
        table.indexes.push(index("key", IndexKind::Plain, key));
    }
    for unique in wanted.indexes.iter().filter(|index| {
        matches!(
            index.kind,
            IndexKind::Unique | IndexKind::Primary | IndexKind::Plain
        ) && index
            .parts
            .iter()
            .all(|part| part.column.as_ref().is_some_and(is_plain))
    }) {
        let mut plain = unique.clone();
        plain.kind = IndexKind::Plain;
        plain.options.clear();
        plain.name = format!("of {}", unique.name);
        table.indexes.push(plain);
    }
    table
}

/// Whether a condition on rows, a unique index or another computed column may name a column.
fn is_asked_for(name: &str, wanted: &Table) -> bool {
    let computed = wanted
        .columns
        .iter()
        .filter_map(|column| column.generated.as_ref());
    let in_columns = wanted
        .columns
        .iter()
        .filter_map(|column| column.check.as_deref());
    let mut conditions = wanted
        .checks
        .iter()
        .map(|check| check.expression.as_str())
        .chain(in_columns)
        .chain(computed.map(|generated| generated.expression.as_str()));
    let in_index = |index: &Index| {
        index.parts.iter().any(|part| {
            let column = part.column.as_ref();
            let expression = part.expression.as_deref();
            column.is_some_and(|column| column.eq_ignore_ascii_case(name))
                || expression.is_some_and(|text| mentions(text, name))
        })
    };
    let mut unique = wanted
        .indexes
        .iter()
        .filter(|index| matches!(index.kind, IndexKind::Unique | IndexKind::Primary));
    let mut keys = wanted.foreign_keys.iter().flat_map(|key| &key.columns);
    conditions.any(|condition| mentions(condition, name))
        || unique.any(in_index)
        || keys.any(|column| column.eq_ignore_ascii_case(name))
}

fn plain_options(table: &Table) -> std::collections::BTreeMap<String, String> {
    let mut options = table.options.clone();
    options.retain(|name, _| matches!(name.as_str(), "CHARSET" | "COLLATE"));
    options.insert("ENGINE".to_owned(), "InnoDB".to_owned());
    options
}

fn index(name: &str, kind: IndexKind, columns: &[String]) -> Index {
    Index {
        name: name.to_owned(),
        kind,
        parts: columns
            .iter()
            .map(|column| crate::schema::table::IndexPart {
                column: Some(column.clone()),
                expression: None,
                prefix: None,
                descending: false,
            })
            .collect(),
        options: Vec::new(),
    }
}
