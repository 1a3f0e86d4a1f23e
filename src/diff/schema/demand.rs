//! What a change asks of the rows that go through it, and the same change without asking it.
//!
//! Pure. Must never miss a demand that the server would make of a row and that `diff` knows of, and must never take back
//! more than the one demand named.

use super::types::fits;
use crate::schema::print;
use crate::schema::table::{Column, ForeignKey, Index, IndexKind, Table};

/// Something that rows must meet after a change and need not have met before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// A column has no NULL.
    NotNull(String),
    /// A column's values are values of its new type, unchanged.
    Holds(String),
    /// No two rows are equal in an index.
    Unique(String),
    /// A CHECK of the table holds.
    Check(String),
    /// A CHECK of a column (MariaDB) holds.
    ColumnCheck(String),
    /// A foreign key's rows refer to rows that are there.
    Reference(String),
}

/// Returns what the second table asks of rows that the first does not.
pub fn demands(before: &Table, after: &Table) -> Vec<Demand> {
    let mut demands = Vec::new();
    for column in &after.columns {
        let Some(own) = before.column(&column.name) else {
            continue;
        };
        if own.generated.is_some() || column.generated.is_some() {
            continue;
        }
        if own.nullable && !column.nullable {
            demands.push(Demand::NotNull(column.name.clone()));
        }
        if !fits(own, column) {
            demands.push(Demand::Holds(column.name.clone()));
        }
    }
    for column in &after.columns {
        let own = before.column(&column.name);
        if column.check.is_some() && own.is_none_or(|own| own.check != column.check) {
            demands.push(Demand::ColumnCheck(column.name.clone()));
        }
    }
    for index in after.indexes.iter().filter(|index| is_unique(index)) {
        let met = before
            .indexes
            .iter()
            .any(|own| is_unique(own) && same_parts(own, index) && unchanged(own, before, after));
        if !met && !fills_itself(index, before, after) {
            demands.push(Demand::Unique(index.name.clone()));
        }
    }
    for check in after.checks.iter().filter(|check| check.enforced) {
        let met = before
            .checks
            .iter()
            .any(|own| own.enforced && own.expression == check.expression);
        if !met {
            demands.push(Demand::Check(check.name.clone()));
        }
    }
    for key in &after.foreign_keys {
        if !before.foreign_keys.iter().any(|own| refers_alike(own, key)) {
            demands.push(Demand::Reference(key.name.clone()));
        }
    }
    demands
}

impl Demand {
    /// Names the part of the table that makes the demand, `after` being the table that has it.
    pub fn describe(&self, after: &Table) -> String {
        match self {
            Self::NotNull(name) => format!("column `{name}` as NOT NULL"),
            Self::Holds(name) => after.column(name).map_or_else(
                || format!("column `{name}`"),
                |column| {
                    let charset = column.charset.as_deref();
                    let charset = charset.map_or_else(String::new, |it| format!(" {it}"));
                    format!("column `{name}` as {}{charset}", print::data_type(column))
                },
            ),
            Self::Unique(name) if name == "PRIMARY" => "the primary key".to_owned(),
            Self::Unique(name) => format!("unique key `{name}`"),
            Self::Check(name) => format!("check `{name}`"),
            Self::ColumnCheck(name) => format!("the check of column `{name}`"),
            Self::Reference(name) => format!("foreign key `{name}`"),
        }
    }

