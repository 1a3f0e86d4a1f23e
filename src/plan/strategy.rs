//! Chooses how a table's rows are compared, and says what that comparison can and cannot see.
//!
//! Must never choose a full comparison that nobody approved of, and must never leave a table out without naming the
//! flag that includes it.

use super::Strategy;
use crate::read::incremental::{self, Since, Tells, TimeColumn, TimeKind};
use crate::schema::Table;

/// Column names that usually hold the time of a row's last change, best first.
const UPDATED_NAMES: [&str; 14] = [
    "updated_at",
    "modified_at",
    "last_modified",
    "changed_at",
    "updated_on",
    "modified_on",
    "changed_on",
    "last_updated",
    "last_modified_at",
    "last_updated_at",
    "date_updated",
    "date_modified",
    "updated",
    "modified",
];

/// Column names that usually hold the time a row was made, best first.
const CREATED_NAMES: [&str; 6] = [
    "created_at",
    "created_on",
    "inserted_at",
    "date_created",
    "creation_date",
    "created",
];

/// What is known of a table when its strategy is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The remote's table.
    pub remote: &'a Table,
    /// The remote's estimate of its rows.
    pub estimated_rows: u64,
    /// Whether the local table is missing or holds no row.
    pub local_empty: bool,
    /// Whether a full comparison was asked for (rule, flag or prompt), and so approved.
    pub full_approved: bool,
    /// `updated_at` of the table's rule.
    pub updated_at: Option<&'a str>,
    /// `created_at` of the table's rule.
    pub created_at: Option<&'a str>,
    /// Columns whose values are masked: their real times do not leave production.
    pub masked: &'a [String],
}

/// A strategy with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How the rows are compared. `Incremental` becomes `Full` where the table has no valid watermark.
    pub strategy: Strategy,
    /// What that can and cannot see, in words, for the plan.
    pub exactness: String,
    /// The column that a watermark is of, where the table has a usable one.
    pub times: Option<TimeColumn>,
}

/// Chooses the strategy of the table displayed as `name`.
pub fn choose(name: &str, facts: &Facts<'_>) -> Choice {
    let column = time_column(facts);
    let times = column.as_ref().ok().cloned();
    let choice = |strategy, exactness: &str| Choice {
        strategy,
        exactness: exactness.to_owned(),
        times: times.clone(),
    };
    if facts.local_empty {
        return choice(
            Strategy::Copy,
            "exact: local has no row of it, every remote row is inserted",
        );
    }
    if facts.full_approved {
        return choice(Strategy::Full, "exact: every row compared");
    }
    match column {
        Ok(_) => choice(Strategy::Incremental, ""),
        Err(why) => choice(
            Strategy::Skipped,
            &format!(
                "rows not compared: {why}, and a full comparison needs approval: --full-diff {name}, \
                 --full-diff-all, or \"full_diff\": true in a rule"
            ),
        ),
    }
}

/// Says what an incremental comparison can and cannot see.
pub fn seen_since(column: &TimeColumn, since: &Since) -> String {
    let name = &column.name;
    let from = match column.kind {
        TimeKind::Timestamp => format!("{} UTC", since.from),
        _ => since.from.clone(),
    };
    let deletes = if since.check_deletes {
        "deletes checked: the keys of all rows were compared"
    } else {
        "deletes not checked (--check-deletes does)"
    };
    let again = match since.keys.len() {
        0 => String::new(),
        1 => ", and 1 row left from an earlier plan".to_owned(),
        count => format!(", and {count} rows left from earlier plans"),
    };
    match column.tells {
        Tells::Changes => format!(
            "sees rows whose `{name}` is {from} or later, or unknown{again}; not a change that leaves `{name}` as it was, \
             nor one made on local; {deletes}"
        ),
        Tells::NewRows => format!(
            "new rows only: sees those whose `{name}` is {from} or later, or unknown{again}; not a change of an older row, nor \
             one made on local; {deletes}"
        ),
    }
}

