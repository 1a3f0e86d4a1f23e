//! Fixed statements that set up a session, open and close a snapshot, lock and unlock.
//!
//! Every text here is a constant of the program but for numbers and quoted names. Must never carry a caller's text.

use super::{ident, string};
use crate::schema::Vendor;
use std::time::Duration;

/// What a server says of itself: version, version comment, host name, port, data folder, `lower_case_table_names`,
/// `max_allowed_packet`, connection id.
pub const HELLO: &str = "SELECT @@version, @@version_comment, @@hostname, @@port, @@datadir, \
                         @@lower_case_table_names, @@session.max_allowed_packet, CONNECTION_ID()";

/// Opens the snapshot of a remote session; its isolation level and access mode are set at login.
pub const START_SNAPSHOT: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// Ends a snapshot, or commits.
pub const COMMIT: &str = "COMMIT";

/// Rolls back.
pub const ROLLBACK: &str = "ROLLBACK";

/// Marks a place in an open transaction to go back to.
pub const SAVEPOINT: &str = "SAVEPOINT driftwarden_part";

/// Takes back what was done since [`SAVEPOINT`]; the transaction stays open.
pub const ROLLBACK_TO_SAVEPOINT: &str = "ROLLBACK TO SAVEPOINT driftwarden_part";

/// Begins a transaction that writes (local only).
pub const BEGIN: &str = "START TRANSACTION";

/// Begins a transaction in which the server refuses to write, whatever a statement calls (local only; a remote session
/// has no other).
pub const BEGIN_READING: &str = "START TRANSACTION READ ONLY";

/// The `sql_mode` that local is written under: takes every value a table can hold, and still refuses to truncate.
pub const LOCAL_SQL_MODE: &str = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES";

/// How long a statement on local waits for a table's or a row's lock, in seconds. Short, since whoever comes after an ALTER that
/// waits has to wait as well; the step is tried again along `retry.delays`.
const LOCK_SECONDS: u32 = 10;

/// Returns the set-up of a remote session, several statements in one send: faithful reading, read-only for every
/// transaction, a limit for each statement in milliseconds.
pub fn remote_setup(vendor: Vendor, statement_limit_ms: u64) -> String {
    let limit = match vendor {
        Vendor::MySql => format!("max_execution_time = {statement_limit_ms}"),
        Vendor::MariaDb => format!(
            "max_statement_time = {}.{:03}",
            statement_limit_ms / 1000,
            statement_limit_ms % 1000
        ),
    };
    [
        "SET NAMES utf8mb4".to_owned(),
        format!(
            "SET SESSION character_set_results = binary, time_zone = '+00:00', sql_mode = '', \
             sql_select_limit = 18446744073709551615, net_write_timeout = 600, wait_timeout = 28800, \
             sql_quote_show_create = 1, div_precision_increment = 4, sql_auto_is_null = 0, {limit}"
        ),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned(),
        "SET SESSION TRANSACTION READ ONLY".to_owned(),
    ]
    .join("; ")
}

/// Returns the set-up of a local session, several statements in one send.
///
/// `foreign_key_checks` is off, so that no delete cascades beyond what was approved: whoever writes rows verifies the
/// foreign keys before the commit, and switches the checks on for adding a constraint (FACTS.md, 5).
pub fn local_setup() -> String {
    [
        "SET NAMES utf8mb4".to_owned(),
        format!(
            "SET SESSION character_set_results = binary, time_zone = '+00:00', sql_mode = {}, \
             sql_select_limit = 18446744073709551615, net_write_timeout = 600, net_read_timeout = 600, \
             wait_timeout = 28800, lock_wait_timeout = {LOCK_SECONDS}, innodb_lock_wait_timeout = {LOCK_SECONDS}, \
             sql_quote_show_create = 1, div_precision_increment = 4, sql_auto_is_null = 0, foreign_key_checks = 0, \
             unique_checks = 1",
            string(LOCAL_SQL_MODE)
        ),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned(),
    ]
    .join("; ")
}

/// Returns the statement that limits how long each query of a local session may take; `None` for no limit.
pub fn statement_limit(vendor: Vendor, limit: Option<Duration>) -> String {
    let limit = limit.unwrap_or_default();
    match vendor {
        Vendor::MySql => format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        Vendor::MariaDb => format!(
            "SET SESSION max_statement_time = {}.{:03}",
            limit.as_secs(),
            limit.subsec_millis()
        ),
    }
}