    /// Gives a table that is to be reached the form that local has instead, so that it no longer makes the demand.
    pub fn take_back(&self, wanted: &mut Table, local: &Table) {
        match self {
            Self::NotNull(name) => {
                let Some(column) = column_mut(wanted, name) else {
                    return;
                };
                column.nullable = true;
                if column.default.is_none() {
                    // A column without a default is printed with one of NULL, but for long types.
                    column.default = local.column(name).and_then(|own| own.default.clone());
                }
                let primary = Self::Unique("PRIMARY".to_owned());
                if wanted
                    .primary_key()
                    .is_some_and(|index| covers(index, name))
                {
                    primary.take_back(wanted, local);
                }
            }
            Self::Holds(name) => {
                if let (Some(column), Some(own)) = (column_mut(wanted, name), local.column(name)) {
                    *column = Column {
                        name: column.name.clone(),
                        comment: column.comment.clone(),
                        ..own.clone()
                    };
                }
            }
            Self::Unique(name) => take_back_index(wanted, local, name),
            Self::Check(name) => {
                let same =
                    |check: &&crate::schema::table::Check| check.name.eq_ignore_ascii_case(name);
                let own = local.checks.iter().find(same).cloned();
                wanted.checks.retain(|check| !same(&check));
                wanted.checks.extend(own);
            }
            Self::ColumnCheck(name) => {
                let own = local.column(name).and_then(|own| own.check.clone());
                if let Some(column) = column_mut(wanted, name) {
                    column.check = own;
                }
            }
            Self::Reference(name) => {
                let same = |key: &&ForeignKey| key.name.eq_ignore_ascii_case(name);
                let own = local.foreign_keys.iter().find(same).cloned();
                wanted.foreign_keys.retain(|key| !same(&key));
                wanted.foreign_keys.extend(own);
            }
        }
    }
}

/// Puts local's index of that name, or for a primary key local's own, in the place of the wanted one; where local has
/// none, an `AUTO_INCREMENT` that rests on it goes with it.
fn take_back_index(wanted: &mut Table, local: &Table, name: &str) {
    let Some(place) = wanted.indexes.iter().position(|index| index.name == name) else {
        return;
    };
    wanted.indexes.remove(place);
    let exists = |index: &&Index| {
        index.parts.iter().all(|part| {
            part.column
                .as_deref()
                .is_none_or(|column| wanted.column(column).is_some())
        })
    };
    let own = local
        .indexes
        .iter()
        .filter(exists)
        .find(|index| index.name.eq_ignore_ascii_case(name))
        .cloned();
    if let Some(own) = own {
        wanted.indexes.insert(place, own);
    }
    for position in 0..wanted.columns.len() {
        let column = &wanted.columns[position];
        let leads = |index: &Index| {
            index
                .parts
                .first()
                .and_then(|part| part.column.as_ref())
                .is_some_and(|first| first.eq_ignore_ascii_case(&column.name))
        };
        if column.auto_increment && !wanted.indexes.iter().any(leads) {
            wanted.columns[position].auto_increment = false;
        }
    }
}

fn column_mut<'a>(table: &'a mut Table, name: &str) -> Option<&'a mut Column> {
    table
        .columns
        .iter_mut()
        .find(|column| column.name.to_lowercase() == name.to_lowercase())
}

fn covers(index: &Index, name: &str) -> bool {
    index.parts.iter().any(|part| {
        part.column
            .as_ref()
            .is_some_and(|column| column.to_lowercase() == name.to_lowercase())
    })
}

fn is_unique(index: &Index) -> bool {
    matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
}

