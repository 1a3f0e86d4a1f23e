//! An issue as a file: YAML front matter for programs, Markdown for people. The front matter is what counts.

use super::report::Report;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use time::Date;

/// Whether an issue is still to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To be mended.
    Open,
    /// The same step has succeeded since, or someone said so.
    Resolved,
}

/// A persisted failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// `<date of the first occurrence>-<fingerprint>`, also the file's name.
    pub id: String,
    /// What tells this kind of failure from others.
    pub fingerprint: String,
    /// Open or resolved.
    pub status: Status,
    /// When it was first seen, UTC.
    pub first_seen: String,
    /// When it was last seen, UTC.
    pub last_seen: String,
    /// When and why it was resolved.
    pub resolved: Option<String>,
    /// How often it was seen.
    pub count: u64,
    /// The command that failed.
    pub command: String,
    /// What was being done.
    pub phase: String,
    /// The database (remote name).
    pub database: Option<String>,
    /// The table (remote name).
    pub table: Option<String>,
    /// The range of keys.
    pub key_range: Option<String>,
    /// Where in driftwarden's source it was reported.
    pub source: String,
    /// The error and its causes, outermost first, as last seen.
    pub error: Vec<String>,
    /// The next step.
    pub remedy: Option<String>,
    /// The command line that shows the failure again.
    pub reproduce: String,
}

impl Issue {
    pub(super) fn new(fingerprint: &str, seen: &str, date: Date) -> Self {
        Self {
            id: format!(
                "{:04}{:02}{:02}-{fingerprint}",
                date.year(),
                u8::from(date.month()),
                date.day()
            ),
            fingerprint: fingerprint.to_owned(),
            status: Status::Open,
            first_seen: seen.to_owned(),
            last_seen: seen.to_owned(),
            resolved: None,
            count: 1,
            command: String::new(),
            phase: String::new(),
            database: None,
            table: None,
            key_range: None,
            source: String::new(),
            error: Vec::new(),
            remedy: None,
            reproduce: String::new(),
        }
    }

    pub(super) fn take(&mut self, report: &Report) {
        self.command.clone_from(&report.command);
        self.phase.clone_from(&report.step.phase);
        self.database.clone_from(&report.step.database);
        self.table.clone_from(&report.step.table);
        self.key_range.clone_from(&report.step.key_range);
        self.source.clone_from(&report.source);
        self.error.clone_from(&report.chain);
        self.remedy.clone_from(&report.remedy);
        self.reproduce.clone_from(&report.reproduce);
    }

    /// Returns one line that says what it is.
    pub fn title(&self) -> &str {
        self.error
            .first()
            .map_or(self.phase.as_str(), String::as_str)
    }

    pub(super) fn to_markdown(&self) -> Result<String> {
        let matter = serde_yaml::to_string(self).context("writing the front matter")?;
        let mut text = format!("---\n{matter}---\n\n# {}\n", one_line(self.title()));
        for cause in self.error.iter().skip(1) {
            let _ = write!(text, "\n- because: {}", one_line(cause));
        }
        if let Some(remedy) = &self.remedy {
            let _ = write!(text, "\n\n**Next:** {}", one_line(remedy));
        }
        let _ = write!(
            text,
            "\n\n**To see it again:** `{}`\n",
            one_line(&self.reproduce)
        );
        Ok(text)
    }

    pub(super) fn from_markdown(text: &str) -> Result<Self> {
        let matter = text
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .map(|(matter, _)| matter)
            .context("it does not begin with a front matter between lines of ---")?;
        serde_yaml::from_str(matter).context("it is not the front matter of an issue")
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
