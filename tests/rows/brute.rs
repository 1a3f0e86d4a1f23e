//! The brute-force difference: every row of both sides read and compared here.

use super::server::Server;
use driftwarden::connect::{Reader, Row};
use driftwarden::read::encode;
use driftwarden::schema::ObjectName;
use driftwarden::schema::table::Table;
use driftwarden::sql::expr::Function;
use driftwarden::sql::{Expr, Select};
use driftwarden::value::Value;
use std::collections::BTreeMap;

pub(crate) type Rows = BTreeMap<Vec<Value>, (u64, Vec<Value>)>;

/// Rows by their key, or by all their values where they have none, with how many there are.
pub(crate) fn rows(server: &mut Server, database: &str, table: &Table, key: &[usize]) -> Rows {
    let columns = table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .collect::<Vec<_>>();
    let selected = columns.iter().map(|column| encode::select_expr(column));
    let select = Select::from(&ObjectName::new(database, "t"), selected.collect());
    let mut found = Rows::new();
    for row in server.session.rows(&select.into()).unwrap() {
        let values = columns
            .iter()
            .zip(&row)
            .map(|(column, cell)| Value::from_cell(cell.as_deref(), column.value_kind()))
            .collect::<Vec<_>>();
        let key = if key.is_empty() {
            values.clone()
        } else {
            key.iter().map(|at| values[*at].clone()).collect()
        };
        found.entry(key).or_insert((0, values)).0 += 1;
    }
    found
}

/// Every row in a form that the code under test has no part in: hex of the stored bytes.
pub(crate) fn dump(server: &mut Server, database: &str, table: &Table) -> Vec<Row> {
    let mut selected = Vec::new();
    for column in &table.columns {
        let source = Expr::column(&column.name);
        selected.push(match column.data_type.base.as_str() {
            "float" | "double" => Expr::call(
                Function::Hex,
                vec![Expr::call(
                    Function::Point,
                    vec![source.as_double(), Expr::integer(0)],
                )],
            ),
            "int" | "bigint" | "tinyint" | "decimal" | "year" => source,
            _ => Expr::call(Function::Hex, vec![source]),
        });
    }
    let select = Select::from(&ObjectName::new(database, "t"), selected);
    let mut rows = server.session.rows(&select.into()).unwrap();
    rows.sort();
    rows
}
