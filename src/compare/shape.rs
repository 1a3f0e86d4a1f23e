//! What is compared of a table: columns with their encodings, the key, and what stands in for columns that local does
//! not have yet.
//!
//! Pure. Must never drop a column in silence: what is left out or cannot be told is in `notes`.

use super::TableTask;
use super::converted::{converts, is_numbered};
use crate::connect::Side;
use crate::diff::clause;
use crate::read::chunk::{KeyColumn, KeySide};
use crate::read::encode::{self, Encoding, Hasher, Quick};
use crate::schema::table::{Column, Generated, Index, IndexKind, Table};
use crate::sql::{Expr, Function, Select};
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Bytes of a row, on average, up to which long values are joined to its text as they are: of longer ones a copy costs
/// the server more than a hash of its own.
const SHORT_ROW: u64 = 2048;

/// A column that is compared and written.
#[derive(Debug, Clone)]
pub struct ShapeColumn {
    /// The remote's definition.
    pub remote: Column,
    /// Local's definition, where it has the column.
    pub local: Option<Column>,
    /// The canonical encoding.
    pub encoding: Encoding,
    /// What the expand phase will put into local's rows, where local has no such column and that can be told.
    pub stand_in: Option<Expr>,
    /// What stands for the remote's values, where they are masked.
    pub mask: Option<Expr>,
    /// Whether the expand phase converts local's values, so that they may not be what they were: `before_hash` leaves
    /// them out.
    pub converted: bool,
    /// Local's column, where its values are converted by their number: what they become is not told beforehand, and is
    /// written whatever it is.
    pub numbered: Option<String>,
}

impl ShapeColumn {
    /// Returns whether local has the column already and keeps its values: `before_hash` covers those.
    pub fn common(&self) -> bool {
        self.local.is_some() && !self.converted
    }

    /// Returns the column's definition on a side, where that has it.
    pub(super) fn definition(&self, side: Side) -> Option<&Column> {
        match side {
            Side::Remote => Some(&self.remote),
            Side::Local => self.local.as_ref(),
        }
    }

    /// The column's value on a side, as far as it is ours to know: the remote's is the masked one.
    fn source(&self, side: Side) -> Option<Expr> {
        match (side, &self.mask) {
            (Side::Remote, Some(mask)) => Some(mask.clone()),
            _ => self
                .definition(side)
                .map(|column| Expr::column(&column.name)),
        }
    }

    /// What is hashed of the column on a side.
    fn hashed(&self, side: Side) -> (Expr, Encoding) {
        match (self.source(side), &self.stand_in) {
            (Some(source), _) => (source, self.encoding),
            (None, Some(constant)) => (constant.clone(), self.encoding),
            // Not told beforehand: hashed as text that adds a length, so that no row of the remote hashes alike.
            (None, None) => (
                Expr::text("not known before the column is there"),
                Encoding::Text,
            ),
        }
    }

    /// What is summed up of the column on a side.
    fn summed(&self, side: Side, short: bool) -> Quick {
        // A mask or a constant may be of any type.
        let own = self
            .definition(side)
            .filter(|_| side == Side::Local || self.mask.is_none());
        let both = match &self.mask {
            None => [Some(&self.remote), self.local.as_ref()],
            Some(_) => [None, None],
        };
        Quick::new(self.hashed(side), own, both, short)
    }

    /// How the column's cell is fetched on a side.
    fn selected(&self, side: Side) -> Expr {
        match (self.source(side), self.definition(side)) {
            (Some(source), Some(column)) => encode::select_source_as(source, column, self.encoding),
            _ => match (&self.stand_in, &self.numbered) {
                (Some(constant), _) => constant.clone(),
                (None, Some(name)) if side == Side::Local => Expr::call(
                    Function::Concat,
                    vec![Expr::column(name), Expr::text(" (by its number)")],
                ),
                (None, _) => Expr::null(),
            },
        }
    }
}

/// How rows are told apart.
#[derive(Debug, Clone)]
pub enum RowKey {
    /// By these columns of the shape.
    Columns {
        /// Positions in the shape, in key order.
        positions: Vec<usize>,
        /// The key on the remote.
        remote: KeySide,
        /// The key on local.
        local: KeySide,
        /// Whether both servers keep all key columns in the same order.
        ordered: bool,
        /// Whether the first key column is an integer on both sides.
        integer_lead: bool,
    },
    /// Not at all: equal rows are counted.
    Bag,
}

