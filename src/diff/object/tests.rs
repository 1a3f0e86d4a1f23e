use super::*;
use std::collections::BTreeSet;

fn accounts() -> LocalAccounts {
    LocalAccounts {
        own: ("dev".to_owned(), "localhost".to_owned()),
        known: BTreeSet::from([
            ("dev".to_owned(), "localhost".to_owned()),
            ("app".to_owned(), "%".to_owned()),
        ]),
        takes_any_function: true,
    }
}

fn object(kind: ObjectKind, create: &str) -> Object {
    Object {
        kind,
        name: "x".to_owned(),
        create: create.to_owned(),
        definer: None,
        sql_mode: "STRICT_TRANS_TABLES".to_owned(),
        charset_client: "utf8mb4".to_owned(),
        collation_connection: "utf8mb4_general_ci".to_owned(),
        database_collation: "utf8mb4_general_ci".to_owned(),
        time_zone: String::new(),
        table: None,
        order: 0,
    }
}

fn wanted_from(kind: ObjectKind, create: &str, pairs: &[(&str, &str)]) -> Result<Wanted, String> {
    let databases: Vec<(String, String)> = pairs
        .iter()
        .map(|(remote, local)| ((*remote).to_owned(), (*local).to_owned()))
        .collect();
    let accounts = accounts();
    let context = Context {
        remote: Vendor::MySql,
        local: Vendor::MySql,
        accounts: &accounts,
        databases: &databases,
    };
    wanted(&object(kind, create), &context)
}

#[test]
fn unknown_definers_become_the_local_account() {
    let text = "CREATE DEFINER=`gone`@`%` PROCEDURE `x`() select '`gone`@`%`'";
    let found = wanted_from(ObjectKind::Procedure, text, &[]).unwrap();
    assert_eq!(found.replaced_definer.as_deref(), Some("gone@%"));
    assert_eq!(
        found.object.create,
        "CREATE DEFINER=`dev`@`localhost` PROCEDURE `x`() select '`gone`@`%`'"
    );
    let text = "CREATE DEFINER=`app`@`%` PROCEDURE `x`() select 1";
    let found = wanted_from(ObjectKind::Procedure, text, &[]).unwrap();
    assert_eq!(
        (found.replaced_definer, found.object.create),
        (None, text.to_owned())
    );
}

#[test]
fn databases_are_renamed_where_that_is_certain() {
    let pairs = [("shop", "shop_dev"), ("crm", "crm")];
    let view = "CREATE VIEW `x` AS select `shop`.`t`.`a` AS `shop`,`t2`.`shop` AS `b`,'shop.t' AS `c` from `shop`.`t` join `crm`.`t2`";
    assert_eq!(
        wanted_from(ObjectKind::View, view, &pairs)
            .unwrap()
            .object
            .create,
        "CREATE VIEW `x` AS select `shop_dev`.`t`.`a` AS `shop`,`t2`.`shop` AS `b`,'shop.t' AS `c` from `shop_dev`.`t` join `crm`.`t2`"
    );
    let trigger = "CREATE TRIGGER shop.x BEFORE INSERT ON shop.t FOR EACH ROW SET @shop = (select 1 from `shop`.t)";
    assert_eq!(
        wanted_from(ObjectKind::Trigger, trigger, &pairs)
            .unwrap()
            .object
            .create,
        "CREATE TRIGGER `shop_dev`.x BEFORE INSERT ON `shop_dev`.t FOR EACH ROW SET @shop = (select 1 from `shop_dev`.t)"
    );
    for unclear in [
        "CREATE PROCEDURE `x`() select shop.a from t shop",
        "CREATE PROCEDURE `x`() select shop.a from crm.shop",
        "CREATE PROCEDURE `x`(shop int) select 1",
        "CREATE PROCEDURE `x`() begin set @s = 'select * from shop.t'; prepare s from @s; end",
    ] {
        assert!(
            wanted_from(ObjectKind::Procedure, unclear, &pairs).is_err(),
            "{unclear}"
        );
    }
    // Nothing is renamed, so nothing is unclear.
    assert!(
        wanted_from(
            ObjectKind::Procedure,
            "CREATE PROCEDURE `x`(shop int) select 1",
            &[("shop", "shop")]
        )
        .is_ok()
    );
}

fn compare(
    remote: Vendor,
    local: Vendor,
    change: impl Fn(&mut Object),
) -> Result<Vec<String>, String> {
    let accounts = accounts();
    let context = Context {
        remote,
        local,
        accounts: &accounts,
        databases: &[],
    };
    let here = object(ObjectKind::Procedure, "CREATE PROCEDURE `x`() select 1");
    let mut there = here.clone();
    change(&mut there);
    let wanted = wanted(&there, &context)?;
    differences(&here, &wanted.object, "utf8mb4_general_ci", &context)
}

#[test]
fn what_differs_is_named() {
    let same = Vendor::MySql;
    let equal = compare(same, same, |_| {});
    assert_eq!(equal, Ok(Vec::new()));
    let found = compare(same, same, |there| {
        there.create.push(' ');
        there.sql_mode = "ANSI_QUOTES".to_owned();
        there.collation_connection = "utf8mb4_bin".to_owned();
    });
    insta::assert_snapshot!(found.unwrap().join("\n"), @"
    its text
    sql_mode (STRICT_TRANS_TABLES on local, ANSI_QUOTES on remote)
    collation_connection (utf8mb4_general_ci on local, utf8mb4_bin on remote)
    ");
    // Under a database collation that remote's database no longer has, nothing can be mended.
    let old = compare(same, same, |there| {
        there.database_collation = "latin1_swedish_ci".to_owned();
    });
    assert_eq!(old, Ok(Vec::new()));
}

#[test]
fn vendors_differ_without_a_difference() {
    let found = compare(Vendor::MariaDb, Vendor::MySql, |there| {
        there.create = "CREATE PROCEDURE `x`()\nSELECT 1".to_owned();
        there.sql_mode = "NO_AUTO_CREATE_USER,STRICT_TRANS_TABLES".to_owned();
        there.charset_client = "utf8mb4".to_owned();
    });
    assert_eq!(found, Ok(Vec::new()));
    let collation = compare(Vendor::MySql, Vendor::MariaDb, |there| {
        there.create = "CREATE PROCEDURE `x`() select 1 collate utf8mb4_0900_ai_ci".to_owned();
    });
    assert!(collation.unwrap_err().contains("utf8mb4_0900_ai_ci"));
}

#[test]
fn functions_that_local_refuses_are_told() {
    let accounts = LocalAccounts {
        takes_any_function: false,
        ..accounts()
    };
    let context = Context {
        remote: Vendor::MySql,
        local: Vendor::MySql,
        accounts: &accounts,
        databases: &[],
    };
    let function = |declared: &str| {
        let text = format!("CREATE FUNCTION `x`() RETURNS int {declared} RETURN 1");
        wanted(&object(ObjectKind::Function, &text), &context).is_ok()
    };
    assert!(function("DETERMINISTIC") && function("READS SQL DATA") && function("NO SQL"));
    assert!(!function("") && !function("NOT DETERMINISTIC") && !function("MODIFIES SQL DATA"));
}
