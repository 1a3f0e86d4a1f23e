//! Payloads, written and read back.

use super::*;
use crate::config::Preview;
use crate::diff::rows::RowSink;
use crate::plan::example::{entry, users};
use crate::plan::{Entry, Payload, Risk};
use crate::refusal::exit_code_of;
use crate::value::ValueKind;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

const ID: &str = "20261124T061500Z-3f9a1c2b";

fn to_entry(found: FoundRows, shape: &RowShape) -> Entry {
    let kind = match found.kind {
        RowKind::Insert => Kind::InsertRows,
        RowKind::Update => Kind::UpdateRows,
        RowKind::Delete => Kind::DeleteRows,
    };
    Entry {
        count: Some(found.count),
        rows: found.rows,
        payload: found.payload,
        preview: found.preview,
        shape: Some(shape.clone()),
        ..entry("shop.users.rows", kind, Risk::Safe)
    }
}

fn read_back(entry: &Entry, plan_path: &Path) -> Vec<PlanRow> {
    rows(entry, ID, plan_path)
        .unwrap()
        .collect::<Result<_>>()
        .unwrap()
}

fn insert(id: i64, email: &str) -> RowChange {
    RowChange {
        after: Some(vec![
            Value::Integer(id),
            Value::Text(email.into()),
            Value::Null,
        ]),
        after_hash: Some(format!("{id:032x}")),
        ..RowChange::default()
    }
}

/// Writes `count` inserts with the given inline limit; returns the folder's guard, the entry and the plan's path.
fn written(count: i64, inline: u64, preview: Preview) -> (tempfile::TempDir, Entry, PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let folder = PayloadFolder::new(&guard.path().join("plans"));
    let mut sink = EntrySink::new(&folder, inline, preview);
    for id in 1..=count {
        sink.row(RowKind::Insert, insert(id, "a\tb\n\\N")).unwrap();
    }
    let found = sink.finish(&users()).unwrap().remove(0);
    folder.publish(ID).unwrap();
    let path = guard.path().join("plans/p.json");
    (guard, to_entry(found, &users()), path)
}

#[test]
fn few_rows_stay_in_the_plan_and_many_go_to_a_payload() {
    let (guard, few, path) = written(5, 5, Preview::Full);
    assert_eq!((few.rows.len(), &few.payload), (5, &None));
    assert!(!guard.path().join("plans").exists());
    let (guard, many, _) = written(6, 5, Preview::Full);
    assert_eq!((many.rows.len(), many.preview.len()), (0, 6));
    let many_path = guard.path().join("plans/p.json");
    let (from_plan, from_file) = (read_back(&few, &path), read_back(&many, &many_path));
    assert_eq!(from_file[..5], from_plan[..]);
    assert_eq!(from_file.len(), 6);
    assert_eq!(from_file[0].decision, Some(Decision::Pending));
    assert_eq!(
        many.preview[5].values["email"],
        Value::Text("a\tb\n\\N".into())
    );
}

#[test]
fn a_rows_own_decision_holds_over_its_entrys() {
    let (_guard, mut many, path) = written(30, 5, Preview::Full);
    many.decision = Decision::Approve;
    many.row_decisions.insert(25, Decision::Deny);
    let denied: Vec<u64> = read_back(&many, &path)
        .iter()
        .filter(|row| row.decision == Some(Decision::Deny))
        .map(|row| row.row)
        .collect();
    assert_eq!(denied, [25]);
    assert_eq!(many.preview.len(), 20);
}

#[test]
fn without_a_full_preview_no_value_stands_in_the_plan() {
    for preview in [Preview::None, Preview::Masked] {
        let (_guard, entry, path) = written(2, 200, preview);
        let json = serde_json::to_string(&entry).unwrap();
        assert!(
            !json.contains("\\\\N") && !json.contains("after_hash"),
            "{json}"
        );
        assert_eq!(read_back(&entry, &path)[1].key["id"], Value::Integer(2));
        let shown = entry.preview.first().map(|row| row.values["email"].clone());
        let masked = Value::Text("<text, 6 characters>".into());
        assert_eq!(shown, (preview == Preview::Masked).then_some(masked));
        let (_other, again, _) = written(2, 200, preview);
        // A hash of few possible rows could be guessed at: it is salted.
        let hash = |entry: &Entry| entry.payload.as_ref().unwrap().sha256.clone();
        assert_ne!(hash(&entry), hash(&again));
    }
}

fn refused(entry: &Entry, path: &Path) -> String {
    let error = rows(entry, ID, path)
        .and_then(Iterator::collect::<Result<Vec<_>>>)
        .unwrap_err();
    assert_eq!(exit_code_of(&error), 3, "{error:#}");
    format!("{error:#}")
}

