//! Whether what local remembers of a table still holds, and what it is to remember next.
//!
//! Must never go on from a note that may not be true: when in doubt the table is compared in full. The clock of this
//! machine is used to doubt production's, never to decide which rows are read.

use super::survey::{Pair, Sides};
use crate::apply::state::{self, Identities, Note, Stored};
use crate::compare::{RowKey, Shape};
use crate::config::Config;
use crate::config::rules::EffectiveRule;
use crate::connect::{Reader, RemoteSession};
use crate::plan::{PlannedWatermark, Watermark};
use crate::read::encode;
use crate::read::incremental::{self, Clock, Moment, SECOND, Since, TimeColumn, TimeKind};
use crate::schema::{ObjectName, print as text};
use crate::sql::Read;
use crate::sql::read::ServerQuestion;
use crate::value::to_hex;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How far a DATETIME may be ahead of UTC, whatever zone it is written in.
const MOST_AHEAD: Moment = 15 * 3600 * SECOND;
/// How much the two machines' clocks may run apart between two plans without a word, at least.
const LEAST_DRIFT: Moment = 2 * SECOND;
/// After so long, production's zone may have been put back and forth since.
const SEASON: Moment = 30 * 24 * 3600 * SECOND;

/// What is known of both sides, read once per plan.
#[derive(Debug)]
pub(super) struct Watermarks {
    clock: Clock,
    clock_text: String,
    now: OffsetDateTime,
    overlap: Moment,
    check_deletes: bool,
    coarse: bool,
    remote: String,
    local: String,
    identities: Identities,
    notes: BTreeMap<ObjectName, Stored>,
}

/// A table, as far as its watermark goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) remote_name: &'a ObjectName,
    pub(super) local_name: &'a ObjectName,
    pub(super) rule: &'a EffectiveRule,
    pub(super) shape: &'a Shape,
    pub(super) column: &'a TimeColumn,
}

