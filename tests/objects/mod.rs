//! Views, triggers, routines and events on real servers: two databases become equal, whatever an account cannot see is
//! never taken for absent, and an object of the other vendor is created once.

use driftwarden::config;
use driftwarden::connect::{LocalSession, ObjectEnvironment, Reader as _};
use driftwarden::diff::object::Context;
use driftwarden::plan::object_entries::{ObjectPlan, Pair, Request, object_entries};
use driftwarden::plan::order;
use driftwarden::schema::{Database, ObjectKind, Vendor};
use driftwarden::{introspect, proof};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const VENDORS: [&str; 2] = ["mysql", "mariadb"];

pub(crate) fn open(vendor: &str, user: Option<&str>) -> LocalSession {
    let root = std::env::var("DRIFTWARDEN_SANDBOX")
        .expect("run by `make test`, or by tests/sandbox/run.sh");
    let text = std::fs::read_to_string(format!("{root}/{vendor}.env")).unwrap();
    let get = |key: &str| {
        let mut values = text
            .lines()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        values.next().unwrap_or_default().to_owned()
    };
    let settings = serde_json::json!({
        "socket": get("LOCAL_SOCKET"),
        "user": user.map_or_else(|| get("LOCAL_USER"), str::to_owned),
        "password": user.map_or_else(|| get("LOCAL_PASSWORD"), |_| String::new()),
    });
    let settings: config::Local = serde_json::from_value(settings).unwrap();
    LocalSession::open(&settings).unwrap()
}

fn fill(session: &mut LocalSession, database: &str, statements: &[&str]) {
    for sql in [
        format!("DROP DATABASE IF EXISTS {database}"),
        format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
        format!("USE {database}"),
        "SET SESSION sql_mode = 'STRICT_TRANS_TABLES'".to_owned(),
        "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20))".to_owned(),
    ] {
        session.execute(&sql).unwrap();
    }
    for sql in statements {
        if let Err(error) = session.execute(&sql.replace("{db}", database)) {
            panic!("{sql}: {error:#}");
        }
    }
    session.reset_environment().unwrap();
}

fn read(session: &mut LocalSession, name: &str) -> Database {
    introspect::databases(session, &[name.to_owned()])
        .unwrap()
        .remove(0)
}

/// Compares a database with one on the same server.
fn plan(session: &mut LocalSession, remote: &str, local: &str) -> ObjectPlan {
    let remote = read(session, remote);
    let vendor = session.server().vendor;
    plan_pair(&remote, vendor, session, local)
}

fn plan_pair(
    remote: &Database,
    vendor: Vendor,
    session: &mut LocalSession,
    local: &str,
) -> ObjectPlan {
    assert_eq!(
        (&remote.unknown, &remote.unsupported),
        (&BTreeMap::new(), &vec![])
    );
    let local = read(session, local);
    let accounts = introspect::local_accounts(session).unwrap();
    object_entries(&Request {
        context: Context {
            remote: vendor,
            local: session.server().vendor,
            accounts: &accounts,
            databases: &[(remote.name.clone(), local.name.clone())],
        },
        pairs: &[Pair {
            local: &local,
            remote,
        }],
        schema_entries: &[],
        selects: &|_, _| true,
        keeps_local: &|_, _| false,
    })
}

fn apply(session: &mut LocalSession, plan: ObjectPlan, database: &str) {
    let mut entries = plan.entries;
    order::order(&mut entries).unwrap();
    for entry in entries {
        let environment = entry.environment.unwrap();
        session
            .set_environment(&ObjectEnvironment {
                sql_mode: environment.sql_mode,
                charset_client: environment.character_set_client,
                collation_connection: environment.collation_connection,
                time_zone: environment.time_zone,
                database: database.to_owned(),
            })
            .unwrap();
        for sql in &entry.sql {
            if let Err(error) = session.execute(sql) {
                panic!("{sql}: {error:#}");
            }
        }
        session.reset_environment().unwrap();
    }
}

/// Nothing is planned any more; what is, is shown.
fn assert_equal(plan: &ObjectPlan) {
    let entries: Vec<String> = plan
        .entries
        .iter()
        .map(|entry| {
            format!(
                "{} {:?}\n  {:?}\n  {:?}",
                entry.id, entry.reasons, entry.before, entry.after
            )
        })
        .collect();
    assert!(entries.is_empty(), "{}", entries.join("\n"));
}

fn ids(plan: &ObjectPlan) -> Vec<&str> {
    plan.entries.iter().map(|entry| entry.id.as_str()).collect()
}

