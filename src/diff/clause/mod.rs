//! Renders the `ALTER TABLE` that leads from one table to another: minimal clauses, deterministic from the two models.
//!
//! `apply` makes the statements again from a plan's before and after texts and wants exactly the same ones, so nothing
//! but the two models and the vendor may decide what is written. Must never talk to a server.

mod columns;
mod indexes;
mod options;
pub mod partitions;

pub use columns::same_column;
pub(crate) use columns::{keeps_computed_values, mentions, recreated};

use crate::schema::table::{Check, ForeignKey, IndexKind, Table};
use crate::schema::{Vendor, print};
use crate::sql::ident;

/// What a clause does, for judging its risk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the clause it stands for")]
pub enum Change {
    AddColumn(String),
    DropColumn(String),
    ModifyColumn(String),
    AddIndex(String),
    DropIndex(String),
    AlterIndex(String),
    AddForeignKey(String),
    DropForeignKey(String),
    AddCheck(String),
    DropCheck(String),
    AlterCheck(String),
    Option(String),
    Rebuild,
    Partitioning,
}

/// One clause of an `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The clause's text.
    pub sql: String,
    /// What it does.
    pub change: Change,
    /// Why something of local's is lost by it; empty where nothing is.
    pub reasons: Vec<String>,
}

impl Clause {
    fn new(sql: String, change: Change) -> Self {
        Self {
            sql,
            change,
            reasons: Vec::new(),
        }
    }
}

/// The clauses of one statement.
pub type Statement = Vec<Clause>;

