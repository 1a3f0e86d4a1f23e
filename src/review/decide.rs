//! Setting decisions, and what follows from them.

use super::Selector;
use crate::plan::{Decision, Entry, Plan, Risk};
use anyhow::Result;
use std::collections::BTreeMap;

/// What setting decisions came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// Ids of the entries (or `ENTRY#ROW`) that now have the decision, in plan order.
    pub set: Vec<String>,
    /// Destructive ones among the approved, with their reasons.
    pub destructive: Vec<(String, Vec<String>)>,
    /// Entries that only their exact id approves, and that a wider selector passed by.
    pub passed_by: Vec<String>,
    /// Approved ones that had been denied before.
    pub overruled: Vec<String>,
}

/// An approved entry that apply will refuse, because what it depends on is not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The approved entry.
    pub id: String,
    /// What it waits for, with the decision that stands there.
    pub needs: Vec<(String, Decision)>,
}

/// Sets a decision on everything that the selectors name. Rows keep decisions of their own.
///
/// # Errors
/// A `Problem` when a selector matches nothing; nothing is changed then.
pub fn decide(plan: &mut Plan, selectors: &[Selector], decision: Decision) -> Result<Decided> {
    for selector in selectors {
        selector.check(plan)?;
    }
    let mut decided = Decided::default();
    for entry in &mut plan.entries {
        for selector in selectors {
            if !selector.matches(entry) {
                continue;
            }
            match selector {
                Selector::Row(_, number) => {
                    set_row(entry, *number, decision);
                    decided.set.push(selector.text());
                }
                _ if decision == Decision::Approve
                    && entry.needs_own_approval
                    && !selector.is_exact() =>
                {
                    decided.passed_by.push(entry.id.clone());
                }
                _ => set_entry(entry, decision, &mut decided),
            }
        }
    }
    let approved = |id: &String| {
        plan.entry(id)
            .is_some_and(|it| it.decision == Decision::Approve)
    };
    decided.passed_by.dedup();
    decided.passed_by.retain(|id| !approved(id));
    Ok(decided)
}

fn set_entry(entry: &mut Entry, decision: Decision, decided: &mut Decided) {
    if decided.set.contains(&entry.id) {
        return;
    }
    decided.set.push(entry.id.clone());
    if decision == Decision::Approve {
        if entry.decision == Decision::Deny {
            decided.overruled.push(entry.id.clone());
        }
        if entry.risk == Risk::Destructive {
            let reasons = entry.reasons.clone();
            decided.destructive.push((entry.id.clone(), reasons));
        }
    }
    entry.decision = decision;
}

/// Sets the decision of one row, where the entry keeps it.
pub fn set_row(entry: &mut Entry, number: u64, decision: Decision) {
    if entry.payload.is_some() {
        entry.row_decisions.insert(number, decision);
    } else if let Some(row) = entry.rows.iter_mut().find(|row| row.row == number) {
        row.decision = Some(decision);
    }
}

/// Returns the approved entries that wait for others that are not, in plan order.
pub fn waiting(plan: &Plan) -> Vec<Waiting> {
    let by_id: BTreeMap<&str, &Entry> = plan
        .entries
        .iter()
        .map(|entry| (entry.id.as_str(), entry))
        .collect();
    let approved = plan.entries.iter().filter(|entry| entry.any_approved());
    approved
        .filter_map(|entry| {
            let needs: Vec<(String, Decision)> = entry
                .depends_on
                .iter()
                .filter_map(|id| by_id.get(id.as_str()))
                .filter(|needed| !needed.any_approved())
                .map(|needed| (needed.id.clone(), needed.decision))
                .collect();
            (!needs.is_empty()).then(|| Waiting {
                id: entry.id.clone(),
                needs,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::digest;
    use crate::plan::example::plan;

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts
            .iter()
            .map(|text| Selector::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn all_takes_all_and_lists_what_is_destructive() {
        let mut plan = plan();
        plan.entries[0].decision = Decision::Deny;
        let decided = decide(&mut plan, &[Selector::All], Decision::Approve).unwrap();
        assert_eq!(decided.set.len(), 4);
        assert_eq!(decided.destructive[0].0, "shop.users.contract");
        assert_eq!(decided.destructive[0].1, ["drops column `legacy`"]);
        assert_eq!(decided.overruled, ["shop.users.expand"]);
        assert!(waiting(&plan).is_empty());
        digest::verify(&plan).unwrap();
    }

    #[test]
    fn safe_leaves_the_destructive_out() {
        let mut plan = plan();
        decide(&mut plan, &[Selector::Safe], Decision::Approve).unwrap();
        assert_eq!(plan.entries[3].decision, Decision::Pending);
        assert_eq!(plan.count_decided(Decision::Approve), 3);
    }

    #[test]
    fn only_its_id_approves_what_needs_its_own_approval() {
        let mut plan = plan();
        plan.entries[3].needs_own_approval = true;
        for wide in [vec![Selector::All], selectors(&["shop.users.*"])] {
            let decided = decide(&mut plan, &wide, Decision::Approve).unwrap();
            assert_eq!(decided.passed_by, ["shop.users.contract"]);
            assert_eq!(plan.entries[3].decision, Decision::Pending);
        }
        let both = selectors(&["shop.users.*", "shop.users.contract"]);
        let decided = decide(&mut plan, &both, Decision::Approve).unwrap();
        assert!(decided.passed_by.is_empty());
        assert_eq!(plan.entries[3].decision, Decision::Approve);
        decide(&mut plan, &[Selector::All], Decision::Deny).unwrap();
        assert_eq!(plan.entries[3].decision, Decision::Deny);
    }

    #[test]
    fn rows_are_decided_where_they_are_kept() {
        let mut plan = plan();
        let rows = selectors(&["shop.users.update#2", "shop.users.insert#17"]);
        let decided = decide(&mut plan, &rows, Decision::Deny).unwrap();
        assert_eq!(decided.set, ["shop.users.update#2", "shop.users.insert#17"]);
        assert_eq!(plan.entries[1].rows[1].decision, Some(Decision::Deny));
        assert_eq!(plan.entries[2].row_decisions[&17], Decision::Deny);
        digest::verify(&plan).unwrap();
    }

    #[test]
    fn one_wrong_selector_changes_nothing() {
        let mut plan = plan();
        let before = plan.clone();
        assert!(
            decide(
                &mut plan,
                &selectors(&["shop.users.*", "shop.x"]),
                Decision::Deny
            )
            .is_err()
        );
        assert_eq!(plan, before);
    }

    #[test]
    fn an_approved_entry_names_what_it_waits_for() {
        let mut plan = plan();
        let row = selectors(&["shop.users.update#1"]);
        decide(&mut plan, &row, Decision::Approve).unwrap();
        decide(
            &mut plan,
            &selectors(&["shop.users.expand"]),
            Decision::Deny,
        )
        .unwrap();
        let found = waiting(&plan);
        assert_eq!(found[0].id, "shop.users.update");
        assert_eq!(
            found[0].needs,
            [("shop.users.expand".to_owned(), Decision::Deny)]
        );
    }
}
