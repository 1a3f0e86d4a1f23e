//! The digest: what makes a plan the plan that was reviewed.
//!
//! SHA-256 over the line `driftwarden plan 1` and the plan's content as compact JSON with every object's keys in byte
//! order, without `id`, `digest`, `review` and the decisions (`entries[].decision`, `entries[].row_decisions`,
//! `entries[].rows[].decision`, `entries[].preview[].decision`). It is made of the parsed content, so reformatting a
//! file is harmless; JSON itself keeps different contents apart. Payload files are covered through the SHA-256 that
//! the plan holds of each. Must never cover a decision, and must never leave out anything that is executed.

use super::{Kind, Plan, summary};
use crate::refusal::Refusal;
use crate::value::to_hex;
use anyhow::{Context as _, Result};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const DOMAIN: &[u8] = b"driftwarden plan 1\n";

/// The name in `parts` of everything but the entries; no id is without a point.
const REST: &str = "plan";

/// Returns the digest of a plan's content, `sha256:` and 64 hex digits.
///
/// # Errors
/// When the content cannot be written as JSON, which no plan that was read or assembled does.
pub fn digest(plan: &Plan) -> Result<String> {
    let content = serde_json::to_value(plan).context("write the plan as JSON for its digest")?;
    let content = serde_json::to_vec(&sorted(without_decisions(content)))?;
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(&content);
    Ok(format!("sha256:{}", to_hex(&hash.finalize())))
}

/// Sets a plan's parts and digest, and its id from `created_at` and the digest.
///
/// # Errors
/// When `created_at` is no UTC time in whole seconds.
pub fn seal(plan: &mut Plan) -> Result<()> {
    plan.parts = parts(plan)?;
    plan.digest = digest(plan)?;
    plan.id = id(&plan.created_at, &plan.digest)
        .with_context(|| format!("`created_at` of the plan is {:?}", plan.created_at))?;
    Ok(())
}

/// Checks that a plan is what was sealed.
///
/// # Errors
/// A [`Refusal`] that names everything that no longer fits.
pub fn verify(plan: &Plan) -> Result<()> {
    let misfits = misfits(plan)?;
    if misfits.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        format!(
            "plan {} was changed after it was made: {}",
            plan.id,
            misfits.join("; ")
        ),
        "only `decision`, `row_decisions` and `review` may be edited: restore the file (git checkout), or make a new plan with `driftwarden plan`",
    )
    .into())
}

/// Returns what of a plan does not fit its digest, its id or itself; empty for a plan as it was sealed.
///
/// # Errors
/// As for [`digest`].
pub fn misfits(plan: &Plan) -> Result<Vec<String>> {
    let mut misfits = Vec::new();
    let now = digest(plan)?;
    if plan.digest != now {
        let (digest, edited) = (&plan.digest, edited(plan)?);
        let place = if edited.is_empty() {
            "`digest` or `parts` itself".to_owned()
        } else {
            let (named, left) = edited.split_at(edited.len().min(NAMED));
            match left.len() {
                0 => named.join(", "),
                left => format!("{} and {left} more", named.join(", ")),
            }
        };
        misfits.push(format!(
            "{place} is not what was planned (`digest` is {digest}, the content gives {now})"
        ));
    }
    match id(&plan.created_at, &plan.digest) {
        Some(id) if id == plan.id => {}
        Some(id) => misfits.push(format!(
            "`id` should be {id} by `created_at` and `digest`, and is {}",
            plan.id
        )),
        None => misfits.push(format!(
            "`created_at` is {:?}, no UTC time in whole seconds, or `digest` is no digest",
            plan.created_at
        )),
    }
    misfits.extend(inner_misfits(plan));
    Ok(misfits)
}

/// The parts that are named, of those that are not what was sealed.
const NAMED: usize = 5;

/// Names the parts that are not what was sealed.
fn edited(plan: &Plan) -> Result<Vec<String>> {
    let now = parts(plan)?;
    let names: BTreeSet<&String> = now.keys().chain(plan.parts.keys()).collect();
    Ok(names
        .into_iter()
        .filter(|name| now.get(*name) != plan.parts.get(*name))
        .map(|name| match name.as_str() {
            REST => "a field outside the entries".to_owned(),
            id if now.contains_key(id) => format!("entry {id}"),
            id => format!("entry {id} (now missing)"),
        })
        .collect())
}