/// Returns the statements that lead from one table to the other; empty where the server cannot tell them apart.
pub fn alter(before: &Table, after: &Table, vendor: Vendor) -> Vec<Statement> {
    let columns = columns::clauses(before, after, vendor);
    let indexes = indexes::clauses(before, after, &columns.recreated, vendor);
    let checks = check_clauses(before, after, vendor, &columns.recreated);
    let partitioning = partitions::clause(
        before.partitioning.as_deref(),
        after.partitioning.as_deref(),
    );
    let (dropped_keys, added_keys) = foreign_key_clauses(before, after);

    let mut main: Statement = Vec::new();
    main.extend(indexes.dropped);
    main.extend(checks.0);
    main.extend(columns.dropped);
    main.extend(columns.changed);
    main.extend(indexes.added);
    main.extend(checks.1);
    let (early, others) = options::clauses(before, after);
    main.extend(others);

    if added_keys.is_empty() && only_reorders(before, after, &main) {
        main.push(Clause::new("FORCE".to_owned(), Change::Rebuild));
    }

    // A key whose name comes back, or whose table is rebuilt around it, must be gone before: neither server takes
    // both in one statement.
    let rebuilt = partitioning.is_some()
        || before.options.get("ENGINE") != after.options.get("ENGINE")
        || main
            .iter()
            .any(|clause| matches!(clause.change, Change::ModifyColumn(_)));
    let name_returns = dropped_keys.iter().any(|dropped| {
        added_keys
            .iter()
            .any(|added| match (&dropped.change, &added.change) {
                (Change::DropForeignKey(dropped), Change::AddForeignKey(added)) => {
                    dropped.eq_ignore_ascii_case(added)
                }
                _ => false,
            })
    });
    let mut statements: Vec<Statement> = Vec::new();
    let mut first = indexes.dropped_first;
    if rebuilt || name_returns {
        first.splice(0..0, dropped_keys);
    } else {
        main.splice(0..0, dropped_keys);
    }
    statements.push(first);
    statements.push(early);
    // A key to the table itself must find the table's new columns.
    let (mut last, with_main): (Statement, Statement) =
        added_keys.into_iter().partition(|clause| {
            partitioning.is_some() || (rebuilt && references_itself(after, clause))
        });
    main.extend(with_main);
    match partitioning {
        Some(clause) if clause.sql.starts_with("ADD PARTITION") => {
            statements.push(main);
            statements.push(vec![clause]);
        }
        Some(clause) => {
            main.push(clause);
            statements.push(main);
        }
        None => statements.push(main),
    }
    let fulltext = one_fulltext_each(&mut statements, after, vendor);
    statements.extend(fulltext);
    statements.push(columns.defaults);
    statements.push(std::mem::take(&mut last));
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// Returns a statement's text.
pub fn render(database: &str, table: &str, statement: &[Clause]) -> String {
    let mut text = format!("ALTER TABLE {}.{}", ident(database), ident(table));
    for (position, clause) in statement.iter().enumerate() {
        // The partitioning stands behind the list of clauses, not in it.
        let listed = clause.change != Change::Partitioning;
        text.push_str(if position > 0 && listed {
            ",\n  "
        } else {
            "\n  "
        });
        text.push_str(&clause.sql);
    }
    text
}

/// Whether nothing but the order of indexes changes: to a server that is no change at all, unless it is forced.
fn only_reorders(before: &Table, after: &Table, main: &[Clause]) -> bool {
    let unchanged = |name: &str| {
        let of = |table: &Table| {
            table
                .indexes
                .iter()
                .find(|index| index.name == name)
                .cloned()
        };
        of(before).is_some() && of(before) == of(after)
    };
    let real = main.iter().any(|clause| match &clause.change {
        Change::AddIndex(name) | Change::DropIndex(name) => !unchanged(name),
        Change::AddColumn(_) | Change::DropColumn(_) | Change::ModifyColumn(_) => true,
        _ => false,
    });
    !real
        && main
            .iter()
            .any(|clause| matches!(clause.change, Change::AddIndex(_)))
}

/// Takes out of the statements all additions of fulltext indexes but the first, for statements of their own: InnoDB makes
/// one at a time (error 1795).
fn one_fulltext_each(
    statements: &mut [Statement],
    after: &Table,
    vendor: Vendor,
) -> Vec<Statement> {
    let is_fulltext = |name: &str| {
        let mut indexes = after.indexes.iter();
        indexes.any(|index| index.name == name && index.kind == IndexKind::Fulltext)
    };
    let mut apart = Vec::new();
    if vendor != Vendor::MySql {
        return apart;
    }
    let mut seen = false;
    for statement in statements {
        let (kept, more): (Statement, Statement) =
            std::mem::take(statement).into_iter().partition(|clause| {
                let adds = matches!(&clause.change, Change::AddIndex(name) if is_fulltext(name));
                !(adds && std::mem::replace(&mut seen, true))
            });
        *statement = kept;
        apart.extend(more.into_iter().map(|clause| vec![clause]));
    }
    apart
}

fn references_itself(table: &Table, clause: &Clause) -> bool {
    table.foreign_keys.iter().any(|key| {
        clause.change == Change::AddForeignKey(key.name.clone())
            && key.referenced_database.is_none()
            && key.referenced_table.eq_ignore_ascii_case(&table.name)
    })
}

fn foreign_key_clauses(before: &Table, after: &Table) -> (Statement, Statement) {
    let same = |a: &ForeignKey, b: &ForeignKey| a == b;
    let dropped = before
        .foreign_keys
        .iter()
        .filter(|key| !after.foreign_keys.iter().any(|other| same(key, other)))
        .map(|key| {
            Clause::new(
                format!("DROP FOREIGN KEY {}", ident(&key.name)),
                Change::DropForeignKey(key.name.clone()),
            )
        })
        .collect();
    let added = after
        .foreign_keys
        .iter()
        .filter(|key| !before.foreign_keys.iter().any(|other| same(key, other)))
        .map(|key| {
            Clause::new(
                format!("ADD {}", print::foreign_key(key)),
                Change::AddForeignKey(key.name.clone()),
            )
        })
        .collect();
    (dropped, added)
}

fn check_clauses(
    before: &Table,
    after: &Table,
    vendor: Vendor,
    recreated: &[String],
) -> (Statement, Statement) {
    let kept = kept_checks(before, after, vendor, recreated);
    let mut dropped = Vec::new();
    let mut added = Vec::new();
    for check in &before.checks {
        if kept.iter().any(|(own, _)| *own == check) {
            continue;
        }
        let word = match vendor {
            Vendor::MySql => "CHECK",
            Vendor::MariaDb => "CONSTRAINT",
        };
        dropped.push(Clause::new(
            format!("DROP {word} {}", ident(&check.name)),
            Change::DropCheck(check.name.clone()),
        ));
    }
    for check in &after.checks {
        match kept.iter().find(|(_, other)| *other == check) {
            Some((own, _)) if own.enforced == check.enforced => {}
            Some(_) => added.push(Clause::new(
                format!(
                    "ALTER CHECK {} {}ENFORCED",
                    ident(&check.name),
                    if check.enforced { "" } else { "NOT " }
                ),
                Change::AlterCheck(check.name.clone()),
            )),
            None => added.push(Clause::new(
                format!("ADD {}", print::check(check)),
                Change::AddCheck(check.name.clone()),
            )),
        }
    }
    (dropped, added)
}

/// The checks that stay, as each table has them. MariaDB keeps checks in the order of their creation, so there only those
/// stay that are a beginning of the wanted sequence, in the present order.
fn kept_checks<'a>(
    before: &'a Table,
    after: &'a Table,
    vendor: Vendor,
    recreated: &[String],
) -> Vec<(&'a Check, &'a Check)> {
    let untouched = |check: &Check| {
        !recreated
            .iter()
            .any(|column| mentions(&check.expression, column))
    };
    let mut kept = Vec::new();
    let mut last = 0;
    for check in &after.checks {
        let place = before
            .checks
            .iter()
            .position(|own| same_condition(own, check) && untouched(check));
        match (place, vendor) {
            (Some(place), Vendor::MariaDb) if place >= last => {
                last = place;
                kept.push((&before.checks[place], check));
            }
            (_, Vendor::MariaDb) => break,
            (Some(place), Vendor::MySql) => kept.push((&before.checks[place], check)),
            (None, Vendor::MySql) => {}
        }
    }
    kept
}

fn same_condition(a: &Check, b: &Check) -> bool {
    a.name == b.name && a.expression == b.expression
}
