//! Throws mutated inputs at everything that reads what others wrote: plan files, payloads, configs, rules, DDL, statements.
//!
//! No server is needed. Nothing may panic or hang, and what is taken must come back the same. `FUZZ_SECONDS` sets how long each
//! target runs (`make fuzz`); without it each gets a fixed, small number of inputs. `FUZZ_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says how much it tried; clippy does not see that helpers belong to tests"
)]

use driftwarden::plan::{Payload, Plan, digest, file, payload};
use driftwarden::schema::statement::{self, LexMode};
use driftwarden::schema::{ObjectKind, ObjectName, parse, print};
use driftwarden::{config, sql};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Inputs of each target without `FUZZ_SECONDS`.
const INPUTS: u64 = 500;
/// An input that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A small generator of numbers: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

/// Pieces that mean something to one of the readers.
const PIECES: [&str; 40] = [
    "'",
    "\"",
    "`",
    "\\",
    "\\'",
    "''",
    "``",
    "/*",
    "*/",
    "/*!80000 ",
    "--",
    "-- ",
    "#",
    ";",
    "(",
    ")",
    ",",
    "\0",
    "\n",
    "\t",
    "\\N",
    "$$",
    "x'",
    "b'01'",
    "_utf8mb4",
    "DELIMITER",
    "BEGIN",
    "END",
    "NULL",
    "DEFAULT",
    "COMMENT",
    "REFERENCES",
    "GENERATED ALWAYS AS",
    "é",
    "\u{1F600}",
    "\u{202e}",
    "18446744073709551616",
    "-1",
    "1e999",
    "{}",
];

/// Changes a text in one to four places.
fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let length = 1 + random.below(12);
        let end = (at + length).min(bytes.len());
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(60)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 => bytes.truncate(at),
            5 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

/// Runs a target over mutated seeds, and names the input that it fails on.
fn fuzz(name: &str, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let seed = number("FUZZ_SEED").unwrap_or(match seconds {
        Some(_) => u64::from(std::process::id()),
        None => 1,
    });
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let begun = Instant::now();
    let mut inputs = 0;
    while seconds.map_or(inputs < INPUTS, |limit| begun.elapsed() < limit) {
        let input = mutate(&mut random, seeds);
        let since = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&input)));
        let shown = String::from_utf8_lossy(&input);
        assert!(
            outcome.is_ok(),
            "{name} (FUZZ_SEED={seed}) fails on:\n{shown}"
        );
        assert!(
            since.elapsed() < PATIENCE,
            "{name} (FUZZ_SEED={seed}) hangs on:\n{shown}"
        );
        inputs += 1;
    }
    println!("{name}: {inputs} inputs, nothing found (FUZZ_SEED={seed})");
}

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn example_plan() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut plans: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("20"))
        })
        .collect();
    plans.sort();
    std::fs::read_to_string(&plans[0]).unwrap()
}

#[test]
fn plan_file() {
    let seeds = [example_plan().into_bytes()];
    let sealed = file::parse(&example_plan()).unwrap();
    fuzz("plan file", &seeds, |input| {
        let Ok(plan) = file::parse(&text(input)) else {
            return;
        };
        let again = file::parse(&file::to_text(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
        if digest::verify(&plan).is_ok() {
            // Whatever passes is the plan that was sealed, but for what may be edited.
            assert_eq!(undecided(plan), undecided(sealed.clone()));
        }
    });
}

/// A plan without what anyone may edit.
fn undecided(mut plan: Plan) -> Plan {
    plan.review = serde_json::from_str("{}").unwrap();
    for entry in &mut plan.entries {
        entry.decision = serde_json::from_str("\"pending\"").unwrap();
        entry.row_decisions.clear();
        for row in entry.rows.iter_mut().chain(&mut entry.preview) {
            row.decision = None;
        }
    }
    plan
}

#[test]
fn payload() {
    let plan = file::parse(&example_plan()).unwrap();
    let inserts = plan
        .entries
        .iter()
        .find(|entry| entry.id.ends_with("insert"))
        .unwrap();
    let columns = inserts.shape.as_ref().unwrap().columns.len();
    let mut rows = String::new();
    for row in 0..40 {
        write!(rows, "{row:032x}").unwrap();
        for column in 0..columns {
            write!(
                rows,
                "\t{}",
                if column % 3 == 2 {
                    "\\N"
                } else {
                    "a\\tb\\\\é7"
                }
            )
            .unwrap();
        }
        rows.push('\n');
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    std::fs::create_dir(folder.path().join(&plan.id)).unwrap();
    let target = folder.path().join(&plan.id).join("0001.tsv.zst");
    let read = |packed: &[u8], raw_bytes: usize| {
        std::fs::write(&target, packed).unwrap();
        let mut entry = inserts.clone();
        entry.count = Some(40);
        entry.rows.clear();
        entry.payload = Some(Payload {
            file: "0001.tsv.zst".into(),
            sha256: driftwarden::value::to_hex(&Sha256::digest(packed)),
            bytes: packed.len() as u64,
            raw_bytes: raw_bytes as u64,
        });
        payload::rows(&entry, &plan.id, &path).map_or(0, |rows| rows.flatten().count())
    };
    let packed = zstd::encode_all(rows.as_bytes(), 3).unwrap();
    assert_eq!(read(&packed, rows.len()), 40);
    // A bomb: its stated size is where reading ends.
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(b'x'), 1 << 24), 3).unwrap();
    assert_eq!(read(&bomb, 1000), 0);
    fuzz("payload, packed", std::slice::from_ref(&packed), |input| {
        read(input, rows.len());
    });
    fuzz("payload, unpacked", &[rows.clone().into_bytes()], |input| {
        read(&zstd::encode_all(input, 1).unwrap(), input.len());
    });
}

#[test]
fn config_file() {
    let example = include_str!("../config/config.json.example");
    let yaml = "ssh: {host: prod}\nremote: {user: reader}\nlocal: {socket: /s, user: root}\ndatabases:\n- shop\n- {remote: a, local: b}\n\
                retry: {delays: [0s, 1m]}\ntables: {rules: [{match: 'a.*', where: \"x > '1'\", mask: {email: email}}]}\n";
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("config.json", example), ("config.yaml", yaml)] {
        let path = folder.path().join(name);
        fuzz(name, &[seed.as_bytes().to_vec()], |input| {
            std::fs::write(&path, input).unwrap();
            drop(config::load::load(&path));
        });
    }
}

