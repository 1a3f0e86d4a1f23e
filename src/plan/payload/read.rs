//! Reading payloads back, and an entry's rows wherever they are kept.

use super::{PayloadFolder, is_payload_name, plan_row, row_kind, tsv};
use crate::diff::rows::{RowChange, RowKind};
use crate::plan::file::folder_of;
use crate::plan::{Decision, Entry, Payload, PlanRow, RowShape};
use crate::refusal::Refusal;
use crate::value::{Cell, Value, to_hex};
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// The longest row that is read (bytes): no server sends more than a GiB at once, and no byte is written as more than two.
const LONGEST_ROW: u64 = 2 << 30;

/// Reads the rows of an entry from the plan or from its payload, each with the decision that holds for it.
///
/// `plan_path` is the plan's file and `plan_id` its id: the payload's folder stands beside it. Payloads are checked
/// (size, SHA-256) before the first row.
///
/// # Errors
/// A [`Refusal`] when the payload is missing or is not the plan's.
pub fn rows<'e>(entry: &'e Entry, plan_id: &str, plan_path: &Path) -> Result<Rows<'e>> {
    rows_from(entry, &|payload| open(payload, plan_id, plan_path))
}

fn rows_from<'e>(entry: &'e Entry, open: Opener<'_>) -> Result<Rows<'e>> {
    let source = match unpack(entry, open)? {
        Some(unpacking) => Source::Payload(unpacking),
        None => Source::Inline(entry.rows.iter()),
    };
    Ok(Rows {
        entry,
        source,
        ended: false,
    })
}

/// As [`rows`], of a plan that is being made: its payloads are not published yet.
///
/// # Errors
/// As for [`rows`].
pub fn staged_rows<'e>(entry: &'e Entry, folder: &PayloadFolder) -> Result<Rows<'e>> {
    rows_from(entry, &|payload| {
        let staged = folder.staged()?;
        open_in(payload, &staged.context("no payload was written")?)
    })
}

/// Reads the rows of an entry's payload as they lie there, without names: for entries of very many rows. `None` for an
/// entry whose rows stand in the plan.
///
/// # Errors
/// As for [`rows`].
pub fn changes<'e>(
    entry: &'e Entry,
    plan_id: &str,
    plan_path: &Path,
) -> Result<Option<Changes<'e>>> {
    let unpacking = unpack(entry, &|payload| open(payload, plan_id, plan_path))?;
    Ok(unpacking.map(|unpacking| Changes {
        entry,
        unpacking,
        ended: false,
    }))
}

/// Opens a payload, checked.
type Opener<'o> = &'o dyn Fn(&Payload) -> Result<BufReader<File>>;

fn unpack<'e>(entry: &'e Entry, open: Opener<'_>) -> Result<Option<Box<Unpacking<'e>>>> {
    let (Some(payload), Some(shape), Some(kind)) =
        (&entry.payload, &entry.shape, row_kind(entry.kind))
    else {
        return Ok(None);
    };
    let file = open(payload).with_context(|| format!("cannot read the rows of {}", entry.id))?;
    let unpacked = zstd::Decoder::with_buffer(file)
        .with_context(|| format!("cannot unpack payload {}", payload.file))?;
    Ok(Some(Box::new(Unpacking {
        // One byte more than stated shows a file that unpacks to more.
        lines: BufReader::with_capacity(
            1 << 17,
            unpacked.take(payload.raw_bytes.saturating_add(1)),
        ),
        line: Vec::new(),
        left: payload.raw_bytes,
        number: 0,
        kind,
        shape,
        payload,
    })))
}

/// Checks that a payload is there and is the plan's.
///
/// # Errors
/// A [`Refusal`] that says what does not fit.
pub fn check(payload: &Payload, plan_id: &str, plan_path: &Path) -> Result<()> {
    open(payload, plan_id, plan_path).map(drop)
}

/// The rows of an entry's payload, in order: number, whether it is decided on by itself, values.
pub struct Changes<'e> {
    entry: &'e Entry,
    unpacking: Box<Unpacking<'e>>,
    ended: bool,
}

impl Iterator for Changes<'_> {
    type Item = Result<(u64, Decision, RowChange)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self
            .unpacking
            .next_change(self.entry.count)
            .with_context(|| format!("cannot read the rows of {}", self.entry.id))
            .transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next.map(|change| {
            change.map(|(number, change)| {
                let own = self.entry.row_decisions.get(&number).copied();
                (number, own.unwrap_or(self.entry.decision), change)
            })
        })
    }
}

/// The rows of an entry, in order.
pub struct Rows<'e> {
    entry: &'e Entry,
    source: Source<'e>,
    ended: bool,
}

enum Source<'e> {
    Inline(std::slice::Iter<'e, PlanRow>),
    Payload(Box<Unpacking<'e>>),
}

struct Unpacking<'e> {
    lines: BufReader<std::io::Take<zstd::Decoder<'static, BufReader<File>>>>,
    line: Vec<u8>,
    left: u64,
    number: u64,
    kind: RowKind,
    shape: &'e RowShape,
    payload: &'e Payload,
}

