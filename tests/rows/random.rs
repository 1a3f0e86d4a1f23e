//! Random tables, rows and drifts.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::format_collect,
    clippy::type_complexity,
    reason = "small numbers and short texts, made up here"
)]

use super::keys::KEYS;
use driftwarden::schema::Vendor;

/// A small deterministic generator, so that a failing case can be run again by its number.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
    pub(crate) fn one<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
    fn hex(&mut self, longest: u64) -> String {
        let length = self.below(longest + 1);
        let digits = (0..length)
            .map(|_| format!("{:02x}", self.below(256)))
            .collect::<String>();
        format!("X'{digits}'")
    }
    fn text(&mut self) -> String {
        const WORDS: [&str; 14] = [
            "a", "A", "ä", "ß", "#", "a#b", "''", "\\", "\n", "é", " ", "z", "Ω", "日",
        ];
        let length = self.below(4);
        (0..length).map(|_| self.one(&WORDS)).collect()
    }
}

/// A kind of column: its definition, and how a value of it is written.
pub(crate) struct Type {
    pub(crate) definition: &'static str,
    pub(crate) value: fn(&mut Random) -> String,
}

fn quoted(text: &str) -> String {
    format!("_utf8mb4 '{}'", text.replace('\\', "\\\\"))
}

/// Column types of both vendors.
pub(crate) const TYPES: [Type; 30] = [
    Type {
        definition: "INT",
        value: |r| (r.below(2000) as i64 - 1000).to_string(),
    },
    Type {
        definition: "INT(7) ZEROFILL",
        value: |r| r.below(2000).to_string(),
    },
    Type {
        definition: "BIGINT UNSIGNED",
        value: |r| (u64::MAX - r.below(3)).to_string(),
    },
    Type {
        definition: "TINYINT(1)",
        value: |r| r.below(2).to_string(),
    },
    Type {
        definition: "DECIMAL(65,30)",
        value: |r| {
            r.one(&[
                "0",
                "-0.5",
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "0.000000000000000000000000000001",
            ])
            .into()
        },
    },
    Type {
        definition: "DECIMAL(10,2)",
        value: |r| format!("{}.{}", r.below(100), r.below(100)),
    },
    Type {
        definition: "FLOAT",
        value: |r| {
            r.one(&[
                "0",
                "-0e0",
                "3.4028234e38",
                "1.17549435e-38",
                "0.1",
                "16777217",
                "1.4e-45",
                "-2.5",
            ])
            .into()
        },
    },
    Type {
        definition: "DOUBLE",
        value: |r| {
            r.one(&[
                "0",
                "-0e0",
                "1.7976931348623157e308",
                "2.2250738585072014e-308",
                "0.1",
                "1e22",
                "123456789.123456789",
                "4.9e-324",
                "0.30000000000000004",
            ])
            .into()
        },
    },
    Type {
        definition: "BIT(64)",
        value: |r| {
            r.one(&["0", "1", "18446744073709551615", "9223372036854775808"])
                .into()
        },
    },
    Type {
        definition: "YEAR",
        value: |r| r.one(&["0", "1901", "2155", "2026"]).into(),
    },
    Type {
        definition: "DATE",
        value: |r| {
            r.one(&[
                "'0000-00-00'",
                "'2020-02-31'",
                "'9999-12-31'",
                "'2020-00-10'",
                "'2026-01-02'",
            ])
            .into()
        },
    },
    Type {
        definition: "DATETIME(6)",
        value: |r| {
            r.one(&[
                "'0000-00-00'",
                "'2020-02-31 01:02:03.000001'",
                "'9999-12-31 23:59:59.999999'",
                "'2026-01-02'",
            ])
            .into()
        },
    },
    Type {
        definition: "TIMESTAMP(3) NULL",
        value: |r| {
            r.one(&[
                "'0000-00-00'",
                "'1970-01-01 00:00:01.001'",
                "'2026-03-29 02:30:00'",
            ])
            .into()
        },
    },
    Type {
        definition: "TIME(6)",
        value: |r| {
            r.one(&[
                "'-838:59:59'",
                "'838:59:59'",
                "'00:00:00.000001'",
                "'-00:00:01'",
            ])
            .into()
        },
    },
    Type {
        definition: "CHAR(10) CHARACTER SET latin1",
        value: |r| format!("_latin1 {}", r.hex(9)),
    },
    Type {
        definition: "VARCHAR(40)",
        value: |r| quoted(&r.text()),
    },
    Type {
        definition: "VARCHAR(40) CHARACTER SET sjis",
        value: |r| {
            format!(
                "_sjis {}",
                r.one(&["X'8360'", "X'5c'", "X'7e'", "X'815f'", "X'835c'", "X'b1'"])
            )
        },
    },
    Type {
        definition: "VARCHAR(20) CHARACTER SET utf16",
        value: |r| {
            format!(
                "_utf16 {}",
                r.one(&["X'0041'", "X'd83dde00'", "X''", "X'00e9'"])
            )
        },
    },
    Type {
        definition: "VARCHAR(20) CHARACTER SET ucs2",
        value: |r| format!("_ucs2 {}", r.one(&["X'0041'", "X'30c1'", "X''"])),
    },
    Type {
        definition: "VARCHAR(20) CHARACTER SET latin2 COLLATE latin2_general_ci",
        value: |r| format!("_latin2 {}", r.hex(6)),
    },
    Type {
        definition: "VARBINARY(20)",
        value: |r| r.hex(12),
    },
    Type {
        definition: "BINARY(8)",
        value: |r| r.hex(8),
    },
    Type {
        definition: "TINYTEXT CHARACTER SET latin1",
        value: |r| format!("_latin1 {}", r.hex(20)),
    },
    Type {
        definition: "TEXT",
        value: |r| quoted(&r.text()),
    },
    Type {
        definition: "BLOB",
        value: |r| r.hex(40),
    },
    Type {
        definition: "LONGTEXT",
        value: |r| format!("REPEAT('x#', {})", r.below(3) * 40_000),
    },
    Type {
        definition: "ENUM('','a','b#','it''s')",
        value: |r| r.one(&["''", "'a'", "'b#'", "'it''s'"]).into(),
    },
    Type {
        definition: "SET('a','b','c')",
        value: |r| r.one(&["''", "'a'", "'a,c'", "'a,b,c'"]).into(),
    },
    Type {
        definition: "JSON",
        value: |r| {
            r.one(&[
                "'{\"a\": 1}'",
                "'[1.5, 18446744073709551615, \"\\\\u00e9\\\\n\"]'",
                "'null'",
                "'{\"b\":[],\"a\":{\"x\":1e100}}'",
                "_utf8mb4'\"日😀\"'",
            ])
            .into()
        },
    },
    Type {
        definition: "GEOMETRY",
        value: |r| {
            r.one(&[
                "ST_GeomFromText('POINT(1 2)', 4326)",
                "ST_GeomFromText('POINT(1 2)')",
                "ST_GeomFromText('LINESTRING(0 0,1 1,2 5)')",
            ])
            .into()
        },
    },
];

