//! The binary as a user runs it: exit codes, refusals, what a run says and what it leaves alone.

mod afterwards;
mod by_hand;
mod decisions;
mod freshness;
mod interrupted;
mod issues;
mod log;
mod manners;
mod many_tables;
mod plan_files;
mod planning;

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;

/// A small drift: in `t` a row to insert (3), one to update (1), one to delete (4); in `u` a column to add.
const REMOTE: &str = "
    CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
    INSERT INTO t VALUES (1,'new'),(2,'same'),(3,'added');
    CREATE TABLE u (id INT PRIMARY KEY, added INT);";
const LOCAL: &str = "
    CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
    INSERT INTO t VALUES (1,'old'),(2,'same'),(4,'gone');
    CREATE TABLE u (id INT PRIMARY KEY);";

/// Returns a case with the small drift, planned as `plans/p.json`.
fn planned() -> Case {
    let case = Case::with_database(Vendor::MySql, REMOTE, LOCAL);
    case.plan("p", &[]);
    case
}

/// Returns a case with the small drift, planned and approved.
fn approved() -> Case {
    let case = planned();
    case.driftwarden(&["approve", "plans/p.json", "--all"])
        .exits(0);
    case
}

/// Returns the real id of an entry that a test calls by its plain one.
fn id(case: &Case, plain: &str) -> String {
    let (database, rest) = plain.split_once('.').unwrap();
    format!("{}.{rest}", case.name(database))
}

/// Returns everything on local, to be compared with later.
fn local(case: &Case) -> String {
    case.dump(Side::Local, "db")
}
