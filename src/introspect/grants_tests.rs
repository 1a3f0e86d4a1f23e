use super::*;

fn grants(text: &str) -> Grants {
    Grants::parse(text.lines().map(str::trim).filter(|line| !line.is_empty()))
}

const READER: &str = r"
    GRANT USAGE ON *.* TO `ro`@`%` IDENTIFIED BY PASSWORD '*B69027D44F6E5EDC07F1AEAD1477967B16F28227'
    GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop\_%`.* TO `ro`@`%`
    GRANT SELECT ON `mysql`.`proc` TO `ro`@`%`
    GRANT SELECT (`a`, `b`) ON `crm`.`t` TO `ro`@`%`
    GRANT `r1` TO `ro`@`%`
    GRANT SELECT, INSERT ON `test`.* TO PUBLIC
    GRANT SELECT, INSERT ON `test\_%`.* TO PUBLIC";

#[test]
fn a_reading_account_is_told_from_a_writing_one() {
    let reader = grants(READER);
    assert_eq!(reader.beyond_reading(), Vec::<String>::new());
    assert_eq!(reader.revealing(), [r"EVENT, TRIGGER on shop\_%.*"]);
    let writer = grants(
        "GRANT SELECT, INSERT, SHOW_ROUTINE ON *.* TO `w`@`%` WITH GRANT OPTION
         GRANT UPDATE (`a`) ON `shop`.`t` TO `w`@`%`
         GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `w`@`%`
         GRANT PROXY ON ``@`` TO `w`@`%` WITH GRANT OPTION
         GRANT ALL PRIVILEGES ON `crm`.* TO `w`@`%`
         GRANT LOCK TABLES ON `shop`.* TO PUBLIC
         GRANT SOMETHING 'secret'",
    );
    insta::assert_snapshot!(writer.beyond_reading().join("\n"), @"
    GRANT OPTION, INSERT on *.*
    UPDATE (columns) on shop.t
    EXECUTE on shop.p
    PROXY on *.*
    ALL PRIVILEGES on crm.*
    LOCK TABLES on shop.*
    a grant that driftwarden cannot read: GRANT SOMETHING '…'
    ");
}

#[test]
fn what_an_account_cannot_see_is_unknown() {
    let reader = grants(READER);
    assert!(reader.unknown(Vendor::MariaDb, "shop_eu").is_empty());
    // `\_` is an underscore, nothing else.
    assert_eq!(reader.unknown(Vendor::MariaDb, "shopXeu").len(), 3);
    assert!(reader.tables_unknown("crm").is_some());
    // MySQL has no mysql.proc.
    let kinds: Vec<_> = reader
        .unknown(Vendor::MySql, "shop_eu")
        .into_keys()
        .collect();
    assert_eq!(kinds, [ObjectKind::Function, ObjectKind::Procedure]);

    let selects = grants("GRANT SELECT, SHOW VIEW ON *.* TO `ro`@`%`");
    let kinds: Vec<_> = selects.unknown(Vendor::MySql, "shop").into_keys().collect();
    assert_eq!(kinds, [ObjectKind::Trigger, ObjectKind::Event]);
    assert!(selects.tables_unknown("shop").is_none());
}

#[test]
fn a_partial_revoke_takes_away() {
    let partial = grants(
        "GRANT SELECT, TRIGGER, EVENT ON *.* TO `ro`@`%`
         REVOKE SELECT ON `secret`.* FROM `ro`@`%`",
    );
    assert!(partial.tables_unknown("secret").is_some());
    assert!(partial.tables_unknown("shop").is_none());
    assert!(partial.beyond_reading().is_empty());
}

#[test]
fn all_privileges_see_all() {
    let root = grants("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION");
    assert!(root.unknown(Vendor::MariaDb, "any").is_empty());
    assert!(root.unknown(Vendor::MySql, "any").is_empty());
}

#[test]
fn hashes_are_left_out() {
    assert_eq!(
        redacted("GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*AB'"),
        "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '…'"
    );
}
