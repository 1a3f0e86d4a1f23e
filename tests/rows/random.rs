//! Random tables, rows and drifts.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::format_collect,
    clippy::type_complexity,
    reason = "small numbers and short texts, made up here"
)]

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

/// A key: its columns (name, definition, value of the n-th row) and the index over them.
pub(crate) struct KeyKind {
    pub(crate) columns: &'static [(&'static str, &'static str, fn(u64) -> String)],
    pub(crate) index: &'static str,
}

fn pseudo(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Keys of every kind that a comparison treats in its own way.
pub(crate) const KEYS: [KeyKind; 24] = [
    KeyKind {
        columns: &[("id", "INT", |n| n.to_string())],
        index: "PRIMARY KEY (id)",
    },
    KeyKind {
        columns: &[("id", "BIGINT", |n| (n as i64 * 7 - 300).to_string())],
        index: "PRIMARY KEY (id)",
    },
    KeyKind {
        columns: &[("id", "BIGINT", |n| {
            match n {
                0 => i64::MIN,
                1 => i64::MAX,
                n => pseudo(n) as i64,
            }
            .to_string()
        })],
        index: "PRIMARY KEY (id)",
    },
    KeyKind {
        columns: &[("id", "BIGINT UNSIGNED", |n| (u64::MAX - n * n).to_string())],
        index: "PRIMARY KEY (id)",
    },
    KeyKind {
        columns: &[("id", "INT(9) UNSIGNED ZEROFILL", |n| (n * n).to_string())],
        index: "PRIMARY KEY (id)",
    },
    KeyKind {
        columns: &[
            ("a", "INT", |n| (n / 5).to_string()),
            ("b", "SMALLINT", |n| (n as i64 % 5 - 2).to_string()),
        ],
        index: "PRIMARY KEY (a, b)",
    },
    KeyKind {
        columns: &[
            ("a", "INT", |n| (n % 2).to_string()),
            ("b", "VARCHAR(9)", |n| format!("'k{n}'")),
        ],
        index: "PRIMARY KEY (a, b)",
    },
    KeyKind {
        columns: &[
            ("a", "INT", |n| (n / 7).to_string()),
            ("b", "ENUM('x','y','z','u','v','w','')", |n| {
                format!("'{}'", ["x", "y", "z", "u", "v", "w", ""][n as usize % 7])
            }),
        ],
        index: "PRIMARY KEY (a, b)",
    },
    KeyKind {
        columns: &[("k", "VARCHAR(20)", |n| {
            format!(
                "_utf8mb4 '{}{n}'",
                ["a", "B", "ä", "日", "'' "][n as usize % 5]
            )
        })],
        index: "PRIMARY KEY (k)",
    },
    KeyKind {
        columns: &[(
            "k",
            "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci",
            |n| format!("CONCAT(_latin1 X'{:02x}', '{n}')", n % 200 + 33),
        )],
        index: "PRIMARY KEY (k)",
    },
    KeyKind {
        columns: &[("k", "VARCHAR(20) COLLATE utf8mb4_bin", |n| {
            format!(
                "_utf8mb4 '{}{n}'",
                ["a", "A", "ä", "Ä", "a "][n as usize % 5]
            )
        })],
        index: "PRIMARY KEY (k)",
    },
    KeyKind {
        columns: &[("k", "VARBINARY(12)", |n| format!("X'00{:016x}'", pseudo(n)))],
        index: "PRIMARY KEY (k)",
    },
    KeyKind {
        columns: &[("k", "BINARY(16)", |n| {
            format!("X'{:016x}{:016x}'", pseudo(n), n)
        })],
        index: "PRIMARY KEY (k)",
    },
    KeyKind {
        columns: &[("k", "DECIMAL(20,4)", |n| {
            format!("{}.{:04}", n as i64 - 50, n % 10_000)
        })],
        index: "PRIMARY KEY (k)",
    },
    KeyKind {
        columns: &[
            ("d", "DATE", |n| {
                format!("DATE_ADD('2020-01-01', INTERVAL {} DAY)", n / 3)
            }),
            ("e", "ENUM('b','a','c')", |n| {
                format!("'{}'", ["a", "b", "c"][n as usize % 3])
            }),
        ],
        index: "PRIMARY KEY (d, e)",
    },
    KeyKind {
        columns: &[
            ("d", "DATETIME(3)", |n| {
                format!("DATE_ADD('2020-01-01', INTERVAL {n}000 MICROSECOND)")
            }),
            ("t", "TIME", |n| format!("SEC_TO_TIME({n} - 100)")),
        ],
        index: "PRIMARY KEY (d, t)",
    },
    KeyKind {
        columns: &[
            ("y", "YEAR", |n| (1901 + n % 200).to_string()),
            ("n", "INT", |n| (n / 200).to_string()),
        ],
        index: "PRIMARY KEY (y, n)",
    },
    KeyKind {
        columns: &[
            ("e", "ENUM('z','a','m')", |n| {
                format!("'{}'", ["z", "a", "m"][n as usize % 3])
            }),
            ("n", "INT", |n| (n / 3).to_string()),
        ],
        index: "PRIMARY KEY (e, n)",
    },
    KeyKind {
        columns: &[("b", "BIT(40)", |n| pseudo(n).wrapping_shr(24).to_string())],
        index: "PRIMARY KEY (b)",
    },
    KeyKind {
        columns: &[("f", "DOUBLE", |n| format!("{n}e-1"))],
        index: "PRIMARY KEY (f)",
    },
    KeyKind {
        columns: &[("ts", "TIMESTAMP(2) NOT NULL DEFAULT '2020-01-01'", |n| {
            format!("DATE_ADD('2020-01-01', INTERVAL {n}0 MINUTE)")
        })],
        index: "UNIQUE KEY (ts)",
    },
    KeyKind {
        columns: &[("u", "INT NULL", |n| {
            if n % 4 == 0 {
                "NULL".into()
            } else {
                (n % 9).to_string()
            }
        })],
        index: "KEY (u)",
    },
    KeyKind {
        columns: &[("u", "INT NULL", |n| {
            if n % 4 == 0 {
                "NULL".into()
            } else {
                n.to_string()
            }
        })],
        index: "UNIQUE KEY (u)",
    },
    KeyKind {
        columns: &[("u", "VARCHAR(20) NOT NULL", |n| format!("'{n:08}xx'"))],
        index: "UNIQUE KEY (u(8))",
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
