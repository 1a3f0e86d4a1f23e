//! Masks: what stands in a read of production for the values of a column that must not leave it.
//!
//! The same expression is selected, hashed and summed up, so that only masked values are ever compared or sent. Must
//! never make an expression that local would store otherwise, and must never let one in a column's key be NULL-changing:
//! rows are told apart by what production has.

mod check;
mod fit;
mod key;
mod kinds;

#[cfg(test)]
mod tests;

pub use key::{LEAST_KEY, MaskKey};

use crate::config::rules::EffectiveRule;
use crate::config::{Mask, MaskKind};
use crate::nearest::nearest;
use crate::refusal::Refusal;
use crate::schema::table::{Column, ForeignKey, Table, TypeClass};
use crate::schema::{ObjectName, personal};
use crate::sql::Expr;
use crate::sql::rule::{self, Clock};
use anyhow::Result;
use fit::Space;
use std::collections::BTreeMap;

/// The masks of a table, made for its columns.
#[derive(Debug, Clone, Default)]
pub struct TableMasks {
    columns: BTreeMap<String, ColumnMask>,
}

/// A mask, made for its column.
#[derive(Debug, Clone)]
struct ColumnMask {
    expr: Expr,
    space: Space,
    /// Two columns with the same one give the same for the same value; `None` where only the column itself does.
    mapping: Option<String>,
    path: String,
}

/// A table with its rules.
#[derive(Debug, Clone, Copy)]
pub struct Ruled<'a> {
    /// Its name on production.
    pub name: &'a ObjectName,
    /// As production has it.
    pub table: &'a Table,
    /// What the config says of it.
    pub rule: &'a EffectiveRule,
}

/// Returns whether a rule has a mask that is made with the key, for a column that the table has.
pub fn needs_key(table: &Table, rule: &EffectiveRule) -> bool {
    rule.mask
        .iter()
        .any(|(column, mask)| table.column(column).is_some() && mask.kind.needs_key())
}

/// Returns the columns that look as if they held personal data and that no mask is about, not even "keep".
pub fn unmasked<'a>(table: &'a Table, rule: &EffectiveRule) -> Vec<&'a str> {
    personal::columns(table)
        .map(|column| column.name.as_str())
        .filter(|name| {
            !rule
                .mask
                .keys()
                .any(|masked| masked.to_lowercase() == name.to_lowercase())
        })
        .collect()
}

impl TableMasks {
    /// Makes the masks of a table. Masks of columns that it does not have are left out: a rule may be for many tables.
    ///
    /// # Errors
    /// A refusal for the first mask that does not fit its column, with the reason.
    pub fn make(ruled: Ruled<'_>, key: Option<&MaskKey>) -> Result<Self> {
        let mut columns = BTreeMap::new();
        for (name, mask) in &ruled.rule.mask {
            let Some(column) = ruled.table.column(name) else {
                continue;
            };
            if mask.kind == MaskKind::Keep {
                continue;
            }
            let path = ruled.rule.places.mask_path(name);
            let made = check::column(ruled, column)
                .and_then(|()| make(ruled, column, mask, key, &path))
                .map_err(|why| refused(&path, ruled.name, column, &why))?;
            columns.insert(column.name.clone(), made);
        }
        let masks = Self { columns };
        check::unique(ruled, &masks)?;
        Ok(masks)
    }

    /// Returns whether no column is masked.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Returns what stands for each masked column, by its name.
    pub fn exprs(&self) -> BTreeMap<String, Expr> {
        self.columns
            .iter()
            .map(|(name, mask)| (name.clone(), mask.expr.clone()))
            .collect()
    }

    /// Checks that a foreign key of the table joins the same rows once both ends are masked. `parent` are the masks of
    /// the table referred to, `None` where they are not known.
    ///
    /// # Errors
    /// A refusal that says what is missing.
    pub fn check_foreign_key(
        &self,
        name: &ObjectName,
        key: &ForeignKey,
        parent: Option<&Self>,
    ) -> Result<()> {
        check::foreign_key(self, name, key, parent)
    }

    /// Returns in words what of the table's CHECK constraints may refuse masked values.
    pub fn warnings(&self, name: &ObjectName, table: &Table) -> Vec<String> {
        check::checked(self, name, table)
    }

    fn of(&self, column: &str) -> Option<&ColumnMask> {
        self.columns
            .iter()
            .find(|(name, _)| name.to_lowercase() == column.to_lowercase())
            .map(|(_, mask)| mask)
    }
}

fn refused(path: &str, table: &ObjectName, column: &Column, why: &str) -> Refusal {
    Refusal::new(
        format!("`{path}` cannot mask `{}` of {table}: {why}", column.name),
        "change the mask (docs/masking.md has every kind and what it fits); nothing was read",
    )
}

fn make(
    ruled: Ruled<'_>,
    column: &Column,
    mask: &Mask,
    key: Option<&MaskKey>,
    path: &str,
) -> Result<ColumnMask, String> {
    let is_json = is_json(ruled.table, column);
    if let MaskKind::Sql { text, unique } = &mask.kind {
        let parsed = rule::parse(text, Clock::Stopped).map_err(|why| why.to_string())?;
        for name in parsed.expr.columns() {
            if ruled.table.column(&name).is_none() {
                let names = ruled
                    .table
                    .columns
                    .iter()
                    .map(|column| column.name.as_str());
                let hint = nearest(&name, names)
                    .map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
                return Err(format!("the table has no column `{name}`{hint}"));
            }
        }
        return Ok(ColumnMask {
            expr: fit::fit(column, is_json, parsed.expr)?,
            space: if *unique { Space::Promised } else { Space::Few },
            mapping: None,
            path: path.to_owned(),
        });
    }
    let label = match &mask.group {
        Some(group) => format!("group\0{group}"),
        None => format!(
            "column\0{}\0{}\0{}",
            ruled.name.database, ruled.name.name, column.name
        ),
    };
    let secret = match key {
        Some(key) => key.of(&label),
        None if mask.kind.needs_key() => return Err("there is no mask key".to_owned()),
        None => String::new(),
    };
    let unique = check::is_in_unique(ruled.table, &column.name);
    let made = kinds::make(column, is_json, &mask.kind, &secret, unique)?;
    let mapping = mask
        .kind
        .needs_key()
        .then(|| format!("{:?} {label} {}", mask.kind, made.shape));
    Ok(ColumnMask {
        expr: made.expr,
        space: made.space,
        mapping,
        path: path.to_owned(),
    })
}

/// Whether a column holds JSON: by its type, or by the CHECK that MariaDB gives it.
fn is_json(table: &Table, column: &Column) -> bool {
    let says = |expression: &str| {
        expression.to_lowercase().contains(&format!(
            "json_valid(`{}`)",
            column.name.to_lowercase().replace('`', "``")
        ))
    };
    column.data_type.class() == Some(TypeClass::Json)
        || column.check.as_deref().is_some_and(says)
        || table.checks.iter().any(|check| says(&check.expression))
}
