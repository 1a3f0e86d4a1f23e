//! The command line, parsed and explained.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_well_formed_and_every_command_has_an_example() {
    Cli::command().debug_assert();
    let mut command = Cli::command();
    command.build();
    // `help` is clap's own.
    for command in command
        .get_subcommands_mut()
        .filter(|it| it.get_name() != "help")
    {
        let inner = command.get_subcommands().cloned().collect::<Vec<_>>();
        for mut command in std::iter::once(command.clone()).chain(inner) {
            // What clap makes itself.
            if command.get_name() == "help" {
                continue;
            }
            let help = command.render_help().to_string();
            assert!(help.contains("Example"), "{help}");
            // An example is copied as a line: none is broken.
            assert!(help.lines().all(|line| line.len() <= 100), "{help}");
        }
    }
}

#[test]
fn help_is_for_people() {
    let help = |path: &[&str]| {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut at = &mut command;
        for name in path {
            at = at.find_subcommand_mut(name).unwrap();
        }
        at.render_help().to_string()
    };
    insta::assert_snapshot!(help(&[]), @r"
    Brings local MySQL and MariaDB databases up to date with production: plan, review, apply

    Usage: driftwarden [OPTIONS] <COMMAND>

    Commands:
      init         Write config/config.json from the template, and make plans/, issues/ and logs/
      doctor       Walk the whole chain (config, ssh, logins, grants, git) and name a remedy for each
                   failure
      plan         Read both sides and write a plan; changes nothing
      show         Render a plan
      review       Decide on a plan's changes one by one, at the terminal or in an editor
      approve      Approve changes of a plan
      deny         Deny changes of a plan
      validate     Check plan files offline: structure, id, digest, payloads
      prune        Remove plans, payloads and undo records older than plan.keep
      apply        Execute the approved entries of a plan on the local server
      sync         Plan, review at the terminal and apply in one go
      revert       Write a new plan that undoes what applying a plan did
      issues       List, show and resolve the persisted issues
      completions  Print a shell completion script
      man          Print a man page, or write all of them into a folder
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --config <FILE>  The config file; .yaml and .yml are read as YAML [default:
                           config/config.json]
          --color <WHEN>   Use colour: auto, always or never; `NO_COLOR` is honoured [default: auto]
      -v, --verbose...     Say more (twice for still more)
      -q, --quiet          Say only what was asked for and what went wrong

    Example:
      driftwarden init && driftwarden doctor
      driftwarden plan
      driftwarden approve plans/20261124T061500Z-3f9a1c2b.json --safe
      driftwarden apply plans/20261124T061500Z-3f9a1c2b.json

    Exit codes: 0 done, 1 failed, 2 there are changes (plan --detailed-exitcode), 3 refused and nothing
    executed, 4 some approved entries were executed and others were not.
    ");
    insta::assert_snapshot!(help(&["approve"]), @r#"
    Approve changes of a plan

    Usage: driftwarden approve [OPTIONS] <PLAN> [SELECTOR]...

    Arguments:
      <PLAN>         The plan file
      [SELECTOR]...  What to approve: an id, a glob of ids, or ENTRY#ROW

    Options:
          --all          Every entry; lists the destructive ones it approved
          --safe         Every entry without risk
          --from <FILE>  Read selectors and decisions from this JSON or YAML file: {"SELECTOR":
                         "approve"|"deny"|"pending"}
          --by <NAME>    Who decides, kept with the decisions [default: the user's name]
          --note <TEXT>  Why, kept with the decisions
      -h, --help         Print help

    Global options:
          --config <FILE>  The config file; .yaml and .yml are read as YAML [default:
                           config/config.json]
          --color <WHEN>   Use colour: auto, always or never; `NO_COLOR` is honoured [default: auto]
      -v, --verbose...     Say more (twice for still more)
      -q, --quiet          Say only what was asked for and what went wrong

    Examples:
      driftwarden approve plans/20261124T061500Z-3f9a1c2b.json --safe
      driftwarden approve plans/20261124T061500Z-3f9a1c2b.json shop.users.expand 'shop.orders.*'
      driftwarden approve plans/20261124T061500Z-3f9a1c2b.json 'shop.users.update#2' --note 'agreed'

    SELECTOR: an entry's id, a glob of ids, or ENTRY#ROW for one row. An entry that needs its own
    approval is approved by its exact id only.
    "#);
}

#[test]
fn what_does_not_go_together_is_a_usage_error() {
    let wrong = |line: &str| Cli::try_parse_from(line.split(' ')).is_err();
    assert!(wrong("driftwarden approve p.json"));
    assert!(wrong("driftwarden approve p.json --all --safe"));
    assert!(wrong("driftwarden approve p.json --all shop.x"));
    assert!(wrong("driftwarden plan --schema-only --data-only"));
    assert!(wrong("driftwarden -v -q plan"));
    assert!(!wrong(
        "driftwarden plan --tables a,b --full-diff 'x.*' --config c.yaml"
    ));
    assert!(!wrong("driftwarden deny p.json --from d.json"));
}