/// Returns what makes a local session take any table that production's server takes, and add indexes quickly, statement by
/// statement: each needs a privilege or a version that local may lack, and is done without then.
///
/// Foreign keys to an index that is not unique, and tables without a primary key (or, between two phases, not with it
/// yet) are a matter of policy to MySQL; one that it made up itself would be no part of production's table.
pub fn local_favours(vendor: Vendor) -> &'static [&'static str] {
    match vendor {
        Vendor::MySql => &[
            "SET SESSION restrict_fk_on_non_standard_key = 0",
            "SET SESSION sql_require_primary_key = 0",
            "SET SESSION sql_generate_invisible_primary_key = 0",
            // Adding three indexes to 1,000,000 rows takes two thirds of the time that it takes with the default of 1 MB.
            "SET SESSION innodb_ddl_buffer_size = 33554432",
        ],
        Vendor::MariaDb => &[],
    }
}

/// Returns whether an `ALTER TABLE`, a clause on each line, does nothing but drop and add indexes: no value of a row
/// changes by it.
pub fn touches_only_indexes(alter: &str) -> bool {
    let mut lines = alter.lines();
    lines
        .next()
        .is_some_and(|head| head.starts_with("ALTER TABLE "))
        && lines.all(|line| {
            let clause = line.trim_start();
            ["DROP INDEX ", "ADD KEY ", "ADD UNIQUE KEY "]
                .iter()
                .any(|start| clause.starts_with(start))
        })
}

/// Returns the statement that switches strict mode off or on again: an ENUM's empty value (index 0) cannot be stored
/// under it.
pub fn strict_mode(on: bool) -> String {
    let mode = if on {
        LOCAL_SQL_MODE
    } else {
        "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
    };
    format!("SET SESSION sql_mode = {}", string(mode))
}

/// Returns the query for what distinguishes the server from any other, and whether the session's transactions are
/// read-only.
pub fn identity(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::MySql => "SELECT @@server_uuid, @@session.transaction_read_only",
        Vendor::MariaDb => "SELECT '', @@session.tx_read_only",
    }
}

/// Returns the statement that ends what another connection of the same account is running.
pub fn kill_query(connection: u64) -> String {
    format!("KILL QUERY {connection}")
}

/// Returns the statement that ends another connection of the same account (local only).
pub fn kill_connection(connection: u64) -> String {
    format!("KILL CONNECTION {connection}")
}

/// Returns the questions for what connection `waiting` waits for and who holds it, the surest first, each with whether it is
/// sure. A server answers some of them: the others it does not know, or the account may not ask. Columns: connection
/// (NULL where none is known), account, command, seconds, statement, what is locked.
pub fn lock_questions(waiting: u64) -> [(String, bool); 5] {
    let threads = "h.PROCESSLIST_ID, CONCAT(h.PROCESSLIST_USER, '@', h.PROCESSLIST_HOST), h.PROCESSLIST_COMMAND, \
                   h.PROCESSLIST_TIME, LEFT(LTRIM(h.PROCESSLIST_INFO), 12)";
    let processes = "h.ID, CONCAT(h.USER, '@', h.HOST), h.COMMAND, h.TIME, LEFT(LTRIM(h.INFO), 12)";
    let weak = "('INTENTION_EXCLUSIVE', 'SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_WRITE', 'SHARED_UPGRADABLE')";
    let waits = format!(
        "w.ID = {waiting} AND (w.STATE LIKE 'Waiting for % lock' OR w.STATE LIKE 'Waiting for % flush')"
    );
    [
        // Tables, as seen by the performance schema. Of two weak locks none keeps the other out, but for a global one.
        (
            format!(
                "SELECT DISTINCT {threads}, NULLIF(CONCAT_WS('.', p.OBJECT_SCHEMA, p.OBJECT_NAME), '') \
                 FROM performance_schema.threads w \
                 JOIN performance_schema.metadata_locks p ON p.OWNER_THREAD_ID = w.THREAD_ID AND p.LOCK_STATUS = 'PENDING' \
                 JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = p.OBJECT_TYPE \
                 AND g.OBJECT_SCHEMA <=> p.OBJECT_SCHEMA AND g.OBJECT_NAME <=> p.OBJECT_NAME \
                 AND g.LOCK_STATUS = 'GRANTED' AND g.OWNER_THREAD_ID <> p.OWNER_THREAD_ID \
                 JOIN performance_schema.threads h ON h.THREAD_ID = g.OWNER_THREAD_ID \
                 WHERE w.PROCESSLIST_ID = {waiting} AND NOT (p.LOCK_TYPE IN {weak} AND g.LOCK_TYPE IN {weak} \
                 AND (p.OBJECT_TYPE = 'TABLE' OR p.LOCK_TYPE = g.LOCK_TYPE)) ORDER BY h.PROCESSLIST_TIME DESC LIMIT 20"
            ),
            true,
        ),
        // Rows, on MySQL 8 and newer.
        (
            format!(
                "SELECT DISTINCT {threads}, CONCAT_WS('.', l.OBJECT_SCHEMA, l.OBJECT_NAME) \
                 FROM performance_schema.threads w \
                 JOIN performance_schema.data_lock_waits d ON d.REQUESTING_THREAD_ID = w.THREAD_ID \
                 JOIN performance_schema.threads h ON h.THREAD_ID = d.BLOCKING_THREAD_ID \
                 LEFT JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = d.REQUESTING_ENGINE_LOCK_ID \
                 WHERE w.PROCESSLIST_ID = {waiting} ORDER BY h.PROCESSLIST_TIME DESC LIMIT 20"
            ),
            true,
        ),
        // Rows, on MariaDB and older MySQL.
        (
            format!(
                "SELECT DISTINCT {processes}, REPLACE(l.lock_table, '`', '') FROM information_schema.INNODB_TRX r \
                 JOIN information_schema.INNODB_LOCK_WAITS d ON d.requesting_trx_id = r.trx_id \
                 JOIN information_schema.INNODB_TRX b ON b.trx_id = d.blocking_trx_id \
                 JOIN information_schema.PROCESSLIST h ON h.ID = b.trx_mysql_thread_id \
                 LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = d.requested_lock_id \
                 WHERE r.trx_mysql_thread_id = {waiting} ORDER BY h.TIME DESC LIMIT 20"
            ),
            true,
        ),
        // Tables, where nobody notes who holds them: whoever has a transaction open may, and who does nothing in it most likely.
        (
            format!(
                "SELECT {processes}, NULL FROM information_schema.PROCESSLIST w \
                 LEFT JOIN information_schema.INNODB_TRX b ON b.trx_mysql_thread_id <> w.ID \
                 LEFT JOIN information_schema.PROCESSLIST h ON h.ID = b.trx_mysql_thread_id \
                 AND COALESCE(h.STATE, '') NOT LIKE 'Waiting for %' \
                 WHERE {waits} ORDER BY h.ID IS NULL, h.COMMAND <> 'Sleep', b.trx_started LIMIT 20"
            ),
            false,
        ),
        // An account that may not look at others' transactions sees that it waits.
        (
            format!(
                "SELECT NULL, NULL, NULL, NULL, NULL, NULL FROM information_schema.PROCESSLIST w WHERE {waits}"
            ),
            false,
        ),
    ]
}

