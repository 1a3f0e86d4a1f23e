//! The remote's general log: who sent what, and whether all of it was reading.
//!
//! Works by what the server says it was sent, not by what the program says it sends. Must never take a statement that it
//! does not know for a read.

use super::server::Sandbox;
use std::collections::BTreeMap;
use std::fmt;

/// One command that a server was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The account, from the connection's login.
    pub(crate) user: String,
    /// The connection's number.
    pub(crate) connection: u64,
    /// `Query`, `Prepare`, `Execute`, `Connect`, …
    pub(crate) kind: String,
    /// The statement, or what else the command carries.
    pub(crate) text: String,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (connection {}) {}: {}",
            self.user, self.connection, self.kind, self.text
        )
    }
}

/// Reads a log that grows, command by command.
#[derive(Debug, Default)]
struct Reader {
    users: BTreeMap<u64, String>,
}

impl Reader {
    /// Returns the commands of a piece of the log.
    fn read(&mut self, text: &str) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        for line in text.lines() {
            let Some((connection, kind, argument)) = parse(line) else {
                // A statement of several lines; before the first command stands the server's banner.
                if let Some(last) = commands.last_mut() {
                    last.text.push('\n');
                    last.text.push_str(line);
                }
                continue;
            };
            if kind == "Connect" && !argument.starts_with("Access denied") {
                let user = argument.split('@').next().unwrap_or_default();
                self.users.insert(connection, user.to_owned());
            }
            commands.push(Command {
                user: self.users.get(&connection).cloned().unwrap_or_default(),
                connection,
                kind: kind.to_owned(),
                text: argument.to_owned(),
            });
        }
        commands
    }
}

/// Splits a line that begins a command: an optional time, the connection, the command's kind, the rest.
fn parse(line: &str) -> Option<(u64, &str, &str)> {
    const KINDS: [&str; 18] = [
        "Connect",
        "Query",
        "Prepare",
        "Execute",
        "Close stmt",
        "Reset stmt",
        "Reset connection",
        "Quit",
        "Init DB",
        "Ping",
        "Field List",
        "Statistics",
        "Change user",
        "Long Data",
        "Fetch",
        "Set option",
        "Kill",
        "Binlog Dump",
    ];
    // MySQL: `TIME\t    8 Query\t…`; MariaDB: `TIME\t     8 Query\t…` or, within the same second, `\t\t     8 Query\t…`.
    let rest = line
        .split_once('\t')
        .filter(|(time, _)| time.is_empty() || is_time(time))?
        .1;
    let rest = rest.trim_start_matches(['\t', ' ']);
    let (connection, rest) = rest.split_once(' ')?;
    let (kind, argument) = rest.split_once('\t').unwrap_or((rest, ""));
    let connection = connection.parse().ok()?;
    KINDS
        .contains(&kind)
        .then_some((connection, kind, argument))
}

fn is_time(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|each| each.is_ascii_digit() || "-:.TZ+ ".contains(each))
}

/// Asserts that whatever anyone but root (and the server itself, which logs in as nobody) sent to the remote since it started was reading; returns how many commands it was.
#[track_caller]
pub(crate) fn assert_reads_only(sandbox: &Sandbox) -> usize {
    let bytes = std::fs::read(sandbox.setting("REMOTE_LOG")).expect("the general log can be read");
    let commands = Reader::default().read(&String::from_utf8_lossy(&bytes));
    let others: Vec<&Command> = commands
        .iter()
        .filter(|command| !["root", ""].contains(&&*command.user))
        .collect();
    let writes: Vec<String> = others
        .iter()
        .filter_map(|command| objection(command).map(|why| format!("{why}: {command}")))
        .collect();
    assert!(
        writes.is_empty(),
        "production was sent more than reads:\n{}",
        writes.join("\n")
    );
    others.len()
}

/// Returns what is wrong with a command for an account that only reads.
pub(crate) fn objection(command: &Command) -> Option<String> {
    match command.kind.as_str() {
        "Query" | "Prepare" | "Execute" => statement_objection(&command.text),
        "Connect" | "Close stmt" | "Reset stmt" | "Reset connection" | "Quit" | "Init DB"
        | "Ping" | "Statistics" | "Fetch" => None,
        other => Some(format!("{other} is no reading")),
    }
}

