//! Plans made by hand, their digest right: nothing of what they want is sent to either server.
//!
//! A proxy before the local server keeps all that the program sends there, production's own log what it was asked.

use super::{forge, plan_file};
use crate::faults::proxy::{What, When};
use crate::faults::{At, faulty};
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use driftwarden::plan::{Decision, Entry, Kind, Payload, Plan};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fs;

/// What no server may ever be sent.
const EVIL: &str = "evil_marker";

const REMOTE: &str = "CREATE TABLE t(id INT PRIMARY KEY, v INT, w INT);
    INSERT INTO t VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4);
    CREATE TABLE n(id INT PRIMARY KEY);
    CREATE TABLE r(id INT PRIMARY KEY); INSERT INTO r VALUES(1), (2), (3), (4);
    CREATE VIEW s AS SELECT 2 AS x;
    CREATE PROCEDURE p() SELECT 1;
    CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 1";
const LOCAL: &str = "CREATE TABLE t(id INT PRIMARY KEY, v INT); INSERT INTO t VALUES(1, 1);
    CREATE TABLE r(id INT PRIMARY KEY); CREATE VIEW s AS SELECT 1 AS x";

fn case(vendor: Vendor) -> Case {
    let case = Case::with_database(vendor, REMOTE, LOCAL);
    direct(&case);
    case.plan("p", &[]);
    case
}

/// Rows in a payload, and no proxy.
fn direct(case: &Case) {
    case.write_config(
        &json!([case.name("db")]),
        &json!({"plan": {"inline_rows": 2}}),
    );
}

/// What production's checks are made of is asked of local's rows where nothing can be written.
#[test]
fn a_check_of_production_is_asked_in_a_transaction_that_only_reads() {
    for vendor in Vendor::ALL {
        let case = Case::with_database(
            vendor,
            "CREATE TABLE t(id INT PRIMARY KEY, v INT, CONSTRAINT positive CHECK (v + 7919 > 7919)); INSERT INTO t VALUES(1, 1)",
            "CREATE TABLE t(id INT PRIMARY KEY, v INT); INSERT INTO t VALUES(1, -1), (2, -2)",
        );
        let proxy = faulty(&case, At::Local, When::Never, What::Cut);
        case.plan("p", &[]);
        let packets = proxy.packets();
        let mut asked = 0;
        for (number, packet) in packets.iter().enumerate() {
            if !packet.contains("7919") || !packet.contains("SELECT ") {
                continue;
            }
            asked += 1;
            let before = packets[..number].iter().rfind(|packet| {
                ["START TRANSACTION", "ROLLBACK", "COMMIT"]
                    .iter()
                    .any(|word| packet.contains(word))
            });
            assert!(
                before.is_some_and(|packet| packet.contains("START TRANSACTION READ ONLY")),
                "{packet:?} after {before:?}"
            );
        }
        assert!(asked > 0, "{packets:#?}");
    }
}

/// Keeps one entry of the plan, approved and on its own.
fn only(plan: &mut Plan, kind: Kind) -> &mut Entry {
    // The rows of a table whose schema is the same on both sides need nothing before them.
    plan.entries.retain(|entry| {
        entry.kind == kind
            && (!kind.is_rows()
                || entry
                    .object
                    .split_once('.')
                    .is_some_and(|(_, table)| table == "r"))
    });
    let entry = plan
        .entries
        .first_mut()
        .unwrap_or_else(|| panic!("the plan has no {kind:?}"));
    entry.depends_on.clear();
    entry.decision = Decision::Approve;
    entry
}

/// Applies a plan after `change` and asserts that it is refused, that nothing is changed, and that no server was sent
/// the marker.
#[track_caller]
fn refused(case: &Case, what: &str, change: impl FnOnce(&mut Plan)) {
    let made = fs::read(plan_file(case)).unwrap();
    let before = case.dump(Side::Local, "db");
    forge(case, change);
    let forged = fs::read_to_string(plan_file(case)).unwrap();
    for offline in [true, false] {
        let proxy = faulty(case, At::Local, When::Never, What::Cut);
        let mut arguments = vec!["apply", "plans/p.json", "--yolo"];
        if offline {
            arguments.push("--offline");
        }
        let output = case.driftwarden(&arguments);
        assert!(
            matches!(output.code, Some(1 | 3)),
            "{what} {forged}: {output}"
        );
        assert!(!proxy.sent().contains(EVIL), "{what}: {output}");
        let asked = fs::read_to_string(case.sandbox.setting("REMOTE_LOG"));
        assert!(!asked.unwrap_or_default().contains(EVIL), "{what}");
        assert_eq!(case.dump(Side::Local, "db"), before, "{what}: {output}");
    }
    direct(case);
    fs::write(plan_file(case), made).unwrap();
}

