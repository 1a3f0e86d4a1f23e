//! Where a comparison's rows go: into the plan while they are few, into a payload once they are many.

use super::{PayloadFolder, PayloadWriter, plan_row};
use crate::config::Preview;
use crate::diff::rows::{RowChange, RowKind, RowSink};
use crate::plan::{Payload, PlanRow, RowShape};
use crate::value::Value;
use anyhow::Result;

/// How many rows of a payload stand in the plan as well.
const PREVIEW_ROWS: usize = 20;

/// Rows kept in the plan, or in a preview, take at most this many bytes: a plan stays small whatever its values are.
const INLINE_BYTES: usize = 4 << 20;

/// Takes the rows of one table. Memory stays flat: at most `inline_rows` rows (and 4 MiB) of each kind are held.
pub struct EntrySink {
    folder: PayloadFolder,
    inline_rows: u64,
    preview: Preview,
    insert: Kept,
    update: Kept,
    delete: Kept,
}

/// The rows of one kind so far.
#[derive(Default)]
struct Kept {
    count: u64,
    /// All rows, until there are too many; then the first ones, for the preview.
    first: Vec<RowChange>,
    bytes: usize,
    writer: Option<PayloadWriter>,
}

/// The rows of one kind that a comparison found, as they go into an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRows {
    /// Their kind.
    pub kind: RowKind,
    /// Their number.
    pub count: u64,
    /// The rows, where they are few.
    pub rows: Vec<PlanRow>,
    /// The file that holds them, where they are many.
    pub payload: Option<Payload>,
    /// The first of many.
    pub preview: Vec<PlanRow>,
}

impl EntrySink {
    /// Creates the sink of one table. With a `preview` other than full, every row goes to a payload.
    pub fn new(folder: &PayloadFolder, inline_rows: u64, preview: Preview) -> Self {
        Self {
            folder: folder.clone(),
            inline_rows: if preview == Preview::Full {
                inline_rows
            } else {
                0
            },
            preview,
            insert: Kept::default(),
            update: Kept::default(),
            delete: Kept::default(),
        }
    }

    /// Ends the payloads and returns what was found: deletes, updates, inserts, those of them that there are.
    ///
    /// # Errors
    /// When a payload cannot be written, or a row does not have the shape.
    pub fn finish(self, shape: &RowShape) -> Result<Vec<FoundRows>> {
        let preview = self.preview;
        [
            (RowKind::Delete, self.delete),
            (RowKind::Update, self.update),
            (RowKind::Insert, self.insert),
        ]
        .into_iter()
        .filter(|(_, kept)| kept.count > 0)
        .map(|(kind, kept)| kept.finish(kind, shape, preview))
        .collect()
    }
}

impl RowSink for EntrySink {
    fn row(&mut self, kind: RowKind, row: RowChange) -> Result<()> {
        let kept = match kind {
            RowKind::Insert => &mut self.insert,
            RowKind::Update => &mut self.update,
            RowKind::Delete => &mut self.delete,
        };
        kept.count += 1;
        let size = size(&row);
        if let Some(writer) = &mut kept.writer {
            writer.row(&row)?;
            if kept.first.len() < PREVIEW_ROWS && kept.bytes + size <= INLINE_BYTES {
                kept.bytes += size;
                kept.first.push(row);
            }
            return Ok(());
        }
        kept.bytes += size;
        kept.first.push(row);
        if kept.count > self.inline_rows || kept.bytes > INLINE_BYTES {
            let salted = self.preview != Preview::Full;
            let mut writer = PayloadWriter::create(&self.folder, kind, salted)?;
            for row in &kept.first {
                writer.row(row)?;
            }
            kept.first.truncate(PREVIEW_ROWS);
            kept.bytes = kept.first.iter().map(self::size).sum();
            while kept.bytes > INLINE_BYTES {
                kept.bytes -= kept.first.pop().as_ref().map_or(kept.bytes, self::size);
            }
            kept.writer = Some(writer);
        }
        Ok(())
    }
}

impl Kept {
    fn finish(self, kind: RowKind, shape: &RowShape, preview: Preview) -> Result<FoundRows> {
        let payload = self.writer.map(PayloadWriter::finish).transpose()?;
        let first = (1..).zip(self.first);
        let mut found = FoundRows {
            kind,
            count: self.count,
            rows: Vec::new(),
            preview: Vec::new(),
            payload,
        };
        if found.payload.is_none() {
            found.rows = first
                .map(|(number, row)| plan_row(number, row, shape))
                .collect::<Result<_>>()?;
        } else if preview != Preview::None {
            found.preview = first
                .map(|(number, row)| {
                    let row = plan_row(number, row, shape)?;
                    Ok(if preview == Preview::Masked {
                        masked(row)
                    } else {
                        row
                    })
                })
                .collect::<Result<_>>()?;
        }
        Ok(found)
    }
}

/// Replaces a row's values by their type and length, and leaves its hashes out: short values are guessable from them.
fn masked(mut row: PlanRow) -> PlanRow {
    for value in row.key.values_mut().chain(row.values.values_mut()) {
        *value = mask(value);
    }
    for (before, after) in row.change.values_mut() {
        (*before, *after) = (mask(before), mask(after));
    }
    row.before_hash = None;
    row.after_hash = None;
    row
}

fn mask(value: &Value) -> Value {
    let count = |number: usize, one: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    };
    match value {
        Value::Null => Value::Null,
        Value::Integer(number) => Value::Text(format!(
            "<integer, {}>",
            count(number.unsigned_abs().to_string().len(), "digit")
        )),
        Value::Text(text) => Value::Text(format!(
            "<text, {}>",
            count(text.chars().count(), "character")
        )),
        Value::Bytes(bytes) => Value::Text(format!("<binary, {}>", count(bytes.len(), "byte"))),
    }
}

fn size(row: &RowChange) -> usize {
    let values = row.before.iter().chain(&row.after).flatten();
    values
        .map(|value| match value {
            Value::Null | Value::Integer(_) => 8,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => 2 * bytes.len(),
        })
        .sum()
}
