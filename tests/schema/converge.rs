//! Plans from one database to another, executes the entries in order, and plans again.

use driftwarden::connect::{LocalSession, Reader as _};
use driftwarden::plan::schema_entries::{Options, Pair, SchemaChanges, statements};
use driftwarden::plan::{Entry, Kind, order};
use driftwarden::schema::{Database, ObjectName, Unsupported, parse, print};
use driftwarden::sql::{Read, ident};
use driftwarden::{introspect, proof};
use similar::TextDiff;

/// Makes a database anew from statements. Returns those that the server refuses.
pub(super) fn fill(session: &mut LocalSession, name: &str, texts: &[String]) -> Vec<String> {
    for sql in [
        format!("DROP DATABASE IF EXISTS {}", ident(name)),
        format!("CREATE DATABASE {}", ident(name)),
        format!("USE {}", ident(name)),
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'".to_owned(),
    ] {
        session.execute(&sql).unwrap();
    }
    let refused = texts
        .iter()
        .filter_map(|sql| Some(format!("{:#}: {sql}", session.execute(sql).err()?)))
        .collect();
    session.reset_environment().unwrap();
    refused
}

/// Plans from one database to the other and executes. Returns what is wrong. Without a remote session both databases
/// are on the local server, and must be equal text by text.
pub(super) fn converge(
    session: &mut LocalSession,
    mut remote_session: Option<&mut LocalSession>,
    from: &str,
    to: &str,
    rows: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let remote = match &mut remote_session {
        Some(remote) => read(remote, to),
        None => read(session, to),
    };
    let remote_vendor = remote_session
        .as_ref()
        .map_or(session.server().vendor, |remote| remote.server().vendor);
    for second in [false, true] {
        let local = read(session, from);
        if second && remote_session.is_none() {
            wrong.extend(differences(&local, &remote));
        }
        let options = Options {
            vendor: session.server().vendor,
            remote_vendor,
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
        let made = changes.entries(proven);
        let (mut entries, unsupported) = (made.entries, made.stuck);
        for Unsupported { object, reason } in local
            .unsupported
            .iter()
            .chain(&remote.unsupported)
            .chain(&unsupported)
        {
            wrong.push(format!("{object} is unsupported: {reason}"));
        }
        order::order(&mut entries).unwrap();
        for entry in &entries {
            if second {
                wrong.push(format!("second plan: {}: {:?}", entry.id, entry.sql));
            } else {
                wrong.extend(execute(session, entry, from));
            }
        }
    }
    wrong
}

fn read(session: &mut LocalSession, name: &str) -> Database {
    introspect::databases(session, &[name.to_owned()])
        .unwrap()
        .remove(0)
}

/// The text of a table without its counter.
fn bare(text: &str) -> String {
    text.split(' ')
        .filter(|word| !word.starts_with("AUTO_INCREMENT="))
        .collect::<Vec<_>>()
        .join(" ")
}

fn difference(one: &str, other: &str) -> String {
    TextDiff::from_lines(one, other)
        .unified_diff()
        .context_radius(0)
        .to_string()
}

fn differences(local: &Database, remote: &Database) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, info) in &remote.tables {
        match local.tables.get(name) {
            Some(own) if bare(&own.create) == bare(&info.create) => {}
            Some(own) => differences.push(format!(
                "{name} differs:\n{}",
                difference(&bare(&own.create), &bare(&info.create))
            )),
            None => differences.push(format!("{name} is missing")),
        }
    }
    for name in local.tables.keys() {
        if !remote.tables.contains_key(name) {
            differences.push(format!("{name} is left"));
        }
    }
    differences
}

/// Executes an entry. Its statements are those that its texts make, and the table is what it says afterwards.
fn execute(session: &mut LocalSession, entry: &Entry, database: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let object = entry
        .object
        .strip_prefix(&format!("{database}."))
        .unwrap_or_default();
    let name = ObjectName::new(database, object);
    let (before, after) = (entry.before.as_deref(), entry.after.as_deref());
    let vendor = session.server().vendor;
    let again = statements(entry.kind, before, after, &name, vendor).unwrap();
    if again != entry.sql {
        wrong.push(format!("{} is made anew as {again:?}", entry.id));
    }
    for sql in &entry.sql {
        if let Err(error) = session.execute(sql) {
            wrong.push(format!("{}: {error:#}\n{sql}", entry.id));
        }
    }
    if let (Kind::CreateTable | Kind::AlterTable, Some(after)) = (entry.kind, after) {
        let shown = session.rows(&Read::ShowCreateTables(vec![name])).unwrap();
        let text = String::from_utf8(shown[0][1].clone().unwrap()).unwrap();
        let now = print::create_table(&parse::table(&text).unwrap());
        if now != after {
            wrong.push(format!(
                "{} leaves another table than it says:\n{}",
                entry.id,
                difference(after, &now)
            ));
        }
    }
    wrong
}
