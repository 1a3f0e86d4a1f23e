//! What changed since the plan was made is left alone and named.

use super::{approved, id, local};
use crate::sandbox::server::Side;
use serde_json::json;

#[test]
fn stale_rows_of_every_kind_are_named_and_left_alone() {
    for (change, kind, row) in [
        ("UPDATE t SET v = 'mine' WHERE id = 1", "update", "id = 1"),
        ("UPDATE t SET v = 'mine' WHERE id = 4", "delete", "id = 4"),
        ("INSERT INTO t VALUES (3, 'mine')", "insert", "id = 3"),
    ] {
        let case = approved();
        case.local_sql(change);
        case.driftwarden(&["apply", "plans/p.json"])
            .exits(4)
            .says(&id(&case, &format!("db.t.{kind}")))
            .says(row);
        let after = local(&case);
        assert!(after.contains("'mine'"), "{change}: {after}");
        assert!(after.contains("`added` int"), "{change}: {after}");
    }
}

#[test]
fn a_row_that_already_is_what_the_plan_wants_counts_as_done() {
    let case = approved();
    case.local_sql("UPDATE t SET v = 'new' WHERE id = 1; DELETE FROM t WHERE id = 4");
    case.driftwarden(&["apply", "plans/p.json"]).exits(0);
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn a_schema_that_changed_on_either_side_is_refused() {
    for side in [Side::Local, Side::Remote] {
        let case = approved();
        case.sql(side, "db", "ALTER TABLE u ADD COLUMN later INT");
        let before = local(&case);
        let output = case.driftwarden(&["apply", "plans/p.json"]).exits(4);
        assert!(output.stdout.contains(".u.expand"), "{output}");
        let after = local(&case);
        assert_eq!(
            before.contains("`added` int"),
            after.contains("`added` int"),
            "{side:?}: {after}"
        );
    }
}

#[test]
fn offline_leaves_out_the_remote_half() {
    let case = approved();
    case.write_config(
        &json!([case.name("db")]),
        &json!({"ssh": {"host": "prod-closed"}}),
    );
    case.driftwarden(&["apply", "plans/p.json"])
        .exits(1)
        .says("next: ");
    case.driftwarden(&["apply", "plans/p.json", "--offline"])
        .exits(0);
    case.assert_equal(&[("db", "db")]);
}

#[test]
fn a_plan_for_another_server_is_refused() {
    let case = approved();
    let other = crate::sandbox::Sandbox::shared(crate::sandbox::Vendor::MariaDb);
    case.write_config(
        &json!([case.name("db")]),
        &json!({"local": {"socket": other.setting("LOCAL_SOCKET")}}),
    );
    case.driftwarden(&["apply", "plans/p.json"])
        .exits(3)
        .says("another local server");
}

#[test]
fn an_expired_plan_is_refused() {
    let case = approved();
    let before = local(&case);
    case.write_config(
        &json!([case.name("db")]),
        &json!({"plan": {"max_age": "0s"}}),
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    case.driftwarden(&["apply", "plans/p.json"])
        .exits(3)
        .says("plan.max_age");
    assert_eq!(local(&case), before);
}