/// Column types of MariaDB alone.
const MARIADB_TYPES: [Type; 2] = [
    Type {
        definition: "UUID",
        value: |r| {
            r.one(&[
                "'123e4567-e89b-12d3-a456-426655440000'",
                "'00000000-0000-0000-0000-000000000000'",
            ])
            .into()
        },
    },
    Type {
        definition: "INET6",
        value: |r| r.one(&["'::'", "'fe80::1'", "'::ffff:1.2.3.4'"]).into(),
    },
];

/// A table with drift between its two sides, as statements for each.
pub(crate) struct Case {
    pub(crate) create: String,
    pub(crate) remote: Vec<String>,
    pub(crate) local: Vec<String>,
    pub(crate) rows: u64,
}

pub(crate) fn case(seed: u64, vendor: Vendor) -> Case {
    let mut random = Random::new(seed);
    let key = &KEYS[usize::try_from(seed).unwrap() % KEYS.len()];
    let mut types = Vec::new();
    for _ in 0..=random.below(7) {
        let mariadb = vendor == Vendor::MariaDb && random.below(12) == 0;
        types.push(if mariadb {
            &MARIADB_TYPES[random.below(2) as usize]
        } else {
            &TYPES[random.below(TYPES.len() as u64) as usize]
        });
    }
    let mut columns = Vec::new();
    for (name, definition, _) in key.columns {
        let null = if definition.contains("NULL") {
            ""
        } else {
            " NOT NULL"
        };
        columns.push(format!("`{name}` {definition}{null}"));
    }
    for (number, kind) in types.iter().enumerate() {
        columns.push(format!("`c {number}``` {}", kind.definition));
    }
    if random.below(3) == 0 {
        let first = key.columns[0].0;
        columns.push(format!(
            "g VARCHAR(99) AS (CONCAT('g', `{first}` = `{first}`)) VIRTUAL"
        ));
    }
    let create = format!("CREATE TABLE t ({}, {})", columns.join(", "), key.index);
    let names = key
        .columns
        .iter()
        .map(|(name, _, _)| format!("`{name}`"))
        .chain((0..types.len()).map(|number| format!("`c {number}```")))
        .collect::<Vec<_>>()
        .join(", ");
    let rows = [0, 1, 3, 40, 190, 700][random.below(6) as usize];
    let drift = [0, 1, 10, 50, 100][random.below(5) as usize];
    let mut sides = [Vec::new(), Vec::new()];
    for n in 0..rows {
        let mut row = || {
            let mut values = key
                .columns
                .iter()
                .map(|(_, _, value)| value(n))
                .collect::<Vec<_>>();
            for kind in &types {
                values.push(if random.below(6) == 0 {
                    "NULL".to_owned()
                } else {
                    (kind.value)(&mut random)
                });
            }
            format!("({})", values.join(", "))
        };
        let before = row();
        let after = row();
        let stretch = n > rows * 9 / 10;
        let changed = random.below(100) < drift;
        let (on_remote, on_local) = match random.below(3) {
            _ if !changed => (Some(before.clone()), Some(before)),
            0 => (Some(after), None),
            1 => (None, Some(before)),
            _ => (Some(after), Some(before)),
        };
        // The last tenth is sometimes missing altogether, as after a day without a sync.
        let on_local = on_local.filter(|_| !(stretch && seed % 3 == 1));
        let on_remote = on_remote.filter(|_| !(stretch && seed % 3 == 2));
        sides[0].extend(on_remote);
        sides[1].extend(on_local);
    }
    let [remote, local] = sides.map(|rows| {
        rows.chunks(50)
            .map(|rows| format!("INSERT INTO t ({names}) VALUES {}", rows.join(", ")))
            .collect::<Vec<_>>()
    });
    Case {
        create,
        remote,
        local,
        rows,
    }
}
