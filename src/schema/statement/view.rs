//! What a view's text, as a server prints it, refers to; and the text without its own database.
//!
//! A server leaves the session's current database out of a view's text. [`without_own_database`] gives one text whatever
//! that database is. Must never take a database out where something else in the text bears its name.

use super::head;
use super::lexer::{LexMode, Token, TokenKind, tokens};
use std::collections::BTreeSet;

/// A name as it stands in a view, with its database where that is printed.
pub type PrintedName = (Option<String>, String);

/// What a view refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewNames {
    /// Tables and views.
    pub tables: BTreeSet<PrintedName>,
    /// Stored functions.
    pub functions: BTreeSet<PrintedName>,
}

/// Returns the tables, views and stored functions that a view's text refers to.
///
/// # Errors
/// A text that is no CREATE VIEW.
pub fn view_names(text: &str) -> Result<ViewNames, String> {
    let tokens = tokens(text, LexMode::default())?;
    let head = head::head(&tokens)?;
    let query = &tokens[head.body..];
    let common = common_tables(query);
    let mut names = ViewNames::default();
    // For each open parenthesis, whether a SELECT stands in it: FROM of `extract(year from x)` names no table.
    let mut selects = vec![false];
    for (place, token) in query.iter().enumerate() {
        match &token.kind {
            TokenKind::Symbol('(') => selects.push(false),
            TokenKind::Symbol(')') => {
                selects.pop();
            }
            TokenKind::Word => {
                if token.is_word("SELECT")
                    && let Some(last) = selects.last_mut()
                {
                    *last = true;
                }
                let of_query = selects.last() == Some(&true);
                let names_table = (token.is_word("FROM") && of_query)
                    || token.is_word("JOIN")
                    || token.is_word("STRAIGHT_JOIN");
                if names_table && let Some(name) = table_behind(&query[place + 1..]) {
                    let is_common = name.0.is_none() && common.contains(&name.1);
                    if !is_common && !is_sequence(&name) {
                        names.tables.insert(name);
                    }
                }
            }
            TokenKind::Quoted(_) => names.functions.extend(called(query, place, &common)),
            _ => {}
        }
    }
    Ok(names)
}

