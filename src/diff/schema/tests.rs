use super::*;
use crate::schema::parse;
use crate::schema::print;
use std::fmt::Write as _;

fn parsed(body: &str) -> Table {
    let text = if body.contains("ENGINE=") {
        format!("CREATE TABLE `t` ({body}")
    } else {
        format!(
            "CREATE TABLE `t` ({body}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        )
    };
    parse::table(&text).unwrap()
}

fn shown(local: &str, remote: &str, surroundings: &Surroundings) -> String {
    let (local, remote) = (parsed(local), parsed(remote));
    let diff = table(&local, &remote, Vendor::MySql, surroundings);
    let mut text = String::new();
    for phase in &diff.phases {
        let _ = writeln!(text, "{:?}", phase.phase);
        for statement in phase.sql("d") {
            let _ = writeln!(text, "{statement};");
        }
        for reason in phase.reasons() {
            let _ = writeln!(text, "! {reason}");
        }
        let again = alter_statements(
            &parse::table(&print::create_table(&phase.before)).unwrap(),
            &parse::table(&print::create_table(&phase.after)).unwrap(),
            "d",
            Vendor::MySql,
        );
        assert_eq!(again, phase.sql("d"), "made again from the texts");
    }
    text
}

fn with_rows(local: &str, remote: &str) -> String {
    let surroundings = Surroundings {
        rows_change: true,
        ..Surroundings::default()
    };
    shown(local, remote, &surroundings)
}

fn without_rows(local: &str, remote: &str) -> String {
    shown(local, remote, &Surroundings::default())
}

#[test]
fn equal_tables_have_no_phase() {
    assert_eq!(with_rows("`a` int NOT NULL", "`a` int NOT NULL"), "");
}

#[test]
fn one_statement_where_one_does() {
    insta::assert_snapshot!(without_rows(
        "`id` int NOT NULL,\n`a` int DEFAULT NULL,\nPRIMARY KEY (`id`)",
        "`id` bigint NOT NULL,\n`n` varchar(9) NOT NULL,\n`a` int NOT NULL,\nPRIMARY KEY (`id`),\nUNIQUE KEY `n` (`n`)",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `id` bigint NOT NULL,
      ADD COLUMN `n` varchar(9) NOT NULL AFTER `id`,
      MODIFY COLUMN `a` int NOT NULL,
      ADD UNIQUE KEY `n` (`n`);
    ");
}

#[test]
fn rows_come_between_what_they_need_and_what_they_mend() {
    insta::assert_snapshot!(with_rows(
        "`id` int NOT NULL,\n`a` int DEFAULT NULL,\n`old` int NOT NULL,\nPRIMARY KEY (`id`)",
        "`id` int NOT NULL,\n`a` int NOT NULL,\n`n` varchar(9) NOT NULL,\nPRIMARY KEY (`id`),\nUNIQUE KEY `n` (`n`),\n\
         CONSTRAINT `c` CHECK ((`a` > 0))",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `a` int,
      MODIFY COLUMN `old` int,
      ADD COLUMN `n` varchar(9) NOT NULL;
    Constrain
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `a` int NOT NULL,
      ADD UNIQUE KEY `n` (`n`),
      ADD CONSTRAINT `c` CHECK ((`a` > 0));
    Contract
    ALTER TABLE `d`.`t`
      DROP COLUMN `old`;
    ! drops column `old`
    ");
}

#[test]
fn a_type_that_narrows_waits_until_the_rows_fit() {
    insta::assert_snapshot!(with_rows(
        "`a` varchar(100) DEFAULT NULL,\n`e` enum('x','y') DEFAULT NULL,\n`i` int DEFAULT NULL",
        "`a` varchar(10) DEFAULT NULL,\n`e` enum('x','z') DEFAULT NULL,\n`i` int unsigned DEFAULT NULL",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `e` enum('x','z','y') DEFAULT NULL,
      MODIFY COLUMN `i` bigint DEFAULT NULL;
    Contract
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `a` varchar(10) DEFAULT NULL,
      MODIFY COLUMN `e` enum('x','z') DEFAULT NULL,
      MODIFY COLUMN `i` int unsigned DEFAULT NULL;
    ! narrows column `a` from varchar(100) to varchar(10)
    ! narrows column `e` from enum('x','z','y') to enum('x','z')
    ! narrows column `i` from bigint to int unsigned
    ");
}

#[test]
fn uniqueness_that_goes_goes_before_the_rows() {
    insta::assert_snapshot!(with_rows(
        "`a` int NOT NULL,\n`b` int NOT NULL,\nPRIMARY KEY (`a`),\nUNIQUE KEY `b` (`b`)",
        "`a` int NOT NULL,\n`b` int NOT NULL,\nPRIMARY KEY (`a`,`b`)",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      DROP PRIMARY KEY,
      DROP INDEX `b`,
      ADD PRIMARY KEY (`a`,`b`);
    ! drops unique index `b`
    ");
}

#[test]
fn a_counter_keeps_its_index_through_a_new_primary_key() {
    insta::assert_snapshot!(with_rows(
        "`id` int NOT NULL AUTO_INCREMENT,\n`a` int NOT NULL,\nPRIMARY KEY (`id`)",
        "`id` int NOT NULL AUTO_INCREMENT,\n`a` int NOT NULL,\nPRIMARY KEY (`a`),\nUNIQUE KEY `id` (`id`)",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      ADD UNIQUE KEY `id` (`id`);
    Constrain
    ALTER TABLE `d`.`t`
      DROP PRIMARY KEY,
      ADD PRIMARY KEY (`a`);
    ");
}

#[test]
fn a_foreign_key_is_taken_down_for_what_changes_under_it() {
    let surroundings = Surroundings {
        rows_change: true,
        moved_keys: ["f".to_owned()].into(),
        ready: [("f".to_owned(), Phase::Expand)].into(),
        ..Surroundings::default()
    };
    insta::assert_snapshot!(shown(
        "`a` int DEFAULT NULL,\nKEY `a` (`a`),\nCONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)",
        "`a` bigint DEFAULT NULL,\nKEY `a` (`a`),\nCONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)",
        &surroundings,
    ), @"
    Detach
    ALTER TABLE `d`.`t`
      DROP FOREIGN KEY `f`;
    Expand
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `a` bigint DEFAULT NULL;
    Constrain
    ALTER TABLE `d`.`t`
      DROP INDEX `a`,
      ADD KEY `a` (`a`),
      ADD CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`);
    ");
}

#[test]
fn columns_move_as_little_as_possible() {
    insta::assert_snapshot!(without_rows(
        "`a` int DEFAULT NULL,\n`b` int DEFAULT NULL,\n`c` int DEFAULT NULL,\n`d` int DEFAULT NULL",
        "`d` int DEFAULT NULL,\n`a` int DEFAULT NULL,\n`n` int DEFAULT NULL,\n`b` int DEFAULT NULL,\n`c` int DEFAULT NULL",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      MODIFY COLUMN `d` int DEFAULT NULL FIRST,
      ADD COLUMN `n` int DEFAULT NULL AFTER `a`;
    ");
}

#[test]
fn the_order_of_indexes_alone_is_forced() {
    insta::assert_snapshot!(without_rows(
        "`a` int DEFAULT NULL,\n`b` int DEFAULT NULL,\nKEY `x` (`a`),\nKEY `y` (`b`)",
        "`a` int DEFAULT NULL,\n`b` int DEFAULT NULL,\nKEY `y` (`b`),\nKEY `x` (`a`)",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      DROP INDEX `x`,
      ADD KEY `x` (`a`),
      FORCE;
    ");
}

#[test]
fn partitions_are_added_by_name_and_otherwise_written_whole() {
    let body = |partitions: &str| {
        format!(
            "`a` int NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin\n{partitions}"
        )
    };
    let two = body(
        "PARTITION BY RANGE (`a`) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
    );
    let three = body(
        "PARTITION BY RANGE (`a`) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), \
         PARTITION p2 VALUES LESS THAN (30) COMMENT = 'a,(b')",
    );
    insta::assert_snapshot!(with_rows(&two, &three), @"
    Expand
    ALTER TABLE `d`.`t`
      ADD PARTITION (PARTITION p2 VALUES LESS THAN (30) COMMENT = 'a,(b');
    ");
    insta::assert_snapshot!(with_rows(&three, &two), @"
    Constrain
    ALTER TABLE `d`.`t`
      PARTITION BY RANGE (`a`) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
    ");
}

#[test]
fn options_are_taken_back() {
    insta::assert_snapshot!(without_rows(
        "`a` int DEFAULT NULL) ENGINE=InnoDB DEFAULT CHARSET=latin1 ROW_FORMAT=COMPACT COMMENT='x'",
        "`a` int DEFAULT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='it''s'",
    ), @"
    Expand
    ALTER TABLE `d`.`t`
      DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin,
      COMMENT='it''s',
      ROW_FORMAT=DEFAULT;
    ");
}

#[test]
fn a_hastier_change_drops_before_it_adds() {
    let (local, remote) = (
        parsed("`a` int DEFAULT NULL,\n`old` int DEFAULT NULL"),
        parsed("`a` int DEFAULT NULL,\n`new` int DEFAULT NULL"),
    );
    let surroundings = Surroundings {
        rows_change: true,
        ..Surroundings::default()
    };
    let diff = table(&local, &remote, Vendor::MySql, &surroundings);
    assert_eq!(diff.phases.len(), 2);
    let hastier = diff.hastier().unwrap();
    assert_eq!(hastier.phases.len(), 1);
    assert_eq!(hastier.phases[0].reasons(), ["drops column `old`"]);
    assert!(hastier.hastier().unwrap().hastier().is_none());
}

#[test]
fn what_fits_into_what() {
    let column = |definition: &str| parsed(&format!("`c` {definition}")).columns.remove(0);
    for (from, to, expected) in [
        ("int", "bigint", true),
        ("bigint", "int", false),
        ("int unsigned", "bigint", true),
        ("int", "int unsigned", false),
        ("int", "decimal(10,0)", true),
        ("int", "decimal(9,0)", false),
        ("int", "varchar(11)", true),
        ("int", "varchar(10)", false),
        ("bigint", "double", false),
        ("decimal(10,2)", "decimal(12,4)", true),
        ("decimal(10,2)", "decimal(11,4)", false),
        ("varchar(10)", "varchar(20)", true),
        ("varchar(20)", "text", true),
        ("text", "varchar(20000)", false),
        ("varchar(20)", "char(20)", false),
        ("char(20)", "varchar(20)", true),
        ("varchar(300)", "tinytext", false),
        ("varchar(5) CHARACTER SET latin1", "varchar(5)", true),
        ("varchar(5)", "varchar(5) CHARACTER SET latin1", false),
        ("varchar(5)", "varchar(5) CHARACTER SET utf8mb3", false),
        ("enum('a','b')", "enum('b','c','a')", true),
        ("enum('a','b')", "enum('a')", false),
        ("enum('a','bc')", "varchar(2)", true),
        ("datetime", "datetime(3)", true),
        ("datetime(3)", "datetime", false),
        ("timestamp", "datetime", true),
        ("datetime", "timestamp", false),
        ("date", "datetime", true),
        ("blob", "longblob", true),
        ("binary(3)", "varbinary(3)", true),
        ("varbinary(3)", "binary(3)", false),
        ("point", "geometry", true),
        ("geometry", "point", false),
        ("json", "longtext", true),
        ("longtext", "json", false),
        ("float", "double", true),
        ("double", "float", false),
    ] {
        assert_eq!(fits(&column(from), &column(to)), expected, "{from} in {to}");
    }
}