/// Whether two indexes tell the same rows apart: in whatever order and direction.
fn same_parts(own: &Index, index: &Index) -> bool {
    own.parts.iter().all(|part| {
        index.parts.iter().any(|other| {
            let same_column = match (&part.column, &other.column) {
                (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
                (None, None) => part.expression == other.expression,
                _ => false,
            };
            same_column && part.prefix == other.prefix
        })
    })
}

/// Whether the columns of an index tell values apart as they did.
fn unchanged(index: &Index, before: &Table, after: &Table) -> bool {
    index.parts.iter().all(|part| {
        let Some(name) = &part.column else {
            return true;
        };
        match (before.column(name), after.column(name)) {
            (Some(own), Some(column)) => {
                own.data_type == column.data_type
                    && own.collation == column.collation
                    && own.charset == column.charset
                    || fits(own, column)
                        && own.collation == column.collation
                        && own.data_type.class() == column.data_type.class()
            }
            _ => false,
        }
    })
}

/// Whether an index rests on a column that is new and that the server numbers, or fills with NULL.
fn fills_itself(index: &Index, before: &Table, after: &Table) -> bool {
    index.parts.iter().any(|part| {
        part.column.as_deref().is_some_and(|name| {
            before.column(name).is_none()
                && after.column(name).is_some_and(|column| {
                    column.auto_increment
                        || (column.nullable
                            && column.generated.is_none()
                            && column
                                .default
                                .as_deref()
                                .is_none_or(|default| default.eq_ignore_ascii_case("NULL")))
                })
        })
    })
}

fn refers_alike(own: &ForeignKey, key: &ForeignKey) -> bool {
    let folded = |names: &[String]| -> Vec<String> {
        names.iter().map(|name| name.to_lowercase()).collect()
    };
    folded(&own.columns) == folded(&key.columns)
        && folded(&own.referenced_columns) == folded(&key.referenced_columns)
        && own.referenced_table == key.referenced_table
        && own.referenced_database == key.referenced_database
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn table(body: &str) -> Table {
        parse::table(&format!("CREATE TABLE `t` (\n  {body}\n) ENGINE=InnoDB")).unwrap()
    }

    fn between(before: &str, after: &str) -> Vec<String> {
        let (before, after) = (table(before), table(after));
        demands(&before, &after)
            .iter()
            .map(|demand| demand.describe(&after))
            .collect()
    }

    #[test]
    fn what_rows_must_meet_is_named_and_nothing_else() {
        assert_eq!(
            between(
                "`id` int NOT NULL,\n  `a` int DEFAULT NULL,\n  `b` int NOT NULL,\n  `c` varchar(9) DEFAULT NULL,\n  KEY `a` (`a`)",
                "`id` int NOT NULL,\n  `a` int NOT NULL,\n  `b` bigint NOT NULL,\n  `c` varchar(5) DEFAULT NULL,\n  \
                 PRIMARY KEY (`id`),\n  UNIQUE KEY `a` (`a`),\n  \
                 CONSTRAINT `f` FOREIGN KEY (`b`) REFERENCES `p` (`id`),\n  CONSTRAINT `pos` CHECK ((`a` > 0))"
            ),
            [
                "column `a` as NOT NULL",
                "column `c` as varchar(5)",
                "the primary key",
                "unique key `a`",
                "check `pos`",
                "foreign key `f`"
            ]
        );
    }

    #[test]
    fn what_was_met_before_is_not_asked_again() {
        let same = "`id` int NOT NULL,\n  `a` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `x` (`a`)";
        assert_eq!(between(same, same), Vec::<String>::new());
        assert_eq!(
            between(
                same,
                "`id` int NOT NULL,\n  `a` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `y` (`a`,`id`)"
            ),
            Vec::<String>::new(),
            "unique in one column is unique in two"
        );
        assert_eq!(
            between(
                "`a` int DEFAULT NULL",
                "`id` int NOT NULL AUTO_INCREMENT,\n  `a` int DEFAULT NULL,\n  PRIMARY KEY (`id`)"
            ),
            Vec::<String>::new(),
            "the server numbers the rows"
        );
    }

    #[test]
    fn a_demand_that_is_taken_back_is_no_longer_made() {
        let local = table(
            "`id` int DEFAULT NULL,\n  `a` varchar(9) DEFAULT NULL,\n  KEY `a` (`a`),\n  CONSTRAINT `c` CHECK ((`id` > 1))",
        );
        let remote = table(
            "`id` int NOT NULL AUTO_INCREMENT,\n  `a` varchar(5) NOT NULL,\n  `n` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  \
             UNIQUE KEY `a` (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`n`) REFERENCES `p` (`id`),\n  CONSTRAINT `c` CHECK ((`id` > 2))",
        );
        for demand in demands(&local, &remote) {
            let mut wanted = remote.clone();
            demand.take_back(&mut wanted, &local);
            let left = demands(&local, &wanted);
            assert!(!left.contains(&demand), "{demand:?} in {left:?}");
            assert!(
                wanted.column("n").is_some(),
                "the rest of the change goes on"
            );
        }
        let mut wanted = remote.clone();
        for demand in demands(&local, &remote) {
            demand.take_back(&mut wanted, &local);
        }
        assert_eq!(demands(&local, &wanted), []);
        insta::assert_snapshot!(print::create_table(&wanted), @r"
        CREATE TABLE `t` (
          `id` int DEFAULT NULL,
          `a` varchar(9) DEFAULT NULL,
          `n` int DEFAULT NULL,
          KEY `a` (`a`),
          CONSTRAINT `c` CHECK ((`id` > 1))
        ) ENGINE=InnoDB
        ");
    }
}
