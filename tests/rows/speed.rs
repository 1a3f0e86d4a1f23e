//! How long a comparison takes beside the bare checksum query on both sides at once, over tables made beforehand.

#![allow(
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a measurement is for reading"
)]

use super::server::{Server, Settings};
use driftwarden::compare;
use driftwarden::connect::Reader;
use driftwarden::read::encode;
use driftwarden::schema::{ObjectName, Vendor};
use driftwarden::sql::{Expr, Select};
use std::time::{Duration, Instant};

/// Runs the bare query on both sides at once.
fn bare(server: &mut Server) -> Duration {
    let table = server.table(&server.remote.clone());
    let columns = table
        .columns
        .iter()
        .map(|column| {
            let encoding = encode::encoding_for(Some(column), column).unwrap();
            (column.name.as_str(), encoding)
        })
        .collect::<Vec<_>>();
    let select = |database: &str| {
        let name = ObjectName::new(database, "t");
        let columns = vec![Expr::count_all(), encode::checksum(&columns)];
        Select::from(&name, columns).into()
    };
    let (remote, local) = (select(&server.remote), select(&server.local));
    let start = Instant::now();
    let (session, other) = server.sessions();
    std::thread::scope(|scope| {
        scope.spawn(|| session.rows(&remote).unwrap());
        scope.spawn(|| other.rows(&local).unwrap());
    });
    start.elapsed()
}

#[test]
#[ignore = "needs tables of millions of rows, and a machine with nothing else to do"]
fn a_full_comparison_takes_little_more_than_the_bare_query() {
    let vendor = match std::env::var("ROWS_VENDOR").as_deref() {
        Ok("mariadb") => Vendor::MariaDb,
        _ => Vendor::MySql,
    };
    let mut server = Server::open(vendor, "speed");
    let name = ObjectName::new(&server.remote, "t");
    let select = Select::from(&name, vec![Expr::count_all()]);
    let rows = server.session.rows(&select.into()).unwrap();
    let rows: u64 = String::from_utf8(rows[0][0].clone().unwrap())
        .unwrap()
        .parse()
        .unwrap();
    let settings = Settings {
        estimated_rows: rows,
        estimated_bytes: rows * 205,
        ..Settings::default()
    };
    for round in 0..3 {
        let plain = bare(&mut server);
        let start = Instant::now();
        let (outcome, found) = server.compare(&settings);
        let ours = start.elapsed();
        eprintln!(
            "round {round}: bare {:.2} s, comparison {:.2} s, ratio {:.2}; {rows} rows, {} differences, {} reads, {} \
             bytes from the remote ({:.3} %), {:?}",
            plain.as_secs_f64(),
            ours.as_secs_f64(),
            ours.as_secs_f64() / plain.as_secs_f64(),
            found.rows.len(),
            found.remote_reads,
            found.remote_bytes,
            found.remote_bytes as f64 * 100.0 / (rows * 205) as f64,
            outcome.counts,
        );
        assert_eq!(outcome.method, compare::Method::Full);
    }
}
