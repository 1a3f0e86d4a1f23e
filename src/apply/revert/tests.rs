//! Which rows a record speaks of.

use super::spans::{Place, Spans};
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
