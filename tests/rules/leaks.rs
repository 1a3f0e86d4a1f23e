//! No original of a masked column leaves production: not in the tunnel, nor in any file of ours, nor on local.
//!
//! A byte-counting eye sits between sshd and production's server and keeps everything that either says.

use super::{VENDORS, rows, set_rules};
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What production must keep to itself. No value is part of another, and none is in a query of the test's own.
pub(super) const SENTINELS: [&str; 7] = [
    "sentinel.ann@acme.example",
    "Sentinela Zo\u{eb}",
    "+99 555 731 9911",
    "notes of a SENTINEL life",
    "SENTINELbytes",
    "1961-08-13",
    "771199338844",
];

/// Everything that went through, both ways.
#[derive(Debug, Clone, Default)]
pub(super) struct Eye(Arc<Mutex<Vec<u8>>>);

impl Eye {
    /// Listens on a free port and hands everything on to the port given.
    fn on(port: u16) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let eye = Self::default();
        let seen = eye.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                seen.pass(client.try_clone().unwrap(), server.try_clone().unwrap());
                seen.pass(server, client);
            }
        });
        (eye, own)
    }

    /// Puts itself between a case and its production: the config's port is the eye's from now on.
    pub(super) fn before(case: &Case) -> Self {
        let production = case.sandbox.setting("REMOTE_PORT");
        let (eye, port) = Self::on(production.parse().unwrap());
        let path = case.folder().join("config/config.json");
        let config = std::fs::read_to_string(&path).unwrap().replace(
            &format!("\"port\": {production}"),
            &format!("\"port\": {port}"),
        );
        std::fs::write(&path, config).unwrap();
        eye
    }

    /// Returns everything that went through so far.
    pub(super) fn seen(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let seen = self.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                seen.0.lock().unwrap().extend_from_slice(&buffer[..length]);
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            drop(to.shutdown(std::net::Shutdown::Write));
        });
    }
}

/// The spellings in which a value could get out.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let hex = driftwarden::value::to_hex(value.as_bytes());
    let latin1: Vec<u8> = value
        .chars()
        .filter_map(|c| u8::try_from(u32::from(c)).ok())
        .collect();
    let utf16: Vec<u8> = value.encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![
        value.into(),
        hex.to_uppercase().into(),
        hex.into(),
        latin1,
        utf16,
    ]
}

pub(super) fn assert_clean(what: &str, bytes: &[u8]) {
    for sentinel in SENTINELS {
        for spelling in spellings(sentinel) {
            let found = bytes
                .windows(spelling.len())
                .position(|window| window == spelling);
            assert!(found.is_none(), "{sentinel} is in {what} at byte {found:?}");
        }
    }
}

/// Every file below a folder, payloads unpacked as well.
pub(super) fn assert_folder_clean(folder: &Path, files: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            assert_folder_clean(&path, files);
            continue;
        }
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        *files += 1;
        assert_clean(&path.display().to_string(), &bytes);
        if let Ok(unpacked) = zstd::stream::decode_all(bytes.as_slice()) {
            assert_clean(&format!("{}, unpacked", path.display()), &unpacked);
        }
    }
}

#[test]
fn originals_stay_on_production() {
    let table = "CREATE TABLE people (id INT PRIMARY KEY, email VARCHAR(80) NOT NULL, name VARCHAR(60) CHARACTER SET latin1, phone VARCHAR(40), notes LONGTEXT,
                 photo BLOB, born DATE, tax BIGINT, doc JSON, wide VARCHAR(80) CHARACTER SET utf16, plain VARCHAR(80), updated_at DATETIME NOT NULL, UNIQUE (email), KEY (updated_at));
                 CREATE TABLE loose (email VARCHAR(80), born DATE);";
    for vendor in VENDORS {
        let case = Case::new(vendor);
        case.create(Side::Remote, "db");
        case.create(Side::Local, "db");
        let [email, name, phone, notes, photo, born, tax] = SENTINELS;
        case.remote_sql(&format!(
            "{table} INSERT INTO people WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
               SELECT i, CONCAT(i, '{email}'), '{name}', '{phone}', CONCAT(REPEAT('x', i), '{notes}'), '{photo}', '{born}', {tax}, JSON_OBJECT('who', '{email}'), '{name}',
                      CONCAT('kept ', i), '2026-01-01' FROM n;
             INSERT INTO loose VALUES ('{email}', '{born}'), ('{email}', '{born}'), (NULL, NULL);"
        ));
        set_rules(
            &case,
            &json!([
                { "match": "people", "where": "plain LIKE 'kept %'", "mask": { "email": "email", "name": "name", "phone": "phone", "notes": "redact", "photo": "hash", "born": "date_shift",
                  "tax": "digits", "doc": "hash", "wide": { "sql": "CONCAT('user ', id, CHAR_LENGTH(wide))" } } },
                { "match": "loose", "mask": { "email": "hash", "born": "date_shift" } },
            ]),
        );
        let eye = Eye::before(&case);

        let plan = case.plan("copy", &["-vv"]);
        super::applied(&case, "copy", &plan);
        // Changed, new and gone rows, found by checksums; updated rows by their times.
        case.remote_sql(&format!(
            "UPDATE people SET name = REVERSE(name), plain = 'kept again', updated_at = '2026-02-01' WHERE id % 7 = 0; UPDATE people SET notes = '{notes}!', updated_at = '2026-02-02' WHERE id = 5;
             DELETE FROM people WHERE id = 9; INSERT INTO people SELECT id + 5000, CONCAT('n', email), name, phone, notes, photo, born, tax, doc, wide, plain, '2026-02-03' FROM people WHERE id < 4;
             INSERT INTO loose VALUES ('{email}', '{born}');"
        ));
        case.local_sql("UPDATE people SET plain = 'drifted' WHERE id = 100; DELETE FROM people WHERE id BETWEEN 200 AND 300;");
        let plan = case.plan("drift", &["-vv"]);
        assert!(plan["entries"].as_array().unwrap().len() >= 3, "{plan:#}");
        super::applied(&case, "drift", &plan);
        // A failure, and what it leaves behind.
        case.remote_sql("ALTER TABLE people ADD CONSTRAINT gone UNIQUE (plain, id)");
        case.local_sql("CREATE TRIGGER stop BEFORE UPDATE ON loose FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'");
        case.plan("third", &["-vv"]);
        let output = case.driftwarden(&["show", "plans/drift.json"]).exits(0);
        assert_clean("show", output.stdout.as_bytes());

        let through = eye.seen();
        assert!(
            through.len() > 100_000,
            "the eye saw {} bytes",
            through.len()
        );
        assert!(
            through.windows(5).any(|window| window == b"kept "),
            "the eye is blind"
        );
        assert_clean("the tunnel", &through);
        let mut files = 0;
        assert_folder_clean(case.folder(), &mut files);
        assert!(files >= 6, "{files} files");
        assert_clean("local", case.dump(Side::Local, "db").as_bytes());
        assert_eq!(
            rows(
                &case,
                Side::Local,
                "SELECT COUNT(*), COUNT(DISTINCT email) FROM people"
            ),
            ["602|602"]
        );
        // The test can fail: production has them.
        assert!(case.dump(Side::Remote, "db").contains(SENTINELS[0]));
    }
}
