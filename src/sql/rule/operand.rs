//! What operators stand between: columns, literals, calls, CASE, CAST.
//!
//! Must never call what is not on the list of `Function`.

use super::lexer::Token;
use super::parse::{Parsed, Parser, number};
use super::{Clock, RuleError};
use crate::nearest::nearest;
use crate::sql::expr::Moment;
use crate::sql::{Expr, Function};

/// Words that are no columns unless they stand in backticks.
const RESERVED: [&str; 66] = [
    "AND",
    "OR",
    "XOR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "DIV",
    "MOD",
    "INTERVAL",
    "AS",
    "ESCAPE",
    "SELECT",
    "FROM",
    "WHERE",
    "INTO",
    "FOR",
    "LOCK",
    "UNION",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "JOIN",
    "ON",
    "USING",
    "EXISTS",
    "DISTINCT",
    "ALL",
    "ANY",
    "SOME",
    "OVER",
    "WITH",
    "TABLE",
    "VALUES",
    "INSERT",
    "UPDATE",
    "DELETE",
    "DROP",
    "ALTER",
    "CREATE",
    "SET",
    "CALL",
    "BINARY",
    "COLLATE",
    "REGEXP",
    "RLIKE",
    "MATCH",
    "AGAINST",
    "PROCEDURE",
    "OUTFILE",
    "DUMPFILE",
    "DEFAULT",
    "ROW",
    "SOUNDS",
    "MEMBER",
    "UNKNOWN",
    "EXCEPT",
    "INTERSECT",
    "RETURNING",
];