/// Tricky objects of every kind; `{db}` stands for the database's name.
const OBJECTS: &[&str] = &[
    "CREATE FUNCTION f1(x VARCHAR(10)) RETURNS VARCHAR(20) DETERMINISTIC RETURN CONCAT(x, 'é;')",
    "CREATE FUNCTION f2() RETURNS DECIMAL(10,2) UNSIGNED READS SQL DATA SQL SECURITY INVOKER COMMENT 'it''s' BEGIN DECLARE x INT DEFAULT 0; IF x THEN RETURN 1; END IF; RETURN (SELECT COUNT(*) FROM t); END",
    r#"CREATE VIEW z_first AS SELECT a, UPPER(b) AS b, 'x''y\\z "q" {db}.t' AS s FROM t WHERE a > 0 WITH CASCADED CHECK OPTION"#,
    "CREATE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW a_last AS SELECT z.a, f1(z.b) AS fb FROM {db}.z_first z",
    "CREATE PROCEDURE p1(IN a INT, OUT b INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < a DO SET i = i + 1; END WHILE; SET b = i; /* c; */ END",
    "CREATE PROCEDURE `p;x``y`() SELECT 1 -- nothing; more\n",
    "CREATE PROCEDURE p2() BEGIN DECLARE done INT; DECLARE EXIT HANDLER FOR NOT FOUND, SQLEXCEPTION BEGIN SET done = 1; END; l: LOOP CASE done WHEN 1 THEN LEAVE l; ELSE SET done = CASE WHEN done THEN IF(1,2,3) END; END CASE; END LOOP l; REPEAT SET done = 1; UNTIL done END REPEAT; END",
    "CREATE TRIGGER {db}.tr1 BEFORE INSERT ON {db}.t FOR EACH ROW BEGIN IF NEW.b IS NULL THEN SET NEW.b = 'x;'; END IF; END",
    "CREATE TRIGGER tr0 BEFORE INSERT ON t FOR EACH ROW PRECEDES tr1 SET NEW.b = CONCAT(NEW.b, '!')",
    "CREATE TRIGGER tr9 AFTER DELETE ON t FOR EACH ROW SET @gone = OLD.a",
    "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = 'SYSTEM'",
    r#"CREATE PROCEDURE "p3"() SELECT 'a\', "b" FROM t"#,
    "CREATE EVENT e1 ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'do' DO BEGIN DELETE FROM t WHERE a < 0; END",
    "SET SESSION time_zone = '+03:00', collation_connection = utf8mb4_unicode_ci",
    "CREATE EVENT e2 ON SCHEDULE EVERY 2 HOUR DO DELETE FROM {db}.t WHERE a < 0",
    "CREATE DEFINER = `nobody`@`nowhere` PROCEDURE p4() SELECT 1",
];

#[test]
fn two_databases_become_equal() {
    for vendor in VENDORS {
        let mut session = open(vendor, None);
        let (remote, local) = ("objects_equal_remote", "objects_equal_local");
        fill(&mut session, remote, OBJECTS);
        fill(&mut session, local, &[]);
        let first = plan(&mut session, remote, local);
        assert_eq!(first.unsupported, []);
        assert_eq!(first.entries.len(), OBJECTS.len() - 2);
        assert_eq!(first.warnings.len(), 1, "{:?}", first.warnings);
        apply(&mut session, first, local);
        assert_equal(&plan(&mut session, remote, local));

        // Drift: texts, settings, the order of triggers, objects that only local has.
        fill(
            &mut session,
            local,
            &[
                "CREATE VIEW z_first AS SELECT a FROM t",
                "CREATE VIEW only_local AS SELECT a FROM t",
                "CREATE PROCEDURE P1() SELECT 1",
                "CREATE FUNCTION gone() RETURNS INT DETERMINISTIC RETURN 1",
                "CREATE TRIGGER {db}.tr1 BEFORE INSERT ON {db}.t FOR EACH ROW BEGIN IF NEW.b IS NULL THEN SET NEW.b = 'x;'; END IF; END",
                "CREATE TRIGGER tr0 BEFORE INSERT ON t FOR EACH ROW SET NEW.b = CONCAT(NEW.b, '!')",
                "CREATE EVENT e2 ON SCHEDULE EVERY 3 HOUR DO DELETE FROM t",
            ],
        );
        let drift = plan(&mut session, remote, local);
        assert_eq!(drift.unsupported, []);
        for id in [
            "tr1.alter_trigger",
            "P1.create_procedure",
            "only_local.drop_view",
            "gone.drop_function",
        ] {
            let id = format!("{local}.{id}").to_lowercase();
            assert!(
                ids(&drift).iter().any(|it| it.to_lowercase() == id),
                "{id}: {:?}",
                ids(&drift)
            );
        }
        apply(&mut session, drift, local);
        assert_equal(&plan(&mut session, remote, local));
    }
}

