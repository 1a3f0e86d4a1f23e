//! Real applications: an old release on local, a new one on remote, and the way back; on each vendor and across.
//!
//! `DRIFTWARDEN_HISTORIES` names a folder of `NAME.old.sql` and `NAME.new.sql` (DDL only). The files are other people's,
//! so none is kept here: packages of applications have them.

use super::converge::{converge, fill};
use crate::objects::{VENDORS, open};

/// Splits a dump into statements, well enough for schemas.
fn statements_of(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with("--") || trimmed.starts_with('#') {
            continue;
        }
        statement.push_str(line);
        statement.push('\n');
        if trimmed.ends_with(';') {
            statements.push(statement.trim().trim_end_matches(';').to_owned());
            statement.clear();
        }
    }
    if !statement.trim().is_empty() {
        statements.push(statement);
    }
    statements
}

fn histories() -> Vec<(String, Vec<String>, Vec<String>)> {
    let folder = std::env::var("DRIFTWARDEN_HISTORIES").expect("a folder of histories");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".old.sql"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|old| {
            let read = |path: &str| statements_of(&std::fs::read_to_string(path).unwrap());
            let texts = (read(&old), read(&old.replace(".old.sql", ".new.sql")));
            (old, texts.0, texts.1)
        })
        .collect()
}

#[test]
#[ignore = "needs DRIFTWARDEN_HISTORIES"]
fn histories_converge() {
    let mut wrong = Vec::new();
    for vendor in VENDORS {
        let mut session = open(vendor, None);
        for (title, old, new) in histories() {
            for (one, other, rows) in [(&old, &new, true), (&old, &new, false), (&new, &old, true)]
            {
                fill(&mut session, "history_a", one);
                fill(&mut session, "history_b", other);
                for what in converge(&mut session, None, "history_a", "history_b", rows) {
                    wrong.push(format!("{title} on {vendor} (rows change: {rows}): {what}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs DRIFTWARDEN_HISTORIES"]
fn histories_cross() {
    let mut wrong = Vec::new();
    for (local, remote) in [("mysql", "mariadb"), ("mariadb", "mysql")] {
        let (mut local_session, mut remote_session) = (open(local, None), open(remote, None));
        for (title, old, new) in histories() {
            fill(&mut local_session, "crossing_a", &old);
            fill(&mut remote_session, "crossing_b", &new);
            let found = converge(
                &mut local_session,
                Some(&mut remote_session),
                "crossing_a",
                "crossing_b",
                true,
            );
            for what in found {
                wrong.push(format!("{title} from {remote} to {local}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
