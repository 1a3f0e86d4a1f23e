use super::*;
use crate::schema::parse;
use proptest::prelude::*;

fn table(columns: &str) -> Table {
    parse::table(&format!("CREATE TABLE `t` (\n{columns}\n) ENGINE=InnoDB")).unwrap()
}

fn column(kind: TimeKind) -> TimeColumn {
    TimeColumn {
        name: "at".into(),
        kind,
        tells: Tells::Changes,
        index: None,
    }
}

fn clock(text: &str, ahead: i64) -> Clock {
    Clock {
        utc: parse(text).unwrap(),
        ahead,
    }
}

#[test]
fn a_column_serves_by_type_and_index() {
    let table = table(
        "  `id` int NOT NULL,\n  `at` datetime(3) DEFAULT NULL,\n  `day` date DEFAULT NULL,\n  `flag` tinyint DEFAULT NULL,\n  \
         `g` datetime GENERATED ALWAYS AS (`at`) VIRTUAL,\n  PRIMARY KEY (`id`),\n  KEY `two` (`at`,`id`),\n  KEY `one` (`at`),\n  \
         KEY `behind` (`id`,`day`)",
    );
    let of = |name: &str, rows| {
        TimeColumn::of(&table, table.column(name).unwrap(), Tells::Changes, rows)
    };
    assert_eq!(of("at", 5_000_000).unwrap().index.as_deref(), Some("one"));
    assert_eq!(of("day", 99_999).unwrap().kind, TimeKind::Date);
    assert!(of("day", 100_000).unwrap_err().contains("leads no index"));
    assert!(of("flag", 1).unwrap_err().contains("holds no time"));
    assert!(of("g", 1).unwrap_err().contains("computed"));
}

#[test]
fn an_index_that_holds_no_order_or_is_not_used_does_not_count() {
    let table = table(
        "  `id` int NOT NULL,\n  `at` datetime DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  KEY `h` (`at`) USING HASH,\n  \
         KEY `i` (`at`) /*!80000 INVISIBLE */",
    );
    assert_eq!(leading_index(&table, "AT"), None);
}

#[test]
fn the_watermark_is_never_later_than_the_remote_s_clock() {
    let noon = clock("2026-11-24 12:00:00.5", 3600);
    let stamp = column(TimeKind::Timestamp);
    let mark = |column: &TimeColumn, text| column.watermark(text, &noon, false);
    assert_eq!(
        mark(&stamp, "2026-11-24 11:59:59.123456").as_deref(),
        Some("2026-11-24 11:59:59.123456")
    );
    assert_eq!(
        mark(&stamp, "2099-01-01 00:00:00").as_deref(),
        Some("2026-11-24 12:00:00")
    );
    // A DATETIME is in the server's own zone, as far as can be told.
    let datetime = column(TimeKind::Datetime);
    assert_eq!(
        mark(&datetime, "2026-11-24 12:59:00").as_deref(),
        Some("2026-11-24 12:59:00")
    );
    assert_eq!(
        mark(&datetime, "9999-12-31 23:59:59").as_deref(),
        Some("2026-11-24 13:00:00")
    );
    assert_eq!(
        mark(&column(TimeKind::Date), "2027-01-01").as_deref(),
        Some("2026-11-24")
    );
    let number = column(TimeKind::Integer);
    assert_eq!(
        mark(&number, "1764000000000").as_deref(),
        Some("1764000000000")
    );
    assert_eq!(
        mark(&number, "9000000000000").as_deref(),
        Some("1795521600000")
    );
    assert_eq!(mark(&number, "17"), None);
    assert_eq!(mark(&stamp, "0000-00-00 00:00:00"), None);
    assert_eq!(
        stamp
            .watermark("2026-11-24 11:59:59.12", &noon, true)
            .as_deref(),
        Some("2026-11-24 11:59:00")
    );
}

