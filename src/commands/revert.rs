//! `driftwarden revert`: writes the plan that undoes what applying another did, says what it leaves alone and what to do
//! next.
//!
//! Must never change anything on local, but for a scratch schema that is dropped at once, and never open the remote.

use super::{Context, setup};
use crate::apply::execute;
use crate::apply::revert::{self, Left, Request};
use crate::cli::RevertArgs;
use crate::connect::LocalSession;
use crate::plan::payload::PayloadFolder;
use crate::plan::{digest, file};
use crate::render::escape::line;
use crate::render::{View, text};
use anyhow::Result;
use std::sync::Arc;
use time::format_description::well_known::Rfc3339;

const MAKING: &str = "looking at what the apply did";

/// Runs the command.
///
/// # Errors
/// A refusal where the plan was not applied from here, or its undo record is damaged; what the local server says.
pub fn run(args: &RevertArgs, context: &mut Context<'_>) -> Result<u8> {
    let config = setup::begin(context)?.config;
    let plan = file::read(&args.plan)?;
    digest::verify(&plan)?;
    if let Some(out) = &args.out {
        file::check_target(out)?;
    }
    let directory = args
        .out
        .as_deref()
        .map_or_else(|| config.plan.directory.clone(), file::folder_of);
    let notice = setup::notice(context);
    let mut local = LocalSession::open_patiently(&config, Arc::clone(&notice))?;
    let mut second = LocalSession::open_patiently(&config, Arc::clone(&notice))?;
    // What an apply is at work on has no state to go back from.
    execute::lock(&mut local, &plan)?;
    let created_at = context.now.replace_nanosecond(0)?.format(&Rfc3339)?;
    // It only reads, and what it lays out is gone with its scratch schema: where a connection breaks it begins anew, with
    // a folder that holds no payload of the attempt before.
    let (mut reverted, folder) = local.patience().run(MAKING, |first| {
        if !first {
            local.renew()?;
            second.renew()?;
        }
        let folder = PayloadFolder::new(&directory);
        let request = Request {
            plan: &plan,
            path: &args.plan,
            created_at: created_at.clone(),
            folder: &folder,
            inline_rows: config.plan.inline_rows,
            preview: config.plan.preview,
            deletes: &config.deletes,
        };
        let reverted = revert::make(&request, &mut local, &mut second)?;
        Ok((reverted, folder))
    })?;
    file::take_free_id(&directory, &mut reverted.plan)?;
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| file::path_in(&directory, &reverted.plan));
    // The payloads first: a plan file never stands there without them.
    folder.publish(&reverted.plan.id)?;
    file::write(&path, &reverted.plan)?;

    let mut view = View::new(&reverted.plan, Some(&path));
    view.color = context.color;
    text::plan(&view, context.out)?;
    print_left(&reverted.left, context)?;
    writeln!(
        context.out,
        "\nSaved the plan to: {}",
        line(&path.display().to_string())
    )?;
    write!(context.out, "{}", text::next_steps(&reverted.plan, &path))?;
    Ok(0)
}

fn print_left(left: &[Left], context: &mut Context<'_>) -> Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    writeln!(context.out, "\nLeft as it is:")?;
    for left in left {
        writeln!(
            context.out,
            "  {}: {}",
            line(&left.object),
            line(&left.reason)
        )?;
        for example in &left.examples {
            writeln!(context.out, "      {}", line(example))?;
        }
    }
    Ok(())
}
