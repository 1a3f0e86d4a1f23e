//! What an account may do, from `SHOW GRANTS`: what it can see of a schema, and what goes beyond reading.
//!
//! Pure. Must never take a line that it cannot read for harmless, and must never hand out a password hash: MariaDB
//! prints one in `SHOW GRANTS`.

use crate::schema::statement::{LexMode, Token, TokenKind, tokens};
use crate::schema::{ObjectKind, Vendor};
use std::collections::{BTreeMap, BTreeSet};

/// Privileges that only read. TRIGGER and EVENT stand in [`REVEALING`].
const READING: [&str; 11] = [
    "USAGE",
    "SELECT",
    "SHOW VIEW",
    "SHOW DATABASES",
    "SHOW_ROUTINE",
    "SHOW CREATE ROUTINE",
    "PROCESS",
    "REPLICATION CLIENT",
    "BINLOG MONITOR",
    "SLAVE MONITOR",
    "REPLICA MONITOR",
];

/// Privileges needed to see triggers and events, which permit to create them as well.
const REVEALING: [&str; 2] = ["TRIGGER", "EVENT"];

/// Privileges beyond reading that change no row and no object by themselves, and that a read-only session keeps from
/// doing more: worth a warning, not a refusal.
const HARMLESS_IN_A_READ_ONLY_SESSION: [&str; 6] = [
    "EXECUTE",
    "LOCK TABLES",
    "CREATE TEMPORARY TABLES",
    "RELOAD",
    "REPLICATION SLAVE",
    "BACKUP_ADMIN",
];

/// What an account may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    grants: Vec<Grant>,
    /// Lines that could not be read, without passwords.
    unread: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    privileges: BTreeSet<String>,
    scope: Scope,
    /// A partial revoke of MySQL: takes away what a wider grant gives.
    revoked: bool,
    to_public: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Global,
    /// A pattern of LIKE over database names.
    Database(String),
    /// One table, view or routine.
    Object(String, String),
}

