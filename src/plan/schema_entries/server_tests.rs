//! Whole schemas on real servers: plan, execute in order, and both sides are equal, text by text. Needs
//! `DRIFTWARDEN_TEST_SOCKETS`; `DRIFTWARDEN_TEST_HISTORIES` names folders of `*.old.sql` and `*.new.sql`.

#![allow(
    clippy::print_stderr,
    reason = "a corpus run reports its figures as it goes"
)]

use super::*;
use crate::connect::{LocalSession, Reader as _};
use crate::sql::ident;
use crate::{introspect, plan::order, proof};

pub(crate) fn sessions() -> Vec<LocalSession> {
    std::env::var("DRIFTWARDEN_TEST_SOCKETS")
        .unwrap_or_default()
        .split_whitespace()
        .map(|socket| {
            let local = serde_json::from_value(serde_json::json!({
                "socket": socket, "user": "root", "password": ""
            }))
            .unwrap();
            LocalSession::open(&local).unwrap()
        })
        .collect()
}

/// Splits a dump into statements, well enough for schemas.
pub(crate) fn statements_of(text: &str) -> Vec<String> {
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

fn load(session: &mut LocalSession, name: &str, text: &str) -> Vec<String> {
    session
        .execute(&format!("DROP DATABASE IF EXISTS {}", ident(name)))
        .unwrap();
    session
        .execute(&format!("CREATE DATABASE {}", ident(name)))
        .unwrap();
    session.execute(&format!("USE {}", ident(name))).unwrap();
    let mut refused = Vec::new();
    session
        .execute("SET SESSION sql_mode='ALLOW_INVALID_DATES'")
        .unwrap();
    for statement in statements_of(text) {
        if let Err(error) = session.execute(&statement) {
            refused.push(format!("{error:#}: {statement}"));
        }
    }
    session.reset_environment().unwrap();
    refused
}

/// Plans from one database to the other and executes. Returns what is wrong.
pub(crate) fn converge(
    session: &mut LocalSession,
    from: &str,
    to: &str,
    rows: bool,
) -> Vec<String> {
    let vendor = session.server().vendor;
    let mut wrong = Vec::new();
    for round in 1..=2 {
        let mut databases =
            introspect::databases(session, &[from.to_owned(), to.to_owned()]).unwrap();
        let remote = databases.pop().unwrap();
        let local = databases.pop().unwrap();
        if round == 2 {
            for (name, info) in &remote.tables {
                let bare = |text: &str| {
                    text.split(' ')
                        .filter(|word| !word.starts_with("AUTO_INCREMENT="))
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                match local.tables.get(name) {
                    Some(own) if bare(&own.create) == bare(&info.create) => {}
                    Some(own) => wrong.push(format!(
                        "{name} differs:\n{}",
                        similar::TextDiff::from_lines(
                            bare(&own.create).as_str(),
                            bare(&info.create).as_str()
                        )
                        .unified_diff()
                        .context_radius(0)
                    )),
                    None => wrong.push(format!("{name} is missing")),
                }
            }
            for name in local
                .tables
                .keys()
                .filter(|name| !remote.tables.contains_key(*name))
            {
                wrong.push(format!("{name} is left"));
            }
        }
        let options = Options {
            vendor,
            lower_case_table_names: 0,
            selects: &|_| true,
            keep_local: &|_| false,
            databases: true,
        };
        let pair = Pair {
            local: &local,
            remote: &remote,
        };
        let mut changes = SchemaChanges::find(&[pair], &options);
        changes.printed(proof::as_local_prints(session, &changes.to_print()).unwrap());
        changes.diff(&|_| rows);
        let proven = proof::prove(session, &changes.to_prove()).unwrap();
        let (mut entries, unsupported) = changes.entries(proven);
        wrong.extend(unsupported.iter().map(|unsupported| {
            format!("unsupported {}: {}", unsupported.object, unsupported.reason)
        }));
        order::order(&mut entries).unwrap();
        if round == 2 {
            wrong.extend(
                entries
                    .iter()
                    .map(|entry| format!("second plan: {}: {:?}", entry.id, entry.sql)),
            );
            break;
        }
        for entry in &entries {
            let object = entry.object.strip_prefix(&format!("{from}.")).unwrap_or("");
            let again = statements(
                entry.kind,
                entry.before.as_deref(),
                entry.after.as_deref(),
                &ObjectName::new(from, object),
                vendor,
            )
            .unwrap();
            assert_eq!(again, entry.sql, "{}", entry.id);
            if std::env::var("SHOW").is_ok() {
                eprintln!(
                    "{} {:?} {:?}\n  {}",
                    entry.id,
                    entry.depends_on,
                    entry.reasons,
                    entry.sql.join("\n  ")
                );
            }
            for sql in &entry.sql {
                if let Err(error) = session.execute(sql) {
                    wrong.push(format!("{}: {error:#}\n{sql}", entry.id));
                }
            }
        }
    }
    wrong
}

#[test]
fn histories_converge() {
    let Ok(folder) = std::env::var("DRIFTWARDEN_TEST_HISTORIES") else {
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut failed = 0;
    let mut total = 0;
    for mut session in sessions() {
        let vendor = session.server().vendor;
        for old in files
            .iter()
            .filter(|path| path.to_string_lossy().ends_with(".old.sql"))
        {
            let new = old.to_string_lossy().replace(".old.sql", ".new.sql");
            let (old_text, new_text) = (
                std::fs::read_to_string(old).unwrap(),
                std::fs::read_to_string(&new).unwrap(),
            );
            for (one, other, way) in [
                (&old_text, &new_text, "forth"),
                (&new_text, &old_text, "back"),
            ] {
                for rows in [false, true] {
                    total += 1;
                    let from = format!("hl_{}", std::process::id());
                    let to = format!("hr_{}", std::process::id());
                    let mut refused = load(&mut session, &from, one);
                    refused.extend(load(&mut session, &to, other));
                    if way == "forth" && !rows {
                        for refused in &refused {
                            eprintln!(
                                "{} {vendor:?} refused: {}",
                                old.display(),
                                &refused[..refused.len().min(300)]
                            );
                        }
                    }
                    let started = std::time::Instant::now();
                    let wrong = converge(&mut session, &from, &to, rows);
                    eprintln!(
                        "{} {vendor:?} {way} rows={rows}: {} wrong, {:?}",
                        old.display(),
                        wrong.len(),
                        started.elapsed()
                    );
                    for wrong in &wrong {
                        eprintln!("    {wrong}");
                    }
                    failed += usize::from(!wrong.is_empty());
                    for name in [&from, &to] {
                        session
                            .execute(&format!("DROP DATABASE {}", ident(name)))
                            .unwrap();
                    }
                }
            }
        }
    }
    eprintln!("{failed} of {total} failed");
    assert_eq!(failed, 0);
}
