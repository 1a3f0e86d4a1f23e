use super::*;
use proptest::prelude::*;

fn check(kind: ObjectKind, name: &str, text: &str) -> Result<(), String> {
    single_statement(
        kind,
        &ObjectName::new("shop", name),
        text,
        "STRICT_TRANS_TABLES",
    )
}

const REAL: &[(ObjectKind, &str, &str)] = &[
    (
        ObjectKind::View,
        "v1",
        r#"CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `shop`.`v1` AS select `t`.`a` AS `a`,'x\'y;"' AS `s` from `shop`.`t` where case when `a` then 1 else 2 end"#,
    ),
    (
        ObjectKind::View,
        "v2",
        "CREATE VIEW v2 (`a`,`b`) AS with x as (select 1) select * from x WITH CASCADED CHECK OPTION",
    ),
    (
        ObjectKind::Trigger,
        "tr1",
        "CREATE DEFINER=`root`@`localhost` trigger shop.tr1 before insert on shop.t for each row begin if new.b is null then set new.b='x;'; end if; end",
    ),
    (
        ObjectKind::Trigger,
        "tr2",
        "CREATE DEFINER=`r1` TRIGGER tr2 AFTER UPDATE ON `t` FOR EACH ROW IF new.a THEN SET @x = 1; ELSEIF 0 THEN SET @end = 2; ELSE SET @y = IF(1, 2, 3); END IF",
    ),
    (
        ObjectKind::Procedure,
        "p1",
        "CREATE DEFINER=`root`@`localhost` PROCEDURE `p1`(in a int, out b decimal(10,2))\n    READS SQL DATA\n    SQL SECURITY INVOKER\n    COMMENT 'it''s; begin'\nmain: begin
           declare i int default case when a then 0 else 1 end;
           declare c cursor for select t.end from t;
           declare continue handler for not found, sqlstate value '02000', 1062 begin set i = 1; end;
           declare exit handler for sqlexception set i = 2;
           case i when 1 then begin end; when 2 then set b = (select case 1 when 1 then if(1,2,3) end); else set b = 2; end case;
           l1: loop if i > 3 then leave l1; end if; set i = i + 1; end loop l1;
           repeat set i = i - 1; until i < 0 end repeat;
           while i < 10 do set i = i + 1; end while;
           set b = repeat('x', 3);
           if exists (select 1) then select 1; end if;
           drop table if exists x;
         end main",
    ),
    (
        ObjectKind::Procedure,
        "p2",
        "CREATE PROCEDURE `p2`() for i in 1..10 do select i; end for",
    ),
    (
        ObjectKind::Function,
        "f1",
        "CREATE DEFINER=`a``b`@`%` FUNCTION `f1`(x varchar(10)) RETURNS varchar(20) CHARSET latin1 COLLATE latin1_swedish_ci\n    DETERMINISTIC\nreturn concat(x, ';', case when 1 then 2 end)",
    ),
    (
        ObjectKind::Function,
        "f2",
        "CREATE FUNCTION f2() RETURNS int(11) UNSIGNED NO SQL BEGIN RETURN 1; END",
    ),
    (
        ObjectKind::Event,
        "e1",
        "CREATE DEFINER=`root`@`localhost` EVENT `e1` ON SCHEDULE EVERY 1 DAY STARTS '2026-11-24 08:28:42' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'do begin' DO begin delete from t where a<0; end",
    ),
];

#[test]
fn real_statements_are_single() {
    for (kind, name, text) in REAL {
        assert_eq!(check(*kind, name, text), Ok(()), "{text}");
    }
}

#[test]
fn anything_behind_a_statement_is_found() {
    for (kind, name, text) in REAL {
        for tail in [
            "; DROP DATABASE shop",
            ";;",
            " ; begin end",
            "; end",
            "; select 1 as end",
            ";; end if",
        ] {
            assert!(
                check(*kind, name, &format!("{text}{tail}")).is_err(),
                "{text}{tail}"
            );
        }
    }
}

