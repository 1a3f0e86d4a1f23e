//! `driftwarden doctor`: walks the whole chain and says what is wrong with it.

mod checks;

use super::{Context, setup};
use crate::cli::DoctorArgs;
use crate::refusal;
use anyhow::{Context as _, Result};
use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failure,
    /// Not reached, because something before it failed.
    Skipped,
}

/// One check and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }
    fn warning(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Warning,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
    fn failure(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Failure,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
    fn skipped(name: &'static str, because: &str) -> Self {
        Self {
            name,
            status: Status::Skipped,
            detail: format!("not checked: {because}"),
            remedy: None,
        }
    }
    fn error(name: &'static str, error: &anyhow::Error) -> Self {
        let remedy = refusal::remedy_of(error).unwrap_or("see the log for more");
        Self::failure(name, refusal::summary(error), remedy)
    }
}

/// Runs the command. Warnings exit 0, failures 1.
///
/// # Errors
/// When the result cannot be written.
pub fn run(args: &DoctorArgs, context: &mut Context<'_>) -> Result<u8> {
    let mut checks = Vec::new();
    match setup::begin(context) {
        Ok(loaded) => {
            checks.push(checks::config(&loaded));
            checks::remote_and_local(&loaded.config, &mut checks);
            checks.push(checks::git(&loaded.config));
        }
        Err(error) => {
            checks.push(Check::error("config", &error));
            for name in [
                "ssh",
                "remote login",
                "remote grants",
                "snapshot",
                "personal data",
                "local login",
                "local_infile",
                "git",
            ] {
                checks.push(Check::skipped(name, "the config cannot be read"));
            }
        }
    }
    let failed = checks.iter().any(|check| check.status == Status::Failure);
    if args.json {
        let value = serde_json::json!({ "ok": !failed, "checks": checks });
        serde_json::to_writer_pretty(&mut *context.out, &value).context("writing JSON")?;
        writeln!(context.out)?;
    } else {
        for check in &checks {
            let word = match check.status {
                Status::Ok => "ok",
                Status::Warning => "warning",
                Status::Failure => "failure",
                Status::Skipped => "skipped",
            };
            writeln!(context.out, "{word:8} {}: {}", check.name, check.detail)?;
            if let Some(remedy) = &check.remedy {
                writeln!(context.out, "         next: {remedy}")?;
            }
        }
    }
    Ok(u8::from(failed))
}
