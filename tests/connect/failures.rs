//! Each way in which the connection can fail has its own message and leaves nothing behind.

use super::{Sandbox, driftwarden};
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use serde_json::json;
use std::time::{Duration, Instant};

/// What `doctor` says of a config with one part replaced: it must fail, and name a next step.
fn doctor(sandbox: &Sandbox, pointer: &str, value: serde_json::Value) -> String {
    sandbox.write_config(&[(pointer, value)]);
    let (code, out, err) = driftwarden(sandbox, &["doctor"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("next: "), "{out}");
    out
}

#[test]
fn every_failure_of_ssh_is_told_apart() {
    let sandbox = Sandbox::new("mysql");
    for (host, said) in [
        (
            "prod-no-forward",
            "failure  remote login: logging in to MySQL",
        ),
        ("prod-no-forward", "the ssh host forbids forwarding"),
        ("prod-unknown-host", "its host key is not known yet"),
        ("prod-changed-host", "the host key has CHANGED"),
        ("prod-wrong-key", "it refuses the login"),
        ("prod-closed", "nothing listens on its ssh port"),
        (
            "prod-jump-down",
            "the jump host on the way could not be passed",
        ),
        ("no-such-host.invalid", "the name cannot be resolved"),
    ] {
        let out = doctor(&sandbox, "/ssh/host", json!(host));
        assert!(out.contains(said), "{host}: {out}");
    }
}

#[test]
fn every_failure_of_the_servers_is_told_apart() {
    for vendor in super::VENDORS {
        let sandbox = Sandbox::new(vendor);
        for (pointer, value, said) in [
            (
                "/remote/port",
                json!(1),
                "nothing answers there, as seen from the ssh host",
            ),
            (
                "/remote/socket",
                json!("/nowhere/mysql.sock"),
                "nothing answers there",
            ),
            (
                "/remote/user",
                json!("nobody_here"),
                "the account or its password is wrong",
            ),
            (
                "/remote/password_env",
                json!("DRIFTWARDEN_TEST_UNSET"),
                "which is not set",
            ),
            (
                "/databases",
                json!(["not_there"]),
                "not there, or not to be seen by readonly: not_there",
            ),
            (
                "/local/socket",
                json!("/nowhere/mysql.sock"),
                "the server cannot be reached",
            ),
            (
                "/local/password_command",
                json!("echo wrong"),
                "the account or its password is wrong",
            ),
            (
                "/local",
                json!({"host": "192.0.2.1", "user": "root"}),
                "which is not this machine",
            ),
        ] {
            let out = doctor(&sandbox, pointer, value);
            assert!(out.contains(said), "{pointer}: {out}");
        }
    }
}

/// A server that does not run, or a wrong address, is not waited for as one is that broke off.
#[test]
fn a_local_server_that_is_not_there_is_said_within_seconds() {
    let case = Case::with_database(Vendor::MariaDb, "SELECT 1", "SELECT 1");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let nobody = case.folder().join("nobody.sock");
    drop(std::os::unix::net::UnixListener::bind(&nobody).unwrap());
    for local in [
        json!({"socket": "/nowhere/mysql.sock"}),
        json!({"socket": nobody}),
        json!({"socket": null, "host": "127.0.0.1", "port": port}),
        json!({"socket": format!("/{}", "x".repeat(200))}),
    ] {
        let extra = json!({"local": local, "retry": {"delays": ["0s", "1s", "5s", "15s", "30s"]}});
        case.write_config(&json!([case.name("db")]), &extra);
        let since = Instant::now();
        let output = case
            .driftwarden(&["plan", "--out", "plans/p.json"])
            .exits(1)
            .says("the server cannot be reached")
            .says("next: start the local server, or correct `local.socket`");
        assert!(since.elapsed() < Duration::from_secs(6), "{output}");
    }
}

#[test]
fn what_an_account_cannot_see_is_a_warning() {
    for vendor in super::VENDORS {
        let sandbox = Sandbox::new(vendor);
        sandbox.on_remote(
            "CREATE USER IF NOT EXISTS plain@'%' IDENTIFIED BY 'remote-s3cret'; GRANT SELECT, SHOW VIEW ON *.* TO plain@'%'",
        );
        sandbox.write_config(&[("/remote/user", json!("plain"))]);
        let (code, out, err) = driftwarden(&sandbox, &["doctor"]);
        assert_eq!(code, 0, "{out}{err}");
        let line = out.lines().find(|line| line.contains("remote grants"));
        assert!(
            line.is_some_and(|line| line.starts_with("warning")),
            "{out}"
        );
        for hidden in ["trigger", "event"] {
            assert!(out.contains(hidden), "{hidden}: {out}");
        }
    }
}

#[test]
fn an_account_that_may_write_is_refused_unless_accepted() {
    let sandbox = Sandbox::new("mariadb");
    sandbox.on_remote(
        "CREATE USER IF NOT EXISTS writer@'%' IDENTIFIED BY 'remote-s3cret'; GRANT SELECT, INSERT ON *.* TO writer@'%'",
    );
    let out = doctor(&sandbox, "/remote/user", json!("writer"));
    assert!(
        out.contains("failure  remote grants") && out.contains("INSERT"),
        "{out}"
    );
    sandbox.write_config(&[
        ("/remote/user", json!("writer")),
        ("/remote/accept_write_grants", json!(true)),
    ]);
    let (code, out, _) = driftwarden(&sandbox, &["doctor"]);
    assert_eq!(code, 0, "{out}");
}
