//! The undo record: what an apply destroys, on disk and synced before it is destroyed, and how far it came.
//!
//! A folder `<plan id>.undo` beside the plan, with one file `journal.jsonl`: a JSON object a line, appended and synced.
//! Must never be written after the change it records, and must never be read as complete where its last line is cut.

use crate::plan::row_sql::Values;
use crate::refusal::Problem;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// An apply of the plan began.
    Begin {
        /// The plan's digest.
        digest: String,
        /// When, RFC 3339.
        at: String,
    },
    /// Rows are about to be inserted: undone by deleting these keys.
    Insert {
        /// The entry.
        entry: String,
        /// Keys, or for a table without a key whole rows.
        keys: Vec<Values>,
    },
    /// Rows are about to be updated or deleted: their values before, every column of local's.
    Rows {
        /// The entry.
        entry: String,
        /// The rows.
        before: Vec<Values>,
    },
    /// An object is about to be created, altered or dropped: its text before, `None` where it is new.
    Object {
        /// The entry.
        entry: String,
        /// The text.
        before: Option<String>,
    },
    /// Values of columns, or whole rows, that a schema change is about to destroy.
    Values {
        /// The entry.
        entry: String,
        /// Keys and values.
        rows: Vec<Values>,
    },
    /// A trigger was taken down so that it does not fire: how to put it back.
    TriggerDown {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
        /// The statement that creates it.
        create: String,
        /// `sql_mode` it was created under.
        sql_mode: String,
        /// `character_set_client` it was created under.
        charset_client: String,
        /// `collation_connection` it was created under.
        collation_connection: String,
    },
    /// A trigger was put back.
    TriggerUp {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
    },
    /// The changes recorded of the entry since its last such line are committed.
    Committed {
        /// The entry.
        entry: String,
    },
}

/// The record of one plan's applies, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// Returns the folder of a plan's undo record.
pub fn folder(plan_path: &Path, plan_id: &str) -> PathBuf {
    crate::plan::file::folder_of(plan_path).join(format!("{plan_id}.undo"))
}

/// Returns whether an apply of the plan has begun.
pub fn begun(plan_path: &Path, plan_id: &str) -> bool {
    folder(plan_path, plan_id).join("journal.jsonl").exists()
}

/// Reads the record of a plan's applies; empty where none began. A last line that was cut off by a kill is left out: what
/// it would have announced was not begun.
///
/// # Errors
/// When the file cannot be read, or a line before the last is damaged.
pub fn read(plan_path: &Path, plan_id: &str) -> Result<Vec<Record>> {
    let path = folder(plan_path, plan_id).join("journal.jsonl");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let mut records = Vec::new();
    for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.with_context(|| format!("reading {}", path.display()))?;
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => records.push(Ok(record)),
            Err(error) => {
                records.push(Err(error).with_context(|| {
                    format!("line {} of {} is damaged", number + 1, path.display())
                }))
            }
        }
    }
    if records.last().is_some_and(Result::is_err) {
        records.pop();
    }
    records.into_iter().collect()
}

impl Journal {
    /// Opens the record of a plan's applies and notes that one begins. A line that a kill cut off is ended.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn open(plan_path: &Path, plan_id: &str, digest: &str, at: &str) -> Result<Self> {
        let folder = folder(plan_path, plan_id);
        let path = folder.join("journal.jsonl");
        let open = || -> std::io::Result<File> {
            fs::create_dir_all(&folder)?;
            private(&folder, 0o700)?;
            let mut file = OpenOptions::new()
                .append(true)
                .read(true)
                .create(true)
                .open(&path)?;
            private(&path, 0o600)?;
            drop_cut_line(&mut file)?;
            File::open(&folder)?.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(|error| cannot_write(&path, &error))?;
        let mut journal = Self { path, file };
        journal.append(&Record::Begin {
            digest: digest.to_owned(),
            at: at.to_owned(),
        })?;
        Ok(journal)
    }

    /// Appends a record and syncs it to disk.
    ///
    /// # Errors
    /// When the disk is full or fails: then the change it announces must not be made.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).context("writing an undo record as JSON")?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| cannot_write(&self.path, &error).into())
    }
}

/// A line that a kill cut off announced what was never begun: it goes, so that every line of the file is whole.
fn drop_cut_line(file: &mut File) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    let mut whole = length;
    let mut byte = [0];
    while whole > 0 {
        file.seek(SeekFrom::Start(whole - 1))?;
        file.read_exact(&mut byte)?;
        if byte == *b"\n" {
            break;
        }
        whole -= 1;
    }
    if whole < length {
        file.set_len(whole)?;
        file.sync_all()?;
    }
    Ok(())
}

fn private(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        format!(
            "the undo record {} cannot be written, so nothing more was changed: {error}",
            path.display()
        ),
        "make room on the disk (or mend the folder's permissions) and run the same apply again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_cut_off_is_left_out_and_the_next_apply_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("x.json");
        let mut journal = Journal::open(&plan, "x", "sha256:0", "2026-11-24T06:15:00Z").unwrap();
        journal
            .append(&Record::Committed {
                entry: "s.t.insert".into(),
            })
            .unwrap();
        journal.file.write_all(br#"{"record":"rows","ent"#).unwrap();
        assert_eq!(read(&plan, "x").unwrap().len(), 2);
        assert!(begun(&plan, "x"));

        Journal::open(&plan, "x", "sha256:0", "2026-11-24T06:16:00Z").unwrap();
        assert_eq!(read(&plan, "x").unwrap().len(), 3);
    }
}