/// Names of the time, with or without parentheses, and whether they are a date alone.
const TIMES: [(&str, bool, bool); 12] = [
    ("NOW", true, false),
    ("CURRENT_TIMESTAMP", false, false),
    ("LOCALTIME", false, false),
    ("LOCALTIMESTAMP", false, false),
    ("UTC_TIMESTAMP", false, false),
    ("SYSDATE", true, false),
    ("CURDATE", true, true),
    ("CURRENT_DATE", false, true),
    ("UTC_DATE", false, true),
    ("CURTIME", true, false),
    ("CURRENT_TIME", false, false),
    ("UTC_TIME", false, false),
];

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Parsed {
        let position = self.position();
        match self.peek().clone() {
            Token::Number(digits, power) => {
                self.next();
                number(&digits, power, position)
            }
            Token::Text(text) => {
                self.next();
                Ok(Expr::text(&text))
            }
            Token::Bytes(bytes) => {
                self.next();
                Ok(Expr::bytes(&bytes))
            }
            Token::Name(name) => {
                self.next();
                self.column(&name)
            }
            Token::Sign("(") => {
                self.next();
                let inner = self.expression()?;
                if *self.peek() == Token::Sign(",") {
                    return self.unexpected("`)`: rows of values are no part of a rule");
                }
                self.expect(")")?;
                Ok(inner)
            }
            Token::Word(word) => self.word(&word, position),
            Token::Sign(_) | Token::End => {
                self.unexpected("a column, a literal, a function or a parenthesis")
            }
        }
    }

    fn column(&self, name: &str) -> Parsed {
        if *self.peek() == Token::Sign(".") {
            return self.unexpected(&format!(
                "nothing: a rule names the columns of its own table, without a table or database in front of them \
                 (`{name}`)"
            ));
        }
        Ok(Expr::column(name))
    }

    fn word(&mut self, word: &str, position: usize) -> Parsed {
        let upper = word.to_ascii_uppercase();
        let calls = *self.second() == Token::Sign("(");
        if let Some((_, parenthesised, is_date)) = TIMES.iter().find(|(name, ..)| *name == upper)
            && (calls || !parenthesised)
        {
            return self.time(&upper, *is_date, position);
        }
        match upper.as_str() {
            "NULL" => Ok(self.literal(Expr::null())),
            "TRUE" => Ok(self.literal(Expr::all(Vec::new()))),
            "FALSE" => Ok(self.literal(Expr::any(Vec::new()))),
            "CASE" => self.case(),
            "CAST" if calls => self.cast(),
            "CONVERT" if calls => self.convert(),
            "DATE_ADD" | "DATE_SUB" | "ADDDATE" | "SUBDATE" if calls => {
                self.moved(upper.ends_with("SUB") || upper.starts_with("SUB"))
            }
            "TIMESTAMPDIFF" if calls => self.distance(),
            "DATE" | "TIME" | "TIMESTAMP" if matches!(self.second(), Token::Text(_)) => {
                self.moment(&upper)
            }
            "_UTF8MB4" if matches!(self.second(), Token::Bytes(_)) => self.utf8(),
            _ if calls => self.call(word, position),
            _ if RESERVED.contains(&upper.as_str()) => self.unexpected(
                "a column, a literal, a function or a parenthesis (a column of that name goes in backticks)",
            ),
            _ => {
                self.next();
                self.column(word)
            }
        }
    }

    /// Steps over a word that stands for a literal.
    fn literal(&mut self, expr: Expr) -> Expr {
        self.next();
        expr
    }

    fn utf8(&mut self) -> Parsed {
        self.next();
        if let Token::Bytes(bytes) = self.peek().clone()
            && let Ok(text) = String::from_utf8(bytes)
        {
            self.next();
            return Ok(Expr::text(&text));
        }
        self.unexpected("UTF-8 in hexadecimal")
    }

    /// The time: a constant of the plan.
    fn time(&mut self, name: &str, is_date: bool, position: usize) -> Parsed {
        let Clock::At(now) = self.clock else {
            return Err(RuleError::new(
                position,
                format!("found `{name}`: a mask must give the same value every time"),
            ));
        };
        if name == "SYSDATE" || name.ends_with("TIME") && name != "LOCALTIME" {
            return Err(RuleError::new(
                position,
                format!("found `{name}`, expected NOW() or CURRENT_DATE"),
            ));
        }
        self.next();
        let mut digits = 0;
        if self.take("(") {
            if let Token::Number(number, None) = self.peek().clone() {
                digits = number.parse().unwrap_or(7);
                if is_date || digits > 6 {
                    return self.unexpected("`)`");
                }
                self.next();
            }
            self.expect(")")?;
        }
        self.moves = true;
        let (kind, length) = match (is_date, digits) {
            (true, _) => (Moment::Date, 10),
            (false, 0) => (Moment::Timestamp, 19),
            (false, digits) => (Moment::Timestamp, 20 + digits),
        };
        now.get(..length)
            .and_then(|text| Expr::moment(kind, text))
            .ok_or_else(|| RuleError::new(position, "the server's time cannot be read"))
    }

    fn moment(&mut self, word: &str) -> Parsed {
        self.next();
        let Token::Text(text) = self.peek().clone() else {
            return self.unexpected("a date in quotes");
        };
        let kind = match word {
            "DATE" => Moment::Date,
            "TIME" => Moment::Time,
            _ => Moment::Timestamp,
        };
        match Expr::moment(kind, &text).filter(|_| is_moment(kind, &text)) {
            Some(expr) => Ok(self.literal(expr)),
            None => self.unexpected(match kind {
                Moment::Date => "a date as '2025-01-31'",
                Moment::Time => "a time as '13:45:00'",
                Moment::Timestamp => "a date and time as '2025-01-31 13:45:00'",
            }),
        }
    }

    fn case(&mut self) -> Parsed {
        self.next();
        let value = if self.take("WHEN") {
            None
        } else {
            let value = self.expression()?;
            self.expect("WHEN")?;
            Some(value)
        };
        let mut alternatives = Vec::new();
        loop {
            let when = self.expression()?;
            self.expect("THEN")?;
            alternatives.push((when, self.expression()?));
            if !self.take("WHEN") {
                break;
            }
        }
        let otherwise = if self.take("ELSE") {
            Some(self.expression()?)
        } else {
            None
        };
        self.expect("END")?;
        Ok(Expr::case(value, alternatives, otherwise))
    }

    /// Steps over a function's name and its opening parenthesis.
    pub(super) fn open(&mut self) {
        self.next();
        self.next();
    }

    fn moved(&mut self, back: bool) -> Parsed {
        self.open();
        let inner = self.expression()?;
        self.expect(",")?;
        self.expect("INTERVAL")?;
        let (amount, unit) = self.interval()?;
        self.expect(")")?;
        Ok(inner.moved(amount, unit, back))
    }

    fn distance(&mut self) -> Parsed {
        self.open();
        let unit = self.unit()?;
        self.expect(",")?;
        let from = self.expression()?;
        self.expect(",")?;
        let to = self.expression()?;
        self.expect(")")?;
        Ok(Expr::distance(unit, from, to))
    }

    fn call(&mut self, word: &str, position: usize) -> Parsed {
        let Some(function) = Function::for_rules(word) else {
            return Err(RuleError::new(position, unknown_function(word)));
        };
        self.open();
        let arguments = self.list()?;
        let (least, most) = function.in_rules().unwrap_or((0, 0));
        if !(least..=most).contains(&arguments.len()) {
            let expected = if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            };
            return Err(RuleError::new(
                position,
                format!(
                    "found {} with {} arguments, expected {expected}",
                    function.name(),
                    arguments.len()
                ),
            ));
        }
        Ok(Expr::call(function, arguments))
    }
}

