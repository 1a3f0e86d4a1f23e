//! Plan files: reading, writing, replacing.
//!
//! Must never write a plan in place (a reader sees the old file or the new one), never follow a link out of the plan's
//! folder, and never overwrite a plan that holds decisions.

use super::{FORMAT_VERSION, Plan, digest, pretty::pretty};
use crate::nearest::nearest;
use crate::refusal::{Problem, Refusal};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

const NEW_PLAN: &str =
    "restore the file (git checkout), or make a new plan with `driftwarden plan`";

/// Returns where a plan goes in the plan folder.
pub fn path_in(directory: &Path, plan: &Plan) -> PathBuf {
    directory.join(format!("{}.json", plan.id))
}

/// Makes a plan's id one that nothing in the folder has, by a `created_at` that is as many seconds later: a plan of the same
/// second with the same content would share its payloads and its undo record with the one that is there.
///
/// # Errors
/// As for [`digest::seal`].
pub fn take_free_id(directory: &Path, plan: &mut Plan) -> Result<()> {
    let taken = |id: &str| {
        fs::read_dir(directory).is_ok_and(|mut files| {
            files.any(|file| {
                file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with(id))
            })
        })
    };
    while taken(&plan.id) {
        let created = OffsetDateTime::parse(&plan.created_at, &Rfc3339)
            .with_context(|| format!("`created_at` of the plan is {:?}", plan.created_at))?;
        plan.created_at = (created + Duration::SECOND).format(&Rfc3339)?;
        digest::seal(plan)?;
    }
    Ok(())
}

/// Returns the folder of a plan's payloads: named after its id, beside the plan file.
pub fn payload_folder(plan_path: &Path, plan: &Plan) -> PathBuf {
    folder_of(plan_path).join(&plan.id)
}

/// Returns the folder a file is in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Reads a plan file. The digest is not checked here: that is `digest::verify`'s, and every command but `show` calls it.
///
/// # Errors
/// A [`Problem`] when the file cannot be read, a [`Refusal`] when it is no plan of this format (with the path of the
/// field), is cut off, or is a link out of its folder.
pub fn read(path: &Path) -> Result<Plan> {
    refuse_link_out(path)?;
    refuse_special(path)?;
    let text = fs::read(path).map_err(|error| cannot_read(path, &error))?;
    let text = String::from_utf8(text)
        .map_err(|_| Refusal::new(format!("{} is no text", path.display()), NEW_PLAN))?;
    let mut plan = parse(&text).with_context(|| format!("cannot read plan {}", path.display()))?;
    settle_preview_decisions(&mut plan)
        .with_context(|| format!("cannot read plan {}", path.display()))?;
    Ok(plan)
}

/// Writes a new plan. The folder is made where it is missing.
///
/// # Errors
/// A [`Refusal`] when a plan with decisions, or a file that is no plan, is there already; a [`Problem`] when the file
/// cannot be written (disk full, no permission).
pub fn write(path: &Path, plan: &Plan) -> Result<()> {
    check_target(path)?;
    fs::create_dir_all(folder_of(path)).map_err(|error| cannot_write(path, &error))?;
    replace(path, plan)
}

/// Checks that a new plan may be written to a file, before the work that makes the plan.
///
/// # Errors
/// A [`Refusal`] when a plan with decisions, or a file that is no plan, is there already.
pub fn check_target(path: &Path) -> Result<()> {
    refuse_link_out(path)?;
    refuse_special(path)?;
    if path.exists() {
        let there = read(path).map_err(|_| {
            Refusal::new(
                format!(
                    "{} exists and is no plan that this version reads",
                    path.display()
                ),
                "name another file with --out, or remove this one",
            )
        })?;
        if there.any_decided() {
            return Err(Refusal::new(
                format!("{} holds decisions and is not overwritten", path.display()),
                "name another file with --out; `--decisions-from` carries the decisions over",
            )
            .into());
        }
    }
    Ok(())
}

