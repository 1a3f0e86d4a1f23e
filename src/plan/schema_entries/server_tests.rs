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

/// The text of a table without its counter.
fn bare(text: &str) -> String {
    text.split(' ')
        .filter(|word| !word.starts_with("AUTO_INCREMENT="))
        .collect::<Vec<_>>()
        .join(" ")
}

fn read(session: &mut LocalSession, name: &str) -> Database {
    introspect::databases(session, &[name.to_owned()])
        .unwrap()
        .remove(0)
}

/// Plans from one database to the other and executes. Returns what is wrong. Without a remote session both databases
/// are on the local server, and must be equal text by text.
pub(crate) fn converge(
    session: &mut LocalSession,
    mut remote_session: Option<&mut LocalSession>,
    from: &str,
    to: &str,
    rows: bool,
) -> Vec<String> {
    let vendor = session.server().vendor;
    let mut wrong = Vec::new();
    for round in 1..=2 {
        let local = read(session, from);
        let remote = match &mut remote_session {
            Some(remote) => read(remote, to),
            None => read(session, to),
        };
        for unread in local.unsupported.iter().chain(&remote.unsupported) {
            wrong.push(format!("unread {}: {}", unread.object, unread.reason));
        }
        if round == 2 {
            for (name, info) in &remote.tables {
                match local.tables.get(name) {
                    Some(own)
                        if remote_session.is_some() || bare(&own.create) == bare(&info.create) => {}
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
            remote_vendor: remote_session
                .as_ref()
                .map_or(vendor, |remote| remote.server().vendor),
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
            execute(session, entry, from, &mut wrong);
        }
    }
    wrong
}

fn execute(session: &mut LocalSession, entry: &Entry, database: &str, wrong: &mut Vec<String>) {
    let object = entry
        .object
        .strip_prefix(&format!("{database}."))
        .unwrap_or("");
    let name = ObjectName::new(database, object);
    let vendor = session.server().vendor;
    let again = statements(
        entry.kind,
        entry.before.as_deref(),
        entry.after.as_deref(),
        &name,
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
    if let (Kind::CreateTable | Kind::AlterTable, Some(after)) = (entry.kind, &entry.after) {
        let shown = session
            .rows(&crate::sql::Read::ShowCreateTables(vec![name]))
            .unwrap();
        let text = String::from_utf8(shown[0][1].clone().unwrap()).unwrap();
        let now = print::create_table(&parse::table(&text).unwrap());
        if now != *after {
            wrong.push(format!(
                "{} leaves another table than it says:\n{}",
                entry.id,
                similar::TextDiff::from_lines(after.as_str(), now.as_str())
                    .unified_diff()
                    .context_radius(0)
            ));
        }
    }
}

fn histories() -> Vec<(String, String, String)> {
    let Ok(folder) = std::env::var("DRIFTWARDEN_TEST_HISTORIES") else {
        return Vec::new();
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".old.sql"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|old| {
            let new = old.replace(".old.sql", ".new.sql");
            let read = |path: &str| std::fs::read_to_string(path).unwrap();
            let texts = (read(&old), read(&new));
            (old, texts.0, texts.1)
        })
        .collect()
}

#[test]
fn histories_converge() {
    let (mut failed, mut total) = (0, 0);
    for mut session in sessions() {
        let vendor = session.server().vendor;
        for (title, old, new) in histories() {
            for (one, other, way) in [(&old, &new, "forth"), (&new, &old, "back")] {
                for rows in [false, true] {
                    let (from, to) = (
                        format!("hl_{}", std::process::id()),
                        format!("hr_{}", std::process::id()),
                    );
                    let mut refused = load(&mut session, &from, one);
                    refused.extend(load(&mut session, &to, other));
                    if way == "forth" && !rows {
                        for refused in &refused {
                            eprintln!(
                                "{title} {vendor:?} refused: {}",
                                refused.chars().take(300).collect::<String>()
                            );
                        }
                    }
                    let started = std::time::Instant::now();
                    let wrong = converge(&mut session, None, &from, &to, rows);
                    eprintln!(
                        "{title} {vendor:?} {way} rows={rows}: {} wrong, {:?}",
                        wrong.len(),
                        started.elapsed()
                    );
                    for wrong in &wrong {
                        eprintln!("    {wrong}");
                    }
                    total += 1;
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

#[test]
fn histories_cross() {
    let (mut failed, mut total) = (0, 0);
    let count = sessions().len();
    for place in 0..count {
        for (title, old, new) in histories() {
            let mut all = sessions();
            let mut local = all.remove(place);
            let Some(mut remote) = all.pop() else {
                return;
            };
            let (from, to) = (
                format!("xl_{}", std::process::id()),
                format!("xr_{}", std::process::id()),
            );
            load(&mut local, &from, &old);
            load(&mut remote, &to, &new);
            let vendor = local.server().vendor;
            let wrong = converge(&mut local, Some(&mut remote), &from, &to, true);
            eprintln!("{title} to {vendor:?}: {} wrong", wrong.len());
            for wrong in &wrong {
                eprintln!("    {wrong}");
            }
            total += 1;
            failed += usize::from(!wrong.is_empty());
            local
                .execute(&format!("DROP DATABASE {}", ident(&from)))
                .unwrap();
            remote
                .execute(&format!("DROP DATABASE {}", ident(&to)))
                .unwrap();
        }
    }
    eprintln!("{failed} of {total} crossings failed");
    assert_eq!(failed, 0);
}