impl Watermarks {
    /// Reads production's clock and what local remembers.
    ///
    /// # Errors
    /// What either server says.
    pub(super) fn read(
        config: &Config,
        pairs: &[Pair],
        sides: &mut Sides,
        now: OffsetDateTime,
        check_deletes: bool,
    ) -> Result<Self> {
        let step = "reading production's clock";
        let read = Read::Server(ServerQuestion::Clock);
        let rows = sides
            .remote
            .run(&mut sides.session, step, |session: &mut RemoteSession| {
                session.rows(&read)
            })?;
        let cell = |place: usize| -> Option<String> {
            let bytes = rows.first()?.get(place)?.clone()?;
            String::from_utf8(bytes).ok()
        };
        let clock_text = cell(0).context("production does not tell the time")?;
        let utc = incremental::parse(&clock_text)
            .with_context(|| format!("production's clock shows {clock_text:?}"))?;
        // A zone that the server itself does not know: taken for UTC, so that rather too much is read.
        let ahead = cell(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        let databases: Vec<String> = pairs.iter().map(|pair| pair.names.local.clone()).collect();
        let identities = state::identities(&mut sides.local, &databases)?;
        let mut notes = BTreeMap::new();
        for database in &databases {
            for (table, stored) in state::read(&mut sides.local, database)? {
                notes.insert(ObjectName::new(database, table), stored);
            }
        }
        Ok(Self {
            clock: Clock { utc, ahead },
            clock_text,
            now,
            overlap: Moment::try_from(config.incremental.overlap.0.as_micros())?,
            check_deletes,
            coarse: config.plan.preview != crate::config::Preview::Full,
            remote: sides.remote.server().identity.clone(),
            local: sides.local.server().identity.clone(),
            identities,
            notes,
        })
    }

    /// Returns from when on a table is to be compared, or why it must be compared in full.
    ///
    /// # Errors
    /// The reason, and whether it is worth a warning: a table that was never applied is not.
    pub(super) fn since(&self, of: &Subject<'_>) -> Result<Since, (String, bool)> {
        let Some(stored) = self.notes.get(of.local_name) else {
            return Err(("no plan of it was applied yet".to_owned(), false));
        };
        let Some(note) = &stored.note else {
            let why = "what local remembers of it cannot be read by this version";
            return Err((why.to_owned(), true));
        };
        self.going_on(note, of).map_err(|why| (why, true))
    }

    fn going_on(&self, note: &Note, of: &Subject<'_>) -> Result<Since, String> {
        let RowKey::Columns { .. } = &of.shape.key else {
            return Err("local has no key by which rows could be told apart".to_owned());
        };
        if note.remote != self.remote {
            return Err("it was brought up from another production server before".to_owned());
        }
        if note.local != self.local {
            return Err("what local remembers was written by another local server".to_owned());
        }
        if Some(&note.table) != self.identities.get(of.local_name) {
            return Err(
                "local's table was re-created, restored, truncated or altered since".to_owned(),
            );
        }
        if note.mark.basis != basis(of) || note.mark.column != of.column.name {
            return Err(
                "its columns, key, time column, `where` or mask are not what they were".to_owned(),
            );
        }
        let ran_back = || "production's clock ran backward since".to_owned();
        let then = incremental::parse(&note.mark.clock).ok_or_else(ran_back)?;
        let passed = self.passed_here(&note.planned_at).ok_or_else(ran_back)?;
        let drift = (self.overlap / 2).max(LEAST_DRIFT);
        let passed_there = self.clock.utc - then;
        if passed_there < 0 || passed_there < passed - drift {
            return Err(ran_back());
        }
        let mark = of
            .column
            .moment(&note.mark.value)
            .ok_or_else(|| "what local remembers of it is no time of its column".to_owned())?;
        if mark > self.clock.utc + MOST_AHEAD {
            return Err("what local remembers of it lies in the future".to_owned());
        }
        let wide = self.overlap + self.put_back(note, of.column, passed_there);
        let from = of
            .column
            .from(&note.mark.value, wide)
            .ok_or_else(|| "what local remembers of it is no time of its column".to_owned())?;
        Ok(Since {
            from,
            keys: keys_of(note, of.shape)?,
            check_deletes: self.check_deletes || of.rule.check_deletes,
        })
    }

    /// How much time passed on this machine since the plan of the note was made.
    fn passed_here(&self, planned_at: &str) -> Option<Moment> {
        let then = OffsetDateTime::parse(planned_at, &Rfc3339).ok()?;
        Some((self.now - then).whole_microseconds())
    }

    /// By how much the times of a column that is written in a zone of its own may have been put back: at the end of
    /// summer time an hour comes twice.
    fn put_back(&self, note: &Note, column: &TimeColumn, passed: Moment) -> Moment {
        if !matches!(column.kind, TimeKind::Date | TimeKind::Datetime) {
            return 0;
        }
        let by = Moment::from(note.mark.ahead.saturating_sub(self.clock.ahead).max(0)) * SECOND;
        let fixed = note.mark.ahead == 0 && self.clock.ahead == 0;
        if passed > SEASON && !fixed {
            by.max(3600 * SECOND)
        } else {
            by
        }
    }

    /// Returns what an apply is to note of a table that was compared. `greatest` is the greatest time that was seen;
    /// `went_on` is set where the comparison went on from a note; nothing is to be noted where it `found` nothing and came
    /// no further.
    pub(super) fn planned(
        &self,
        of: &Subject<'_>,
        greatest: Option<&str>,
        went_on: Option<&Since>,
        found: bool,
    ) -> Option<PlannedWatermark> {
        if matches!(of.shape.key, RowKey::Bag) {
            return None;
        }
        let stored = self.notes.get(of.local_name);
        let seen =
            greatest.and_then(|greatest| of.column.watermark(greatest, &self.clock, self.coarse));
        let before = stored
            .filter(|_| went_on.is_some())
            .and_then(|stored| Some(stored.note.as_ref()?.mark.value.clone()));
        let value = match (seen, &before) {
            (Some(seen), Some(before)) => of.column.later(before, &seen),
            (seen, before) => seen.or_else(|| before.clone())?,
        };
        let kept_in_mind = went_on.is_some_and(|since| !since.keys.is_empty());
        if before.as_ref() == Some(&value) && !found && !kept_in_mind {
            return None;
        }
        Some(PlannedWatermark {
            mark: Watermark {
                column: of.column.name.clone(),
                value,
                clock: self.clock_text.clone(),
                ahead: self.clock.ahead,
                basis: basis(of),
            },
            local_table: self.identities.get(of.local_name).cloned(),
            replaces: stored.map(|stored| stored.hash.clone()),
            keys_compared: went_on.is_some_and(|since| since.check_deletes),
        })
    }
}

/// What a comparison rests on. The raw texts of the rule count, not what they mean.
fn basis(of: &Subject<'_>) -> String {
    let mut parts = vec![
        of.remote_name.database.clone(),
        of.remote_name.name.clone(),
        of.column.name.clone(),
        format!("{:?}", of.rule.filter),
        format!("{:?}", of.rule.mask),
    ];
    parts.extend(
        of.shape
            .columns
            .iter()
            .map(|column| text::column(&column.remote)),
    );
    // With the key in them: under another one every masked value is another.
    parts.extend(
        of.shape
            .columns
            .iter()
            .filter_map(|column| column.mask.as_ref().map(crate::sql::Expr::sql)),
    );
    if let RowKey::Columns { positions, .. } = &of.shape.key {
        parts.push(format!("{positions:?}"));
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    to_hex(&hash.finalize())
}

/// The keys of a note, where they are keys of the table.
fn keys_of(note: &Note, shape: &Shape) -> Result<Vec<Vec<crate::value::Value>>, String> {
    let RowKey::Columns { positions, .. } = &shape.key else {
        return Ok(Vec::new());
    };
    let columns: Vec<_> = positions
        .iter()
        .map(|position| &shape.columns[*position])
        .collect();
    let fits = note.keys.is_empty()
        || note.key.len() == columns.len()
            && note
                .key
                .iter()
                .zip(&columns)
                .all(|(name, column)| name.to_lowercase() == column.remote.name.to_lowercase());
    let are_keys = note.keys.iter().all(|values| {
        values.len() == columns.len()
            && values.iter().zip(&columns).all(|(value, column)| {
                let sides = [Some(&column.remote), column.local.as_ref()];
                sides
                    .into_iter()
                    .flatten()
                    .all(|definition| encode::literal_expr(definition, value).is_ok())
            })
    });
    if fits && are_keys {
        Ok(note.keys.clone())
    } else {
        Err("the rows left from an earlier plan are no rows of it".to_owned())
    }
}

#[cfg(test)]
mod tests;
