//! Masks, a `where` and the incremental strategy on one table: what each round reads, brings and leaves.

use super::leaks::{Eye, SENTINELS, assert_clean, assert_folder_clean};
use super::{VENDORS, entries, rows};
use crate::sandbox::case::Case;
use crate::sandbox::server::Side;
use serde_json::{Value, json};

const TABLE: &str = "CREATE TABLE people (id INT PRIMARY KEY, email VARCHAR(80) NOT NULL, name VARCHAR(60), phone VARCHAR(40), region CHAR(2) NOT NULL,
     updated_at DATETIME NOT NULL, UNIQUE (email), KEY (updated_at));";

const PEOPLE: &str = "SELECT id, email REGEXP '^u[0-9a-f]{16}@example.com$', name IS NULL, LEFT(phone, 4), region FROM people ORDER BY id";

fn by_rules(case: &Case, filter: &str) -> Eye {
    case.write_config(
        &json!([case.name("db")]),
        &json!({ "tables": { "rules": [
            { "match": "people", "where": filter, "mask": { "email": "email", "name": "null", "phone": "phone" } },
        ] } }),
    );
    Eye::before(case)
}

fn strategy(plan: &Value) -> &str {
    plan["tables"][0]["strategy"].as_str().unwrap()
}

#[test]
fn a_masked_part_of_a_table_is_kept_up_incrementally() {
    let [email, name, phone, ..] = SENTINELS;
    for vendor in VENDORS {
        let case = Case::with_database(vendor, TABLE, TABLE);
        let put = |id: u32, region: &str, day: &str| {
            case.remote_sql(&format!(
                "INSERT INTO people VALUES ({id}, '{id}{email}', '{name}', '{phone}', '{region}', '2026-01-{day}')"
            ));
        };
        for (id, region) in [(1, "AT"), (2, "AT"), (3, "AT"), (4, "DE"), (5, "AT")] {
            put(id, region, "01");
        }
        // One that is out of date, and one of a developer's own, beyond the condition.
        case.local_sql("INSERT INTO people VALUES (1, 'old', 'Old', '1', 'AT', '2025-01-01'), (90, 'mine', 'Me', '2', 'XX', '2025-01-01')");
        let eye = by_rules(&case, "region = 'AT'");
        let round = |name: &str, arguments: &[&str]| {
            let plan = case.plan(name, arguments);
            if plan["entries"] == json!([]) {
                case.driftwarden(&["apply", &format!("plans/{name}.json")])
                    .exits(0);
            } else {
                super::applied(&case, name, &plan);
            }
            plan
        };

        let plan = round("first", &[]);
        assert_eq!(strategy(&plan), "full");
        assert_eq!(
            entries(&case, &plan),
            ["db.people.insert 3", "db.people.update 1"]
        );
        let masked = [
            "1|1|1|+000|AT",
            "2|1|1|+000|AT",
            "3|1|1|+000|AT",
            "5|1|1|+000|AT",
            "90|0|0|2|XX",
        ];
        assert_eq!(rows(&case, Side::Local, PEOPLE), masked);

        let plan = round("idle", &[]);
        assert_eq!(
            (strategy(&plan), &plan["entries"]),
            ("incremental", &json!([]))
        );

        // Changed, new inside and outside; 2 leaves the condition, 3 goes, and 4 comes in.
        case.remote_sql(&format!(
            "UPDATE people SET phone = REVERSE('{phone}'), updated_at = '2026-02-01' WHERE id = 1;
             UPDATE people SET region = 'DE', updated_at = '2026-02-01' WHERE id = 2;
             DELETE FROM people WHERE id = 3;
             UPDATE people SET region = 'AT', updated_at = '2026-02-01' WHERE id = 4"
        ));
        put(6, "AT", "02");
        put(7, "DE", "02");
        let plan = round("changed", &[]);
        assert_eq!(strategy(&plan), "incremental");
        assert_eq!(
            entries(&case, &plan),
            ["db.people.insert 2", "db.people.update 1"]
        );
        let plan = round("deletes", &["--check-deletes"]);
        assert_eq!(strategy(&plan), "incremental");
        assert_eq!(entries(&case, &plan), ["db.people.delete 2"]);
        assert_eq!(
            rows(&case, Side::Local, PEOPLE),
            [
                "1|1|1|+000|AT",
                "4|1|1|+000|AT",
                "5|1|1|+000|AT",
                "6|1|1|+000|AT",
                "90|0|0|2|XX"
            ]
        );
        let plan = round("settled", &["--check-deletes"]);
        assert_eq!(
            (strategy(&plan), &plan["entries"]),
            ("incremental", &json!([]))
        );
        let plan = case.plan("in-full", &["--full-diff-all"]);
        assert_eq!((strategy(&plan), &plan["entries"]), ("full", &json!([])));

        assert_clean("the tunnel", &eye.seen());
        assert!(eye.seen().len() > 10_000, "the eye is blind");
        assert_folder_clean(case.folder(), &mut 0);
        assert_clean("local", case.dump(Side::Local, "db").as_bytes());

        // Another condition: what the note says of the rows beyond the old one is nothing.
        let eye = by_rules(&case, "region IN ('AT', 'DE')");
        let plan = round("wider", &[]);
        assert_eq!(strategy(&plan), "full");
        assert_eq!(entries(&case, &plan), ["db.people.insert 2"]);
        assert_eq!(strategy(&round("again", &[])), "incremental");
        assert_clean("the tunnel", &eye.seen());
    }
}