fn replace_text(entry: &mut Entry, from: &str, to: &str) {
    for text in entry.after.iter_mut().chain(&mut entry.sql) {
        assert!(text.contains(from), "no {from} in {text}");
        *text = text.replacen(from, to, 1);
    }
}

#[test]
fn statements_of_tables() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        let of = |what: &str, change: &dyn Fn(&mut Entry)| {
            refused(&case, what, |plan| change(only(plan, Kind::AlterTable)));
        };
        of("the DDL of another table", &|entry| {
            entry.sql = vec![format!("ALTER TABLE `{EVIL}` DROP COLUMN `v`")];
        });
        of("two statements in one", &|entry| {
            entry.sql[0] += "; DROP TABLE ";
            entry.sql[0] += EVIL;
        });
        of("a second statement", &|entry| {
            entry.sql.push(format!("DROP TABLE `{EVIL}`"));
        });
        of("another kind's statement", &|entry| {
            entry.sql = vec![format!("CREATE VIEW `{EVIL}` AS SELECT 1")];
        });
        let of = |what: &str, change: &dyn Fn(&mut Entry)| {
            refused(&case, what, |plan| change(only(plan, Kind::CreateTable)));
        };
        for behind in [
            format!("; DROP TABLE `{EVIL}`"),
            format!(" /*!50000 ; DROP TABLE `{EVIL}` */"),
            format!(" /*M!100000 ; DROP TABLE `{EVIL}` */"),
            format!(" AS SELECT 1 AS `{EVIL}`"),
            format!(" SELECT * FROM `{EVIL}`"),
            format!(" DATA DIRECTORY='/tmp/{EVIL}'"),
            format!(" CONNECTION='mysql://{EVIL}/'"),
            format!(" ENGINE=FEDERATED CONNECTION='mysql://{EVIL}/'"),
            format!(" UNION=(`{EVIL}`)"),
        ] {
            of(&behind, &|entry| {
                for text in entry.after.iter_mut().chain(&mut entry.sql) {
                    text.push_str(&behind);
                }
            });
        }
        for inside in [
            format!("/*!50000 `{EVIL}` int, */ `id`"),
            format!("/*M! `{EVIL}` int, */ `id`"),
            format!("`id` int DEFAULT ({EVIL}()), `id2`"),
        ] {
            of(&inside, &|entry| replace_text(entry, "`id`", &inside));
        }
        of("LIKE another", &|entry| {
            entry.after = Some(format!("CREATE TABLE `n` LIKE `{EVIL}`"));
            entry.sql = vec![entry.after.clone().unwrap()];
        });
        for (from, to) in breakouts() {
            of(&to, &|entry| {
                if entry.after.as_ref().is_some_and(|text| text.contains(from)) {
                    replace_text(entry, from, &to);
                }
            });
        }
        // What the parser unquotes and the statement would have bare.
        of("an engine in quotes", &|entry| {
            let evil = format!("InnoDB; DROP TABLE {EVIL}; -- ");
            replace_text(entry, "ENGINE=InnoDB", &format!("ENGINE={evil}"));
            entry.after = entry
                .after
                .take()
                .map(|text| text.replace(&format!("ENGINE={evil}"), &format!("ENGINE=`{evil}`")));
        });
        for what in ["TABLE", "VIEW", "SELECT"] {
            of(what, &|entry| {
                entry.after = Some(format!("CREATE {what} `n` AS SELECT 1 AS `{EVIL}`"));
                entry.sql = vec![entry.after.clone().unwrap()];
            });
        }
        of("a table that is dropped", &|entry| {
            entry.kind = Kind::DropTable;
            entry.before = entry.after.take();
            entry.sql = vec![format!("DROP TABLE `{EVIL}`")];
        });
    }
}

