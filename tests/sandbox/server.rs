//! The servers of a sandbox: started by `serve.sh` once per process, or found where `run.sh` started them.
//!
//! Must never connect to anything but the sandbox's own sockets.

use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The make of the servers on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Vendor {
    /// MySQL on both sides.
    MySql,
    /// MariaDB on both sides.
    MariaDb,
}

impl Vendor {
    /// Every vendor that is tested.
    pub(crate) const ALL: [Self; 2] = [Self::MySql, Self::MariaDb];
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        })
    }
}

/// Production, or the developer's own server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The production server.
    Remote,
    /// The local server.
    Local,
}

/// A remote server, the sshds before it, and a local server, all of one vendor.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The make of both servers.
    pub(crate) vendor: Vendor,
    settings: BTreeMap<String, String>,
    folder: PathBuf,
    /// Keeps the sandbox: its stdin closes when this process ends, in whatever way.
    holder: Option<Child>,
}

impl Sandbox {
    /// Returns the process's sandbox of this vendor, starting it at the first call.
    pub(crate) fn shared(vendor: Vendor) -> &'static Self {
        static MYSQL: OnceLock<Sandbox> = OnceLock::new();
        static MARIADB: OnceLock<Sandbox> = OnceLock::new();
        let cell = match vendor {
            Vendor::MySql => &MYSQL,
            Vendor::MariaDb => &MARIADB,
        };
        cell.get_or_init(|| {
            let (folder, holder) = match std::env::var_os("DRIFTWARDEN_SANDBOX") {
                Some(folder) => (PathBuf::from(folder), None),
                None => start(vendor, false),
            };
            Self::open(vendor, folder, holder)
        })
    }

    /// Starts a sandbox for one test alone, whose servers it may stop and kill. It ends with the process.
    pub(crate) fn own(vendor: Vendor) -> &'static Self {
        let (folder, holder) = start(vendor, true);
        Box::leak(Box::new(Self::open(vendor, folder, holder)))
    }

    fn open(vendor: Vendor, folder: PathBuf, holder: Option<Child>) -> Self {
        let file = folder.join(format!("{vendor}.env"));
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let settings = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self {
            vendor,
            settings,
            folder,
            holder,
        }
    }

    /// Returns the process id of a server.
    pub(crate) fn pid(&self, side: Side) -> u32 {
        let file = self.folder.join(self.name(side)).join("pid");
        let text = std::fs::read_to_string(&file).unwrap();
        text.trim().parse().unwrap()
    }

    fn name(&self, side: Side) -> String {
        let side = match side {
            Side::Remote => "remote",
            Side::Local => "local",
        };
        format!("{}-{side}", self.vendor)
    }

    /// Kills a server of an own sandbox outright, and has it started again where it was. It takes a moment to be back.
    pub(crate) fn restart(&self, side: Side) {
        signal(self.pid(side), "-KILL");
        self.ask(&self.name(side));
    }

    /// Kills the sshd of an own sandbox and its sessions, and has it started again on the same port.
    pub(crate) fn restart_sshd(&self) {
        let pid = std::fs::read_to_string(self.folder.join("ssh/main.pid")).unwrap();
        let pid: u32 = pid.trim().parse().unwrap();
        let sessions = Command::new("pgrep")
            .args(["-P", &pid.to_string()])
            .output()
            .unwrap();
        for session in String::from_utf8_lossy(&sessions.stdout).split_whitespace() {
            signal(session.parse().unwrap(), "-KILL");
        }
        signal(pid, "-KILL");
        self.ask("sshd");
    }

    fn ask(&self, what: &str) {
        let mut line = self
            .holder
            .as_ref()
            .and_then(|holder| holder.stdin.as_ref());
        let line = line
            .as_mut()
            .expect("only an own sandbox's servers are killed");
        writeln!(line, "{what}").unwrap();
    }

    /// Returns a setting of the sandbox's env file, such as `REMOTE_PORT`.
    pub(crate) fn setting(&self, key: &str) -> &str {
        self.settings
            .get(key)
            .unwrap_or_else(|| panic!("the sandbox's env file has no {key}"))
    }

    /// Returns the ssh config with the ways to production.
    pub(crate) fn ssh_config(&self) -> &Path {
        Path::new(self.setting("SSH_CONFIG"))
    }

    /// Opens a connection of root's, through the server's socket.
    #[allow(
        clippy::disallowed_methods,
        reason = "root's connection to a server of the sandbox"
    )]
    pub(crate) fn root(&self, side: Side) -> Conn {
        let (socket, password) = match side {
            Side::Remote => ("REMOTE_SOCKET", None),
            Side::Local => ("LOCAL_SOCKET", Some(self.setting("LOCAL_PASSWORD"))),
        };
        let options = OptsBuilder::new()
            .socket(Some(self.setting(socket)))
            .user(Some("root"))
            .pass(password);
        Conn::new(options).unwrap_or_else(|error| panic!("{side:?} {}: {error}", self.vendor))
    }

    /// Executes statements, separated by semicolons or, where one holds a semicolon, by lines of `//`, as root; panics with the statement's place when one fails.
    pub(crate) fn execute(&self, side: Side, database: Option<&str>, sql: &str) {
        let mut root = self.root(side);
        root.query_drop("SET NAMES utf8mb4").unwrap();
        if let Some(database) = database {
            root.query_drop(format!("USE {}", super::case::quoted(database)))
                .unwrap();
        }
        for part in sql.split("\n//\n") {
            let part = part.trim().trim_end_matches("//").trim();
            if part.is_empty() {
                continue;
            }
            run_all(&mut root, part).unwrap_or_else(|(number, error)| {
                panic!(
                    "{side:?} {}: statement {number} of this fails: {error}\n{part}",
                    self.vendor
                )
            });
        }
    }
}

/// Runs every statement of a text; the error comes with the number of the statement that failed.
fn run_all(root: &mut Conn, sql: &str) -> Result<(), (usize, mysql::Error)> {
    let mut number = 1;
    let mut result = root.query_iter(sql).map_err(|error| (number, error))?;
    while let Some(rows) = result.iter() {
        for row in rows {
            row.map_err(|error| (number, error))?;
        }
        number += 1;
    }
    Ok(())
}

/// Sends a process a signal.
pub(crate) fn signal(pid: u32, signal: &str) {
    drop(
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status(),
    );
}

fn start(vendor: Vendor, durable: bool) -> (PathBuf, Option<Child>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/serve.sh");
    let mut holder = Command::new(script)
        .arg(vendor.to_string())
        .envs(durable.then_some(("DRIFTWARDEN_SANDBOX_DURABLE", "1")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("serve.sh starts");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("stdout is piped"))
        .read_line(&mut line)
        .expect("serve.sh speaks UTF-8");
    let folder = line
        .trim_end()
        .strip_prefix("ready ")
        .unwrap_or_else(|| panic!("the sandbox did not start (see above); it said {line:?}"));
    (folder.into(), Some(holder))
}