impl Iterator for Rows<'_> {
    type Item = Result<PlanRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = match &mut self.source {
            Source::Inline(rows) => rows.next().cloned().map(Ok),
            Source::Payload(unpacking) => unpacking.next(self.entry.count).transpose(),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next.map(|row| {
            row.map(|mut row| {
                row.decision = Some(self.entry.decision_of(&row));
                row
            })
            .with_context(|| format!("cannot read the rows of {}", self.entry.id))
        })
    }
}

impl Unpacking<'_> {
    fn next(&mut self, count: Option<u64>) -> Result<Option<PlanRow>> {
        match self.next_change(count)? {
            Some((number, change)) => plan_row(number, change, self.shape).map(Some),
            None => Ok(None),
        }
    }

    fn next_change(&mut self, count: Option<u64>) -> Result<Option<(u64, RowChange)>> {
        self.line.clear();
        (&mut self.lines)
            .take(LONGEST_ROW)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| self.broken(&format!("cannot be unpacked: {error}")))?;
        let line = self.line.as_slice();
        let read = line.len() as u64;
        if read > self.left {
            return Err(self.broken("unpacks to more than its `raw_bytes`"));
        }
        self.left -= read;
        if line.is_empty() {
            if self.left > 0 {
                return Err(self.broken("unpacks to less than its `raw_bytes`"));
            }
            if Some(self.number) != count {
                return Err(self.broken(&format!("holds {} rows", self.number)));
            }
            return Ok(None);
        }
        self.number += 1;
        let cells = line.strip_suffix(b"\n").and_then(tsv::read);
        let row = cells
            .and_then(|cells| self.change(cells))
            .ok_or_else(|| self.broken(&format!("row {} has other fields", self.number)))?;
        Ok(Some((self.number, row)))
    }

    /// Takes a row's fields apart; `None` where they are not those of the kind and shape.
    fn change(&self, cells: Vec<Cell>) -> Option<RowChange> {
        let mut cells = cells.into_iter();
        let mut row = RowChange::default();
        let text = |cell: Option<Cell>| -> Option<Option<String>> {
            cell?.map_or(Some(None), |bytes| String::from_utf8(bytes).ok().map(Some))
        };
        if self.kind != RowKind::Insert {
            row.before_hash = text(cells.next())?;
        }
        if self.kind != RowKind::Delete {
            row.after_hash = text(cells.next())?;
        }
        if self.shape.key.is_empty() {
            let before = text(cells.next())??.parse().ok()?;
            let after = text(cells.next())??.parse().ok()?;
            row.copies = Some((before, after));
        }
        let columns = &self.shape.columns;
        let (mut before, mut after) = (
            Vec::with_capacity(columns.len()),
            Vec::with_capacity(columns.len()),
        );
        for column in columns {
            let mut value = || Some(Value::of_cell(cells.next()?, column.values));
            if self.kind != RowKind::Insert {
                before.push(value()?);
            }
            if self.kind != RowKind::Delete {
                after.push(value()?);
            }
        }
        row.before = (self.kind != RowKind::Insert).then_some(before);
        row.after = (self.kind != RowKind::Delete).then_some(after);
        cells.next().is_none().then_some(row)
    }

    fn broken(&self, what: &str) -> anyhow::Error {
        let file = &self.payload.file;
        refusal(format!("payload {file} is not the plan's: it {what}"))
    }
}

/// Opens a payload and checks it against the plan.
fn open(payload: &Payload, plan_id: &str, plan_path: &Path) -> Result<BufReader<File>> {
    let name = &payload.file;
    let is_plain_id = plan_id
        .bytes()
        .all(|it| it.is_ascii_alphanumeric() || it == b'-');
    if !is_payload_name(name) || !is_plain_id || plan_id.is_empty() {
        return Err(refusal(format!(
            "payload {name:?} of plan {plan_id:?} has a name that no payload has"
        )));
    }
    open_in(payload, &folder_of(plan_path).join(plan_id))
}

/// Opens a payload in a folder.
fn open_in(payload: &Payload, folder: &Path) -> Result<BufReader<File>> {
    let name = &payload.file;
    let path = folder.join(name);
    for part in [folder, path.as_path()] {
        let found = fs::symlink_metadata(part).map_err(|error| match error.kind() {
            ErrorKind::NotFound => refusal(format!(
                "payload {} is not here: payloads stay on the machine that made the plan",
                path.display()
            )),
            _ => refusal(format!("cannot read {}: {error}", part.display())),
        })?;
        if found.file_type().is_symlink() {
            return Err(refusal(format!("{} is a link", part.display())));
        }
    }
    let mut file = File::open(&path)
        .map_err(|error| refusal(format!("cannot read {}: {error}", path.display())))?;
    let size = file.metadata().map_or(0, |found| found.len());
    if size != payload.bytes {
        return Err(refusal(format!(
            "payload {} has {size} bytes, and the plan says {}",
            path.display(),
            payload.bytes
        )));
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|error| refusal(format!("cannot read {}: {error}", path.display())))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    if to_hex(&hash.finalize()) != payload.sha256 {
        return Err(refusal(format!(
            "payload {} was changed: its SHA-256 is not the plan's",
            path.display()
        )));
    }
    file.seek(SeekFrom::Start(0))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(BufReader::new(file))
}

fn refusal(reason: String) -> anyhow::Error {
    Refusal::new(
        reason,
        "restore the payload beside the plan, or make a new plan with `driftwarden plan`",
    )
    .into()
}
