//! Rows that the local server refuses: they are named with its reason, the others stand, and the next plan has them again.

use super::{approved, local_value};
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::output::Output;

/// Plans rows only, approves and applies on each vendor.
fn applied(remote: &str, local: &str, test: impl Fn(&Case, &Output)) {
    for vendor in Vendor::ALL {
        let case = Case::with_database(vendor, remote, local);
        let plan = case.plan("p", &["--data-only"]);
        case.approve_all("p", &plan);
        let output = case.driftwarden(&["apply", "plans/p.json"]);
        test(&case, &output);
        drop(output.exits(4).says("Apply incomplete!"));
        // Nothing is forgotten: the rows are in the next plan, and stay refused for as long as the reason stands.
        case.driftwarden(&[
            "plan",
            "--data-only",
            "--detailed-exitcode",
            "--out",
            "plans/q.json",
        ])
        .exits(2);
        let again = case.read_plan("q");
        case.approve_all("q", &again);
        case.driftwarden(&["apply", "plans/q.json"]).exits(3);
    }
}

/// Asserts that a row is named in the output together with what the server says of it.
#[track_caller]
fn names(output: &Output, row: &str, reasons: &[&str]) {
    let line = output
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with(row));
    let line = line.unwrap_or_else(|| panic!("{row} is not named: {output}"));
    assert!(
        reasons.iter().any(|reason| line.contains(reason)),
        "{row}: {output}"
    );
}

#[test]
fn a_row_that_breaks_a_check_of_local_s_leaves_the_others_alone() {
    applied(
        "CREATE TABLE t(id INT PRIMARY KEY, v INT);
         INSERT INTO t VALUES(1, 10), (2, 20), (3, 300), (4, 40), (5, 500), (6, 60)",
        "CREATE TABLE t(id INT PRIMARY KEY, v INT, CONSTRAINT small CHECK (v < 100));
         INSERT INTO t VALUES(1, 1), (5, 5)",
        |case, output| {
            for row in ["id = 3", "id = 5"] {
                names(output, row, &["small"]);
            }
            let rows = "SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM t";
            assert_eq!(
                local_value(case, rows),
                "1:10,2:20,4:40,5:5,6:60",
                "{output}"
            );
        },
    );
}

#[test]
fn a_refused_row_of_a_tree_takes_nothing_with_it_that_holds_without_it() {
    applied(
        "CREATE TABLE t(id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY(up) REFERENCES t(id));
         INSERT INTO t VALUES(1, NULL, 10), (2, 1, 20), (3, 2, 300), (4, 2, 40), (5, 1, 500)",
        "CREATE TABLE t(id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY(up) REFERENCES t(id), CONSTRAINT small CHECK (v < 100));
         INSERT INTO t VALUES(1, NULL, 1), (5, NULL, 5), (9, 1, 9)",
        |case, output| {
            for row in ["id = 3", "id = 5"] {
                names(output, row, &["small"]);
            }
            let rows = "SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM t";
            assert_eq!(local_value(case, rows), "1:10,2:20,4:40,5:5", "{output}");
        },
    );
}

#[test]
fn a_tree_whose_refused_row_is_needed_stays_as_it_was() {
    for vendor in Vendor::ALL {
        let case = Case::with_database(
            vendor,
            "CREATE TABLE t(id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY(up) REFERENCES t(id));
             INSERT INTO t VALUES(1, NULL, 10), (2, 1, 200), (3, 2, 30)",
            "CREATE TABLE t(id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY(up) REFERENCES t(id), CONSTRAINT small CHECK (v < 100));
             INSERT INTO t VALUES(1, NULL, 1)",
        );
        let plan = case.plan("p", &["--data-only"]);
        case.approve_all("p", &plan);
        let output = case.driftwarden(&["apply", "plans/p.json"]);
        assert!(matches!(output.code, Some(1 | 4)), "{output}");
        let output = output
            .says("would refer to no row")
            .says("id = 2")
            .says("small");
        let rows = "SELECT GROUP_CONCAT(id, ':', v ORDER BY id) FROM t";
        assert_eq!(local_value(&case, rows), "1:1", "{output}");
    }
}

#[test]
fn a_copy_that_breaks_a_check_leaves_the_others_alone() {
    applied(
        "CREATE TABLE t(a INT, b VARCHAR(9)); INSERT INTO t VALUES(1, 'x'), (1, 'x'), (200, 'y'), (3, 'z')",
        "CREATE TABLE t(a INT, b VARCHAR(9), CONSTRAINT small CHECK (a < 100)); INSERT INTO t VALUES(1, 'x')",
        |case, output| {
            names(output, "row ", &["small"]);
            let rows = "SELECT GROUP_CONCAT(a, b ORDER BY a) FROM t";
            assert_eq!(local_value(case, rows), "1x,1x,3z", "{output}");
        },
    );
}

#[test]
fn a_value_that_another_row_took_since_is_named_and_the_swap_beside_it_is_made() {
    for vendor in Vendor::ALL {
        let tables = |rows: &str| {
            format!(
                "CREATE TABLE t(id INT PRIMARY KEY, up INT, u INT, UNIQUE KEY(u), FOREIGN KEY(up) REFERENCES t(id)); INSERT INTO t VALUES{rows}"
            )
        };
        let case = Case::with_database(
            vendor,
            &tables("(1, NULL, 2), (2, NULL, 1), (3, NULL, 30), (4, 1, 40)"),
            &tables("(1, NULL, 1), (2, NULL, 2), (3, NULL, 3)"),
        );
        approved(&case);
        case.local_sql("INSERT INTO t VALUES(7, NULL, 30), (8, NULL, 40)");
        let output = case.driftwarden(&["apply", "plans/p.json"]).exits(4);
        for row in ["id = 3", "id = 4"] {
            names(&output, row, &["Duplicate entry"]);
        }
        let rows = "SELECT GROUP_CONCAT(id, ':', u ORDER BY id) FROM t";
        assert_eq!(
            local_value(&case, rows),
            "1:2,2:1,3:3,7:30,8:40",
            "{output}"
        );
    }
}
