//! `driftwarden validate`: the check of plan files that needs no server, for a pull request.

use super::Context;
use crate::cli::ValidateArgs;
use crate::plan::{SCHEMA_FILE, digest, file, payload, remake};
use crate::refusal::{exit_code_of, remedy_of};
use crate::render::escape::line;
use anyhow::Result;
use std::path::Path;

/// Checks every file named; all are checked, whatever the first is like.
///
/// # Errors
/// When printing fails. What is wrong with a plan is printed, and is the exit code: 3 for a plan that is not as it was
/// made, 1 for a file that cannot be read.
pub fn run(args: &ValidateArgs, context: &mut Context<'_>) -> Result<u8> {
    let mut worst = 0;
    for path in &args.plans {
        // `plans/*.json` names it as well.
        if path.file_name().is_some_and(|name| name == SCHEMA_FILE) {
            continue;
        }
        let shown = line(&path.display().to_string());
        match check(path) {
            Ok(absent) => {
                for file in absent {
                    writeln!(context.err, "warning: {shown}: {}", line(&file))?;
                }
                if context.verbosity >= 0 {
                    writeln!(context.out, "{shown}: ok")?;
                }
            }
            Err(error) => {
                worst = worst.max(exit_code_of(&error));
                let chain: Vec<String> = error
                    .chain()
                    .map(|cause| line(&cause.to_string()))
                    .collect();
                writeln!(context.out, "{shown}: {}", chain.join(": "))?;
                if let Some(remedy) = remedy_of(&error) {
                    writeln!(context.out, "  next: {remedy}")?;
                }
            }
        }
    }
    Ok(worst)
}

/// Checks one plan; returns what is missing without harm.
fn check(path: &Path) -> Result<Vec<String>> {
    let plan = file::read(path)?;
    digest::verify(&plan)?;
    remake::check_all(&plan)?;
    let mut absent = Vec::new();
    for entry in &plan.entries {
        let Some(payload) = &entry.payload else {
            continue;
        };
        let there = file::payload_folder(path, &plan).join(&payload.file);
        if payload::is_payload_name(&payload.file) && std::fs::symlink_metadata(&there).is_err() {
            absent.push(format!(
                "payload {} of {} is not here: this machine cannot apply that entry",
                payload.file, entry.id
            ));
            continue;
        }
        payload::check(payload, &plan.id, path)?;
    }
    Ok(absent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Kind, Plan, example};
    use crate::schema::Vendor;
    use time::OffsetDateTime;

    /// The example with the statements that its texts give.
    fn plan() -> Plan {
        let mut plan = example::plan();
        for entry in &mut plan.entries {
            if entry.kind == Kind::AlterTable {
                entry.sql = remake::statements(entry, Vendor::MySql).unwrap();
            }
        }
        digest::seal(&mut plan).unwrap();
        plan
    }

    fn validate(paths: &[&Path]) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut context = Context {
            progress: crate::commands::Progress::default(),
            out: &mut out,
            err: &mut err,
            color: false,
            config_path: "config/config.json".into(),
            verbosity: 0,
            now: OffsetDateTime::UNIX_EPOCH,
            interactive: false,
        };
        let plans = paths.iter().map(|path| path.to_path_buf()).collect();
        let code = run(&ValidateArgs { plans }, &mut context).unwrap();
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    #[test]
    fn the_example_plan_of_the_repository_is_valid() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
        // The packaged crate has no plans.
        let Ok(files) = std::fs::read_dir(folder) else {
            return;
        };
        for path in files.flatten().map(|file| file.path()) {
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
                && !path.ends_with(SCHEMA_FILE)
            {
                let plan = crate::plan::file::read(&path).unwrap();
                crate::plan::digest::verify(&plan).unwrap();
            }
        }
    }

    #[test]
    fn a_plan_as_made_is_ok_and_an_absent_payload_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        file::write(&path, &plan()).unwrap();
        let (code, out, err) = validate(&[&path]);
        assert_eq!((code, out.ends_with("p.json: ok\n")), (0, true));
        assert!(
            err.contains("payload 0003.tsv.zst of shop.users.insert is not here"),
            "{err}"
        );
    }

    #[test]
    fn every_flipped_byte_is_refused_or_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        let made = plan();
        let text = file::to_text(&made).unwrap();
        let mut harmless = 0;
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let Some(mut read) = String::from_utf8(bytes)
                .ok()
                .and_then(|text| file::parse(&text).ok())
            else {
                continue;
            };
            if digest::verify(&read).is_err() {
                continue;
            }
            harmless += 1;
            read.review = made.review.clone();
            assert_eq!(read, made, "byte {place}");
        }
        // White space, mostly; all of it reads as the plan that was made.
        assert!(harmless < text.len() / 3);
        std::fs::write(&path, text.replace("ADD COLUMN", "ADD  COLUMN")).unwrap();
        let (code, out, _) = validate(&[&path, Path::new("/nowhere.json")]);
        assert_eq!(code, 3);
        assert!(
            out.contains("was changed after it was made")
                && out.contains("/nowhere.json: cannot read"),
            "{out}"
        );
    }
}
