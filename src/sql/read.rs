//! The closed list of statements that only read.
//!
//! A remote session takes nothing but a [`Read`]; whatever it renders to starts no transaction, takes no lock, calls
//! no stored code and changes no setting. Must never gain a variant that carries a caller's text.

use super::{Expr, ident, qualified, string};
use crate::schema::{ObjectKind, ObjectName};
use std::fmt::Write as _;

/// A statement (or several in one send) that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a read is made once and handed on once; a box would only be in the way of building it"
)]
pub enum Read {
    /// A SELECT over one table.
    Select(Select),
    /// A SELECT over one table each, in one send; one result set each.
    Selects(Vec<Select>),
    /// `SHOW CREATE TABLE` of each table, in one send; one result set each.
    ShowCreateTables(Vec<ObjectName>),
    /// `SHOW CREATE VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT` of each object, in one send; one result set each.
    ShowCreateObjects(Vec<(ObjectKind, ObjectName)>),
    /// A query of the data dictionary with a fixed text, over the named databases.
    Metadata(Metadata, Vec<String>),
    /// Every list of [`SURVEY`] over the named databases, in one send; one result set each.
    Survey(Vec<String>),
    /// A question about the server with a fixed text.
    Server(ServerQuestion),
}

/// Fixed queries of `information_schema`. Each returns rows for all the databases named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// `schema_name, default_character_set_name, default_collation_name`
    Databases,
    /// `table_schema, table_name, table_type, engine, table_rows, data_length, table_comment`
    Tables,
    /// `trigger_schema, trigger_name, event_object_table, action_order`
    Triggers,
    /// `routine_schema, routine_name, routine_type`
    Routines,
    /// `event_schema, event_name`
    Events,
    /// `table_schema, table_name` of views
    Views,
    /// `table_schema, table_name, column_name, referenced_table_schema, referenced_table_name`: foreign keys *into*
    /// the databases, from whichever database
    ForeignKeysInto,
    /// `table_schema, table_name, create_time`: which table it is, rather than what it looks like (local only)
    Created,
    /// `name, table_id` of InnoDB's tables, on MySQL (local only)
    InnodbTables,
    /// `name, table_id` of InnoDB's tables, on MariaDB (local only)
    InnodbSysTables,
}

/// What [`Read::Survey`] lists, in the order of its result sets.
pub const SURVEY: [Metadata; 5] = [
    Metadata::Databases,
    Metadata::Tables,
    Metadata::Triggers,
    Metadata::Routines,
    Metadata::Events,
];

/// Fixed questions about the server or the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerQuestion {
    /// `@@version, @@version_comment, @@hostname, @@port, @@datadir, @@lower_case_table_names`
    Identity,
    /// `@@server_uuid` (MySQL only)
    Uuid,
    /// `CURRENT_USER()`
    CurrentUser,
    /// `SHOW GRANTS`
    Grants,
    /// `SHOW GLOBAL STATUS LIKE 'Threads_running'`
    ThreadsRunning,
    /// `@@session.max_allowed_packet`
    MaxPacket,
    /// `CONNECTION_ID()`
    ConnectionId,
    /// `UTC_TIMESTAMP(6)`
    Now,
    /// `user, host` of `mysql.user` (local only; a production account need not see it)
    Accounts,
    /// `@@log_bin, @@log_bin_trust_function_creators`
    FunctionTrust,
    /// `SHOW WARNINGS`
    Warnings,
    /// `@@global.local_infile, @@global.read_only`
    LocalInfile,
    /// Names of the schemas that proofs use (local only).
    ScratchSchemas,
    /// `UTC_TIMESTAMP(6)`, and the seconds that the server's own time zone is ahead of it
    Clock,
}

/// A SELECT over one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// What is selected.
    pub columns: Vec<Expr>,
    /// The table.
    pub from: ObjectName,
    /// An index the server must use, where the choice matters.
    pub force_index: Option<String>,
    /// The condition.
    pub filter: Expr,
    /// Grouping.
    pub group_by: Vec<Expr>,
    /// Order; `true` for descending.
    pub order_by: Vec<(Expr, bool)>,
    /// `LIMIT rows OFFSET offset`.
    pub limit: Option<(u64, u64)>,
    /// Which rows are looked for in the index first.
    pub keys_first: Option<KeysFirst>,
}

/// A condition on a unique key's columns, by which rows are found in their index before anything else of them is read: for
/// a server, a row that it tests costs as much as all the columns that the statement names, among them long ones that
/// are stored elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysFirst {
    /// The key's columns.
    pub columns: Vec<String>,
    /// The condition, on these alone.
    pub filter: Expr,
}

impl KeysFirst {
    const ALIAS: &'static str = "driftwarden key ";

    /// Returns the name that a key's column has in the list of keys.
    fn alias(position: usize) -> String {
        format!("{}{position}", Self::ALIAS)
    }

    /// Returns whether a column could be taken for one of the list of keys: its table cannot be read like that.
    pub fn is_like_alias(column: &str) -> bool {
        column.to_lowercase().starts_with(Self::ALIAS)
    }
}

