//! The layers of DESIGN and ARCHITECTURE, as a test: a module uses lower ranks and its own folder, nothing else.

use std::fs;
use std::path::{Path, PathBuf};

/// Ranks of the modules at the top; what is in a folder has its folder's rank.
const RANKS: [(&str, u8); 30] = [
    ("value", 0),
    ("refusal", 0),
    ("fault", 0),
    ("schema", 0),
    ("sql", 0),
    ("interrupt", 0),
    ("nearest", 0),
    ("progress", 0),
    ("config", 1),
    ("issues", 1),
    ("log", 1),
    ("retry", 1),
    ("tunnel", 2),
    ("connect", 2),
    ("introspect", 3),
    ("read", 3),
    ("diff", 3),
    ("compare", 4),
    ("proof", 4),
    ("plan", 5),
    ("obstacles", 6),
    ("review", 6),
    ("render", 6),
    ("apply", 7),
    ("cli", 8),
    ("commands", 8),
    ("main", 9),
    ("lib", 9),
    ("layers", 9),
    ("driftwarden", 9),
];

/// Uses within one rank that are allowed: the first uses the second, never the other way round. Rank 0 is one
/// vocabulary, whose parts use each other freely.
const WITHIN: [(&str, &str); 4] = [
    ("connect", "tunnel"),
    ("issues", "config"),
    ("log", "config"),
    ("commands", "cli"),
];

fn rank(module: &str) -> Option<u8> {
    RANKS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, rank)| *rank)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_module_uses_a_higher_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs");
        let own = rank(module);
        if own.is_none() {
            wrong.push(format!(
                "{}: {module} has no rank in src/layers.rs",
                inside.display()
            ));
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            // Documentation may point anywhere.
            let code = line.split("//").next().unwrap_or_default();
            for used in code.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
                    .collect();
                let below = rank(&used).is_some_and(|used| used == 0 || Some(used) < own);
                if used.is_empty()
                    || used == module
                    || below
                    || WITHIN.contains(&(module, used.as_str()))
                {
                    continue;
                }
                wrong.push(format!(
                    "{}:{}: {module} uses {used}",
                    inside.display(),
                    number + 1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
