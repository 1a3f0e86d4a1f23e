//! Tries a change on a copy of local's rows, before the plan is written rather than at apply's expense.
//!
//! What stands in the way is told by the server's error number. Must never let a value of a row out: the plan may have to
//! be written without any.

use super::{Failure, Scratch, hide_references};
use crate::connect::ServerError;
use crate::diff::clause::{self, Change, Clause};
use crate::diff::schema::{PhaseDiff, TableDiff, fits, keeps_values};
use crate::refusal;
use crate::retry::broke;
use crate::schema::ObjectName;
use crate::schema::table::Table;
use crate::sql::{ident, ident_list, qualified};
use anyhow::Result;

/// Rows of local's that a change is tried on: enough to meet what is common, few enough to be quick.
const TRIED_ROWS: u64 = 100_000;

impl Scratch<'_> {
    /// Takes a copy of local's rows, at most [`TRIED_ROWS`] of them, through the phases that they could stand in the way
    /// of. Returns what does.
    pub(super) fn try_rows(
        &mut self,
        name: &ObjectName,
        local: &Table,
        diff: &TableDiff,
    ) -> Result<Option<Failure>> {
        let phases = diff.tried_by_rows();
        if phases.is_empty() {
            return Ok(None);
        }
        if let Some(failure) = self.create(&hide_references(local))? {
            return Ok(Some(failure));
        }
        let stands = self.walk_with_rows(name, local, &phases);
        self.drop_table(&local.name)?;
        stands
    }

    fn walk_with_rows(
        &mut self,
        name: &ObjectName,
        local: &Table,
        phases: &[&PhaseDiff],
    ) -> Result<Option<Failure>> {
        let columns = ident_list(
            local
                .columns
                .iter()
                .filter(|column| column.generated.is_none())
                .map(|column| column.name.as_str()),
        );
        let copied = self.session.execute(&format!(
            "INSERT INTO {}.{} ({columns}) SELECT {columns} FROM {} LIMIT {TRIED_ROWS}",
            ident(&self.name),
            ident(&local.name),
            qualified(name)
        ));
        match copied {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // Rows that cannot be copied as they are cannot be tried; apply will see.
            Err(error) if refusal::find::<ServerError>(&error).is_some() && !broke(&error) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        for phase in phases {
            let keeps_values = keeps_values(&phase.before, &phase.after);
            for statement in phase.hiding(hide_references, self.vendor) {
                let sql = clause::render(&self.name, &local.name, &statement);
                if let Err(error) = self.session.change_schema(&sql, keeps_values) {
                    let server = refusal::find::<ServerError>(&error);
                    let Some(server) = server.filter(|_| !broke(&error)) else {
                        return Err(error);
                    };
                    return Ok(Some(rows_stand(server, &statement, phase)));
                }
            }
        }
        Ok(None)
    }
}

/// Says what about local's rows stands in the way. The server's own message holds values, so its number speaks.
fn rows_stand(server: &ServerError, statement: &[Clause], phase: &PhaseDiff) -> Failure {
    let what = match server.code {
        1062 | 1586 => "several of local's rows are equal where a unique key is to be",
        1048 | 1138 | 1364 => "some of local's rows are NULL where NULL is no longer allowed",
        // Both servers say this of a NULL too.
        1265 => "some of local's values are NULL or do not fit a column's new definition",
        3819 | 4025 => "some of local's rows violate a check",
        COMPUTED => "an index cannot be computed from some of local's values",
        1526 => "some of local's rows belong to no partition",
        code if CONVERSION_ERRORS.contains(&code) => {
            "some of local's values do not fit a column's new type"
        }
        _ => "local's rows stand in the way",
    };
    let clauses: Vec<&str> = statement.iter().map(|clause| clause.sql.as_str()).collect();
    let mut failure = Failure::new(format!(
        "{what} (error {}); mend or delete them, or compare this table's rows as well, so that the plan mends \
         them; tried:\n{}",
        server.code,
        clauses.join(",\n")
    ));
    if CONVERSION_ERRORS.contains(&server.code) {
        failure.unconverted = unconverted(&server.message, statement, phase);
    }
    failure
}

/// What the server says of a value that a functional index cannot compute from.
const COMPUTED: u16 = 3751;

/// What the servers say of a value that a column's new type does not take; the last but one of a geometry of another
/// reference system.
const CONVERSION_ERRORS: [u16; 17] = [
    1264, 1265, 1292, 1366, 1367, 1406, 1411, 1416, 1690, 1916, 1918, 3140, 3141, 3156, 3157, 3643,
    4079,
];

/// The columns whose type changes such that not every value converts: the one that the server names, else all.
fn unconverted(message: &str, statement: &[Clause], phase: &PhaseDiff) -> Vec<String> {
    let converted: Vec<String> = statement
        .iter()
        .filter_map(|clause| match &clause.change {
            Change::ModifyColumn(name) => {
                Some((phase.before.column(name)?, phase.after.column(name)?))
            }
            _ => None,
        })
        .filter(|(before, after)| {
            before.generated.is_none() && after.generated.is_none() && !fits(before, after)
        })
        .map(|(_, after)| after.name.to_lowercase())
        .collect();
    let message = message.to_lowercase();
    let named = converted.iter().find(|name| {
        message.contains(&format!("'{name}'")) || message.contains(&format!("`{name}`"))
    });
    named.map_or(converted.clone(), |name| vec![name.clone()])
}