/// Returns what is wrong with any statement of a text.
fn statement_objection(sql: &str) -> Option<String> {
    let words = match words(sql) {
        Ok(words) => words,
        Err(why) => return Some(why),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut statements: Vec<&[&str]> = words.split(|word| *word == ";").collect();
    if statements.len() > 1 && statements.last().is_some_and(|last| last.is_empty()) {
        statements.pop();
    }
    statements.into_iter().find_map(objection_to_words)
}

/// Words that a SELECT which only reads never holds outside quotes.
const NOT_IN_A_SELECT: [&[&str]; 16] = [
    &["INTO"],
    &["FOR", "UPDATE"],
    &["FOR", "SHARE"],
    &["LOCK"],
    &["PROCEDURE"],
    &["GET_LOCK"],
    &["RELEASE_LOCK"],
    &["SLEEP"],
    &["BENCHMARK"],
    &["LOAD_FILE"],
    &["NEXTVAL"],
    &["SETVAL"],
    &["UPDATE"],
    &["DELETE"],
    &["INSERT", "INTO"],
    &["ANALYZE"],
];

/// The session variables that the program may set on production.
const SETTABLE: [&str; 11] = [
    "CHARACTER_SET_RESULTS",
    "TIME_ZONE",
    "SQL_MODE",
    "SQL_SELECT_LIMIT",
    "NET_WRITE_TIMEOUT",
    "WAIT_TIMEOUT",
    "SQL_QUOTE_SHOW_CREATE",
    "DIV_PRECISION_INCREMENT",
    "SQL_AUTO_IS_NULL",
    "MAX_EXECUTION_TIME",
    "MAX_STATEMENT_TIME",
];

fn objection_to_words(words: &[&str]) -> Option<String> {
    let has = |wanted: &[&str]| words.windows(wanted.len()).any(|window| window == wanted);
    let begins = |wanted: &[&str]| words.starts_with(wanted);
    if begins(&["SELECT"]) || begins(&["(", "SELECT"]) || begins(&["WITH"]) || begins(&["EXPLAIN"])
    {
        return NOT_IN_A_SELECT
            .iter()
            .find(|forbidden| has(forbidden))
            .map(|forbidden| format!("a SELECT with {}", forbidden.join(" ")));
    }
    let reading = match words {
        ["SET", "NAMES", "UTF8MB4"]
        | ["SET", "SESSION", "TRANSACTION", "READ", "ONLY"]
        | [
            "SET",
            "SESSION",
            "TRANSACTION",
            "ISOLATION",
            "LEVEL",
            "REPEATABLE",
            "READ",
        ]
        | ["COMMIT" | "ROLLBACK"]
        | ["SHOW" | "USE", ..] => true,
        ["SET", "SESSION", settings @ ..] => settings
            .split(|word| *word == ",")
            .all(|each| matches!(each, [name, "=", ..] if SETTABLE.contains(name))),
        ["KILL", "QUERY", number] => number.chars().all(|each| each.is_ascii_digit()),
        ["START", "TRANSACTION", ..] => has(&["READ", "ONLY"]) && !has(&["WRITE"]),
        _ => false,
    };
    (!reading).then(|| "not known as reading".to_owned())
}

/// Returns the words and signs of a statement in capitals, without what stands in quotes or plain comments.
fn words(sql: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut rest = sql.trim();
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '\'' | '"' | '`' => &rest[quoted_length(rest, first)?..],
            '#' => rest.split_once('\n').map_or("", |(_, after)| after),
            '-' if rest.starts_with("-- ") => rest.split_once('\n').map_or("", |(_, after)| after),
            '/' if rest.starts_with("/*") => {
                // What a version comment holds is executed, and what begins with + is a hint, which changes nothing.
                if rest.starts_with("/*!") || rest.starts_with("/*M!") {
                    return Err("a version comment".into());
                }
                rest.split_once("*/").ok_or("a comment without end")?.1
            }
            _ if first.is_alphanumeric() || first == '_' || first == '$' => {
                let end = rest
                    .find(|each: char| !each.is_alphanumeric() && each != '_' && each != '$')
                    .unwrap_or(rest.len());
                found.push(rest[..end].to_uppercase());
                &rest[end..]
            }
            _ => {
                if !first.is_whitespace() {
                    found.push(first.to_string());
                }
                &rest[first.len_utf8()..]
            }
        };
    }
    Ok(found)
}