/// Replaces a plan file by the same plan with other decisions.
///
/// # Errors
/// A [`Refusal`] when the file has become another plan in the meantime; a [`Problem`] when it cannot be written.
pub fn save_decisions(path: &Path, plan: &Plan) -> Result<()> {
    digest::verify(plan)?;
    let there = read(path)?;
    if there.digest != plan.digest {
        return Err(Refusal::new(
            format!(
                "{} has become another plan ({}) while this one was reviewed",
                path.display(),
                there.id
            ),
            "look at the new plan: its changes are other ones",
        )
        .into());
    }
    replace(path, plan)
}

/// Returns a plan as the text of its file.
///
/// # Errors
/// When it cannot be written as JSON, which no plan that was read or assembled does.
pub fn to_text(plan: &Plan) -> Result<String> {
    Ok(pretty(&serde_json::to_value(plan)?))
}

/// Reads a plan from the text of its file.
///
/// # Errors
/// A [`Refusal`] with the field's path and what was found.
pub fn parse(text: &str) -> Result<Plan> {
    /// The one field that is read before anything else is believed.
    #[derive(Deserialize)]
    struct Version {
        format_version: serde_json::Value,
    }
    let version: Version = serde_json::from_str(text).map_err(|error| not_a_plan(&error))?;
    if version.format_version != FORMAT_VERSION {
        return Err(Refusal::new(
            format!(
                "the plan's `format_version` is {}, and this version reads {FORMAT_VERSION} only",
                version.format_version
            ),
            "use the driftwarden that wrote it, or make a new plan with `driftwarden plan`",
        )
        .into());
    }
    let mut source = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let path = error.path().to_string();
        Refusal::new(
            format!("at `{path}`: {}", error.into_inner()),
            format!("unknown or wrong fields are never guessed at: {NEW_PLAN}"),
        )
        .into()
    })
}

/// Removes a new file again, or gets it onto the disk and under its name.
fn replace(path: &Path, plan: &Plan) -> Result<()> {
    let text = to_text(plan)?;
    let folder = folder_of(path);
    let store = || -> std::io::Result<()> {
        // Made with mode 0600, and removed when anything below fails.
        let mut file = tempfile::Builder::new()
            .prefix(".plan-")
            .suffix(".tmp")
            .tempfile_in(&folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder(&folder)
    };
    store().map_err(|error| cannot_write(path, &error))
}

/// Gets a folder's names onto the disk.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A device or pipe may be read without end, and never is a plan.
fn refuse_special(path: &Path) -> Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(Problem::new(
            format!("{} is no file, and a plan is kept in one", path.display()),
            "name a file, such as plans/next.json",
        )
        .into());
    }
    Ok(())
}

/// A link that stays within its folder is a name; one that leaves it would have `approve` write elsewhere.
fn refuse_link_out(path: &Path) -> Result<()> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink());
    if !is_link {
        return Ok(());
    }
    let inside = || -> std::io::Result<bool> {
        let target = fs::canonicalize(path)?;
        Ok(target.parent() == Some(fs::canonicalize(folder_of(path))?.as_path()))
    };
    if inside().unwrap_or(false) {
        return Ok(());
    }
    Err(Refusal::new(
        format!("{} is a link that leads out of its folder", path.display()),
        "name the file itself",
    )
    .into())
}

/// A decision typed at a row of a preview counts: it becomes the payload's row decision.
fn settle_preview_decisions(plan: &mut Plan) -> Result<()> {
    for entry in &mut plan.entries {
        for row in &mut entry.preview {
            let Some(decision) = row.decision.take() else {
                continue;
            };
            let kept = entry.row_decisions.entry(row.row).or_insert(decision);
            if *kept != decision {
                return Err(Refusal::new(
                    format!(
                        "entry {}: row {} is decided one way in `preview` and another in `row_decisions`",
                        entry.id, row.row
                    ),
                    "remove one of the two",
                )
                .into());
            }
        }
    }
    Ok(())
}

