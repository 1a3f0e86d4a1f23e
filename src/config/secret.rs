//! Secrets that redact themselves, and where they come from.
//!
//! Must never put a secret into argv, a log, an error or anything serialised.

use super::child;
use crate::refusal::Problem;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long `password_command` may take: a person may have to touch a key or unlock a store.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_OUTPUT: u64 = 64 * 1024;

/// A password. Prints as `[redacted]`; cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// Returns the secret itself, for handing it to a server.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Where a password comes from: at most one of the four.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The section of the config, `remote` or `local`, for errors.
    pub section: &'static str,
    /// `password_env`.
    pub variable: Option<&'a str>,
    /// The variable that is read when no source is given; it may be unset.
    pub default_variable: &'static str,
    /// `password_command`.
    pub command: Option<&'a str>,
    /// `defaults_file`.
    pub defaults_file: Option<&'a PathBuf>,
    /// `password`.
    pub literal: Option<&'a Secret>,
}

impl Source<'_> {
    /// Returns the password, or `None` where the account is to be used without one.
    ///
    /// # Errors
    /// A [`Problem`] that names the key of the config and what is missing, never the secret.
    pub fn read(&self) -> Result<Option<Secret>> {
        let section = self.section;
        if let Some(secret) = self.literal {
            return Ok(Some(secret.clone()));
        }
        if let Some(variable) = self.variable {
            return match std::env::var(variable) {
                Ok(password) => Ok(Some(Secret(password))),
                Err(_) => bail!(Problem::new(
                    format!(
                        "`{section}.password_env` names {variable}, which is not set (or is not UTF-8)"
                    ),
                    format!(
                        "export {variable} (empty for an account without a password), or set \
                         `{section}.password_command` or `{section}.defaults_file` instead"
                    ),
                )),
            };
        }
        if let Some(command) = self.command {
            return run(section, command).map(Some);
        }
        if let Some(file) = self.defaults_file {
            return option_file(section, file);
        }
        Ok(std::env::var(self.default_variable).ok().map(Secret))
    }
}

/// Runs `password_command` and returns the first line of its output.
fn run(section: &str, command: &str) -> Result<Secret> {
    let failed = |how: String| {
        Problem::new(
            format!("`{section}.password_command` {how}"),
            format!(
                "run the command by hand; its first line of output must be the password of `{section}.user`"
            ),
        )
    };
    let mut child = child::command("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running `{section}.password_command` with sh"))?;
    let (output, complaint) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let Some(status) = wait(&mut child)? else {
        bail!(failed(format!(
            "did not end within {} s",
            COMMAND_TIMEOUT.as_secs()
        )));
    };
    let output = output.join().unwrap_or_default();
    let secret = String::from_utf8(output)
        .ok()
        .and_then(|text| text.lines().next().map(str::to_owned));
    if !status.success() {
        let complaint = complaint.join().unwrap_or_default();
        let mut complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            complaint = complaint.replace(&secret, "[redacted]");
        }
        bail!(failed(format!("failed with {status}: {complaint}")));
    }
    match secret {
        Some(secret) if !secret.is_empty() => Ok(Secret(secret)),
        _ => bail!(failed("wrote no first line of UTF-8 text".to_owned())),
    }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            drop(stream.take(LONGEST_OUTPUT).read_to_end(&mut bytes));
        }
        bytes
    })
}

fn wait(child: &mut Child) -> Result<Option<std::process::ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("waiting for `password_command`")? {
            return Ok(Some(status));
        }
        if started.elapsed() > COMMAND_TIMEOUT || crate::interrupt::requested() {
            drop(child.kill());
            drop(child.wait());
            crate::interrupt::check()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the password of the `[client]` section of a MySQL option file.
fn option_file(section: &str, file: &Path) -> Result<Option<Secret>> {
    let text = std::fs::read_to_string(file).map_err(|failure| {
        anyhow::Error::new(failure).context(Problem::new(
            format!("reading `{section}.defaults_file` {}", file.display()),
            "correct the path, or make the file readable for you alone (chmod 600)",
        ))
    })?;
    Ok(client_password(&text).map(Secret))
}

/// Returns the last `password` of the `[client]` sections, as MySQL's own programs read it.
fn client_password(text: &str) -> Option<String> {
    let mut in_client = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            in_client = name.trim() == "client";
        } else if in_client && !line.starts_with(['#', ';', '!']) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            if key.trim() == "password" {
                found = Some(option_value(value.trim()));
            }
        }
    }
    found
}

/// Reads a value of an option file: optional quotes, a comment after `#`, the escapes of MySQL's manual.
fn option_value(text: &str) -> String {
    let quote = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''));
    let body = match quote {
        Some(quote) => {
            let inner = &text[1..];
            inner.rfind(quote).map_or(text, |end| &inner[..end])
        }
        None => text.split('#').next().unwrap_or("").trim_end(),
    };
    let mut value = String::new();
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => value.push('\n'),
            Some('t') => value.push('\t'),
            Some('r') => value.push('\r'),
            Some('b') => value.push('\u{8}'),
            Some('s') => value.push(' '),
            Some(escaped @ ('\\' | '"' | '\'')) => value.push(escaped),
            Some(other) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source<'a>() -> Source<'a> {
        Source {
            section: "remote",
            variable: None,
            default_variable: "DRIFTWARDEN_TEST_UNSET",
            command: None,
            defaults_file: None,
            literal: None,
        }
    }

    #[test]
    fn a_command_gives_its_first_line_and_never_shows_it() {
        let secret = Source {
            command: Some("echo s3cret; echo more"),
            ..source()
        }
        .read()
        .unwrap();
        assert_eq!(secret.as_ref().map(Secret::reveal), Some("s3cret"));
        assert_eq!(format!("{secret:?}"), "Some([redacted])");
        let error = Source {
            command: Some("echo s3cret; echo no s3cret here >&2; exit 3"),
            ..source()
        }
        .read()
        .unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"`remote.password_command` failed with exit status: 3: no [redacted] here");
        assert!(
            Source {
                command: Some("true"),
                ..source()
            }
            .read()
            .is_err()
        );
    }

    #[test]
    fn without_a_source_there_is_no_password() {
        assert_eq!(source().read().unwrap(), None);
        let error = Source {
            variable: Some("DRIFTWARDEN_TEST_UNSET"),
            ..source()
        }
        .read()
        .unwrap_err();
        assert!(format!("{error:#}").contains("DRIFTWARDEN_TEST_UNSET"));
    }

    #[test]
    fn option_files_are_read_as_mysql_reads_them() {
        let text = "[mysqld]\npassword=no\n[client]\nuser = x\n# password=no\npassword = \"a#b\\\\\\\"c\" \n[mysql]\npassword=no\n";
        assert_eq!(client_password(text).as_deref(), Some("a#b\\\"c"));
        assert_eq!(
            client_password("[client]\npassword=plain # why").as_deref(),
            Some("plain")
        );
        assert_eq!(client_password("[client]\nuser=x").as_deref(), None);
    }
}
