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
    /// An apply of the plan did all that was approved.
    End,
    /// Rows are about to be inserted: undone by deleting these keys.
    Insert {
        /// The entry.
        entry: String,
        /// Keys, or for a table without a key whole rows.
        keys: Vec<Values>,
    },
    /// Rows of an entry with a key are about to be inserted. Where no `committed` follows before the entry's next
    /// record, they may not have been: or were there already, where other records of the same rows follow.
    Inserts {
        /// The entry.
        entry: String,
        /// Their numbers in the entry, as ranges with both ends included.
        rows: Vec<(u64, u64)>,
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

/// Returns whether an apply of the plan began and did not do all that was approved.
pub fn begun(records: &[Record]) -> bool {
    let last = |test: fn(&Record) -> bool| records.iter().rposition(test);
    last(|record| matches!(record, Record::Begin { .. }))
        > last(|record| matches!(record, Record::End))
}

/// Reads how far the applies of a plan came; empty where none began. Rows and values are passed over: there may be many.
/// A last line that was cut off by a kill is left out: what it would have announced was not begun.
///
/// # Errors
/// When the file cannot be read, or a line before the last is damaged.
pub fn read(plan_path: &Path, plan_id: &str) -> Result<Vec<Record>> {
    read_folder(&folder(plan_path, plan_id))
}

/// Returns the undo records beside a plan: their folders.
///
/// # Errors
/// When the plan's folder cannot be read.
pub fn folders(plan_path: &Path) -> Result<Vec<PathBuf>> {
    let directory = crate::plan::file::folder_of(plan_path);
    let mut folders = Vec::new();
    let entries =
        fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "undo") && path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Reads a record as [`read`] does, given its folder.
///
/// # Errors
/// As for [`read`].
pub fn read_folder(folder: &Path) -> Result<Vec<Record>> {
    let path = folder.join("journal.jsonl");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let mut records = Vec::new();
    let mut damaged = None;
    for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.with_context(|| format!("reading {}", path.display()))?;
        if line.is_empty() {
            continue;
        }
        if let Some(error) = damaged {
            return Err(error);
        }
        match serde_json::from_slice(&line) {
            Ok(
                Record::Insert { .. }
                | Record::Inserts { .. }
                | Record::Rows { .. }
                | Record::Values { .. },
            ) => {}
            Ok(record) => records.push(record),
            Err(error) => {
                damaged = Some(anyhow::Error::from(error).context(format!(
                    "line {} of {} is damaged",
                    number + 1,
                    path.display()
                )));
            }
        }
    }
    Ok(records)
}

impl Journal {
    /// Opens a record in its folder. A line that a kill cut off is dropped.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("journal.jsonl");
        let open = || -> std::io::Result<File> {
            fs::create_dir_all(folder)?;
            private(folder, 0o700)?;
            let mut file = OpenOptions::new()
                .append(true)
                .read(true)
                .create(true)
                .open(&path)?;
            private(&path, 0o600)?;
            drop_cut_line(&mut file)?;
            File::open(folder)?.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(|error| cannot_write(&path, &error))?;
        Ok(Self { path, file })
    }

    /// Appends a record that need not be on disk before anything else happens.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn note(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).context("writing an undo record as JSON")?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|error| cannot_write(&self.path, &error).into())
    }

    /// Appends a record and syncs it to disk.
    ///
    /// # Errors
    /// When the disk is full or fails: then the change it announces must not be made.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        self.note(record)?;
        self.file
            .sync_data()
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
        let place = tempfile::tempdir().unwrap();
        let plan = place.path().join("x.json");
        let folder = folder(&plan, "x");
        let begin = Record::Begin {
            digest: "sha256:0".into(),
            at: "2026-11-24T06:15:00Z".into(),
        };
        let mut journal = Journal::open(&folder).unwrap();
        journal.append(&begin).unwrap();
        journal
            .append(&Record::Committed {
                entry: "s.t.insert".into(),
            })
            .unwrap();
        journal.file.write_all(br#"{"record":"rows","ent"#).unwrap();
        let records = read(&plan, "x").unwrap();
        assert_eq!(records.len(), 2);
        assert!(begun(&records));
        assert!(!begun(&[]));

        let mut journal = Journal::open(&folder).unwrap();
        journal.append(&begin).unwrap();
        journal
            .append(&Record::Rows {
                entry: "s.t.insert".into(),
                before: vec![Values::new()],
            })
            .unwrap();
        journal.append(&Record::End).unwrap();
        let records = read(&plan, "x").unwrap();
        assert_eq!(records.len(), 4);
        assert!(!begun(&records));
        assert_eq!(folders(&plan).unwrap(), vec![folder.clone()]);

        let journal = folder.join("journal.jsonl");
        let text = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, text.replacen("begin", "bug", 1)).unwrap();
        assert!(read(&plan, "x").is_err());
    }
}
