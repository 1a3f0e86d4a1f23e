//! Comparison across a schema difference: rows are compared as the expand phase will leave them, and `before_hash` holds
//! before and after it.

use super::brute;
use super::comparison::write;
use super::server::{Found, Server, Settings, VENDORS};
use driftwarden::compare::{Shape, TableOutcome};
use driftwarden::connect::Reader;
use driftwarden::diff::rows::RowKind;
use driftwarden::read::encode;
use driftwarden::schema::{ObjectName, Vendor};
use driftwarden::sql::{Expr, Select, ident};
use std::collections::BTreeSet;

/// One column of both sides, values that both can hold, and one that only remote has.
struct Change {
    local: &'static str,
    remote: &'static str,
    values: &'static [&'static str],
}

const fn change(
    local: &'static str,
    remote: &'static str,
    values: &'static [&'static str],
) -> Change {
    Change {
        local,
        remote,
        values,
    }
}

const CHANGES: [Change; 24] = [
    change("INT", "BIGINT", &["1", "-5", "NULL"]),
    change("INT(5) ZEROFILL", "INT", &["1", "77"]),
    change("INT", "DECIMAL(14,2)", &["1", "-5"]),
    change("DECIMAL(10,2)", "DECIMAL(14,4)", &["1.5", "-5"]),
    change("FLOAT", "DOUBLE", &["1.5", "-2.25", "1048576"]),
    change("INT", "VARCHAR(20)", &["1", "-5"]),
    change("BIT(4)", "BIT(16)", &["1", "15"]),
    change("YEAR", "INT", &["1901", "2026"]),
    change(
        "VARCHAR(10) CHARACTER SET latin1",
        "VARCHAR(20) CHARACTER SET utf8mb4",
        &["'abc'", "'é#'", "''"],
    ),
    change(
        "VARCHAR(10) CHARACTER SET sjis",
        "TEXT CHARACTER SET utf8mb4",
        &["'abc'", "_sjis X'8360'"],
    ),
    change(
        "TINYTEXT CHARACTER SET latin1",
        "LONGTEXT CHARACTER SET utf8mb4",
        &["'abc'", "'é'"],
    ),
    change("CHAR(5)", "VARCHAR(9)", &["'abc'", "'a b'"]),
    change("VARCHAR(20)", "TEXT", &["'abc'", "'a#b'"]),
    change("ENUM('a','b')", "ENUM('c','a','b')", &["'a'", "'b'"]),
    change("ENUM('a','b')", "VARCHAR(9)", &["'a'", "'b'"]),
    change("SET('a','b')", "SET('a','b','c')", &["'a,b'", "''"]),
    change("BINARY(4)", "BINARY(8)", &["X'01'", "X'61626364'"]),
    change("VARBINARY(4)", "BLOB", &["X'00ff'", "X''"]),
    change("DATE", "DATETIME(3)", &["'2020-01-01'", "'0000-00-00'"]),
    change("DATETIME", "DATETIME(6)", &["'2020-01-01 01:02:03'"]),
    change("TIMESTAMP NULL", "DATETIME(2)", &["'2020-01-01 01:02:03'"]),
    change("TIME", "TIME(3)", &["'-838:59:59'", "'01:02:03'"]),
    change("JSON", "LONGTEXT", &["'{\"a\": 1}'", "'[]'"]),
    change("GEOMETRY", "POINT", &["ST_GeomFromText('POINT(1 2)')"]),
];

/// Columns that local does not have: definition, whether what it will hold can be told.
const ADDED: [(&str, bool); 22] = [
    ("INT", true),
    ("INT NOT NULL", true),
    (
        "BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615",
        true,
    ),
    ("DECIMAL(10,3) NOT NULL DEFAULT 1.5", true),
    ("DECIMAL(10,3) NOT NULL", true),
    ("DOUBLE NOT NULL DEFAULT 1.5", true),
    ("FLOAT NOT NULL", true),
    ("BIT(5) NOT NULL DEFAULT b'101'", true),
    ("VARCHAR(20) NOT NULL DEFAULT 'it''s #'", true),
    ("VARCHAR(20) CHARACTER SET latin1 NOT NULL DEFAULT ''", true),
    ("CHAR(4) NOT NULL", true),
    ("VARBINARY(4) NOT NULL", true),
    ("BINARY(4) NOT NULL", true),
    ("TEXT", true),
    ("JSON", true),
    ("GEOMETRY", true),
    ("ENUM('a','b') NOT NULL DEFAULT 'b'", true),
    (
        "DATETIME(3) NOT NULL DEFAULT '2020-01-01 00:00:00.000'",
        true,
    ),
    ("DATE NOT NULL DEFAULT '2020-01-01'", true),
    ("TIME NOT NULL DEFAULT '01:00:00'", true),
    ("YEAR NOT NULL DEFAULT 2020", true),
    ("DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP", false),
];

