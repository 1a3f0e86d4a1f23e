//! Logs in and sets a session up: settings, identity, proof that the remote session is read-only.

use super::error::{self, Place};
use super::watch::Way;
use super::wire::{Tally, Wire};
use super::{Row, ServerInfo, Side};
use crate::refusal::{Problem, Refusal};
use crate::schema::Vendor;
use crate::sql::session;
use crate::value::to_hex;
use anyhow::{Context, Result, bail};
use mysql::OptsBuilder;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// A frozen server is given up on after the statement's own limit and this.
const READ_GRACE: Duration = Duration::from_secs(10);
/// The largest packet that the protocol knows; what may be sent is the server's own limit.
const LARGEST_PACKET: usize = 1 << 30;

/// Returns the options common to both sides.
pub(super) fn options(
    user: &str,
    password: Option<&str>,
    statement_limit: Option<Duration>,
) -> OptsBuilder {
    OptsBuilder::new()
        .prefer_socket(false)
        .user(Some(user))
        .pass(password)
        .max_allowed_packet(Some(LARGEST_PACKET))
        .tcp_connect_timeout(Some(Duration::from_secs(10)))
        .read_timeout(statement_limit.map(|limit| limit + READ_GRACE))
        .stmt_cache_size(0)
}

/// Logs in and sets the session up.
pub(super) fn open(
    opts: OptsBuilder,
    way: Way,
    place: &Place,
    tally: Arc<Tally>,
    setup: impl Fn(Vendor) -> String,
) -> Result<Wire, LoginFailure> {
    let mut wire = Wire::login(opts, way, place, tally).map_err(LoginFailure::Login)?;
    prepare(&mut wire, place.side, setup)
        .with_context(|| format!("setting up the session on {}", place.server))
        .map_err(LoginFailure::Setup)?;
    Ok(wire)
}

/// Why a login failed: the driver's own error (ssh may know more), or one that is complete.
pub(super) enum LoginFailure {
    Login(mysql::Error),
    Setup(anyhow::Error),
}

impl LoginFailure {
    /// Describes the failure.
    pub(super) fn describe(self, place: &Place) -> anyhow::Error {
        match self {
            Self::Login(failure) => error::login(failure, place),
            Self::Setup(error) => error,
        }
    }
}

fn prepare(wire: &mut Wire, side: Side, setup: impl Fn(Vendor) -> String) -> Result<()> {
    let hello = wire.one_row(session::HELLO)?;
    let vendor = vendor_of(&text(&hello, 0), &text(&hello, 1));
    let mut sets = wire.sets(&format!("{}; {}", setup(vendor), session::identity(vendor)))?;
    let answer = sets
        .pop()
        .and_then(|mut rows| rows.pop())
        .unwrap_or_default();
    if side == Side::Remote && text(&answer, 1) != "1" {
        bail!(Refusal::new(
            "the remote session did not become read-only",
            "connect to the server itself: a proxy in between may swallow SET SESSION TRANSACTION READ ONLY",
        ));
    }
    wire.info = info(vendor, &hello, text(&answer, 0));
    Ok(())
}

fn info(vendor: Vendor, hello: &Row, uuid: String) -> ServerInfo {
    let version = text(hello, 0);
    let identity = if uuid.is_empty() {
        let mut hash = Sha256::new();
        for part in [2, 3, 4] {
            hash.update(text(hello, part).as_bytes());
            hash.update([0]);
        }
        to_hex(&hash.finalize()[..16])
    } else {
        uuid
    };
    ServerInfo {
        vendor,
        display: display(vendor, &version),
        version,
        identity,
        lower_case_table_names: text(hello, 5).parse().unwrap_or(0),
        max_packet: text(hello, 6).parse().unwrap_or(0),
    }
}

fn vendor_of(version: &str, comment: &str) -> Vendor {
    let is_maria = |text: &str| text.to_ascii_lowercase().contains("mariadb");
    if is_maria(version) || is_maria(comment) {
        Vendor::MariaDb
    } else {
        Vendor::MySql
    }
}

fn display(vendor: Vendor, version: &str) -> String {
    // MariaDB may put "5.5.5-" before its own version, for old replicas' sake.
    let version = match vendor {
        Vendor::MariaDb => version.strip_prefix("5.5.5-").unwrap_or(version),
        Vendor::MySql => version,
    };
    let number: String = version
        .chars()
        .take_while(|character| character.is_ascii_digit() || *character == '.')
        .collect();
    let name = match vendor {
        Vendor::MySql => "MySQL",
        Vendor::MariaDb => "MariaDB",
    };
    format!("{name} {number}")
}

/// Returns a cell as text; what is NULL or missing is empty.
pub(super) fn text(row: &Row, place: usize) -> String {
    row.get(place)
        .and_then(Option::as_deref)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}

/// Refuses a local server that is the remote one.
///
/// # Errors
/// A [`Refusal`] when the two are the same server.
pub fn refuse_same_server(remote: &ServerInfo, local: &ServerInfo) -> Result<()> {
    if remote.identity == local.identity {
        bail!(Refusal::new(
            format!(
                "the local server is the remote server ({}, identity {}): driftwarden never writes to production",
                local.display, local.identity
            ),
            "point `local` at a server of your own; if it is a copy of production's data folder, remove its auto.cnf \
             and restart it, so that it gets a server_uuid of its own",
        ));
    }
    Ok(())
}

/// Fails when a later login reached another server than the first.
pub(super) fn same_as_before(before: &ServerInfo, now: &ServerInfo) -> Result<()> {
    if before.identity != now.identity || before.version != now.version {
        bail!(Problem::new(
            format!(
                "a server is another one than at the start ({}, identity {}; before: {}, identity {})",
                now.display, now.identity, before.display, before.identity
            ),
            "run the command again: what was read so far is of the other server",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_are_told_apart_and_displayed() {
        assert_eq!(
            vendor_of("10.11.19-MariaDB-0+deb12u1-log", "Debian 12"),
            Vendor::MariaDb
        );
        assert_eq!(
            vendor_of("9.7.4", "MySQL Community Server - GPL"),
            Vendor::MySql
        );
        assert_eq!(
            display(Vendor::MariaDb, "5.5.5-10.11.19-MariaDB"),
            "MariaDB 10.11.19"
        );
        assert_eq!(display(Vendor::MySql, "8.0.36-28"), "MySQL 8.0.36");
    }

    #[test]
    fn the_same_server_on_both_sides_is_refused() {
        let mut one = ServerInfo::unknown();
        one.identity = "x".into();
        let error = refuse_same_server(&one, &one).unwrap_err();
        assert_eq!(crate::refusal::exit_code_of(&error), 3);
        let mut other = one.clone();
        other.identity = "y".into();
        assert!(refuse_same_server(&one, &other).is_ok());
    }
}
