use super::*;
use crate::plan::example::entry;
use crate::plan::{Kind, Risk};
use crate::schema::object::LocalAccounts;
use crate::schema::{TableInfo, Vendor, parse};

fn object(kind: ObjectKind, name: &str, create: &str) -> Object {
    Object {
        kind,
        name: name.to_owned(),
        create: create.to_owned(),
        definer: None,
        sql_mode: String::new(),
        charset_client: "utf8mb4".to_owned(),
        collation_connection: "utf8mb4_general_ci".to_owned(),
        database_collation: "utf8mb4_general_ci".to_owned(),
        time_zone: String::new(),
        table: (kind == ObjectKind::Trigger).then(|| "t".to_owned()),
        order: 0,
    }
}

fn database(tables: &[&str], objects: &[Object]) -> Database {
    let create = "CREATE TABLE `t` (\n  `a` int NOT NULL\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
    let table = parse::table(create).unwrap();
    let info = TableInfo {
        table,
        create: create.to_owned(),
        estimated_rows: 0,
        data_bytes: 0,
    };
    Database {
        name: "shop".to_owned(),
        exists: true,
        charset: "utf8mb4".to_owned(),
        collation: "utf8mb4_general_ci".to_owned(),
        tables: tables
            .iter()
            .map(|name| ((*name).to_owned(), info.clone()))
            .collect(),
        objects: objects
            .iter()
            .map(|object| ((object.kind, object.name.clone()), object.clone()))
            .collect(),
        ..Database::default()
    }
}

fn plan(local: &Database, remote: &Database, schema_entries: &[Entry]) -> ObjectPlan {
    let accounts = LocalAccounts {
        own: ("root".to_owned(), "localhost".to_owned()),
        takes_any_function: true,
        ..LocalAccounts::default()
    };
    object_entries(&Request {
        context: Context {
            remote: Vendor::MySql,
            local: Vendor::MySql,
            accounts: &accounts,
            databases: &[("shop".to_owned(), "shop".to_owned())],
        },
        pairs: &[Pair { local, remote }],
        schema_entries,
        selects: &|_, _| true,
        keeps_local: &|_, _| false,
    })
}