/// Returns the column that shows when a row changed or was made, or why there is none.
///
/// # Errors
/// The reason, in words.
pub fn time_column(facts: &Facts<'_>) -> Result<TimeColumn, String> {
    if !incremental::key_is_ordered(facts.remote) {
        return Err("it has no key by which changed rows could be told apart".to_owned());
    }
    let named = [
        (facts.updated_at, Tells::Changes),
        (facts.created_at, Tells::NewRows),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, tells)| Some((name?, tells, true)));
    let usual = UPDATED_NAMES
        .into_iter()
        .map(|name| (name, Tells::Changes, false));
    let usual = usual.chain(
        CREATED_NAMES
            .into_iter()
            .map(|name| (name, Tells::NewRows, false)),
    );
    let mut reasons = Vec::new();
    for (name, tells, by_rule) in named.chain(usual) {
        let Some(column) = facts.remote.column(name) else {
            continue;
        };
        let is_it = |masked: &String| masked.to_lowercase() == column.name.to_lowercase();
        if facts.masked.iter().any(is_it) {
            reasons.push(format!("`{}` is masked", column.name));
            continue;
        }
        match TimeColumn::of(facts.remote, column, tells, facts.estimated_rows) {
            // A whole number called `modified` may as well be a flag or a user.
            Ok(found) if found.kind == TimeKind::Integer && !by_rule && !name.contains('_') => {}
            Ok(found) => return Ok(found),
            Err(why) if !reasons.contains(&why) => reasons.push(why),
            Err(_) => {}
        }
    }
    Err(match reasons.as_slice() {
        [] => "no usable updated_at or created_at column".to_owned(),
        reasons => format!(
            "no usable updated_at or created_at column ({})",
            reasons.join("; ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn table(columns: &str) -> Table {
        parse::table(&format!("CREATE TABLE `t` (\n  `id` int NOT NULL,\n{columns},\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB")).unwrap()
    }

    fn facts(remote: &Table) -> Facts<'_> {
        Facts {
            remote,
            estimated_rows: 10,
            local_empty: false,
            full_approved: false,
            updated_at: None,
            created_at: None,
            masked: &[],
        }
    }

    #[test]
    fn a_change_s_time_is_better_than_a_row_s_birth() {
        let remote =
            table("  `created_at` datetime DEFAULT NULL,\n  `modified_on` datetime DEFAULT NULL");
        let found = time_column(&facts(&remote)).unwrap();
        assert_eq!(
            (found.name.as_str(), found.tells),
            ("modified_on", Tells::Changes)
        );
        let choice = choose("s.t", &facts(&remote));
        assert_eq!(choice.strategy, Strategy::Incremental);
    }

    #[test]
    fn a_rule_s_column_goes_first_and_one_that_is_not_there_is_passed_by() {
        let remote = table("  `at` bigint DEFAULT NULL,\n  `updated_at` datetime DEFAULT NULL");
        let mut facts = facts(&remote);
        facts.updated_at = Some("AT");
        assert_eq!(time_column(&facts).unwrap().name, "at");
        facts.updated_at = Some("other");
        assert_eq!(time_column(&facts).unwrap().name, "updated_at");
    }

    #[test]
    fn what_cannot_serve_is_skipped_with_the_reason() {
        let remote =
            table("  `updated_at` varchar(20) DEFAULT NULL,\n  `modified` int DEFAULT NULL");
        let choice = choose("s.t", &facts(&remote));
        insta::assert_snapshot!(choice.exactness, @r#"rows not compared: no usable updated_at or created_at column (`updated_at` is varchar and holds no time), and a full comparison needs approval: --full-diff s.t, --full-diff-all, or "full_diff": true in a rule"#);
        assert_eq!(choice.strategy, Strategy::Skipped);
        let keyless = parse::table(
            "CREATE TABLE `t` (\n  `updated_at` datetime DEFAULT NULL\n) ENGINE=InnoDB",
        )
        .unwrap();
        assert!(
            time_column(&facts(&keyless))
                .unwrap_err()
                .contains("no key")
        );
        let large = table("  `updated_at` datetime DEFAULT NULL");
        let mut facts = facts(&large);
        facts.estimated_rows = 2_000_000;
        assert!(time_column(&facts).unwrap_err().contains("leads no index"));
    }

    #[test]
    fn what_is_approved_in_full_or_copied_keeps_its_time_column() {
        let remote = table("  `updated_at` datetime DEFAULT NULL");
        let mut facts = facts(&remote);
        facts.full_approved = true;
        assert!(choose("s.t", &facts).times.is_some());
        facts.local_empty = true;
        let choice = choose("s.t", &facts);
        assert_eq!(choice.strategy, Strategy::Copy);
        assert!(choice.times.is_some());
    }

    #[test]
    fn what_is_seen_is_said() {
        let remote = table("  `created_at` timestamp NULL DEFAULT NULL");
        let column = time_column(&facts(&remote)).unwrap();
        let mut since = Since {
            from: "2026-11-24 06:05:00".into(),
            keys: vec![vec![]],
            check_deletes: false,
        };
        insta::assert_snapshot!(seen_since(&column, &since), @"new rows only: sees those whose `created_at` is 2026-11-24 06:05:00 UTC or later, or unknown, and 1 row left from an earlier plan; not a change of an older row, nor one made on local; deletes not checked (--check-deletes does)");
        since.check_deletes = true;
        assert!(seen_since(&column, &since).contains("deletes checked"));
    }
}