const SEEN: &str = "objects_seen";

/// What an account with these grants (`{db}`: the database) sees.
fn seen_by(root: &mut LocalSession, vendor: &str, grants: &[&str]) -> Database {
    root.execute("DROP USER IF EXISTS objects_ro@localhost")
        .unwrap();
    root.execute("CREATE USER objects_ro@localhost IDENTIFIED BY ''")
        .unwrap();
    for grant in grants {
        let grant = grant.replace("{db}", "`objects\\_seen`");
        root.execute(&format!("GRANT {grant} TO objects_ro@localhost"))
            .unwrap();
    }
    let mut session = open(vendor, Some("objects_ro"));
    read(&mut session, SEEN)
}

fn kinds(database: &Database) -> BTreeSet<ObjectKind> {
    database.objects.keys().map(|(kind, _)| *kind).collect()
}

#[test]
fn what_an_account_cannot_see_is_never_absent() {
    for vendor in VENDORS {
        check_what_is_seen(vendor);
    }
}

fn check_what_is_seen(vendor: &str) {
    let mut root = open(vendor, None);
    fill(&mut root, SEEN, OBJECTS);
    root.execute("CREATE TABLE objects_seen.gone (a INT)")
        .unwrap();
    root.execute("CREATE VIEW objects_seen.broken AS SELECT a FROM objects_seen.gone")
        .unwrap();
    root.execute("DROP TABLE objects_seen.gone").unwrap();
    let whole = read(&mut root, SEEN);
    assert_eq!(
        whole.objects.len() + whole.unsupported.len(),
        OBJECTS.len() - 1,
        "{:?}",
        whole.unsupported
    );

    let routines = match root.server().vendor {
        Vendor::MySql => "SHOW_ROUTINE ON *.*",
        Vendor::MariaDb => "SELECT ON mysql.proc",
    };
    let reader = ["SELECT, SHOW VIEW, TRIGGER, EVENT ON {db}.*", routines];
    let seen = seen_by(&mut root, vendor, &reader);
    assert_eq!(
        (&seen.objects, &seen.unknown),
        (&whole.objects, &BTreeMap::new()),
        "{:?}",
        seen.unsupported
    );
    assert_eq!(seen.tables_unknown, None);

    let seen = seen_by(&mut root, vendor, &["SELECT, SHOW VIEW ON {db}.*"]);
    let unknown: BTreeSet<_> = seen.unknown.keys().copied().collect();
    assert_eq!(
        unknown,
        BTreeSet::from([
            ObjectKind::Procedure,
            ObjectKind::Function,
            ObjectKind::Trigger,
            ObjectKind::Event
        ])
    );
    assert_eq!(kinds(&seen), BTreeSet::from([ObjectKind::View]));

    // Names without bodies.
    let seen = seen_by(&mut root, vendor, &["SELECT, EXECUTE ON {db}.*"]);
    assert!(!seen.unknown.contains_key(&ObjectKind::Procedure));
    assert_eq!(kinds(&seen), BTreeSet::new());
    let named = |name: &str| {
        seen.unsupported
            .iter()
            .find(|it| it.object == format!("objects_seen.{name}"))
    };
    assert!(named("p1").unwrap().reason.contains("not its body"));
    assert!(
        named("z_first").unwrap().reason.contains("may not read"),
        "{:?}",
        named("z_first")
    );

    assert!(seen.unreadable_triggers.is_empty());

    // One table is not all of them.
    let seen = seen_by(&mut root, vendor, &["SELECT ON objects_seen.t"]);
    assert!(
        seen.exists
            && seen.tables_unknown.is_some()
            && seen.unknown.contains_key(&ObjectKind::View)
    );
    assert_eq!(seen.tables.len(), 1);

    // Everywhere is enough; MySQL shows the bodies of routines to whoever may read every table.
    let seen = seen_by(
        &mut root,
        vendor,
        &["SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*"],
    );
    assert_eq!(
        (&seen.objects, &seen.unknown),
        (&whole.objects, &BTreeMap::new()),
        "{:?}",
        seen.unsupported
    );
    root.execute("DROP USER objects_ro@localhost").unwrap();
    root.execute("DROP DATABASE objects_seen").unwrap();
}