#[test]
fn reading_begins_an_overlap_before_the_watermark() {
    let minutes = 10 * 60 * SECOND;
    let from = |kind, text| column(kind).from(text, minutes);
    assert_eq!(
        from(TimeKind::Datetime, "2026-03-01 00:05:00.9").as_deref(),
        Some("2026-02-28 23:55:00")
    );
    assert_eq!(
        from(TimeKind::Date, "2026-03-01").as_deref(),
        Some("2026-02-28")
    );
    assert_eq!(
        from(TimeKind::Integer, "1764000000").as_deref(),
        Some("1763999400")
    );
    assert_eq!(
        from(TimeKind::Integer, "1764000000999").as_deref(),
        Some("1763999400000")
    );
    assert_eq!(
        from(TimeKind::Timestamp, "1970-01-01 00:05:00").as_deref(),
        Some("1970-01-01 00:00:01")
    );
    assert_eq!(from(TimeKind::Datetime, "2026-02-31 00:05:00"), None);
}

fn key() -> KeySide {
    let table = table("  `id` int NOT NULL,\n  PRIMARY KEY (`id`)");
    let column = chunk::KeyColumn::new(&table.columns[0], super::super::encode::Encoding::Plain);
    KeySide {
        columns: vec![column.unwrap()],
        index: Some("PRIMARY".into()),
    }
}

#[test]
fn pages_go_on_behind_the_last_row_whatever_its_time() {
    let column = column(TimeKind::Datetime);
    let filter = |behind: Option<Option<&str>>| {
        let behind = behind.map(|time| {
            (
                time.map(|text| text.as_bytes().to_vec()),
                vec![b"7".to_vec()],
            )
        });
        column
            .filter("2026-01-01 00:00:00", behind.as_ref(), &key())
            .unwrap()
            .sql()
    };
    insta::assert_snapshot!(filter(None), @"((`at` >= '2026-01-01 00:00:00') OR (`at` IS NULL) OR (`at` = '0000-00-00 00:00:00'))");
    insta::assert_snapshot!(filter(Some(None)), @"(((`at` IS NULL) AND (`id` > 7)) OR (`at` = '0000-00-00 00:00:00') OR (`at` >= '2026-01-01 00:00:00'))");
    insta::assert_snapshot!(filter(Some(Some("0000-00-00 00:00:00"))), @"(((`at` = '0000-00-00 00:00:00') AND (`id` > 7)) OR (`at` >= '2026-01-01 00:00:00'))");
    insta::assert_snapshot!(filter(Some(Some("2026-01-02 03:04:05"))), @"(((`at` = '2026-01-02 03:04:05') AND (`id` > 7)) OR (`at` > '2026-01-02 03:04:05'))");
    assert!(!column.can_end(&Some(b"2026-02-31 00:00:00".to_vec())));
    assert!(column.can_end(&None));
}

#[test]
fn a_watermark_that_is_no_number_never_reaches_a_statement() {
    let column = column(TimeKind::Integer);
    assert!(column.filter("1 OR 1", None, &key()).is_err());
    assert_eq!(column.from("1764000000 OR 1", 0), None);
}

proptest! {
    /// The hostile and the odd: whatever stands in the state, a time that is read begins no later than it says.
    #[test]
    fn from_is_never_later_than_the_watermark(seconds in 0_i64..4_000_000_000, overlap in 0_i64..1_000_000, micros in 0_u32..1_000_000) {
        let column = column(TimeKind::Datetime);
        let whole = column.spelt(Moment::from(seconds) * SECOND, "").unwrap();
        prop_assert_eq!(parse(&whole), Some(Moment::from(seconds) * SECOND));
        let text = format!("{whole}.{micros:06}");
        let from = column.from(&text, Moment::from(overlap) * SECOND).unwrap();
        prop_assert!(parse(&from).unwrap() <= column.moment(&text).unwrap());
        prop_assert!(column.moment(&text).unwrap() - parse(&from).unwrap() <= (Moment::from(overlap) + 1) * SECOND);
    }

    #[test]
    fn no_text_makes_parsing_fail(text in ".{0,40}") {
        for kind in [TimeKind::Integer, TimeKind::Date, TimeKind::Datetime, TimeKind::Timestamp] {
            let column = column(kind);
            let _ = column.moment(&text);
            drop(column.from(&text, 0));
            drop(column.watermark(&text, &clock("2026-01-01 00:00:00", 0), true));
        }
    }
}
