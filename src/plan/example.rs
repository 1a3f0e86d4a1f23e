//! A small plan of every shape of entry, for tests of this crate.

use super::{
    DatabasePair, Entry, FORMAT_VERSION, Kind, LocalServer, Payload, Phase, Plan, PlanRow,
    PlannedWatermark, RemoteServer, Review, Risk, RowShape, Scope, ShapeColumn, Strategy, Summary,
    TablePlan, Watermark, digest, summary,
};
use crate::schema::Unsupported;
use crate::value::{Value, ValueKind};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Returns a sealed plan over `shop.users` and `shop.logs`.
pub(crate) fn plan() -> Plan {
    let mut plan = around(entries());
    plan.summary = summary(&plan.entries);
    digest::seal(&mut plan).unwrap();
    plan
}

fn entries() -> Vec<Entry> {
    vec![
        alter(
            "shop.users.expand",
            Phase::Expand,
            Risk::Safe,
            "ADD COLUMN `phone` varchar(32) DEFAULT NULL",
        ),
        Entry {
            count: Some(2),
            shape: Some(users()),
            rows: vec![
                row(1, 7, &[("email", text("old@x"), text("new@x"))]),
                row(2, 9, &[("email", Value::Null, text("Ann \u{1b}[31m"))]),
            ],
            depends_on: vec!["shop.users.expand".into()],
            ..entry("shop.users.update", Kind::UpdateRows, Risk::Safe)
        },
        Entry {
            count: Some(120_000),
            shape: Some(users()),
            payload: Some(Payload {
                file: "0003.tsv.zst".into(),
                sha256: "00".repeat(32),
                bytes: 8_123_456,
                raw_bytes: 30_411_000,
            }),
            preview: vec![PlanRow {
                key: [("id".to_owned(), Value::Integer(100))].into(),
                values: [
                    ("id".to_owned(), Value::Integer(100)),
                    ("email".to_owned(), text("bo@x")),
                    ("phone".to_owned(), Value::Null),
                ]
                .into(),
                after_hash: Some("c".repeat(32)),
                ..blank(1)
            }],
            depends_on: vec!["shop.users.update".into()],
            ..entry("shop.users.insert", Kind::InsertRows, Risk::Safe)
        },
        alter(
            "shop.users.contract",
            Phase::Contract,
            Risk::Destructive,
            "DROP COLUMN `legacy`",
        ),
    ]
}

fn around(entries: Vec<Entry>) -> Plan {
    Plan {
        format_version: FORMAT_VERSION,
        id: String::new(),
        digest: String::new(),
        created_at: "2026-11-24T06:15:00Z".into(),
        tool: "driftwarden 0.1.0".into(),
        reverts: None,
        remote: RemoteServer {
            ssh: "prod-bastion".into(),
            server: "MySQL 9.7.4".into(),
            identity: "6c1f".into(),
            snapshots: 1,
        },
        local: LocalServer {
            server: "MySQL 9.7.4".into(),
            identity: "9d02".into(),
        },
        scope: Scope {
            databases: vec![DatabasePair {
                remote: "shop".into(),
                local: "shop".into(),
            }],
            tables: vec!["*".into()],
            schema: true,
            data: true,
        },
        tables: vec![
            TablePlan {
                table: "shop.logs".into(),
                strategy: Strategy::Skipped,
                exactness:
                    "rows not compared: no usable updated_at; --full-diff shop.logs includes it"
                        .into(),
                remote_schema: Some(format!("sha256:{}", "1".repeat(64))),
                local_schema: Some(format!("sha256:{}", "1".repeat(64))),
                watermark: None,
                auto_increment: None,
            },
            TablePlan {
                table: "shop.users".into(),
                strategy: Strategy::Full,
                exactness: "exact".into(),
                remote_schema: Some(format!("sha256:{}", "2".repeat(64))),
                local_schema: Some(format!("sha256:{}", "3".repeat(64))),
                watermark: Some(PlannedWatermark {
                    mark: Watermark {
                        column: "updated_at".into(),
                        value: "2026-11-24 06:14:30".into(),
                        clock: "2026-11-24 06:15:00".into(),
                        ahead: 0,
                        basis: "4".repeat(64),
                    },
                    local_table: Some("2026-10-01 08:00:00 #1067".into()),
                    replaces: Some("5".repeat(64)),
                    keys_compared: true,
                }),
                auto_increment: None,
            },
        ],
        unsupported: vec![Unsupported {
            object: "shop.weird".into(),
            reason: "engine CSV".into(),
        }],
        warnings: Vec::new(),
        summary: Summary::default(),
        entries,
        parts: BTreeMap::new(),
        review: Review::default(),
    }
}

/// Returns an entry with nothing in it but its name and risk.
pub(crate) fn entry(id: &str, kind: Kind, risk: Risk) -> Entry {
    let object: Vec<&str> = id.split('.').take(2).collect();
    Entry {
        risk,
        ..Entry::new(id.into(), kind, object.join("."))
    }
}

fn alter(id: &str, phase: Phase, risk: Risk, clause: &str) -> Entry {
    let reasons = if risk == Risk::Destructive {
        vec!["drops column `legacy`".to_owned()]
    } else {
        Vec::new()
    };
    Entry {
        phase: Some(phase),
        reasons,
        sql: vec![format!("ALTER TABLE `shop`.`users` {clause}")],
        before: Some("CREATE TABLE `users` (\n  `id` int NOT NULL\n)".into()),
        after: Some(
            "CREATE TABLE `users` (\n  `id` int NOT NULL,\n  `phone` varchar(32)\n)".into(),
        ),
        ..entry(id, Kind::AlterTable, risk)
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn blank(row: u64) -> PlanRow {
    PlanRow {
        row,
        key: IndexMap::new(),
        change: IndexMap::new(),
        values: IndexMap::new(),
        copies: None,
        before_hash: None,
        after_hash: None,
        decision: None,
    }
}

fn row(number: u64, id: i64, change: &[(&str, Value, Value)]) -> PlanRow {
    PlanRow {
        key: [("id".to_owned(), Value::Integer(id))].into(),
        change: change
            .iter()
            .map(|(name, before, after)| ((*name).to_owned(), (before.clone(), after.clone())))
            .collect(),
        before_hash: Some("a".repeat(32)),
        after_hash: Some("b".repeat(32)),
        ..blank(number)
    }
}

/// Returns the shape of `shop.users`: `id`, `email`, and `phone`, which local has not yet.
pub(crate) fn users() -> RowShape {
    let column = |name: &str, encoding: &str, values, common| ShapeColumn {
        name: name.into(),
        encoding: encoding.into(),
        values,
        common,
    };
    RowShape {
        key: vec!["id".into()],
        columns: vec![
            column("id", "integer", ValueKind::Integer, true),
            column("email", "text", ValueKind::Text, true),
            column("phone", "text", ValueKind::Text, false),
        ],
    }
}
