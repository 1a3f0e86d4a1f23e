//! The way to production and back: ssh, login, sessions, and what happens when one of them breaks.

mod failures;
mod sandbox;
mod sessions;

use sandbox::{Sandbox, VENDORS};
use std::process::Command;

/// Runs the binary in a folder of its own; returns exit code, standard output and standard error.
fn driftwarden(sandbox: &Sandbox, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_driftwarden"))
        .args(["--config", "config.json"])
        .args(arguments)
        .current_dir(sandbox.folder())
        .env("DRIFTWARDEN_TEST_REMOTE", sandbox.get("REMOTE_PASSWORD"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn doctor_finds_nothing_wrong_with_the_sandbox() {
    for vendor in VENDORS {
        let sandbox = Sandbox::new(vendor);
        sandbox.write_config(&[]);
        let (code, out, err) = driftwarden(&sandbox, &["doctor", "--json"]);
        assert_eq!(code, 0, "{out}{err}");
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["ok"], true);
        for check in answer["checks"].as_array().unwrap() {
            assert!(
                ["ok", "warning"].contains(&check["status"].as_str().unwrap()),
                "{check}"
            );
        }
        assert!(!out.contains(sandbox.get("REMOTE_PASSWORD")));
    }
}

#[test]
fn doctor_refuses_production_as_the_local_server() {
    let sandbox = Sandbox::new("mysql");
    let socket = sandbox.get("REMOTE_SOCKET").to_owned();
    sandbox.write_config(&[(
        "/local",
        serde_json::json!({"socket": socket, "user": "root"}),
    )]);
    let (code, out, _) = driftwarden(&sandbox, &["doctor"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("the local server is the remote server"),
        "{out}"
    );
}

#[test]
fn init_makes_a_config_and_never_writes_over_one() {
    let sandbox = Sandbox::new("mysql");
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_driftwarden"))
            .arg("init")
            .current_dir(sandbox.folder())
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(run(), Some(0));
    let path = sandbox.folder().join("config/config.json");
    assert!(
        path.exists()
            && sandbox.folder().join("plans").is_dir()
            && sandbox.folder().join("issues").is_dir()
    );
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(run(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}
