//! The plan file's JSON schema, made from the types that read it.
//!
//! `plans/plan.schema.json` is this, written down; a test holds the two together. Must never be what a plan is checked
//! with: the types and the digest are.

use super::Plan;
use schemars::Schema;

/// The file name of the schema in a folder of plans; no plan has it.
pub const FILE_NAME: &str = "plan.schema.json";

/// Returns the schema, for editors and other readers of plans.
pub fn json_schema() -> Schema {
    let mut schema = schemars::schema_for!(Plan);
    schema.insert("title".to_owned(), "driftwarden's plan, format 1".into());
    schema
}