/// What would lead out of a table's text, in the layout that the program itself writes: `from`, and what stands for it.
fn breakouts() -> Vec<(&'static str, String)> {
    let end = |behind: &str| ("\n)", format!("\n){behind}"));
    let column = |behind: &str| ("NOT NULL", format!("NOT NULL {behind}"));
    // Behind the options, where partitions stand.
    let last = |behind: &str| (" ENGINE=InnoDB", format!(" ENGINE=InnoDB{behind}"));
    vec![
        last(&format!(
            "\nPARTITION BY KEY (`id`) PARTITIONS 2; DROP TABLE `{EVIL}`"
        )),
        last(&format!(
            "\nPARTITION BY KEY (`id`) AS SELECT 1 AS `{EVIL}`"
        )),
        last(&format!(
            "\nPARTITION BY KEY (`id`) (SELECT * FROM `{EVIL}`)"
        )),
        last(&format!("\nPARTITION BY KEY (`id`) TABLE `{EVIL}`")),
        last(&format!(
            "\nPARTITION BY KEY (`id`) (VALUES ROW(LOAD_FILE('{EVIL}')))"
        )),
        last(&format!(
            "\nPARTITION BY RANGE (`id`) (PARTITION p VALUES LESS THAN (1) DATA DIRECTORY='/tmp/{EVIL}')"
        )),
        // A string to the server, and another one to whoever knows single quotes only.
        column(&format!("DEFAULT (\"'\")); DROP TABLE `{EVIL}`; -- ')")),
        column(&format!("DEFAULT (1 -- ) `{EVIL}`\n)")),
        column(&format!("DEFAULT (1 # ) `{EVIL}`\n)")),
        column(&format!("DEFAULT (1; DROP TABLE `{EVIL}`)")),
        column(&format!("DEFAULT (LOAD_FILE('/tmp/{EVIL}'))")),
        column(&format!("DEFAULT ((SELECT 1 FROM `{EVIL}`))")),
        column(&format!("CHECK (LOAD_FILE('{EVIL}') IS NULL)")),
        end(&format!(" COMMENT=\"'\", `{EVIL}`='1'")),
    ]
}

/// Texts of another table than the entry's, with the statement that they give.
#[test]
fn statements_of_another_table() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        let (own, other) = ("`t`", format!("`{EVIL}`"));
        for texts in [["before", "after"].as_slice(), &["before"], &["after"]] {
            refused(&case, &texts.join(" and "), |plan| {
                let entry = only(plan, Kind::AlterTable);
                for text in texts {
                    let text = match *text {
                        "before" => &mut entry.before,
                        _ => &mut entry.after,
                    };
                    *text = text.take().map(|text| text.replacen(own, &other, 1));
                }
                // The statement has the name of the table before.
                if texts.contains(&"before") {
                    for sql in &mut entry.sql {
                        *sql = sql.replacen(own, &other, 1);
                    }
                }
            });
        }
        refused(&case, "a new table of another name", |plan| {
            replace_text(only(plan, Kind::CreateTable), "`n`", &other);
        });
        // No server is needed to find it.
        let made = fs::read(plan_file(&case)).unwrap();
        case.driftwarden(&["validate", "plans/p.json"]).exits(0);
        forge(&case, |plan| {
            replace_text(only(plan, Kind::CreateTable), "`n`", &other);
        });
        case.driftwarden(&["validate", "plans/p.json"])
            .exits(3)
            .says("is of the table `evil_marker`, not of `n`")
            .says("next: ");
        case.driftwarden(&["show", "plans/p.json", "--format", "sql"])
            .exits(0)
            .says("does not hold together");
        fs::write(plan_file(&case), made).unwrap();
        refused(&case, "a new table of another database", |plan| {
            let entry = only(plan, Kind::CreateTable);
            replace_text(entry, "`n`", &format!("{other}.`n`"));
        });
        refused(&case, "a table that is dropped by another's text", |plan| {
            let entry = only(plan, Kind::CreateTable);
            entry.kind = Kind::DropTable;
            entry.before = entry.after.take();
            entry.before = entry.before.take().map(|it| it.replacen("`n`", &other, 1));
            entry.sql = vec![format!("DROP TABLE {other}")];
        });
    }
}

/// A check is asked of the rows before it is added: what it calls cannot write.
#[test]
fn a_check_that_calls_a_function_of_local_s() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        case.local_sql("CREATE FUNCTION f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO r VALUES(1); RETURN 1; END");
        refused(&case, "a function that writes", |plan| {
            let entry = only(plan, Kind::AlterTable);
            let database = entry.object.split_once('.').unwrap().0.to_owned();
            let check = format!("CONSTRAINT `c` CHECK (`{database}`.`f`() = 1)");
            let after = entry.after.take().unwrap();
            let after = after.replacen("\n)", &format!(",\n  {check}\n)"), 1);
            entry.sql[0].push_str(",\n  ADD ");
            entry.sql[0].push_str(&check);
            entry.after = Some(after);
        });
    }
}