#[test]
fn rule() {
    let seeds = [
        "created_at >= '2025-01-01' AND status IN ('a', 'b') AND NOT (n BETWEEN 1 AND 2.5e3)",
        "CONCAT('+000', RIGHT(phone, 4))",
        "at > NOW() - INTERVAL 3 DAY OR `odd``name` IS NULL AND x LIKE 'a!%' ESCAPE '!'",
        "CASE WHEN a = x'00ff' THEN NULL ELSE COALESCE(b, -1) END",
    ];
    let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
    fuzz("rule", &seeds, |input| {
        let Ok(rule) = sql::rule::parse(&text(input), sql::rule::Clock::ANY) else {
            return;
        };
        // What is made of a rule is one expression, in any mode of the server.
        let made = sql::Select::from(&ObjectName::new("d", "t"), vec![rule.expr]).sql();
        let tokens = statement::tokens(&made, LexMode::from_sql_mode("")).unwrap();
        assert!(!tokens.iter().any(|token| token.is_symbol(';')), "{made}");
    });
}

#[test]
fn quoting() {
    let seeds = [
        b"a'b\\c`d\"e;--\n\0".to_vec(),
        "é\u{1F600}\\".as_bytes().to_vec(),
    ];
    fuzz("quoting", &seeds, |input| {
        let value = text(input).replace('\0', "");
        let plain = LexMode::from_sql_mode("");
        let name = sql::ident(&value);
        let made = format!("{} {name} {}", sql::string(&value), sql::bytes(input));
        let tokens = statement::tokens(&made, plain).unwrap();
        let name_at = tokens
            .iter()
            .position(|token| token.name() == Some(value.as_str()));
        assert!(value.is_empty() || name_at.is_some(), "{made}");
        assert!(!tokens.iter().any(|token| token.is_symbol(';')), "{made}");
    });
}

/// Every CREATE TABLE of the cases, as the servers print them or near to it.
fn tables() -> Vec<Vec<u8>> {
    let mut tables = vec![
        "CREATE TABLE `t` (\n  `id` bigint unsigned NOT NULL AUTO_INCREMENT,\n  `e` enum('a','b''c') CHARACTER SET latin1 DEFAULT 'a',\n  \
         `g` int GENERATED ALWAYS AS ((`id` + 1)) VIRTUAL,\n  `d` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6) COMMENT 'x',\n  \
         PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`e`(3) DESC),\n  KEY `f` ((lower(`e`))),\n  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `d`.`p` (`id`) ON DELETE CASCADE,\n  \
         CONSTRAINT `c` CHECK ((`id` > 0))\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='y'\n\
         /*!50100 PARTITION BY RANGE (`id`)\n(PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB) */"
            .as_bytes()
            .to_vec(),
    ];
    for entry in &file::parse(&example_plan()).unwrap().entries {
        let texts = [&entry.before, &entry.after].into_iter().flatten();
        tables.extend(texts.map(|text| text.as_bytes().to_vec()));
    }
    tables
}

#[test]
fn table_ddl() {
    let seeds = tables();
    assert!(seeds.iter().any(|seed| parse::table(&text(seed)).is_ok()));
    fuzz("table DDL", &seeds, |input| {
        let Ok(table) = parse::table(&text(input)) else {
            return;
        };
        let printed = print::create_table(&table);
        let again = parse::table(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(print::create_table(&again), printed);
    });
}

#[test]
fn statements() {
    let seeds = [
        "CREATE DEFINER=`a`@`%` PROCEDURE `p`(IN x INT, OUT y TEXT) SQL SECURITY INVOKER COMMENT 'c;'\nBEGIN DECLARE i INT DEFAULT 0; IF x > 1 THEN SET y = 'a;b'; END IF; l: LOOP LEAVE l; END LOOP l; END",
        "CREATE DEFINER=`root`@`localhost` TRIGGER `t` BEFORE INSERT ON `u` FOR EACH ROW SET NEW.v = CASE WHEN 1 THEN 2 END",
        "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `d`.`w` AS select `d`.`t`.`id` AS `id` from `d`.`t` where `t`.`x` = 'y'",
        "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO DELETE FROM t",
        "CREATE FUNCTION `f`(a INT) RETURNS varchar(20) CHARSET utf8mb4 DETERMINISTIC RETURN CONCAT(a, \"x\")",
    ];
    let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
    fuzz("statements", &seeds, |input| {
        let text = text(input);
        for mode in ["", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"] {
            drop(statement::tokens(&text, LexMode::from_sql_mode(mode)));
            drop(statement::head(&text, mode));
            for kind in [ObjectKind::View, ObjectKind::Procedure, ObjectKind::Trigger] {
                for name in ["p", "w", "t"] {
                    drop(statement::single_statement(
                        kind,
                        &ObjectName::new("d", name),
                        &text,
                        mode,
                    ));
                }
            }
        }
        drop(statement::view::view_names(&text));
        drop(statement::view::without_own_database(&text, "d"));
    });
}