impl Select {
    /// Selects from a table, without a condition.
    pub fn from(table: &ObjectName, columns: Vec<Expr>) -> Self {
        Self {
            columns,
            from: table.clone(),
            force_index: None,
            filter: Expr::all(Vec::new()),
            group_by: Vec::new(),
            order_by: Vec::new(),
            limit: None,
            keys_first: None,
        }
    }

    /// Adds a condition, which must hold beside those that are there.
    #[must_use]
    pub fn filter(mut self, filter: Expr) -> Self {
        let everything = Expr::all(Vec::new());
        self.filter = if self.filter == everything {
            filter
        } else if filter == everything {
            self.filter
        } else {
            Expr::all(vec![self.filter, filter])
        };
        self
    }

    /// Sets the grouping.
    #[must_use]
    pub fn group_by(mut self, group_by: Vec<Expr>) -> Self {
        self.group_by = group_by;
        self
    }

    /// Sets an ascending order.
    #[must_use]
    pub fn order_by(mut self, order_by: Vec<Expr>) -> Self {
        self.order_by = order_by.into_iter().map(|expr| (expr, false)).collect();
        self
    }

    /// Sets the limit and the offset.
    #[must_use]
    pub fn limit(mut self, rows: u64, offset: u64) -> Self {
        self.limit = Some((rows, offset));
        self
    }

    /// Forces an index.
    #[must_use]
    pub fn force_index(mut self, index: &str) -> Self {
        self.force_index = Some(index.to_owned());
        self
    }

    /// Takes only rows whose key meets a condition, which is tested on the index alone.
    #[must_use]
    pub fn keys_first(mut self, columns: Vec<String>, filter: Expr) -> Self {
        self.keys_first = Some(KeysFirst { columns, filter });
        self
    }

    /// Renders the statement.
    pub fn sql(&self) -> String {
        let mut out = String::from("SELECT ");
        let table = qualified(&self.from);
        let index = match &self.force_index {
            Some(index) => format!(" FORCE INDEX ({})", ident(index)),
            None => String::new(),
        };
        if self.keys_first.is_some() {
            out.push_str("STRAIGHT_JOIN ");
        }
        push_list(&mut out, self.columns.iter().map(Expr::sql));
        out.push_str(" FROM ");
        if let Some(KeysFirst { columns, filter }) = &self.keys_first {
            let keys = ident("driftwarden keys");
            let columns = || {
                let alias = |position| ident(&KeysFirst::alias(position));
                let names = columns.iter().enumerate();
                names.map(move |(position, name)| (ident(name), alias(position)))
            };
            out.push_str("(SELECT ");
            push_list(
                &mut out,
                columns().map(|(name, alias)| format!("{name} AS {alias}")),
            );
            let _ = write!(
                out,
                " FROM {table}{index} WHERE {}) AS {keys} JOIN {table}{index} ON ",
                filter.sql()
            );
            for (position, (name, alias)) in columns().enumerate() {
                let and = if position > 0 { " AND " } else { "" };
                let _ = write!(out, "{and}{table}.{name} = {keys}.{alias}");
            }
        } else {
            let _ = write!(out, "{table}{index}");
        }
        let _ = write!(out, " WHERE {}", self.filter.sql());
        if !self.group_by.is_empty() {
            out.push_str(" GROUP BY ");
            push_list(&mut out, self.group_by.iter().map(Expr::sql));
        }
        if !self.order_by.is_empty() {
            out.push_str(" ORDER BY ");
            push_list(
                &mut out,
                self.order_by.iter().map(|(expr, descending)| {
                    if *descending {
                        format!("{} DESC", expr.sql())
                    } else {
                        expr.sql()
                    }
                }),
            );
        }
        if let Some((rows, offset)) = self.limit {
            let _ = write!(out, " LIMIT {rows} OFFSET {offset}");
        }
        out
    }
}

impl From<Select> for Read {
    fn from(select: Select) -> Self {
        Self::Select(select)
    }
}

impl Read {
    /// Renders the statement, or the statements of one send joined by `;`.
    pub fn sql(&self) -> String {
        match self {
            Self::Select(select) => select.sql(),
            Self::Selects(selects) => join(selects.iter().map(Select::sql)),
            Self::ShowCreateTables(tables) => join(
                tables
                    .iter()
                    .map(|table| format!("SHOW CREATE TABLE {}", qualified(table))),
            ),
            Self::ShowCreateObjects(objects) => join(objects.iter().map(|(kind, name)| {
                format!(
                    "SHOW CREATE {} {}",
                    kind.to_string().to_uppercase(),
                    qualified(name)
                )
            })),
            Self::Metadata(query, databases) => metadata_sql(*query, databases),
            Self::Survey(databases) => {
                join(SURVEY.iter().map(|query| metadata_sql(*query, databases)))
            }
            Self::Server(question) => question.sql().to_owned(),
        }
    }

    /// Returns how many result sets the send answers with.
    pub fn result_sets(&self) -> usize {
        match self {
            Self::Selects(selects) => selects.len(),
            Self::ShowCreateTables(tables) => tables.len(),
            Self::ShowCreateObjects(objects) => objects.len(),
            Self::Survey(_) => SURVEY.len(),
            _ => 1,
        }
    }
}

