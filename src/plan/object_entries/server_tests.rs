//! Two databases on one real server, made equal: run with `DRIFTWARDEN_TEST_SOCKET=… cargo test --lib server_tests -- --ignored --test-threads=1`.

use super::*;
use crate::config;
use crate::connect::{LocalSession, ObjectEnvironment, Reader as _};
use crate::introspect;
use crate::plan::order;
use crate::schema::Vendor;

const REMOTE: &str = "objects_remote";
const LOCAL: &str = "objects_local";

fn session() -> LocalSession {
    session_of("root")
}

fn session_of(user: &str) -> LocalSession {
    open("DRIFTWARDEN_TEST_SOCKET", user)
}

fn open(variable: &str, user: &str) -> LocalSession {
    let socket = std::env::var(variable).expect(variable);
    LocalSession::open(&config::Local {
        socket: Some(socket.into()),
        host: None,
        port: None,
        user: user.to_owned(),
        password_env: None,
        password_command: None,
        defaults_file: None,
        password: Some(serde_json::from_str("\"\"").unwrap()),
        allow_non_loopback: false,
    })
    .unwrap()
}

fn fill(session: &mut LocalSession, database: &str, statements: &[&str]) {
    for sql in [
        format!("DROP DATABASE IF EXISTS {database}"),
        format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
        format!("USE {database}"),
        "SET SESSION sql_mode = 'STRICT_TRANS_TABLES', foreign_key_checks = 0".to_owned(),
        "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20))".to_owned(),
    ] {
        session.execute(&sql).unwrap();
    }
    for sql in statements {
        session
            .execute(&sql.replace("{db}", database))
            .unwrap_or_else(|error| panic!("{sql}: {error:#}"));
    }
    session.reset_environment().unwrap();
}

fn plan(session: &mut LocalSession) -> ObjectPlan {
    plan_from(REMOTE, session)
}

fn plan_from(remote: &str, session: &mut LocalSession) -> ObjectPlan {
    let found = introspect::databases(session, &[remote.to_owned(), LOCAL.to_owned()]).unwrap();
    let vendor = session.server().vendor;
    plan_pair(&found[0], vendor, &found[1], session)
}

fn plan_pair(
    remote: &Database,
    vendor: Vendor,
    here: &Database,
    local: &mut LocalSession,
) -> ObjectPlan {
    assert!(remote.unknown.is_empty(), "{:?}", remote.unknown);
    assert_eq!(remote.unsupported, []);
    let accounts = introspect::local_accounts(local).unwrap();
    object_entries(&Request {
        context: Context {
            remote: vendor,
            local: local.server().vendor,
            accounts: &accounts,
            databases: &[(remote.name.clone(), LOCAL.to_owned())],
        },
        pairs: &[Pair {
            local: here,
            remote,
        }],
        schema_entries: &[],
        selects: &|_, _| true,
        keeps_local: &|_, _| false,
    })
}

fn apply(session: &mut LocalSession, plan: ObjectPlan) {
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
                database: LOCAL.to_owned(),
            })
            .unwrap();
        for sql in &entry.sql {
            session
                .execute(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error:#}"));
        }
        session.reset_environment().unwrap();
    }
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

fn ids(plan: &ObjectPlan) -> Vec<&str> {
    plan.entries.iter().map(|entry| entry.id.as_str()).collect()
}

