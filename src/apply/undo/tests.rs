//! What is kept comes back, and nothing else.

use super::*;

fn begin() -> Record {
    Record::Begin {
        digest: "sha256:0".into(),
        at: "2026-11-24T06:15:00Z".into(),
    }
}

fn committed(entry: &str) -> Record {
    Record::Committed {
        entry: entry.into(),
    }
}

fn rows() -> Vec<Vec<Value>> {
    vec![
        vec![Value::Integer(1), Value::Bytes(vec![0, 255, b'\n'])],
        vec![Value::Null, Value::Text("ä\n\"".into())],
    ]
}

#[test]
fn a_record_that_was_cut_off_is_left_out_and_the_next_apply_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let plan = place.path().join("x.json");
    let folder = folder(&plan, "x");
    let mut journal = Journal::open(&folder).unwrap();
    journal.append(&begin()).unwrap();
    journal.append(&committed("s.t.insert")).unwrap();
    journal
        .file
        .write_all(br#"{"sum":"0000000000000000","record":"rows","ent"#)
        .unwrap();
    let records = read(&plan, "x").unwrap();
    assert_eq!(records.len(), 2);
    assert!(begun(&records));
    assert!(!begun(&[]));

    let mut journal = Journal::open(&folder).unwrap();
    journal.append(&begin()).unwrap();
    journal.append(&Record::End).unwrap();
    let records = read(&plan, "x").unwrap();
    assert_eq!(records.len(), 4);
    assert!(!begun(&records));
    assert_eq!(folders(&plan).unwrap(), vec![folder.clone()]);
}

#[test]
fn a_line_that_cannot_be_written_is_not_followed_by_another() {
    let place = tempfile::tempdir().unwrap();
    let plan = place.path().join("x.json");
    let folder = folder(&plan, "x");
    let mut journal = Journal::open(&folder).unwrap();
    journal.append(&begin()).unwrap();
    let file = std::mem::replace(&mut journal.file, File::open("/dev/null").unwrap());
    let chain = journal.chain.clone();
    let error = journal.append(&committed("s.t.insert")).unwrap_err();
    assert!(error.to_string().contains("journal.jsonl"), "{error:#}");
    assert_eq!(journal.chain, chain);
    journal.file = file;
    journal.append(&committed("s.t.insert")).unwrap_err();
    assert_eq!(read(&plan, "x").unwrap(), [begin()]);
    // The next apply begins behind the last whole line.
    let mut journal = Journal::open(&folder).unwrap();
    journal.append(&committed("s.t.insert")).unwrap();
    assert_eq!(read(&plan, "x").unwrap().len(), 2);
}

#[test]
fn rows_come_back_as_they_were_kept_and_what_no_line_speaks_of_goes() {
    let place = tempfile::tempdir().unwrap();
    let plan = place.path().join("x.json");
    let folder = folder(&plan, "x");
    let columns = ["id".to_owned(), "v".to_owned()];
    let mut journal = Journal::open(&folder).unwrap();
    let first = journal.keep(&columns, &rows()).unwrap();
    let record = Record::Values {
        entry: "s.t.contract".into(),
        images: first.clone(),
    };
    journal.append(&record).unwrap();
    // Killed before its line was written.
    journal.keep(&columns, &rows()[..1]).unwrap();

    let mut journal = Journal::open(&folder).unwrap();
    let second = journal.keep(&columns, &rows()[1..]).unwrap();
    assert_eq!(second.at, first.bytes);
    journal
        .append(&Record::Values {
            entry: "s.t.contract".into(),
            images: second.clone(),
        })
        .unwrap();
    let mut undo = Undo::open(&plan, "x").unwrap().unwrap();
    let back = undo.images.rows(&first).unwrap();
    let values: Vec<Vec<Value>> = back
        .iter()
        .map(|row| row.values().cloned().collect())
        .collect();
    assert_eq!(values, rows());
    assert_eq!(undo.images.rows(&second).unwrap().len(), 1);
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&folder), 0o700);
    for name in [super::read::JOURNAL, super::read::IMAGES] {
        assert_eq!(mode(&folder.join(name)), 0o600);
    }
}

/// Flips each byte of both files: refused, or (in the last line's end) taken for cut off.
#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    let place = tempfile::tempdir().unwrap();
    let plan = place.path().join("x.json");
    let folder = folder(&plan, "x");
    let mut journal = Journal::open(&folder).unwrap();
    journal.append(&begin()).unwrap();
    let blob = journal.keep(&["a".into(), "b".into()], &rows()).unwrap();
    journal
        .append(&Record::Rows {
            entry: "s.t.update".into(),
            rows: ranges([1, 2]),
            images: Some(blob.clone()),
        })
        .unwrap();
    journal.append(&committed("s.t.update")).unwrap();
    let path = folder.join(super::read::JOURNAL);
    let text = fs::read(&path).unwrap();
    for place in 0..text.len() {
        let mut edited = text.clone();
        edited[place] ^= 1;
        fs::write(&path, &edited).unwrap();
        let last = place + 1 == text.len();
        match read(&plan, "x") {
            Ok(records) => assert!(last && records.len() == 2, "byte {place}"),
            Err(error) => assert_eq!(crate::refusal::exit_code_of(&error), 3),
        }
    }
    // A line that is left out is noticed as well.
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&path, [lines[0], lines[2]].concat()).unwrap();
    assert!(read(&plan, "x").is_err());
    fs::write(&path, &text).unwrap();

    let path = folder.join(super::read::IMAGES);
    let frame = fs::read(&path).unwrap();
    let opened = || Undo::open(&plan, "x").unwrap().unwrap().images;
    assert!(opened().rows(&blob).is_ok());
    for place in 0..frame.len() {
        let mut edited = frame.clone();
        edited[place] ^= 1;
        fs::write(&path, &edited).unwrap();
        assert!(opened().rows(&blob).is_err(), "byte {place}");
    }
    fs::write(&path, &frame[..frame.len() - 1]).unwrap();
    assert!(opened().rows(&blob).is_err());
    fs::remove_file(&path).unwrap();
    let error = opened().rows(&blob).unwrap_err();
    assert_eq!(crate::refusal::exit_code_of(&error), 3);
}

#[test]
fn numbers_become_ranges() {
    assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    assert_eq!(ranges([]), []);
    assert_eq!(ranges([u64::MAX]), [(u64::MAX, u64::MAX)]);
}