impl Grants {
    /// Reads the lines of `SHOW GRANTS`.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grants = Self::default();
        for line in lines {
            match parse_line(line) {
                Some(Line::Grant(grant)) => grants.grants.push(grant),
                Some(Line::Role) => {}
                None => grants.unread.push(redacted(line)),
            }
        }
        grants
    }

    /// Returns what the account could do beyond reading, as `INSERT, UPDATE on shop.*`; empty for a reading account.
    ///
    /// MariaDB's default grants to everyone on the databases `test` and `test_…` are left out. Roles that are granted
    /// but not active count for nothing: the sessions never set a role.
    pub fn beyond_reading(&self) -> Vec<String> {
        let grants = self.grants.iter().filter(|grant| !grant.is_default_test());
        let mut found: Vec<String> = grants
            .filter_map(|grant| {
                grant.named(|privilege| {
                    !READING.contains(&privilege) && !REVEALING.contains(&privilege)
                })
            })
            .collect();
        found.extend(
            self.unread
                .iter()
                .map(|line| format!("a grant that driftwarden cannot read: {line}")),
        );
        found
    }

    /// Returns what of [`Grants::beyond_reading`] could change production.
    pub fn writing(&self) -> Vec<String> {
        let grants = self.grants.iter().filter(|grant| !grant.is_default_test());
        grants
            .filter_map(|grant| {
                grant.named(|privilege| {
                    !READING.contains(&privilege)
                        && !REVEALING.contains(&privilege)
                        && !HARMLESS_IN_A_READ_ONLY_SESSION.contains(&privilege)
                })
            })
            .chain(
                self.unread
                    .iter()
                    .map(|line| format!("a grant that driftwarden cannot read: {line}")),
            )
            .collect()
    }

    /// Returns the grants of TRIGGER and EVENT, which show those objects and permit to create them as well.
    pub fn revealing(&self) -> Vec<String> {
        let grants = self.grants.iter().filter(|grant| !grant.is_default_test());
        grants
            .filter_map(|grant| grant.named(|privilege| REVEALING.contains(&privilege)))
            .collect()
    }

    /// Returns the kinds of objects of a database that the account may not see all of, with the reason.
    pub fn unknown(&self, vendor: Vendor, database: &str) -> BTreeMap<ObjectKind, String> {
        let mut unknown = BTreeMap::new();
        if let Some(reason) = self.tables_unknown(database) {
            unknown.insert(ObjectKind::View, reason);
        }
        for (kind, privilege) in [
            (ObjectKind::Trigger, "TRIGGER"),
            (ObjectKind::Event, "EVENT"),
        ] {
            if !self.covers(database, privilege) {
                unknown.insert(
                    kind,
                    format!(
                        "the account lacks {privilege} on {database}.*, without which the server hides its {kind}s: \
                         GRANT {privilege} ON {database}.*"
                    ),
                );
            }
        }
        let sees_routines = ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE"]
            .iter()
            .any(|privilege| self.covers(database, privilege))
            || self.covers(database, "SHOW CREATE ROUTINE")
            || self.everywhere("SHOW_ROUTINE")
            || match vendor {
                Vendor::MySql => self.everywhere("SELECT"),
                Vendor::MariaDb => self.covers("mysql", "SELECT") || self.reads("mysql", "proc"),
            };
        if !sees_routines {
            let remedy = match vendor {
                Vendor::MySql => "GRANT SHOW_ROUTINE ON *.*",
                Vendor::MariaDb => "GRANT SELECT ON mysql.proc",
            };
            for kind in [ObjectKind::Procedure, ObjectKind::Function] {
                unknown.insert(
                    kind,
                    format!("the account may not see every {kind} of {database}: {remedy}"),
                );
            }
        }
        unknown
    }

    /// Returns why the account may not see every table and view of a database; `None` where it sees all.
    pub fn tables_unknown(&self, database: &str) -> Option<String> {
        (!self.covers(database, "SELECT")).then(|| {
            format!(
                "the account has no SELECT on all of {database}.*, and the server hides tables and views from it: \
                 GRANT SELECT ON {database}.*"
            )
        })
    }

    /// Whether the privilege holds for all of a database.
    fn covers(&self, database: &str, privilege: &str) -> bool {
        let revoked = self.grants.iter().any(|grant| {
            grant.revoked
                && grant.holds(privilege)
                && matches!(&grant.scope, Scope::Database(name) if unescaped(name) == database)
        });
        self.grants.iter().any(|grant| {
            !grant.revoked
                && grant.holds(privilege)
                && match &grant.scope {
                    Scope::Global => !revoked,
                    Scope::Database(pattern) => matches_pattern(pattern, database),
                    Scope::Object(..) => false,
                }
        })
    }

    fn everywhere(&self, privilege: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| !grant.revoked && grant.scope == Scope::Global && grant.holds(privilege))
    }

    fn reads(&self, database: &str, table: &str) -> bool {
        let scope = Scope::Object(database.to_owned(), table.to_owned());
        self.grants
            .iter()
            .any(|grant| !grant.revoked && grant.scope == scope && grant.holds("SELECT"))
    }
}

impl Grant {
    fn holds(&self, privilege: &str) -> bool {
        self.privileges.contains(privilege) || self.privileges.contains("ALL PRIVILEGES")
    }

    /// The privileges that a test picks, and where they hold.
    fn named(&self, pick: impl Fn(&str) -> bool) -> Option<String> {
        let picked: Vec<&str> = self
            .privileges
            .iter()
            .map(String::as_str)
            .filter(|privilege| !self.revoked && pick(privilege))
            .collect();
        let place = match &self.scope {
            Scope::Global => "*.*".to_owned(),
            Scope::Database(pattern) => format!("{pattern}.*"),
            Scope::Object(database, name) => format!("{database}.{name}"),
        };
        (!picked.is_empty()).then(|| format!("{} on {place}", picked.join(", ")))
    }

    fn is_default_test(&self) -> bool {
        self.to_public
            && matches!(&self.scope, Scope::Database(pattern) if pattern == "test" || pattern == "test\\_%")
    }
}

enum Line {
    Grant(Grant),
    /// A role that is granted; what it gives stands in lines of its own while it is active.
    Role,
}

