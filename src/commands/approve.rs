//! `driftwarden approve` and `driftwarden deny`.

use super::{Context, setup};
use crate::cli::{ApproveArgs, DenyArgs};
use crate::plan::{Decision, Entry, Plan, digest, file};
use crate::review::{Decided, Reviewer, Selector, decide, from_file, waiting};
use anyhow::Result;
use nix::unistd::{Uid, User};
use std::path::Path;

/// Approves.
///
/// # Errors
/// When the plan cannot be read or was changed, when a selector matches nothing, when the plan cannot be written.
pub fn run(args: &ApproveArgs, context: &mut Context<'_>) -> Result<u8> {
    let what = if let Some(from) = &args.from {
        What::File(from)
    } else if args.all {
        What::Selectors(vec![Selector::All], Decision::Approve)
    } else if args.safe {
        What::Selectors(vec![Selector::Safe], Decision::Approve)
    } else {
        What::Selectors(parse(&args.selectors)?, Decision::Approve)
    };
    let reviewer = reviewer(args.by.as_deref(), args.note.as_deref());
    carry_out(&args.plan, &what, &reviewer, context)
}

/// Denies.
///
/// # Errors
/// As for [`run`].
pub fn run_deny(args: &DenyArgs, context: &mut Context<'_>) -> Result<u8> {
    let what = if let Some(from) = &args.from {
        What::File(from)
    } else if args.all {
        What::Selectors(vec![Selector::All], Decision::Deny)
    } else {
        What::Selectors(parse(&args.selectors)?, Decision::Deny)
    };
    let reviewer = reviewer(args.by.as_deref(), args.note.as_deref());
    carry_out(&args.plan, &what, &reviewer, context)
}

/// Returns who decides: the name given, otherwise the user's.
pub fn reviewer(by: Option<&str>, note: Option<&str>) -> Reviewer {
    let user = || {
        ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok())
            .filter(|name| !name.is_empty())
            .or_else(account)
    };
    Reviewer {
        by: by.map(str::to_owned).or_else(user),
        note: note.map(str::to_owned),
    }
}

/// Returns the name of the account that runs this, for where no variable tells (a container, a timer).
fn account() -> Option<String> {
    let user = User::from_uid(Uid::current()).ok().flatten();
    user.map(|user| user.name).filter(|name| !name.is_empty())
}

enum What<'a> {
    File(&'a Path),
    Selectors(Vec<Selector>, Decision),
}

fn parse(selectors: &[String]) -> Result<Vec<Selector>> {
    selectors.iter().map(|text| Selector::parse(text)).collect()
}

fn carry_out(
    path: &Path,
    what: &What<'_>,
    reviewer: &Reviewer,
    context: &mut Context<'_>,
) -> Result<u8> {
    setup::begin_without_servers(context)?;
    let mut plan = file::read(path)?;
    digest::verify(&plan)?;
    let (decided, word) = match what {
        What::File(from) => {
            let decisions = from_file::read(from)?;
            (from_file::decide_all(&mut plan, &decisions)?, "decided")
        }
        What::Selectors(selectors, decision) => (
            decide(&mut plan, selectors, *decision)?,
            if *decision == Decision::Deny {
                "denied"
            } else {
                "approved"
            },
        ),
    };
    reviewer.sign(&mut plan.review, context.now);
    file::save_decisions(path, &plan)?;
    tracing::info!(
        plan = plan.id.as_str(),
        changes = decided.set.len(),
        decision = word,
        "decided"
    );
    report(path, &plan, &decided, word, context)
}

/// Names the entries that a wider selector did not approve, with the command that does.
///
/// # Errors
/// When printing fails.
pub(super) fn passed_by(decided: &Decided, path: &Path, context: &mut Context<'_>) -> Result<()> {
    let path = path.display();
    for id in &decided.passed_by {
        writeln!(
            context.out,
            "left out, needs its own approval: {id}\n  driftwarden approve {path} {id}"
        )?;
    }
    Ok(())
}

