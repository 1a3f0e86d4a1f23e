//! Rows that are copied are hashed here: as both servers would hash them, whatever their type.

use super::server::{Server, Settings, VENDORS};
use driftwarden::connect::Reader as _;
use driftwarden::read::encode::{self, Encoding, Quick};
use driftwarden::schema::table::{Column, Table};
use driftwarden::schema::{ObjectName, Vendor};
use driftwarden::sql::{Expr, Function, Select};
use std::collections::{BTreeMap, BTreeSet};

const TYPES: &str = "CREATE TABLE `{db}`.t (
    id BIGINT UNSIGNED NOT NULL PRIMARY KEY, small TINYINT, dec1 DECIMAL(30, 10), dec2 DECIMAL(65, 30), f FLOAT, d DOUBLE,
    b BIT(64), y YEAR, day DATE, t TIME(6), dt DATETIME(3), ts TIMESTAMP(6) NULL, c CHAR(20), v VARCHAR(200), a VARCHAR(20)
    CHARACTER SET ascii, bin BINARY(8), vb VARBINARY(40), tx TEXT, lt LONGTEXT, bl BLOB, e ENUM('', 'x', 'ä'), s SET('p', 'q#'),
    j JSON) CHARACTER SET utf8mb4";
const ROWS: [&str; 5] = [
    "1, -128, 0.1, 1e-30, 1/3, 1/3, 18446744073709551615, '0000', '0000-00-00', '-838:59:59', '2020-02-31 00:00:00', NULL, 'a ',
     'a#b\\'\\\\\\n', 'x', 'a', X'00ff23', 'long', '', X'0001', 'x', 'p,q#', '{\"b\": 1.50, \"a\": [1, \"ä#\"]}'",
    "2, 127, -99999999999999999999.9999999999, 12345678901234567890123456789012345.6, -3.4e38, -1.7976931348623157e308, 0, '2155',
     '9999-12-31', '00:00:00.000001', '1000-01-01 00:00:00.001', '2038-01-19 03:14:07.999999', '', '', '', '', '', '', '', '', '', '', '[]'",
    "18446744073709551615, 0, 0, 0, -0e0, -0e0, b'1', 1970, '2024-02-29', '838:59:59', '2024-01-01', '1970-01-01 00:00:01', 'ü', '😀',
     NULL, X'ff00', NULL, REPEAT('é', 20000), NULL, NULL, 3, NULL, NULL",
    "4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "5, 1, 1, 1, 5e-324, 5e-324, 7, 1901, '0001-00-00', '-00:00:00.5', '0000-00-00', '2000-01-01', '  x', 'x  ', 'x ', X'20', X'20', ' ',
     'x', 'x', 0, 0, '\"s\"'",
];

#[test]
fn a_copied_row_has_the_hash_that_its_server_gives_it() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "hashes");
        let database = server.remote.clone();
        server.run(&TYPES.replace("{db}", &database));
        server.run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'");
        for row in ROWS {
            server.run(&format!("INSERT IGNORE INTO `{database}`.t VALUES ({row})"));
        }
        let table = server.table(&database);
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                let encoding = encode::encoding_for(Some(column), column).unwrap();
                (column.name.as_str(), encoding)
            })
            .collect();
        let pairs = table.columns.iter().zip(&columns);
        let hasher = encode::Hasher::new(pairs.map(|(column, (_, encoding))| (column, *encoding)));
        // MariaDB's JSON is text under a check; either way every type here is one that is hashed here.
        assert!(hasher.is_some(), "{vendor:?}");
        let name = ObjectName::new(&database, "t");
        let select = Select::from(&name, vec![encode::row_hash(&columns)]);
        let by_server: BTreeSet<String> = server
            .session
            .rows(&select.into())
            .unwrap()
            .into_iter()
            .map(|mut row| String::from_utf8(row.remove(0).unwrap()).unwrap())
            .collect();
        assert_eq!(by_server.len(), ROWS.len());
        let (_, found) = server.compare(&Settings {
            local_missing: true,
            ..Settings::default()
        });
        let here: BTreeSet<String> = found
            .rows
            .into_iter()
            .map(|(_, change)| change.after_hash.unwrap())
            .collect();
        assert_eq!(here, by_server, "{}", name_of(vendor));
    }
}

