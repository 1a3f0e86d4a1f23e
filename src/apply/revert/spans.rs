//! Which rows of an entry an undo record speaks of, and where each was recorded last.
//!
//! Pure. Must never take a row that was rolled back for one that was changed.

use crate::apply::undo::Record;
use std::collections::BTreeMap;

/// Where a row was recorded: a record, and the row's place among that record's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Position of the record.
    pub(super) record: usize,
    /// Position of the row in it.
    pub(super) row: u64,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    last: u64,
    place: Place,
}

/// The rows of one entry, as spans of numbers that do not overlap.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<u64, Span>);

impl Spans {
    /// Finds the rows of an entry. A row that was recorded more than once has its last place: an earlier change did not
    /// stand, or was undone since.
    pub(super) fn of(entry: &str, records: &[Record]) -> Self {
        let mut spans = Self::default();
        for position in standing(entry, records) {
            if let Some(Record::Rows { rows, .. } | Record::Inserts { rows, .. }) =
                records.get(position)
            {
                let mut row = 0;
                for (first, last) in rows {
                    let place = Place {
                        record: position,
                        row,
                    };
                    spans.put(*first, *last, place);
                    row += last.saturating_sub(*first).saturating_add(1);
                }
            }
        }
        spans
    }

    /// Returns where a row was recorded.
    pub(super) fn place(&self, number: u64) -> Option<Place> {
        let (first, span) = self.0.range(..=number).next_back()?;
        (number <= span.last).then(|| Place {
            row: span.place.row + (number - first),
            ..span.place
        })
    }

    /// Returns whether the entry has no such row.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, first: u64, last: u64, place: Place) {
        if last < first {
            return;
        }
        let overlapping: Vec<(u64, Span)> = self
            .0
            .range(..=last)
            .rev()
            .take_while(|(_, span)| span.last >= first)
            .map(|(start, span)| (*start, *span))
            .collect();
        for (start, span) in overlapping {
            self.0.remove(&start);
            if start < first {
                let head = Span {
                    last: first - 1,
                    ..span
                };
                self.0.insert(start, head);
            }
            if span.last > last {
                let tail = Place {
                    row: span.place.row + (last + 1 - start),
                    ..span.place
                };
                self.0.insert(
                    last + 1,
                    Span {
                        last: span.last,
                        place: tail,
                    },
                );
            }
        }
        self.0.insert(first, Span { last, place });
    }
}

/// The positions of an entry's records of rows, without those that were rolled back.
fn standing(entry: &str, records: &[Record]) -> Vec<usize> {
    let mut stand = Vec::new();
    let mut open = Vec::new();
    for (position, record) in records.iter().enumerate() {
        match record {
            Record::Rows { entry: own, .. } | Record::Inserts { entry: own, .. }
                if own == entry =>
            {
                open.push(position);
            }
            Record::RolledBack { entry: own } if own == entry => open.clear(),
            Record::Committed { entry: own } if own == entry => stand.append(&mut open),
            // Killed: what was recorded last may or may not stand, which local tells.
            Record::Begin { .. } => stand.append(&mut open),
            _ => {}
        }
    }
    stand.append(&mut open);
    stand
}
