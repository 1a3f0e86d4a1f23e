//! Reading an undo record back.
//!
//! Must never take a damaged record for a shorter one, never hold the rows it keeps in memory, and never unpack more than
//! a record states.

use super::line::Chain;
use super::{Blob, Record, folder};
use crate::plan::file::folder_of;
use crate::plan::row_sql::Values;
use crate::refusal::Refusal;
use crate::value::{Value, to_hex};
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub(super) const JOURNAL: &str = "journal.jsonl";
pub(super) const IMAGES: &str = "images.zst";

/// A record as read: its lines, and where its rows are.
#[derive(Debug)]
pub struct Undo {
    /// The lines.
    pub records: Vec<Record>,
    /// The rows.
    pub images: Images,
}

/// The rows that a record keeps.
#[derive(Debug)]
pub struct Images {
    path: PathBuf,
    file: Option<File>,
}

/// What a scan of the journal gave.
pub(super) struct Scan {
    pub(super) records: Vec<Record>,
    pub(super) chain: Chain,
    /// Bytes of the whole lines.
    pub(super) whole: u64,
}

/// Returns whether an apply of the plan began and did not do all that was approved.
pub fn begun(records: &[Record]) -> bool {
    let last = |test: fn(&Record) -> bool| records.iter().rposition(test);
    last(|record| matches!(record, Record::Begin { .. }))
        > last(|record| matches!(record, Record::End))
}

/// Reads how far the applies of a plan came; empty where none began. A last line that was cut off by a kill is left out:
/// what it would have announced was not begun.
///
/// # Errors
/// When the file cannot be read; a [`Refusal`] where it is damaged.
pub fn read(plan_path: &Path, plan_id: &str) -> Result<Vec<Record>> {
    read_folder(&folder(plan_path, plan_id))
}

/// Returns the undo records beside a plan: their folders.
///
/// # Errors
/// When the plan's folder cannot be read.
pub fn folders(plan_path: &Path) -> Result<Vec<PathBuf>> {
    let directory = folder_of(plan_path);
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
    scan(&folder.join(JOURNAL)).map(|scan| scan.records)
}

impl Undo {
    /// Reads a plan's record, with access to the rows it keeps; `None` where no apply of the plan began.
    ///
    /// # Errors
    /// As for [`read`].
    pub fn open(plan_path: &Path, plan_id: &str) -> Result<Option<Self>> {
        let folder = folder(plan_path, plan_id);
        let records = read_folder(&folder)?;
        Ok((!records.is_empty()).then(|| Self {
            records,
            images: Images {
                path: folder.join(IMAGES),
                file: None,
            },
        }))
    }
}

impl Images {
    /// Returns the rows of a record.
    ///
    /// # Errors
    /// A [`Refusal`] where they are not what the record says.
    pub fn rows(&mut self, blob: &Blob) -> Result<Vec<Values>> {
        let path = self.path.clone();
        let wrong = |what: &str| damaged(&format!("{}: {what}", path.display()));
        let frame = self
            .frame(blob)
            .map_err(|error| wrong(&format!("the rows at byte {}: {error}", blob.at)))?;
        if to_hex(&Sha256::digest(&frame)) != blob.sha256 {
            return Err(wrong(&format!(
                "the rows at byte {} are not those that were kept",
                blob.at
            )));
        }
        let mut text = Vec::new();
        zstd::Decoder::new(frame.as_slice())?
            .take(blob.raw_bytes.saturating_add(1))
            .read_to_end(&mut text)
            .map_err(|error| wrong(&format!("the rows at byte {}: {error}", blob.at)))?;
        if text.len() as u64 != blob.raw_bytes {
            return Err(wrong("rows unpack to another size than was kept"));
        }
        let mut rows = Vec::new();
        for line in text
            .split(|byte| *byte == b'\n')
            .filter(|it| !it.is_empty())
        {
            let values: Vec<Value> = serde_json::from_slice(line)
                .map_err(|error| wrong(&format!("a row cannot be read: {error}")))?;
            if values.len() != blob.columns.len() {
                return Err(wrong("a row has other columns"));
            }
            rows.push(blob.columns.iter().cloned().zip(values).collect());
        }
        if rows.len() as u64 != blob.rows {
            return Err(wrong("rows are missing"));
        }
        Ok(rows)
    }

    fn frame(&mut self, blob: &Blob) -> std::io::Result<Vec<u8>> {
        if self.file.is_none() {
            self.file = Some(File::open(&self.path)?);
        }
        let Some(file) = &mut self.file else {
            return Err(ErrorKind::NotFound.into());
        };
        // Never more memory than the file has bytes, whatever the record says.
        let there = file.metadata()?.len().saturating_sub(blob.at);
        if blob.bytes > there {
            return Err(std::io::Error::new(
                ErrorKind::UnexpectedEof,
                "the file is cut off before their end",
            ));
        }
        file.seek(SeekFrom::Start(blob.at))?;
        let mut frame = Vec::new();
        file.take(blob.bytes).read_to_end(&mut frame)?;
        Ok(frame)
    }
}

/// Reads all whole lines of a journal; none where there is no such file.
pub(super) fn scan(path: &Path) -> Result<Scan> {
    let mut scan = Scan {
        records: Vec::new(),
        chain: Chain::default(),
        whole: 0,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(scan),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        reader
            .read_until(b'\n', &mut line)
            .with_context(|| format!("reading {}", path.display()))?;
        let Some(text) = line.strip_suffix(b"\n") else {
            // Cut off: what it would have announced was not begun.
            break;
        };
        match scan.chain.read(text) {
            Some(record) => scan.records.push(record),
            None => {
                return Err(damaged(&format!(
                    "line {number} of {} is damaged, or was changed by hand",
                    path.display()
                )));
            }
        }
        scan.whole += line.len() as u64;
    }
    Ok(scan)
}

fn damaged(what: &str) -> anyhow::Error {
    Refusal::new(
        format!("the undo record cannot be trusted: {what}"),
        "put the folder back from a backup; or, to go on without a way back for what was done, move it elsewhere and \
         make a new plan with `driftwarden plan`",
    )
    .into()
}
