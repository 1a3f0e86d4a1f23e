//! The checks of `doctor`, in the order of the chain.

use super::Check;
use crate::config::load::Loaded;
use crate::config::{self, Config, child};
use crate::connect::{self, LocalSession, Reader, Remote, RemoteSession, Row, TunnelFailed};
use crate::introspect;
use crate::read::mask;
use crate::refusal;
use crate::schema::ObjectName;
use crate::sql::Read;
use crate::sql::read::{Metadata, ServerQuestion};
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The least `max_allowed_packet` that comparing rows needs.
const LEAST_PACKET: u64 = 1 << 20;

pub(super) fn config(loaded: &Loaded) -> Check {
    let shown = loaded.path.display();
    match loaded.warnings.first() {
        None => Check::ok("config", format!("{shown} is complete")),
        Some(_) => Check::warning(
            "config",
            loaded.warnings.join("; "),
            "see to what the warning names",
        ),
    }
}

pub(super) fn remote_and_local(config: &Config, checks: &mut Vec<Check>) {
    // A doctor does not wait: the first failure is the answer.
    let impatient = Config {
        retry: config::Retry { delays: Vec::new() },
        ..config.clone()
    };
    let started = Instant::now();
    let ssh = format!("{} lets us in", config.ssh.host);
    let remote = match Remote::open(&impatient, Arc::new(|_| {})) {
        Ok(remote) => {
            let took = started.elapsed().as_millis();
            checks.push(Check::ok("ssh", ssh));
            checks.push(Check::ok(
                "remote login",
                format!(
                    "{} as {}, through the tunnel in {took} ms",
                    remote.server().display,
                    config.remote.user
                ),
            ));
            Some(remote)
        }
        Err(error) if refusal::find::<TunnelFailed>(&error).is_some() => {
            checks.push(Check::error("ssh", &error));
            checks.push(Check::skipped("remote login", "there is no tunnel"));
            None
        }
        Err(error) => {
            checks.push(Check::ok("ssh", ssh));
            checks.push(Check::error("remote login", &error));
            None
        }
    };
    match remote.as_ref().map(Remote::session) {
        Some(Ok(mut session)) => {
            checks.push(checked("remote grants", grants(config, &mut session)));
            checks.push(checked("remote databases", databases(config, &mut session)));
            checks.push(checked("snapshot", snapshot(&mut session)));
            checks.push(checked("personal data", personal(config, &mut session)));
            checks.push(packet(
                "remote max_allowed_packet",
                session.server().max_packet,
            ));
        }
        Some(Err(error)) => checks.push(Check::error("remote login", &error)),
        None => {
            for name in [
                "remote grants",
                "remote databases",
                "snapshot",
                "personal data",
            ] {
                checks.push(Check::skipped(
                    name,
                    "there is no login to the remote server",
                ));
            }
        }
    }
    match LocalSession::open(&config.local) {
        Ok(mut session) => {
            checks.push(local_login(config, remote.as_ref(), &session));
            checks.push(checked("local_infile", local_infile(&mut session)));
            checks.push(checked(
                "local triggers",
                local_triggers(config, &mut session),
            ));
            checks.push(packet(
                "local max_allowed_packet",
                session.server().max_packet,
            ));
        }
        Err(error) => {
            checks.push(Check::error("local login", &error));
            checks.push(Check::skipped(
                "local_infile",
                "there is no login to the local server",
            ));
        }
    }
}

fn checked(name: &'static str, outcome: Result<Check>) -> Check {
    outcome.unwrap_or_else(|error| Check::error(name, &error))
}

fn grants(config: &Config, session: &mut RemoteSession) -> Result<Check> {
    const NAME: &str = "remote grants";
    let vendor = session.server().vendor;
    let grants = introspect::own_grants(session)?;
    let beyond = grants.beyond_reading();
    if !beyond.is_empty() && !config.remote.accept_write_grants {
        return Ok(Check::failure(
            NAME,
            format!(
                "{} may do more than read: {}",
                config.remote.user,
                beyond.join("; ")
            ),
            "use an account that can only read; or, where there is none, set `remote.accept_write_grants` to true \
             (driftwarden's sessions are read-only all the same)",
        ));
    }
    let hidden: Vec<String> = config
        .databases
        .iter()
        .flat_map(|database| grants.unknown(vendor, database.remote()))
        .map(|(kind, why)| format!("{kind}s: {why}"))
        .collect();
    let revealing = grants.revealing();
    if !beyond.is_empty() {
        Ok(Check::warning(
            NAME,
            format!(
                "accepted by the config, though it may do more than read: {}",
                beyond.join("; ")
            ),
            "use an account that can only read",
        ))
    } else if !hidden.is_empty() {
        Ok(Check::warning(
            NAME,
            format!(
                "what the account cannot see is left alone: {}",
                hidden.join("; ")
            ),
            "grant what the lines name, to have these compared as well",
        ))
    } else if !revealing.is_empty() {
        // The servers have no grant that only shows them: there is nothing that the user could do better.
        Ok(Check::ok(
            NAME,
            format!(
                "reading only, with what shows triggers and events: {}",
                revealing.join("; ")
            ),
        ))
    } else {
        Ok(Check::ok(NAME, "reading only"))
    }
}

