//! Turns the driver's errors into ours: what failed, whether trying again may help, and the next step.
//!
//! No text of the driver stands alone, and no type of it leaves this module.

use super::Side;
use super::blocked::Blocked;
use crate::refusal::{LOCK_NOT_GIVEN, Problem};
use crate::retry::Transient;
use anyhow::Error;
use std::fmt;
use std::io::ErrorKind;

/// What a server answered instead of a result. Kept in the chain of every error that came from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The server's error number.
    pub code: u16,
    /// The server's message; may hold names and values of the data.
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server says: {} (error {})", self.message, self.code)
    }
}

impl std::error::Error for ServerError {}

/// Returns the server's error number, where an error came from a server.
pub fn server_code(error: &Error) -> Option<u16> {
    crate::refusal::find::<ServerError>(error).map(|error| error.code)
}

/// What the servers say, under strict mode, of a value that a generated column, a functional index or a check is computed
/// from, and of a computed value that does not fit.
const COMPUTING: [u16; 16] = [
    1264, 1265, 1292, 1366, 1367, 1406, 1411, 1690, 1916, 1918, 3156, 3751, 3903, 3904, 3907, 4079,
];

/// Returns whether the server could not compute something strictly.
pub fn cannot_compute(error: &Error) -> bool {
    server_code(error).is_some_and(|code| COMPUTING.contains(&code))
}

/// Errors after which a new connection may succeed: shutdown, kill, network, lock waits, too many connections.
const TRANSIENT: [u16; 20] = [
    1040, 1053, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213, 1317, 1927, 2006, 2013,
    2055, 3168, 4031, 1020,
];

/// What a server says of a lock that was waited for too long.
const LOCK_WAIT: u16 = 1205;

/// Describes an error of a statement on an open connection, which waited for a lock at last.
pub(super) fn statement(failure: mysql::Error, side: Side, blocked: Option<&Blocked>) -> Error {
    match failure {
        mysql::Error::MySqlError(error) => answered(error, side, blocked),
        other => lost(&other, side),
    }
}

fn answered(error: mysql::error::MySqlError, side: Side, blocked: Option<&Blocked>) -> Error {
    let server = ServerError {
        code: error.code,
        message: error.message,
    };
    let code = server.code;
    let name = side.server();
    let base = if TRANSIENT.contains(&code) {
        Error::new(Transient {
            what: format!("error {code}"),
        })
        .context(server)
    } else {
        Error::new(server)
    };
    if let (LOCK_WAIT, Some(blocked)) = (code, blocked) {
        return base.context(Problem::new(
            format!("{name}: {LOCK_NOT_GIVEN}: {blocked}"),
            blocked.remedy("then run the command again"),
        ));
    }
    match advice(code, side) {
        Some((what, remedy)) => base.context(Problem::new(format!("{name}: {what}"), remedy)),
        None => base.context(format!("{name} refused a statement")),
    }
}