/// Returns the query that takes a named lock without waiting: 1 when taken.
pub fn get_lock(name: &str) -> String {
    format!("SELECT GET_LOCK({}, 0)", string(name))
}

/// Returns the query for the connection that holds a named lock.
pub fn lock_holder(name: &str) -> String {
    format!("SELECT IS_USED_LOCK({})", string(name))
}

/// Returns the query that gives a named lock back.
pub fn release_lock(name: &str) -> String {
    format!("SELECT RELEASE_LOCK({})", string(name))
}

/// Returns the statement that switches foreign key checks of the session.
pub fn foreign_key_checks(on: bool) -> &'static str {
    if on {
        "SET SESSION foreign_key_checks = 1"
    } else {
        "SET SESSION foreign_key_checks = 0"
    }
}

/// Returns the statement that makes a database the current one.
pub fn use_database(name: &str) -> String {
    format!("USE {}", ident(name))
}

/// Returns the statement that sets what a stored object remembers of the session that creates it.
pub fn object_environment(
    sql_mode: &str,
    charset_client: &str,
    collation_connection: &str,
    time_zone: &str,
) -> String {
    let mut settings = vec![format!("sql_mode = {}", string(sql_mode))];
    if !charset_client.is_empty() {
        settings.push(format!("character_set_client = {}", string(charset_client)));
    }
    if !collation_connection.is_empty() {
        settings.push(format!(
            "collation_connection = {}",
            string(collation_connection)
        ));
    }
    if !time_zone.is_empty() {
        settings.push(format!("time_zone = {}", string(time_zone)));
    }
    format!("SET SESSION {}", settings.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_limit_is_in_the_vendor_s_unit() {
        assert!(remote_setup(Vendor::MySql, 60_500).contains("max_execution_time = 60500"));
        assert!(remote_setup(Vendor::MariaDb, 60_500).contains("max_statement_time = 60.500"));
    }

    #[test]
    fn only_clauses_of_indexes_touch_only_indexes() {
        for (alter, only) in [
            (
                "ALTER TABLE `t`\n  DROP INDEX `a`,\n  ADD UNIQUE KEY `a` ((`a` + 1))",
                true,
            ),
            (
                "ALTER TABLE `t`\n  ADD KEY `a` (`a`),\n  MODIFY COLUMN `a` int",
                false,
            ),
            ("ALTER TABLE `t`\n  ADD KEY `a` (`a`) COMMENT 'x\ny'", false),
        ] {
            assert_eq!(touches_only_indexes(alter), only, "{alter}");
        }
    }

    #[test]
    fn hostile_names_stay_names() {
        assert_eq!(get_lock("a'); DROP"), "SELECT GET_LOCK('a''); DROP', 0)");
        assert_eq!(use_database("a`; DROP"), "USE `a``; DROP`");
    }
}
