//! One test's world: databases of its own on both sides, a project folder, runs of the binary.
//!
//! Must never use a name that another case could use.

use super::dump;
use super::output::Output;
use super::server::{Sandbox, Side, Vendor};
use mysql::prelude::Queryable as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The mask key of every run.
pub(crate) const MASK_KEY: &str = "the tests' own mask key";

/// One test's databases, project folder and runs.
#[derive(Debug)]
pub(crate) struct Case {
    /// The servers.
    pub(crate) sandbox: &'static Sandbox,
    prefix: String,
    folder: tempfile::TempDir,
}

impl Case {
    /// Returns a new case on this vendor's sandbox, without databases yet.
    pub(crate) fn new(vendor: Vendor) -> Self {
        Self::on(Sandbox::shared(vendor))
    }

    /// Returns a new case on a sandbox, without databases yet.
    pub(crate) fn on(sandbox: &'static Sandbox) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // A long run goes through all process ids, and what a test made stays.
        let started = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let folder = tempfile::Builder::new()
            .prefix("dw-case.")
            .tempdir()
            .expect("a temporary folder");
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        Self {
            sandbox,
            prefix: format!("c{}t{:x}n{number}_", std::process::id(), started % 0x1_0000),
            folder,
        }
    }

    /// Returns a new case with the database `db` (see [`Case::name`]) on both sides and a config for it.
    pub(crate) fn with_database(vendor: Vendor, remote: &str, local: &str) -> Self {
        Self::new(vendor).filled(remote, local)
    }

    /// Creates the database `db` on both sides, fills it, and writes a config for it.
    pub(crate) fn filled(self, remote: &str, local: &str) -> Self {
        let case = self;
        case.create(Side::Remote, "db");
        case.create(Side::Local, "db");
        case.remote_sql(remote);
        case.local_sql(local);
        case.write_config(&json!([case.name("db")]), &json!({}));
        case
    }

    /// Returns the vendor of both sides.
    pub(crate) fn vendor(&self) -> Vendor {
        self.sandbox.vendor
    }