impl ServerQuestion {
    fn sql(self) -> &'static str {
        match self {
            Self::Identity => {
                "SELECT @@version, @@version_comment, @@hostname, @@port, @@datadir, @@lower_case_table_names"
            }
            Self::Uuid => "SELECT @@server_uuid",
            Self::CurrentUser => "SELECT CURRENT_USER()",
            Self::Grants => "SHOW GRANTS",
            Self::ThreadsRunning => "SHOW GLOBAL STATUS LIKE 'Threads_running'",
            Self::MaxPacket => "SELECT @@session.max_allowed_packet",
            Self::ConnectionId => "SELECT CONNECTION_ID()",
            Self::Now => "SELECT UTC_TIMESTAMP(6)",
            Self::Accounts => "SELECT user, host FROM mysql.user",
            Self::FunctionTrust => "SELECT @@log_bin, @@log_bin_trust_function_creators",
            Self::Warnings => "SHOW WARNINGS",
            Self::LocalInfile => "SELECT @@global.local_infile, @@global.read_only",
            Self::ScratchSchemas => {
                "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA \
                 WHERE LEFT(SCHEMA_NAME, 20) = 'driftwarden_scratch_'"
            }
            Self::Clock => {
                "SELECT UTC_TIMESTAMP(6), \
                 TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone))"
            }
        }
    }
}

fn metadata_sql(query: Metadata, databases: &[String]) -> String {
    let names = if databases.is_empty() {
        "NULL".to_owned()
    } else {
        databases
            .iter()
            .map(|name| string(name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match query {
        Metadata::Databases => format!(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME \
             FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ({names})"
        ),
        Metadata::Tables => format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, TABLE_COMMENT \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({names}) ORDER BY TABLE_SCHEMA, TABLE_NAME"
        ),
        Metadata::Triggers => format!(
            "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER \
             FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ({names}) \
             ORDER BY TRIGGER_SCHEMA, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
        ),
        Metadata::Routines => format!(
            "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES \
             WHERE ROUTINE_SCHEMA IN ({names}) ORDER BY ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME"
        ),
        Metadata::Events => format!(
            "SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS \
             WHERE EVENT_SCHEMA IN ({names}) ORDER BY EVENT_SCHEMA, EVENT_NAME"
        ),
        Metadata::Views => format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS \
             WHERE TABLE_SCHEMA IN ({names}) ORDER BY TABLE_SCHEMA, TABLE_NAME"
        ),
        Metadata::ForeignKeysInto => format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME \
             FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA IN ({names})"
        ),
        Metadata::Created => format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, CREATE_TIME \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({names})"
        ),
        Metadata::InnodbTables => innodb_tables("INNODB_TABLES", &names),
        Metadata::InnodbSysTables => innodb_tables("INNODB_SYS_TABLES", &names),
    }
}

fn innodb_tables(list: &str, names: &str) -> String {
    format!(
        "SELECT NAME, TABLE_ID FROM information_schema.{list} WHERE SUBSTRING_INDEX(NAME, '/', 1) IN ({names})"
    )
}

fn join(statements: impl Iterator<Item = String>) -> String {
    statements.collect::<Vec<_>>().join(";\n")
}

fn push_list(out: &mut String, parts: impl Iterator<Item = String>) {
    for (position, part) in parts.enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        out.push_str(&part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::expr::Operator;

    #[test]
    fn rows_are_found_by_their_keys_first() {
        let select = Select::from(&ObjectName::new("d", "t"), vec![Expr::column("note")])
            .filter(Expr::column("shop").binary(Operator::Equal, Expr::integer(3)))
            .force_index("PRIMARY")
            .keys_first(
                vec!["a".into(), "b`".into()],
                Expr::column("a").binary(Operator::Less, Expr::integer(7)),
            );
        insta::assert_snapshot!(select.sql(), @"SELECT STRAIGHT_JOIN `note` FROM (SELECT `a` AS `driftwarden key 0`, `b``` AS `driftwarden key 1` FROM `d`.`t` FORCE INDEX (`PRIMARY`) WHERE (`a` < 7)) AS `driftwarden keys` JOIN `d`.`t` FORCE INDEX (`PRIMARY`) ON `d`.`t`.`a` = `driftwarden keys`.`driftwarden key 0` AND `d`.`t`.`b``` = `driftwarden keys`.`driftwarden key 1` WHERE (`shop` = 3)");
    }

    #[test]
    fn hostile_names_stay_names() {
        let table = ObjectName::new("a`b; -- ", "t`; DROP TABLE x; -- ");
        let select = Select::from(&table, vec![Expr::column("c`"), Expr::text("o'\\")])
            .filter(Expr::column("k").binary(Operator::Equal, Expr::text("'; DROP")));
        insta::assert_snapshot!(select.sql(), @r"SELECT `c```, _utf8mb4 X'6f275c' FROM `a``b; -- `.`t``; DROP TABLE x; -- ` WHERE (`k` = '''; DROP')");
    }
}
