//! Random tables, keys and drifts: what is reported equals the brute-force difference.

use super::brute::{self, Rows};
use super::random;
use super::server::{Found, Server, Settings, VENDORS};
use driftwarden::compare::{Method, RowKey, Shape, TableOutcome};
use driftwarden::diff::rows::{RowChange, RowKind};
use driftwarden::read::encode;
use driftwarden::schema::table::{Column, Table};
use driftwarden::sql::{ident, ident_list};
use driftwarden::value::Value;
use std::collections::BTreeSet;
use std::time::Duration;

type Difference = (
    RowKind,
    Option<Vec<Value>>,
    Option<Vec<Value>>,
    Option<(u64, u64)>,
);

fn expected(remote: &Rows, local: &Rows, bag: bool) -> BTreeSet<Difference> {
    let mut found = BTreeSet::new();
    let keys = remote.keys().chain(local.keys()).collect::<BTreeSet<_>>();
    for key in keys {
        let after = remote.get(key);
        let before = local.get(key);
        if bag {
            let (had, has) = (before.map_or(0, |row| row.0), after.map_or(0, |row| row.0));
            if had < has {
                found.insert((RowKind::Insert, None, Some(key.clone()), Some((had, has))));
            } else if had > has {
                found.insert((RowKind::Delete, Some(key.clone()), None, Some((had, has))));
            }
            continue;
        }
        match (before, after) {
            (None, Some(after)) => {
                found.insert((RowKind::Insert, None, Some(after.1.clone()), None))
            }
            (Some(before), None) => {
                found.insert((RowKind::Delete, Some(before.1.clone()), None, None))
            }
            (Some(before), Some(after)) if before.1 != after.1 => found.insert((
                RowKind::Update,
                Some(before.1.clone()),
                Some(after.1.clone()),
                None,
            )),
            _ => false,
        };
    }
    found
}

fn reported(found: &Found) -> BTreeSet<Difference> {
    let rows = found
        .rows
        .iter()
        .map(|(kind, change)| {
            (
                *kind,
                change.before.clone(),
                change.after.clone(),
                change.copies,
            )
        })
        .collect::<BTreeSet<_>>();
    assert_eq!(rows.len(), found.rows.len(), "a difference came twice");
    rows
}

/// Writes the differences to the local table, as literals.
pub(crate) fn write(server: &mut Server, outcome: &TableOutcome, table: &Table, found: &Found) {
    let local = server.local.clone();
    server.run(&format!("USE {}", ident(&local)));
    for wanted in [RowKind::Delete, RowKind::Update, RowKind::Insert] {
        for (kind, change) in found.rows.iter().filter(|(kind, _)| *kind == wanted) {
            let sql = statement(&outcome.shape, table, *kind, change);
            let times = match change.copies {
                Some((had, has)) if *kind == RowKind::Insert => has - had,
                _ => 1,
            };
            for _ in 0..times {
                server.run(&sql);
            }
        }
    }
}

fn statement(shape: &Shape, table: &Table, kind: RowKind, change: &RowChange) -> String {
    let columns = shape
        .columns
        .iter()
        .map(|column| table.column(&column.remote.name).unwrap())
        .collect::<Vec<_>>();
    let literals = |values: &[Value]| {
        columns
            .iter()
            .zip(values)
            .map(|(column, value)| encode::literal(column, value).unwrap())
            .collect::<Vec<_>>()
    };
    let by_key = |values: &[Value]| match &shape.key {
        RowKey::Columns { positions, .. } => positions
            .iter()
            .map(|at| equal(columns[*at], &literals(values)[*at]))
            .collect::<Vec<_>>()
            .join(" AND "),
        RowKey::Bag => {
            let encodings = shape
                .columns
                .iter()
                .filter(|column| column.common())
                .map(|column| (column.remote.name.as_str(), column.encoding))
                .collect::<Vec<_>>();
            let hash = encode::row_hash(&encodings).sql();
            format!("{hash} = '{}'", change.before_hash.as_deref().unwrap())
        }
    };
    let names = || ident_list(columns.iter().map(|column| column.name.as_str()));
    match kind {
        RowKind::Insert => format!(
            "INSERT INTO t ({}) VALUES ({})",
            names(),
            literals(change.after.as_ref().unwrap()).join(", ")
        ),
        RowKind::Update => format!(
            "UPDATE t SET {} WHERE {}",
            columns
                .iter()
                .zip(literals(change.after.as_ref().unwrap()))
                .map(|(column, literal)| format!("{} = {literal}", ident(&column.name)))
                .collect::<Vec<_>>()
                .join(", "),
            by_key(change.before.as_ref().unwrap())
        ),
        RowKind::Delete => {
            let limit = change.copies.map_or(1, |(had, has)| had - has);
            format!(
                "DELETE FROM t WHERE {} LIMIT {limit}",
                by_key(change.before.as_ref().unwrap())
            )
        }
    }
}

