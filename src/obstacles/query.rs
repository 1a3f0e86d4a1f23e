//! The queries that count rows in the way of a demand: over local's rows as they are, or as a plan will leave them.
//!
//! Pure. Must never name anything but through `sql::ident`, and must never look at a row that the plan changes as if it
//! stayed.

use super::loss;
use crate::diff::clause::mentions;
use crate::diff::schema::demand::Demand;
use crate::plan::row_sql::implicit_default;
use crate::read::encode;
use crate::schema::table::{Column, ForeignKey, Index, IndexPart, Table};
use crate::schema::{ObjectName, charset};
use crate::sql::{ident, qualified};

/// What a plan does to a table's rows, as two tables of a scratch schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overlay {
    /// The keys of the rows that it updates or deletes.
    pub(super) gone: ObjectName,
    /// The rows that it updates or inserts, as they will be.
    pub(super) after: ObjectName,
    /// The columns of the key; empty where rows have none, and then `gone` holds nothing.
    pub(super) key: Vec<String>,
}

/// A table whose rows are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Its name on local.
    pub(super) name: &'a ObjectName,
    /// As local has it; `None` where it is to be created.
    pub(super) local: Option<&'a Table>,
    /// As it is to be.
    pub(super) wanted: &'a Table,
    /// What the plan does to its rows, where that matters.
    pub(super) overlay: Option<&'a Overlay>,
}

/// The table a foreign key refers to.
#[derive(Debug, Clone)]
pub(super) struct Parent<'a> {
    /// Its name, where local has it.
    pub(super) there: Option<ObjectName>,
    /// What the plan does to its rows.
    pub(super) overlay: Option<&'a Overlay>,
}