#[test]
#[ignore = "needs a server: DRIFTWARDEN_TEST_SOCKET"]
fn two_databases_become_equal() {
    let mut session = session();
    fill(&mut session, REMOTE, OBJECTS);
    fill(&mut session, LOCAL, &[]);

    let first = plan(&mut session);
    assert_eq!(first.unsupported, []);
    assert_eq!(first.entries.len(), OBJECTS.len() - 2);
    assert_eq!(first.warnings.len(), 1, "{:?}", first.warnings);
    apply(&mut session, first);
    let second = plan(&mut session);
    assert_eq!((ids(&second), &second.unsupported), (vec![], &vec![]));

    // Drift: texts, settings, order of triggers, objects that only local has.
    fill(
        &mut session,
        LOCAL,
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
    let drift = plan(&mut session);
    assert_eq!(drift.unsupported, []);
    assert!(
        ids(&drift).contains(&"objects_local.tr1.alter_trigger"),
        "{:?}",
        ids(&drift)
    );
    apply(&mut session, drift);
    let last = plan(&mut session);
    assert_eq!((ids(&last), &last.unsupported), (vec![], &vec![]));
    for database in [REMOTE, LOCAL] {
        session
            .execute(&format!("DROP DATABASE {database}"))
            .unwrap();
    }
}

const SEEN: &str = "objects_seen";

/// What an account with these grants (`{db}`: the database) sees.
fn seen_by(root: &mut LocalSession, grants: &[&str]) -> Database {
    root.execute("DROP USER IF EXISTS objects_ro@localhost")
        .unwrap();
    root.execute("CREATE USER objects_ro@localhost IDENTIFIED BY ''")
        .unwrap();
    for grant in grants {
        let grant = grant.replace("{db}", "`objects\\_seen`");
        root.execute(&format!("GRANT {grant} TO objects_ro@localhost"))
            .unwrap();
    }
    let mut session = session_of("objects_ro");
    introspect::databases(&mut session, &[SEEN.to_owned()])
        .unwrap()
        .remove(0)
}

fn kinds(database: &Database) -> BTreeSet<ObjectKind> {
    database.objects.keys().map(|(kind, _)| *kind).collect()
}

#[test]
#[ignore = "needs a server: DRIFTWARDEN_TEST_SOCKET"]
fn what_an_account_cannot_see_is_never_absent() {
    let mut root = session();
    fill(&mut root, SEEN, OBJECTS);
    root.execute("CREATE TABLE objects_seen.gone (a INT)")
        .unwrap();
    root.execute("CREATE VIEW objects_seen.broken AS SELECT a FROM objects_seen.gone")
        .unwrap();
    root.execute("DROP TABLE objects_seen.gone").unwrap();
    let whole = introspect::databases(&mut root, &[SEEN.to_owned()])
        .unwrap()
        .remove(0);
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
    let seen = seen_by(&mut root, &reader);
    assert_eq!(
        (&seen.objects, &seen.unknown),
        (&whole.objects, &BTreeMap::new()),
        "{:?}",
        seen.unsupported
    );
    assert_eq!(seen.tables_unknown, None);

    let seen = seen_by(&mut root, &["SELECT, SHOW VIEW ON {db}.*"]);
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
    let seen = seen_by(&mut root, &["SELECT, EXECUTE ON {db}.*"]);
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

    // One table is not all of them.
    let seen = seen_by(&mut root, &["SELECT ON objects_seen.t"]);
    assert!(
        seen.exists
            && seen.tables_unknown.is_some()
            && seen.unknown.contains_key(&ObjectKind::View)
    );
    assert_eq!(seen.tables.len(), 1);

    // Everywhere is enough; MySQL shows the bodies of routines to whoever may read every table.
    let seen = seen_by(&mut root, &["SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*"]);
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
#[ignore = "needs a server: DRIFTWARDEN_TEST_SOCKET"]
fn the_server_s_own_objects_are_copied() {
    let mut session = session();
    let collation = introspect::databases(&mut session, &["sys".to_owned()]).unwrap()[0]
        .collation
        .clone();
    fill(
        &mut session,
        LOCAL,
        &[
            &format!("ALTER DATABASE {{db}} COLLATE {collation}"),
            "DROP TABLE t",
            "CREATE TABLE sys_config LIKE sys.sys_config",
        ],
    );
    let first = plan_from("sys", &mut session);
    assert!(first.entries.len() > 100);
    apply(&mut session, first.clone());
    let second = plan_from("sys", &mut session);
    assert_eq!(
        (ids(&second), &second.unsupported),
        (vec![], &first.unsupported)
    );
    session.execute(&format!("DROP DATABASE {LOCAL}")).unwrap();
}

/// Production on the other vendor's server.
#[test]
#[ignore = "needs servers: DRIFTWARDEN_TEST_SOCKET, DRIFTWARDEN_TEST_SOCKET_OTHER"]
fn the_other_vendor_s_objects_are_created_once() {
    let mut local = session();
    let mut other = open("DRIFTWARDEN_TEST_SOCKET_OTHER", "root");
    fill(&mut other, REMOTE, OBJECTS);
    fill(&mut local, LOCAL, &[]);
    let plan = |local: &mut LocalSession, other: &mut LocalSession| {
        let remote = introspect::databases(other, &[REMOTE.to_owned()])
            .unwrap()
            .remove(0);
        let here = introspect::databases(local, &[LOCAL.to_owned()])
            .unwrap()
            .remove(0);
        plan_pair(&remote, other.server().vendor, &here, local)
    };
    let first = plan(&mut local, &mut other);
    assert_eq!(first.unsupported, []);
    assert_eq!(first.entries.len(), OBJECTS.len() - 2);
    apply(&mut local, first);
    let second = plan(&mut local, &mut other);
    for entry in &second.entries {
        println!(
            "{} {:?}\n  {:?}\n  {:?}",
            entry.id, entry.reasons, entry.before, entry.after
        );
    }
    assert_eq!((ids(&second), &second.unsupported), (vec![], &vec![]));
    local.execute(&format!("DROP DATABASE {LOCAL}")).unwrap();
    other.execute(&format!("DROP DATABASE {REMOTE}")).unwrap();
}
