//! The command line: clap types, one argument type per command.
//!
//! Must never run anything: what an argument means is its command's to say.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Brings local MySQL and MariaDB databases up to date with production: plan, review, apply.
///
/// Reads both sides through ssh, writes a plan that you review row by row, and applies what you approved to the local
/// server. Production is only ever read.
#[derive(Debug, Parser)]
#[command(name = "driftwarden", version = VERSION, max_term_width = 100, after_help = MAIN_EXAMPLE)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The version, with the commit it was built from where that is known.
pub const VERSION: &str = env!("DRIFTWARDEN_VERSION");

const MAIN_EXAMPLE: &str = "Example:
  driftwarden init && driftwarden doctor
  driftwarden plan
  driftwarden approve plans/20261124T061500Z-3f9a1c2b.json --safe
  driftwarden apply plans/20261124T061500Z-3f9a1c2b.json

Exit codes: 0 done, 1 failed, 2 there are changes (plan --detailed-exitcode), 3 refused and nothing
executed, 4 some approved entries were executed and others were not.";

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The config file; .yaml and .yml are read as YAML
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "FILE",
        default_value = "config/config.json"
    )]
    pub config: PathBuf,
    /// Use colour: auto, always or never; `NO_COLOR` is honoured
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub color: ColorChoice,
    /// Say more (twice for still more)
    #[arg(short, long, global = true, help_heading = "Global options", action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what was asked for and what went wrong
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Global options",
        conflicts_with = "verbose"
    )]
    pub quiet: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// At a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write config/config.json from the template, and make plans/, issues/ and logs/
    #[command(after_help = "Example:\n  driftwarden init")]
    Init(InitArgs),
    /// Walk the whole chain (config, ssh, logins, grants, git) and name a remedy for each failure
    #[command(after_help = "Example:\n  driftwarden doctor\n  driftwarden doctor --json")]
    Doctor(DoctorArgs),
    /// Read both sides and write a plan; changes nothing
    #[command(after_help = PLAN_EXAMPLE)]
    Plan(PlanArgs),
    /// Render a plan
    #[command(after_help = SHOW_EXAMPLE)]
    Show(ShowArgs),
    /// Decide on a plan's changes one by one, at the terminal or in an editor
    #[command(after_help = REVIEW_EXAMPLE)]
    Review(ReviewArgs),
    /// Approve changes of a plan
    #[command(after_help = APPROVE_EXAMPLE)]
    Approve(ApproveArgs),
    /// Deny changes of a plan
    #[command(after_help = DENY_EXAMPLE)]
    Deny(DenyArgs),
    /// Check plan files offline: structure, id, digest, payloads
    #[command(after_help = "Example:\n  driftwarden validate plans/*.json")]
    Validate(ValidateArgs),
    /// Remove plans, payloads and undo records older than plan.keep
    #[command(after_help = "Example:\n  driftwarden prune --dry-run\n  driftwarden prune")]
    Prune(PruneArgs),
    /// Execute the approved entries of a plan on the local server
    #[command(after_help = APPLY_EXAMPLE)]
    Apply(ApplyArgs),
    /// Plan, review at the terminal and apply in one go
    #[command(after_help = SYNC_EXAMPLE)]
    Sync(SyncArgs),
    /// Write a new plan that undoes what applying a plan did
    #[command(after_help = "Example:\n  driftwarden revert plans/20261124T061500Z-3f9a1c2b.json")]
    Revert(RevertArgs),
    /// List, show and resolve the persisted issues
    #[command(
        after_help = "Example:\n  driftwarden issues\n  driftwarden issues show 3f9a1c2b\n  driftwarden issues resolve 3f9a1c2b"
    )]
    Issues(IssuesArgs),
    /// Print a shell completion script
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them into a folder
    #[command(after_help = MAN_EXAMPLE)]
    Man(ManArgs),
}

const PLAN_EXAMPLE: &str = "Examples:
  driftwarden plan
  driftwarden plan --tables users,orders --full-diff orders
  driftwarden plan --schema-only --detailed-exitcode";

const SHOW_EXAMPLE: &str = "Examples:
  driftwarden show plans/20261124T061500Z-3f9a1c2b.json --table shop.users
  driftwarden show plans/20261124T061500Z-3f9a1c2b.json --format html > plan.html";

const REVIEW_EXAMPLE: &str = "Examples:
  driftwarden review plans/20261124T061500Z-3f9a1c2b.json
  EDITOR=vim driftwarden review plans/20261124T061500Z-3f9a1c2b.json --edit";

const APPROVE_EXAMPLE: &str = "Examples:
  driftwarden approve plans/20261124T061500Z-3f9a1c2b.json --safe
  driftwarden approve plans/20261124T061500Z-3f9a1c2b.json shop.users.expand 'shop.orders.*'
  driftwarden approve plans/20261124T061500Z-3f9a1c2b.json 'shop.users.update#2' --note 'agreed'

SELECTOR: an entry's id, a glob of ids, or ENTRY#ROW for one row. An entry that needs its own
approval is approved by its exact id only.";

const DENY_EXAMPLE: &str = "Examples:
  driftwarden deny plans/20261124T061500Z-3f9a1c2b.json shop.users.contract
  driftwarden deny plans/20261124T061500Z-3f9a1c2b.json 'shop.users.update#2'

SELECTOR: an entry's id, a glob of ids, or ENTRY#ROW for one row.";

const APPLY_EXAMPLE: &str = "Examples:
  driftwarden apply plans/20261124T061500Z-3f9a1c2b.json
  driftwarden apply plans/20261124T061500Z-3f9a1c2b.json --dry-run";

const SYNC_EXAMPLE: &str = "Examples:
  driftwarden sync
  driftwarden sync --tables users,orders --yolo";