/// Makes rows of every type that differ from another in one column each.
fn fill(server: &mut Server, vendor: Vendor) -> Table {
    let database = server.remote.clone();
    let types = TYPES.replace("{db}", &database);
    let own = match vendor {
        Vendor::MySql => "",
        Vendor::MariaDb => ", u UUID, i INET6",
    };
    let shared = "g POINT, vl VARCHAR(20) CHARACTER SET latin1, vu VARCHAR(20) CHARACTER SET utf16, el ENUM('', 'ä', 'b#')
        CHARACTER SET latin1, em ENUM('ä', 'b') CHARACTER SET utf16";
    server.run(&types.replace("j JSON)", &format!("j JSON, {shared}{own})")));
    server.run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'");
    let more = [
        [
            "POINT(1, 2), 'ä#?', '#ä', 'b#', 'ä'",
            "'01234567-89ab-1def-8123-456789abcdef'",
            "'::1'",
        ],
        ["NULL, '', '', '', 'b'", "NULL", "'::'"],
        ["NULL, NULL, NULL, NULL, NULL", "NULL", "NULL"],
        [
            "POINT(1, 3), '?', '⌣', 'ä', NULL",
            "'00000000-0000-0000-0000-000000000000'",
            "NULL",
        ],
        ["POINT(2, 1), ' ', '??', 'ä', 'ä'", "NULL", "'ff::'"],
    ];
    for (row, more) in ROWS.iter().zip(&more) {
        let more = &more[..if own.is_empty() { 1 } else { 3 }];
        server.run(&format!(
            "INSERT IGNORE INTO `{database}`.t VALUES ({row}, {})",
            more.join(", ")
        ));
    }
    let table = server.table(&database);
    let columns: Vec<_> = table
        .columns
        .iter()
        .filter(|column| column.name != "id")
        .collect();
    for (place, column) in columns.iter().enumerate() {
        let of = |other: &&&Column| {
            let side = if other.name == column.name { "b" } else { "a" };
            format!("{side}.`{}`", other.name)
        };
        let list = columns.iter().map(|column| format!("`{}`", column.name));
        server.run(&format!(
            "INSERT INTO `{database}`.t (id, {}) SELECT a.id * 10000 + b.id * 100 + {place}, {} FROM `{database}`.t a,
             `{database}`.t b WHERE a.id IN (1, 5) AND b.id IN (1, 2, 4, 5)",
            list.collect::<Vec<_>>().join(", "),
            columns.iter().map(|other| of(&other)).collect::<Vec<_>>().join(", ")
        ));
    }
    table
}

/// The quick hash over columns as one side has them, given the other's and the encodings. With `nullable`, as if each of this side's
/// could be NULL.
fn quick(sides: &[(&Column, &Column, Encoding)], nullable: Option<bool>, short: bool) -> Expr {
    let columns = sides.iter().map(|(column, other, encoding)| {
        let own = Column {
            nullable: nullable.unwrap_or(column.nullable),
            ..(*column).clone()
        };
        let source = (Expr::column(&column.name), *encoding);
        Quick::new(source, Some(&own), [Some(*column), Some(*other)], short)
    });
    encode::quick_hash_of(&columns.collect::<Vec<_>>())
}

