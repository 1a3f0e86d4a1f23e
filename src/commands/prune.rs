//! `driftwarden prune`: removes what `plan.keep` no longer keeps, after listing it.

use super::{Context, setup};
use crate::cli::PruneArgs;
use crate::plan::{digest, file};
use crate::refusal::Problem;
use crate::render::escape::line;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Lists and removes plans, payloads and undo records that are older than `plan.keep`.
///
/// # Errors
/// When the config or the plan folder cannot be read, or a file cannot be removed.
pub fn run(args: &PruneArgs, context: &mut Context<'_>) -> Result<u8> {
    let config = setup::begin(context)?.config;
    let keep = time::Duration::try_from(config.plan.keep.0).unwrap_or(time::Duration::MAX);
    let Some(before) = context.now.checked_sub(keep) else {
        return nothing(context);
    };
    let old = find(&config.plan.directory, before)?;
    if old.is_empty() {
        return nothing(context);
    }
    for path in &old {
        writeln!(context.out, "{}", line(&path.display().to_string()))?;
    }
    if args.dry_run {
        writeln!(context.out, "would remove {}", old.len())?;
        return Ok(0);
    }
    for path in &old {
        let removed = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        removed.map_err(|error| {
            Problem::new(
                format!("cannot remove {}: {error}", path.display()),
                "check the folder's permissions and run `driftwarden prune` again",
            )
        })?;
    }
    writeln!(context.out, "removed {}", old.len())?;
    Ok(0)
}

fn nothing(context: &mut Context<'_>) -> Result<u8> {
    if context.verbosity >= 0 {
        writeln!(context.out, "nothing is older than plan.keep")?;
    }
    Ok(0)
}

/// Finds what is of driftwarden's own making and older than a time, in the order of names.
///
/// Of a plan file and the folder of its id the plan's time decides; of a leftover of a run that was killed, and of a
/// folder whose plan is gone, the file system's. Anything else in the folder is the user's.
fn find(folder: &Path, before: OffsetDateTime) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Problem::new(
                format!("cannot list the plan folder {}: {error}", folder.display()),
                "check plan.directory in the config",
            )
            .into());
        }
    };
    let mut old = Vec::new();
    for item in listed {
        let item = item?;
        let (path, name) = (item.path(), item.file_name().to_string_lossy().into_owned());
        let kind = item.file_type()?;
        let is_old = if kind.is_symlink() {
            false
        } else if kind.is_file() && path.extension().is_some_and(|it| it == "json") {
            // Not only by its name: an edited plan, or a file of another's making, is not removed unseen.
            file::read(&path)
                .ok()
                .filter(|plan| digest::verify(plan).is_ok())
                .and_then(|plan| OffsetDateTime::parse(&plan.created_at, &Rfc3339).ok())
                .is_some_and(|made| made < before)
        } else if let Some(made) = time_of_id(&name) {
            made < before
        } else if name.starts_with(".plan-") || name.starts_with(".payload-") {
            item.metadata()?
                .modified()
                .is_ok_and(|changed| changed < SystemTime::from(before))
        } else {
            false
        };
        if is_old {
            old.push(path);
        }
    }
    old.sort();
    Ok(old)
}

/// Returns the time in a plan's id, with what may stand behind it (`.undo`); `None` for any other name.
fn time_of_id(name: &str) -> Option<OffsetDateTime> {
    let (time, rest) = name.split_once('-')?;
    let is_id = rest.get(..8)?.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ends_well = rest.len() == 8 || rest[8..].starts_with('.') || rest[8..].starts_with('-');
    if !is_id || !ends_well || time.len() != 16 {
        return None;
    }
    let text = format!(
        "{}-{}-{}:{}:{}",
        time.get(..4)?,
        time.get(4..6)?,
        time.get(6..11)?,
        time.get(11..13)?,
        time.get(13..)?
    );
    OffsetDateTime::parse(&text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan;
    use time::macros::datetime;

    #[test]
    fn only_what_is_old_and_ours_is_found() {
        let guard = tempfile::tempdir().unwrap();
        let folder = guard.path();
        let plan = plan();
        file::write(&file::path_in(folder, &plan), &plan).unwrap();
        fs::create_dir(folder.join(&plan.id)).unwrap();
        fs::create_dir(folder.join(format!("{}.undo", plan.id))).unwrap();
        fs::create_dir(folder.join("20261224T061500Z-3f9a1c2b")).unwrap();
        fs::create_dir(folder.join("notes")).unwrap();
        for name in ["README.md", "notes.json", ".gitignore"] {
            fs::write(folder.join(name), "{}").unwrap();
        }
        let names = |before| -> Vec<String> {
            let found = find(folder, before).unwrap();
            found
                .iter()
                .map(|it| it.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(names(datetime!(2026-11-24 06:15 UTC)), Vec::<String>::new());
        assert_eq!(
            names(datetime!(2026-12-24 06:15 UTC)),
            [
                plan.id.clone(),
                format!("{}.json", plan.id),
                format!("{}.undo", plan.id)
            ]
        );
        assert!(
            find(&folder.join("absent"), datetime!(2026-12-24 06:15 UTC))
                .unwrap()
                .is_empty()
        );
    }
}
