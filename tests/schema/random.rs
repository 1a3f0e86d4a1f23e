//! Random tables: one becomes the other, on each vendor.
//!
//! `DRIFTWARDEN_RANDOM_CASES` and `DRIFTWARDEN_RANDOM_SEED` widen the search; a failure names its seed.

use super::converge::{converge, fill};
use crate::objects::open;

/// A small generator of its own, so that a seed means the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const INTEGERS: [&str; 6] = [
    "int",
    "bigint",
    "int unsigned",
    "smallint",
    "tinyint(1)",
    "bigint unsigned",
];
const TEXTS: [&str; 6] = [
    "varchar(20)",
    "varchar(100)",
    "char(8)",
    "varchar(20) CHARACTER SET latin1",
    "varchar(20) COLLATE utf8mb4_bin",
    "enum('a','b','c')",
];
const OTHERS: [&str; 8] = [
    "decimal(10,2)",
    "decimal(12,4) unsigned",
    "datetime",
    "datetime(3)",
    "date",
    "text",
    "double",
    "varbinary(16)",
];

fn column(random: &mut Random, name: &str) -> String {
    let kind = random.below(10);
    let (data_type, default) = match kind {
        0..=3 => (random.of(&INTEGERS), "0"),
        4..=6 => (random.of(&TEXTS), "'a'"),
        _ => (random.of(&OTHERS), ""),
    };
    let mut text = format!("`{name}` {data_type}");
    if random.chance(40) {
        text.push_str(" NOT NULL");
        if !default.is_empty() && random.chance(50) {
            text.push_str(" DEFAULT ");
            text.push_str(default);
        }
    }
    if random.chance(15) {
        text.push_str(random.of(&[" COMMENT 'it''s'", " COMMENT 'x\\\\y'"]));
    }
    text
}

pub(crate) fn table(random: &mut Random) -> String {
    let mut names: Vec<&str> = NAMES.to_vec();
    for place in (1..names.len()).rev() {
        names.swap(place, random.below(place + 1));
    }
    names.truncate(2 + random.below(NAMES.len() - 2));
    let mut lines = vec!["`id` int NOT NULL".to_owned()];
    if random.chance(50) {
        lines[0].push_str(" AUTO_INCREMENT");
    }
    let place = random.below(2);
    for name in &names {
        lines.push(column(random, name));
    }
    if random.chance(25) {
        let storage = random.of(&["VIRTUAL", "STORED"]);
        let number = random.below(2);
        lines.push(format!("`v` int AS (`id` * 2 + {number}) {storage}"));
    }
    if place == 1 {
        lines.swap(0, 1);
    }
    let part = |random: &mut Random, name: &str| {
        let text = lines
            .iter()
            .find(|line| line.starts_with(&format!("`{name}` ")))
            .cloned()
            .unwrap_or_default();
        let order = if random.chance(15) { " DESC" } else { "" };
        if text.contains(" text") {
            format!("`{name}`(10){order}")
        } else {
            format!("`{name}`{order}")
        }
    };
    let mut keys = vec!["PRIMARY KEY (`id`)".to_owned()];
    for number in 0..random.below(5) {
        let mut parts: Vec<String> = Vec::new();
        for _ in 0..=random.below(2) {
            let name = names[random.below(names.len())];
            let next = part(random, name);
            if !parts
                .iter()
                .any(|other| other.starts_with(&format!("`{name}`")))
            {
                parts.push(next);
            }
        }
        let kind = random.of(&["KEY", "KEY", "UNIQUE KEY"]);
        keys.push(format!("{kind} `k{number}` ({})", parts.join(",")));
    }
    if random.chance(25) {
        keys.push(format!("CONSTRAINT `c` CHECK (`id` > {})", random.below(2)));
    }
    if random.chance(30) && lines.iter().any(|line| line.starts_with("`a` int")) {
        let action = random.of(&["", " ON DELETE CASCADE", " ON UPDATE CASCADE"]);
        keys.push(format!(
            "CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `elsewhere` (`id`){action}"
        ));
    }
    lines.extend(keys);
    let options = random.of(&[
        "CHARSET=utf8mb4",
        "CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='x'",
        "CHARSET=latin1",
        "CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC",
    ]);
    format!("CREATE TABLE t (\n{}\n) {options}", lines.join(",\n"))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn random_tables_converge(vendor: &str) {
    let mut session = open(vendor, None);
    let (from, to) = (format!("random_{vendor}_a"), format!("random_{vendor}_b"));
    let first = number("DRIFTWARDEN_RANDOM_SEED", 1);
    let cases = number("DRIFTWARDEN_RANDOM_CASES", 12);
    let mut tried = 0;
    let mut wrong = Vec::new();
    for seed in first..first + cases {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (local, remote) = (table(&mut random), table(&mut random));
        let refused = [(&from, &local), (&to, &remote)]
            .map(|(name, text)| fill(&mut session, name, std::slice::from_ref(text)));
        if refused.iter().any(|refused| !refused.is_empty()) {
            continue;
        }
        tried += 1;
        let found = converge(&mut session, None, &from, &to, seed % 2 == 0);
        if !found.is_empty() {
            wrong.push(format!(
                "seed {seed} on {vendor}:\n{}\n{local}\n=>\n{remote}",
                found.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(
        tried * 2 >= cases,
        "the server takes {tried} of {cases} pairs"
    );
}

#[test]
fn random_tables_converge_on_mysql() {
    random_tables_converge("mysql");
}

#[test]
fn random_tables_converge_on_mariadb() {
    random_tables_converge("mariadb");
}