#[test]
fn tricks_are_refused() {
    for body in [
        "select 1 as begin; drop database shop; select 1 as end",
        "begin set @x = case when 1 then if(1,2,3) end; end; drop database shop; end if; end",
        "select 1 /*! ; drop database shop */",
        "select 1 /*M! ; drop database shop */",
        "begin end; drop database shop; begin end",
        "select do from t; drop database shop",
        "begin select 1.end; drop database shop; end; end",
        "if 1 then select 1; end if; drop database shop",
        "begin select case 1; end; drop database shop; end",
        "select (select 1; drop database shop)",
        "begin select (select 1; drop database shop); end",
        "begin select 1; end end; drop database shop",
        "begin",
        "$$begin$$",
    ] {
        let text = format!("CREATE PROCEDURE p() {body}");
        assert!(check(ObjectKind::Procedure, "p", &text).is_err(), "{text}");
    }
    for text in [
        "CREATE PROCEDURE q() select 1",
        "CREATE PROCEDURE other.p() select 1",
        "CREATE TABLE p(a int)",
        "DROP PROCEDURE p",
        "CREATE FUNCTION p() RETURNS INT RETURN 1",
        "CREATE PROCEDURE p() LANGUAGE begin select 1; end",
        "CREATE PROCEDURE p(a int; drop database shop) select 1",
        "CREATE PROCEDURE p()",
        "",
    ] {
        assert!(check(ObjectKind::Procedure, "p", text).is_err(), "{text}");
    }
    assert!(
        check(
            ObjectKind::Trigger,
            "tr",
            "CREATE TRIGGER tr BEFORE INSERT ON other.t FOR EACH ROW SET @a = 1"
        )
        .is_err()
    );
    assert!(check(ObjectKind::View, "v", "CREATE VIEW v AS DELETE FROM t").is_err());
}

#[test]
fn the_mode_decides_where_strings_end() {
    let text = r"CREATE PROCEDURE p() select 'a\'; drop database shop; -- '";
    let name = ObjectName::new("shop", "p");
    assert!(single_statement(ObjectKind::Procedure, &name, text, "").is_ok());
    assert!(
        single_statement(
            ObjectKind::Procedure,
            &name,
            text,
            "ANSI,NO_BACKSLASH_ESCAPES"
        )
        .is_err()
    );
    assert!(single_statement(ObjectKind::Procedure, &name, text, "ORACLE").is_err());
    let text = "CREATE PROCEDURE p() select 1 as \"\\\"; drop database shop; -- \"";
    for mode in ["ANSI", "POSTGRESQL", "DB2", "MSSQL", "MAXDB"] {
        assert!(single_statement(ObjectKind::Procedure, &name, text, mode).is_err());
    }
    assert!(single_statement(ObjectKind::Procedure, &name, text, "").is_ok());
}

#[test]
fn a_head_is_read() {
    let text = "CREATE DEFINER=`a@b`@`%` trigger `shop` . tr1 before insert on t for each row set new.a = 1";
    let head = head(text, "").unwrap();
    assert_eq!(head.definer.as_ref().unwrap().to_string(), "a@b@%");
    assert_eq!(&text[head.definer_at], "`a@b`@`%`");
    assert_eq!(&text[head.database_at], "`shop` . ");
    assert_eq!(head.table.as_deref(), Some("t"));
}

/// Well-formed statements of stored programs, nested.
fn statement() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("set @a = case when @b then if(1,2,3) else 4 end".to_owned()),
        Just("select ';' as `begin` -- end;\n from t".to_owned()),
        Just("insert into t values (repeat('a', 2), \"end;\")".to_owned()),
        Just("delete from t where t.end = @end /* ; */".to_owned()),
        Just("drop table if exists x".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|parts| {
                let body = parts.join("; ");
                let body = if body.is_empty() {
                    body
                } else {
                    format!("{body}; ")
                };
                format!("begin {body}end")
            }),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| format!("if (@a > 1) then {one}; else {two}; end if")),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| format!("case @a when 1 then {one}; else {two}; end case")),
            inner
                .clone()
                .prop_map(|one| format!("x: loop {one}; leave x; end loop x")),
            inner
                .clone()
                .prop_map(|one| format!("while @a < 3 do {one}; end while")),
            inner.prop_map(|one| format!("repeat {one}; until @a end repeat")),
        ]
    })
}

proptest! {
    #[test]
    fn generated_bodies_are_single_until_something_follows(body in statement()) {
        let text = format!("CREATE PROCEDURE `p`() {body}");
        prop_assert_eq!(check(ObjectKind::Procedure, "p", &text), Ok(()));
        for tail in ["; drop database shop", "; drop database shop; end", ";;"] {
            let longer = format!("{text}{tail}");
            prop_assert!(check(ObjectKind::Procedure, "p", &longer).is_err());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~é]{0,80}") {
        drop(check(ObjectKind::Procedure, "p", &format!("CREATE PROCEDURE p() {text}")));
    }
}