impl<'a> Asked<'a> {
    /// The columns that name a row for people.
    pub(super) fn key(&self) -> Vec<&'a Column> {
        self.local
            .unwrap_or(self.wanted)
            .comparison_key()
            .unwrap_or_default()
    }

    /// One SELECT, or several with UNION ALL between, of the rows that violate a demand of each row alone.
    /// `None` where no condition tells.
    pub(super) fn violating(&self, demand: &Demand, parent: Option<&Parent<'_>>) -> Option<String> {
        let condition = self.condition(demand, parent)?;
        let keys = self.key_list();
        let mut selects = Vec::new();
        if let Some(local) = self.local {
            selects.push(format!(
                "SELECT {keys} FROM {} WHERE ({condition}){}",
                self.from(local, demand),
                self.kept()
            ));
        }
        if let Some(overlay) = self.overlay
            && !matches!(demand, Demand::Holds(_))
        {
            selects.push(format!(
                "SELECT {keys} FROM {} AS t WHERE ({condition})",
                qualified(&overlay.after)
            ));
        }
        Some(selects.join(" UNION ALL "))
    }

    /// The rows whose values a new type would change without a word.
    pub(super) fn altered(&self, name: &str) -> Option<String> {
        let (local, wanted) = (self.local?, self.wanted.column(name)?);
        let condition = loss::loss(local.column(name)?, wanted)?.altered?;
        Some(format!(
            "SELECT {} FROM {} AS t WHERE ({condition}){}",
            self.key_list(),
            qualified(self.name),
            self.kept()
        ))
    }

    /// The rows with their keys (x0, x1, …) and their values in an index (k0, k1, …), those without a NULL in it.
    fn indexed(&self, index: &Index) -> String {
        let keys = self.key_list();
        let parts = |table: Option<&Table>| -> (String, String) {
            let parts: Vec<String> = index
                .parts
                .iter()
                .map(|part| self.part(part, table))
                .collect();
            let named: Vec<String> = (0..)
                .zip(&parts)
                .map(|(place, part)| format!("{part} AS k{place}"))
                .collect();
            let present: Vec<String> = parts
                .iter()
                .map(|part| format!("{part} IS NOT NULL"))
                .collect();
            (named.join(", "), present.join(" AND "))
        };
        let mut selects = Vec::new();
        if let Some(local) = self.local {
            let (named, present) = parts(Some(local));
            selects.push(format!(
                "SELECT {keys}, {named} FROM {} AS t WHERE {present}{}",
                qualified(self.name),
                self.kept()
            ));
        }
        if let Some(overlay) = self.overlay {
            let (named, present) = parts(None);
            selects.push(format!(
                "SELECT {keys}, {named} FROM {} AS t WHERE {present}",
                qualified(&overlay.after)
            ));
        }
        selects.join(" UNION ALL ")
    }

    /// How many rows share their values in an index with another row.
    pub(super) fn count_sharing(&self, index: &Index) -> String {
        let names: Vec<String> = (0..index.parts.len())
            .map(|place| format!("k{place}"))
            .collect();
        format!(
            "SELECT COALESCE(SUM(n), 0) FROM (SELECT COUNT(*) AS n FROM ({}) AS g GROUP BY {} HAVING COUNT(*) > 1) AS d",
            self.indexed(index),
            names.join(", ")
        )
    }

    /// The rows that share their values in an index with another row.
    pub(super) fn sharing(&self, index: &Index) -> String {
        let rows = self.indexed(index);
        let names: Vec<String> = (0..index.parts.len())
            .map(|place| format!("k{place}"))
            .collect();
        let list = names.join(", ");
        let same: Vec<String> = names
            .iter()
            .map(|name| format!("u.{name} = d.{name}"))
            .collect();
        let keys: Vec<String> = (0..self.key().len().max(1))
            .map(|place| format!("u.x{place}"))
            .collect();
        format!(
            "SELECT {} FROM ({rows}) AS u JOIN (SELECT {list} FROM ({rows}) AS g GROUP BY {list} HAVING COUNT(*) > 1) \
             AS d ON {}",
            keys.join(", "),
            same.join(" AND ")
        )
    }

    /// The key's columns as x0, x1, …; a constant where there is none.
    fn key_list(&self) -> String {
        let names: Vec<String> = (0..)
            .zip(self.key())
            .map(|(place, column)| format!("{} AS x{place}", encode::select_expr(column).sql()))
            .collect();
        if names.is_empty() {
            "NULL AS x0".to_owned()
        } else {
            names.join(", ")
        }
    }

    /// Leaves out the rows that the plan updates or deletes.
    fn kept(&self) -> String {
        match self.overlay {
            Some(overlay) if !overlay.key.is_empty() => {
                format!(" AND {}", none_alike(&overlay.gone, &overlay.key, "t"))
            }
            _ => String::new(),
        }
    }

    fn condition(&self, demand: &Demand, parent: Option<&Parent<'_>>) -> Option<String> {
        Some(match demand {
            Demand::NotNull(name) => format!("{} IS NULL", ident(name)),
            Demand::Check(name) => {
                let check = self
                    .wanted
                    .checks
                    .iter()
                    .find(|check| check.name == *name)?;
                format!("NOT {}", check.expression)
            }
            Demand::ColumnCheck(name) => {
                format!("NOT ({})", self.wanted.column(name)?.check.as_deref()?)
            }
            Demand::Holds(name) => {
                loss::loss(self.local?.column(name)?, self.wanted.column(name)?)?.refused?
            }
            Demand::Reference(name) => orphaned(foreign_key(self.wanted, name)?, parent?),
            Demand::Unique(_) => return None,
        })
    }

    /// Local's table; with the columns that it does not have yet, where the demand speaks of them.
    fn from(&self, local: &Table, demand: &Demand) -> String {
        let speaks_of = |column: &Column| match demand {
            Demand::Check(name) => self
                .wanted
                .checks
                .iter()
                .any(|check| check.name == *name && mentions(&check.expression, &column.name)),
            Demand::ColumnCheck(name) => {
                column.name == *name
                    || self.wanted.column(name).is_some_and(|owner| {
                        owner
                            .check
                            .as_deref()
                            .is_some_and(|check| mentions(check, &column.name))
                    })
            }
            Demand::Reference(name) => foreign_key(self.wanted, name).is_some_and(|key| {
                key.columns
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(&column.name))
            }),
            _ => false,
        };
        let new: Vec<String> = self
            .wanted
            .columns
            .iter()
            .filter(|column| local.column(&column.name).is_none() && speaks_of(column))
            .map(|column| format!("{} AS {}", value_of_new(column), ident(&column.name)))
            .collect();
        if new.is_empty() {
            return format!("{} AS t", qualified(self.name));
        }
        let own: Vec<String> = local
            .columns
            .iter()
            .map(|column| ident(&column.name))
            .chain(new)
            .collect();
        format!(
            "(SELECT {} FROM {}) AS t",
            own.join(", "),
            qualified(self.name)
        )
    }

    /// What an index tells a row by: of local's table in the form that the wanted one compares.
    fn part(&self, part: &IndexPart, local: Option<&Table>) -> String {
        let Some(name) = &part.column else {
            return part.expression.clone().unwrap_or_default();
        };
        let wanted = self.wanted.column(name);
        let own = local.map(|table| table.column(name));
        let mut text = match (own, wanted) {
            (Some(None), Some(wanted)) => value_of_new(wanted),
            (Some(Some(own)), Some(wanted)) => collated(own, wanted),
            _ => ident(name),
        };
        if let Some(prefix) = part.prefix {
            text = format!("LEFT({text}, {prefix})");
        }
        text
    }
}

