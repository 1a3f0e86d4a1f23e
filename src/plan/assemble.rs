//! Puts a plan together from what was found: dependencies, order, counts, digest.
//!
//! Pure. Must never drop a finding, and must never decide anything.

use super::link::{self, Reference};
use super::{
    DatabasePair, Entry, FORMAT_VERSION, Kind, LocalServer, Plan, RemoteServer, Review, Scope,
    TablePlan, digest, order,
};
use crate::config::Deletes;
use crate::schema::Unsupported;
use anyhow::Result;
use std::collections::BTreeMap;

/// What was compared, where and when.
#[derive(Debug, Clone)]
pub struct Header {
    /// UTC time of creation, RFC 3339, whole seconds.
    pub created_at: String,
    /// The id of the plan that the new one undoes, where it does.
    pub reverts: Option<String>,
    /// The production server.
    pub remote: RemoteServer,
    /// The local server.
    pub local: LocalServer,
    /// The databases.
    pub databases: Vec<DatabasePair>,
    /// Table patterns; empty for all that the config selects.
    pub tables: Vec<String>,
    /// Whether schemas were compared.
    pub schema: bool,
    /// Whether rows were compared.
    pub data: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The changes, in any order.
    pub entries: Vec<Entry>,
    /// Every table in scope.
    pub tables: Vec<TablePlan>,
    /// What cannot be handled.
    pub unsupported: Vec<Unsupported>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Foreign keys between the tables, as they will be.
    pub references: Vec<Reference>,
}

/// Puts the plan together and seals it with its digest and id.
///
/// # Errors
/// When the entries depend on each other in a circle, which is a fault of this program.
pub fn assemble(header: Header, mut findings: Findings) -> Result<Plan> {
    link::link(&mut findings.entries, &findings.references);
    wait_for_names(&mut findings.entries);
    order::order(&mut findings.entries)?;
    findings
        .tables
        .sort_by(|one, other| one.table.cmp(&other.table));
    findings.unsupported.sort();
    findings.unsupported.dedup();
    let tables = if header.tables.is_empty() {
        vec!["*".to_owned()]
    } else {
        header.tables
    };
    let mut plan = Plan {
        format_version: FORMAT_VERSION,
        id: String::new(),
        digest: String::new(),
        created_at: header.created_at,
        tool: concat!("driftwarden ", env!("CARGO_PKG_VERSION")).to_owned(),
        reverts: header.reverts,
        remote: header.remote,
        local: header.local,
        scope: Scope {
            databases: header.databases,
            tables,
            schema: header.schema,
            data: header.data,
        },
        tables: findings.tables,
        unsupported: findings.unsupported,
        warnings: findings.warnings,
        summary: order::summary(&findings.entries),
        entries: findings.entries,
        parts: BTreeMap::new(),
        review: Review::default(),
    };
    digest::seal(&mut plan)?;
    Ok(plan)
}

/// Makes the creation of a table or view wait for the drop of another object of that name (a view that became a
/// table): the two share one name space.
fn wait_for_names(entries: &mut [Entry]) {
    let dropped: BTreeMap<String, String> = entries
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::DropTable | Kind::DropView))
        .map(|entry| (entry.object.clone(), entry.id.clone()))
        .collect();
    for entry in entries {
        if matches!(entry.kind, Kind::CreateTable | Kind::CreateView)
            && let Some(id) = dropped.get(&entry.object)
        {
            entry.depends_on.push(id.clone());
        }
    }
}

/// Marks an entry that would delete more of a table than `deletes.max_percent`: only its exact id approves it.
/// `local_rows` is the number of rows the local table had when it was compared.
pub fn brake(entry: &mut Entry, local_rows: u64, deletes: &Deletes) {
    let count = entry.count.unwrap_or(0);
    if entry.kind != Kind::DeleteRows
        || local_rows <= deletes.min_rows
        || u128::from(count) * 100 <= u128::from(local_rows) * u128::from(deletes.max_percent)
    {
        return;
    }
    entry.needs_own_approval = true;
    // It says what the plain "deletes … rows" says, and more.
    entry
        .reasons
        .retain(|reason| !reason.starts_with("deletes "));
    entry.reasons.push(format!(
        "deletes {count} of {local_rows} rows, more than deletes.max_percent ({})",
        deletes.max_percent
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Risk;
    use crate::plan::example::entry;

    #[test]
    fn a_delete_past_the_limit_needs_its_own_approval() {
        let deletes = Deletes {
            max_percent: 30,
            min_rows: 100,
        };
        let braked = |count, rows| {
            let mut entry = entry("s.t.delete", Kind::DeleteRows, Risk::Destructive);
            entry.count = Some(count);
            brake(&mut entry, rows, &deletes);
            entry.needs_own_approval
        };
        assert!(!braked(30, 101));
        assert!(braked(31, 101));
        assert!(!braked(100, 100));
        assert!(!braked(300, 1000));
        assert!(braked(301, 1000));
    }

    #[test]
    fn a_table_waits_for_the_view_whose_name_it_takes() {
        let mut entries = vec![
            entry("s.t.create", Kind::CreateTable, Risk::Safe),
            entry("s.t.drop_view", Kind::DropView, Risk::Destructive),
        ];
        for entry in &mut entries {
            entry.object = "s.t".into();
        }
        wait_for_names(&mut entries);
        assert_eq!(entries[0].depends_on, ["s.t.drop_view"]);
    }
}
