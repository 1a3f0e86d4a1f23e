//! `driftwarden init`: a config to fill in, and the folders beside it.

use super::Context;
use crate::cli::InitArgs;
use crate::plan;
use anyhow::{Context as _, Result};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const TEMPLATE: &str = include_str!("../../config/config.json.example");
const SCHEMA: &str = include_str!("../../config/config.schema.json");
const PLAN_SCHEMA: &str = include_str!("../../plans/plan.schema.json");
const PLANS_IGNORE: &str = "# Payloads and undo records hold rows, whatever `plan.preview` says: they stay on this machine.\n*/\n*.undo*\n*.tmp\n";
const LOGS_IGNORE: &str = "# What a run did on this machine is nobody else's.\n*\n";

/// Runs the command in the current directory. Never writes over an existing file.
///
/// # Errors
/// When a file or folder cannot be made.
pub fn run(_args: &InitArgs, context: &mut Context<'_>) -> Result<u8> {
    let config = context.config_path.clone();
    if let Some(folder) = config
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let is_new = create(&config, TEMPLATE)?;
    create(&config.with_file_name("config.schema.json"), SCHEMA)?;
    for folder in ["plans", "issues", "logs"] {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {folder}"))?;
    }
    create(Path::new("plans/.gitignore"), PLANS_IGNORE)?;
    create(Path::new("logs/.gitignore"), LOGS_IGNORE)?;
    create(&Path::new("plans").join(plan::SCHEMA_FILE), PLAN_SCHEMA)?;
    let shown = config.display();
    if is_new {
        writeln!(
            context.out,
            "Wrote {shown}, and made plans/, issues/ and logs/."
        )?;
        writeln!(
            context.out,
            "Next: set `ssh.host`, `remote.user`, `local` and `databases` in {shown}, then run `driftwarden doctor`."
        )?;
    } else {
        writeln!(
            context.out,
            "{shown} exists and was left as it is; plans/, issues/ and logs/ are there."
        )?;
        writeln!(context.out, "Next: run `driftwarden doctor`.")?;
    }
    Ok(0)
}

/// Writes a file that only the user can read, unless there is one; returns whether it was written.
fn create(path: &Path, text: &str) -> Result<bool> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => file
            .write_all(text.as_bytes())
            .map(|()| true)
            .with_context(|| format!("writing {}", path.display())),
        Err(failure) if failure.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(failure) => Err(failure).with_context(|| format!("creating {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Editors read these files; `make schemas` writes them.
    #[test]
    fn the_schema_files_are_what_the_types_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (file, made, written) in [
            (
                "config/config.schema.json",
                crate::config::json_schema(),
                SCHEMA,
            ),
            ("plans/plan.schema.json", plan::json_schema(), PLAN_SCHEMA),
        ] {
            let made = serde_json::to_string_pretty(&made).unwrap() + "\n";
            if std::env::var_os("DRIFTWARDEN_WRITE_SCHEMAS").is_some() {
                fs::write(root.join(file), made).unwrap();
            } else {
                assert!(
                    made == written,
                    "{file} is not what the types say: run `make schemas` and commit it"
                );
            }
        }
    }
}
