//! The cases of `tests/cases/*.yaml`: what is on both sides, what the plan must say, and that applying it makes them equal.
//!
//! Must never pass a case whose plan holds entries that it does not name.

use super::case::{Case, quoted};
use super::server::{Side, Vendor};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A case as its file has it. SQL runs in the first database; `{{name}}` stands for a database's real, quoted name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the case shows.
    #[allow(dead_code, reason = "for who reads the file")]
    about: String,
    /// The vendors it holds for; all of them where left out.
    vendors: Option<Vec<String>>,
    /// The databases; `db` where left out.
    databases: Option<Vec<Database>>,
    /// SQL that makes the remote side.
    remote: String,
    /// SQL that makes the local side.
    local: String,
    /// What the config has beyond the harness's.
    config: Option<Value>,
    /// Further arguments of `plan`.
    #[serde(default)]
    plan_args: Vec<String>,
    /// The plan's entries in any order, `id: kind`, or `id: [kind, risk]`, or `id: [kind, risk, count]`.
    entries: Vec<BTreeMap<String, Expected>>,
    /// Further entries by vendor, that only this one's plan has.
    #[serde(default)]
    entries_of: BTreeMap<String, Vec<BTreeMap<String, Expected>>>,
    /// Objects that the plan must call unsupported; then dumps need not be equal.
    #[serde(default)]
    unsupported: Vec<String>,
    /// Texts that must stand somewhere in the plan file.
    #[serde(default)]
    plan_says: Vec<String>,
    /// Whether apply executes everything and a second plan has no entry, but calls the same unsupported: for what
    /// local's rows keep the plan from.
    #[serde(default)]
    settles: bool,
    /// Whether both sides are equal after apply; so where left out.
    #[serde(default = "yes")]
    converges: bool,
    /// What happens after that, round by round.
    #[serde(default)]
    rounds: Vec<Round>,
}

/// A further change of both sides, a plan and an apply.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    /// SQL on the remote.
    #[serde(default)]
    remote: String,
    /// SQL on local.
    #[serde(default)]
    local: String,
    /// Arguments of this round's `plan`.
    #[serde(default)]
    plan_args: Vec<String>,
    /// The plan's entries, as for the case.
    #[serde(default)]
    entries: Vec<BTreeMap<String, Expected>>,
    /// Texts that must stand somewhere in the plan file.
    #[serde(default)]
    plan_says: Vec<String>,
    /// Selectors that are denied, after everything was approved.
    #[serde(default)]
    deny: Vec<String>,
    /// SQL on local between the plan and its apply.
    #[serde(default)]
    meanwhile: String,
    /// Exit code of `apply`.
    #[serde(default)]
    exit: i32,
    /// Whether both sides are equal afterwards.
    #[serde(default)]
    equal: bool,
}

fn yes() -> bool {
    true
}

/// A database of a case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    /// The remote's name.
    remote: String,
    /// The local name, where it is another.
    local: Option<String>,
    /// Whether local has it already.
    #[serde(default = "yes")]
    exists: bool,
}

/// What is expected of an entry.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Kind(String),
    Risk(String, String),
    Count(String, String, u64),
}

impl Expected {
    fn wanted(&self, id: &str) -> String {
        match self {
            Self::Kind(kind) => format!("{id}: {kind}"),
            Self::Risk(kind, risk) => format!("{id}: {kind} {risk}"),
            Self::Count(kind, risk, count) => format!("{id}: {kind} {risk} {count}"),
        }
    }

    /// Returns the same line, made from what the plan really has.
    fn seen(&self, id: &str, entry: &Value) -> String {
        let text = |key: &str| entry[key].as_str().unwrap_or("?").to_owned();
        match self {
            Self::Kind(_) => format!("{id}: {}", text("kind")),
            Self::Risk(..) => format!("{id}: {} {}", text("kind"), text("risk")),
            Self::Count(..) => format!("{id}: {} {} {}", text("kind"), text("risk"), count(entry)),
        }
    }
}

fn count(entry: &Value) -> u64 {
    entry["count"].as_u64().unwrap_or(0)
}

