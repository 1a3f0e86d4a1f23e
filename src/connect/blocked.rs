//! Who holds the lock that a statement on local waits for, as far as the server tells.
//!
//! Asked over the second connection while the first one waits (`watch.rs`): afterwards nobody knows any more. Must never
//! repeat another connection's statement, which may hold values: its first word alone.

use super::{Row, login};
use std::fmt;

/// Holders that are named at most.
const NAMED: usize = 3;

/// A statement waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    /// What is locked, where the server says.
    on: Option<String>,
    /// Who holds it: none where the server does not say.
    holders: Vec<Holder>,
    /// Whether they hold it, or are only those who may.
    certain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    id: u64,
    /// Account and what it does.
    who: String,
}

impl Blocked {
    /// Reads the answer to a question of `sql::session::lock_questions`; `None` where it has no row.
    pub(super) fn of(rows: &[Row], certain: bool) -> Option<Self> {
        let first = rows.first()?;
        let on = login::text(first, 5);
        Some(Self {
            on: Some(on).filter(|on| !on.is_empty()),
            holders: rows.iter().filter_map(Holder::of).collect(),
            certain,
        })
    }

    /// The connections, to tell one wait from another.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.holders.iter().map(|holder| holder.id).collect()
    }

    /// What is waited for, while it is.
    pub(super) fn waiting(&self) -> String {
        format!(
            "waiting on the local server: {self}; {}",
            self.remedy("it goes on by itself then")
        )
    }

    /// What to do about it.
    pub(super) fn remedy(&self, then: &str) -> String {
        match self.holders.as_slice() {
            [] => format!(
                "`SHOW FULL PROCESSLIST` on the local server shows its connections: commit or roll back in the one that \
                 holds it, or end it (`KILL` and its number); {then}"
            ),
            [one] => format!(
                "commit or roll back in connection {}, or end it on the local server with `KILL {}`; {then}",
                one.id, one.id
            ),
            [one, ..] => format!(
                "commit or roll back in the connection that holds it, or end it on the local server with `KILL` and its \
                 number, such as `KILL {}`; {then}",
                one.id
            ),
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.on.as_deref().unwrap_or("what is to be changed");
        let mut named: Vec<&str> = self
            .holders
            .iter()
            .take(NAMED)
            .map(|holder| holder.who.as_str())
            .collect();
        let more = format!("{} more", self.holders.len().saturating_sub(NAMED));
        if self.holders.len() > NAMED {
            named.push(&more);
        }
        match (named.as_slice(), self.certain) {
            ([], _) => write!(f, "another connection has locked {on}"),
            ([one], true) => write!(f, "{one} has locked {on}"),
            (all, true) => write!(f, "{} have locked {on}", all.join(", ")),
            (all, false) => write!(
                f,
                "another connection has locked {on}; with a transaction open there is {}",
                all.join(", ")
            ),
        }
    }
}

impl Holder {
    fn of(row: &Row) -> Option<Self> {
        let id = login::text(row, 0).parse().ok()?;
        let [account, command, seconds, word] = [1, 2, 3, 4].map(|place| login::text(row, place));
        let word: String = word
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .take(12)
            .collect();
        let doing = match (command.as_str(), word.as_str()) {
            ("Sleep", _) => "idle".to_owned(),
            (_, "") => "busy".to_owned(),
            (_, word) => format!("at work on a statement, {}", word.to_ascii_uppercase()),
        };
        // Another clock than ours may give less than nothing.
        let since = match seconds.parse::<u64>() {
            Ok(seconds) => format!(" for {seconds} s"),
            Err(_) => String::new(),
        };
        Some(Self {
            id,
            who: format!("connection {id} ({account}, {doing}{since})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 6]) -> Row {
        cells
            .iter()
            .map(|cell| Some(cell.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_holder_is_named_with_what_it_does_and_no_value() {
        let idle = row(["47", "root@localhost", "Sleep", "63", "", "shop.orders"]);
        let blocked = Blocked::of(std::slice::from_ref(&idle), true).unwrap();
        insta::assert_snapshot!(blocked.waiting(), @"waiting on the local server: connection 47 (root@localhost, idle for 63 s) has locked shop.orders; commit or roll back in connection 47, or end it on the local server with `KILL 47`; it goes on by itself then");
        let busy = row(["48", "app@%", "Query", "-1", "select'secret'", ""]);
        let blocked = Blocked::of(&[busy.clone(), idle.clone(), idle.clone(), idle], false);
        insta::assert_snapshot!(blocked.unwrap(), @"another connection has locked what is to be changed; with a transaction open there is connection 48 (app@%, at work on a statement, SELECT), connection 47 (root@localhost, idle for 63 s), connection 47 (root@localhost, idle for 63 s), 1 more");
        assert_eq!(Blocked::of(&[], true), None);
        let unknown = Blocked::of(&[row(["", "", "", "", "", ""])], false).unwrap();
        assert!(unknown.remedy("then").contains("SHOW FULL PROCESSLIST"));
    }
}