/// Returns the foreign key of that name.
pub(super) fn foreign_key<'a>(table: &'a Table, name: &str) -> Option<&'a ForeignKey> {
    table.foreign_keys.iter().find(|key| key.name == name)
}

/// How many rows a SELECT gives.
pub(super) fn count(select: &str) -> String {
    format!("SELECT COUNT(*) FROM ({select}) AS counted")
}

/// The first rows that a SELECT with `keys` columns gives, by key.
pub(super) fn first(select: &str, keys: usize, rows: u64) -> String {
    let names: Vec<String> = (0..keys.max(1)).map(|place| format!("x{place}")).collect();
    let list = names.join(", ");
    format!("SELECT {list} FROM ({select}) AS found ORDER BY {list} LIMIT {rows}")
}

fn collated(own: &Column, wanted: &Column) -> String {
    let name = ident(&own.name);
    let (Some(charset), Some(collation)) = (&wanted.charset, &wanted.collation) else {
        return name;
    };
    let plain = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let fits = own.charset.is_some() && charset::of_collation(collation) == charset;
    if own.collation == wanted.collation || !fits || !plain(charset) || !plain(collation) {
        return name;
    }
    format!("CONVERT({name} USING {charset}) COLLATE {collation}")
}

/// What the server will put into local's rows for a column that they do not have yet.
fn value_of_new(column: &Column) -> String {
    match (&column.generated, &column.default) {
        (Some(generated), _) => generated.expression.clone(),
        (None, Some(default)) => default.clone(),
        (None, None) if !column.nullable => {
            implicit_default(column).unwrap_or_else(|| "NULL".to_owned())
        }
        (None, None) => "NULL".to_owned(),
    }
}

/// Whether no row of `table` has, in these columns, what the row `alias` has in those of the same names.
fn none_alike(table: &ObjectName, columns: &[String], alias: &str) -> String {
    let same: Vec<String> = columns
        .iter()
        .map(|name| format!("g.{0} = {alias}.{0}", ident(name)))
        .collect();
    format!(
        "NOT EXISTS (SELECT 1 FROM {} AS g WHERE {})",
        qualified(table),
        same.join(" AND ")
    )
}

/// A row `t` whose reference leads nowhere; one with a NULL in it refers to nothing, and may.
fn orphaned(key: &ForeignKey, parent: &Parent<'_>) -> String {
    let mut conditions: Vec<String> = key
        .columns
        .iter()
        .map(|name| format!("t.{} IS NOT NULL", ident(name)))
        .collect();
    let same: Vec<String> = key
        .referenced_columns
        .iter()
        .zip(&key.columns)
        .map(|(there, here)| format!("p.{} = t.{}", ident(there), ident(here)))
        .collect();
    let same = same.join(" AND ");
    if let Some(table) = &parent.there {
        let kept = match parent.overlay {
            Some(overlay) if !overlay.key.is_empty() => {
                format!(" AND {}", none_alike(&overlay.gone, &overlay.key, "p"))
            }
            _ => String::new(),
        };
        conditions.push(format!(
            "NOT EXISTS (SELECT 1 FROM {} AS p WHERE {same}{kept})",
            qualified(table)
        ));
    }
    if let Some(overlay) = parent.overlay {
        conditions.push(format!(
            "NOT EXISTS (SELECT 1 FROM {} AS p WHERE {same})",
            qualified(&overlay.after)
        ));
    }
    conditions.join(" AND ")
}
