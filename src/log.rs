//! The log: JSON lines in a file rotated by size, and with `-v` the same story on standard error.
//!
//! Only driftwarden's own events are written: what libraries log may hold what we must not. Must never be handed a
//! secret or a row's value.

use crate::config;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// A log file of more bytes than this is put aside when the next line comes.
const ROTATE_AT: u64 = 10 * 1024 * 1024;
/// How many old log files are kept, as `driftwarden.jsonl.1` (the newest) and so on.
const KEEP: u32 = 3;
const OURS: &str = "driftwarden";

/// Starts to log, for the rest of the process. `verbosity` 1 shows what goes on on standard error, 2 and 3 more of it;
/// `color` paints that.
///
/// # Errors
/// When the file cannot be opened; nothing is logged then.
pub fn start(settings: &config::Log, verbosity: i8, color: bool, run: &str) -> Result<()> {
    let level = settings
        .level
        .parse::<LevelFilter>()
        .unwrap_or(LevelFilter::INFO);
    let file = LogFile::open(&settings.file, ROTATE_AT)?;
    let json = JsonLines {
        run: run.to_owned(),
        file: Mutex::new(file),
    };
    let screen = match verbosity {
        i8::MIN..=0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let shown = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(color)
        .with_target(false)
        .compact();
    // A second start in one process (as in tests) keeps the first.
    drop(
        tracing_subscriber::registry()
            .with(json.with_filter(Targets::new().with_target(OURS, level)))
            .with(shown.with_filter(Targets::new().with_target(OURS, screen)))
            .try_init(),
    );
    Ok(())
}

struct JsonLines {
    run: String,
    file: Mutex<LogFile>,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _context: LayerContext<'_, S>) {
        let now = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default();
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("time".into(), now.into());
        line.insert("level".into(), level_name(*metadata.level()).into());
        line.insert("run".into(), self.run.clone().into());
        line.insert("module".into(), metadata.target().into());
        event.record(&mut Fields(&mut line));
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // A full disk must not stop the work that is logged.
        drop(
            self.file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(text.as_bytes()),
        );
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().into(), format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    rotate_at: u64,
}

impl LogFile {
    fn open(path: &Path, rotate_at: u64) -> Result<Self> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder)
                .with_context(|| format!("making the log's folder {}", folder.display()))?;
        }
        let file =
            append_to(path).with_context(|| format!("opening the log {}", path.display()))?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            rotate_at,
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.is_full(added) {
            self.find_again();
        }
        if self.is_full(added) {
            // A file that cannot be put aside takes the line all the same.
            drop(self.rotate());
        }
        self.file.write_all(line)?;
        self.length = self.length.saturating_add(added);
        Ok(())
    }

    fn is_full(&self, added: u64) -> bool {
        self.length > 0 && self.length.saturating_add(added) > self.rotate_at
    }

    /// Goes on in the file that is there now: another run may have put ours aside.
    fn find_again(&mut self) {
        let Ok(file) = append_to(&self.path) else {
            return;
        };
        let (Ok(ours), Ok(now)) = (self.file.metadata(), file.metadata()) else {
            return;
        };
        if (ours.dev(), ours.ino()) != (now.dev(), now.ino()) {
            self.file = file;
        }
        self.length = now.len();
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..KEEP).rev() {
            let (older, newer) = (self.numbered(number + 1), self.numbered(number));
            if newer.exists() {
                fs::rename(newer, older)?;
            }
        }
        fs::rename(&self.path, self.numbered(1))?;
        self.file = append_to(&self.path)?;
        self.length = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_json_lines_and_other_crates_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/d.jsonl");
        let json = JsonLines {
            run: "r1".into(),
            file: Mutex::new(LogFile::open(&path, 1 << 20).unwrap()),
        };
        let subscriber = tracing_subscriber::registry()
            .with(json.with_filter(Targets::new().with_target(OURS, LevelFilter::INFO)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(table = "shop.users", rows = 3_u64, "compared");
            tracing::debug!("too fine");
            tracing::info!(target: "mysql", "someone else's");
        });
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "compared");
        assert_eq!(lines[0]["table"], "shop.users");
        assert_eq!(lines[0]["rows"], 3);
        assert_eq!(lines[0]["run"], "r1");
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn two_runs_that_log_to_one_file_put_it_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.jsonl");
        let mut one = LogFile::open(&path, 100).unwrap();
        let mut other = LogFile::open(&path, 100).unwrap();
        let line = [b'x'; 30];
        for _ in 0..3 {
            one.write(&line).unwrap();
            other.write(&line).unwrap();
        }
        // Full by the count of each.
        other.write(&line).unwrap();
        one.write(&line).unwrap();
        let length = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |it| it.len());
        assert_eq!(
            length("d.jsonl") + length("d.jsonl.1") + length("d.jsonl.2"),
            8 * 30
        );
        assert!(!folder.path().join("d.jsonl.2").exists());
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.jsonl");
        let mut file = LogFile::open(&path, 10).unwrap();
        for number in 0..8 {
            file.write(format!("line {number}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("d.jsonl"), "line 7\n");
        assert_eq!(read("d.jsonl.1"), "line 6\n");
        assert_eq!(read("d.jsonl.3"), "line 4\n");
        assert!(!folder.path().join("d.jsonl.4").exists());
    }
}
