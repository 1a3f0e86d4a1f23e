//! What is said of rows in the way.
//!
//! Pure. Must never name a value beyond the keys it is handed.

use super::Obstacle;
use crate::diff::schema::demand::Demand;
use crate::schema::table::Table;

/// Returns what an entry says of rows that the plan mends before it; `None` where there is nothing to say.
pub fn note(demand: &Demand, obstacle: &Obstacle, wanted: &Table, exact: bool) -> Option<String> {
    let mut notes = Vec::new();
    if let Some(why) = &obstacle.unknown {
        if !matches!(demand, Demand::Holds(_)) && exact && obstacle.now == 0 {
            // Rows that stay are production's, which meet it.
            return None;
        }
        return Some(format!(
            "rows in the way of {}: {why}; should there be any, apply stops before this change",
            demand.describe(wanted)
        ));
    }
    if obstacle.now > 0 {
        notes.push(format!(
            "{}{}; this plan's row entries mend {}",
            violation(demand, obstacle.now, wanted, Whose::Local),
            example(obstacle),
            all_of(obstacle.now)
        ));
    }
    if obstacle.altered > 0 {
        notes.push(format!(
            "{} of {} would be changed without a word by its new type",
            counted(obstacle.altered, "local value", "local values"),
            of(demand)
        ));
    }
    if let (Demand::Holds(name), true) = (demand, notes.is_empty()) {
        notes.push(format!("every local value of `{name}` fits the new type"));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Returns why a demand is left out of the plan.
pub fn refusal(
    demand: &Demand,
    obstacle: &Obstacle,
    wanted: &Table,
    rows_compared: bool,
) -> String {
    let found = if obstacle.now > 0 {
        let mended = obstacle.now.saturating_sub(obstacle.left);
        format!(
            "{}{}, and this plan's row entries mend {}",
            violation(demand, obstacle.now, wanted, Whose::Local),
            example(obstacle),
            match (mended, obstacle.now) {
                (0, 1) => "it not".to_owned(),
                (0, _) => "none of them".to_owned(),
                (mended, all) => format!("{mended} of these {all}"),
            }
        )
    } else {
        format!(
            "once this plan's row entries are executed, {}{}",
            violation(demand, obstacle.left, wanted, Whose::Both),
            example(obstacle)
        )
    };
    let remedy = if rows_compared {
        "mend or delete those rows"
    } else {
        "mend or delete those rows, or compare this table's rows as well, so that the plan mends them"
    };
    format!(
        "{} is left out: {found}; the rest of the table's change goes on. Next: {remedy}",
        demand.describe(wanted)
    )
}

/// Returns why a table is left as it is: its stale rows are in the way before the plan's row entries can mend them.
pub fn before_rows(demand: &Demand, obstacle: &Obstacle, wanted: &Table) -> String {
    format!(
        "{} must come before the rows, and {}{}: mend or delete those rows",
        demand.describe(wanted),
        violation(demand, obstacle.now, wanted, Whose::Local),
        example(obstacle)
    )
}

/// Returns why an entry is refused before it is executed.
pub fn beforehand(demand: &Demand, obstacle: &Obstacle, after: &Table) -> String {
    format!(
        "nothing of it was executed, since {} cannot be had yet: {}{}",
        demand.describe(after),
        violation(demand, obstacle.now, after, Whose::Local),
        example(obstacle)
    )
}

/// Whose rows are spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those that local has.
    Local,
    /// Those that it will have: its own and those that the plan brings.
    Both,
}

fn violation(demand: &Demand, count: u64, wanted: &Table, whose: Whose) -> String {
    let one = count == 1;
    let subject = |noun: &str| {
        let local = if whose == Whose::Local { "local " } else { "" };
        format!("{count} {local}{noun}{}", if one { "" } else { "s" })
    };
    match demand {
        Demand::NotNull(name) => {
            let verb = if one { "is" } else { "are" };
            format!("{} {verb} NULL in `{name}`", subject("row"))
        }
        Demand::Holds(name) => {
            let verb = if one { "does" } else { "do" };
            format!(
                "{} of `{name}` {verb} not fit the new type",
                subject("value")
            )
        }
        Demand::Unique(name) => format!(
            "{} {} with another row what `{name}` wants unique",
            subject("row"),
            if one { "shares" } else { "share" }
        ),
        Demand::Check(name) | Demand::ColumnCheck(name) => {
            let verb = if one { "violates" } else { "violate" };
            format!("{} {verb} the check `{name}`", subject("row"))
        }
        Demand::Reference(name) => {
            let parent = wanted
                .foreign_keys
                .iter()
                .find(|key| key.name == *name)
                .map_or("the table referred to", |key| key.referenced_table.as_str());
            let verb = if one { "refers" } else { "refer" };
            format!("{} {verb} to no row of `{parent}`", subject("row"))
        }
    }
}

fn of(demand: &Demand) -> String {
    match demand {
        Demand::Holds(name) => format!("`{name}`"),
        _ => "the table".to_owned(),
    }
}

fn example(obstacle: &Obstacle) -> String {
    obstacle
        .example
        .as_ref()
        .map_or_else(String::new, |key| format!(" (for example {key})"))
}

fn all_of(count: u64) -> &'static str {
    if count == 1 { "it" } else { "all of them" }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {many}")
    }
}