/// Returns what a server's error means here, and the next step.
fn advice(code: u16, side: Side) -> Option<(&'static str, String)> {
    let grants = match side {
        Side::Remote => "SELECT, SHOW VIEW, TRIGGER, EVENT and, on MySQL, SHOW_ROUTINE",
        Side::Local => {
            "all privileges on the databases that are brought up to date, and on `driftwarden_scratch_%`"
        }
    };
    Some(match code {
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 => (
            "the account lacks a privilege",
            format!("grant the account {grants}; `driftwarden doctor` lists what is missing"),
        ),
        1049 => (
            "there is no such database, or the account may not see it",
            "correct the name under `databases` in the config, or grant the account SELECT on it".to_owned(),
        ),
        1146 => (
            "a table is not there (any more)",
            "if it was dropped meanwhile, run `driftwarden plan` again".to_owned(),
        ),
        1412 => (
            "a table was altered while it was being read",
            "run `driftwarden plan` again once the change is done".to_owned(),
        ),
        LOCK_WAIT => (
            LOCK_NOT_GIVEN,
            match side {
                Side::Remote => "run the command again once what holds it there has ended: an ALTER, or LOCK TABLES",
                Side::Local => {
                    "`SHOW FULL PROCESSLIST` on the local server shows its connections: commit or roll back in the one that \
                     holds it, or end it (`KILL` and its number); then run the command again"
                }
            }
            .to_owned(),
        ),
        3024 | 1969 => (
            "a statement ran into the time limit",
            match side {
                Side::Remote => "raise `remote_limits.max_execution_time`, or try when the server is less busy",
                Side::Local => "raise the server's statement time limit",
            }
            .to_owned(),
        ),
        1153 | 1260 | 1301 => (
            "a row or statement is longer than max_allowed_packet",
            "raise max_allowed_packet on this server (at least 1 MiB; as large as on the other side)".to_owned(),
        ),
        1193 | 1231 => (
            "it does not know a session setting that driftwarden needs",
            "driftwarden works with MySQL 5.7.20 or newer and MariaDB 10.2 or newer".to_owned(),
        ),
        1021 | 1041 | 1114 | 3 | 28 => (
            "it has no room left",
            "free disk space for the server, then run the command again".to_owned(),
        ),
        1836 | 1290 | 1792 if side == Side::Local => (
            "it is read-only",
            "check that `local` is the server you mean; switch read_only off if it is".to_owned(),
        ),
        _ => return None,
    })
}

/// Describes a connection that broke.
fn lost(failure: &mysql::Error, side: Side) -> Error {
    let name = side.server();
    if is_too_large(failure) {
        return Error::msg(plain(failure)).context(Problem::new(
            format!("{name}: a row is too large to be read"),
            "exclude the table (`tables.exclude`)",
        ));
    }
    Error::new(Transient {
        what: format!("connection to {name} lost ({})", plain(failure)),
    })
}

fn is_too_large(failure: &mysql::Error) -> bool {
    plain(failure)
        .to_ascii_lowercase()
        .contains("packet too large")
}

/// Returns whether a read ran into the time limit of the socket: the server may still be at work on the statement.
pub(super) fn is_timeout(failure: &mysql::Error) -> bool {
    match failure {
        mysql::Error::IoError(cause) => matches!(
            cause.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
        mysql::Error::CodecError(cause) => {
            let text = cause.to_string();
            text.contains("os error 11")
                || text.contains("temporarily unavailable")
                || text.contains("timed out")
        }
        _ => false,
    }
}

/// Returns the driver's words without its type names.
pub(super) fn plain(failure: &mysql::Error) -> String {
    if is_timeout(failure) {
        return "no answer in time".to_owned();
    }
    match failure {
        mysql::Error::IoError(cause) => cause.to_string(),
        mysql::Error::CodecError(cause) => {
            let text = cause.to_string();
            if text.contains("bytes remaining") {
                "it ended in the middle of an answer".to_owned()
            } else {
                text
            }
        }
        mysql::Error::DriverError(cause) => cause.to_string(),
        mysql::Error::MySqlError(cause) => cause.message.clone(),
        _ => "an answer that cannot be understood".to_owned(),
    }
}

/// Nobody listens where the server should be. Kept in the chain, with the system's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotThere(String);

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotThere {}

/// Returns whether nobody listens where the server should be.
pub(super) fn is_not_there(error: &Error) -> bool {
    crate::refusal::find::<NotThere>(error).is_some()
}

/// Where a login goes, for errors.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) side: Side,
    /// Server and account, such as `MySQL at 127.0.0.1:3306 as seen from prod-bastion, as user readonly`.
    pub(super) server: String,
    /// `remote` or `local`: the section of the config.
    pub(super) section: &'static str,
    /// Why a forward could not reach the server, in ssh's words.
    pub(super) forward_failure: Option<String>,
}

