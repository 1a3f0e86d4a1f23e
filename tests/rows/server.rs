//! A server of each vendor, with two databases that stand for the two sides.

use driftwarden::compare::{self, Source, TableOutcome, TableTask};
use driftwarden::config;
use driftwarden::connect::{LocalSession, Reader, Row};
use driftwarden::diff::rows::{RowChange, RowKind, RowSink};
use driftwarden::schema::table::Table;
use driftwarden::schema::{ObjectName, Vendor, parse};
use driftwarden::sql::Read;
use std::time::Duration;

pub(crate) const VENDORS: [Vendor; 2] = [Vendor::MySql, Vendor::MariaDb];

pub(crate) struct Server {
    pub(crate) session: LocalSession,
    other: LocalSession,
    pub(crate) remote: String,
    pub(crate) local: String,
}

/// Opens a session on the sandbox's local server.
fn open(vendor: Vendor) -> LocalSession {
    let root = std::env::var("DRIFTWARDEN_SANDBOX")
        .expect("run by `make test`, or by tests/sandbox/run.sh");
    let name = match vendor {
        Vendor::MySql => "mysql",
        Vendor::MariaDb => "mariadb",
    };
    let text = std::fs::read_to_string(format!("{root}/{name}.env")).unwrap();
    let get = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let settings = serde_json::json!({
        "socket": get("LOCAL_SOCKET"),
        "user": get("LOCAL_USER"),
        "password": get("LOCAL_PASSWORD"),
    });
    let settings: config::Local = serde_json::from_value(settings).unwrap();
    LocalSession::open(&settings).unwrap()
}

impl Server {
    /// Opens sessions for the two sides, over databases that are there.
    pub(crate) fn open(vendor: Vendor, name: &str) -> Self {
        Self {
            session: open(vendor),
            other: open(vendor),
            remote: format!("rows_{name}_remote"),
            local: format!("rows_{name}_local"),
        }
    }

    /// Opens sessions for the two sides, and makes their databases anew.
    pub(crate) fn start(vendor: Vendor, name: &str) -> Self {
        let mut server = Self::open(vendor, name);
        for database in [server.remote.clone(), server.local.clone()] {
            server.run(&format!("DROP DATABASE IF EXISTS `{database}`"));
            server.run(&format!(
                "CREATE DATABASE `{database}` CHARACTER SET utf8mb4"
            ));
        }
        server
    }

    pub(crate) fn sessions(&mut self) -> (&mut LocalSession, &mut LocalSession) {
        (&mut self.session, &mut self.other)
    }

    pub(crate) fn run(&mut self, sql: &str) {
        if let Err(error) = self.session.execute(sql) {
            let start = sql.chars().take(2000).collect::<String>();
            panic!("{error:#}\n{start}");
        }
    }

    pub(crate) fn table(&mut self, database: &str) -> Table {
        let name = ObjectName::new(database, "t");
        let rows = self
            .session
            .rows(&Read::ShowCreateTables(vec![name]))
            .unwrap();
        let text = String::from_utf8(rows[0][1].clone().unwrap()).unwrap();
        match parse::table(&text) {
            Ok(table) => table,
            Err(error) => panic!("{error}\n{text}"),
        }
    }

    pub(crate) fn compare(&mut self, settings: &Settings) -> (TableOutcome, Found) {
        let (remote_name, local_name) = (self.remote.clone(), self.local.clone());
        let remote = self.table(&remote_name);
        let local = (!settings.local_missing).then(|| self.table(&local_name));
        let task = TableTask {
            remote_name: ObjectName::new(&remote_name, "t"),
            local_name: ObjectName::new(&local_name, "t"),
            remote: &remote,
            local: local.as_ref(),
            replaced: &std::collections::BTreeSet::new(),
            estimated_rows: settings.estimated_rows,
            estimated_bytes: settings.estimated_bytes,
            chunk_time: settings.chunk_time,
            snapshot_time: settings.snapshot_time,
            keep_local: settings.keep_local,
            data_only: false,
            same_server_kind: true,
            rules: None,
            times: None,
            since: None,
        };
        let mut found = Found::default();
        let mut remote_side = Counted::new(&mut self.session);
        let outcome = compare::between(
            &task,
            &mut remote_side,
            &mut Counted::new(&mut self.other),
            &mut found,
        )
        .unwrap();
        found.remote_bytes = remote_side.bytes;
        found.remote_reads = remote_side.reads;
        found.keys_first = remote_side.keys_first;
        (outcome, found)
    }
}

pub(crate) struct Settings {
    pub(crate) estimated_rows: u64,
    pub(crate) estimated_bytes: u64,
    pub(crate) chunk_time: Duration,
    pub(crate) snapshot_time: Duration,
    pub(crate) keep_local: bool,
    pub(crate) local_missing: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            estimated_rows: 1000,
            estimated_bytes: 100_000,
            chunk_time: Duration::from_millis(500),
            snapshot_time: Duration::from_secs(30),
            keep_local: false,
            local_missing: false,
        }
    }
}

/// What a comparison reported, and what it cost.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<(RowKind, RowChange)>,
    pub(crate) remote_bytes: usize,
    pub(crate) remote_reads: usize,
    /// Reads of the remote that look for their rows in an index first.
    pub(crate) keys_first: usize,
}

impl RowSink for Found {
    fn row(&mut self, kind: RowKind, change: RowChange) -> anyhow::Result<()> {
        self.rows.push((kind, change));
        Ok(())
    }
}

struct Counted<'a> {
    session: &'a mut LocalSession,
    bytes: usize,
    reads: usize,
    keys_first: usize,
}

impl<'a> Counted<'a> {
    fn new(session: &'a mut LocalSession) -> Self {
        Self {
            session,
            bytes: 0,
            reads: 0,
            keys_first: 0,
        }
    }
}

impl Source for Counted<'_> {
    fn rows(&mut self, step: &str, read: &Read) -> anyhow::Result<Vec<Row>> {
        assert!(!step.is_empty());
        let rows = self.session.rows(read)?;
        self.reads += 1;
        self.keys_first +=
            usize::from(matches!(read, Read::Select(select) if select.keys_first.is_some()));
        self.bytes += rows
            .iter()
            .flatten()
            .map(|cell| 1 + cell.as_ref().map_or(0, Vec::len))
            .sum::<usize>();
        Ok(rows)
    }
    fn stream(
        &mut self,
        step: &str,
        read: &Read,
        on_row: &mut dyn FnMut(Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        assert!(!step.is_empty());
        self.session.stream(read, on_row)
    }
    fn next_snapshot(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
