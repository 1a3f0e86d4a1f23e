//! Selectors: what of a plan a decision is about.
//!
//! Must never match more than its text says: an exact id comes before a glob, and a row is named by an exact id.

use crate::plan::{Entry, Plan};
use crate::refusal::Problem;
use anyhow::Result;
use globset::{GlobBuilder, GlobMatcher};
use similar::TextDiff;

/// What of a plan a decision is about.
#[derive(Debug, Clone)]
pub enum Selector {
    /// Every entry.
    All,
    /// Every entry without risk.
    Safe,
    /// The entry of this id.
    Id(String),
    /// The entries whose ids a glob matches.
    Glob(String, GlobMatcher),
    /// One row of the entry of this id.
    Row(String, u64),
}

impl Selector {
    /// Reads a selector: an id, a glob of ids, or `ENTRY#ROW`.
    ///
    /// # Errors
    /// A [`Problem`] when a glob or a row number is malformed.
    pub fn parse(text: &str) -> Result<Self> {
        // An id holds none of these: they are percent-encoded in it.
        if let Some((id, row)) = text.rsplit_once('#') {
            return match row.parse() {
                Ok(row) if row > 0 => Ok(Self::Row(id.to_owned(), row)),
                _ => Err(malformed(text, "behind `#` stands a row's number, from 1")),
            };
        }
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::Id(text.to_owned()));
        }
        // Braces are ordinary characters of a name, not alternatives.
        let pattern = text.replace('{', "[{]").replace('}', "[}]");
        let glob = GlobBuilder::new(&pattern)
            .literal_separator(false)
            .backslash_escape(false)
            .build()
            .map_err(|error| malformed(text, &error.kind().to_string()))?;
        Ok(Self::Glob(text.to_owned(), glob.compile_matcher()))
    }

    /// Returns whether the selector is about the entry, or about a row of it.
    pub fn matches(&self, entry: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::Safe => entry.risk == crate::plan::Risk::Safe,
            Self::Id(id) | Self::Row(id, _) => *id == entry.id,
            Self::Glob(_, glob) => glob.is_match(&entry.id),
        }
    }

    /// Returns whether the selector names the entry by its exact id.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Id(_) | Self::Row(..))
    }

    /// Returns the selector as it was given.
    pub fn text(&self) -> String {
        match self {
            Self::All => "--all".to_owned(),
            Self::Safe => "--safe".to_owned(),
            Self::Id(text) | Self::Glob(text, _) => text.clone(),
            Self::Row(id, row) => format!("{id}#{row}"),
        }
    }

    /// Checks that a selector is about something in the plan.
    ///
    /// # Errors
    /// A [`Problem`] that names ids near to what was given.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        let mut matched = plan.entries.iter().filter(|entry| self.matches(entry));
        let Some(entry) = matched.next() else {
            return match self {
                Self::All | Self::Safe => Ok(()),
                _ => Err(no_match(&self.text(), plan)),
            };
        };
        let Self::Row(id, row) = self else {
            return Ok(());
        };
        match entry.count {
            Some(count) if *row <= count => Ok(()),
            Some(count) => Err(Problem::new(
                format!("selector {id}#{row}: the entry has {count} rows"),
                format!("driftwarden show PLAN --entry {id} --limit {count}"),
            )
            .into()),
            None => Err(Problem::new(
                format!("selector {id}#{row}: the entry changes the schema and has no rows"),
                format!("name the entry: {id}"),
            )
            .into()),
        }
    }
}

/// Returns ids of the plan near to a text, the nearest first.
pub fn near_ids<'p>(text: &str, plan: &'p Plan) -> Vec<&'p str> {
    near(text, plan.entries.iter().map(|entry| entry.id.as_str()))
}

/// Returns the names nearest to a text, at most three, the nearest first.
pub fn near<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let lower = text.to_lowercase();
    let mut near: Vec<(f32, &str)> = names
        .map(|name| {
            let ratio = TextDiff::from_chars(lower.as_str(), name.to_lowercase().as_str()).ratio();
            (ratio, name)
        })
        .filter(|(ratio, _)| *ratio > 0.5)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

fn no_match(text: &str, plan: &Plan) -> anyhow::Error {
    let id = text.rsplit_once('#').map_or(text, |(id, _)| id);
    let near = near_ids(id, plan);
    let remedy = if near.is_empty() {
        "`driftwarden show PLAN` lists the ids; a glob such as 'shop.users.*' takes several"
            .to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    Problem::new(
        format!("selector {text:?} matches nothing in the plan"),
        remedy,
    )
    .into()
}

fn malformed(text: &str, why: &str) -> anyhow::Error {
    Problem::new(
        format!("selector {text:?}: {why}"),
        "a selector is an entry's id, a glob of ids ('shop.users.*') or ENTRY#ROW",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::{entry, plan};
    use crate::plan::{Kind, Risk};
    use crate::refusal::remedy_of;

    fn matched(text: &str) -> Vec<String> {
        let selector = Selector::parse(text).unwrap();
        let plan = plan();
        let matched = plan.entries.iter().filter(|entry| selector.matches(entry));
        matched.map(|entry| entry.id.clone()).collect()
    }

    #[test]
    fn ids_and_globs_match_what_they_say() {
        assert_eq!(matched("shop.users.expand"), ["shop.users.expand"]);
        assert_eq!(matched("shop.users.*").len(), 4);
        assert_eq!(matched("*.update").len(), 1);
        assert_eq!(matched("shop.user").len(), 0);
        assert_eq!(matched("shop.users.update#2"), ["shop.users.update"]);
        assert_eq!(matched("shop.users.[eu]*").len(), 2);
    }

    #[test]
    fn braces_in_names_are_no_alternatives() {
        let entry = entry("shop.{a,b}.update", Kind::UpdateRows, Risk::Safe);
        assert!(Selector::parse("shop.{a,b}.*").unwrap().matches(&entry));
        assert!(
            !Selector::parse("shop.{shop.{a,b}.update,x}*")
                .unwrap()
                .matches(&entry)
        );
    }

    #[test]
    fn what_matches_nothing_names_what_is_near() {
        let check = |text: &str| Selector::parse(text).unwrap().check(&plan()).unwrap_err();
        let error = check("shop.user.expand");
        assert_eq!(
            error.to_string(),
            "selector \"shop.user.expand\" matches nothing in the plan"
        );
        assert!(
            remedy_of(&error)
                .unwrap()
                .starts_with("did you mean shop.users.expand")
        );
        assert!(
            remedy_of(&check("crm.x.*"))
                .unwrap()
                .contains("lists the ids")
        );
        assert!(check("shop.users.update#3").to_string().contains("2 rows"));
        assert!(check("shop.users.expand#1").to_string().contains("no rows"));
        assert!(Selector::parse("shop.users.update#x").is_err());
        assert!(Selector::parse("shop.users.update#0").is_err());
        assert!(Selector::parse("shop.[").is_err());
    }
}
