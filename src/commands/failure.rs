//! Persists what failed as an issue, and closes the issues of what succeeded.
//!
//! Must never turn a success into a failure, nor hide the failure that it records.

use super::Context;
use crate::cli::Command;
use crate::config::load::load;
use crate::config::{Config, Preview};
use crate::issues::{Issue, Report, Store};
use crate::refusal::{exit_code_of, summary, without_values};
use crate::schema::ObjectName;

/// Writes a failed command down. Refusals, and what fails before the work has begun (usage, a config that cannot be
/// read), are no issues: the message says it all.
pub(super) fn record(command: &Command, error: &anyhow::Error, context: &mut Context<'_>) {
    let Some(name) = name(command) else { return };
    if exit_code_of(error) != 1 {
        return;
    }
    write(name, error, context);
}

/// Writes down what failed within a command that goes on.
pub(super) fn note(name: &str, error: &anyhow::Error, context: &mut Context<'_>) {
    write(name, error, context);
}

fn write(name: &str, error: &anyhow::Error, context: &mut Context<'_>) {
    let Some(phase) = context.progress.phases.last() else {
        return;
    };
    let Some(config) = config(context) else {
        return;
    };
    let values = config.plan.preview == Preview::Full;
    let report = Report::new(error, phase, name, &command_line(), values);
    let store = Store::new(&config.issues);
    tracing::error!(
        command = name,
        phase,
        object = report.step.to_string(),
        error = without_values(&summary(error)),
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

/// Marks the issues resolved whose step a command has passed.
pub(super) fn passed(command: &Command, code: u8, context: &mut Context<'_>) {
    // 0 and 2 of `plan`: both sides were read to the end. 4 of `apply`: some of it failed, the tables passed did not.
    if name(command).is_none() || ![0, 2, 4].contains(&code) {
        return;
    }
    let Some(config) = config(context) else {
        return;
    };
    let progress = &context.progress;
    let passed = |issue: &Issue| {
        let phase = progress.phases.contains(&issue.phase.as_str());
        phase
            && match &issue.table {
                Some(table) => progress.tables.contains(&ObjectName::new(
                    issue.database.clone().unwrap_or_default(),
                    table.clone(),
                )),
                None => code != 4,
            }
    };
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
pub(super) fn command_line() -> String {
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
