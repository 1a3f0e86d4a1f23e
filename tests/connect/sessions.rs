//! Sessions: what they can and cannot do, and that a broken one is replaced without losing or doubling a row.

use super::sandbox::{Sandbox, VENDORS};
use driftwarden::config::Config;
use driftwarden::connect::{LocalSession, ObjectEnvironment, Reader, Remote, server_code};
use driftwarden::schema::ObjectName;
use driftwarden::sql::{Expr, Read, Select};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// More bytes than all the buffers on the way hold, so that the server is still sending when the first rows are here.
const ROWS: usize = 12_000;

fn config(sandbox: &Sandbox, changes: &[(&str, serde_json::Value)]) -> Config {
    let password = format!("echo '{}'", sandbox.get("REMOTE_PASSWORD"));
    let mut changes = changes.to_vec();
    changes.push(("/remote/password_env", json!(null)));
    changes.push(("/remote/password_command", json!(password)));
    driftwarden::config::load::load(&sandbox.write_config(&changes))
        .unwrap()
        .config
}

/// A table of 36 megabytes, read in key order.
fn table(sandbox: &Sandbox, name: &str) -> Read {
    let database = sandbox.database();
    sandbox.on_remote(&format!(
        "DROP TABLE IF EXISTS {database}.{name}; \
         CREATE TABLE {database}.{name} (id INT PRIMARY KEY, v VARCHAR(3000)); INSERT INTO {database}.{name} VALUES (0, REPEAT('x', 3000))"
    ));
    let mut rows = 1;
    while rows < ROWS {
        sandbox.on_remote(&format!(
            "INSERT INTO {database}.{name} SELECT id + {rows}, v FROM {database}.{name} WHERE id + {rows} < {ROWS}"
        ));
        rows *= 2;
    }
    Select::from(
        &ObjectName::new(database, name),
        vec![Expr::column("id"), Expr::column("v")],
    )
    .order_by(vec![Expr::column("id")])
    .into()
}

fn open(config: &Config) -> (Remote, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let notice = {
        let said = Arc::clone(&said);
        Arc::new(move |line: &str| said.lock().unwrap().push(line.to_owned()))
    };
    (Remote::open(config, notice).unwrap(), said)
}

