//! Convergence on real servers: needs `DRIFTWARDEN_TEST_SOCKETS`, sockets of local servers that root may use.

#![allow(
    clippy::print_stderr,
    reason = "a corpus run reports its figures as it goes"
)]

use super::*;
use crate::diff::schema;

fn sessions() -> Vec<LocalSession> {
    std::env::var("DRIFTWARDEN_TEST_SOCKETS")
        .unwrap_or_default()
        .split_whitespace()
        .map(|socket| {
            let local = serde_json::from_value(serde_json::json!({
                "socket": socket, "user": "root", "password": ""
            }))
            .unwrap();
            LocalSession::open(&local).unwrap()
        })
        .collect()
}

#[test]
fn pairs_converge() {
    let text = include_str!("pairs.sql");
    let mut failures = Vec::new();
    for mut session in sessions() {
        let vendor = session.server().vendor;
        let mut scratch = Scratch::open(&mut session).unwrap();
        for block in text.split("\n-- ") {
            let Some((title, rest)) = block.split_once('\n') else {
                continue;
            };
            let only = |vendor_name: &str| title.contains(vendor_name);
            if (only("[mysql]") && vendor != Vendor::MySql)
                || (only("[mariadb]") && vendor != Vendor::MariaDb)
            {
                continue;
            }
            let Some((local, remote)) = rest.split_once("=>") else {
                continue;
            };
            let mut printed = Vec::new();
            for raw in [local, remote] {
                let raw = raw.trim().trim_end_matches(';');
                scratch
                    .session
                    .execute(&format!("USE {}", ident(&scratch.name)))
                    .unwrap();
                scratch
                    .session
                    .execute(raw)
                    .unwrap_or_else(|error| panic!("{title}: {error:#} {raw}"));
                printed.push(
                    scratch
                        .show("t")
                        .unwrap()
                        .unwrap_or_else(|error| panic!("{title}: {error}")),
                );
                scratch.drop_table("t").unwrap();
            }
            let (local, remote) = (&printed[0], &printed[1]);
            for (from, to, way) in [(local, remote, "forth"), (remote, local, "back")] {
                for rows_change in [false, true] {
                    let surroundings = schema::Surroundings {
                        rows_change,
                        ..Default::default()
                    };
                    let diff = schema::table(from, to, vendor, &surroundings);
                    match scratch.prove(from, to, &diff).unwrap() {
                        Ok(proven) => {
                            for phase in &proven.phases {
                                let before = print::create_table(&phase.before);
                                let after = print::create_table(&phase.after);
                                assert_eq!(
                                    schema::alter_statements(&before, &after, "x", vendor).unwrap(),
                                    phase.sql("x"),
                                    "{title}: regenerated"
                                );
                            }
                            if std::env::var("SHOW").is_ok() {
                                eprintln!("== {title} {way} rows={rows_change} {vendor:?}");
                                for phase in &proven.phases {
                                    eprintln!(
                                        "{:?} {:?} {:?}",
                                        phase.phase,
                                        phase.sql("x"),
                                        phase.reasons()
                                    );
                                }
                            }
                        }
                        Err(failure) => failures.push(format!(
                            "{vendor:?} {title} {way} rows={rows_change}: {failure}\n{:#?}",
                            diff.sql("x")
                        )),
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn rows_that_stand_in_the_way_are_met_before_the_plan_is_written() {
    for mut session in sessions() {
        let vendor = session.server().vendor;
        let database = format!("dw_rows_{}", std::process::id());
        session
            .execute(&format!("CREATE DATABASE {database}"))
            .unwrap();
        session
            .execute(&format!(
                "CREATE TABLE {database}.t (a int, b varchar(9), g int AS (a + 1))"
            ))
            .unwrap();
        session
            .execute(&format!(
                "INSERT INTO {database}.t (a, b) VALUES (1, 'x'), (1, NULL)"
            ))
            .unwrap();
        let name = ObjectName::new(&database, "t");
        let table = |body: &str| {
            parse::table(&format!(
                "CREATE TABLE `t` ({body}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
            ))
            .unwrap()
        };
        let local = table(
            "`a` int DEFAULT NULL,\n`b` varchar(9) DEFAULT NULL,\n`g` int GENERATED ALWAYS AS (`a` + 1) VIRTUAL",
        );
        for (remote, rows_change, expected) in [
            (
                "`a` int DEFAULT NULL,\n`b` varchar(9) DEFAULT NULL,\nUNIQUE KEY `a` (`a`)",
                false,
                Some("are equal"),
            ),
            (
                "`a` int DEFAULT NULL,\n`b` varchar(9) DEFAULT NULL,\nUNIQUE KEY `a` (`a`)",
                true,
                None,
            ),
            (
                "`a` int DEFAULT NULL,\n`b` varchar(9) NOT NULL",
                false,
                Some("NULL"),
            ),
            (
                "`a` int DEFAULT NULL,\n`b` int DEFAULT NULL",
                true,
                Some("do"),
            ),
            (
                "`a` int DEFAULT NULL,\n`b` varchar(9) DEFAULT NULL,\nCONSTRAINT `c` CHECK (`a` > 1)",
                false,
                Some("violate a check"),
            ),
            (
                "`a` int NOT NULL,\n`b` varchar(9) DEFAULT NULL",
                false,
                None,
            ),
        ] {
            let (local, remote) = (&local, &table(remote));
            let surroundings = schema::Surroundings {
                rows_change,
                ..Default::default()
            };
            let printed = as_local_prints(&mut session, &[(name.clone(), remote.clone())])
                .unwrap()
                .remove(&name)
                .unwrap()
                .unwrap();
            let shown = as_local_prints(&mut session, &[(name.clone(), local.clone())])
                .unwrap()
                .remove(&name)
                .unwrap()
                .unwrap();
            let diff = schema::table(&shown, &printed, vendor, &surroundings);
            let proposal = Proposal {
                name: &name,
                local: &shown,
                remote: &printed,
                diff: &diff,
            };
            let answer = prove(&mut session, &[proposal])
                .unwrap()
                .remove(&name)
                .unwrap();
            match (answer, expected) {
                (Ok(_), None) => {}
                (Err(failure), Some(expected)) => {
                    assert!(failure.reason.contains(expected), "{failure}");
                    assert!(!failure.reason.contains("'x'"), "{failure}");
                }
                (answer, _) => panic!("{vendor:?} {expected:?}: {answer:?}"),
            }
        }
        session
            .execute(&format!("DROP DATABASE {database}"))
            .unwrap();
        assert!(
            session
                .rows(&Read::Server(ServerQuestion::ScratchSchemas))
                .unwrap()
                .iter()
                .all(|row| {
                    !text(row, 0)
                        .unwrap()
                        .contains(&format!("_{}_", std::process::id()))
                })
        );
    }
}
