use super::*;
use crate::compare::{self, TableTask};
use crate::read::incremental::Tells;
use crate::schema::{Table, parse};
use crate::value::Value;
use std::time::Duration;

fn table() -> Table {
    parse::table(
        "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `at` datetime DEFAULT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB",
    )
    .unwrap()
}

fn shape(table: &Table) -> Shape {
    compare::shape(&TableTask {
        remote_name: ObjectName::new("shop", "t"),
        local_name: ObjectName::new("shop", "t"),
        remote: table,
        local: Some(table),
        replaced: &compare::NONE_REPLACED,
        estimated_rows: 0,
        estimated_bytes: 0,
        chunk_time: Duration::from_millis(500),
        snapshot_time: Duration::from_secs(60),
        keep_local: false,
        data_only: false,
        same_server_kind: true,
        rules: None,
        times: None,
        since: None,
    })
    .unwrap()
}

/// What one comparison after another is about, and when.
struct World {
    name: ObjectName,
    rule: EffectiveRule,
    shape: Shape,
    column: TimeColumn,
    marks: Watermarks,
}

impl World {
    /// A note written at noon, read again at `utc` of production and `here` of this machine.
    fn at(kind: TimeKind, ahead: (i64, i64), utc: &str, here: &str) -> (Self, Note) {
        let name = ObjectName::new("shop", "t");
        let clock_text = "2026-10-25 12:00:00.000000".to_owned();
        let mut marks = Watermarks {
            clock: Clock {
                utc: incremental::parse(&clock_text).unwrap(),
                ahead: ahead.0,
            },
            clock_text,
            now: OffsetDateTime::parse("2026-10-25T12:00:00Z", &Rfc3339).unwrap(),
            overlap: 600 * SECOND,
            check_deletes: false,
            coarse: false,
            remote: "remote".into(),
            local: "local".into(),
            identities: [(name.clone(), "one".to_owned())].into(),
            notes: BTreeMap::new(),
        };
        let world = |marks| Self {
            name: name.clone(),
            rule: EffectiveRule::default(),
            shape: shape(&table()),
            column: TimeColumn {
                name: "at".into(),
                kind,
                tells: Tells::Changes,
                index: None,
            },
            marks,
        };
        let before = world(marks);
        let planned =
            before
                .marks
                .planned(&before.subject(), Some("2026-10-25 12:00:00"), None, true);
        let note = Note {
            version: 1,
            plan: "sha256:0".into(),
            planned_at: "2026-10-25T12:00:00Z".into(),
            remote: "remote".into(),
            local: "local".into(),
            table: "one".into(),
            mark: planned.unwrap().mark,
            key: vec!["ID".into()],
            keys: vec![vec![Value::Integer(7)]],
        };
        marks = before.marks;
        marks.clock.utc = incremental::parse(utc).unwrap();
        marks.clock.ahead = ahead.1;
        marks.now = OffsetDateTime::parse(here, &Rfc3339).unwrap();
        (world(marks), note)
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            remote_name: &self.name,
            local_name: &self.name,
            rule: &self.rule,
            shape: &self.shape,
            column: &self.column,
        }
    }

    fn from(&self, note: &Note) -> Result<String, String> {
        let since = self.marks.going_on(note, &self.subject())?;
        assert_eq!(since.keys, [[Value::Integer(7)]]);
        Ok(since.from)
    }
}

#[test]
fn a_note_that_fits_is_gone_on_from() {
    let (world, note) = World::at(
        TimeKind::Timestamp,
        (0, 0),
        "2026-10-26 12:00:00",
        "2026-10-26T12:00:00Z",
    );
    assert_eq!(world.from(&note).unwrap(), "2026-10-25 11:50:00");
}