/// What is compared of a table.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The columns in the remote's order.
    pub columns: Vec<ShapeColumn>,
    /// The key.
    pub key: RowKey,
    /// What the user should know of the comparison.
    pub notes: Vec<String>,
    /// Which rows are compared; `None` for all of them.
    pub restriction: Option<Restriction>,
    /// Whether the remote's rows are short on average.
    short_rows: bool,
}

/// Which rows of either side are compared: the `where` of the table's rules.
#[derive(Debug, Clone)]
pub struct Restriction {
    remote: Expr,
    local: Expr,
}

/// A `where` that cannot be put to local's table as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleUnfit(pub String);

impl Shape {
    /// Settles what is compared.
    ///
    /// # Errors
    /// Where a column's type is unknown, or no column is left to compare.
    pub fn of(task: &TableTask<'_>) -> Result<Self> {
        let mut notes = Vec::new();
        let mut columns = Vec::new();
        for remote in &task.remote.columns {
            if remote.generated.is_some() {
                continue;
            }
            let local = task
                .local
                .and_then(|table| table.column(&remote.name))
                .filter(|column| !task.replaced.contains(&column.name.to_lowercase()));
            if task.data_only && local.is_none() && task.local.is_some() {
                notes.push(format!(
                    "column `{}` is not compared: local has no such column, and the schema stays as it is",
                    remote.name
                ));
                continue;
            }
            let converted = local.is_some() && !task.data_only && converts(task, remote);
            // What an ENUM's number or a number's ENUM value is, its text does not tell; nor is it the default.
            let numbered = converted && local.is_some_and(|column| is_numbered(column, remote));
            let by_number = local.filter(|_| numbered).map(|column| column.name.clone());
            let local = local.filter(|_| !numbered);
            let generated = local.is_some_and(|column| column.generated.is_some());
            if task.data_only && generated {
                notes.push(format!(
                    "column `{}` is not compared: local computes it, and the schema stays as it is",
                    remote.name
                ));
                continue;
            }
            let computed = generated && !keeps_computed_values(task, remote);
            let mut column = shape_column(
                remote,
                local.filter(|_| !computed),
                task.local.is_some() && !numbered,
                &mut notes,
            )?;
            if numbered {
                notes.push(format!(
                    "every row counts as different: `{}` is converted by the number of its values",
                    remote.name
                ));
            }
            column.mask = task
                .rules
                .and_then(|rules| rules.masks.get(&remote.name))
                .cloned();
            column.converted = converted;
            column.numbered = by_number;
            columns.push(column);
        }
        if columns.is_empty() {
            bail!("there is no column to compare");
        }
        let key = row_key(task, &columns);
        let restriction = restriction(task, &columns)?;
        Ok(Self {
            columns,
            key,
            notes,
            restriction,
            short_rows: task.estimated_bytes <= SHORT_ROW * task.estimated_rows,
        })
    }

    /// Returns a select of the rows that are compared on a side.
    #[must_use]
    pub fn restricted(&self, side: Side, select: Select) -> Select {
        match (&self.restriction, side) {
            (None, _) => select,
            (Some(restriction), Side::Remote) => select.filter(restriction.remote.clone()),
            (Some(restriction), Side::Local) => select.filter(restriction.local.clone()),
        }
    }

    /// Returns what is hashed on a side over all columns of the shape.
    pub fn hashed(&self, side: Side) -> Vec<(Expr, Encoding)> {
        self.columns
            .iter()
            .map(|column| column.hashed(side))
            .collect()
    }

    /// Returns what is summed up on a side over all columns of the shape.
    pub(super) fn summed(&self, side: Side) -> Vec<Quick> {
        let columns = self.columns.iter();
        let short = self.short_rows;
        columns.map(|column| column.summed(side, short)).collect()
    }

    /// Returns the hash that a row of a side has in a plan: of local's, over the columns that local has; where it has
    /// none of them, over what the expand phase will put there, as far as that can be told of all.
    pub fn plan_hash(&self, side: Side) -> Expr {
        let none = !self.columns.iter().any(ShapeColumn::common);
        let told = self.columns.iter().all(|column| column.stand_in.is_some());
        let columns = self
            .columns
            .iter()
            .filter(|column| side == Side::Remote || column.common() || (none && told))
            .map(|column| column.hashed(side))
            .collect::<Vec<_>>();
        encode::hash_of(&columns)
    }

    /// Returns what hashes the remote's rows as they are fetched; `None` where the server must.
    pub(super) fn hasher(&self) -> Option<Hasher> {
        let as_stored = |column: &ShapeColumn| {
            column.hashed(Side::Remote).0 == Expr::column(&column.remote.name)
        };
        if !self.columns.iter().all(as_stored) {
            return None;
        }
        let columns = self.columns.iter();
        Hasher::new(columns.map(|column| (&column.remote, column.encoding)))
    }