#[test]
fn statements_of_other_objects() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        for text in [
            format!("CREATE PROCEDURE `p`() SELECT 1; DROP TABLE `{EVIL}`"),
            format!("CREATE PROCEDURE `p`() BEGIN SELECT 1; END; DROP TABLE `{EVIL}`"),
            format!("CREATE PROCEDURE `p`() BEGIN SELECT 1; END BEGIN DROP TABLE `{EVIL}`; END"),
            format!("CREATE PROCEDURE `p`() BEGIN IF 1 THEN END; DROP TABLE `{EVIL}`; END IF; END"),
            format!("CREATE PROCEDURE `p`() SELECT '\\'; DROP TABLE `{EVIL}`; -- '"),
            format!("CREATE PROCEDURE `p`() SELECT 1 /* ; */; DROP TABLE `{EVIL}`"),
            format!("CREATE PROCEDURE `p`() SELECT 1 --; \n; DROP TABLE `{EVIL}`"),
            format!("CREATE PROCEDURE `p`() SELECT 1 /*!50000 ; DROP TABLE `{EVIL}` */"),
            format!("CREATE PROCEDURE `p`() SELECT 1 /*!99999 ; */; DROP TABLE `{EVIL}`"),
            format!("CREATE FUNCTION `p`() RETURNS INT RETURN `{EVIL}`()"),
            format!("CREATE PROCEDURE `{EVIL}`() SELECT 1"),
            format!("CREATE PROCEDURE `mysql`.`p`() SELECT `{EVIL}`"),
            format!("DROP TABLE `{EVIL}`"),
            format!("GRANT ALL ON *.* TO `{EVIL}`"),
            format!("CREATE USER `{EVIL}`"),
            format!("SELECT 1 INTO OUTFILE '/tmp/{EVIL}'"),
        ] {
            refused(&case, &text, |plan| {
                let entry = only(plan, Kind::CreateProcedure);
                entry.after = Some(text.clone());
                entry.sql = vec![text.clone()];
                if text.contains("'\\'") {
                    // Where a backslash means nothing, the string ends earlier.
                    let environment = entry.environment.as_mut().unwrap();
                    environment.sql_mode = "NO_BACKSLASH_ESCAPES".to_owned();
                }
            });
        }
        for text in [
            format!("CREATE VIEW `s` AS SELECT 2 AS `x` INTO OUTFILE '/tmp/{EVIL}'"),
            format!("CREATE VIEW `s` AS SELECT 2 AS `x` /*!50000 ; DROP TABLE `{EVIL}` */"),
            format!("CREATE VIEW `s` AS SELECT 2 AS `x`; DROP TABLE `{EVIL}`"),
            format!("CREATE VIEW `{EVIL}` AS SELECT 2 AS `x`"),
            format!("CREATE VIEW `mysql`.`s` AS SELECT 2 AS `{EVIL}`"),
            format!("CREATE TABLE `s` AS SELECT 2 AS `{EVIL}`"),
        ] {
            refused(&case, &text, |plan| {
                let entry = only(plan, Kind::AlterView);
                entry.after = Some(text.clone());
                entry.sql = vec![text.clone()];
            });
        }
        refused(&case, "a trigger of another table", |plan| {
            let entry = only(plan, Kind::CreateTrigger);
            let text = format!(
                "CREATE TRIGGER `g` BEFORE INSERT ON `mysql`.`{EVIL}` FOR EACH ROW SET NEW.v = 1"
            );
            entry.after = Some(text.clone());
            entry.sql = vec![text];
        });
        // Modes that bring others with them: to the server, the name in double quotes ends behind its backslash.
        for mode in ["ANSI", "POSTGRESQL", "DB2", "MSSQL", "MAXDB"] {
            refused(&case, mode, |plan| {
                let entry = only(plan, Kind::CreateProcedure);
                let text = format!(
                    "CREATE PROCEDURE `p`() SELECT 1 AS \"\\\"; DROP TABLE `{EVIL}`; -- \""
                );
                entry.after = Some(text.clone());
                entry.sql = vec![text];
                mode.clone_into(&mut entry.environment.as_mut().unwrap().sql_mode);
            });
        }
        refused(&case, "a session setting with more behind it", |plan| {
            let entry = only(plan, Kind::CreateProcedure);
            let environment = entry.environment.as_mut().unwrap();
            environment.sql_mode = "'; DROP TABLE `t`; -- ".to_owned();
        });
    }
}

