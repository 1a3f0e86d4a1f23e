//! The undo record: what an apply destroys, on disk and synced before it is destroyed, and how far it came.
//!
//! A folder `<plan id>.undo` beside the plan, with two files. `journal.jsonl`: a JSON object a line, each with a sum over
//! itself and the lines before it. `images.zst`: rows as they were, one zstd frame for each record of the journal that
//! has any (`zstdcat` shows them). Must never be written after the change it records, must never be read as complete
//! where its last line is cut, and must never be believed where a sum does not fit.

mod line;
mod read;
mod spans;

#[cfg(test)]
mod tests;

pub use read::{Images, Undo, begun, folders, read, read_folder};
pub(super) use spans::Spans;

use crate::fault;
use crate::plan::row_sql::Values;
use crate::refusal::Problem;
use crate::schema::Object;
use crate::value::{Value, to_hex};
use anyhow::{Context as _, Result};
use line::Chain;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How well images are packed: fast, since an apply waits for it.
const LEVEL: i32 = 1;

/// Numbers of rows in an entry, as ranges with both ends included.
pub type Ranges = Vec<(u64, u64)>;

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
    /// Rows of an entry are about to be inserted. Where no `committed` follows before the entry's next record, they may
    /// not have been: or were there already, where other records of the same rows follow.
    Inserts {
        /// The entry.
        entry: String,
        /// Their numbers in the entry.
        rows: Ranges,
    },
    /// Rows of an entry are about to be updated or deleted.
    Rows {
        /// The entry.
        entry: String,
        /// Their numbers in the entry.
        rows: Ranges,
        /// The rows before, every column of local's that can be written; absent for a table without a key, whose rows
        /// the plan has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        images: Option<Blob>,
    },
    /// An object is about to be created, altered or dropped.
    Object {
        /// The entry.
        entry: String,
        /// Its text before; absent where it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// A view, trigger, routine or event with the settings it was created under; absent for a table, and where it
        /// was not there (a killed apply had dropped it already: an earlier record has it).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<Box<Object>>,
        /// Whether a killed apply had executed some of the entry's statements: the values it saved then are those that
        /// count.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resumed: bool,
    },
    /// The next `AUTO_INCREMENT` values of tables, before the first change of an apply or behind its last.
    Counters {
        /// By table, `database.table`.
        counters: std::collections::BTreeMap<String, u64>,
        /// Whether they are what the apply left.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        after: bool,
    },
    /// Values of columns (with the key), or whole rows, that a schema change is about to destroy.
    Values {
        /// The entry.
        entry: String,
        /// The rows.
        images: Blob,
    },
    /// All rows of a table that is about to change in a way that no key leads back from, as they are before the plan's
    /// first change to it.
    Whole {
        /// The table, `database.table`.
        table: String,
        /// Some of the rows; absent where the saving begins, after which those of an attempt before do not count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        images: Option<Blob>,
    },
    /// All rows of the table are in the `whole` records since its saving last began.
    WholeEnd {
        /// The table, `database.table`.
        table: String,
    },
    /// What an apply left of a table that is saved whole.
    Left {
        /// The table, `database.table`.
        table: String,
        /// The number of its rows and the sum of their hashes.
        state: String,
    },
    /// A trigger goes with its table, which is about to be dropped.
    Lost {
        /// The entry that drops the table.
        entry: String,
        /// The trigger.
        object: Box<Object>,
    },
    /// What an entry left of the rows that it changed the columns of, after it was executed: by key, hashes of the
    /// changed columns.
    After {
        /// The entry.
        entry: String,
        /// Keys and hashes.
        images: Blob,
    },
    /// A trigger was taken down so that it does not fire: how to put it back.
    TriggerDown {
        /// Its database.
        database: String,
        /// The trigger.
        trigger: Box<Object>,
    },
    /// A trigger was put back.
    TriggerUp {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
    },
    /// The changes recorded of the entry's rows since its last `committed` were rolled back.
    RolledBack {
        /// The entry.
        entry: String,
    },
    /// The changes recorded of the entry since its last such line are committed.
    Committed {
        /// The entry.
        entry: String,
    },
}

/// Rows in `images.zst`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Where their frame begins.
    pub at: u64,
    /// The frame's size in bytes.
    pub bytes: u64,
    /// Its size when unpacked; reading stops there.
    pub raw_bytes: u64,
    /// SHA-256 of the frame, hex.
    pub sha256: String,
    /// Number of rows: lines of the frame, each a JSON array.
    pub rows: u64,
    /// The columns, in the order of the arrays.
    pub columns: Vec<String>,
}

/// Attached to an error of the record's that came after the change which it was to complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unrecorded;

impl std::fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the change was made, but its undo record could not be completed")
    }
}

impl std::error::Error for Unrecorded {}

/// The record of one plan's applies, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    chain: Chain,
    images_path: PathBuf,
    images: Option<File>,
    /// Whether `images` has something that is not synced.
    unsynced: bool,
    /// Where the next frame begins.
    end: u64,
    /// Where the next line begins.
    length: u64,
    /// Whether a part of a line stands at the end that could not be taken back: nothing may follow it.
    torn: bool,
}