fn report(
    plan_path: &Path,
    plan: &Plan,
    decided: &Decided,
    word: &str,
    context: &mut Context<'_>,
) -> Result<u8> {
    let path = plan_path.display();
    if context.verbosity >= 0 {
        let count = decided.set.len();
        writeln!(
            context.out,
            "{word} {count} (the plan has {})",
            match plan.entries.len() {
                1 => "1 change".to_owned(),
                changes => format!("{changes} changes"),
            }
        )?;
        if count <= 10 || context.verbosity > 0 {
            for id in &decided.set {
                writeln!(context.out, "  {id}")?;
            }
        }
    }
    for (id, reasons) in &decided.destructive {
        writeln!(
            context.out,
            "destructive, approved: {id}: {}",
            reasons.join("; ")
        )?;
    }
    for id in &decided.overruled {
        writeln!(context.out, "was denied, now approved: {id}")?;
    }
    if word == "approved" {
        for id in &decided.set {
            let denied = plan.entry(id).map_or(0, denied_rows);
            if denied > 0 {
                writeln!(
                    context.out,
                    "still denied: {denied} rows of {id}, by decisions of their own"
                )?;
            }
        }
    }
    passed_by(decided, plan_path, context)?;
    let waiting = waiting(plan);
    for entry in &waiting {
        let needs: Vec<String> = entry
            .needs
            .iter()
            .map(|(id, decision)| match decision {
                Decision::Deny => format!("{id} (denied)"),
                _ => format!("{id} (pending)"),
            })
            .collect();
        writeln!(
            context.out,
            "apply will refuse {}: it depends on {}",
            entry.id,
            needs.join(", ")
        )?;
    }
    if !waiting.is_empty() {
        let mut ids: Vec<&str> = Vec::new();
        for (id, _) in waiting.iter().flat_map(|entry| &entry.needs) {
            if !ids.contains(&id.as_str()) {
                ids.push(id);
            }
        }
        writeln!(
            context.out,
            "  driftwarden approve {path} {}",
            ids.join(" ")
        )?;
    }
    if context.verbosity >= 0 && plan.any_approved() {
        writeln!(context.out, "next: driftwarden apply {path}")?;
    }
    Ok(0)
}

fn denied_rows(entry: &Entry) -> usize {
    let own = entry.rows.iter().filter_map(|row| row.decision);
    own.chain(entry.row_decisions.values().copied())
        .filter(|decision| *decision == Decision::Deny)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan;
    use time::macros::datetime;

    fn run_on(path: &Path, what: &What<'_>) -> Result<String> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut context = Context {
            progress: crate::commands::Progress::default(),
            out: &mut out,
            err: &mut err,
            color: false,
            config_path: "config/config.json".into(),
            verbosity: 0,
            now: datetime!(2026-11-24 08:00 UTC),
            interactive: false,
        };
        let reviewer = reviewer(Some("ann"), None);
        carry_out(path, what, &reviewer, &mut context)?;
        let folder = path.parent().unwrap().display().to_string();
        Ok(String::from_utf8(out).unwrap().replace(&folder, "plans"))
    }

    #[test]
    fn says_what_was_approved_and_what_apply_will_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        file::write(&path, &plan()).unwrap();
        let ids = parse(&["shop.users.update".into(), "shop.users.contract".into()]).unwrap();
        let said = run_on(&path, &What::Selectors(ids, Decision::Approve)).unwrap();
        insta::assert_snapshot!(said, @r"
        approved 2 (the plan has 4 changes)
          shop.users.update
          shop.users.contract
        destructive, approved: shop.users.contract: drops column `legacy`
        apply will refuse shop.users.update: it depends on shop.users.expand (pending)
          driftwarden approve plans/p.json shop.users.expand
        next: driftwarden apply plans/p.json
        ");
        let plan = file::read(&path).unwrap();
        assert_eq!(plan.review.by.as_deref(), Some("ann"));
        assert_eq!(plan.review.at.as_deref(), Some("2026-11-24T08:00:00Z"));
    }

    #[test]
    fn a_plan_that_was_changed_is_not_approved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        let mut edited = plan();
        edited.entries[0].sql[0].push_str(", DROP COLUMN `email`");
        file::write(&path, &edited).unwrap();
        let all = What::Selectors(vec![Selector::All], Decision::Approve);
        let error = run_on(&path, &all).unwrap_err();
        assert_eq!(crate::refusal::exit_code_of(&error), 3);
        assert!(!file::read(&path).unwrap().any_approved());
    }
}
