//! The plan: what would change, in a form that a person reviews and `apply` executes.
//!
//! The types here are the file format itself (format 1). Must never talk to a server; only `file` and `payload` touch
//! the disk.

pub mod assemble;
mod decisions;
pub mod digest;
mod entry;
pub mod entry_id;
#[cfg(test)]
pub(crate) mod example;
pub mod file;
mod json_schema;
pub mod link;
pub mod object_entries;
pub mod order;
pub mod payload;
pub mod pretty;
pub mod references;
pub mod remake;
pub mod row_entries;
pub mod row_sql;
pub mod schema_entries;
pub mod scope;
pub mod strategy;
mod watermark;

pub use entry_id::entry_id;
pub use json_schema::{FILE_NAME as SCHEMA_FILE, json_schema};
pub use order::summary;
pub use watermark::{PlannedWatermark, Watermark};

use crate::schema::Unsupported;
use crate::value::{Value, ValueKind};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format this build reads and writes; any other is refused.
pub const FORMAT_VERSION: u32 = 1;

/// A plan file's content. Field order is the order in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Always 1: the format this file is in.
    #[schemars(extend("const" = FORMAT_VERSION))]
    pub format_version: u32,
    /// UTC time of creation and the digest's first 8 hex digits.
    #[schemars(regex(pattern = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$"))]
    pub id: String,
    /// `sha256:` and the hex digest of everything but `id`, `digest`, `review` and the decisions.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// UTC time of creation, RFC 3339, whole seconds.
    pub created_at: String,
    /// `driftwarden` and its version.
    pub tool: String,
    /// The id of the plan that this one undoes; such a plan is made from an undo record, without production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<String>,
    /// The production server the plan was read from.
    pub remote: RemoteServer,
    /// The local server the plan is for.
    pub local: LocalServer,
    /// What was compared.
    pub scope: Scope,
    /// Every table in scope, with how it was compared.
    pub tables: Vec<TablePlan>,
    /// What was seen but cannot be handled.
    pub unsupported: Vec<Unsupported>,
    /// What the user should know before approving; informative.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Counts of the entries.
    pub summary: Summary,
    /// The changes, in the order in which they are executed.
    pub entries: Vec<Entry>,
    /// Short hashes of each entry and (as `plan`) of the rest: they name the place when the digest does not fit.
    #[serde(default)]
    pub parts: BTreeMap<String, String>,
    /// Who decided, and when.
    #[serde(default)]
    pub review: Review,
}

/// The production server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteServer {
    /// The ssh host as configured.
    pub ssh: String,
    /// Vendor and version.
    pub server: String,
    /// The server's identity (CONTRACT, Freshness 1).
    pub identity: String,
    /// How many snapshots the rows were read under.
    pub snapshots: u64,
}

/// The local server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalServer {
    /// Vendor and version.
    pub server: String,
    /// The server's identity.
    pub identity: String,
}

/// What a plan compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The databases.
    pub databases: Vec<DatabasePair>,
    /// Table patterns, `*` for all that the config selects.
    pub tables: Vec<String>,
    /// Whether schemas were compared.
    pub schema: bool,
    /// Whether rows were compared.
    pub data: bool,
}

/// A remote database and the local one it goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabasePair {
    /// Name on the remote server.
    pub remote: String,
    /// Name on the local server.
    pub local: String,
}

/// How a table's rows were compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The local table is new or empty: every remote row is inserted.
    Copy,
    /// Checksums over all rows of both sides.
    Full,
    /// Rows changed since the watermark.
    Incremental,
    /// Rows were not compared; `exactness` says why.
    Skipped,
    /// Only the schema was compared.
    Schema,
    /// Rows were not compared with production: what an apply did to them is undone.
    Revert,
}

/// A table in a plan's scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TablePlan {
    /// `database.table`, local names.
    pub table: String,
    /// How its rows were compared.
    pub strategy: Strategy,
    /// What that comparison can and cannot see, in words.
    pub exactness: String,
    /// Fingerprint of the remote's table, `sha256:…`; `null` where remote has none. In a plan that undoes another, of
    /// the table that it leads back to.
    pub remote_schema: Option<String>,
    /// Fingerprint of the local table, `sha256:…`; `null` where local has none.
    pub local_schema: Option<String>,
    /// How far the table was compared, for `apply` to note on local; absent where that cannot be told by a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<PlannedWatermark>,
    /// The next `AUTO_INCREMENT` value to go back to, in a plan that undoes another; absent where it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_increment: Option<u64>,
}

/// Counts of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Objects of the schema.
    pub schema: SchemaCounts,
    /// Rows.
    pub rows: RowCounts,
}

/// Counts of schema changes, by object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaCounts {
    /// Objects to create.
    pub create: u64,
    /// Objects to alter (an object changed in several phases counts once).
    pub alter: u64,
    /// Objects to drop.
    pub drop: u64,
}

/// Counts of row changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    /// Rows to insert.
    pub insert: u64,
    /// Rows to update.
    pub update: u64,
    /// Rows to delete.
    pub delete: u64,
}

