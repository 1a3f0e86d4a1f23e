//! What is compared of a table: columns with their encodings, the key, and what stands in for columns that local does
//! not have yet.
//!
//! Pure. Must never drop a column in silence: what is left out or cannot be told is in `notes`.

use super::TableTask;
use crate::connect::Side;
use crate::read::chunk::{KeyColumn, KeySide};
use crate::read::encode::{self, Encoding};
use crate::schema::table::{Column, IndexKind, Table};
use crate::sql::Expr;
use anyhow::{Result, bail};

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
}

impl ShapeColumn {
    /// Returns whether local has the column already: `before_hash` covers those.
    pub fn common(&self) -> bool {
        self.local.is_some()
    }

    fn definition(&self, side: Side) -> Option<&Column> {
        match side {
            Side::Remote => Some(&self.remote),
            Side::Local => self.local.as_ref(),
        }
    }

    /// What is hashed of the column on a side.
    fn hashed(&self, side: Side) -> (Expr, Encoding) {
        match (self.definition(side), &self.stand_in) {
            (Some(column), _) => (Expr::column(&column.name), self.encoding),
            (None, Some(constant)) => (constant.clone(), self.encoding),
            // Not told beforehand: hashed as text that adds a length, so that no row of the remote hashes alike.
            (None, None) => (
                Expr::text("not known before the column is there"),
                Encoding::Text,
            ),
        }
    }

    /// How the column's cell is fetched on a side.
    fn selected(&self, side: Side) -> Expr {
        match self.definition(side) {
            Some(column) => encode::select_expr_as(column, self.encoding),
            None => match &self.stand_in {
                Some(constant) => constant.clone(),
                None => Expr::null(),
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
}

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
            let local = task.local.and_then(|table| table.column(&remote.name));
            if task.data_only && local.is_none() && task.local.is_some() {
                notes.push(format!(
                    "column `{}` is not compared: local has no such column, and the schema stays as it is",
                    remote.name
                ));
                continue;
            }
            let generated = local.is_some_and(|column| column.generated.is_some());
            if task.data_only && generated {
                notes.push(format!(
                    "column `{}` is not compared: local computes it, and the schema stays as it is",
                    remote.name
                ));
                continue;
            }
            columns.push(shape_column(
                remote,
                local.filter(|_| !generated),
                task.local.is_some(),
                &mut notes,
            )?);
        }
        if columns.is_empty() {
            bail!("there is no column to compare");
        }
        let key = row_key(task, &columns);
        Ok(Self {
            columns,
            key,
            notes,
        })
    }

    /// Returns what is hashed on a side over all columns of the shape.
    pub fn hashed(&self, side: Side) -> Vec<(Expr, Encoding)> {
        self.columns
            .iter()
            .map(|column| column.hashed(side))
            .collect()
    }

    /// Returns the hash that a row of a side has in a plan: of local's, over the columns that local has.
    pub fn plan_hash(&self, side: Side) -> Expr {
        let columns = self
            .columns
            .iter()
            .filter(|column| side == Side::Remote || column.common())
            .map(|column| column.hashed(side))
            .collect::<Vec<_>>();
        encode::hash_of(&columns)
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
        use crate::sql::Function;
        use crate::sql::expr::Operator;
        self.columns
            .iter()
            .filter(|column| matches!(column.encoding, Encoding::Lob | Encoding::LobUtf8))
            .filter_map(|column| column.definition(side))
            .map(|column| {
                Expr::call(
                    Function::IfNull,
                    vec![
                        Expr::call(Function::Length, vec![Expr::column(&column.name)]),
                        Expr::integer(0),
                    ],
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
    })
}

fn row_key(task: &TableTask<'_>, columns: &[ShapeColumn]) -> RowKey {
    settle_key(task, columns).unwrap_or(RowKey::Bag)
}

fn settle_key(task: &TableTask<'_>, columns: &[ShapeColumn]) -> Option<RowKey> {
    let key = task.remote.comparison_key()?;
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
            || !is_unique_within(table, &names)
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

/// Whether a unique index over some of these columns, all NOT NULL, keeps a key from being there twice.
fn is_unique_within(table: &Table, names: &[String]) -> bool {
    table.indexes.iter().any(|index| {
        matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
            && index.parts.iter().all(|part| {
                part.prefix.is_none()
                    && part.column.as_ref().is_some_and(|name| {
                        names.contains(&name.to_lowercase())
                            && table.column(name).is_some_and(|column| !column.nullable)
                    })
            })
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