/// The server's own `sys` schema: a hundred views, and routines of every shape.
#[test]
fn the_server_s_own_objects_are_copied() {
    for vendor in VENDORS {
        let mut session = open(vendor, None);
        let local = "objects_sys_local";
        let collation = read(&mut session, "sys").collation;
        fill(
            &mut session,
            local,
            &[
                &format!("ALTER DATABASE {{db}} COLLATE {collation}"),
                "DROP TABLE t",
                "CREATE TABLE sys_config LIKE sys.sys_config",
            ],
        );
        let first = plan(&mut session, "sys", local);
        assert!(first.entries.len() > 100);
        apply(&mut session, first.clone(), local);
        let second = plan(&mut session, "sys", local);
        assert_equal(&second);
        assert_eq!(second.unsupported, first.unsupported);
    }
}

/// Production on the other vendor's server.
#[test]
fn the_other_vendor_s_objects_are_created_once() {
    for (vendor, other) in [("mysql", "mariadb"), ("mariadb", "mysql")] {
        let (mut session, mut other) = (open(vendor, None), open(other, None));
        let (remote, local) = ("objects_other_remote", "objects_other_local");
        fill(&mut other, remote, OBJECTS);
        fill(&mut session, local, &[]);
        let remote = read(&mut other, remote);
        let first = plan_pair(&remote, other.server().vendor, &mut session, local);
        assert_eq!(first.unsupported, []);
        assert_eq!(first.entries.len(), OBJECTS.len() - 2);
        apply(&mut session, first, local);
        let second = plan_pair(&remote, other.server().vendor, &mut session, local);
        assert_equal(&second);
        assert_eq!(second.unsupported, []);
    }
}

/// Views that the vendors print in different words, one over another and over a function; local has older ones.
#[test]
fn the_other_vendor_s_views_are_compared_as_local_prints_them() {
    let views = [
        "CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
        "CREATE VIEW z_base AS SELECT a, CASE WHEN b LIKE 'it''s%' THEN -a ELSE IFNULL(b, 'none') END AS c, CAST(b AS CHAR(5)) AS d, a BETWEEN 1 AND 2 AS e, b REGEXP '^a' AS f FROM t WHERE b IS NOT NULL AND NOT a = 3",
        "CREATE VIEW a_over AS SELECT z.a, twice(z.a) AS g, (SELECT COUNT(*) FROM t x WHERE x.a = z.a) AS n FROM z_base z LEFT JOIN t ON t.a = z.a AND t.b <> 'x' GROUP BY z.a HAVING COUNT(*) > 0 ORDER BY 1 DESC LIMIT 10",
    ];
    for (vendor, other) in [("mysql", "mariadb"), ("mariadb", "mysql")] {
        let (mut session, mut other) = (open(vendor, None), open(other, None));
        let (remote, local) = ("objects_views_remote", "objects_views_local");
        fill(&mut other, remote, &views);
        fill(
            &mut session,
            local,
            &["CREATE VIEW z_base AS SELECT a, b AS c FROM t"],
        );
        let accounts = introspect::local_accounts(&mut session).unwrap();
        let mut remote = read(&mut other, remote);
        let vendor = other.server().vendor;
        let printed =
            proof::views_as_local_prints(&mut session, &remote, vendor, &accounts).unwrap();
        for (name, view) in printed {
            remote
                .objects
                .insert((ObjectKind::View, name), view.unwrap());
        }
        let first = plan_pair(&remote, vendor, &mut session, local);
        assert_eq!(first.unsupported, []);
        assert_eq!(
            BTreeSet::from_iter(ids(&first)),
            BTreeSet::from([
                "objects_views_local.a_over.create_view",
                "objects_views_local.twice.create_function",
                "objects_views_local.z_base.alter_view",
            ])
        );
        apply(&mut session, first, local);
        let second = plan_pair(&remote, vendor, &mut session, local);
        assert_equal(&second);
        assert_eq!(second.unsupported, []);
    }
}

/// A body that driftwarden cannot write as it stands: Latin-1 bytes, beyond ASCII.
#[test]
fn a_trigger_that_cannot_be_read_is_told_with_its_table() {
    for vendor in VENDORS {
        let mut session = open(vendor, None);
        let name = "objects_unreadable";
        fill(
            &mut session,
            name,
            &[
                // Sent in UTF-8, taken for Latin-1: the server keeps the bytes and the character set.
                "SET SESSION character_set_client = latin1",
                "CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW SET NEW.b = 'é'",
            ],
        );
        let found = read(&mut session, name);
        assert_eq!(
            found.unreadable_triggers,
            BTreeMap::from([("t".to_owned(), "odd".to_owned())])
        );
        assert!(
            found.unsupported[0].reason.contains("latin1"),
            "{:?}",
            found.unsupported
        );
    }
}