fn equal(column: &Column, literal: &str) -> String {
    format!("{} = {literal}", ident(&column.name))
}

fn check(server: &mut Server, seed: u64, case: &random::Case) {
    let (remote, local) = (server.remote.clone(), server.local.clone());
    for (database, inserts) in [(&remote, &case.remote), (&local, &case.local)] {
        server.run(&format!("USE {}", ident(database)));
        server.run("DROP TABLE IF EXISTS t");
        server.run(&case.create);
        server.run("SET sql_mode = ''");
        for insert in inserts {
            server.run(insert);
        }
        server.run("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'");
    }
    let tiny = seed.is_multiple_of(2);
    let settings = Settings {
        estimated_rows: case.rows,
        estimated_bytes: case.rows * if tiny { 2000 } else { 20 },
        chunk_time: Duration::from_micros(if tiny { 1 } else { 500_000 }),
        snapshot_time: if seed.is_multiple_of(5) {
            Duration::ZERO
        } else {
            Duration::from_secs(30)
        },
        ..Settings::default()
    };
    let (outcome, found) = server.compare(&settings);
    let table = server.table(&local);
    let key = match &outcome.shape.key {
        RowKey::Columns { positions, .. } => positions.clone(),
        RowKey::Bag => Vec::new(),
    };
    let before = brute::rows(server, &local, &table, &key);
    let after = brute::rows(server, &remote, &table, &key);
    let wanted = expected(&after, &before, key.is_empty());
    assert_eq!(reported(&found), wanted, "case {seed}: {}", case.create);
    write(server, &outcome, &table, &found);
    assert_eq!(
        brute::dump(server, &remote, &table),
        brute::dump(server, &local, &table),
        "case {seed}: {}",
        case.create
    );
    let (_, again) = server.compare(&settings);
    assert_eq!(
        reported(&again),
        BTreeSet::new(),
        "case {seed}: {}",
        case.create
    );
}

/// Seeds that once found something: a BIT(64) above 2^63 that MariaDB groups.
const FOUND: [u64; 1] = [9499];

#[test]
fn differences_equal_those_of_brute_force() {
    // More of them: DRIFTWARDEN_CASES=1000.
    let cases = std::env::var("DRIFTWARDEN_CASES").unwrap_or_else(|_| "48".into());
    let (from, to) = cases.split_once('-').unwrap_or(("0", &cases));
    let seeds = from.parse::<u64>().unwrap()..to.parse::<u64>().unwrap();
    let seeds = FOUND.into_iter().chain(seeds);
    std::thread::scope(|scope| {
        for vendor in VENDORS {
            let seeds = seeds.clone();
            scope.spawn(move || {
                let mut server = Server::start(vendor, "random");
                for seed in seeds {
                    check(&mut server, seed, &random::case(seed, vendor));
                }
            });
        }
    });
}

/// One row of each tenant's 600 differs: not all of them are looked at again.
#[test]
fn rows_that_crowd_at_one_value_of_a_key_are_not_all_looked_at() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "crowded");
        for database in [server.remote.clone(), server.local.clone()] {
            server.run(&format!(
                "CREATE TABLE `{database}`.t (tenant INT, n INT, v CHAR(200) NOT NULL, PRIMARY KEY (tenant, n))"
            ));
            for tenant in 0..20 {
                let rows = (0..600).map(|n| format!("({tenant}, {n}, 'x')"));
                server.run(&format!(
                    "INSERT INTO `{database}`.t VALUES {}",
                    rows.collect::<Vec<_>>().join(", ")
                ));
            }
        }
        server.run(&format!(
            "UPDATE `{}`.t SET v = 'y' WHERE n = 7 * tenant",
            server.local
        ));
        let (_, found) = server.compare(&Settings {
            estimated_rows: 12_000,
            estimated_bytes: 12_000 * 210,
            ..Settings::default()
        });
        assert_eq!(found.rows.len(), 20, "{vendor:?}");
        // Key and hash of all 12,000 rows are about 500,000 bytes.
        assert!(found.remote_bytes < 120_000, "{}", found.remote_bytes);
    }
}

