//! Settings, as the config file gives them: types, defaults, durations.
//!
//! Must never hold a password in a type that can be printed or serialised.

pub mod check;
pub mod child;
pub mod duration;
mod json_schema;
pub mod load;
mod mask;
mod name;
pub mod rules;
pub mod secret;
mod tables;
#[cfg(test)]
mod tests;

pub use json_schema::json_schema;
pub use mask::{Mask, MaskKind, NamePart};
pub use tables::{TableRule, Tables};

use duration::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The whole config file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where editors find the schema; ignored by the program.
    #[serde(default, rename = "$schema")]
    pub schema: Option<String>,
    /// How to reach the ssh host.
    pub ssh: Ssh,
    /// The production server, as seen from the ssh host.
    pub remote: Remote,
    /// The local server.
    pub local: Local,
    /// Databases to bring up to date.
    #[schemars(length(min = 1))]
    pub databases: Vec<DatabaseName>,
    /// Which tables, and how.
    #[serde(default)]
    pub tables: Tables,
    /// Where plans go and how they look.
    #[serde(default)]
    pub plan: PlanSettings,
    /// Environment variable with the key that masks are derived from.
    #[serde(default = "default_mask_key_env")]
    pub mask_key_env: String,
    /// How kind to be to production.
    #[serde(default)]
    pub remote_limits: RemoteLimits,
    /// When to try again.
    #[serde(default)]
    pub retry: Retry,
    /// The incremental strategy.
    #[serde(default)]
    pub incremental: Incremental,
    /// The brake on deletes.
    #[serde(default)]
    pub deletes: Deletes,
    /// Persisted issues.
    #[serde(default)]
    pub issues: Issues,
    /// The log file.
    #[serde(default)]
    pub log: Log,
}

/// `ssh`: how to reach the ssh host. Anything left out comes from the user's ssh config.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Host name or alias of the ssh config.
    pub host: String,
    /// User name.
    #[serde(default)]
    pub user: Option<String>,
    /// Port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Private key file.
    #[serde(default)]
    pub identity_file: Option<PathBuf>,
    /// ssh config file instead of the user's.
    #[serde(default)]
    pub config_file: Option<PathBuf>,
    /// What to do about an unknown host key.
    #[serde(default)]
    pub known_hosts: KnownHosts,
}

/// `ssh.known_hosts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownHosts {
    /// Only hosts whose key is known are connected to.
    #[default]
    Strict,
    /// The key of a new host is added; a changed key is refused.
    Add,
}

/// `remote`: the production server, as seen from the ssh host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Host.
    #[serde(default = "default_remote_host")]
    pub host: String,
    /// Port.
    #[serde(default = "default_remote_port")]
    pub port: u16,
    /// Unix socket on the ssh host, instead of host and port.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Account.
    pub user: String,
    /// Environment variable that holds the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// Command whose first output line is the password.
    #[serde(default)]
    pub password_command: Option<String>,
    /// MySQL option file whose `[client]` section holds the password (and user).
    #[serde(default)]
    pub defaults_file: Option<PathBuf>,
    /// A literal password; accepted with a warning.
    #[serde(default)]
    pub password: Option<secret::Secret>,
    /// Whether an account that could write is accepted.
    #[serde(default)]
    pub accept_write_grants: bool,
}

/// `local`: the local server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["socket"] }, { "required": ["host"] }]))]
pub struct Local {
    /// Unix socket.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Host; refused unless loopback or `allow_non_loopback`.
    #[serde(default)]
    pub host: Option<String>,
    /// Port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Account.
    pub user: String,
    /// Environment variable that holds the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// Command whose first output line is the password.
    #[serde(default)]
    pub password_command: Option<String>,
    /// MySQL option file whose `[client]` section holds the password (and user).
    #[serde(default)]
    pub defaults_file: Option<PathBuf>,
    /// A literal password; accepted with a warning.
    #[serde(default)]
    pub password: Option<secret::Secret>,
    /// Whether a host that is not loopback is accepted.
    #[serde(default)]
    pub allow_non_loopback: bool,
}

impl Remote {
    /// Returns where the account's password comes from.
    pub fn password_source(&self) -> secret::Source<'_> {
        secret::Source {
            section: "remote",
            variable: self.password_env.as_deref(),
            default_variable: child::REMOTE_PASSWORD,
            command: self.password_command.as_deref(),
            defaults_file: self.defaults_file.as_ref(),
            literal: self.password.as_ref(),
        }
    }
}

