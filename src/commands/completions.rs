//! `driftwarden completions` and `driftwarden man`: made from the command line's own types.

use super::Context;
use crate::cli::{Cli, CompletionsArgs};
use anyhow::Result;
use clap::CommandFactory;

/// Prints a shell's completion script.
///
/// # Errors
/// When printing fails.
pub fn run(args: &CompletionsArgs, context: &mut Context<'_>) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "driftwarden", &mut script);
    context.out.write_all(&script)?;
    Ok(0)
}

/// Prints the man page: the program's, then one section per command.
///
/// # Errors
/// When printing fails.
pub fn run_man(context: &mut Context<'_>) -> Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    for command in Cli::command().get_subcommands() {
        let name = format!("driftwarden {}", command.get_name());
        let man = clap_mangen::Man::new(command.clone().name(name));
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    context.out.write_all(&page)?;
    Ok(0)
}
