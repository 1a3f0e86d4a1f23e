//! `driftwarden completions` and `driftwarden man`: made from the command line's own types.

use super::Context;
use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::nearest::nearest;
use crate::refusal::Problem;
use anyhow::{Context as _, Result};
use clap::{CommandFactory, ValueEnum as _};
use clap_complete::Shell;

/// Prints a shell's completion script.
///
/// # Errors
/// When printing fails.
pub fn run(args: &CompletionsArgs, context: &mut Context<'_>) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "driftwarden", &mut script);
    if args.shell == Shell::Fish {
        arguments_for_fish(&mut script);
    }
    context.out.write_all(&script)?;
    Ok(0)
}

/// Adds the words that stand as arguments, which fish is not told of by the generator.
fn arguments_for_fish(script: &mut Vec<u8>) {
    let command = Cli::command();
    let commands = command.get_subcommands().map(clap::Command::get_name);
    let commands: Vec<&str> = commands.collect();
    let shells = Shell::value_variants();
    let shells: Vec<String> = shells.iter().map(ToString::to_string).collect();
    for (name, words) in [
        ("completions", shells.join(" ")),
        ("man", commands.join(" ")),
    ] {
        let line = format!(
            "complete -c driftwarden -n \"__fish_driftwarden_using_subcommand {name}\" -f -a \"{words}\"\n"
        );
        script.extend_from_slice(line.as_bytes());
    }
}

/// Prints a man page, or writes them all into a folder.
///
/// # Errors
/// When there is no such command, or a page cannot be written.
pub fn run_man(args: &ManArgs, context: &mut Context<'_>) -> Result<u8> {
    let pages = pages()?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
        for (name, page) in &pages {
            let file = folder.join(format!("{name}.1"));
            std::fs::write(&file, page).with_context(|| format!("writing {}", file.display()))?;
        }
        context.notice(&format!("wrote {} pages", pages.len()))?;
        return Ok(0);
    }
    let wanted = args.command.as_ref().map_or_else(
        || "driftwarden".to_owned(),
        |command| format!("driftwarden-{command}"),
    );
    let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) else {
        let asked = args.command.as_deref().unwrap_or_default();
        let cli = Cli::command();
        let names = cli.get_subcommands().map(clap::Command::get_name);
        let remedy = match nearest(asked, names) {
            Some(name) => format!("did you mean `driftwarden man {name}`?"),
            None => "`driftwarden help` lists the commands".to_owned(),
        };
        return Err(Problem::new(format!("there is no command {asked:?}"), remedy).into());
    };
    context.out.write_all(page)?;
    Ok(0)
}

/// Returns every page with its name, the program's own first.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    // Gives every command the flags that all of them take, and its whole name.
    root.build();
    let mut pages = vec![("driftwarden".to_owned(), page(root.clone())?)];
    for command in root.get_subcommands() {
        let name = format!("driftwarden-{}", command.get_name());
        pages.push((name.clone(), page(command.clone().name(name))?));
    }
    Ok(pages)
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_flags_and_an_example() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "driftwarden");
        assert!(names.contains(&"driftwarden-plan") && names.contains(&"driftwarden-man"));
        for (name, page) in &pages {
            let text = String::from_utf8(page.clone()).unwrap();
            assert!(text.contains("Example"), "{name}");
            assert!(text.contains("\\-\\-config"), "{name}");
        }
    }

    #[test]
    fn completions_know_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "driftwarden", &mut script);
            if shell == Shell::Fish {
                arguments_for_fish(&mut script);
            }
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("powershell"), "{shell}");
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {command}");
            }
        }
    }
}
