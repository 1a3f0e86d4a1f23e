//! Keys of every kind that a comparison treats in its own way.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::type_complexity,
    reason = "small numbers, made up here"
)]

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
