use super::duration::Span;
use super::load::load;
use super::{Config, DatabaseName, Mask, MaskKind};
use crate::refusal::remedy_of;
use crate::schema::ObjectName;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const LEAST: &str = r#"{"ssh":{"host":"prod"},"remote":{"user":"readonly"},"local":{"host":"localhost","user":"root"},"databases":["shop"]}"#;

fn read(name: &str, text: &str) -> Result<super::load::Loaded, anyhow::Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    load(&path)
}

/// The error of a config, without the folder's name.
fn error(name: &str, text: &str) -> String {
    let error = read(name, text).unwrap_err();
    assert!(remedy_of(&error).is_some());
    let text = format!("{error:#}");
    text.split_once(name)
        .map_or(text.clone(), |(_, rest)| format!("{name}{rest}"))
}

/// The least config with one part replaced.
fn with(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from));
    LEAST.replace(from, to)
}

/// The least config with a section added.
fn and(section: &str) -> String {
    with("\"databases\"", &format!("{section},\"databases\""))
}

fn config(text: &str) -> Config {
    read("c.json", text).unwrap().config
}

#[test]
fn everything_but_the_required_keys_has_its_default() {
    let config = config(LEAST);
    assert_eq!(config.remote.host, "127.0.0.1");
    assert_eq!(config.remote.port, 3306);
    assert_eq!(config.plan.inline_rows, 200);
    assert_eq!(config.retry.delays, [0, 1, 5, 15, 30].map(Span::from_secs));
    assert_eq!(config.deletes.max_percent, 30);
    assert!(config.selects(&ObjectName::new("shop", "users")));
}

#[test]
fn the_example_is_valid_and_holds_the_defaults() {
    let text = include_str!("../../config/config.json.example");
    let example = config(text);
    let mut least = config(LEAST);
    least.schema = example.schema.clone();
    least.ssh = example.ssh.clone();
    least.remote = example.remote.clone();
    least.local = example.local.clone();
    least.databases = example.databases.clone();
    assert_eq!(example, least);
}

#[test]
fn yaml_says_the_same_as_json() {
    let yaml = "ssh: {host: prod}\nremote: {user: readonly}\nlocal: {host: localhost, user: root}\ndatabases:\n  - shop\n";
    assert_eq!(read("c.yaml", yaml).unwrap().config, config(LEAST));
    assert_eq!(
        error("c.yml", &yaml.replace("user: root", "user: root, prot: 1")),
        "c.yml: `local.prot`: unknown key `prot`; did you mean `port`? (line 3, column 38)"
    );
}

#[test]
fn an_error_names_the_path_what_was_found_and_what_is_expected() {
    let cases = [
        with("\"host\":\"prod\"", "\"hots\":\"prod\""),
        with(
            "\"user\":\"readonly\"",
            "\"user\":\"readonly\",\"port\":\"x\"",
        ),
        with("\"user\":\"readonly\"", "\"port\":1"),
        with("[\"shop\"]", "[]"),
        with("[\"shop\"]", "[{\"remote\":\"a\",\"loc\":\"b\"}]"),
        with("[\"shop\"]", "[1]"),
        with(
            "[\"shop\"]",
            "[\"shop\",{\"remote\":\"crm\",\"local\":\"shop\"}]",
        ),
        with("[\"shop\"]", "[\"mysql\"]"),
        and("\"retry\":{\"delays\":[\"5\"]}"),
        and("\"tables\":{\"exclude\":[\"a[\"]}"),
        and("\"tables\":{\"rules\":[{\"match\":\"*\",\"full_diff\":\"yes\"}]}"),
        and("\"log\":{\"level\":\"loud\"}"),
        and("\"ssh\":{\"host\":\"x\"}"),
        with("\"host\":\"prod\"", "\"host\":\"-oProxyCommand=x\""),
        with(
            "\"host\":\"localhost\"",
            "\"socket\":\"/s\",\"host\":\"localhost\"",
        ),
        with(
            "\"user\":\"readonly\"",
            "\"user\":\"readonly\",\"password\":\"x\",\"password_env\":\"Y\"",
        ),
        LEAST[..40].to_owned(),
        format!("{LEAST} x"),
    ];
    let errors: Vec<String> = cases.iter().map(|text| error("c.json", text)).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    c.json: `ssh.hots`: unknown key `hots`; did you mean `host`? (line 1, column 14)
    c.json: `remote.port`: found the string "x", expected a whole number from 0 to 65535 (line 1, column 61)
    c.json: `remote`: missing key `user` (line 1, column 42)
    c.json: `databases`: found an empty list, expected at least one database
    c.json: `databases[0].loc`: unknown key `loc`; did you mean `local`? (line 1, column 127)
    c.json: `databases[0]`: found the number `1`, expected a database name, or an object with `remote` and `local` (line 1, column 109)
    c.json: `databases[1]`: the local name "shop" is taken by `databases[0]`; two databases cannot go to one local name
    c.json: `databases[0]`: found "mysql", which is the server's own, expected a database of yours
    c.json: `retry.delays[0]`: found "5", expected a duration such as "500ms", "10s", "5m", "2h" or "7d" (line 1, column 118)
    c.json: `tables.exclude[0]`: found "a[", expected a glob (unclosed character class; missing ']')
    c.json: `tables.rules[0].full_diff`: found the string "yes", expected true or false (line 1, column 144)
    c.json: `log.level`: found "loud", expected one of "error", "warn", "info", "debug", "trace"
    c.json: twice the same key `ssh` (line 1, column 100)
    c.json: `ssh.host`: found "-oProxyCommand=x", expected a host name or an alias of your ssh config
    c.json: `local`: found `socket` and `host`, expected only one of them
    c.json: `remote`: found `password_env` and `password`, expected only one of them
    c.json: `remote.user`: the file ends while reading a value (line 1, column 40)
    c.json: trailing characters (line 1, column 118)
    "#);
}

