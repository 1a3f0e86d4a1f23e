//! One file per command; each reads like a table of contents. Here: the process around them.
//!
//! The only place that reads the clock, the environment and the terminal; must never build SQL.

pub mod apply;
pub mod approve;
mod bars;
pub mod completions;
pub mod doctor;
mod failure;
mod figures;
pub mod init;
pub mod issues;
pub mod pager;
pub mod plan;
pub mod prune;
pub mod revert;
pub mod review;
pub mod setup;
pub mod show;
pub mod sync;
pub mod validate;

use crate::cli::{Cli, ColorChoice, Command, Global};
use crate::interrupt;
use crate::refusal::{self, exit_code_of, remedy_of};
use crate::schema::ObjectName;
use anyhow::Result;
use clap::Parser;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use time::OffsetDateTime;

/// What every command is handed: where to print, and what the process knows of its surroundings.
pub struct Context<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Progress, notices, prompts.
    pub err: &'a mut dyn Write,
    /// Whether results are coloured.
    pub color: bool,
    /// The config file.
    pub config_path: PathBuf,
    /// -1 quiet, 0 normal, 1 and more verbose.
    pub verbosity: i8,
    /// The time the command began.
    pub now: OffsetDateTime,
    /// Whether a person can be asked: standard input and error are a terminal.
    pub interactive: bool,
    /// How far the command has come.
    pub progress: Progress,
}

/// How far a command has come: where a failure is filed, and which issues a success resolves.
#[derive(Debug, Default)]
pub struct Progress {
    /// The phases begun, the last one under way. Without one, what fails is how the command was called.
    pub phases: Vec<&'static str>,
    /// The tables that were worked on to the end, by their remote names.
    pub tables: BTreeSet<ObjectName>,
}

impl Context<'_> {
    /// Says something beside the result, unless the user wants quiet.
    ///
    /// # Errors
    /// When standard error cannot be written to.
    pub fn notice(&mut self, text: &str) -> Result<()> {
        if self.verbosity >= 0 {
            writeln!(self.err, "{text}")?;
        }
        Ok(())
    }

    /// Notes that a phase of the work begins.
    pub fn at(&mut self, phase: &'static str) {
        tracing::info!(phase, "begun");
        self.progress.phases.push(phase);
    }

    /// Asks the person at the terminal; an end of input is an empty answer.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn ask(&mut self, question: &str) -> Result<String> {
        write!(self.err, "{question}")?;
        self.err.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        interrupt::check()?;
        Ok(answer)
    }
}

/// Runs the process: parses the arguments, runs the command, prints its error; returns the exit code.
pub fn main() -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are results; a usage error exits 1, never 2 (2 means "there are changes").
            drop(usage.print());
            return ExitCode::from(u8::from(usage.use_stderr()));
        }
    };
    if let Err(error) = interrupt::install() {
        drop(err.write_all(describe(&error).as_bytes()));
        return ExitCode::FAILURE;
    }
    #[cfg(debug_assertions)]
    if let Some(steps) = std::env::var("DRIFTWARDEN_FAULT")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        crate::fault::arm(steps);
    }
    let mut context = Context {
        progress: Progress::default(),
        color: color(&cli.global),
        config_path: cli.global.config.clone(),
        verbosity: verbosity(&cli.global),
        now: OffsetDateTime::now_utc(),
        interactive: std::io::stdin().is_terminal() && err.is_terminal(),
        out: &mut out,
        err: &mut err,
    };
    let begun = Instant::now();
    let ended = run(&cli.command, &mut context).and_then(|code| {
        context.out.flush()?;
        Ok(code)
    });
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let exit_code = ended.as_ref().map_or_else(exit_code_of, |code| *code);
    tracing::info!(exit_code, milliseconds, "ended");
    match ended {
        Ok(code) => {
            failure::passed(&cli.command, code, &mut context);
            ExitCode::from(code)
        }
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            drop(context.err.write_all(describe(&error).as_bytes()));
            if refusal::find::<interrupt::Interrupted>(&error).is_some() {
                return ExitCode::from(interrupt::EXIT_CODE);
            }
            failure::record(&cli.command, &error, &mut context);
            ExitCode::from(exit_code_of(&error))
        }
    }
}

/// Runs one command; returns the exit code.
///
/// # Errors
/// Whatever the command fails with; `refusal` tells the exit code and the next step.
pub fn run(command: &Command, context: &mut Context<'_>) -> Result<u8> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Plan(args) => plan::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Review(args) => review::run(args, context),
        Command::Approve(args) => approve::run(args, context),
        Command::Deny(args) => approve::run_deny(args, context),
        Command::Validate(args) => validate::run(args, context),
        Command::Prune(args) => prune::run(args, context),
        Command::Apply(args) => apply::run(args, context),
        Command::Sync(args) => sync::run(args, context),
        Command::Revert(args) => revert::run(args, context),
        Command::Issues(args) => issues::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(args) => completions::run_man(args, context),
    }
}

/// Returns an error as the user reads it: what failed, the causes, and the next step.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Drivers and wrappers like to repeat their source's text.
        if !said.contains(&cause) {
            let _ = writeln!(text, "  because: {}", cause.replace('\n', "\n    "));
            said = cause;
        }
    }
    if let Some(remedy) = remedy_of(error) {
        let _ = writeln!(text, "  next: {}", remedy.replace('\n', "\n    "));
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}

fn color(global: &Global) -> bool {
    match global.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

fn verbosity(global: &Global) -> i8 {
    if global.quiet {
        -1
    } else {
        i8::try_from(global.verbose).unwrap_or(i8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;
    use anyhow::Context as _;

    #[test]
    fn an_error_is_said_with_its_causes_and_the_next_step() {
        let error = Err::<(), _>(Refusal::new("the plan is 9 days old", "driftwarden plan"))
            .context("cannot apply plans/x.json")
            .unwrap_err();
        assert_eq!(
            describe(&error),
            "error: cannot apply plans/x.json\n  because: the plan is 9 days old\n  next: driftwarden plan\n"
        );
        assert_eq!(exit_code_of(&error), 3);
    }

    #[test]
    fn a_broken_pipe_is_known_through_context() {
        let error = anyhow::Error::from(std::io::Error::from(ErrorKind::BrokenPipe)).context("x");
        assert!(is_broken_pipe(&error));
    }
}