fn quoted_length(text: &str, quote: char) -> Result<usize, String> {
    let mut each = text.char_indices().skip(1).peekable();
    while let Some((position, character)) = each.next() {
        if character == '\\' && quote != '`' {
            each.next();
        } else if character == quote {
            if each.peek().is_some_and(|(_, next)| *next == quote) {
                each.next();
            } else {
                return Ok(position + quote.len_utf8());
            }
        }
    }
    Err("a quote without end".into())
}

#[cfg(test)]
mod tests {
    use super::{Command, Reader, statement_objection};

    #[test]
    fn reads_are_known() {
        for sql in [
            "SELECT 'a; DROP TABLE t', `for update` FROM t",
            "  SELECT COUNT(*) FROM `a``b; DELETE` WHERE a > X'00'",
            "SET NAMES utf8mb4",
            "SET SESSION TRANSACTION READ ONLY",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            "SHOW CREATE TABLE `x`",
            "SELECT /* why */ 1",
            "COMMIT",
            "SET SESSION time_zone = '+00:00', sql_mode = ''; SET SESSION TRANSACTION READ ONLY;",
            "SHOW CREATE TABLE `a`;\nSHOW CREATE TABLE `b; DROP TABLE c`",
            "KILL QUERY 12",
        ] {
            assert_eq!(statement_objection(sql), None, "{sql}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for sql in [
            "INSERT INTO t VALUES (1)",
            "SELECT 1; DROP TABLE t",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t LOCK IN SHARE MODE",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "SELECT GET_LOCK('a', 0)",
            "SET GLOBAL read_only = 0",
            "SET SESSION TRANSACTION READ WRITE",
            "START TRANSACTION",
            "START TRANSACTION READ WRITE",
            "SELECT /*! 1 */",
            "CALL p()",
            "FLUSH TABLES",
            "ANALYZE TABLE t",
            "KILL 7",
            "KILL QUERY 7; DROP TABLE t",
            "SET SESSION time_zone = '+00:00', GLOBAL read_only = 0",
            "SET SESSION time_zone = '+00:00', @@global.read_only = 0",
            "SET SESSION sql_log_bin = 0",
            "SHOW TABLES; ; DELETE FROM t",
            "",
        ] {
            assert!(statement_objection(sql).is_some(), "{sql}");
        }
    }

    #[test]
    fn both_vendors_logs_are_understood() {
        let mysql = "/usr/sbin/mysqld, Version: 9.7.4. started with:\nTime                 Id Command    Argument\n\
            2026-11-24T08:34:59.313480Z\t    9 Connect\treadonly@127.0.0.1 on  using TCP/IP\n\
            2026-11-24T08:34:59.315620Z\t    9 Query\tSELECT 1,\n  2\n\
            2026-11-24T08:34:59.318549Z\t    9 Quit\t\n";
        let mariadb = "261124  8:34:59\t     5 Connect\treadonly@127.0.0.1 on  using TCP/IP\n\
            \t\t     5 Query\tselect user()\n";
        let command = |kind: &str, text: &str, connection| Command {
            user: "readonly".into(),
            connection,
            kind: kind.into(),
            text: text.into(),
        };
        assert_eq!(
            Reader::default().read(mysql),
            [
                command("Connect", "readonly@127.0.0.1 on  using TCP/IP", 9),
                command("Query", "SELECT 1,\n  2", 9),
                command("Quit", "", 9),
            ]
        );
        assert_eq!(
            Reader::default().read(mariadb)[1],
            command("Query", "select user()", 5)
        );
    }
}
