//! What rules may say, what they become, and that nothing else comes out.

use super::{Clock, parse};
use proptest::prelude::*;

const NOW: Clock<'_> = Clock::At("2026-11-24 06:15:00.123456");

#[track_caller]
fn sql(text: &str) -> String {
    parse(text, NOW)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .expr
        .sql()
}

#[track_caller]
fn error(text: &str) -> String {
    match parse(text, NOW) {
        Ok(rule) => panic!("{text} became {}", rule.expr.sql()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn rules_are_rendered_again() {
    insta::assert_snapshot!(sql("created_at >= '2025-01-01'"), @"(`created_at` >= '2025-01-01')");
    insta::assert_snapshot!(sql("a=1 or b = 2 and not c <> 3 xor d"), @"((`a` = 1) OR (((`b` = 2) AND (NOT (`c` <> 3))) XOR `d`))");
    insta::assert_snapshot!(sql("a not in (1,-2, 'x''y') && b between 1 and 2 + 3 and c not like '50\\%_'"), @"((NOT (`a` IN (1, -2, 'x''y'))) AND (`b` BETWEEN 1 AND (2 + 3)) AND (NOT (`c` LIKE _utf8mb4 X'35305c255f')))");
    insta::assert_snapshot!(sql("a is not null and b is true and `c d` is null"), @"((NOT (`a` IS NULL)) AND IFNULL((`b` <> 0), 0) AND (`c d` IS NULL))");
    insta::assert_snapshot!(sql("1 + 2 * 3 - -4 DIV x MOD 2 & 7 << 1"), @"(((1 + (2 * 3)) - ((-4 DIV `x`) % 2)) & (7 << 1))");
    insta::assert_snapshot!(sql("case when a then 'x' end <=> case b when 1 then null else 1.50 end"), @"((CASE WHEN `a` THEN 'x' END) <=> (CASE `b` WHEN 1 THEN NULL ELSE 1.50 END))");
    insta::assert_snapshot!(sql("date_sub(d, interval 3 month) < d + interval (n + 1) day"), @"(DATE_SUB(`d`, INTERVAL 3 MONTH) < DATE_ADD(`d`, INTERVAL (`n` + 1) DAY))");
    insta::assert_snapshot!(sql("timestampdiff(day, a, b) > 3 and date(a) = date '2024-02-29'"), @"((TIMESTAMPDIFF(DAY, `a`, `b`) > 3) AND (DATE(`a`) = DATE'2024-02-29'))");
    insta::assert_snapshot!(sql("concat('+000', right(phone, 4))"), @"CONCAT('+000', RIGHT(`phone`, 4))");
    insta::assert_snapshot!(sql("j->>'$.a' = 'x' and json_unquote(json_extract(j, '$.b')) = 1"), @"((JSON_UNQUOTE(JSON_EXTRACT(`j`, '$.a')) = 'x') AND (JSON_UNQUOTE(JSON_EXTRACT(`j`, '$.b')) = 1))");
    insta::assert_snapshot!(sql("cast(a as unsigned) + cast(b as decimal(10,2)) = 0x1F"), @"((CAST(`a` AS UNSIGNED) + CAST(`b` AS DECIMAL(10,2))) = X'1f')");
    insta::assert_snapshot!(sql("a like 'x|%' escape '|' or -a < - -.5e-3 or date > 1"), @"((`a` LIKE 'x|%' ESCAPE '|') OR ((- `a`) < (- -0.5e-3)) OR (`date` > 1))");
    insta::assert_snapshot!(sql("TRUE and (FALSE or substr(\"it's\", 2))"), @"(TRUE AND (FALSE OR SUBSTRING('it''s', 2)))");
}

#[test]
fn the_time_is_a_constant() {
    insta::assert_snapshot!(sql("created_at >= NOW() - INTERVAL 30 DAY"), @"(`created_at` >= DATE_SUB(TIMESTAMP'2026-11-24 06:15:00', INTERVAL 30 DAY))");
    insta::assert_snapshot!(sql("a > current_timestamp(3) and b = curdate() and c < utc_date"), @"((`a` > TIMESTAMP'2026-11-24 06:15:00.123') AND (`b` = DATE'2026-11-24') AND (`c` < DATE'2026-11-24'))");
    assert!(parse("a > now()", NOW).unwrap().moves);
    assert!(!parse("a > 1", NOW).unwrap().moves);
    // A column that is called so.
    assert_eq!(sql("now > 1"), "(`now` > 1)");
    let error = parse("now()", Clock::Stopped).unwrap_err();
    insta::assert_snapshot!(error, @"at character 1: found `NOW`: a mask must give the same value every time");
}

#[test]
fn mistakes_are_named_with_their_place() {
    insta::assert_snapshot!(error("a = SLEEP(5)"), @"at character 5: found `SLEEP`, which does more than compute a value");
    insta::assert_snapshot!(error("md5(a) = 'x'"), @"at character 1: found `md5`, which MySQL 9 no longer has; expected SHA2(x, 256)");
    insta::assert_snapshot!(error("concatt(a, 'x')"), @"at character 1: found the function `concatt`, which rules may not call; did you mean CONCAT?");
    insta::assert_snapshot!(error("a = 1; DROP TABLE t"), @"at character 6: found `;`: a rule is one expression, not several statements");
    insta::assert_snapshot!(error("a = 1 -- x"), @"at character 7: found `--`: a rule has no comments (for minus a negative number, put a space between)");
    insta::assert_snapshot!(error("a IN (SELECT 1)"), @"at character 7: found `SELECT`, expected values: a rule has no subqueries");
    insta::assert_snapshot!(error("exists(select 1)"), @"at character 1: found `exists`: a rule has no subqueries");
    insta::assert_snapshot!(error("a = 1 INTO OUTFILE 'x'"), @"at character 7: found `INTO`, expected an operator or the end");
    insta::assert_snapshot!(error("a = 1 FOR UPDATE"), @"at character 7: found `FOR`, expected an operator or the end");
    insta::assert_snapshot!(error("@@version = 1"), @"at character 1: found `@`: a rule reads no variables of the server or the session");
    insta::assert_snapshot!(error("t.a = 1"), @"at character 2: found `.`, expected nothing: a rule names the columns of its own table, without a table or database in front of them (`t`)");
    insta::assert_snapshot!(error("a || b"), @"at character 3: found `||`: it means OR or CONCAT by the server's settings; write one of these");
    insta::assert_snapshot!(error("a = 'x"), @"at character 5: found ' without its end");
    insta::assert_snapshot!(error("left(a)"), @"at character 1: found LEFT with 1 arguments, expected 2");
    insta::assert_snapshot!(error("d > date '2024-02-30'"), @"at character 10: found the text \"2024-02-30\", expected a date as '2025-01-31'");
    insta::assert_snapshot!(error("json_extract(j, '$.a') = 1"), @"at character 1: found `JSON_EXTRACT` by itself, whose values MySQL and MariaDB compare differently; expected JSON_UNQUOTE(JSON_EXTRACT(…)), or column->>'$.path'");
    insta::assert_snapshot!(error("(a, b) = (1, 2)"), @"at character 3: found `,`, expected `)`: rows of values are no part of a rule");
    insta::assert_snapshot!(error(""), @"at character 1: found the end, expected a column, a literal, a function or a parenthesis");
    insta::assert_snapshot!(error("a = b COLLATE utf8mb4_bin"), @"at character 7: found `COLLATE`, expected an operator or the end");
    insta::assert_snapshot!(error("count(a) > 1"), @"at character 1: found `count`: a rule looks at one row at a time");
    for hostile in [
        "/*!50000 a*/",
        "a # b",
        "a := 1",
        "`` = 1",
        "a REGEXP 'x'",
        "a = ?",
        "X'1'",
        "0x",
        "1a = 2",
        "interval 1 day",
        "a b",
        "`a",
        "a = ALL(1)",
        "user()",
        "1e999",
        "a is",
        "case end",
        "cast(a as json)",
        "'\0' ;",
    ] {
        assert!(parse(hostile, NOW).is_err(), "{hostile}");
    }
    assert!(parse(&"(".repeat(100_000), NOW).is_err());
    assert!(parse(&format!("{}1{}", "(".repeat(500), ")".repeat(500)), NOW).is_err());
    assert!(parse(&"not ".repeat(2_000), NOW).is_err());
    assert!(parse(&"- ".repeat(2_000), NOW).is_err());
}

/// Texts of the grammar, nested.
fn rules() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("`we``ird \\ 'x'`".to_owned()),
        Just("NULL".to_owned()),
        Just("true".to_owned()),
        "[0-9]{1,3}(\\.[0-9]{1,3})?(e-?[0-9]{1,2})?",
        "-[0-9]{1,25}",
        Just("'it''s \\\\ \\n \\%'".to_owned()),
        "'[a-z;#/*\u{e9}\u{1f600} -]{0,12}'",
        "X'([0-9a-f]{2}){0,4}'",
        Just("DATE '2024-01-31'".to_owned()),
        Just("NOW(2)".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 4, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (
                two.clone(),
                prop::sample::select(vec![
                    "+", "-", "*", "/", "%", "DIV", "MOD", "&", "|", "^", "<<", ">>", "=", "<=>",
                    "!=", "<", ">=", "LIKE", "not like", "AND", "&&", "OR", "XOR"
                ])
            )
                .prop_map(|((one, other), sign)| format!("({one}) {sign} ({other})")),
            two.clone()
                .prop_map(|(one, other)| format!("(({one}) in ({other}, 1)) is null")),
            two.clone()
                .prop_map(|(one, other)| format!("not ({one}) between ({other}) and 3")),
            two.clone()
                .prop_map(|(one, other)| format!("if(({one}), {other}, - ({one}))")),
            two.clone()
                .prop_map(|(one, other)| format!("case {one} when {other} then 1 else {one} end")),
            two.clone()
                .prop_map(|(one, other)| format!("(({one}) + interval ({other}) week)")),
            two.prop_map(|(one, other)| format!(
                "coalesce({one}, cast({other} as char(3)), convert({one} using utf8mb4))"
            )),
            inner.clone().prop_map(|one| format!("({one}) is not true")),
            inner.prop_map(|one| format!("concat_ws(',', {one}) like 'x!_' escape '!'")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_rendered_reads_the_same(text in rules()) {
        let rule = parse(&text, NOW);
        prop_assert!(rule.is_ok(), "{text}: {rule:?}");
        let rule = rule.unwrap().expr;
        let rendered = rule.sql();
        let again = parse(&rendered, Clock::Stopped);
        prop_assert!(again.is_ok(), "{rendered}: {again:?}");
        prop_assert_eq!(again.unwrap().expr.sql(), rendered);
    }

    /// Whatever is taken at all stays within the grammar when it is rendered.
    #[test]
    fn nothing_else_comes_out(words in prop::collection::vec(prop::sample::select(vec![
        "a", "`b`", "'", "\"", "`", "--", "/*", "*/", ";", "#", "(", ")", ",", "SELECT", "INTO", "SLEEP", "NOW", "LEFT",
        "1", "0x41", "X'41'", "'x'", "'\\'", "''", "@", "@@", ":=", "AND", "OR", "NOT", "IN", "=", "-", "\0", "\n",
        "CASE", "WHEN", "THEN", "END", "INTERVAL", "DAY", "+", "IS", "NULL", "LIKE", "\u{1f600}", "\\", "DATE", ".", "e9",
    ]), 0..14), spaced in any::<bool>()) {
        let text = words.join(if spaced { " " } else { "" });
        if let Ok(rule) = parse(&text, NOW) {
            let rendered = rule.expr.sql();
            let again = parse(&rendered, Clock::Stopped);
            prop_assert!(again.is_ok(), "{text} became {rendered}: {again:?}");
            prop_assert_eq!(again.unwrap().expr.sql(), rendered);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        if let Ok(rule) = parse(&text, NOW) {
            prop_assert!(parse(&rule.expr.sql(), NOW).is_ok());
        }
    }
}