    /// Returns the hash that rows of both sides are compared by.
    pub fn comparison_hash(&self, side: Side) -> Expr {
        encode::hash_of(&self.hashed(side))
    }

    /// Returns how the columns' cells are fetched on a side.
    pub fn selected(&self, side: Side) -> Vec<Expr> {
        self.columns
            .iter()
            .map(|column| column.selected(side))
            .collect()
    }

    /// Returns the bytes of a row's long values on a side; `None` where it has none. Bounds how many are fetched at once.
    pub fn long_bytes(&self, side: Side) -> Option<Expr> {
        use crate::sql::expr::Operator;
        self.columns
            .iter()
            .filter(|column| matches!(column.encoding, Encoding::Lob | Encoding::LobUtf8))
            .filter_map(|column| column.source(side))
            .map(|source| {
                Expr::call(
                    Function::IfNull,
                    vec![Expr::call(Function::Length, vec![source]), Expr::integer(0)],
                )
            })
            .reduce(|sum, length| sum.binary(Operator::Plus, length))
    }

    /// Returns short values of a row that spread a bag over buckets.
    pub fn spreading(&self, side: Side) -> Vec<Expr> {
        let short = |encoding| !matches!(encoding, Encoding::Lob | Encoding::LobUtf8);
        let mut values = self
            .columns
            .iter()
            .filter(|column| column.common())
            .filter(|column| short(column.encoding))
            .map(|column| column.hashed(side))
            .map(|(source, encoding)| encoding.apply(source))
            .collect::<Vec<_>>();
        if values.is_empty() {
            values = self
                .columns
                .iter()
                .filter(|column| column.common())
                .map(|column| column.hashed(side))
                .map(|(source, encoding)| encoding.apply(source))
                .collect();
        }
        values
    }
}

/// Whether a column that local computes and stores is a plain one on the remote: the expand phase leaves it its values.
fn keeps_computed_values(task: &TableTask<'_>, remote: &Column) -> bool {
    let Some(table) = task.local else {
        return false;
    };
    let generated = table
        .column(&remote.name)
        .and_then(|column| column.generated.as_ref());
    let goes = |generated: &Generated| {
        let mut replaced = task.replaced.iter();
        replaced.any(|name| clause::mentions(&generated.expression, name))
    };
    generated.is_some_and(|generated| !goes(generated))
        && clause::keeps_computed_values(table, task.remote, &remote.name)
}

fn shape_column(
    remote: &Column,
    local: Option<&Column>,
    local_exists: bool,
    notes: &mut Vec<String>,
) -> Result<ShapeColumn> {
    let encoding = encode::encoding_for(local, remote)?;
    let mut stand_in = None;
    if local.is_none() && local_exists {
        match encode::simulated_default(remote) {
            Ok(constant) => stand_in = Some(constant),
            Err(reason) => notes.push(format!("every row counts as different: {reason}")),
        }
    }
    Ok(ShapeColumn {
        remote: remote.clone(),
        local: local.cloned(),
        encoding,
        stand_in,
        mask: None,
        converted: false,
        numbered: None,
    })
}

/// The condition on either side. Columns that local gets only with the plan's expand phase are stood in for.
fn restriction(task: &TableTask<'_>, columns: &[ShapeColumn]) -> Result<Option<Restriction>> {
    let Some(filter) = task.rules.and_then(|rules| rules.filter.as_ref()) else {
        return Ok(None);
    };
    let unfit = |what: String| {
        RuleUnfit(format!(
            "rows not compared: `{}` names {what}; bring the schema up first (`driftwarden plan --schema-only`, then \
             apply), and plan again",
            filter.path
        ))
    };
    let mut stand_ins = BTreeMap::new();
    for name in filter.expr.columns() {
        let Some(remote) = task.remote.column(&name) else {
            bail!("{} has no column `{name}`", task.remote_name);
        };
        let Some(table) = task.local else { continue };
        let class = |column: &Column| column.data_type.class();
        match table.column(&name) {
            Some(local) if class(local) == class(remote) => {}
            Some(local) => bail!(unfit(format!(
                "`{name}`, which is {} on local and {} on production",
                local.data_type.base, remote.data_type.base
            ))),
            None => {
                let constant = columns
                    .iter()
                    .find(|column| column.remote.name == remote.name)
                    .and_then(|column| column.stand_in.clone())
                    .filter(|_| !task.data_only);
                match constant {
                    Some(constant) => drop(stand_ins.insert(name, constant)),
                    None => bail!(unfit(format!("`{name}`, which local does not have"))),
                }
            }
        }
    }
    Ok(Some(Restriction {
        remote: filter.expr.clone(),
        local: filter
            .expr
            .clone()
            .with_columns(&|name| stand_ins.get(name).cloned()),
    }))
}