/// Returns a short hash of every entry, by id, and one of everything else.
fn parts(plan: &Plan) -> Result<BTreeMap<String, String>> {
    let short = |content: Json| -> Result<String> {
        let hash = Sha256::digest(serde_json::to_vec(&sorted(content))?);
        Ok(to_hex(&hash[..8]))
    };
    let mut content = without_decisions(serde_json::to_value(plan)?);
    let mut parts = BTreeMap::new();
    if let Some(fields) = content.as_object_mut() {
        fields.remove("parts");
        let entries = fields.remove("entries");
        for entry in entries
            .as_ref()
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let id = entry.get("id").and_then(Json::as_str).unwrap_or_default();
            parts.insert(id.to_owned(), short(entry.clone())?);
        }
    }
    parts.insert(REST.to_owned(), short(content)?);
    Ok(parts)
}

/// What a plan says twice must agree, whoever wrote it: this also points at the place of an edit.
fn inner_misfits(plan: &Plan) -> Vec<String> {
    let mut misfits = Vec::new();
    if plan.summary != summary(&plan.entries) {
        misfits.push("`summary` does not count the entries".to_owned());
    }
    let mut ids = BTreeSet::new();
    for entry in &plan.entries {
        let id = &entry.id;
        if !ids.insert(id.as_str()) {
            misfits.push(format!("two entries have the id {id}"));
        }
        for needed in &entry.depends_on {
            if !ids.contains(needed.as_str()) {
                misfits.push(format!(
                    "entry {id} depends on {needed}, which does not stand before it"
                ));
            }
        }
        if entry.kind == Kind::AlterTable && entry.phase.is_none() {
            misfits.push(format!("entry {id} alters a table and names no phase"));
        }
        if entry.kind.is_rows() {
            row_misfits(entry, &mut misfits);
        } else {
            let holds_rows = entry.count.is_some() || entry.shape.is_some();
            if holds_rows || !entry.rows.is_empty() || entry.payload.is_some() {
                misfits.push(format!("entry {id} changes the schema and holds rows"));
            }
            if entry.sql.is_empty() {
                misfits.push(format!("entry {id} has no `sql`"));
            }
        }
    }
    misfits
}

fn row_misfits(entry: &super::Entry, misfits: &mut Vec<String>) {
    let id = &entry.id;
    let (Some(count), Some(_)) = (entry.count, &entry.shape) else {
        misfits.push(format!("entry {id} has no `count` or no `shape`"));
        return;
    };
    let kept = entry.rows.len() as u64;
    if entry.payload.is_none() && kept != count {
        misfits.push(format!("entry {id} counts {count} rows and holds {kept}"));
    }
    if entry.payload.is_some() && kept > 0 {
        misfits.push(format!("entry {id} has both `rows` and a payload"));
    }
    for (expected, row) in (1..).zip(&entry.rows) {
        if row.row != expected {
            misfits.push(format!(
                "entry {id}: row {} stands where row {expected} belongs",
                row.row
            ));
            break;
        }
    }
    for number in entry.row_decisions.keys() {
        if *number == 0 || *number > count {
            misfits.push(format!(
                "entry {id}: `row_decisions` names row {number} of {count}"
            ));
        }
    }
}

/// Returns a plan's id: `20261124T061500Z-` and the digest's first 8 hex digits.
fn id(created_at: &str, digest: &str) -> Option<String> {
    let time = created_at.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = time.len() == shape.len()
        && time.iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        });
    let hex = digest.strip_prefix("sha256:")?.get(..8)?;
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (fits && hex.bytes().all(lower_hex))
        .then(|| format!("{}-{hex}", created_at.replace(['-', ':'], "")))
}

fn without_decisions(mut plan: Json) -> Json {
    let Some(fields) = plan.as_object_mut() else {
        return plan;
    };
    for field in ["id", "digest", "review"] {
        fields.remove(field);
    }
    for entry in objects(fields.get_mut("entries")) {
        entry.remove("decision");
        entry.remove("row_decisions");
        for list in ["rows", "preview"] {
            for row in objects(entry.get_mut(list)) {
                row.remove("decision");
            }
        }
    }
    plan
}

fn objects(list: Option<&mut Json>) -> impl Iterator<Item = &mut Map<String, Json>> {
    list.and_then(Json::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Json::as_object_mut)
}