fn not_a_plan(error: &serde_json::Error) -> anyhow::Error {
    let what = if error.is_eof() {
        format!(
            "the file ends in the middle, at line {}: it was cut off",
            error.line()
        )
    } else {
        format!("the file is no plan: {error}")
    };
    Refusal::new(what, NEW_PLAN).into()
}

fn cannot_read(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        ErrorKind::NotFound => match meant(path) {
            Some(plan) => format!("did you mean {}?", plan.display()),
            None => "`ls plans/` lists the plans; `driftwarden plan` makes one".to_owned(),
        },
        ErrorKind::PermissionDenied => "plan files are readable by their owner only".to_owned(),
        _ => "name a plan file".to_owned(),
    };
    Problem::new(
        format!("cannot read plan {}: {error}", path.display()),
        remedy,
    )
    .into()
}

/// Returns the plan that a path to no file may mean: one whose name has the word in it (an id without its folder, a part
/// of one), else the one named most like it. The words of a path without a folder are looked for in `plans/` as well.
fn meant(path: &Path) -> Option<PathBuf> {
    let word = path.file_stem()?.to_str()?;
    let bare = path
        .parent()
        .is_none_or(|parent| parent.as_os_str().is_empty());
    let folders = [folder_of(path), PathBuf::from("plans")];
    folders
        .iter()
        .take(if bare { 2 } else { 1 })
        .find_map(|folder| {
            let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
            let names = files.filter_map(|file| file.file_name().into_string().ok());
            let mut stems: Vec<String> = names
                .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
                .filter(|stem| !stem.ends_with(".schema"))
                .collect();
            stems.sort_unstable();
            let holding = stems.iter().rev().find(|stem| stem.contains(word));
            let found = holding
                .map(String::as_str)
                .or_else(|| nearest(word, stems.iter().map(String::as_str)))?;
            Some(folder.join(format!("{found}.json")))
        })
}

