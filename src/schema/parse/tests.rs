use super::*;
use crate::schema::print;
use crate::schema::table::{Column, DataType, Generated, Index, IndexKind, IndexPart};
use proptest::prelude::*;

const MYSQL: &str = r"CREATE TABLE `t` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `a` varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL DEFAULT 'o''x\\y\n',
  `b` varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'c\n''\\',
  `e` enum('a','b''c','d\\') DEFAULT 'a',
  `g` int GENERATED ALWAYS AS ((`inv` + 1)) STORED,
  `v` varchar(30) GENERATED ALWAYS AS (concat(`a`,_latin1'x')) VIRTUAL NOT NULL COMMENT 'gen',
  `inv` int DEFAULT '3' /*!80023 INVISIBLE */,
  `ex` char(36) DEFAULT (uuid()),
  `pt` point NOT NULL /*!80003 SRID 4326 */,
  `ts` timestamp(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  `bt` bit(3) DEFAULT b'101',
  `bi2` varbinary(3) DEFAULT 0xFF01,
  `de` decimal(10,2) unsigned zerofill DEFAULT '00000001.50',
  `cf` int /*!50606 STORAGE MEMORY */ /*!50606 COLUMN_FORMAT DYNAMIC */ DEFAULT NULL,
  `tx` text,
  `vv` vector(3) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `ua` (`a`(5),`e` DESC) COMMENT 'k',
  KEY `iv` (`inv`) /*!80000 INVISIBLE */,
  KEY `fx` ((lower(`a`)),((`inv` + 1)) DESC),
  FULLTEXT KEY `ft` (`tx`) /*!50100 WITH PARSER `ngram` */ ,
  CONSTRAINT `f1` FOREIGN KEY (`inv`) REFERENCES `p` (`id`) ON UPDATE RESTRICT,
  CONSTRAINT `f2` FOREIGN KEY (`inv`) REFERENCES `o`.`p` (`a`) ON DELETE SET NULL ON UPDATE SET NULL,
  CONSTRAINT `c1` CHECK ((`inv` > 0)),
  CONSTRAINT `t_chk_1` CHECK ((`ts` > _utf8mb4'2000-01-01')) /*!80016 NOT ENFORCED */
) ENGINE=InnoDB AUTO_INCREMENT=55 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci MAX_ROWS=10 ROW_FORMAT=COMPRESSED COMMENT='tab''x'
/*!50100 PARTITION BY RANGE (year(`ts`))
SUBPARTITION BY HASH (`id`)
(PARTITION p0 VALUES LESS THAN (2000) COMMENT = 'x  y' ENGINE = InnoDB,
 PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE = InnoDB) */";

const MARIADB: &str = r"CREATE TABLE `t` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `a` varchar(20) NOT NULL DEFAULT 'x',
  `g` int(11) GENERATED ALWAYS AS (`inv` + 1) STORED,
  `inv` int(11) INVISIBLE DEFAULT -3,
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT json_object() CHECK (json_valid(`j`)),
  `n` int(11) DEFAULT (1 + 2),
  `c` varchar(10) /*M!100301 COMPRESSED*/ DEFAULT NULL,
  `ts` timestamp(3) NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
  PRIMARY KEY (`id`),
  KEY `iv` (`inv`) IGNORED,
  KEY `kk` (`n`) USING HASH KEY_BLOCK_SIZE=4,
  CONSTRAINT `c1` CHECK (`inv` > 0)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci `page_compressed`='1'
 PARTITION BY LIST  COLUMNS(`d`)
(PARTITION `p0` VALUES IN (1,2) ENGINE = InnoDB)";