#[test]
fn rules_are_merged_in_order_and_exclude_wins() {
    let config = config(&and(
        r#""tables":{"include":["shop.*","crm.a*"],"exclude":["*_archive"],
           "rules":[{"match":"*","full_diff":true},{"match":"shop.users","keep_local":true},{"match":"u*","full_diff":false}]}"#,
    ));
    assert!(config.selects(&ObjectName::new("shop", "users")));
    assert!(!config.selects(&ObjectName::new("shop", "users_archive")));
    assert!(!config.selects(&ObjectName::new("crm", "users")));
    assert!(config.selects(&ObjectName::new("crm", "accounts")));
    assert!(!config.selects(&ObjectName::new("crm", "Accounts")));
    let rule = config.rule_for(&ObjectName::new("shop", "users"));
    assert_eq!((rule.full_diff, rule.keep_local), (false, true));
    let rule = config.rule_for(&ObjectName::new("shop", "orders"));
    assert_eq!((rule.full_diff, rule.keep_local), (true, false));
}

#[test]
fn a_literal_password_that_others_can_read_is_warned_of() {
    let text = with(
        "\"user\":\"readonly\"",
        "\"user\":\"readonly\",\"password\":\"s3cret\"",
    );
    let loaded = read("c.json", &text).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("remote.password"));
    assert!(!format!("{loaded:?}").contains("s3cret"));
}

#[test]
fn renamed_databases_and_masks_are_read() {
    let config = config(&with(
        "[\"shop\"]",
        "[{\"remote\":\"crm\",\"local\":\"crm_dev\"}]",
    ));
    assert_eq!(config.databases[0].remote(), "crm");
    assert_eq!(config.databases[0].local(), "crm_dev");
    assert!(matches!(config.databases[0], DatabaseName::Renamed(_)));
    let mask: Mask = serde_json::from_str(r#"{"sql":"LEFT(x, 1)"}"#).unwrap();
    assert!(matches!(mask.kind, MaskKind::Sql { unique: false, .. }));
}

/// Follows a reference into the schema's definitions.
fn resolved<'s>(
    schema: &'s serde_json::Value,
    part: &'s serde_json::Value,
) -> &'s serde_json::Value {
    match part["$ref"].as_str() {
        Some(place) => schema.pointer(place.trim_start_matches('#')).unwrap(),
        None => part,
    }
}

/// Written out, the defaults that editors show change nothing.
#[test]
fn the_schemas_defaults_are_the_types_defaults() {
    use serde_json::{Value, json};
    let schema = super::json_schema().to_value();
    let mut written = serde_json::from_str::<Value>(LEAST).unwrap();
    let mut defaults = 0;
    for (section, part) in schema["properties"].as_object().unwrap() {
        let part = resolved(&schema, part);
        for (key, value) in part["properties"].as_object().into_iter().flatten() {
            let Some(default) = value.get("default") else {
                continue;
            };
            if written.get(section).is_none() {
                written[section] = json!({});
            }
            if written[section].get(key).is_none() {
                written[section][key] = default.clone();
                defaults += 1;
            }
        }
    }
    assert!(defaults > 20, "{defaults}");
    assert_eq!(config(&written.to_string()), config(LEAST));
}

#[test]
fn the_schema_refuses_what_the_types_refuse() {
    let schema = super::json_schema().to_value();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["required"],
        serde_json::json!(["ssh", "remote", "local", "databases"])
    );
    for (section, part) in schema["properties"].as_object().unwrap() {
        let part = resolved(&schema, part);
        if part["type"] == "object" {
            assert_eq!(part["additionalProperties"], false, "{section}");
        }
    }
}