const COMPLETIONS_EXAMPLE: &str = "Examples:
  driftwarden completions bash > ~/.local/share/bash-completion/completions/driftwarden
  driftwarden completions zsh > ~/.zfunc/_driftwarden
  driftwarden completions fish > ~/.config/fish/completions/driftwarden.fish";

const MAN_EXAMPLE: &str = "Examples:
  driftwarden man plan > driftwarden-plan.1 && man ./driftwarden-plan.1
  driftwarden man --out ~/.local/share/man/man1";

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `plan` and `sync` compare.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Clone, Default, Args)]
pub struct CompareArgs {
    /// Tables to compare, names or globs [default: all that the config selects]
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Compare schemas only
    #[arg(long, conflicts_with = "data_only")]
    pub schema_only: bool,
    /// Compare rows only
    #[arg(long)]
    pub data_only: bool,
    /// Tables to compare row by row in full, names or globs; approves it for tables without usable timestamps
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    pub full_diff: Vec<String>,
    /// The same for every table
    #[arg(long)]
    pub full_diff_all: bool,
    /// Compare the keys of incremental tables as well, to see deletes
    #[arg(long)]
    pub check_deletes: bool,
    /// Write the plan to this file instead of the plan folder
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What to compare.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Carry over the decisions of this plan where the content is unchanged
    #[arg(long, value_name = "PLAN")]
    pub decisions_from: Option<PathBuf>,
}

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// What to compare.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Approve everything, full comparisons included
    #[arg(long)]
    pub yolo: bool,
}

/// The forms `show` renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// The plan itself.
    Json,
    /// For a pull request.
    Markdown,
    /// One self-contained file for a browser.
    Html,
    /// What apply would execute.
    Sql,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The plan file
    pub plan: PathBuf,
    /// The form
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Only entries with this id, or whose id matches this glob
    #[arg(long, value_name = "ENTRY")]
    pub entry: Vec<String>,
    /// Only entries of this table, name or glob over `database.table`
    #[arg(long, value_name = "TABLE")]
    pub table: Vec<String>,
    /// At most this many rows per entry [default: 20 for text and Markdown, 200 for html, all for sql]
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<u64>,
    /// Show long values whole, instead of the part that differs
    #[arg(long)]
    pub whole: bool,
    /// Print at once, even where $PAGER could be used
    #[arg(long)]
    pub no_pager: bool,
}

/// Arguments of `review`.
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// The plan file
    pub plan: PathBuf,
    /// Open the decisions as YAML in $VISUAL or $EDITOR
    #[arg(long)]
    pub edit: bool,
    /// Who decides, kept with the decisions [default: the user's name]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why, kept with the decisions
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The plan file
    pub plan: PathBuf,
    /// What to approve: an id, a glob of ids, or ENTRY#ROW
    #[arg(value_name = "SELECTOR", required_unless_present_any = ["all", "safe", "from"])]
    pub selectors: Vec<String>,
    /// Every entry; lists the destructive ones it approved
    #[arg(long, conflicts_with_all = ["safe", "selectors"])]
    pub all: bool,
    /// Every entry without risk
    #[arg(long, conflicts_with = "selectors")]
    pub safe: bool,
    /// Read selectors and decisions from this JSON or YAML file: {"SELECTOR": "approve"|"deny"|"pending"}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "safe", "selectors"])]
    pub from: Option<PathBuf>,
    /// Who decides, kept with the decisions [default: the user's name]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why, kept with the decisions
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Arguments of `deny`.
#[derive(Debug, Args)]
pub struct DenyArgs {
    /// The plan file
    pub plan: PathBuf,
    /// What to deny: an id, a glob of ids, or ENTRY#ROW
    #[arg(value_name = "SELECTOR", required_unless_present_any = ["all", "from"])]
    pub selectors: Vec<String>,
    /// Every entry
    #[arg(long, conflicts_with = "selectors")]
    pub all: bool,
    /// Read selectors and decisions from this JSON or YAML file: {"SELECTOR": "approve"|"deny"|"pending"}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "selectors"])]
    pub from: Option<PathBuf>,
    /// Who decides, kept with the decisions [default: the user's name]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why, kept with the decisions
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The plan files
    #[arg(value_name = "PLAN", required = true)]
    pub plans: Vec<PathBuf>,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// List what would be removed and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `apply`.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The plan file
    pub plan: PathBuf,
    /// Skip the remote half of the freshness check
    #[arg(long)]
    pub offline: bool,
    /// Treat every pending decision as approved (a denied one stays denied)
    #[arg(long)]
    pub yolo: bool,
    /// Print the SQL and execute nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `revert`.
#[derive(Debug, Args)]
pub struct RevertArgs {
    /// The plan file whose changes to undo
    pub plan: PathBuf,
    /// Write the new plan to this file instead of the plan folder
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `issues`.
#[derive(Debug, Args)]
pub struct IssuesArgs {
    /// What to do [default: list].
    #[command(subcommand)]
    pub action: Option<IssuesAction>,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

/// What `issues` does.
#[derive(Debug, Subcommand)]
pub enum IssuesAction {
    /// List the issues
    #[command(after_help = "Example:\n  driftwarden issues list --json")]
    List,
    /// Print one issue
    #[command(after_help = "Example:\n  driftwarden issues show 3f9a1c2b")]
    Show {
        /// Its id, or the start of its fingerprint
        id: String,
    },
    /// Mark an issue resolved
    #[command(after_help = "Example:\n  driftwarden issues resolve 3f9a1c2b")]
    Resolve {
        /// Its id, or the start of its fingerprint
        id: String,
    },
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command whose page to print [default: driftwarden's own]
    #[arg(conflicts_with = "out")]
    pub command: Option<String>,
    /// Write a page for driftwarden and one for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