/// Local's rows by their key: the hash over the columns that local has.
fn hashes(server: &mut Server, shape: &Shape) -> BTreeSet<String> {
    let columns = shape
        .columns
        .iter()
        .filter(|column| column.common())
        .map(|column| (column.remote.name.as_str(), column.encoding))
        .collect::<Vec<_>>();
    let name = ObjectName::new(&server.local, "t");
    let select = Select::from(&name, vec![encode::row_hash(&columns)]);
    server
        .session
        .rows(&select.into())
        .unwrap()
        .into_iter()
        .map(|row| String::from_utf8(row[0].clone().unwrap()).unwrap())
        .collect()
}

fn held(server: &mut Server, outcome: &TableOutcome, found: &Found, when: &str, what: &str) {
    let there = hashes(server, &outcome.shape);
    for (_, change) in &found.rows {
        if let Some(hash) = &change.before_hash {
            assert!(there.contains(hash), "{when}: {what}");
        }
    }
}

/// Compares, expands, writes, and compares again. Returns what was found first.
fn converge(server: &mut Server, expand: &str, what: &str) -> Found {
    let (remote, local) = (server.remote.clone(), server.local.clone());
    let settings = Settings::default();
    let (outcome, found) = server.compare(&settings);
    held(server, &outcome, &found, "before the expand phase", what);
    server.run(&format!("USE {}", ident(&local)));
    server.run(expand);
    held(server, &outcome, &found, "after the expand phase", what);
    let table = server.table(&local);
    write(server, &outcome, &table, &found);
    let (_, again) = server.compare(&settings);
    assert_eq!(again.rows, [], "{what}");
    let table = server.table(&remote);
    assert_eq!(
        brute::dump(server, &remote, &table),
        brute::dump(server, &local, &table),
        "{what}"
    );
    found
}

fn create(server: &mut Server, remote: &str, local: &str) {
    let sides = [
        (server.remote.clone(), remote),
        (server.local.clone(), local),
    ];
    for (database, definition) in sides {
        server.run(&format!("USE {}", ident(&database)));
        server.run("DROP TABLE IF EXISTS t");
        server.run(definition);
    }
}

#[test]
fn changed_types_are_compared_as_the_expand_phase_leaves_them() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "changed");
        for change in &CHANGES {
            let table = |definition: &str| {
                format!("CREATE TABLE t (id INT PRIMARY KEY, c {definition}, d INT)")
            };
            create(&mut server, &table(change.remote), &table(change.local));
            let what = format!("{vendor:?}: {} → {}", change.local, change.remote);
            for (number, value) in change.values.iter().enumerate() {
                let row = |id: usize, d: u8| format!("INSERT INTO t VALUES ({id}, {value}, {d})");
                server.run(&row(number, 0));
                server.run(&row(number + 100, 0));
                let remote = server.remote.clone();
                server.run(&format!("USE {}", ident(&remote)));
                server.run(&row(number, 0));
                server.run(&row(number + 100, 1));
                let local = server.local.clone();
                server.run(&format!("USE {}", ident(&local)));
            }
            let expand = format!("ALTER TABLE t MODIFY c {}", change.remote);
            let found = converge(&mut server, &expand, &what);
            assert_eq!(found.rows.len(), change.values.len(), "{what}");
        }
    }
}

