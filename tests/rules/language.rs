//! The language of rules means the same on both vendors: every operator and function over a table of awkward values.

use super::rows;
use crate::sandbox::Vendor;
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use driftwarden::sql::rule::{self, Clock};

#[test]
fn both_vendors_answer_alike() {
    let [mysql, mariadb] = [Vendor::MySql, Vendor::MariaDb].map(|vendor| {
        let case = Case::new(vendor);
        case.create(Side::Remote, "db");
        case.remote_sql(&format!(
            "SET sql_mode = '', time_zone = '+00:00'; {}",
            include_str!("language.sql")
        ));
        case
    });
    let mut differing = Vec::new();
    for text in include_str!("language.txt").lines() {
        let rule = rule::parse(text, Clock::Stopped).unwrap_or_else(|why| panic!("{text}: {why}"));
        let query = format!("SELECT id, ({}) FROM t ORDER BY id", rule.expr.sql());
        let (one, other) = (
            rows(&mysql, Side::Remote, &query),
            rows(&mariadb, Side::Remote, &query),
        );
        assert_eq!(one.len(), 5, "{query}");
        if one != other {
            differing.push(format!("{text}\n  {one:?}\n  {other:?}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