fn shown(plan: &ObjectPlan) -> String {
    let entries = plan.entries.iter().map(|entry| {
        let needs = entry.depends_on.join(" ");
        format!(
            "{} {:?} <- [{needs}]\n  {}",
            entry.id,
            entry.risk,
            entry.sql.join("\n  ")
        )
    });
    let unsupported = plan
        .unsupported
        .iter()
        .map(|it| format!("{}: {}", it.object, it.reason));
    entries
        .chain(unsupported)
        .chain(plan.warnings.iter().cloned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn procedure(text: &str) -> Object {
    object(
        ObjectKind::Procedure,
        "p",
        &format!("CREATE PROCEDURE `p`() {text}"),
    )
}

fn trigger(name: &str, order: u64) -> Object {
    let text = format!("CREATE TRIGGER `{name}` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1");
    Object {
        order,
        ..object(ObjectKind::Trigger, name, &text)
    }
}

#[test]
fn objects_are_created_replaced_and_dropped() {
    let remote = database(
        &[],
        &[
            procedure("select 2"),
            object(
                ObjectKind::View,
                "v",
                "CREATE VIEW `v` AS select `t`.`a` from `t`",
            ),
            object(
                ObjectKind::Event,
                "e",
                "CREATE DEFINER=`x`@`y` EVENT `e` ON SCHEDULE EVERY 1 DAY ENABLE DO select 1",
            ),
        ],
    );
    let local = database(
        &["t"],
        &[
            procedure("select 1"),
            object(ObjectKind::View, "v", "CREATE VIEW `v` AS select 1 AS `a`"),
            object(
                ObjectKind::Function,
                "f",
                "CREATE FUNCTION `f`() RETURNS int RETURN 1",
            ),
        ],
    );
    insta::assert_snapshot!(shown(&plan(&local, &remote, &[])), @"
    shop.f.drop_function Destructive <- []
      DROP FUNCTION `shop`.`f`
    shop.p.alter_procedure Safe <- []
      DROP PROCEDURE `shop`.`p`
      CREATE PROCEDURE `shop`.`p`() select 2
    shop.v.alter_view Safe <- []
      CREATE OR REPLACE VIEW `shop`.`v` AS select `t`.`a` from `t`
    shop.e.create_event Destructive <- []
      CREATE DEFINER=`root`@`localhost` EVENT `shop`.`e` ON SCHEDULE EVERY 1 DAY ENABLE DO select 1
    definer x@y does not exist on local: 1 object gets root@localhost in its place
    ");
}

#[test]
fn what_a_view_needs_comes_first() {
    let view = |name: &str, query: &str| {
        object(
            ObjectKind::View,
            name,
            &format!("CREATE VIEW `{name}` AS {query}"),
        )
    };
    let remote = database(
        &["t"],
        &[
            view("a", "select `f`(1) from `z`"),
            view("z", "select `t`.`a` from `t`"),
            view("broken", "select 1 from `nowhere`"),
            view("over_broken", "select 1 from `broken`"),
            view("elsewhere", "select 1 from `other`.`x`"),
            object(
                ObjectKind::Function,
                "f",
                "CREATE FUNCTION `f`(x int) RETURNS int RETURN 1",
            ),
        ],
    );
    let local = database(&[], &[]);
    let create = entry("shop.t.create", Kind::CreateTable, Risk::Safe);
    insta::assert_snapshot!(shown(&plan(&local, &remote, &[create])), @"
    shop.f.create_function Safe <- []
      CREATE FUNCTION `shop`.`f`(x int) RETURNS int RETURN 1
    shop.a.create_view Safe <- [shop.f.create_function shop.z.create_view]
      CREATE VIEW `shop`.`a` AS select `f`(1) from `z`
    shop.elsewhere.create_view Safe <- []
      CREATE VIEW `shop`.`elsewhere` AS select 1 from `other`.`x`
    shop.z.create_view Safe <- [shop.t.create]
      CREATE VIEW `shop`.`z` AS select `t`.`a` from `t`
    shop.broken: view: it refers to shop.nowhere, which local does not have and this plan does not create
    shop.over_broken: view: it refers to shop.broken, which local does not have and this plan does not create
    ");
}

#[test]
fn triggers_keep_remote_s_order() {
    let local = database(
        &["t"],
        &[trigger("one", 1), trigger("three", 2), trigger("four", 3)],
    );
    let remote = database(
        &["t"],
        &[
            trigger("one", 1),
            trigger("two", 2),
            trigger("three", 3),
            trigger("four", 4),
        ],
    );
    let found = plan(&local, &remote, &[]);
    insta::assert_snapshot!(shown(&found), @"
    shop.two.create_trigger Safe <- []
      CREATE TRIGGER `two` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1
    shop.three.alter_trigger Safe <- [shop.two.create_trigger]
      DROP TRIGGER `shop`.`three`
      CREATE TRIGGER `three` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1
    shop.four.alter_trigger Safe <- [shop.three.alter_trigger]
      DROP TRIGGER `shop`.`four`
      CREATE TRIGGER `four` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1
    ");
    assert_eq!(plan(&remote, &remote, &[]), ObjectPlan::default());
}

#[test]
fn a_trigger_goes_with_its_table() {
    let local = database(&["t"], &[trigger("one", 1)]);
    let remote = database(&[], &[]);
    let drop = entry("shop.t.drop", Kind::DropTable, Risk::Destructive);
    assert_eq!(plan(&local, &remote, &[drop]).entries, []);
    assert_eq!(plan(&local, &remote, &[]).entries.len(), 1);
}

#[test]
fn what_cannot_be_seen_is_not_dropped() {
    let local = database(&["t"], &[trigger("one", 1), procedure("select 1")]);
    let mut remote = database(&["t"], &[]);
    remote
        .unknown
        .insert(ObjectKind::Trigger, "no TRIGGER".to_owned());
    remote.unsupported.push(Unsupported {
        object: "shop.p".to_owned(),
        reason: "no body".to_owned(),
    });
    let found = plan(&local, &remote, &[]);
    assert_eq!(found.entries, []);
    assert_eq!(
        found.warnings,
        ["remote shop: triggers are unknown, and none of local's (1) is dropped: no TRIGGER"]
    );
}

#[test]
fn an_entry_from_elsewhere_is_not_believed() {
    let remote = database(&["t"], &[procedure("select 2"), trigger("one", 1)]);
    let found = plan(&database(&["t"], &[]), &remote, &[]);
    for good in &found.entries {
        assert_eq!(object_statements(good).as_ref(), Ok(&good.sql));
        let with = |change: &dyn Fn(&mut Entry)| {
            let mut entry = good.clone();
            change(&mut entry);
            object_statements(&entry)
        };
        assert!(
            with(
                &|it| it.after = Some(format!("{}; DROP DATABASE shop", it.after.clone().unwrap()))
            )
            .is_err()
        );
        assert!(with(&|it| it.after = None).is_err());
        assert!(with(&|it| it.kind = Kind::CreateView).is_err());
        assert!(with(&|it| it.object = "shop.other".to_owned()).is_err());
        assert!(with(&|it| it.id = it.id.replace("shop", "other")).is_err());
        assert!(with(&|it| it.environment = None).is_err());
        let odd = with(&|it| {
            it.after = Some(
                it.after
                    .clone()
                    .unwrap()
                    .replace("select 2", "select 'é'")
                    .replace("@a", "@é"),
            );
            it.environment.as_mut().unwrap().character_set_client = "gbk".to_owned();
        });
        assert!(odd.is_err());
    }
    assert!(object_statements(&entry("shop.t.create", Kind::CreateTable, Risk::Safe)).is_err());
}