fn cannot_write(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space (`driftwarden prune` removes old plans) and run the command again"
        }
        _ => "check the folder and its permissions, or name another file with --out",
    };
    Problem::new(
        format!("cannot write plan {}: {error}", path.display()),
        remedy,
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Decision;
    use crate::plan::example::plan;
    use crate::refusal::{exit_code_of, remedy_of};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_device_is_neither_read_nor_written() {
        let device = Path::new("/dev/zero");
        for error in [
            read(device).unwrap_err(),
            write(device, &plan()).unwrap_err(),
        ] {
            assert!(error.to_string().contains("is no file"), "{error:#}");
        }
    }

    #[test]
    fn a_path_to_no_plan_names_the_one_that_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan();
        let path = path_in(folder.path(), &plan);
        write(&path, &plan).unwrap();
        fs::write(folder.path().join("plan.schema.json"), "{}").unwrap();
        let (_, hash) = plan.id.split_once('-').unwrap();
        for word in [
            &plan.id,
            hash,
            &format!("{}.json", plan.id.replace('T', "t")),
        ] {
            let error = read(&folder.path().join(word)).unwrap_err();
            let meant = format!("did you mean {}?", path.display());
            assert_eq!(remedy_of(&error), Some(meant.as_str()), "{word}");
        }
        let error = read(&folder.path().join("other")).unwrap_err();
        assert!(remedy_of(&error).unwrap().contains("`ls plans/`"));
    }

    #[test]
    fn a_plan_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan();
        let path = path_in(&folder.path().join("plans"), &plan);
        write(&path, &plan).unwrap();
        assert_eq!(read(&path).unwrap(), plan);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder_of(&path)).unwrap().count(), 1);
    }

    #[test]
    fn a_plan_of_the_same_second_takes_an_id_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let first = plan();
        let mut second = plan();
        take_free_id(folder.path(), &mut second).unwrap();
        assert_eq!(second, first);
        fs::create_dir(payload_folder(&folder.path().join("f0.json"), &first)).unwrap();
        take_free_id(folder.path(), &mut second).unwrap();
        assert_ne!(second.id, first.id);
        digest::verify(&second).unwrap();
    }

    #[test]
    fn a_plan_with_decisions_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan();
        let path = folder.path().join("a.json");
        write(&path, &plan).unwrap();
        write(&path, &plan).unwrap();
        plan.entries[0].decision = Decision::Deny;
        save_decisions(&path, &plan).unwrap();
        let error = write(&path, &plan).unwrap_err();
        assert!(error.to_string().contains("holds decisions"), "{error}");
        assert_eq!(exit_code_of(&error), 3);
        fs::write(&path, "notes").unwrap();
        assert_eq!(exit_code_of(&write(&path, &plan).unwrap_err()), 3);
        assert_eq!(fs::read(&path).unwrap(), b"notes");
    }

    #[test]
    fn decisions_are_not_saved_over_another_plan() {
        let folder = tempfile::tempdir().unwrap();
        let mut other = plan();
        let path = folder.path().join("a.json");
        write(&path, &other).unwrap();
        other.warnings.push("x".into());
        digest::seal(&mut other).unwrap();
        let error = save_decisions(&path, &other).unwrap_err();
        assert!(error.to_string().contains("another plan"), "{error}");
    }

    fn refused(text: &str) -> String {
        let error = parse(text).unwrap_err();
        assert_eq!(exit_code_of(&error), 3);
        assert!(remedy_of(&error).is_some());
        error.to_string()
    }

    #[test]
    fn what_is_no_plan_is_refused_with_the_place() {
        let text = to_text(&plan()).unwrap();
        assert!(
            refused(&text.replace("\"format_version\": 1", "\"format_version\": 2"))
                .contains("is 2")
        );
        assert_eq!(
            refused(&text.replacen("\"kind\": \"update_rows\"", "\"kind\": \"upsert\"", 1))
                .split(':')
                .next(),
            Some("at `entries[1].kind`")
        );
        let unknown = refused(&text.replacen("\"tool\"", "\"tool_\"", 1));
        assert!(
            unknown.starts_with("at `tool_`: unknown field"),
            "{unknown}"
        );
        assert!(refused(&text[..text.len() / 2]).contains("cut off"));
        assert!(refused("").contains("cut off"));
        assert!(refused("{}").contains("format_version"));
        assert!(refused(&format!("{text}x")).contains("no plan"));
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let plans = folder.path().join("plans");
        write(&plans.join("a.json"), &plan()).unwrap();
        write(&folder.path().join("b.json"), &plan()).unwrap();
        std::os::unix::fs::symlink("a.json", plans.join("latest.json")).unwrap();
        std::os::unix::fs::symlink("../b.json", plans.join("out.json")).unwrap();
        read(&plans.join("latest.json")).unwrap();
        assert!(
            read(&plans.join("out.json"))
                .unwrap_err()
                .to_string()
                .contains("leads out")
        );
        assert!(write(&plans.join("out.json"), &plan()).is_err());
    }

    #[test]
    fn a_decision_in_a_preview_counts() {
        let text = to_text(&plan()).unwrap();
        let hash = format!("\"after_hash\": \"{}\"", "c".repeat(32));
        let edited = text.replacen(&hash, &format!("{hash}, \"decision\": \"deny\""), 1);
        assert_ne!(edited, text);
        let mut plan = parse(&edited).unwrap();
        settle_preview_decisions(&mut plan).unwrap();
        assert_eq!(plan.entries[2].row_decisions.get(&1), Some(&Decision::Deny));
        plan.entries[2].preview[0].decision = Some(Decision::Approve);
        assert!(settle_preview_decisions(&mut plan).is_err());
    }

    #[test]
    fn a_missing_file_says_how_to_find_one() {
        let error = read(Path::new("/nowhere/x.json")).unwrap_err();
        assert_eq!(exit_code_of(&error), 1);
        assert!(remedy_of(&error).unwrap().contains("driftwarden plan"));
    }
}