/// Reads the table while `sabotage` strikes once in the middle, and checks that each row arrived exactly once.
fn survives(vendor: &str, name: &str, sabotage: impl Fn(&Sandbox)) {
    let sandbox = Sandbox::new(vendor);
    let read = table(&sandbox, name);
    let (remote, said) = open(&config(&sandbox, &[]));
    let mut session = remote.session().unwrap();
    session.start_snapshot().unwrap();
    let mut struck = false;
    let ids = remote
        .run(&mut session, "reading the table", |session| {
            let mut ids = Vec::new();
            session.stream(&read, &mut |row| {
                ids.push(String::from_utf8(row[0].clone().unwrap()).unwrap());
                if ids.len() == 100 && !struck {
                    struck = true;
                    sabotage(&sandbox);
                }
                Ok(())
            })?;
            Ok(ids)
        })
        .unwrap();
    assert_eq!(ids, (0..ROWS).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(said.lock().unwrap().len(), 1, "{said:?}");
    assert_eq!(
        remote.counters().snapshots,
        2,
        "a new session gets a new snapshot"
    );
}

/// The folder of the ssh master that was started with this ssh config.
fn master(ssh_config: &Path) -> Option<PathBuf> {
    let prefix = format!("driftwarden-{}-", std::process::id());
    let wanted = ssh_config.to_str().unwrap();
    fs::read_dir(std::env::temp_dir())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .find(|path| {
            fs::read_to_string(path.join("config")).is_ok_and(|text| text.contains(wanted))
        })
}

fn connection(sandbox: &Sandbox, name: &str) -> String {
    sandbox
        .on_remote(&format!(
            "SELECT id FROM information_schema.processlist WHERE user = 'readonly' AND info LIKE 'SELECT%{name}%'"
        ))
        .trim()
        .to_owned()
}

#[test]
fn a_killed_connection_is_replaced() {
    for vendor in VENDORS {
        survives(vendor, "killed", |sandbox| {
            let id = connection(sandbox, "killed");
            sandbox.on_remote(&format!("KILL {id}"));
        });
    }
}

#[test]
fn a_killed_query_is_run_again() {
    for vendor in VENDORS {
        survives(vendor, "interrupted", |sandbox| {
            let id = connection(sandbox, "interrupted");
            sandbox.on_remote(&format!("KILL QUERY {id}"));
        });
    }
}

#[test]
fn an_early_end_leaves_no_query_on_the_server() {
    for vendor in VENDORS {
        let sandbox = Sandbox::new(vendor);
        let read = table(&sandbox, "abandoned");
        let (remote, _) = open(&config(&sandbox, &[]));
        let mut session = remote.session().unwrap();
        let mut rows = 0;
        let error = session
            .stream(&read, &mut |_| {
                rows += 1;
                anyhow::ensure!(rows < 10, "enough");
                Ok(())
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "enough");
        assert!(remote.counters().bytes_received < 100_000);
        drop(session);
        assert_eq!(connection(&sandbox, "abandoned"), "");
        assert!(remote.session().unwrap().rows(&read).unwrap().len() == ROWS);
    }
}

#[test]
fn every_way_to_the_server_leads_to_the_same_one() {
    for vendor in VENDORS {
        let sandbox = Sandbox::new(vendor);
        // A fresh account each time: its password is not cached on the server.
        let socket = sandbox.get("REMOTE_SOCKET").to_owned();
        let ways = [
            vec![],
            vec![("/ssh/host", json!("prod-via-jump"))],
            vec![("/remote/socket", json!(socket))],
        ];
        let mut identities = Vec::new();
        for (number, mut way) in ways.into_iter().enumerate() {
            let user = format!("fresh{number}");
            sandbox.on_remote(&format!(
                "DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY '{}'",
                sandbox.get("REMOTE_PASSWORD")
            ));
            way.push(("/remote/user", json!(user)));
            let (remote, said) = open(&config(&sandbox, &way));
            assert!(said.lock().unwrap().is_empty(), "{said:?}");
            identities.push(remote.server().identity.clone());
        }
        identities.dedup();
        assert_eq!(identities.len(), 1);
    }
}

#[test]
fn a_local_session_locks_writes_and_keeps_the_server_s_error_number() {
    for vendor in VENDORS {
        let sandbox = Sandbox::new(vendor);
        let config = config(&sandbox, &[]);
        let mut one = LocalSession::open(&config.local).unwrap();
        let mut other = LocalSession::open(&config.local).unwrap();
        let name = format!("connect_tests_{}", std::process::id());
        assert_eq!(one.lock(&name).unwrap(), None);
        assert!(other.lock(&name).unwrap().is_some());
        drop(one);
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(other.lock(&name).unwrap(), None);

        other
            .execute("DROP DATABASE IF EXISTS connect_tests")
            .unwrap();
        other.execute("CREATE DATABASE connect_tests").unwrap();
        other
            .execute("CREATE TABLE connect_tests.t (id INT PRIMARY KEY, d DATE)")
            .unwrap();
        other.begin().unwrap();
        assert_eq!(
            other
                .execute("INSERT INTO connect_tests.t VALUES (1, '2020-02-31'), (0, '0000-00-00')")
                .unwrap(),
            2
        );
        let duplicate = other
            .execute("INSERT INTO connect_tests.t VALUES (1, NULL)")
            .unwrap_err();
        assert_eq!(server_code(&duplicate), Some(1062));
        let select = Select::from(
            &ObjectName::new("connect_tests", "t"),
            vec![Expr::column("d")],
        );
        assert_eq!(other.rows_locked(&select).unwrap().len(), 2);
        other.rollback().unwrap();
        assert_eq!(other.rows(&select.into()).unwrap().len(), 0);
        other
            .set_environment(&ObjectEnvironment {
                sql_mode: "ANSI_QUOTES".into(),
                charset_client: "latin1".into(),
                collation_connection: "latin1_german1_ci".into(),
                database: "connect_tests".into(),
                ..ObjectEnvironment::default()
            })
            .unwrap();
        other
            .execute("CREATE VIEW v AS SELECT \"id\" FROM t")
            .unwrap();
        other.reset_environment().unwrap();
        other.execute("DROP DATABASE connect_tests").unwrap();
    }
}

#[test]
fn a_killed_ssh_master_is_replaced_and_nothing_is_left_behind() {
    for vendor in VENDORS {
        let sandbox = Sandbox::new(vendor);
        let read = table(&sandbox, "tunnelled");
        // A config of its own tells this test's master from those of others.
        let own = sandbox.folder().join("ssh_config");
        fs::copy(sandbox.get("SSH_CONFIG"), &own).unwrap();
        let (remote, said) = open(&config(&sandbox, &[("/ssh/config_file", json!(own))]));
        let first = master(&own).unwrap();
        let mut session = remote.session().unwrap();
        let mut struck = false;
        let rows = remote
            .run(&mut session, "reading the table", |session| {
                let mut rows = 0;
                session.stream(&read, &mut |_| {
                    rows += 1;
                    if rows == 100 && !struck {
                        struck = true;
                        let ended = Command::new("ssh")
                            .arg("-S")
                            .arg(first.join("master"))
                            .args(["-O", "exit", "x"])
                            .output()
                            .unwrap();
                        assert!(ended.status.success());
                    }
                    Ok(())
                })?;
                Ok(rows)
            })
            .unwrap();
        assert_eq!(rows, ROWS);
        assert_eq!(said.lock().unwrap().len(), 1, "{said:?}");
        let second = master(&own).unwrap();
        assert_ne!(first, second);
        drop(session);
        drop(remote);
        assert!(!first.exists() && !second.exists());
    }
}
