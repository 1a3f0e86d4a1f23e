//! What these tests need of a running sandbox: addresses, a config, root's client.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub(super) const VENDORS: [&str; 2] = ["mysql", "mariadb"];

pub(super) struct Sandbox {
    settings: BTreeMap<String, String>,
    folder: TempDir,
}

impl Sandbox {
    pub(super) fn new(vendor: &str) -> Self {
        let root = std::env::var("DRIFTWARDEN_SANDBOX")
            .expect("run by `make test`, or by tests/sandbox/run.sh");
        let text = fs::read_to_string(Path::new(&root).join(format!("{vendor}.env"))).unwrap();
        let settings = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self {
            settings,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn get(&self, key: &str) -> &str {
        &self.settings[key]
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes config.json: the sandbox's own, with parts replaced (JSON pointer, value). Returns its path.
    pub(super) fn write_config(&self, changes: &[(&str, Value)]) -> PathBuf {
        let port: u16 = self.get("REMOTE_PORT").parse().unwrap();
        let mut config = json!({
            "ssh": { "host": "prod", "config_file": self.get("SSH_CONFIG") },
            "remote": { "port": port, "user": self.get("REMOTE_USER"), "password_env": "DRIFTWARDEN_TEST_REMOTE" },
            "local": {
                "socket": self.get("LOCAL_SOCKET"), "user": self.get("LOCAL_USER"),
                "password_command": format!("echo '{}'", self.get("LOCAL_PASSWORD")),
            },
            "databases": [],
            "retry": { "delays": ["0s", "100ms"] },
        });
        config["databases"] = json!([self.database()]);
        for (pointer, value) in changes {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            config.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        let path = self.folder.path().join("config.json");
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// A database that is always there, and that these tests only add to.
    pub(super) fn database(&self) -> &'static str {
        self.on_remote("CREATE DATABASE IF NOT EXISTS connect_tests");
        "connect_tests"
    }

    /// Runs SQL as production's root, through its socket; returns what the client prints.
    pub(super) fn on_remote(&self, sql: &str) -> String {
        let output = Command::new(self.get("CLIENT"))
            .args([
                "--no-defaults",
                "-uroot",
                "-NB",
                "-S",
                self.get("REMOTE_SOCKET"),
                "-e",
                sql,
            ])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}