fn databases(config: &Config, session: &mut RemoteSession) -> Result<Check> {
    const NAME: &str = "remote databases";
    let wanted: Vec<String> = config
        .databases
        .iter()
        .map(|name| name.remote().to_owned())
        .collect();
    let rows = session.rows(&Read::Metadata(Metadata::Databases, wanted.clone()))?;
    let seen: Vec<String> = rows.iter().map(|row| text(row, 0)).collect();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|name| !seen.contains(name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(Check::ok(
            NAME,
            format!("{} of {} are there", seen.len(), wanted.len()),
        ));
    }
    Ok(Check::failure(
        NAME,
        format!(
            "not there, or not to be seen by {}: {}",
            config.remote.user,
            missing.join(", ")
        ),
        "correct the names under `databases`, or grant the account SELECT on them",
    ))
}

fn snapshot(session: &mut RemoteSession) -> Result<Check> {
    session.start_snapshot()?;
    let row = session
        .rows(&Read::Server(ServerQuestion::ThreadsRunning))?
        .pop()
        .unwrap_or_default();
    session.end_snapshot()?;
    let running = match text(&row, 1).as_str() {
        "1" => "1 thread is".to_owned(),
        several => format!("{several} threads are"),
    };
    Ok(Check::ok(
        "snapshot",
        format!("read-only and consistent; {running} running there"),
    ))
}

/// Which columns look personal and have no rule.
fn personal(config: &Config, session: &mut RemoteSession) -> Result<Check> {
    const NAME: &str = "personal data";
    /// Tables that are named.
    const NAMED: usize = 10;
    let databases: Vec<String> = config
        .databases
        .iter()
        .map(|database| database.remote().to_owned())
        .collect();
    let mut found = Vec::new();
    for database in introspect::databases(session, &databases)? {
        for (name, info) in &database.tables {
            let name = ObjectName::new(&database.name, name);
            let columns = mask::unmasked(&info.table, &config.rule_for(&name));
            if config.selects(&name) && !columns.is_empty() {
                found.push(format!("{name} ({})", columns.join(", ")));
            }
        }
    }
    if found.is_empty() {
        return Ok(Check::ok(
            NAME,
            "no column looks personal without a mask in a rule",
        ));
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("and {more} more tables"));
    }
    Ok(Check::warning(
        NAME,
        format!(
            "these columns may hold personal data and are copied as they are: {}",
            found.join("; ")
        ),
        "give each a `mask` in a rule of `tables.rules`, \"keep\" where it may be copied (docs/masking.md)",
    ))
}

fn packet(name: &'static str, bytes: u64) -> Check {
    if bytes < LEAST_PACKET {
        return Check::failure(
            name,
            format!("{bytes} bytes"),
            format!("raise it to {LEAST_PACKET} or more: longer rows cannot be compared"),
        );
    }
    Check::ok(name, format!("{bytes} bytes"))
}

fn local_login(config: &Config, remote: Option<&Remote>, session: &LocalSession) -> Check {
    const NAME: &str = "local login";
    if let Some(error) = remote
        .and_then(|remote| connect::refuse_same_server(remote.server(), session.server()).err())
    {
        return Check::error(NAME, &error);
    }
    let local = session.server();
    let found = format!("{} as {}", local.display, config.local.user);
    match remote.map(Remote::server) {
        Some(remote) if remote.vendor != local.vendor => Check::warning(
            NAME,
            format!("{found}, but the remote server is {}", remote.display),
            "use the same program on both sides; what the local one cannot hold is reported as unsupported",
        ),
        Some(remote) if remote.lower_case_table_names != local.lower_case_table_names => {
            Check::warning(
                NAME,
                format!(
                    "{found}, with lower_case_table_names = {} (remote: {})",
                    local.lower_case_table_names, remote.lower_case_table_names
                ),
                "initialise the local server with the remote's setting, so that names compare alike",
            )
        }
        _ => Check::ok(NAME, found),
    }
}

fn local_infile(session: &mut LocalSession) -> Result<Check> {
    let row = session
        .rows(&Read::Server(ServerQuestion::LocalInfile))?
        .pop()
        .unwrap_or_default();
    if text(&row, 1) != "0" {
        return Ok(Check::failure(
            "local_infile",
            "the local server is read-only (@@read_only)",
            "check that `local` is the server you mean; switch read_only off if it is",
        ));
    }
    let state = if text(&row, 0) == "0" { "off" } else { "on" };
    Ok(Check::ok(
        "local_infile",
        format!("{state}; not needed, rows are written by INSERT"),
    ))
}

fn local_triggers(config: &Config, session: &mut LocalSession) -> Result<Check> {
    const NAME: &str = "local triggers";
    let names = config
        .databases
        .iter()
        .map(|name| name.local().to_owned())
        .collect();
    let triggers = session
        .rows(&Read::Metadata(Metadata::Triggers, names))?
        .len();
    Ok(match triggers {
        0 => Check::ok(NAME, "none"),
        number => Check::ok(
            NAME,
            format!("{number}; taken down while rows of their tables are applied, then put back"),
        ),
    })
}

pub(super) fn git(config: &Config) -> Check {
    const NAME: &str = "git";
    if !config.issues.git {
        return Check::ok(NAME, "issues are not committed (`issues.git` is false)");
    }
    let folder = Some(config.issues.directory.as_path())
        .filter(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    match child::command("git")
        .arg("-C")
        .arg(folder)
        .args(["rev-parse", "--is-inside-work-tree"])
        .output()
    {
        Err(_) => Check::warning(
            NAME,
            "git is not installed: issues are only files",
            "install git, or set `issues.git` to false",
        ),
        Ok(output) if output.status.success() => {
            Check::ok(NAME, "issues are committed, each on its own")
        }
        Ok(_) => Check::ok(NAME, "not in a git repository: issues are only files"),
    }
}

fn text(row: &Row, place: usize) -> String {
    row.get(place)
        .and_then(Option::as_deref)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}
