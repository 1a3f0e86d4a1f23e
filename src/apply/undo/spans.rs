//! Which rows of an entry an undo record speaks of, and where each was recorded last.
//!
//! Pure. Must never take a row that was rolled back for one that was changed.

use super::Record;
use std::collections::BTreeMap;

/// Where a row was recorded: a record, and the row's place among that record's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::apply) struct Place {
    /// Position of the record.
    pub(in crate::apply) record: usize,
    /// Position of the row in it.
    pub(in crate::apply) row: u64,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    last: u64,
    place: Place,
}

/// The rows of one entry, as spans of numbers that do not overlap.
#[derive(Debug, Default)]
pub(in crate::apply) struct Spans(BTreeMap<u64, Span>);

impl Spans {
    /// Finds the rows of an entry. A row that was recorded more than once has its last place: an earlier change did not
    /// stand, or was undone since.
    pub(in crate::apply) fn of(entry: &str, records: &[Record]) -> Self {
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
                    row = row.saturating_add(last.saturating_sub(*first).saturating_add(1));
                }
            }
        }
        spans
    }

    /// Returns where a row was recorded.
    pub(in crate::apply) fn place(&self, number: u64) -> Option<Place> {
        let (first, span) = self.0.range(..=number).next_back()?;
        (number <= span.last).then(|| Place {
            row: span.place.row.saturating_add(number - first),
            ..span.place
        })
    }

    /// Returns whether the entry has no such row.
    pub(in crate::apply) fn is_empty(&self) -> bool {
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
                    row: span.place.row.saturating_add(last + 1 - start),
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

#[cfg(test)]
mod tests {
    use super::{Place, Spans};
    use crate::apply::undo::{Ranges, Record};

    fn inserts(rows: Ranges) -> Record {
        Record::Inserts {
            entry: "s.t.insert".into(),
            rows,
        }
    }

    fn committed() -> Record {
        Record::Committed {
            entry: "s.t.insert".into(),
        }
    }

    fn rolled_back() -> Record {
        Record::RolledBack {
            entry: "s.t.insert".into(),
        }
    }

    fn begin() -> Record {
        Record::Begin {
            digest: String::new(),
            at: String::new(),
        }
    }

    fn places(records: &[Record]) -> Vec<Option<(usize, u64)>> {
        let spans = Spans::of("s.t.insert", records);
        (1..=8)
            .map(|number| {
                spans
                    .place(number)
                    .map(|Place { record, row }| (record, row))
            })
            .collect()
    }

    #[test]
    fn the_last_record_of_a_row_counts() {
        let records = [
            begin(),
            inserts(vec![(1, 4), (7, 8)]),
            begin(),
            inserts(vec![(2, 2)]),
            inserts(vec![(4, 5)]),
            committed(),
        ];
        assert_eq!(
            places(&records),
            [
                Some((1, 0)),
                Some((3, 0)),
                Some((1, 2)),
                Some((4, 0)),
                Some((4, 1)),
                None,
                Some((1, 4)),
                Some((1, 5)),
            ]
        );
    }

    #[test]
    fn what_was_rolled_back_does_not_count_and_what_was_killed_may() {
        let records = [
            begin(),
            inserts(vec![(1, 3)]),
            committed(),
            inserts(vec![(3, 5)]),
            rolled_back(),
            inserts(vec![(4, 4)]),
            committed(),
            inserts(vec![(6, 6)]),
            begin(),
            inserts(vec![(8, 8)]),
        ];
        assert_eq!(
            places(&records),
            [
                Some((1, 0)),
                Some((1, 1)),
                Some((1, 2)),
                Some((5, 0)),
                None,
                Some((7, 0)),
                None,
                Some((9, 0)),
            ]
        );
        assert!(Spans::of("s.t.delete", &records).is_empty());
    }

    #[test]
    fn ranges_that_do_not_hold_together_are_no_rows() {
        assert_eq!(places(&[inserts(vec![(5, 2)])]), [None; 8]);
        let all = [inserts(vec![(0, u64::MAX), (3, 3)])];
        assert_eq!(places(&all)[1], Some((0, 2)));
    }
}