#[test]
fn mysql_text_comes_back_canonical() {
    let parsed = table(MYSQL).unwrap();
    insta::assert_snapshot!(print::create_table(&parsed), @r"
    CREATE TABLE `t` (
      `id` bigint unsigned NOT NULL AUTO_INCREMENT,
      `a` varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL DEFAULT 'o''x\\y\n',
      `b` varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'c\n''\\',
      `e` enum('a','b''c','d\\') DEFAULT 'a',
      `g` int GENERATED ALWAYS AS ((`inv` + 1)) STORED,
      `v` varchar(30) GENERATED ALWAYS AS (concat(`a`,_latin1'x')) VIRTUAL NOT NULL COMMENT 'gen',
      `inv` int INVISIBLE DEFAULT '3',
      `ex` char(36) DEFAULT (uuid()),
      `pt` point NOT NULL SRID 4326,
      `ts` timestamp(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
      `bt` bit(3) DEFAULT b'101',
      `bi2` varbinary(3) DEFAULT 0xFF01,
      `de` decimal(10,2) unsigned zerofill DEFAULT '00000001.50',
      `cf` int STORAGE MEMORY COLUMN_FORMAT DYNAMIC DEFAULT NULL,
      `tx` text,
      `vv` vector(3) DEFAULT NULL,
      PRIMARY KEY (`id`),
      UNIQUE KEY `ua` (`a`(5),`e` DESC) COMMENT 'k',
      KEY `iv` (`inv`) INVISIBLE,
      KEY `fx` ((lower(`a`)),((`inv` + 1)) DESC),
      FULLTEXT KEY `ft` (`tx`) WITH PARSER `ngram`,
      CONSTRAINT `f1` FOREIGN KEY (`inv`) REFERENCES `p` (`id`) ON UPDATE RESTRICT,
      CONSTRAINT `f2` FOREIGN KEY (`inv`) REFERENCES `o`.`p` (`a`) ON DELETE SET NULL ON UPDATE SET NULL,
      CONSTRAINT `c1` CHECK ((`inv` > 0)),
      CONSTRAINT `t_chk_1` CHECK ((`ts` > _utf8mb4'2000-01-01')) NOT ENFORCED
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci MAX_ROWS=10 ROW_FORMAT=COMPRESSED COMMENT='tab''x'
    PARTITION BY RANGE (year(`ts`)) SUBPARTITION BY HASH (`id`) (PARTITION p0 VALUES LESS THAN (2000) COMMENT = 'x  y' ENGINE = InnoDB, PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE = InnoDB)
    ");
    assert_eq!(table(&print::create_table(&parsed)).unwrap(), parsed);
}

#[test]
fn mariadb_text_comes_back_canonical() {
    let parsed = table(MARIADB).unwrap();
    insta::assert_snapshot!(print::create_table(&parsed), @"
    CREATE TABLE `t` (
      `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
      `a` varchar(20) NOT NULL DEFAULT 'x',
      `g` int(11) GENERATED ALWAYS AS (`inv` + 1) STORED,
      `inv` int(11) INVISIBLE DEFAULT -3,
      `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT json_object() CHECK (json_valid(`j`)),
      `n` int(11) DEFAULT (1 + 2),
      `c` varchar(10) COMPRESSED DEFAULT NULL,
      `ts` timestamp(3) NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
      PRIMARY KEY (`id`),
      KEY `iv` (`inv`) IGNORED,
      KEY `kk` (`n`) USING HASH KEY_BLOCK_SIZE=4,
      CONSTRAINT `c1` CHECK (`inv` > 0)
    ) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci `page_compressed`='1'
    PARTITION BY LIST COLUMNS(`d`) (PARTITION `p0` VALUES IN (1,2) ENGINE = InnoDB)
    ");
    assert_eq!(table(&print::create_table(&parsed)).unwrap(), parsed);
}

#[test]
fn effective_charsets_are_settled() {
    let parsed = table(
        "CREATE TABLE `t` (\n `a` char(1) DEFAULT NULL,\n `b` text CHARACTER SET utf8mb4,\n \
         `c` char(1) COLLATE latin1_bin,\n `d` int) ENGINE=InnoDB DEFAULT CHARSET=latin1",
    )
    .unwrap();
    let of = |name: &str| {
        let column = parsed.column(name).unwrap();
        (column.charset.as_deref(), column.collation.as_deref())
    };
    assert_eq!(of("a"), (Some("latin1"), Some("latin1_swedish_ci")));
    assert_eq!(of("b"), (Some("utf8mb4"), Some("utf8mb4_general_ci")));
    assert_eq!(of("c"), (Some("latin1"), Some("latin1_bin")));
    assert_eq!(of("d"), (None, None));
}

#[test]
fn what_is_unknown_names_its_place() {
    for (text, message) in [
        (
            "CREATE TABLE `t` (\n  `a` int FROBNICATE\n)",
            "driftwarden does not know `FROBNICATE` in ``a` int FROBNICATE`",
        ),
        (
            "CREATE TABLE `t` (\n  `a` blurb DEFAULT NULL\n)",
            "driftwarden does not know the type `blurb` in ``a` blurb DEFAULT NULL`",
        ),
        (
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=X WITH SYSTEM VERSIONING",
            "driftwarden does not know `WITH` in `) ENGINE=X WITH SYSTEM VERSIONING`",
        ),
        (
            "CREATE TABLE `t` (\n  `a` int /* note */\n)",
            "driftwarden does not know a comment that only people can read in ``a` int /* note */`",
        ),
        (
            "CREATE TABLE `t` (\n  `a` int",
            "driftwarden does not know the end of the text in ``a` int`",
        ),
    ] {
        assert_eq!(table(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn the_counter_is_not_schema() {
    let with = table("CREATE TABLE `t` (`a` int) ENGINE=InnoDB AUTO_INCREMENT=7").unwrap();
    let without = table("CREATE TABLE `t` (`a` int) ENGINE=InnoDB").unwrap();
    assert_eq!(print::fingerprint(&with), print::fingerprint(&without));
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z`'\\\\ \"é;.-]{1,12}"
}

fn any_column() -> impl Strategy<Value = Column> {
    (
        name(),
        prop_oneof![
            Just(("int", None)),
            Just(("decimal", Some("10,2"))),
            Just(("varchar", Some("20"))),
            Just(("enum", Some("'a','b''c'"))),
            Just(("timestamp", Some("6"))),
            Just(("text", None)),
        ],
        any::<[bool; 6]>(),
        proptest::option::of(prop_oneof![
            Just("NULL"),
            Just("'it''s'"),
            Just("-1"),
            Just("(uuid())"),
            Just("current_timestamp(6)"),
            Just("b'101'"),
        ]),
        "[a-z'\\\\\n\r\0\"/*`]{0,9}",
    )
        .prop_map(|(name, (base, arguments), flags, default, comment)| {
            let mut column = Column {
                name,
                data_type: DataType {
                    base: base.to_owned(),
                    arguments: arguments.map(str::to_owned),
                    unsigned: flags[0] && base == "int",
                    zerofill: flags[1] && base == "int",
                },
                nullable: flags[2],
                default: default.map(str::to_owned),
                invisible: flags[3],
                comment,
                generated: flags[4].then(|| Generated {
                    expression: "(concat(`a`,')'))".to_owned(),
                    stored: flags[5],
                }),
                ..Column::default()
            };
            if column.data_type.has_charset() {
                column.explicit_charset = flags[0];
                column.explicit_collation = flags[0];
                let charset = if flags[0] { "latin1" } else { "utf8mb4" };
                column.charset = Some(charset.to_owned());
                column.collation = Some(format!("{charset}_bin"));
            }
            column
        })
}

fn any_index() -> impl Strategy<Value = Index> {
    (name(), 0..4_usize, any::<[bool; 4]>()).prop_map(|(name, kind, flags)| Index {
        name,
        kind: [
            IndexKind::Unique,
            IndexKind::Plain,
            IndexKind::Fulltext,
            IndexKind::Spatial,
        ][kind],
        parts: vec![
            IndexPart {
                column: Some("a".to_owned()),
                expression: None,
                prefix: flags[0].then_some(7),
                descending: flags[1],
            },
            IndexPart {
                column: None,
                expression: Some("(lower(`a`))".to_owned()),
                prefix: None,
                descending: flags[2],
            },
        ],
        options: if flags[3] {
            vec!["COMMENT 'it''s'".to_owned(), "INVISIBLE".to_owned()]
        } else {
            Vec::new()
        },
    })
}

#[test]
fn a_table_that_keeps_its_rows_elsewhere_is_refused() {
    let with = |options: &str| table(&format!("CREATE TABLE `t` (\n  `id` int\n) {options}"));
    for options in [
        "ENGINE=FEDERATED CONNECTION='mysql://u:secret@prod/s/t'",
        "ENGINE=InnoDB CONNECTION='mysql://u:secret@prod/s/t'",
        "ENGINE=spider",
        "ENGINE=CONNECT `TABLE_TYPE`='CSV' `FILE_NAME`='/etc/passwd'",
        "ENGINE=MRG_MyISAM INSERT_METHOD=LAST UNION=(`a`,`b`)",
    ] {
        let error = with(options).unwrap_err().to_string();
        assert!(error.contains("keeps its rows elsewhere"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    // A folder of files is no part of a table's schema, but cannot be told apart in partitions.
    let moved = with("ENGINE=InnoDB DATA DIRECTORY='/data' INDEX DIRECTORY='/index'").unwrap();
    assert_eq!(moved, with("ENGINE=InnoDB").unwrap());
    let parts = "ENGINE=InnoDB\n/*!50100 PARTITION BY HASH (`id`)\n(PARTITION p0 DATA DIRECTORY = '/x' ENGINE = InnoDB) */";
    let error = with(parts).unwrap_err().to_string();
    assert!(error.contains("`DIRECTORY`"), "{error}");
}

proptest! {
    #[test]
    fn print_and_parse_are_inverse(
        table_name in name(),
        columns in proptest::collection::vec(any_column(), 1..6),
        indexes in proptest::collection::vec(any_index(), 0..4),
        comment in "[a-z'\\\\\n`]{0,9}",
    ) {
        let written = Table {
            name: table_name,
            columns,
            indexes,
            options: [
                ("CHARSET", "utf8mb4".to_owned()),
                ("COLLATE", "utf8mb4_bin".to_owned()),
                ("ENGINE", "InnoDB".to_owned()),
                ("COMMENT", comment),
                ("`page_compressed`", "'1'".to_owned()),
            ]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
            ..Table::default()
        };
        let text = print::create_table(&written);
        prop_assert_eq!(table(&text).unwrap(), written);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z`'\\\\(),./*! \n0-9é]{0,60}") {
        drop(table(&format!("CREATE TABLE `t` ({text}")));
    }
}