/// What an entry does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each name is the statement it stands for")]
pub enum Kind {
    CreateDatabase,
    AlterDatabase,
    DropDatabase,
    CreateTable,
    AlterTable,
    DropTable,
    CreateView,
    AlterView,
    DropView,
    CreateTrigger,
    AlterTrigger,
    DropTrigger,
    CreateProcedure,
    AlterProcedure,
    DropProcedure,
    CreateFunction,
    AlterFunction,
    DropFunction,
    CreateEvent,
    AlterEvent,
    DropEvent,
    InsertRows,
    UpdateRows,
    DeleteRows,
}

/// The part of a table's change an `alter_table` entry is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the rows: new columns, wider types.
    Expand,
    /// After the rows: NOT NULL, unique, foreign keys, checks.
    Constrain,
    /// Last: whatever loses data or objects.
    Contract,
}

/// Whether an entry loses something of local's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Nothing of local's is lost.
    Safe,
    /// Data or an object of local's is lost; the entry's `reasons` say which.
    Destructive,
}

/// What the reviewer said.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing yet: not executed.
    #[default]
    Pending,
    /// Executed by `apply`.
    Approve,
    /// Not executed, not even by `--yolo`.
    Deny,
}

/// One change. Field order is the order in the file; fields that do not fit the kind are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `database.object.what`, percent-encoded where a name holds a special character.
    pub id: String,
    /// What it does.
    pub kind: Kind,
    /// For `alter_table`, its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// `database.object`, local names, as displayed.
    pub object: String,
    /// Whether something of local's is lost.
    pub risk: Risk,
    /// Why it is destructive, and what else the reviewer should know.
    pub reasons: Vec<String>,
    /// Whether only its exact id approves it (`--all`, `--safe`, globs and `--yolo` pass it by): an entry past
    /// `deletes.max_percent`. `reasons` says so in words.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_own_approval: bool,
    /// Ids of the entries that must be executed before this one.
    pub depends_on: Vec<String>,
    /// The statements, for a schema entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
    /// The object's text on local before this entry, for a schema entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The object's text after this entry, for a schema entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The settings a view, trigger, routine or event is created under, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Number of rows, for a row entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How a row entry's rows are told apart and hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<RowShape>,
    /// The rows, where there are at most `inline_rows`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<PlanRow>,
    /// The file that holds the rows, where there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// The first rows of a payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<PlanRow>,
    /// Decisions on single rows of a payload, by row number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub row_decisions: BTreeMap<u64, Decision>,
    /// The decision on the entry.
    #[serde(default)]
    pub decision: Decision,
}

/// The settings a stored object is created under.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// `sql_mode`.
    pub sql_mode: String,
    /// `character_set_client`.
    pub character_set_client: String,
    /// `collation_connection`.
    pub collation_connection: String,
    /// The time zone of an event; empty for other kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
}

/// How the rows of an entry are told apart, hashed and written. Column order is the order of a payload's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowShape {
    /// The columns of the comparison key; empty for a table without one (rows are then a bag).
    pub key: Vec<String>,
    /// Every column that is compared and written, key columns included, in table order, with its canonical encoding.
    pub columns: Vec<ShapeColumn>,
}

/// A column of a [`RowShape`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShapeColumn {
    /// Column name.
    pub name: String,
    /// Its canonical encoding (`read::encode::Encoding`, as text).
    pub encoding: String,
    /// How its bytes read into values; a payload has the bytes alone.
    #[serde(default, skip_serializing_if = "is_text")]
    pub values: ValueKind,
    /// Whether local had the column when the plan was made: `before_hash` covers only those that it had.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub common: bool,
}

fn yes() -> bool {
    true
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_true(value: &bool) -> bool {
    *value
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_text(kind: &ValueKind) -> bool {
    *kind == ValueKind::Text
}

/// One row of a plan.
///
/// An update has `change` (column → [before, after], changed columns only), an insert and a delete have `values`
/// (every column of the shape). A bag's rows have a `copies` count instead of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRow {
    /// Number within the entry, from 1.
    pub row: u64,
    /// The key's columns and values.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub key: IndexMap<String, Value>,
    /// For an update: what changes.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub change: IndexMap<String, (Value, Value)>,
    /// For an insert or a delete: the row.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub values: IndexMap<String, Value>,
    /// For a table without a key: how many equal rows local has before and has after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<(u64, u64)>,
    /// Hash of the row on local when the plan was made; absent for an insert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_hash: Option<String>,
    /// Hash of the row when the plan is applied; absent for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_hash: Option<String>,
    /// A decision of its own; a row without one follows its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// A payload file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// File name inside the plan's own folder: digits and `.tsv.zst`, nothing else.
    pub file: String,
    /// SHA-256 of the compressed file, hex.
    pub sha256: String,
    /// Size of the compressed file.
    pub bytes: u64,
    /// Size when unpacked; reading stops there.
    pub raw_bytes: u64,
}

/// Who reviewed a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Who decided last.
    pub by: Option<String>,
    /// When, RFC 3339.
    pub at: Option<String>,
    /// Why.
    pub note: Option<String>,
}

impl Kind {
    /// Returns whether the entry changes rows rather than the schema.
    pub fn is_rows(self) -> bool {
        matches!(self, Self::InsertRows | Self::UpdateRows | Self::DeleteRows)
    }
}