/// Few rows that differ among many are looked for by their keys first, where a key does not cut into ranges by arithmetic;
/// with a column of the name that the list of keys has, they are read as they come.
#[test]
fn few_rows_among_many_are_found_whatever_the_key() {
    const ROWS: u64 = 1200;
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "few");
        let mut listed = 0;
        for (kind, more) in super::keys::KEYS
            .iter()
            .zip(["note", "driftwarden key 0"].iter().cycle())
        {
            let columns = kind.columns.iter();
            let columns = columns.map(|(name, definition, _)| format!("{name} {definition}"));
            let create = format!(
                "CREATE TABLE t ({}, m INT NOT NULL, `{more}` VARCHAR(20), long_one TEXT, {}) CHARACTER SET utf8mb4",
                columns.collect::<Vec<_>>().join(", "),
                kind.index
            );
            let rows: Vec<String> = (0..ROWS)
                .map(|n| {
                    let key = kind.columns.iter().map(|(_, _, value)| value(n));
                    let key = key.collect::<Vec<_>>().join(", ");
                    format!("({key}, {n}, 'x{n}', REPEAT('#', {n} % 7))")
                })
                .collect();
            for database in [server.remote.clone(), server.local.clone()] {
                server.run(&format!("USE {}", ident(&database)));
                server.run("SET sql_mode = ''");
                server.run("DROP TABLE IF EXISTS t");
                server.run(&create);
                server.run(&format!("INSERT IGNORE INTO t VALUES {}", rows.join(", ")));
                server.run(
                    "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
                );
                let gone = if database == server.remote { 9 } else { 11 };
                server.run(&format!("DELETE FROM t WHERE m % 500 = {gone}"));
            }
            server.run("UPDATE t SET long_one = CONCAT(long_one, '#') WHERE m % 500 = 7");
            let (outcome, found) = server.compare(&Settings {
                estimated_rows: ROWS,
                estimated_bytes: ROWS * 2000,
                ..Settings::default()
            });
            let (remote, local) = (server.remote.clone(), server.local.clone());
            let table = server.table(&local);
            let key = match &outcome.shape.key {
                RowKey::Columns { positions, .. } => positions.clone(),
                RowKey::Bag => Vec::new(),
            };
            let before = brute::rows(&mut server, &local, &table, &key);
            let after = brute::rows(&mut server, &remote, &table, &key);
            let wanted = expected(&after, &before, key.is_empty());
            assert!(wanted.len() >= 6, "{create}");
            assert_eq!(reported(&found), wanted, "{vendor:?} {create}");
            assert!(*more == "note" || found.keys_first == 0, "{create}");
            listed += usize::from(found.keys_first > 0);
        }
        assert!(listed >= 5, "{vendor:?} {listed}");
    }
}

#[test]
fn a_table_that_local_lacks_is_copied_whatever_its_key() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "copied");
        for seed in 0..super::keys::KEYS.len() as u64 {
            let case = random::case(seed, vendor);
            let (remote, local) = (server.remote.clone(), server.local.clone());
            server.run(&format!("USE {}", ident(&remote)));
            server.run("DROP TABLE IF EXISTS t");
            server.run(&case.create);
            server.run("SET sql_mode = ''");
            for insert in &case.remote {
                server.run(insert);
            }
            server.run(
                "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
            );
            let settings = Settings {
                local_missing: true,
                estimated_bytes: 100_000_000,
                ..Settings::default()
            };
            let (outcome, found) = server.compare(&settings);
            assert_eq!(outcome.method, Method::Copy);
            server.run(&format!("USE {}", ident(&local)));
            server.run("DROP TABLE IF EXISTS t");
            server.run(&case.create);
            let table = server.table(&local);
            write(&mut server, &outcome, &table, &found);
            assert_eq!(
                brute::dump(&mut server, &remote, &table),
                brute::dump(&mut server, &local, &table),
                "case {seed}: {}",
                case.create
            );
        }
    }
}
