//! `--from FILE`: decisions by selector, as JSON or YAML.
//!
//! Must never take some of a file's decisions and leave others.

use super::{Decided, Selector, decide};
use crate::plan::{Decision, Plan};
use crate::refusal::Problem;
use anyhow::Result;
use indexmap::IndexMap;
use serde::Deserialize;
use std::path::Path;

/// Reads `{selector: decision}`, or a list of `{decision: selector}` as `review --edit` writes it; JSON is YAML as well.
/// Decisions are taken in the order of the file.
///
/// # Errors
/// A [`Problem`] that names the file and what is wrong in it.
pub fn read(path: &Path) -> Result<Vec<(Selector, Decision)>> {
    let text = std::fs::read_to_string(path).map_err(|error| problem(path, &error.to_string()))?;
    parse(&text).map_err(|error| error.context(format!("cannot read decisions {}", path.display())))
}

/// The two forms: selectors with their decision, and, as an editor shows them, a list with the decision first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Decisions {
    BySelector(IndexMap<String, Decision>),
    InOrder(Vec<IndexMap<Decision, String>>),
}

fn parse(text: &str) -> Result<Vec<(Selector, Decision)>> {
    let wrong = |said: String| Problem::new(said, EXPECTED);
    let decisions = match serde_yaml::from_str(text) {
        Ok(decisions) => decisions,
        Err(untagged) => {
            // The first form's own error names the place; the enum's says only that nothing fitted.
            let said = serde_yaml::from_str::<IndexMap<String, Decision>>(text)
                .err()
                .unwrap_or(untagged);
            return Err(wrong(said.to_string()).into());
        }
    };
    let decisions: Vec<(String, Decision)> = match decisions {
        Decisions::BySelector(map) => map.into_iter().collect(),
        Decisions::InOrder(list) => list
            .into_iter()
            .flatten()
            .map(|(decision, selector)| (selector, decision))
            .collect(),
    };
    decisions
        .into_iter()
        .map(|(selector, decision)| Ok((Selector::parse(&selector)?, decision)))
        .collect()
}

/// Takes all decisions, later ones over earlier ones, or none.
///
/// # Errors
/// As for [`decide()`].
pub fn decide_all(plan: &mut Plan, decisions: &[(Selector, Decision)]) -> Result<Decided> {
    for (selector, _) in decisions {
        selector.check(plan)?;
    }
    let mut all = Decided::default();
    for (selector, decision) in decisions {
        let one = decide(plan, std::slice::from_ref(selector), *decision)?;
        all.set.extend(one.set);
        all.destructive.extend(one.destructive);
        all.passed_by.extend(one.passed_by);
        all.overruled.extend(one.overruled);
    }
    let still = |id: &String| {
        plan.entry(id)
            .is_some_and(|it| it.decision != Decision::Approve)
    };
    all.passed_by.retain(still);
    Ok(all)
}

const EXPECTED: &str = "expected a JSON or YAML map of selectors to approve, deny or pending: {\"shop.users.*\": \"approve\"}";

fn problem(path: &Path, what: &str) -> anyhow::Error {
    Problem::new(
        format!("cannot read decisions {}: {what}", path.display()),
        EXPECTED,
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan;

    #[test]
    fn later_decisions_win_and_both_forms_are_read() {
        let json = r#"{"shop.users.*": "approve", "shop.users.update#2": "deny", "shop.users.contract": "pending"}"#;
        let yaml =
            "shop.users.*: approve\n'shop.users.update#2': deny\nshop.users.contract: pending\n";
        let list = "- approve: shop.users.*\n- deny: shop.users.update#2\n- pending: shop.users.contract\n";
        for text in [json, yaml, list] {
            let mut plan = plan();
            let decided = decide_all(&mut plan, &parse(text).unwrap()).unwrap();
            assert_eq!(decided.set.len(), 6);
            assert_eq!(plan.count_decided(Decision::Approve), 3);
            assert_eq!(plan.entries[1].rows[1].decision, Some(Decision::Deny));
        }
    }

    #[test]
    fn a_mistake_anywhere_takes_nothing() {
        let mut plan = plan();
        let before = plan.clone();
        let wrong = parse("{\"shop.users.*\": \"approve\", \"shop.x\": \"deny\"}").unwrap();
        assert!(decide_all(&mut plan, &wrong).is_err());
        assert_eq!(plan, before);
        assert!(parse("{\"shop.users.*\": \"yes\"}").is_err());
        assert!(parse("- yes: shop.users.expand").is_err());
        assert!(parse("shop.users.expand").is_err());
    }
}
