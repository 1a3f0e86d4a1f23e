//! Persisted issues: one Markdown file for each kind of failure, found again by its fingerprint.
//!
//! A file can be read by a person and by a program (YAML front matter). Must never hold a secret, and holds no row's
//! value unless the plan's previews may.

mod file;
mod git;
mod report;
#[cfg(test)]
mod tests;

pub use file::{Issue, Status};
pub use git::would_be_taken;
pub use report::{KeyRange, Report, Step};

use crate::config;
use crate::refusal::Problem;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The folder of issues.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    git: bool,
}

impl Store {
    /// Opens the folder that the config names; it need not exist yet.
    pub fn new(settings: &config::Issues) -> Self {
        Self {
            directory: settings.directory.clone(),
            git: settings.git,
        }
    }

    /// Writes a failure down: a new issue, or one more occurrence of a known one (which opens it again).
    ///
    /// # Errors
    /// When the folder or the file cannot be written. A git that does not take the change is no error.
    pub fn record(&self, report: &Report, now: OffsetDateTime) -> Result<Issue> {
        let fingerprint = report.fingerprint();
        let seen = stamp(now)?;
        let known = self
            .list()?
            .into_iter()
            .find(|issue| issue.fingerprint == fingerprint);
        let is_new = known.is_none();
        let mut issue = match known {
            Some(mut issue) => {
                issue.count += 1;
                issue.last_seen.clone_from(&seen);
                issue.status = Status::Open;
                issue.resolved = None;
                issue
            }
            None => Issue::new(&fingerprint, &seen, now.date()),
        };
        issue.take(report);
        let what = if is_new { "opened" } else { "seen again" };
        self.write(&issue, what)?;
        Ok(issue)
    }

    /// Returns all issues, open ones first, the latest first. A file that cannot be read is left out: see
    /// [`Store::unreadable`].
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Issue>> {
        let mut issues: Vec<Issue> = self
            .files()?
            .iter()
            .filter_map(|path| read(path).ok())
            .collect();
        issues.sort_by(|one, other| {
            (one.status, &other.last_seen, &one.id).cmp(&(other.status, &one.last_seen, &other.id))
        });
        Ok(issues)
    }

    /// Returns the files that look like issues but cannot be read, and why.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn unreadable(&self) -> Result<Vec<(PathBuf, String)>> {
        Ok(self
            .files()?
            .into_iter()
            .filter_map(|path| read(&path).err().map(|why| (path, format!("{why:#}"))))
            .collect())
    }

    /// Returns the issue of an id, or of the start of an id or fingerprint.
    ///
    /// # Errors
    /// A [`Problem`] when there is none, or more than one.
    pub fn find(&self, id: &str) -> Result<Issue> {
        let mut matching: Vec<Issue> = self
            .list()?
            .into_iter()
            .filter(|issue| {
                !id.is_empty() && (issue.id.starts_with(id) || issue.fingerprint.starts_with(id))
            })
            .collect();
        if matching.len() > 1 {
            matching.retain(|issue| issue.id == id || issue.fingerprint == id);
        }
        match matching.pop() {
            Some(issue) => Ok(issue),
            None => bail!(Problem::new(
                format!(
                    "no single issue in {} has the id {id}",
                    self.directory.display()
                ),
                "list them with `driftwarden issues`",
            )),
        }
    }

    /// Marks an issue resolved.
    ///
    /// # Errors
    /// As for [`Store::find`] and [`Store::record`].
    pub fn resolve(&self, id: &str, why: &str, now: OffsetDateTime) -> Result<Issue> {
        let mut issue = self.find(id)?;
        if issue.status == Status::Open {
            issue.status = Status::Resolved;
            issue.resolved = Some(format!("{} ({why})", stamp(now)?));
            self.write(&issue, "resolved")?;
        }
        Ok(issue)
    }

    /// Marks every open issue resolved that `step` has passed. Returns them.
    ///
    /// # Errors
    /// As for [`Store::record`].
    pub fn succeeded(
        &self,
        passed: impl Fn(&Issue) -> bool,
        now: OffsetDateTime,
    ) -> Result<Vec<Issue>> {
        self.list()?
            .into_iter()
            .filter(|issue| issue.status == Status::Open && passed(issue))
            .map(|issue| self.resolve(&issue.id, "the same step succeeded", now))
            .collect()
    }

    /// Returns the file of an issue.
    pub fn path(&self, issue: &Issue) -> PathBuf {
        self.directory.join(format!("{}.md", issue.id))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(failure) if failure.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(failure) => {
                return Err(failure)
                    .with_context(|| format!("reading the folder {}", self.directory.display()));
            }
        };
        let mut paths: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_issue_file(path))
            .collect();
        paths.sort();
        Ok(paths)
    }

    fn write(&self, issue: &Issue, what: &str) -> Result<()> {
        let path = self.path(issue);
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("making the folder {}", self.directory.display()))?;
        replace(&path, issue.to_markdown()?.as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
        if self.git {
            let outcome = git::commit(&path, &format!("issues: {} {what}", issue.id));
            tracing::debug!(file = %path.display(), outcome = ?outcome, "issue file and git");
        }
        Ok(())
    }
}

/// Issue files are named `<date>-<fingerprint>.md`; notes beside them are not.
fn is_issue_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
        && path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| {
                stem.starts_with(|first: char| first.is_ascii_digit()) && stem.contains('-')
            })
}

fn read(path: &Path) -> Result<Issue> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Issue::from_markdown(&text)
        .with_context(|| format!("reading the front matter of {}", path.display()))
}

/// Replaces a file in one step: temporary name, sync, rename.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".issue-")
        .tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

fn stamp(now: OffsetDateTime) -> Result<String> {
    let seconds = now.replace_nanosecond(0).unwrap_or(now);
    seconds.format(&Rfc3339).context("writing the time")
}