#[test]
fn a_payload_that_is_not_the_plans_is_refused() {
    let (guard, entry, path) = written(30, 5, Preview::Full);
    let file = guard.path().join("plans").join(ID).join("0001.tsv.zst");
    let with = |change: &dyn Fn(&mut Payload)| {
        let mut entry = entry.clone();
        change(entry.payload.as_mut().unwrap());
        refused(&entry, &path)
    };
    assert!(with(&|payload| payload.raw_bytes -= 1).contains("more than its `raw_bytes`"));
    assert!(with(&|payload| payload.raw_bytes += 1).contains("less than its `raw_bytes`"));
    assert!(with(&|payload| payload.sha256 = "00".repeat(32)).contains("was changed"));
    assert!(with(&|payload| payload.bytes += 1).contains("bytes, and the plan says"));
    for name in [
        "../0001.tsv.zst",
        "/etc/passwd",
        "0001.tsv",
        ".tsv.zst",
        "1a.tsv.zst",
    ] {
        assert!(with(&|payload| payload.file = name.into()).contains("no payload has"));
    }
    let mut fewer = entry.clone();
    fewer.count = Some(29);
    assert!(refused(&fewer, &path).contains("holds 30 rows"));

    let kept = fs::read(&file).unwrap();
    let mut edited = kept.clone();
    edited[20] ^= 1;
    fs::write(&file, edited).unwrap();
    assert!(refused(&entry, &path).contains("was changed"));
    fs::rename(&file, guard.path().join("away")).unwrap();
    assert!(refused(&entry, &path).contains("is not here"));
    fs::write(guard.path().join("away"), kept).unwrap();
    std::os::unix::fs::symlink(guard.path().join("away"), &file).unwrap();
    assert!(refused(&entry, &path).contains("is a link"));
}

#[test]
fn a_folder_that_is_not_published_is_removed() {
    let guard = tempfile::tempdir().unwrap();
    let folder = PayloadFolder::new(guard.path());
    let mut sink = EntrySink::new(&folder, 0, Preview::Full);
    sink.row(RowKind::Insert, insert(1, "x")).unwrap();
    drop((sink, folder));
    assert_eq!(fs::read_dir(guard.path()).unwrap().count(), 0);
}

#[test]
fn large_values_do_not_swell_the_plan() {
    let guard = tempfile::tempdir().unwrap();
    let folder = PayloadFolder::new(guard.path());
    let mut sink = EntrySink::new(&folder, 200, Preview::Full);
    for id in 0..4 {
        sink.row(RowKind::Insert, insert(id, &"x".repeat(3 << 20)))
            .unwrap();
    }
    let found = sink.finish(&users()).unwrap().remove(0);
    assert!(found.payload.is_some() && found.rows.is_empty());
    assert_eq!(found.preview.len(), 1);
}

fn value(kind: ValueKind) -> impl Strategy<Value = Value> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..10),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        "\\PC{0,8}".prop_map(String::into_bytes),
        Just(b"\\N".to_vec()),
    ];
    proptest::option::of(bytes).prop_map(move |cell| Value::from_cell(cell.as_deref(), kind))
}

fn row() -> impl Strategy<Value = Vec<Value>> {
    (
        value(ValueKind::Integer),
        value(ValueKind::Text),
        value(ValueKind::Bytes),
    )
        .prop_map(|(one, two, three)| vec![one, two, three])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Inline and through a payload, rows are the same to whoever reads them: keyed and bag, every kind.
    #[test]
    fn a_payload_gives_what_the_plan_would_have(
        changes in proptest::collection::vec((row(), row()), 1..6),
        kind in prop_oneof![Just(RowKind::Insert), Just(RowKind::Update), Just(RowKind::Delete)],
        keyed in any::<bool>(),
    ) {
        let mut shape = users();
        for (column, kind) in shape.columns.iter_mut().zip([ValueKind::Integer, ValueKind::Text, ValueKind::Bytes]) {
            column.values = kind;
        }
        if !keyed {
            shape.key.clear();
        }
        let guard = tempfile::tempdir().unwrap();
        let path = guard.path().join("p.json");
        let folder = PayloadFolder::new(guard.path());
        let mut inline = EntrySink::new(&folder, 100, Preview::Full);
        let mut filed = EntrySink::new(&folder, 0, Preview::Full);
        for (before, after) in changes {
            let change = RowChange {
                before_hash: (kind != RowKind::Insert).then(|| "b".repeat(32)),
                after_hash: (kind != RowKind::Delete).then(|| "a".repeat(32)),
                before: (kind != RowKind::Insert).then_some(before),
                after: (kind != RowKind::Delete).then_some(after),
                copies: (!keyed).then_some((3, 1)),
            };
            inline.row(kind, change.clone()).unwrap();
            filed.row(kind, change).unwrap();
        }
        let inline = to_entry(inline.finish(&shape).unwrap().remove(0), &shape);
        let filed = to_entry(filed.finish(&shape).unwrap().remove(0), &shape);
        folder.publish(ID).unwrap();
        prop_assert!(filed.payload.is_some() && filed.rows.is_empty());
        prop_assert_eq!(read_back(&filed, &path), read_back(&inline, &path));
    }
}