#[test]
fn places_and_sizes_of_payloads() {
    let case = case(Vendor::MySql);
    let plans = case.folder().join("plans");
    let plan = driftwarden::plan::file::read(&plan_file(&case)).unwrap();
    let stated = plan
        .entries
        .iter()
        .filter(|entry| {
            entry
                .object
                .split_once('.')
                .is_some_and(|(_, table)| table == "r")
        })
        .find_map(|entry| entry.payload.clone())
        .unwrap();
    let good = fs::read(plans.join(&plan.id).join(&stated.file)).unwrap();
    let outside = case.folder().join("0001.tsv.zst");
    fs::write(&outside, &good).unwrap();
    fs::write(plans.join("0001.tsv.zst"), &good).unwrap();
    let of = |what: &str, change: &dyn Fn(&mut Payload)| {
        refused(&case, what, |plan| {
            change(only(plan, Kind::InsertRows).payload.as_mut().unwrap());
        });
        // Sealing gave the plan another id, and its payloads another folder.
        fs::create_dir_all(plans.join(&plan.id)).unwrap();
        fs::write(plans.join(&plan.id).join(&stated.file), &good).unwrap();
    };
    for file in [
        "../0001.tsv.zst",
        "../../0001.tsv.zst",
        outside.to_str().unwrap(),
        "/dev/zero",
        "",
        ".",
        "0001.tsv.zst/../0001.tsv.zst",
        "0001.tsv.zst\0",
    ] {
        of(file, &|payload| file.clone_into(&mut payload.file));
    }
    of("huge sizes", &|payload| {
        payload.bytes = u64::MAX;
        payload.raw_bytes = u64::MAX;
    });
    of("a huge unpacked size", &|payload| {
        payload.raw_bytes = u64::MAX;
    });
    of("no unpacked size", &|payload| payload.raw_bytes = 0);
}

#[test]
fn a_payload_that_is_a_link_or_unpacks_to_more_than_it_says() {
    let bomb = zstd::encode_all(&vec![b'0'; 64 << 20][..], 1).unwrap();
    for (vendor, what, raw_bytes) in [
        (Vendor::MariaDb, "a link", None),
        (Vendor::MariaDb, "more than it says", Some(100)),
        (Vendor::MySql, "one line as long as it says", Some(64 << 20)),
    ] {
        let case = case(vendor);
        let plan = driftwarden::plan::file::read(&plan_file(&case)).unwrap();
        let folder = case.folder().join("plans").join(&plan.id);
        refused(&case, what, |plan| {
            let payload = only(plan, Kind::InsertRows).payload.as_mut().unwrap();
            let there = folder.join(&payload.file);
            let Some(raw_bytes) = raw_bytes else {
                let elsewhere = case.folder().join("elsewhere");
                fs::rename(&there, &elsewhere).unwrap();
                std::os::unix::fs::symlink(&elsewhere, &there).unwrap();
                return;
            };
            fs::write(&there, &bomb).unwrap();
            payload.bytes = bomb.len() as u64;
            payload.sha256 = driftwarden::value::to_hex(&Sha256::digest(&bomb));
            payload.raw_bytes = raw_bytes;
        });
    }
}

#[test]
fn servers_and_databases_that_are_not_the_plan_s() {
    for vendor in Vendor::ALL {
        let case = case(vendor);
        refused(&case, "production as the local server", |plan| {
            std::mem::swap(&mut plan.remote.identity, &mut plan.local.identity);
            only(plan, Kind::CreateTable);
        });
        refused(&case, "another local server", |plan| {
            plan.local.identity = EVIL.to_owned();
            only(plan, Kind::CreateTable);
        });
        refused(&case, "a database outside the scope", |plan| {
            let entry = only(plan, Kind::CreateTable);
            entry.id = format!("{EVIL}.n.create");
            entry.object = format!("{EVIL}.n");
        });
        refused(&case, "a database that the config does not name", |plan| {
            plan.scope.databases[0].local = EVIL.to_owned();
            let entry = only(plan, Kind::CreateTable);
            entry.id = format!("{EVIL}.n.create");
            entry.object = format!("{EVIL}.n");
        });
    }
}