/// Returns where the cases are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Runs a case on a vendor; a case that does not hold for the vendor passes at once.
pub(crate) fn run(name: &str, vendor: Vendor) {
    let path = folder().join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: File =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if file
        .vendors
        .as_ref()
        .is_some_and(|vendors| !vendors.contains(&vendor.to_string()))
    {
        return;
    }
    let databases = file.databases.clone().unwrap_or_else(|| {
        vec![Database {
            remote: "db".into(),
            local: None,
            exists: true,
        }]
    });
    let case = Case::new(vendor);
    let mut names = Vec::new();
    let mut pairs = Vec::new();
    for database in &databases {
        let local = database.local.as_ref().unwrap_or(&database.remote);
        case.create(Side::Remote, &database.remote);
        if database.exists {
            case.create(Side::Local, local);
        }
        names.push(match &database.local {
            None => json!(case.name(&database.remote)),
            Some(_) => json!({ "remote": case.name(&database.remote), "local": case.name(local) }),
        });
        pairs.push((database.remote.as_str(), local.as_str()));
    }
    case.write_config(
        &json!(names),
        &file.config.clone().unwrap_or_else(|| json!({})),
    );
    case.sql(Side::Remote, pairs[0].0, &file.remote);
    if databases[0].exists {
        case.sql(Side::Local, pairs[0].1, &file.local);
    }

    let arguments: Vec<&str> = file.plan_args.iter().map(String::as_str).collect();
    if file.settles {
        let plan = case.plan("first", &arguments);
        assert_plan(&case, &file, &plan, vendor);
        if !plan["entries"].as_array().is_some_and(Vec::is_empty) {
            case.approve_all("first", &plan);
            case.driftwarden(&["apply", "plans/first.json"]).exits(0);
        }
        let second = case.plan("second", &arguments);
        assert_eq!(second["entries"], json!([]), "the second plan is not empty");
        let objects = |plan: &Value| -> Vec<Value> {
            let unsupported = plan["unsupported"].as_array().expect("a list");
            unsupported
                .iter()
                .map(|each| each["object"].clone())
                .collect()
        };
        assert_eq!(objects(&second), objects(&plan));
    } else if file.converges {
        let plan = case.converge(&pairs, &arguments);
        assert_plan(&case, &file, &plan, vendor);
    } else {
        let plan = case.plan("first", &arguments);
        assert_plan(&case, &file, &plan, vendor);
    }
    for (number, round) in file.rounds.iter().enumerate() {
        run_round(&case, number + 1, round, &pairs);
    }
}

fn run_round(case: &Case, number: usize, round: &Round, pairs: &[(&str, &str)]) {
    case.sql(Side::Remote, pairs[0].0, &round.remote);
    case.sql(Side::Local, pairs[0].1, &round.local);
    let name = format!("round{number}");
    let arguments: Vec<&str> = round.plan_args.iter().map(String::as_str).collect();
    let plan = case.plan(&name, &arguments);
    let context = format!("round {number}");
    assert_entries(case, &plan, round.entries.iter().flatten(), &context);
    assert_says(case, &plan, &round.plan_says, &context);
    case.approve_all(&name, &plan);
    let file = format!("plans/{name}.json");
    for selector in &round.deny {
        // Names stand in ids as they are, so that an own name needs no quotes.
        let selector = selector.replace("db.", &format!("{}.", case.name("db")));
        case.driftwarden(&["deny", &file, &selector]).exits(0);
    }
    case.sql(Side::Local, pairs[0].1, &round.meanwhile);
    case.driftwarden(&["apply", &file]).exits(round.exit);
    if round.equal {
        case.assert_equal(pairs);
    }
}

fn assert_plan(case: &Case, file: &File, plan: &Value, vendor: Vendor) {
    let text = case.plain(&serde_json::to_string_pretty(plan).unwrap());
    let empty = Vec::new();
    let own = file.entries_of.get(&vendor.to_string()).unwrap_or(&empty);
    assert_entries(case, plan, file.entries.iter().chain(own).flatten(), "");
    let unsupported: Vec<String> = plan["unsupported"]
        .as_array()
        .expect("a plan says what is unsupported")
        .iter()
        .map(|each| case.plain(each["object"].as_str().unwrap_or("?")))
        .collect();
    assert_eq!(unsupported, file.unsupported, "{text}");
    assert_says(case, plan, &file.plan_says, "");
    for identifier in [
        quoted("driftwarden_scratch"),
        case.sandbox.setting("REMOTE_PASSWORD").to_owned(),
    ] {
        assert!(
            !text.contains(&identifier),
            "{identifier} is in the plan\n{text}"
        );
    }
}

/// Asserts that a plan holds these entries and no others.
fn assert_entries<'e>(
    case: &Case,
    plan: &Value,
    expected: impl Iterator<Item = (&'e String, &'e Expected)>,
    context: &str,
) {
    let text = case.plain(&serde_json::to_string_pretty(plan).unwrap());
    let expected: Vec<(&String, &Expected)> = expected.collect();
    let mut wanted: Vec<String> = expected.iter().map(|(id, each)| each.wanted(id)).collect();
    let mut seen: Vec<String> = Vec::new();
    for entry in plan["entries"].as_array().expect("a plan has entries") {
        let id = case.plain(entry["id"].as_str().expect("an entry has an id"));
        seen.push(match expected.iter().find(|(wanted, _)| **wanted == id) {
            Some((_, each)) => each.seen(&id, entry),
            None => Expected::Count(String::new(), String::new(), 0).seen(&id, entry),
        });
    }
    // That the order is right is what applying the plan shows.
    wanted.sort();
    seen.sort();
    assert!(
        wanted == seen,
        "{context}: the plan's entries differ (- expected, + planned)\n{}\n{text}",
        similar::TextDiff::from_lines(&(wanted.join("\n") + "\n"), &(seen.join("\n") + "\n"))
            .unified_diff()
    );
}

/// Asserts that texts stand somewhere in a plan.
fn assert_says(case: &Case, plan: &Value, texts: &[String], context: &str) {
    let text = case.plain(&serde_json::to_string_pretty(plan).unwrap());
    for wanted in texts {
        assert!(
            text.contains(wanted),
            "{context}: {wanted:?} is not in the plan\n{text}"
        );
    }
}
