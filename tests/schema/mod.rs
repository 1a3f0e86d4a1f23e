//! Tables on real servers: whatever a table is, a plan makes it like another, entry by entry as it says, and a second
//! plan finds nothing. The two databases of a test are on one local server, so that their texts can be compared.

mod converge;
mod histories;
pub(crate) mod random;

use crate::objects::{VENDORS, open};
use converge::{converge, fill};
use driftwarden::connect::Reader as _;
use driftwarden::diff::schema::{Surroundings, table};
use driftwarden::proof::{Proposal, as_local_prints, prove};
use driftwarden::schema::{ObjectName, parse};
use driftwarden::sql::Read;
use driftwarden::sql::read::ServerQuestion;

/// Pairs of tables that are hard to lead into one another.
fn pairs_of(vendor: &str) -> Vec<(&'static str, &'static str, &'static str)> {
    include_str!("pairs.sql")
        .split("\n-- ")
        .filter_map(|block| {
            let (title, rest) = block.split_once('\n')?;
            let (local, remote) = rest.split_once("=>")?;
            let other = VENDORS
                .iter()
                .any(|name| *name != vendor && title.contains(&format!("[{name}]")));
            (!other).then_some((title, local.trim(), remote.trim()))
        })
        .collect()
}

fn hard_pairs_converge(vendor: &str) {
    let mut session = open(vendor, None);
    let (from, to) = (format!("pairs_{vendor}_a"), format!("pairs_{vendor}_b"));
    let mut wrong = Vec::new();
    for (title, local, remote) in pairs_of(vendor) {
        for (one, other, rows) in [(local, remote, true), (remote, local, false)] {
            fill(&mut session, &from, &[one.to_owned()]);
            fill(&mut session, &to, &[other.to_owned()]);
            for what in converge(&mut session, None, &from, &to, rows) {
                wrong.push(format!("{title} (rows change: {rows}): {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hard_pairs_converge_on_mysql() {
    hard_pairs_converge("mysql");
}

#[test]
fn hard_pairs_converge_on_mariadb() {
    hard_pairs_converge("mariadb");
}

#[test]
fn rows_that_stand_in_the_way_are_met_before_the_plan_is_written() {
    for vendor in VENDORS {
        let mut session = open(vendor, None);
        let database = format!("standing_{vendor}");
        fill(
            &mut session,
            &database,
            &[
                "CREATE TABLE t (a int, b varchar(9), g int AS (a + 1))".to_owned(),
                "INSERT INTO t (a, b) VALUES (1, 'x'), (1, NULL)".to_owned(),
            ],
        );
        let name = ObjectName::new(&database, "t");
        let (a, b) = ("`a` int DEFAULT NULL", "`b` varchar(9) DEFAULT NULL");
        let g = "`g` int GENERATED ALWAYS AS (`a` + 1) VIRTUAL";
        for (body, rows_change, expected) in [
            (
                format!("{a},{b},UNIQUE KEY `a` (`a`)"),
                false,
                Some("equal"),
            ),
            (format!("{a},{b},UNIQUE KEY `a` (`a`)"), true, None),
            (format!("{a},`b` varchar(9) NOT NULL"), false, Some("NULL")),
            // Text that is no number waits as text until the rows are mended.
            (format!("{a},`b` int DEFAULT NULL"), true, None),
            (
                format!("{a},{b},CONSTRAINT `c` CHECK (`a` > 1)"),
                false,
                Some("a check"),
            ),
            (format!("`a` int NOT NULL,{b}"), false, None),
        ] {
            let mut printed = [format!("{a},{b},{g}"), body].map(|body| {
                let table = parse::table(&format!(
                    "CREATE TABLE `t` ({body}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
                ))
                .unwrap();
                let answer = as_local_prints(&mut session, &[(name.clone(), table)]);
                answer.unwrap().remove(&name).unwrap().unwrap()
            });
            let [local, remote] = &mut printed;
            let surroundings = Surroundings {
                rows_change,
                ..Surroundings::default()
            };
            let diff = table(local, remote, session.server().vendor, &surroundings);
            let proposal = Proposal {
                name: &name,
                local,
                remote,
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
                    assert!(!failure.reason.contains("'x'"), "no value: {failure}");
                }
                (answer, _) => panic!("{vendor} {expected:?}: {answer:?}"),
            }
        }
    }
}

#[test]
fn a_scratch_schema_that_a_killed_run_left_goes_at_the_next_start() {
    for vendor in VENDORS {
        let mut session = open(vendor, None);
        let left = "driftwarden_scratch_0_0";
        session
            .execute(&format!("CREATE DATABASE IF NOT EXISTS {left}"))
            .unwrap();
        let table = parse::table("CREATE TABLE `t` (`a` int)").unwrap();
        as_local_prints(&mut session, &[(ObjectName::new("x", "t"), table)]).unwrap();
        let schemas = session
            .rows(&Read::Server(ServerQuestion::ScratchSchemas))
            .unwrap();
        assert!(
            !schemas.contains(&vec![Some(left.as_bytes().to_vec())]),
            "{vendor}: {schemas:?}"
        );
    }
}