fn unknown_function(word: &str) -> String {
    let upper = word.to_ascii_uppercase();
    let why = match upper.as_str() {
        "MD5" | "SHA1" | "SHA" => ", which MySQL 9 no longer has; expected SHA2(x, 256)",
        "RAND" | "UUID" | "UUID_SHORT" | "RANDOM_BYTES" | "CONNECTION_ID" | "LAST_INSERT_ID"
        | "USER" | "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER" | "DATABASE" | "SCHEMA"
        | "VERSION" => ", which does not give the same for the same row every time",
        "SLEEP" | "BENCHMARK" | "GET_LOCK" | "RELEASE_LOCK" | "LOAD_FILE" | "NEXTVAL"
        | "SETVAL" => ", which does more than compute a value",
        "SELECT" | "EXISTS" => ": a rule has no subqueries",
        "COUNT" | "SUM" | "MIN" | "MAX" | "AVG" | "GROUP_CONCAT" => {
            ": a rule looks at one row at a time"
        }
        "IN" | "AND" | "OR" | "NOT" | "LIKE" | "BETWEEN" => " without a value in front of it",
        _ => "",
    };
    if !why.is_empty() {
        return format!("found `{word}`{why}");
    }
    match nearest(word, Function::names_for_rules()) {
        Some(meant) => {
            format!("found the function `{word}`, which rules may not call; did you mean {meant}?")
        }
        None => format!(
            "found the function `{word}`, which rules may not call; they may call {}, DATE_ADD, DATE_SUB, \
             TIMESTAMPDIFF and CAST",
            Function::names_for_rules().collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Whether a text is a date or time that both servers take.
fn is_moment(kind: Moment, text: &str) -> bool {
    let date = time::macros::format_description!("[year]-[month]-[day]");
    let is_date = |text: &str| time::Date::parse(text, date).is_ok();
    let is_time = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let clock = time::macros::format_description!("[hour]:[minute]:[second]");
        time::Time::parse(whole, clock).is_ok()
            && (1..=6).contains(&fraction.len())
            && fraction.bytes().all(|digit| digit.is_ascii_digit())
    };
    match kind {
        Moment::Date => is_date(text),
        Moment::Time => is_time(text),
        Moment::Timestamp => text
            .split_once(' ')
            .is_some_and(|(date, time)| is_date(date) && is_time(time)),
    }
}