fn parse_line(line: &str) -> Option<Line> {
    let tokens = tokens(line, LexMode::default()).ok()?;
    let revoked = match tokens.first()? {
        token if token.is_word("GRANT") => false,
        token if token.is_word("REVOKE") => true,
        _ => return None,
    };
    let on = tokens.iter().position(|token| token.is_word("ON"));
    let to = tokens
        .iter()
        .position(|token| token.is_word("TO") || token.is_word("FROM"))?;
    let Some(on) = on.filter(|on| *on < to) else {
        let quoted = matches!(tokens.get(1)?.kind, TokenKind::Quoted(_));
        return quoted.then_some(Line::Role);
    };
    let mut privileges = privileges(&tokens[1..on])?;
    if privileges.contains("PROXY") {
        return Some(Line::Grant(Grant {
            privileges,
            scope: Scope::Global,
            revoked,
            to_public: false,
        }));
    }
    let rest = &tokens[to + 1..];
    let grant_option = rest
        .windows(2)
        .any(|pair| pair[0].is_word("GRANT") && pair[1].is_word("OPTION"));
    if grant_option {
        privileges.insert("GRANT OPTION".to_owned());
    }
    Some(Line::Grant(Grant {
        privileges,
        scope: scope(&tokens[on + 1..to])?,
        revoked,
        to_public: rest.first().is_some_and(|token| token.is_word("PUBLIC")),
    }))
}

/// `SELECT, SHOW VIEW`; a privilege on single columns (`SELECT (a, b)`) is named `SELECT (columns)`.
fn privileges(tokens: &[Token<'_>]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut words: Vec<String> = Vec::new();
    let mut in_columns = false;
    for token in tokens {
        match &token.kind {
            TokenKind::Symbol('(') => in_columns = true,
            TokenKind::Symbol(')') => {
                in_columns = false;
                words.push("(columns)".to_owned());
            }
            _ if in_columns => {}
            TokenKind::Symbol(',') => {
                found.insert(std::mem::take(&mut words).join(" "));
            }
            TokenKind::Word => words.push(token.text.to_uppercase()),
            _ => return None,
        }
    }
    found.insert(words.join(" "));
    // Reading single columns is reading; it does not show a whole table.
    if found.remove("SELECT (columns)") {
        found.insert("USAGE".to_owned());
    }
    Some(found)
}

fn scope(tokens: &[Token<'_>]) -> Option<Scope> {
    let tokens = match tokens.first()? {
        first
            if ["TABLE", "FUNCTION", "PROCEDURE", "PACKAGE"]
                .iter()
                .any(|word| first.is_word(word)) =>
        {
            let package = usize::from(tokens.get(1).is_some_and(|token| token.is_word("BODY")));
            &tokens[1 + package..]
        }
        _ => tokens,
    };
    let [database, dot, object] = tokens else {
        return None;
    };
    if !dot.is_symbol('.') {
        return None;
    }
    if database.is_symbol('*') && object.is_symbol('*') {
        return Some(Scope::Global);
    }
    let database = database.name()?.to_owned();
    if object.is_symbol('*') {
        return Some(Scope::Database(database));
    }
    Some(Scope::Object(database, object.name()?.to_owned()))
}

/// The pattern without its escapes.
fn unescaped(pattern: &str) -> String {
    let mut out = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    out
}

/// `LIKE` as grants use it: `%` any text, `_` any character, `\` makes the next one ordinary.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['%', rest @ ..] => (0..=name.len()).any(|skip| matches_from(rest, &name[skip..])),
        ['_', rest @ ..] => !name.is_empty() && matches_from(rest, &name[1..]),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            name.first() == Some(literal) && matches_from(rest, &name[1..])
        }
    }
}

/// Returns a line of `SHOW GRANTS` without the passwords and hashes in it.
pub fn redacted(line: &str) -> String {
    let Ok(tokens) = tokens(line, LexMode::default()) else {
        return "(a line that cannot be read)".to_owned();
    };
    let mut out = String::new();
    let mut copied = 0;
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Text) {
        out.push_str(&line[copied..token.start]);
        out.push_str("'…'");
        copied = token.end();
    }
    out.push_str(&line[copied..]);
    out
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;