impl Config {
    /// Returns the environment variables that hold secrets: no child process gets them ([`child::command`]).
    fn secret_variables(&self) -> Vec<String> {
        let sources = [self.remote.password_source(), self.local.password_source()];
        let mut names: Vec<String> = sources
            .iter()
            .flat_map(|source| [source.variable.unwrap_or_default(), source.default_variable])
            .chain([self.mask_key_env.as_str()])
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Local {
    /// Returns where the account's password comes from.
    pub fn password_source(&self) -> secret::Source<'_> {
        secret::Source {
            section: "local",
            variable: self.password_env.as_deref(),
            default_variable: child::LOCAL_PASSWORD,
            command: self.password_command.as_deref(),
            defaults_file: self.defaults_file.as_ref(),
            literal: self.password.as_ref(),
        }
    }
}

/// A database to bring up to date: its remote name, and its local one where it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseName {
    /// The same name on both sides.
    Same(String),
    /// Another name locally.
    Renamed(RenamedDatabase),
}

/// A database with another name locally.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenamedDatabase {
    /// Name on the remote server.
    pub remote: String,
    /// Name on the local server.
    pub local: String,
}

impl DatabaseName {
    /// Returns the remote name.
    pub fn remote(&self) -> &str {
        match self {
            Self::Same(name) => name,
            Self::Renamed(names) => &names.remote,
        }
    }
    /// Returns the local name.
    pub fn local(&self) -> &str {
        match self {
            Self::Same(name) => name,
            Self::Renamed(names) => &names.local,
        }
    }
}

/// `plan`: where plans go and how they look.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanSettings {
    /// Folder of the plan files.
    pub directory: PathBuf,
    /// How old a plan may be when `apply` begins.
    pub max_age: Span,
    /// How long plans, payloads and undo records are kept before `prune` removes them.
    pub keep: Span,
    /// Entries of more rows than this keep them in a payload file.
    pub inline_rows: u64,
    /// What of the rows stands in the plan file.
    pub preview: Preview,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            directory: "plans".into(),
            max_age: Span::from_secs(7 * 86_400),
            keep: Span::from_secs(30 * 86_400),
            inline_rows: 200,
            preview: Preview::Full,
        }
    }
}

/// `plan.preview`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// Values as they are.
    #[default]
    Full,
    /// Values replaced by type and length.
    Masked,
    /// No value, key or unkeyed hash at all.
    None,
}

/// `remote_limits`: how kind to be to production.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteLimits {
    /// Connections at the same time.
    #[schemars(range(min = 1))]
    pub connections: u32,
    /// How long one chunk's query should take.
    pub chunk_time: Span,
    /// Reading pauses while the server runs more threads than this.
    pub max_threads_running: u32,
    /// Longest a statement may run.
    pub max_execution_time: Span,
    /// One snapshot per table, or one for the database.
    pub snapshot: SnapshotScope,
}

impl Default for RemoteLimits {
    fn default() -> Self {
        Self {
            connections: 2,
            chunk_time: Span::from_millis(500),
            max_threads_running: 50,
            max_execution_time: Span::from_secs(60),
            snapshot: SnapshotScope::Table,
        }
    }
}

/// `remote_limits.snapshot`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotScope {
    /// One short snapshot per table.
    #[default]
    Table,
    /// One snapshot for everything.
    Database,
}

/// `retry`: when to try again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How long to wait before each further attempt.
    pub delays: Vec<Span>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            delays: [0, 1, 5, 15, 30].map(Span::from_secs).to_vec(),
        }
    }
}

/// `incremental`: the incremental strategy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Incremental {
    /// How far before the watermark reading starts again.
    pub overlap: Span,
}

impl Default for Incremental {
    fn default() -> Self {
        Self {
            overlap: Span::from_secs(600),
        }
    }
}

/// `deletes`: the brake on deletes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deletes {
    /// An entry that deletes more of a table than this needs approval by its id.
    #[schemars(range(max = 100))]
    pub max_percent: u32,
    /// Tables of at most this many rows are exempt.
    pub min_rows: u64,
}

impl Default for Deletes {
    fn default() -> Self {
        Self {
            max_percent: 30,
            min_rows: 100,
        }
    }
}

/// `issues`: persisted issues.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Issues {
    /// Folder of the issue files.
    pub directory: PathBuf,
    /// Whether each change is committed to git.
    pub git: bool,
}

impl Default for Issues {
    fn default() -> Self {
        Self {
            directory: "issues".into(),
            git: true,
        }
    }
}

/// `log`: the log file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The file, one JSON object a line.
    pub file: PathBuf,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    #[schemars(extend("enum" = ["error", "warn", "info", "debug", "trace"]))]
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            file: "logs/driftwarden.jsonl".into(),
            level: "info".into(),
        }
    }
}

fn default_mask_key_env() -> String {
    child::MASK_KEY.into()
}

fn default_remote_host() -> String {
    "127.0.0.1".into()
}

fn default_remote_port() -> u16 {
    3306
}