/// Rows that differ in one column from another, among them in whether it is NULL, are told apart by the quick hash exactly
/// where the hash that plans keep tells them apart.
#[test]
fn the_quick_hash_tells_rows_apart_as_the_row_hash_does() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "quick");
        let database = server.remote.clone();
        let table = fill(&mut server, vendor);
        let columns: Vec<_> = table
            .columns
            .iter()
            .filter(|column| column.name != "id")
            .map(|column| {
                let encoding = encode::encoding_for(Some(column), column).unwrap();
                (column, column, encoding)
            })
            .collect();
        let named: Vec<_> = columns
            .iter()
            .map(|(column, _, encoding)| (column.name.as_str(), *encoding))
            .collect();
        // NULL where any of them is.
        let lengths = columns
            .iter()
            .map(|(column, _, _)| Expr::call(Function::Length, vec![Expr::column(&column.name)]));
        let select = Select::from(
            &ObjectName::new(&database, "t"),
            vec![
                encode::row_hash(&named),
                quick(&columns, Some(true), true),
                quick(&columns, Some(false), true),
                quick(&columns, Some(true), false),
                quick(&columns, Some(false), false),
                Expr::call(Function::Concat, lengths.collect()),
            ],
        );
        let rows = server.session.rows(&select.into()).unwrap();
        let distinct = |places: &[usize]| {
            let cells = |row: &Vec<Option<Vec<u8>>>| -> Vec<Vec<u8>> {
                places
                    .iter()
                    .map(|place| row[*place].clone().expect("a hash is never NULL"))
                    .collect()
            };
            rows.iter().map(cells).collect::<BTreeSet<_>>().len()
        };
        let kinds = distinct(&[0]);
        assert!(kinds > 5 * columns.len(), "{kinds}");
        for place in 1..=4 {
            for places in [&[place][..], &[0, place]] {
                assert_eq!(distinct(places), kinds, "{} {places:?}", name_of(vendor));
            }
        }
        // One spelling on both sides where only one of them may hold NULL.
        let whole = rows.iter().filter(|row| row[5].is_some());
        assert!(whole.clone().count() > 0, "{}", name_of(vendor));
        for row in whole {
            assert_eq!(row[1], row[2], "{}", name_of(vendor));
            assert_eq!(row[3], row[4], "{}", name_of(vendor));
        }
    }
}

/// Rows made of nothing but separators, digits and what stands for NULL, in all combinations, have a quick hash each: with the
/// labels that hold a separator and with those that hold none, and whichever column is the last text.
#[test]
fn no_two_rows_of_separators_have_one_quick_hash() {
    const VALUES: [&str; 6] = ["NULL", "''", "'#'", "'0'", "'-1'", "'#1#'"];
    let text = |of: &[&str]| {
        of.iter()
            .map(|value| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    let columns = [
        (
            "e",
            "ENUM('', '#', '0', '#1#')",
            text(&["NULL", "''", "'#'", "'0'", "'#1#'"]),
        ),
        (
            "f",
            "ENUM('', '0', '1')",
            text(&["NULL", "''", "'0'", "'1'"]),
        ),
        ("v", "VARCHAR(9)", text(&VALUES)),
        ("t", "TEXT", text(&VALUES)),
        ("w", "VARCHAR(9)", text(&VALUES)),
    ];
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "separators");
        let database = server.remote.clone();
        // Each of them stands at the end once.
        for turn in 0..columns.len() {
            let columns = [&columns[turn..], &columns[..turn]].concat();
            let definitions = columns
                .iter()
                .map(|(name, definition, _)| format!("{name} {definition}"));
            server.run(&format!("DROP TABLE IF EXISTS `{database}`.t"));
            server.run(&format!(
                "CREATE TABLE `{database}`.t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, {}) CHARACTER SET utf8mb4",
                definitions.collect::<Vec<_>>().join(", ")
            ));
            let values = columns.iter().map(|(name, _, values)| {
                let values = values
                    .iter()
                    .map(|value| format!("SELECT {value} AS {name}"));
                format!(
                    "({}) AS of_{name}",
                    values.collect::<Vec<_>>().join(" UNION ALL ")
                )
            });
            let names = columns
                .iter()
                .map(|(name, _, _)| *name)
                .collect::<Vec<_>>()
                .join(", ");
            server.run(&format!(
                "INSERT INTO `{database}`.t ({names}) SELECT {names} FROM {}",
                values.collect::<Vec<_>>().join(", ")
            ));
            let table = server.table(&database);
            let sides: Vec<_> = table.columns[1..]
                .iter()
                .map(|column| {
                    let encoding = encode::encoding_for(Some(column), column).unwrap();
                    (column, column, encoding)
                })
                .collect();
            for short in [true, false] {
                let select = Select::from(
                    &ObjectName::new(&database, "t"),
                    vec![quick(&sides, None, short)],
                );
                let rows = server.session.rows(&select.into()).unwrap();
                let all = rows.len();
                assert_eq!(all, 5 * 4 * 6 * 6 * 6);
                let distinct = rows.into_iter().collect::<BTreeSet<_>>().len();
                assert_eq!(distinct, all, "{} {names}", name_of(vendor));
            }
        }
    }
}

