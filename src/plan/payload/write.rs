//! Writing payloads: a folder under a temporary name until the plan has its id, and the files in it.

use super::tsv::Line;
use crate::diff::rows::{RowChange, RowKind};
use crate::plan::Payload;
use crate::plan::file::sync_folder;
use crate::refusal::Problem;
use crate::value::{Value, to_hex};
use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::{TempDir, TempPath};

/// The folder that a plan's payloads are written to. Clones are the same folder; it is removed again unless published.
#[derive(Debug, Clone)]
pub struct PayloadFolder {
    parent: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    folder: Option<TempDir>,
}

impl PayloadFolder {
    /// Creates the folder-to-be beside a plan file that will stand in `parent`. Nothing is made on disk before the
    /// first payload.
    pub fn new(parent: &Path) -> Self {
        Self {
            parent: parent.to_owned(),
            state: Arc::default(),
        }
    }

    /// Gets the files onto the disk and gives the folder the plan's id for a name. Without a payload nothing is made.
    ///
    /// # Errors
    /// When the folder cannot be renamed.
    pub fn publish(self, plan_id: &str) -> Result<()> {
        let Some(folder) = self.locked()?.folder.take() else {
            return Ok(());
        };
        let target = self.parent.join(plan_id);
        let store = || -> io::Result<()> {
            sync_folder(folder.path())?;
            fs::rename(folder.path(), &target)?;
            sync_folder(&self.parent)
        };
        store().map_err(|error| cannot_write(&target, &error))?;
        // Its name has gone to the plan: there is nothing left to remove.
        drop(folder.keep());
        Ok(())
    }

    /// Removes a file that no entry has any more, before the folder is published.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(&self, payload: &Payload) -> Result<()> {
        let Some(folder) = self.staged()? else {
            return Ok(());
        };
        let path = folder.join(&payload.file);
        fs::remove_file(&path).map_err(|error| cannot_write(&path, &error))
    }

    /// Where its files are until it is published; `None` before the first one.
    pub(super) fn staged(&self) -> Result<Option<PathBuf>> {
        Ok(self
            .locked()?
            .folder
            .as_ref()
            .map(|folder| folder.path().to_owned()))
    }

    fn locked(&self) -> Result<std::sync::MutexGuard<'_, State>> {
        match self.state.lock() {
            Ok(state) => Ok(state),
            Err(_) => bail!("another thread failed while it made a payload file"),
        }
    }

    fn create(&self) -> Result<(String, PathBuf, File)> {
        let mut state = self.locked()?;
        if state.folder.is_none() {
            let made = fs::create_dir_all(&self.parent).and_then(|()| {
                tempfile::Builder::new()
                    .prefix(".payload-")
                    .suffix(".tmp")
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir_in(&self.parent)
            });
            state.folder = Some(made.map_err(|error| cannot_write(&self.parent, &error))?);
        }
        let folder = state
            .folder
            .as_ref()
            .context("the payload folder is gone")?
            .path()
            .to_owned();
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        // The first name that is free: one that was given up leaves no gap.
        for number in 1_u32.. {
            let name = format!("{number:04}.tsv.zst");
            let path = folder.join(&name);
            match options.open(&path) {
                Ok(file) => return Ok((name, path, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot_write(&path, &error)),
            }
        }
        bail!("there are too many payload files in {}", folder.display())
    }
}

/// How well payloads are packed: fast, since reading production waits for it.
const LEVEL: i32 = 1;

/// Writes one payload file, row by row.
pub struct PayloadWriter {
    name: String,
    /// Removed again unless it is finished.
    path: TempPath,
    kind: RowKind,
    encoder: zstd::Encoder<'static, Hashing>,
    line: Vec<u8>,
    raw_bytes: u64,
}

impl PayloadWriter {
    /// Creates the next file of a folder. With `salted`, random bytes that a reader skips stand before the rows: the
    /// SHA-256 that the plan holds tells nothing of them then, however few values they may have.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(folder: &PayloadFolder, kind: RowKind, salted: bool) -> Result<Self> {
        let (name, path, file) = folder.create()?;
        let path = TempPath::try_from_path(path).context("naming a payload file")?;
        let mut hashing = Hashing {
            file,
            hash: Sha256::new(),
            bytes: 0,
        };
        if salted {
            let salt = salt().context("reading random bytes from /dev/urandom")?;
            hashing
                .write_all(&salt)
                .map_err(|error| cannot_write(&path, &error))?;
        }
        let encoder = zstd::Encoder::new(hashing, LEVEL)
            .with_context(|| format!("cannot compress payload {}", path.display()))?;
        Ok(Self {
            name,
            path,
            kind,
            encoder,
            line: Vec::new(),
            raw_bytes: 0,
        })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn row(&mut self, row: &RowChange) -> Result<()> {
        self.line.clear();
        let mut line = Line::begin(&mut self.line);
        write_fields(&mut line, self.kind, row);
        line.end();
        self.encoder
            .write_all(&self.line)
            .map_err(|error| cannot_write(&self.path, &error))?;
        self.raw_bytes += self.line.len() as u64;
        Ok(())
    }

    /// Ends the file and gets it onto the disk.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(self) -> Result<Payload> {
        let failed = |error: io::Error| cannot_write(&self.path, &error);
        let hashing = self.encoder.finish().map_err(failed)?;
        hashing.file.sync_all().map_err(failed)?;
        drop(self.path.keep());
        Ok(Payload {
            file: self.name,
            sha256: to_hex(&hashing.hash.finalize()),
            bytes: hashing.bytes,
            raw_bytes: self.raw_bytes,
        })
    }
}

/// Returns a zstd frame that decoders skip, with 32 random bytes in it.
fn salt() -> io::Result<Vec<u8>> {
    const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
    const LENGTH: u32 = 32;
    let mut frame = SKIPPABLE.to_vec();
    frame.extend(LENGTH.to_le_bytes());
    File::open("/dev/urandom")?
        .take(u64::from(LENGTH))
        .read_to_end(&mut frame)?;
    Ok(frame)
}

fn write_fields(line: &mut Line<'_>, kind: RowKind, row: &RowChange) {
    if kind != RowKind::Insert {
        line.field(row.before_hash.as_deref().map(str::as_bytes));
    }
    if kind != RowKind::Delete {
        line.field(row.after_hash.as_deref().map(str::as_bytes));
    }
    if let Some((before, after)) = row.copies {
        line.field(Some(before.to_string().as_bytes()));
        line.field(Some(after.to_string().as_bytes()));
    }
    match (&row.before, &row.after) {
        (Some(before), Some(after)) => {
            for (before, after) in before.iter().zip(after) {
                write_value(line, before);
                write_value(line, after);
            }
        }
        (only, None) | (None, only) => {
            for value in only.iter().flatten() {
                write_value(line, value);
            }
        }
    }
}

fn write_value(line: &mut Line<'_>, value: &Value) {
    match value {
        Value::Null => line.field(None),
        Value::Integer(number) => line.field(Some(number.to_string().as_bytes())),
        Value::Text(text) => line.field(Some(text.as_bytes())),
        Value::Bytes(bytes) => line.field(Some(bytes)),
    }
}

/// Hashes and counts what goes into the file.
struct Hashing {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space (`driftwarden prune` removes old plans) and run the command again"
        }
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists => {
            "a plan of this very second has that id: run the command again"
        }
        _ => "check the plan folder and its permissions",
    };
    Problem::new(
        format!("cannot write payload {}: {error}", path.display()),
        remedy,
    )
    .into()
}