/// The name behind FROM or JOIN and any opening parentheses.
fn table_behind(rest: &[Token<'_>]) -> Option<PrintedName> {
    let first = rest.iter().position(|token| !token.is_symbol('('))?;
    let rest = &rest[first..];
    let name = |place: usize| match &rest.get(place)?.kind {
        TokenKind::Quoted(name) => Some(name.clone()),
        _ => None,
    };
    let first = name(0)?;
    if rest.get(1).is_some_and(|token| token.is_symbol('.')) {
        return Some((Some(first), name(2)?));
    }
    Some((None, first))
}

/// A quoted name with an argument list is a stored function; the servers' own are printed without quotes.
fn called(query: &[Token<'_>], place: usize, common: &BTreeSet<String>) -> Option<PrintedName> {
    let name = query.get(place)?.name()?;
    let before = place.checked_sub(1).map(|place| &query[place]);
    let is_call = query.get(place + 1)?.is_symbol('(');
    // Behind a parenthesis it is the alias of a derived table, with its columns.
    let is_alias = before.is_some_and(|token| token.is_symbol(')'));
    if !is_call || is_alias || common.contains(name) {
        return None;
    }
    let database = before
        .filter(|token| token.is_symbol('.'))
        .and_then(|_| query.get(place.checked_sub(2)?)?.name())
        .map(str::to_owned);
    Some((database, name.to_owned()))
}

/// The names of common table expressions: `name AS (` or `name (columns) AS (`.
fn common_tables(query: &[Token<'_>]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let starts = query
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0].is_word("AS") && pair[1].is_symbol('('))
        .map(|(place, _)| place);
    for start in starts {
        let before = match start.checked_sub(1) {
            Some(last) if query[last].is_symbol(')') => query[..last]
                .iter()
                .rposition(|token| token.is_symbol('('))
                .and_then(|open| open.checked_sub(1)),
            other => other,
        };
        found.extend(
            before
                .and_then(|place| query[place].name())
                .map(str::to_owned),
        );
    }
    found
}

/// MariaDB's generated tables: `seq_1_to_10`.
fn is_sequence((database, name): &PrintedName) -> bool {
    database.is_none() && name.starts_with("seq_") && name.contains("_to_")
}

/// Returns a view's text without its own database, in front of its name and within, where nothing
/// else bears the database's name and no other database's table the name of an own one; otherwise the text without the
/// one in front of its name.
///
/// # Errors
/// A text that is no CREATE VIEW.
pub fn without_own_database(text: &str, database: &str) -> Result<String, String> {
    let tokens = tokens(text, LexMode::default())?;
    let head = head::head(&tokens)?;
    let names = view_names(text)?;
    let all = || names.tables.iter().chain(&names.functions);
    let is_own = |of: &Option<String>| of.as_deref().is_none_or(|of| of == database);
    // `t`.`a` would mean either of two tables `t`.
    let clashes = all().filter(|(of, _)| !is_own(of)).any(|(_, name)| {
        names
            .tables
            .iter()
            .any(|(of, own)| is_own(of) && own == name)
    });
    let alone = !clashes && all().all(|(_, name)| name != database);
    let spells = |place: usize| tokens[place].kind == TokenKind::Quoted(database.to_owned());
    let is_alias = |place: usize| {
        let before = &tokens[place - 1];
        let dotted = tokens
            .get(place + 1)
            .is_some_and(|token| token.is_symbol('.'));
        !before.is_symbol('.') && !before.is_word("AS") && !dotted
    };
    let places = head.body..tokens.len();
    let certain = alone && !places.clone().any(|place| spells(place) && is_alias(place));
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..head.database_at.start]);
    let mut copied = head.database_at.end;
    for place in places.filter(|place| certain && spells(*place)) {
        let dot = tokens.get(place + 1).filter(|token| token.is_symbol('.'));
        if let Some(dot) = dot.filter(|_| !tokens[place - 1].is_symbol('.')) {
            out.push_str(&text[copied..tokens[place].start]);
            copied = dot.end();
        }
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &BTreeSet<PrintedName>) -> Vec<String> {
        let show = |(database, name): &PrintedName| match database {
            Some(database) => format!("{database}.{name}"),
            None => name.clone(),
        };
        names.iter().map(show).collect()
    }

    #[test]
    fn tables_and_functions_are_found_and_nothing_else() {
        let text = "CREATE VIEW `v` (`x`,`y`) AS with recursive `c` (`n`) as (select 1 AS `1` union all select (`c`.`n` + 1) AS `n+1` from `c`) \
            select `c`.`n` AS `n`,extract(year from `dt`.`d`) AS `extract(year from dt.d)`,`f`(`s`.`z`.`b`),`s`.`g`() \
            from ((`c` join (select now() AS `d`,`s`.`t`.`a` AS `a` from `s`.`t`) `dt`) left join (`s`.`u` `z` join `other`.`w`) on(1)) \
            join (values row(1,2)) `v` (`a1`,`b1`) where exists(select 1 from `s`.`t2` `q` where trim(leading 'x' from `q`.`1`) <> 'from `s`.`no`')";
        let names = view_names(text).unwrap();
        assert_eq!(shown(&names.tables), ["other.w", "s.t", "s.t2", "s.u"]);
        assert_eq!(shown(&names.functions), ["f", "s.g"]);
    }

    #[test]
    fn both_printed_forms_give_one_text() {
        let long = "CREATE VIEW `s`.`v` AS select `s`.`z`.`a` AS `s`,`s`.`f`(1),`z`.`s`,'`s`.x' from `s`.`t` `z`";
        let short = "CREATE VIEW `v` AS select `z`.`a` AS `s`,`f`(1),`z`.`s`,'`s`.x' from `t` `z`";
        assert_eq!(without_own_database(long, "s").as_deref(), Ok(short));
        assert_eq!(without_own_database(short, "s").as_deref(), Ok(short));
    }

    #[test]
    fn other_databases_stay() {
        let text =
            "CREATE VIEW `s`.`v` AS select `s`.`t`.`a`,`o`.`u`.`b` from `s`.`t` join `o`.`u`";
        let short = "CREATE VIEW `v` AS select `t`.`a`,`o`.`u`.`b` from `t` join `o`.`u`";
        assert_eq!(without_own_database(text, "s").as_deref(), Ok(short));
    }

    #[test]
    fn the_database_stays_where_its_name_is_not_its_own() {
        for body in [
            "select `s`.`t`.`a` from `s`.`t` join `other`.`t`",
            "select `s`.`a` from `s`.`t` `s`",
            "select `s`.`s`.`a` from `s`.`s`",
        ] {
            let text = format!("CREATE VIEW `s`.`v` AS {body}");
            let expected = format!("CREATE VIEW `v` AS {body}");
            assert_eq!(without_own_database(&text, "s"), Ok(expected));
        }
    }
}