/// Rows of two vendors' servers have one quick hash exactly where they have one row hash.
#[test]
fn the_quick_hash_is_the_same_on_both_vendors() {
    let mut servers = VENDORS.map(|vendor| Server::start(vendor, "both"));
    let tables = [0, 1].map(|place| fill(&mut servers[place], VENDORS[place]));
    let shared: Vec<_> = tables[0]
        .columns
        .iter()
        .filter_map(|column| Some((column, tables[1].column(&column.name)?)))
        .collect();
    let hashes = [0, 1].map(|place: usize| {
        let sides: Vec<_> = shared
            .iter()
            .map(|(one, other)| {
                let encoding = encode::encoding_for(Some(other), one).unwrap();
                let own = [*one, *other][place];
                (own, [*one, *other][1 - place], encoding)
            })
            .collect();
        let named: Vec<_> = sides
            .iter()
            .map(|(column, _, encoding)| (column.name.as_str(), *encoding))
            .collect();
        let columns = vec![
            Expr::column("id"),
            encode::row_hash(&named),
            quick(&sides, None, true),
            quick(&sides, None, false),
        ];
        let name = ObjectName::new(&servers[place].remote, "t");
        let select = Select::from(&name, columns);
        let rows = servers[place].session.rows(&select.into()).unwrap();
        rows.into_iter()
            .map(|row| (row[0].clone(), row))
            .collect::<BTreeMap<_, _>>()
    });
    let mut alike = 0;
    for (id, one) in &hashes[0] {
        let other = &hashes[1][id];
        alike += usize::from(one[1] == other[1]);
        for place in [2, 3] {
            assert_eq!(one[1] == other[1], one[place] == other[place], "{id:?}");
        }
    }
    assert!(
        alike > hashes[0].len() / 4,
        "{alike} of {}",
        hashes[0].len()
    );
}

fn name_of(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::MySql => "MySQL",
        Vendor::MariaDb => "MariaDB",
    }
}

/// The spelling for rows without a NULL gives every row the checksum that the other gives it.
#[test]
fn rows_have_one_checksum_in_either_spelling() {
    for vendor in VENDORS {
        let mut server = Server::start(vendor, "whole");
        let database = server.remote.clone();
        let table = fill(&mut server, vendor);
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                let encoding = encode::encoding_for(Some(column), column).unwrap();
                (Expr::column(&column.name), encoding)
            })
            .collect();
        let select = Select::from(
            &ObjectName::new(&database, "t"),
            vec![
                encode::checksum_of(&columns),
                encode::checksum_of_whole(&columns),
            ],
        );
        let select = select.group_by(vec![Expr::column("id")]);
        let rows = server.session.rows(&select.into()).unwrap();
        assert!(rows.len() > 100, "{}", rows.len());
        for row in rows {
            assert_eq!(row[0], row[1], "{}", name_of(vendor));
        }
    }
}