#[test]
fn new_columns_are_compared_by_what_they_will_hold() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "added");
        for (definition, told) in ADDED {
            let what = format!("{vendor:?}: {definition}");
            create(
                &mut server,
                &format!("CREATE TABLE t (id INT PRIMARY KEY, a INT, c {definition})"),
                "CREATE TABLE t (id INT PRIMARY KEY, a INT, gone INT)",
            );
            let (remote, local) = (server.remote.clone(), server.local.clone());
            server.run("INSERT INTO t (id, a) VALUES (1, 1), (2, 1), (3, 3)");
            server.run(&format!("USE {}", ident(&remote)));
            // Without strict mode: the implicit default of a NOT NULL column.
            server.run("SET sql_mode = ''");
            server.run("INSERT INTO t (id, a) VALUES (1, 1), (2, 2), (4, 4)");
            server.run("SET sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES'");
            server.run(&format!("USE {}", ident(&local)));
            let expand = format!("ALTER TABLE t ADD c {definition}");
            let found = converge(&mut server, &expand, &what);
            let updates = found
                .rows
                .iter()
                .filter(|(kind, _)| *kind == RowKind::Update)
                .count();
            assert_eq!(updates, if told { 1 } else { 2 }, "{what}");
            assert_eq!(found.rows.len(), updates + 2, "{what}");
        }
    }
}

#[test]
fn a_key_that_local_lacks_is_compared_as_a_bag() {
    let locals = [
        "CREATE TABLE t (id INT, a INT)",
        "CREATE TABLE t (id INT NULL, a INT, UNIQUE KEY (id))",
        "CREATE TABLE t (id INT NOT NULL, a INT NOT NULL, PRIMARY KEY (id, a))",
    ];
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "bag");
        for local in locals {
            create(
                &mut server,
                "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
                local,
            );
            server.run("INSERT INTO t VALUES (1, 1), (2, 2)");
            if !local.contains("UNIQUE") {
                server.run("INSERT INTO t VALUES (2, 3)");
            }
            let remote = server.remote.clone();
            server.run(&format!("USE {}", ident(&remote)));
            server.run("INSERT INTO t VALUES (1, 1), (2, 3), (5, 5)");
            converge(&mut server, "DO 0", &format!("{vendor:?}: {local}"));
        }
    }
}

#[test]
fn text_keys_whose_collation_differs_are_matched_by_their_bytes() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "collation");
        let table = |collation: &str| {
            format!("CREATE TABLE t (k VARCHAR(20) COLLATE {collation} PRIMARY KEY, a INT)")
        };
        create(
            &mut server,
            &table("utf8mb4_bin"),
            &table("utf8mb4_general_ci"),
        );
        server.run("INSERT INTO t VALUES ('a', 1), ('b', 1), ('ß', 1), ('Z', 1)");
        let remote = server.remote.clone();
        server.run(&format!("USE {}", ident(&remote)));
        server.run("INSERT INTO t VALUES ('A', 1), ('b', 2), ('z', 1), ('Z', 1), ('ß', 1)");
        let (_, found) = server.compare(&Settings::default());
        let kinds = |wanted| {
            found
                .rows
                .iter()
                .filter(|(kind, _)| *kind == wanted)
                .count()
        };
        assert_eq!(
            (
                kinds(RowKind::Insert),
                kinds(RowKind::Update),
                kinds(RowKind::Delete)
            ),
            (2, 1, 1)
        );
    }
}

#[test]
fn an_empty_enum_value_is_stored_without_strict_mode() {
    let mut server = Server::start(Vendor::MySql, "enum");
    let table = "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b'))";
    create(&mut server, table, table);
    server.run("SET sql_mode = ''");
    let (remote, local) = (server.remote.clone(), server.local.clone());
    server.run(&format!(
        "INSERT INTO {}.t VALUES (1, ''), (2, 'b')",
        ident(&remote)
    ));
    server.run(&format!("INSERT INTO {}.t VALUES (2, '')", ident(&local)));
    let (outcome, found) = server.compare(&Settings::default());
    assert_eq!(found.rows.len(), 2);
    let table = server.table(&local);
    let after = found.rows[0].1.after.as_ref().unwrap();
    assert!(encode::needs_lenient_mode(&table.columns[1], &after[1]));
    write(&mut server, &outcome, &table, &found);
    assert_eq!(server.compare(&Settings::default()).1.rows, []);
    let select = Select::from(&ObjectName::new(&local, "t"), vec![Expr::column("e")]);
    assert_eq!(
        server.session.rows(&select.into()).unwrap()[0][0],
        Some(Vec::new())
    );
}
