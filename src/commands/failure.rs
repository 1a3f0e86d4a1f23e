//! Persists what failed as an issue, and closes the issues of what succeeded.
//!
//! Must never turn a success into a failure, nor hide the failure that it records.

use super::Context;
use crate::cli::Command;
use crate::config::load::load;
use crate::config::{Config, Preview, rules::Patterns};
use crate::issues::{Issue, Report, Store};
use crate::refusal::exit_code_of;
use crate::schema::ObjectName;

/// Writes a failed command down. Refusals, usage and a config that cannot be read are no issues: the message says it all.
pub(super) fn record(command: &Command, error: &anyhow::Error, context: &mut Context<'_>) {
    let Some(name) = name(command) else { return };
    if exit_code_of(error) != 1 {
        return;
    }
    let Some(config) = config(context) else {
        return;
    };
    let values = config.plan.preview == Preview::Full;
    let report = Report::new(error, name, &command_line(), values);
    let store = Store::new(&config.issues);
    tracing::error!(
        command = name,
        error = crate::refusal::summary(error),
        "failed"
    );
    let said = match store.record(&report, context.now) {
        Ok(issue) => format!(
            "  issue: {} (seen {}): `driftwarden issues show {}`\n",
            store.path(&issue).display(),
            if issue.count == 1 {
                "once".to_owned()
            } else {
                format!("{} times", issue.count)
            },
            issue.fingerprint
        ),
        Err(failure) => format!("  warning: no issue was written: {failure:#}\n"),
    };
    drop(context.err.write_all(said.as_bytes()));
}

/// Marks the issues resolved whose step the command has passed.
pub(super) fn passed(command: &Command, code: u8, context: &mut Context<'_>) {
    // 0 and 2 of `plan`: both sides were read to the end. 4 of `apply`: some of it failed.
    let Some(name) = name(command).filter(|_| code == 0 || code == 2) else {
        return;
    };
    let Some(config) = config(context) else {
        return;
    };
    let only = match command {
        Command::Plan(args) => args.compare.tables.as_slice(),
        Command::Sync(args) => args.compare.tables.as_slice(),
        _ => &[],
    };
    let passed = |issue: &Issue| issue.command == name && covers(&config, only, issue);
    match Store::new(&config.issues).succeeded(passed, context.now) {
        Ok(resolved) if context.verbosity >= 0 => {
            for issue in resolved {
                drop(writeln!(
                    context.err,
                    "resolved issue {}: {}",
                    issue.id,
                    issue.title()
                ));
            }
        }
        Ok(_) => {}
        Err(failure) => {
            drop(writeln!(
                context.err,
                "warning: the issues could not be brought up to date: {failure:#}"
            ));
        }
    }
}

/// Returns whether a run over these tables (empty: all that the config selects) passed the issue's place.
fn covers(config: &Config, only: &[String], issue: &Issue) -> bool {
    let Some(table) = &issue.table else {
        return true;
    };
    let table = ObjectName::new(issue.database.clone().unwrap_or_default(), table.clone());
    config.selects(&table)
        && (only.is_empty()
            || Patterns::new(only.iter().map(String::as_str))
                .is_ok_and(|patterns| patterns.matches(&table)))
}

/// Returns the name of a command whose failures are issues: those that work with servers.
fn name(command: &Command) -> Option<&'static str> {
    match command {
        Command::Plan(_) => Some("plan"),
        Command::Apply(_) => Some("apply"),
        Command::Sync(_) => Some("sync"),
        Command::Revert(_) => Some("revert"),
        _ => None,
    }
}

fn config(context: &Context<'_>) -> Option<Config> {
    load(&context.config_path).ok().map(|loaded| loaded.config)
}

/// Returns the command line, quoted for a shell.
fn command_line() -> String {
    let mut words = vec!["driftwarden".to_owned()];
    words.extend(std::env::args().skip(1).map(|word| {
        let plain = !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./,=:@%+".contains(c));
        if plain {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    }));
    words.join(" ")
}
