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
