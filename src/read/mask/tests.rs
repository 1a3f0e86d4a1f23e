//! What the masks of a table look like, and which columns a warning is about.

use super::*;
use crate::config::secret::Secret;
use crate::schema::parse;

fn masked(columns: &str, mask: &str) -> String {
    let table = parse::table(&format!(
        "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  {columns},\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    ))
    .unwrap();
    let mut rule = EffectiveRule::default();
    let mask: Mask = serde_json::from_str(mask).unwrap();
    rule.mask.insert("c".into(), mask);
    let name = ObjectName::new("shop", "t");
    let ruled = Ruled {
        name: &name,
        table: &table,
        rule: &rule,
    };
    let key = MaskKey::new(Secret::new("0123456789abcdef"));
    match TableMasks::make(ruled, key.as_ref()) {
        Ok(masks) => masks.exprs()["c"].sql(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_expression_is_of_the_column_s_own_type() {
    insta::assert_snapshot!(masked("`c` varchar(40) CHARACTER SET latin1", r#""email""#), @r#"CONVERT(IF((LENGTH(`c`) = 0), '', CONCAT('u', LEFT(SHA2(CONCAT('19da20031f2fe07b8c5b0e724f644b0a', SHA2(CONVERT(`c` USING utf8mb4), 256)), 256), 16), '@example.com')) USING latin1)"#);
    insta::assert_snapshot!(masked("`c` bigint unsigned", r#""hash""#), @r#"CAST(CONV(SUBSTRING(SHA2(CONCAT('19da20031f2fe07b8c5b0e724f644b0a', SHA2(`c`, 256)), 256), 1, 16), 16, 10) AS UNSIGNED)"#);
    insta::assert_snapshot!(masked("`c` char(4) NOT NULL", r#"{"sql":"LEFT(c, 1)"}"#), @r#"IFNULL(RTRIM(LEFT(CONVERT(LEFT(`c`, 1) USING utf8mb4), 4)), _utf8mb4 X'6d61736b')"#);
    insta::assert_snapshot!(masked("`c` datetime(3)", r#""date_shift""#), @r#"CAST((CASE WHEN (`c` IS NULL) THEN NULL WHEN ((`c` + 0) = 0) THEN '0000-00-00 00:00:00' ELSE IFNULL(DATE_SUB(`c`, INTERVAL ((CAST(CONV(SUBSTRING(SHA2(CONCAT('19da20031f2fe07b8c5b0e724f644b0a', SHA2(`c`, 256)), 256), 1, 8), 16, 10) AS UNSIGNED) % 30) + 1) DAY), '2000-01-01 00:00:00') END) AS DATETIME(3))"#);
    insta::assert_snapshot!(masked("`c` longtext CHECK (json_valid(`c`))", r#""redact""#), @r#"IF((`c` IS NULL), NULL, '"***"')"#);
    insta::assert_snapshot!(masked("`c` enum('a','it''s')", r#"{"kind":"fixed","value":"it's"}"#), @r#"IF((`c` IS NULL), NULL, _utf8mb4 X'69742773')"#);
}

#[test]
fn the_key_itself_is_in_no_expression() {
    for mask in [
        r#""email""#,
        r#""hash""#,
        r#""name""#,
        r#""phone""#,
        r#""digits""#,
    ] {
        let sql = masked("`c` varchar(40)", mask);
        assert!(!sql.contains("0123456789abcdef"), "{sql}");
    }
    let grouped = |group: &str| {
        masked(
            "`c` varchar(40)",
            &format!(r#"{{"kind":"hash","group":"{group}"}}"#),
        )
    };
    assert_eq!(grouped("a"), grouped("a"));
    assert_ne!(grouped("a"), grouped("b"));
}