/// Describes a failed login.
pub(super) fn login(failure: mysql::Error, place: &Place) -> Error {
    let section = place.section;
    let doing = format!("logging in to {}", place.server);
    let (what, remedy) = match &failure {
        mysql::Error::MySqlError(error) => match error.code {
            1045 | 1698 => (
                "the account or its password is wrong",
                format!(
                    "correct `{section}.user` and where its password comes from (`{section}.password_env`, \
                     `password_command` or `defaults_file`); the account must also be allowed for the host that the \
                     server names"
                ),
            ),
            1130 | 1129 => (
                "the server does not take connections from that host",
                format!(
                    "have the account of `{section}.user` created for the host that the server names"
                ),
            ),
            1040 | 1203 | 1226 => (
                "the server takes no further connection",
                "try later, or lower `remote_limits.connections`".to_owned(),
            ),
            1820 | 1862 | 3118 => (
                "the account is locked or its password has expired",
                "have the server's administrator unlock it or set a new password".to_owned(),
            ),
            _ => return statement(failure, place.side, None).context(doing),
        },
        mysql::Error::DriverError(
            mysql::DriverError::UnknownAuthPlugin(_)
            | mysql::DriverError::OldMysqlPasswordDisabled
            | mysql::DriverError::CleartextPluginDisabled,
        ) => (
            // MySQL offers any method at all for an account that it does not have, so that nobody can probe for names.
            "the account or its password is wrong, or the account logs in by a method that driftwarden does not know",
            format!(
                "correct `{section}.user`; or have an account made that uses caching_sha2_password or mysql_native_password, and name it in \
                 `{section}.user`"
            ),
        ),
        _ => return unreachable(&failure, place).context(doing),
    };
    let problem = Problem::new(format!("{doing}: {what}"), remedy);
    statement_source(failure, place.side).context(problem)
}

fn statement_source(failure: mysql::Error, side: Side) -> Error {
    match failure {
        mysql::Error::MySqlError(error) => {
            let transient = TRANSIENT.contains(&error.code);
            let server = ServerError {
                code: error.code,
                message: error.message,
            };
            if transient {
                Error::new(Transient {
                    what: server.to_string(),
                })
            } else {
                Error::new(server)
            }
        }
        other => {
            let _ = side;
            Error::msg(plain(&other))
        }
    }
}

/// Why the system did not connect.
fn system_error(failure: &mysql::Error) -> Option<ErrorKind> {
    match failure {
        mysql::Error::DriverError(mysql::DriverError::CouldNotConnect(Some((_, _, kind)))) => {
            Some(*kind)
        }
        mysql::Error::IoError(cause) => Some(cause.kind()),
        _ => None,
    }
}

/// Describes a server that could not be reached at login, by what ssh said of the forward.
fn unreachable(failure: &mysql::Error, place: &Place) -> Error {
    let cause = place
        .forward_failure
        .as_ref()
        .map_or_else(|| plain(failure), |said| format!("ssh: {said}"));
    let transient = || {
        Error::new(Transient {
            what: cause.clone(),
        })
    };
    match (&place.forward_failure, place.side) {
        (Some(said), _) if said.contains("prohibited") => Error::msg(cause.clone()).context(Problem::new(
            "the ssh host forbids forwarding",
            "have forwarding to the MySQL server allowed for your account there (AllowTcpForwarding, \
             AllowStreamLocalForwarding, PermitOpen in sshd_config; `restrict` or `no-port-forwarding` in \
             authorized_keys)",
        )),
        (Some(_), _) => transient().context(Problem::new(
            "nothing answers there, as seen from the ssh host",
            "correct `remote.host` and `remote.port` (or `remote.socket`): they are seen from the ssh host, where \
             127.0.0.1 is the ssh host itself; and see that the server runs",
        )),
        (None, Side::Remote) => transient().context(Problem::new(
            "the connection broke before the login was done",
            "see that `remote.host` and `remote.port` lead to a MySQL server, as seen from the ssh host, and that it \
             runs",
        )),
        (None, Side::Local) => match system_error(failure) {
            Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                transient().context(NotThere(cause.clone()))
            }
            // What the path is, or who may use it, no further attempt changes.
            Some(ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::NotADirectory) => {
                Error::msg(cause.clone())
            }
            _ => transient(),
        }
        .context(Problem::new(
            "the server cannot be reached",
            "start the local server, or correct `local.socket` (or `local.host` and `local.port`)",
        )),
    }
}
