//! The config file's JSON schema, made from the types that read it.
//!
//! `config/config.schema.json` is this, written down; a test holds the two together.

use super::Config;
use schemars::Schema;

/// Returns the schema, for editors.
pub fn json_schema() -> Schema {
    let mut schema = schemars::schema_for!(Config);
    schema.insert("title".to_owned(), "driftwarden's config".into());
    schema
}