/// Returns the folder of a plan's undo record.
pub fn folder(plan_path: &Path, plan_id: &str) -> PathBuf {
    crate::plan::file::folder_of(plan_path).join(format!("{plan_id}.undo"))
}

/// Returns numbers in ascending order as ranges, both ends included.
pub fn ranges(numbers: impl IntoIterator<Item = u64>) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(number) => *end = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

impl Journal {
    /// Opens a record in its folder. A line that a kill cut off is dropped, and images that no line speaks of.
    ///
    /// # Errors
    /// When the files cannot be made or written, or the record is damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(read::JOURNAL);
        let images_path = folder.join(read::IMAGES);
        let read = read::scan(&path)?;
        let end = read
            .records
            .iter()
            .filter_map(Record::blob)
            .map(|blob| blob.at.saturating_add(blob.bytes))
            .max()
            .unwrap_or(0);
        let open = || -> std::io::Result<File> {
            fs::create_dir_all(folder)?;
            private(folder, 0o700)?;
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            private(&path, 0o600)?;
            if file.metadata()?.len() > read.whole {
                file.set_len(read.whole)?;
                file.sync_all()?;
            }
            File::open(folder)?.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(|error| cannot_write(&path, &error))?;
        Ok(Self {
            path,
            file,
            chain: read.chain,
            images_path,
            images: None,
            unsynced: false,
            end,
            length: read.whole,
            torn: false,
        })
    }

    /// Keeps rows for a record to come. They are on disk once a record was appended.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn keep(&mut self, columns: &[String], rows: &[Vec<Value>]) -> Result<Blob> {
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row).context("writing a row as JSON")?;
            text.push(b'\n');
        }
        let frame = zstd::bulk::compress(&text, LEVEL).context("packing rows")?;
        let blob = Blob {
            at: self.end,
            bytes: frame.len() as u64,
            raw_bytes: text.len() as u64,
            sha256: to_hex(&Sha256::digest(&frame)),
            rows: rows.len() as u64,
            columns: columns.to_vec(),
        };
        self.write_frame(&frame)
            .map_err(|error| cannot_write(&self.images_path, &error))?;
        self.end += blob.bytes;
        self.unsynced = true;
        Ok(blob)
    }

    /// Keeps rows that are given with their columns' names, all with the same ones.
    ///
    /// # Errors
    /// As for [`Journal::keep`].
    pub fn keep_values(&mut self, rows: &[&Values]) -> Result<Blob> {
        let columns: Vec<String> = rows
            .first()
            .map(|row| row.keys().cloned().collect())
            .unwrap_or_default();
        let rows: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| {
                columns
                    .iter()
                    .map(|name| row.get(name).cloned().unwrap_or(Value::Null))
                    .collect()
            })
            .collect();
        self.keep(&columns, &rows)
    }

    /// Appends a record that need not be on disk before anything else happens.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn note(&mut self, record: &Record) -> Result<()> {
        let before = self.chain.clone();
        let line = self.chain.line(record)?;
        fault::step();
        let written = if self.torn {
            Err(std::io::Error::other("an earlier line is there in part"))
        } else {
            self.file.write_all(&line)
        };
        if let Err(error) = written {
            // A disk that is full may have taken half of the line, and another line may fit in later.
            self.torn |= self.file.set_len(self.length).is_err();
            self.chain = before;
            return Err(cannot_write(&self.path, &error).into());
        }
        self.length += line.len() as u64;
        fault::step();
        Ok(())
    }

    /// Appends a record and syncs it to disk, and what was kept for it before.
    ///
    /// # Errors
    /// When the disk is full or fails: then the change it announces must not be made.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        if let (true, Some(images)) = (self.unsynced, &self.images) {
            images
                .sync_data()
                .map_err(|error| cannot_write(&self.images_path, &error))?;
            self.unsynced = false;
        }
        self.note(record)?;
        self.file
            .sync_data()
            .map_err(|error| cannot_write(&self.path, &error).into())
    }

    fn write_frame(&mut self, frame: &[u8]) -> std::io::Result<()> {
        if self.images.is_none() {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&self.images_path)?;
            private(&self.images_path, 0o600)?;
            file.set_len(self.end)?;
            if let Some(folder) = self.images_path.parent() {
                File::open(folder)?.sync_all()?;
            }
            self.images = Some(file);
        }
        match &mut self.images {
            // What a full disk took of the frame before is written over.
            Some(file) => file
                .seek(SeekFrom::Start(self.end))
                .and_then(|_| file.write_all(frame)),
            None => Ok(()),
        }
    }
}

impl Record {
    /// Returns where the record's rows are kept, for one that has any.
    pub fn blob(&self) -> Option<&Blob> {
        match self {
            Self::Rows { images, .. } | Self::Whole { images, .. } => images.as_ref(),
            Self::Values { images, .. } | Self::After { images, .. } => Some(images),
            _ => None,
        }
    }
}

fn private(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        format!(
            "the undo record {} cannot be written, so nothing more is changed: {error}",
            path.display()
        ),
        "make room on the disk (or mend the folder's permissions) and run the same apply again",
    )
}