#[test]
fn a_note_of_another_server_table_or_rule_is_void() {
    let (mut world, note) = World::at(
        TimeKind::Timestamp,
        (0, 0),
        "2026-10-26 12:00:00",
        "2026-10-26T12:00:00Z",
    );
    let changed = |change: fn(&mut Note)| {
        let mut other = note.clone();
        change(&mut other);
        other
    };
    for other in [
        changed(|note| note.remote.push('x')),
        changed(|note| note.local.push('x')),
        changed(|note| note.table.push('x')),
        changed(|note| note.mark.basis.push('x')),
        changed(|note| note.mark.column.push('x')),
        changed(|note| note.mark.clock.push('x')),
        changed(|note| note.mark.value.push('x')),
        changed(|note| note.planned_at.push('x')),
        changed(|note| note.key.push("x".into())),
        changed(|note| note.keys.push(vec![])),
    ] {
        assert!(world.from(&other).is_err(), "{other:?}");
    }
    world.rule.filter = Some("id < 3".into());
    assert!(world.from(&note).is_err());
}

#[test]
fn a_clock_that_ran_backward_makes_it_void_also_where_it_has_caught_up() {
    let at = |utc, here| {
        let (world, note) = World::at(TimeKind::Timestamp, (0, 0), utc, here);
        world.from(&note)
    };
    assert!(at("2026-10-25 11:59:59", "2026-10-25T12:00:00Z").is_err());
    // An hour passed here, and half of one there.
    assert!(at("2026-10-25 12:30:00", "2026-10-25T13:00:00Z").is_err());
    // That this machine's clock was put back tells nothing of production's.
    assert!(at("2026-10-25 13:00:00", "2026-10-25T12:30:00Z").is_ok());
    assert!(at("2026-10-25 12:56:00", "2026-10-25T13:00:00Z").is_ok());
}

#[test]
fn the_hour_that_comes_twice_is_read_twice() {
    let (utc, here) = ("2026-10-25 13:00:00", "2026-10-25T13:00:00Z");
    let (world, note) = World::at(TimeKind::Datetime, (7200, 3600), utc, here);
    assert_eq!(world.from(&note).unwrap(), "2026-10-25 10:50:00");
    // A TIMESTAMP is read in UTC, which has no summer.
    let (world, note) = World::at(TimeKind::Timestamp, (7200, 3600), utc, here);
    assert_eq!(world.from(&note).unwrap(), "2026-10-25 11:50:00");
    // Between two summers lies a winter.
    let (utc, here) = ("2027-06-25 13:00:00", "2027-06-25T13:00:00Z");
    let (world, note) = World::at(TimeKind::Datetime, (7200, 7200), utc, here);
    assert_eq!(world.from(&note).unwrap(), "2026-10-25 10:50:00");
}

#[test]
fn what_came_no_further_and_found_nothing_needs_no_note() {
    let (mut world, note) = World::at(
        TimeKind::Timestamp,
        (0, 0),
        "2026-10-26 12:00:00",
        "2026-10-26T12:00:00Z",
    );
    let text = serde_json::to_vec(&note).unwrap();
    let stored = Stored {
        hash: to_hex(&Sha256::digest(&text)),
        note: Some(note),
    };
    world.marks.notes.insert(world.name.clone(), stored.clone());
    let mut since = world.marks.since(&world.subject()).unwrap();
    let planned = |world: &World, greatest, since: &Since, found| {
        world
            .marks
            .planned(&world.subject(), greatest, Some(since), found)
    };
    // A row was left, and is equal by now: it is to be forgotten.
    let next = planned(&world, None, &since, false).unwrap();
    assert_eq!(next.mark.value, "2026-10-25 12:00:00");
    assert_eq!(next.replaces, Some(stored.hash));
    since.keys.clear();
    assert_eq!(planned(&world, None, &since, false), None);
    assert_eq!(
        planned(&world, Some("2026-10-25 11:55:00"), &since, false),
        None
    );
    assert!(planned(&world, Some("2026-10-25 11:55:00"), &since, true).is_some());
    let further = planned(&world, Some("2026-10-26 09:00:00"), &since, false).unwrap();
    assert_eq!(further.mark.value, "2026-10-26 09:00:00");
}
