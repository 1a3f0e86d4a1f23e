//! Reads the config file: JSON, or YAML by its extension.
//!
//! One error at a time, naming the key's path, what was found and what is expected. Must never ignore a key: what is
//! unknown is refused, and so is what is not built yet.

use super::Config;
use super::check::check;
use super::child;
use crate::nearest::nearest;
use crate::refusal::Problem;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A config file, read and checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file.
    pub path: PathBuf,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

/// Reads and checks a config file. Relative paths in it are seen from the current directory.
///
/// # Errors
/// A [`Problem`] with the key's path, what was found, what is expected, and line and column where the format has them.
pub fn load(path: &Path) -> Result<Loaded> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(failure) => {
            let remedy = if failure.kind() == std::io::ErrorKind::NotFound {
                "run `driftwarden init` to get a config to fill in, or name yours with `--config FILE`"
            } else {
                "see that the file is readable and in UTF-8"
            };
            let problem = Problem::new(
                format!("reading the config file {}", path.display()),
                remedy,
            );
            return Err(anyhow::Error::new(failure).context(problem));
        }
    };
    let is_yaml = path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    });
    let wrong = |what: String| {
        Problem::new(
            format!("{}: {what}", path.display()),
            "correct the file; config.schema.json, which `driftwarden init` writes, has every key",
        )
    };
    let config = if is_yaml {
        from_yaml(&text)
    } else {
        from_json(&text)
    }
    .map_err(wrong)?;
    child::withhold(config.secret_variables());
    check(&config).map_err(wrong)?;
    let warnings =
        warnings(&config, path).with_context(|| format!("examining {}", path.display()))?;
    Ok(Loaded {
        config,
        path: path.to_owned(),
        warnings,
    })
}

fn from_json(text: &str) -> Result<Config, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let config = serde_path_to_error::deserialize(&mut deserializer).map_err(|failure| {
        let path = failure.path().to_string();
        let inner = failure.into_inner();
        describe(
            &path,
            &inner.to_string(),
            Some((inner.line(), inner.column())),
        )
    })?;
    deserializer.end().map_err(|failure| {
        describe(
            ".",
            &failure.to_string(),
            Some((failure.line(), failure.column())),
        )
    })?;
    Ok(config)
}

fn from_yaml(text: &str) -> Result<Config, String> {
    let deserializer = serde_yaml::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|failure| {
        let path = failure.path().to_string();
        let inner = failure.into_inner();
        let place = inner.location().map(|place| (place.line(), place.column()));
        describe(&path, &inner.to_string(), place)
    })
}

/// Says what is wrong in the user's words: path, what was found, what is expected, where.
fn describe(path: &str, said: &str, place: Option<(usize, usize)>) -> String {
    let mut said = said.to_owned();
    for (from, to) in place
        .iter()
        .flat_map(|(line, column)| [(format!(" at line {line} column {column}"), "")])
    {
        said = said.replace(&from, to);
    }
    // YAML errors name the path themselves.
    if let Some(rest) = said.strip_prefix(&format!("{path}: ")) {
        said = rest.to_owned();
    }
    let said = humane(&said);
    let path = path.trim_end_matches(".?");
    let mut text = if path == "." || path == "?" || path.is_empty() {
        said
    } else {
        format!("`{path}`: {said}")
    };
    if let Some((line, column)) = place.filter(|(line, _)| *line > 0) {
        let _ = write!(text, " (line {line}, column {column})");
    }
    text
}

fn humane(said: &str) -> String {
    if let Some((found, known)) = unknown_field(said) {
        let mut text = format!("unknown key `{found}`");
        if let Some(meant) = nearest(&found, known.iter().map(String::as_str)) {
            let _ = write!(text, "; did you mean `{meant}`?");
        } else if !known.is_empty() {
            let _ = write!(text, "; expected one of `{}`", known.join("`, `"));
        }
        return text;
    }
    let mut text = said
        .replace("invalid type: ", "found ")
        .replace("invalid value: ", "found ")
        .replace("missing field ", "missing key ")
        .replace("duplicate field ", "twice the same key ")
        .replace("unknown variant ", "found ")
        .replace("expected struct ", "expected an object, ")
        .replace("expected a sequence", "expected a list")
        .replace("found sequence", "found a list")
        .replace("found map", "found an object")
        .replace("found string ", "found the string ")
        .replace("found integer ", "found the number ")
        .replace("found floating point ", "found the number ")
        .replace("found boolean ", "found ")
        .replace("found unit value", "found null")
        .replace("EOF while parsing", "the file ends while reading");
    for (type_name, meaning) in [
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0"),
        ("expected u64", "expected a whole number from 0"),
        ("expected a boolean", "expected true or false"),
    ] {
        text = text.replace(type_name, meaning);
    }
    for structure in [
        "Config",
        "Ssh",
        "Remote",
        "Local",
        "Tables",
        "TableRule",
        "PlanSettings",
        "RemoteLimits",
        "Retry",
        "Incremental",
        "Deletes",
        "Issues",
        "Log",
        "RenamedDatabase",
        "MaskObject",
    ] {
        text = text.replace(
            &format!("expected an object, {structure}"),
            "expected an object",
        );
    }
    text
}

/// Takes serde's "unknown field `x`, expected one of `a`, `b`" apart.
fn unknown_field(said: &str) -> Option<(String, Vec<String>)> {
    let rest = said.split_once("unknown field `")?.1;
    let (found, rest) = rest.split_once('`')?;
    let known = rest
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    Some((found.to_owned(), known))
}

/// Returns what is not wrong but unsafe: a literal password that others can read, a file that others can change.
fn warnings(config: &Config, path: &Path) -> Result<Vec<String>> {
    const OTHERS_READ: u32 = 0o044;
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let mut warnings = Vec::new();
    let metadata = fs::metadata(path)?;
    let shown = path.display();
    let literals: Vec<&str> = [
        ("remote.password", &config.remote.password),
        ("local.password", &config.local.password),
    ]
    .into_iter()
    .filter_map(|(key, secret)| secret.as_ref().map(|_| key))
    .collect();
    if !literals.is_empty() {
        let keys = literals.join("` and `");
        if metadata.mode() & OTHERS_READ != 0 {
            warnings.push(format!(
                "{shown} holds `{keys}` and others can read it: chmod 600 {shown}, or use `password_env` or \
                 `password_command`"
            ));
        }
        if tracked_by_git(path) {
            warnings.push(format!(
                "{shown} holds `{keys}` and is tracked by git: use `password_env` or `password_command`, and change \
                 the password if it was pushed"
            ));
        }
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let folder_mode = fs::metadata(folder)?.mode();
    if metadata.mode() & OTHERS_WRITE != 0
        || (folder_mode & OTHERS_WRITE != 0 && folder_mode & STICKY == 0)
    {
        warnings.push(format!(
            "others can change {shown}, and so what driftwarden runs as you (`password_command`): take their right to \
             write away from the file and its folder"
        ));
    }
    Ok(warnings)
}

fn tracked_by_git(path: &Path) -> bool {
    let (Some(name), folder) = (path.file_name(), path.parent()) else {
        return false;
    };
    let folder = folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    child::command("git")
        .arg("-C")
        .arg(folder)
        .args(["ls-files", "--error-unmatch", "--"])
        .arg(name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