    /// Returns the name that is this case's own for a database it calls `name`.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns a text with this case's prefix taken off all names.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(&self.prefix, "")
    }

    /// Creates one of this case's databases.
    pub(crate) fn create(&self, side: Side, name: &str) {
        let sql = format!("CREATE DATABASE {}", quoted(&self.name(name)));
        self.sandbox.execute(side, None, &sql);
    }

    /// Executes statements on the remote server as root, in the database `db`.
    pub(crate) fn remote_sql(&self, sql: &str) {
        self.sql(Side::Remote, "db", sql);
    }

    /// Executes statements on the local server as root, in the database `db`.
    pub(crate) fn local_sql(&self, sql: &str) {
        self.sql(Side::Local, "db", sql);
    }

    /// Executes statements as root in one of this case's databases; `{{name}}` stands for the quoted own name of `name`.
    pub(crate) fn sql(&self, side: Side, database: &str, sql: &str) {
        self.sandbox
            .execute(side, Some(&self.name(database)), &self.fill(sql));
    }

    /// Puts this case's own names in the place of `{{name}}`, quoted as identifiers.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").expect("{{ is closed by }}");
            filled.push_str(before);
            filled.push_str(&quoted(&self.name(name)));
            rest = after;
        }
        filled + rest
    }

    /// Returns the project folder, in which the binary runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `config/config.json`: the way to this sandbox, full comparison of every table, and what `extra` overrides.
    ///
    /// `databases` are the own names, as the config has them. Objects in `extra` are merged, anything else replaces.
    pub(crate) fn write_config(&self, databases: &Value, extra: &Value) -> PathBuf {
        let setting = |key| self.sandbox.setting(key);
        let port: u16 = setting("REMOTE_PORT").parse().unwrap();
        let mut config = json!({
            "ssh": { "host": "prod", "config_file": self.sandbox.ssh_config() },
            "remote": { "host": "127.0.0.1", "port": port, "user": setting("REMOTE_USER"),
                        "password_env": "DRIFTWARDEN_REMOTE_PASSWORD" },
            "local": { "socket": setting("LOCAL_SOCKET"), "user": setting("LOCAL_USER"),
                       "password_env": "DRIFTWARDEN_LOCAL_PASSWORD" },
            "databases": databases,
            "tables": { "rules": [ { "match": "*", "full_diff": true } ] },
            "retry": { "delays": ["0s"] },
        });
        merge(&mut config, extra);
        let path = self.folder().join("config/config.json");
        std::fs::write(&path, serde_json::to_string_pretty(&config).unwrap()).unwrap();
        path
    }

    /// Returns a run of the binary in the project folder, with the passwords in its environment and nothing of the user's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftwarden"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder().join("home"))
            .env("DRIFTWARDEN_MASK_KEY", MASK_KEY)
            .env(
                "DRIFTWARDEN_REMOTE_PASSWORD",
                self.sandbox.setting("REMOTE_PASSWORD"),
            )
            .env(
                "DRIFTWARDEN_LOCAL_PASSWORD",
                self.sandbox.setting("LOCAL_PASSWORD"),
            );
        if let Some(folder) = std::env::var_os("TMPDIR") {
            command.env("TMPDIR", folder);
        }
        command
    }

    /// Runs the binary to its end, and asserts that no password came out.
    pub(crate) fn driftwarden(&self, arguments: &[&str]) -> Output {
        if self.vendor() == Vendor::MySql {
            // Empties the cache of password hashes: the next login is as hard as the first.
            let mut root = self.sandbox.root(Side::Remote);
            root.query_drop("FLUSH PRIVILEGES").unwrap();
        }
        let output = Output::of(&mut self.command(arguments));
        for password in ["REMOTE_PASSWORD", "LOCAL_PASSWORD"] {
            let password = self.sandbox.setting(password);
            assert!(
                !output.stdout.contains(password) && !output.stderr.contains(password),
                "a password came out: {output}"
            );
        }
        output
    }

    /// Plans into `plans/NAME.json` and returns the plan.
    pub(crate) fn plan(&self, name: &str, arguments: &[&str]) -> Value {
        let file = format!("plans/{name}.json");
        let mut all = vec!["plan", "--out", &file];
        all.extend(arguments);
        self.driftwarden(&all).exits(0);
        self.read_plan(name)
    }

    /// Reads `plans/NAME.json`.
    pub(crate) fn read_plan(&self, name: &str) -> Value {
        let path = self.folder().join(format!("plans/{name}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("a plan is JSON")
    }

    /// Returns everything in one of this case's databases as comparable text, without the case's prefix.
    pub(crate) fn dump(&self, side: Side, database: &str) -> String {
        self.dumped(side, database, false)
    }

    /// As [`Case::dump`], with the next `AUTO_INCREMENT` values.
    pub(crate) fn dump_with_counters(&self, side: Side, database: &str) -> String {
        self.dumped(side, database, true)
    }

    fn dumped(&self, side: Side, database: &str, counters: bool) -> String {
        self.plain(&dump::database(
            &mut self.sandbox.root(side),
            &self.name(database),
            counters,
        ))
    }

    /// Plans, approves all, applies, and asserts that both sides are equal and that nothing is left to plan.
    ///
    /// `databases` are pairs of a remote and a local name, as the case calls them. Returns the plan.
    pub(crate) fn converge(&self, databases: &[(&str, &str)], arguments: &[&str]) -> Value {
        let plan = self.plan("first", arguments);
        self.approve_all("first", &plan);
        self.driftwarden(&["apply", "plans/first.json"]).exits(0);
        self.assert_equal(databases);
        self.driftwarden(&["apply", "plans/first.json"]).exits(0);
        self.assert_equal(databases);
        let mut again = vec!["plan", "--detailed-exitcode", "--out", "plans/second.json"];
        again.extend(arguments);
        self.driftwarden(&again).exits(0);
        plan
    }

    /// Approves everything, also what needs approval by its id.
    pub(crate) fn approve_all(&self, name: &str, plan: &Value) {
        let file = format!("plans/{name}.json");
        self.driftwarden(&["approve", &file, "--all"]).exits(0);
        let own: Vec<&str> = plan["entries"]
            .as_array()
            .expect("a plan has entries")
            .iter()
            .filter(|entry| entry["needs_own_approval"] == true)
            .filter_map(|entry| entry["id"].as_str())
            .collect();
        if !own.is_empty() {
            let mut arguments = vec!["approve", &file];
            arguments.extend(own);
            self.driftwarden(&arguments).exits(0);
        }
    }

    /// Asserts that dumps of both sides are equal, and shows how they differ.
    #[track_caller]
    pub(crate) fn assert_equal(&self, databases: &[(&str, &str)]) {
        for (remote, local) in databases {
            let before = self.dump(Side::Remote, remote);
            let after = self
                .dump(Side::Local, local)
                .replace(&format!("`{local}`"), &format!("`{remote}`"));
            assert!(
                before == after,
                "{remote}: the dumps differ (- remote, + local)\n{}",
                similar::TextDiff::from_lines(&before, &after).unified_diff()
            );
        }
    }
}

/// Returns a name as a quoted identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn merge(base: &mut Value, extra: &Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra.clone(),
    }
}
