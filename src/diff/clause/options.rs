//! Clauses for table options.
//!
//! Must never leave an option as it was because there is no way to take it back: such a table does not prove.

use super::{Change, Clause, Statement};
use crate::schema::print;
use crate::schema::table::Table;

/// Returns the clauses that set, change and take back options: those that must be executed first, in a statement of
/// their own, and the others.
///
/// Another engine would make a block size that goes with this statement one of each index.
pub(crate) fn clauses(before: &Table, after: &Table) -> (Statement, Statement) {
    let mut early = Vec::new();
    let block_size = "KEY_BLOCK_SIZE";
    if before.options.get("ENGINE") != after.options.get("ENGINE")
        && before.options.contains_key(block_size)
        && !after.options.contains_key(block_size)
    {
        for name in ["ROW_FORMAT", block_size] {
            if before.options.contains_key(name) && !after.options.contains_key(name) {
                early.push(Clause::new(reset(name), Change::Option(name.to_owned())));
            }
        }
    }
    let mut clauses = Vec::new();
    let charset = ["CHARSET", "COLLATE"];
    if charset
        .iter()
        .any(|name| before.options.get(*name) != after.options.get(*name))
    {
        let sql: Vec<String> = charset
            .iter()
            .filter_map(|name| Some(print::option(name, after.options.get(*name)?)))
            .collect();
        if !sql.is_empty() {
            clauses.push(Clause::new(
                sql.join(" "),
                Change::Option("CHARSET".to_owned()),
            ));
        }
    }
    for (name, value) in &after.options {
        if !charset.contains(&name.as_str()) && before.options.get(name) != Some(value) {
            clauses.push(Clause::new(
                print::option(name, value),
                Change::Option(name.clone()),
            ));
        }
    }
    for name in before.options.keys() {
        if !charset.contains(&name.as_str()) && !after.options.contains_key(name) {
            let clause = Clause::new(reset(name), Change::Option(name.clone()));
            if !early.contains(&clause) {
                clauses.push(clause);
            }
        }
    }
    (early, clauses)
}

/// Returns the option with the value that stands for not having it.
fn reset(name: &str) -> String {
    match name {
        "COMMENT"
        | "COMPRESSION"
        | "CONNECTION"
        | "ENGINE_ATTRIBUTE"
        | "SECONDARY_ENGINE_ATTRIBUTE" => format!("{name}=''"),
        "AVG_ROW_LENGTH" | "MIN_ROWS" | "MAX_ROWS" | "CHECKSUM" | "DELAY_KEY_WRITE"
        | "KEY_BLOCK_SIZE" | "AUTOEXTEND_SIZE" => format!("{name}=0"),
        "ENCRYPTION" => "ENCRYPTION='N'".to_owned(),
        "INSERT_METHOD" => "INSERT_METHOD=NO".to_owned(),
        "UNION" => "UNION=()".to_owned(),
        "SECONDARY_ENGINE" => "SECONDARY_ENGINE=NULL".to_owned(),
        "TABLESPACE" => "TABLESPACE=`innodb_file_per_table`".to_owned(),
        _ => format!("{name}=DEFAULT"),
    }
}
