//! A failure as it is reported: where, what, why, and what to do.

use crate::refusal::{self, LOCK_NOT_GIVEN};
use crate::schema::ObjectName;
use crate::value::to_hex;
use sha2::{Digest, Sha256};
use std::fmt;
use std::panic::Location;

/// Where a failure happened, attached to an error as context on its way up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// What was being done, such as `reading rows`.
    pub phase: String,
    /// The database (remote name), where there is one.
    pub database: Option<String>,
    /// The table (remote name), where there is one.
    pub table: Option<String>,
    /// The range of keys, where there is one; holds values of rows.
    pub key_range: Option<String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.phase)?;
        match (&self.database, &self.table) {
            (Some(database), Some(table)) => write!(f, " of {database}.{table}")?,
            (Some(name), None) | (None, Some(name)) => write!(f, " of {name}")?,
            (None, None) => {}
        }
        if let Some(range) = &self.key_range {
            write!(f, ", keys {range}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Step {}

impl Step {
    /// Names what is being done, to nothing in particular.
    pub fn phase(phase: &str) -> Self {
        Self {
            phase: phase.to_owned(),
            ..Self::default()
        }
    }

    /// Names what is being done to a table.
    pub fn table(phase: &str, table: &ObjectName) -> Self {
        Self {
            database: Some(table.database.clone()),
            table: Some(table.name.clone()),
            ..Self::phase(phase)
        }
    }
}

/// The range of keys that was being worked on, attached to an error below its [`Step`]; holds values of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange(pub String);

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys {}", self.0)
    }
}

impl std::error::Error for KeyRange {}

/// A failure to be persisted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where it happened.
    pub step: Step,
    /// The error and its causes, outermost first.
    pub chain: Vec<String>,
    /// The next step for the user.
    pub remedy: Option<String>,
    /// The command that failed, such as `plan`.
    pub command: String,
    /// The command line that shows the failure again.
    pub reproduce: String,
    /// Where in driftwarden's source it was reported.
    pub source: String,
}

impl Report {
    /// Takes an error apart; `phase` is what was being done, where the error does not know better. With `values` unset, quoted parts of the texts and key ranges are left out, for they may
    /// be rows' values.
    #[track_caller]
    pub fn new(
        error: &anyhow::Error,
        phase: &str,
        command: &str,
        reproduce: &str,
        values: bool,
    ) -> Self {
        let mut step = refusal::find::<Step>(error)
            .cloned()
            .unwrap_or_else(|| Step::phase(phase));
        let range = refusal::find::<KeyRange>(error);
        if step.key_range.is_none() {
            step.key_range = range.map(|range| range.0.clone());
        }
        let mut chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        chain.dedup();
        if !values {
            let shown = step.to_string();
            step.key_range = None;
            if let Some(range) = range {
                let range = range.to_string();
                chain.retain(|text| *text != range);
            }
            for text in &mut chain {
                *text = if *text == shown {
                    step.to_string()
                } else {
                    refusal::without_values(text)
                };
            }
        }
        let place = Location::caller();
        Self {
            step,
            chain,
            remedy: refusal::remedy_of(error).map(str::to_owned),
            command: command.to_owned(),
            reproduce: reproduce.to_owned(),
            source: format!("{}:{}", place.file(), place.line()),
        }
    }

    /// Returns what tells this kind of failure from others: command, step, database, table and causes, without the
    /// numbers in them (ports, ids, counts) and without who held a lock, shortened to 8 hex digits.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let step = &self.step;
        let parts = [
            Some(&self.command),
            Some(&step.phase),
            step.database.as_ref(),
            step.table.as_ref(),
        ];
        for part in parts {
            hash.update(part.map_or("", String::as_str));
            hash.update([0]);
        }
        // The step stands in the chain as well, with keys that differ from one occurrence to the next.
        let shown = step.to_string();
        let keys = step
            .key_range
            .as_ref()
            .map(|range| KeyRange(range.clone()).to_string());
        let differs = |text: &String| *text == shown || Some(text) == keys.as_ref();
        for text in self.chain.iter().filter(|text| !differs(text)) {
            let end = text
                .find(LOCK_NOT_GIVEN)
                .map_or(text.len(), |at| at + LOCK_NOT_GIVEN.len());
            hash.update(without_numbers(&text[..end]));
            hash.update([0]);
        }
        to_hex(&hash.finalize()[..4])
    }
}

/// Drops digits, and with them what differs between two occurrences of the same failure.
fn without_numbers(text: &str) -> String {
    // An error number of the server is what the failure is about: it stays.
    let mut out = String::new();
    for word in text.split_inclusive(' ') {
        if out.ends_with("(error ") {
            out.push_str(word);
        } else {
            out.extend(word.chars().filter(|character| !character.is_ascii_digit()));
        }
    }
    out
}