fn row_key(task: &TableTask<'_>, columns: &[ShapeColumn]) -> RowKey {
    let keys = task.remote.comparison_keys();
    keys.iter()
        .find_map(|key| settle_key(key, task, columns))
        .unwrap_or(RowKey::Bag)
}

fn settle_key(key: &[&Column], task: &TableTask<'_>, columns: &[ShapeColumn]) -> Option<RowKey> {
    let mut positions = Vec::new();
    let (mut remote, mut local) = (Vec::new(), Vec::new());
    let mut ordered = task.same_server_kind;
    let mut integer_lead = true;
    for (place, column) in key.iter().enumerate() {
        let position = columns
            .iter()
            .position(|shape| shape.remote.name == column.name)?;
        let shape = &columns[position];
        let definition = shape.local.as_ref().unwrap_or(&shape.remote);
        let on_remote = KeyColumn::new(&shape.remote, shape.encoding)?;
        let on_local = KeyColumn::new(definition, shape.encoding)?;
        ordered &= on_remote.is_ordered()
            && on_local.is_ordered()
            && shape.remote.charset == definition.charset
            && shape.remote.collation == definition.collation;
        if place == 0 {
            use crate::schema::table::TypeClass::Integer;
            integer_lead = on_remote.class == Integer && on_local.class == Integer;
        }
        positions.push(position);
        remote.push(on_remote);
        local.push(on_local);
    }
    if let Some(table) = task.local {
        // Without such an index local may hold a key twice.
        let names = local
            .iter()
            .map(|column| column.name.to_lowercase())
            .collect::<Vec<_>>();
        if positions
            .iter()
            .any(|position| !columns[*position].common())
            || !table.keeps_apart(&names)
            || !(task.data_only || stays_unique(table, task.remote, &names))
        {
            return None;
        }
    }
    let names = |columns: &[KeyColumn]| {
        columns
            .iter()
            .map(|column| column.name.to_lowercase())
            .collect::<Vec<_>>()
    };
    let (remote_names, local_names) = (names(&remote), names(&local));
    Some(RowKey::Columns {
        positions,
        remote: KeySide {
            index: index_over(task.remote, &remote_names),
            columns: remote,
        },
        local: KeySide {
            index: task.local.and_then(|table| index_over(table, &local_names)),
            columns: local,
        },
        ordered,
        integer_lead,
    })
}

/// Whether the key keeps rows apart on local through the expand phase as well: by an index that remote's rows cannot
/// violate, or by remote's own, which goes before the rows where local's columns are NOT NULL.
fn stays_unique(local: &Table, remote: &Table, names: &[String]) -> bool {
    let nullable = names
        .iter()
        .any(|name| local.column(name).is_none_or(|column| column.nullable));
    let columns = |index: &Index| -> Vec<String> {
        index
            .parts
            .iter()
            .filter_map(|part| part.column.as_ref())
            .map(|name| name.to_lowercase())
            .collect()
    };
    let unique = |index: &&Index| {
        matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
            && index
                .parts
                .iter()
                .all(|part| part.prefix.is_none() && part.column.is_some())
    };
    !nullable
        || local.indexes.iter().filter(unique).any(|own| {
            let own = columns(own);
            own.iter().all(|name| names.contains(name))
                && remote
                    .indexes
                    .iter()
                    .filter(unique)
                    .any(|other| columns(other).iter().all(|name| own.contains(name)))
        })
}

/// The visible index whose columns begin with these, the primary key first.
fn index_over(table: &Table, names: &[String]) -> Option<String> {
    let serves = |index: &&crate::schema::table::Index| {
        matches!(
            index.kind,
            IndexKind::Primary | IndexKind::Unique | IndexKind::Plain
        ) && index.parts.len() >= names.len()
            && index.options.is_empty()
            && index.parts.iter().zip(names).all(|(part, name)| {
                part.prefix.is_none()
                    && part
                        .column
                        .as_ref()
                        .is_some_and(|column| column.to_lowercase() == *name)
            })
    };
    table
        .primary_key()
        .filter(serves)
        .or_else(|| table.indexes.iter().find(serves))
        .map(|index| index.name.clone())
}
