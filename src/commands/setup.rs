//! What every command that works with servers begins with: the config, its warnings, the log, notices.

use super::{Context, failure};
use crate::config::load::{Loaded, load};
use crate::connect::Notice;
use crate::log;
use anyhow::Result;
use std::io::IsTerminal as _;
use std::sync::Arc;
use time::macros::format_description;

/// Reads the config, says its warnings, and starts the log.
///
/// # Errors
/// What is wrong with the config. A log that cannot be written is a warning.
pub fn begin(context: &mut Context<'_>) -> Result<Loaded> {
    let loaded = load(&context.config_path)?;
    if context.verbosity >= 0 {
        for warning in &loaded.warnings {
            writeln!(context.err, "warning: {warning}")?;
        }
    }
    start_log(&loaded, context)?;
    Ok(loaded)
}

/// Starts the log where a config says where it is: for commands that need none, on whatever machine.
///
/// # Errors
/// When standard error cannot be written.
pub fn begin_without_servers(context: &mut Context<'_>) -> Result<()> {
    match load(&context.config_path) {
        Ok(loaded) => start_log(&loaded, context),
        Err(_) => Ok(()),
    }
}

fn start_log(loaded: &Loaded, context: &mut Context<'_>) -> Result<()> {
    let stamp = context
        .now
        .format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap_or_default();
    let run = format!("{stamp}-{}", std::process::id());
    // Whether colour is wanted was asked of standard output: a log that goes to a file has none all the same.
    let color = context.color && std::io::stderr().is_terminal();
    if let Err(failure) = log::start(&loaded.config.log, context.verbosity, color, &run) {
        writeln!(context.err, "warning: no log is written: {failure:#}")?;
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        command = failure::command_line(),
        "started"
    );
    Ok(())
}

/// Returns what tells the user of further attempts, on standard error.
pub fn notice(context: &Context<'_>) -> Notice {
    let quiet = context.verbosity < 0;
    Arc::new(move |line: &str| {
        if !quiet {
            super::bars::line(line);
        }
    })
}
