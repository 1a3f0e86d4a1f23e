//! What the types alone cannot say about a config: values that exclude each other, names, globs.

use super::rules::Patterns;
use super::{Config, DatabaseName, MaskKind, TableRule};
use crate::sql::rule::{self, Clock, RuleError};
use std::collections::BTreeMap;

/// Databases that are the server's own.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Returns the first thing that is wrong.
pub(super) fn check(config: &Config) -> Result<(), String> {
    ssh(config)?;
    passwords(config)?;
    local(config)?;
    databases(&config.databases)?;
    let tables = &config.tables;
    globs("tables.include", &tables.include)?;
    globs("tables.exclude", &tables.exclude)?;
    for (place, rule) in tables.rules.iter().enumerate() {
        glob(&format!("tables.rules[{place}].match"), &rule.pattern)?;
        expressions(place, rule)?;
    }
    if config.deletes.max_percent > 100 {
        return Err(format!(
            "`deletes.max_percent`: found {}, expected a percentage from 0 to 100",
            config.deletes.max_percent
        ));
    }
    let limits = &config.remote_limits;
    for (key, number) in [
        ("connections", limits.connections),
        ("max_threads_running", limits.max_threads_running),
    ] {
        if number == 0 {
            return Err(format!(
                "`remote_limits.{key}`: found 0, expected at least 1"
            ));
        }
    }
    for (key, span) in [
        ("chunk_time", limits.chunk_time),
        ("max_execution_time", limits.max_execution_time),
    ] {
        if span.0.is_zero() {
            return Err(format!(
                "`remote_limits.{key}`: found no time at all, expected more"
            ));
        }
    }
    if !LEVELS.contains(&config.log.level.as_str()) {
        return Err(format!(
            "`log.level`: found \"{}\", expected one of \"{}\"",
            config.log.level,
            LEVELS.join("\", \"")
        ));
    }
    Ok(())
}

/// The SQL of a rule, as far as it can be told without a table.
fn expressions(place: usize, rule: &TableRule) -> Result<(), String> {
    let wrong = |key: &str, why: RuleError| format!("`tables.rules[{place}].{key}`: {why}");
    if let Some(text) = &rule.filter {
        rule::parse(text, Clock::ANY).map_err(|why| wrong("where", why))?;
    }
    for (column, mask) in rule.mask.iter().flatten() {
        if let MaskKind::Sql { text, .. } = &mask.kind {
            rule::parse(text, Clock::Stopped)
                .map_err(|why| wrong(&format!("mask.{column}.sql"), why))?;
        }
    }
    Ok(())
}

fn ssh(config: &Config) -> Result<(), String> {
    let ssh = &config.ssh;
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && !text.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    if !plain(&ssh.host) {
        return Err(format!(
            "`ssh.host`: found \"{}\", expected a host name or an alias of your ssh config",
            ssh.host
        ));
    }
    match &ssh.user {
        Some(user) if !plain(user) => Err(format!(
            "`ssh.user`: found \"{user}\", expected a user name"
        )),
        _ => Ok(()),
    }
}

fn passwords(config: &Config) -> Result<(), String> {
    let sides = [
        ("remote", config.remote.password_source()),
        ("local", config.local.password_source()),
    ];
    for (section, source) in sides {
        let given: Vec<&str> = [
            ("password_env", source.variable.is_some()),
            ("password_command", source.command.is_some()),
            ("defaults_file", source.defaults_file.is_some()),
            ("password", source.literal.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_given)| is_given.then_some(key))
        .collect();
        if given.len() > 1 {
            return Err(format!(
                "`{section}`: found `{}`, expected only one of them",
                given.join("` and `")
            ));
        }
    }
    Ok(())
}

fn local(config: &Config) -> Result<(), String> {
    let local = &config.local;
    match (&local.socket, &local.host, local.port) {
        (Some(_), Some(_), _) => {
            Err("`local`: found `socket` and `host`, expected only one of them".into())
        }
        (Some(_), None, Some(_)) => {
            Err("`local`: found `socket` and `port`, expected `port` only with `host`".into())
        }
        (None, None, _) => {
            Err("`local`: found neither `socket` nor `host`, expected one of them".into())
        }
        _ => Ok(()),
    }
}

fn databases(databases: &[DatabaseName]) -> Result<(), String> {
    if databases.is_empty() {
        return Err("`databases`: found an empty list, expected at least one database".into());
    }
    let mut locals = BTreeMap::new();
    let mut remotes = BTreeMap::new();
    for (place, database) in databases.iter().enumerate() {
        let (remote, local) = (database.remote(), database.local());
        if remote.is_empty() || local.is_empty() {
            return Err(format!("`databases[{place}]`: found an empty name"));
        }
        if let Some(system) = [remote, local].into_iter().find(|name| {
            SYSTEM
                .iter()
                .any(|system| name.eq_ignore_ascii_case(system))
        }) {
            return Err(format!(
                "`databases[{place}]`: found \"{system}\", which is the server's own, expected a database of yours"
            ));
        }
        if let Some(before) = locals.insert(local, place) {
            return Err(format!(
                "`databases[{place}]`: the local name \"{local}\" is taken by `databases[{before}]`; two databases \
                 cannot go to one local name"
            ));
        }
        if let Some(before) = remotes.insert(remote, place) {
            return Err(format!(
                "`databases[{place}]`: the remote database \"{remote}\" is already `databases[{before}]`"
            ));
        }
    }
    Ok(())
}

fn globs(key: &str, patterns: &[String]) -> Result<(), String> {
    patterns
        .iter()
        .enumerate()
        .try_for_each(|(place, pattern)| glob(&format!("{key}[{place}]"), pattern))
}

fn glob(key: &str, pattern: &str) -> Result<(), String> {
    Patterns::new([pattern])
        .map(drop)
        .map_err(|why| format!("`{key}`: found \"{pattern}\", expected a glob ({why})"))
}