fn sorted(value: Json) -> Json {
    match value {
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Json::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, sorted(value)))
                    .collect(),
            )
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example::plan;
    use crate::plan::{Decision, Entry};

    #[test]
    fn a_sealed_plan_verifies_and_decisions_do_not_matter() {
        let mut plan = plan();
        assert_eq!(misfits(&plan).unwrap(), Vec::<String>::new());
        assert!(plan.id.starts_with("20261124T061500Z-"));
        let before = plan.digest.clone();
        for entry in &mut plan.entries {
            entry.decision = Decision::Approve;
            for row in entry.rows.iter_mut().chain(&mut entry.preview) {
                row.decision = Some(Decision::Deny);
            }
            if entry.payload.is_some() {
                entry.row_decisions.insert(1, Decision::Deny);
            }
        }
        plan.review.by = Some("ann".into());
        assert_eq!(digest(&plan).unwrap(), before);
        verify(&plan).unwrap();
    }

    #[test]
    fn of_many_edited_parts_a_few_are_named() {
        let mut sealed = plan();
        let one = sealed.entries[0].clone();
        sealed.entries.extend((0..20).map(|number| Entry {
            id: format!("shop.t{number}.expand"),
            ..one.clone()
        }));
        let misfits = misfits(&sealed).unwrap();
        assert!(
            misfits[0].contains(" and 15 more is not what"),
            "{misfits:?}"
        );
        assert_eq!(misfits[0].matches("entry ").count(), NAMED);
    }

    /// Changes every scalar of the JSON in turn: each is a decision (harmless) or noticed.
    #[test]
    fn every_scalar_outside_the_decisions_is_covered() {
        let sealed = plan();
        let json = serde_json::to_value(&sealed).unwrap();
        let mut paths = Vec::new();
        collect(&json, String::new(), &mut paths);
        assert!(paths.len() > 100);
        let mut covered = 0;
        for path in paths {
            let mut edited = json.clone();
            let scalar = edited.pointer_mut(&path).unwrap();
            *scalar = match scalar {
                Json::String(text) => Json::String(format!("{text}x")),
                Json::Number(number) => Json::from(number.as_u64().unwrap_or(0) + 1),
                Json::Bool(flag) => Json::Bool(!*flag),
                _ => Json::String("x".into()),
            };
            // What no longer parses is refused on reading.
            let Ok(edited) = serde_json::from_value::<Plan>(edited) else {
                continue;
            };
            let free = path.starts_with("/review");
            assert_eq!(misfits(&edited).unwrap().is_empty(), free, "{path}");
            covered += usize::from(!free);
        }
        assert!(covered > 60, "{covered}");
    }

    fn collect(value: &Json, path: String, paths: &mut Vec<String>) {
        match value {
            Json::Object(fields) => {
                for (name, value) in fields {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    collect(value, format!("{path}/{name}"), paths);
                }
            }
            Json::Array(items) => {
                for (position, value) in items.iter().enumerate() {
                    collect(value, format!("{path}/{position}"), paths);
                }
            }
            _ => paths.push(path),
        }
    }

    #[test]
    fn a_column_named_decision_is_content() {
        let mut edited = plan();
        let row = &mut edited.entries[1].rows[0];
        row.change.insert(
            "decision".into(),
            (crate::value::Value::Null, crate::value::Value::Integer(1)),
        );
        assert!(!misfits(&edited).unwrap().is_empty());
    }

    #[test]
    fn misfits_name_the_place() {
        let mut edited = plan();
        edited.entries[1].count = Some(7);
        edited.created_at = "2026-11-24T06:15:01Z".into();
        let said = verify(&edited).unwrap_err().to_string();
        assert!(
            said.contains("entry shop.users.update counts 7 rows and holds 2"),
            "{said}"
        );
        assert!(said.contains("`id` should be 20261124T061501Z-"), "{said}");
        assert!(
            said.contains("a field outside the entries, entry shop.users.update is"),
            "{said}"
        );
    }

    #[test]
    fn key_order_and_layout_are_harmless() {
        let plan = plan();
        let json = serde_json::to_value(&plan).unwrap();
        let reordered = serde_json::to_string(&sorted(json)).unwrap();
        let read: Plan = serde_json::from_str(&reordered).unwrap();
        verify(&read).unwrap();
    }
}
