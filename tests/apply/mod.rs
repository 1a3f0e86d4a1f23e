//! `apply` on real servers: what it refuses, what it leaves alone, and that a kill at any instant is finished by running
//! it again; and `revert`.

mod disk;
mod drift;
mod hostile;
mod killed;
mod load;
mod locks;
mod refused;
mod revert;

use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use mysql::prelude::Queryable as _;

/// Runs a test on a case of each vendor.
fn each(remote: &str, local: &str, test: impl Fn(&Case)) {
    for vendor in Vendor::ALL {
        test(&Case::with_database(vendor, remote, local));
    }
}

/// Plans into `plans/p.json` and approves everything.
fn approved(case: &Case) -> serde_json::Value {
    let plan = case.plan("p", &[]);
    case.approve_all("p", &plan);
    plan
}

/// Returns the one value that a query of local answers with.
fn local_value(case: &Case, query: &str) -> String {
    let mut root = case.sandbox.root(Side::Local);
    root.query_drop(format!("USE {}", case.fill("{{db}}")))
        .unwrap();
    let value: Option<String> = root.query_first(case.fill(query)).unwrap();
    value.unwrap_or_default()
}

/// Returns the id of the plan's entry that ends so.
fn entry_id(plan: &serde_json::Value, end: &str) -> String {
    plan["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["id"].as_str())
        .find(|id| id.ends_with(end))
        .unwrap_or_else(|| panic!("no entry ends with {end}: {plan:#}"))
        .to_owned()
}
