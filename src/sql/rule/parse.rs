//! Operators and their precedence, as MySQL and MariaDB have them.
//!
//! Must never build anything but the expressions named here and in `operand`.

use super::lexer::Token;
use super::{Clock, Rule, RuleError};
use crate::sql::expr::{Operator, Unit};
use crate::sql::{Expr, Function};

/// How deep a rule may nest.
const DEEPEST: usize = 60;

pub(super) struct Parser<'a> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    pub(super) clock: Clock<'a>,
    pub(super) moves: bool,
}

pub(super) type Parsed = Result<Expr, RuleError>;

/// Operators of one level, by their sign or word.
type Level = &'static [(&'static str, Operator)];

const COMPARISONS: Level = &[
    ("=", Operator::Equal),
    ("<=>", Operator::NullSafeEqual),
    ("<>", Operator::NotEqual),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
];

/// From the loosest to the tightest.
const ARITHMETIC: [Level; 6] = [
    &[("|", Operator::BitOr)],
    &[("&", Operator::BitAnd)],
    &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[
        ("*", Operator::Times),
        ("/", Operator::Divide),
        ("%", Operator::Modulo),
        ("DIV", Operator::IntegerDivide),
        ("MOD", Operator::Modulo),
    ],
    &[("^", Operator::BitXor)],
];

impl<'a> Parser<'a> {
    pub(super) fn new(tokens: Vec<(Token, usize)>, clock: Clock<'a>) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
            clock,
            moves: false,
        }
    }

    /// Reads the whole text as one expression.
    pub(super) fn rule(mut self) -> Result<Rule, RuleError> {
        let expr = self.expression()?;
        if *self.peek() != Token::End {
            return self.unexpected("an operator or the end");
        }
        let within = [
            Function::JsonUnquote,
            Function::JsonLength,
            Function::JsonValid,
        ];
        if expr.calls_outside(Function::JsonExtract, &within) {
            let place = self.tokens.iter().find(
                |(token, _)| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("JSON_EXTRACT")),
            );
            return Err(RuleError::new(
                place.map_or(1, |(_, position)| *position),
                "found `JSON_EXTRACT` by itself, whose values MySQL and MariaDB compare differently; expected \
                 JSON_UNQUOTE(JSON_EXTRACT(…)), or column->>'$.path'",
            ));
        }
        Ok(Rule {
            expr,
            moves: self.moves,
        })
    }

    pub(super) fn peek(&self) -> &Token {
        // The last token is the end, and nothing moves past it.
        self.tokens
            .get(self.at)
            .map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn second(&self) -> &Token {
        self.tokens
            .get(self.at + 1)
            .map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn position(&self) -> usize {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(1, |(_, position)| *position)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.at += 1;
        }
        token
    }

    pub(super) fn unexpected<T>(&self, expected: &str) -> Result<T, RuleError> {
        Err(RuleError::new(
            self.position(),
            format!("found {}, expected {expected}", self.peek().shown()),
        ))
    }

    /// Takes a sign or a word, if it is next.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let is_next = self.is_next(wanted);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    fn is_next(&self, wanted: &str) -> bool {
        match self.peek() {
            Token::Word(word) => word.eq_ignore_ascii_case(wanted),
            Token::Sign(sign) => *sign == wanted,
            _ => false,
        }
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Result<(), RuleError> {
        if self.take(wanted) {
            Ok(())
        } else {
            self.unexpected(&format!("`{wanted}`"))
        }
    }

    /// Reads what `inner` reads, one level deeper.
    pub(super) fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(RuleError::new(
                self.position(),
                format!("the rule nests deeper than {DEEPEST} levels"),
            ));
        }
        let expr = inner(self)?;
        self.depth -= 1;
        Ok(expr)
    }

    /// Reads an expression.
    pub(super) fn expression(&mut self) -> Parsed {
        self.deeper(|parser| {
            let mut parts = vec![parser.exclusive()?];
            while parser.take("OR") {
                parts.push(parser.exclusive()?);
            }
            Ok(one_or(parts, Expr::any))
        })
    }

    fn exclusive(&mut self) -> Parsed {
        let mut expr = self.conjunction()?;
        while self.take("XOR") {
            expr = expr.binary(Operator::Xor, self.conjunction()?);
        }
        Ok(expr)
    }

    fn conjunction(&mut self) -> Parsed {
        let mut parts = vec![self.negation()?];
        while self.take("AND") || self.take("&&") {
            parts.push(self.negation()?);
        }
        Ok(one_or(parts, Expr::all))
    }

    fn negation(&mut self) -> Parsed {
        if self.take("NOT") {
            return self.deeper(Self::negation).map(Expr::negated);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed {
        let mut expr = self.predicate()?;
        loop {
            if self.take("IS") {
                let negated = self.take("NOT");
                expr = if self.take("NULL") {
                    expr.is_null()
                } else if self.take("TRUE") {
                    // Neither false nor NULL.
                    Expr::call(
                        Function::IfNull,
                        vec![
                            expr.binary(Operator::NotEqual, Expr::integer(0)),
                            Expr::integer(0),
                        ],
                    )
                } else if self.take("FALSE") {
                    Expr::call(
                        Function::IfNull,
                        vec![
                            expr.binary(Operator::Equal, Expr::integer(0)),
                            Expr::integer(0),
                        ],
                    )
                } else {
                    return self.unexpected("NULL, TRUE or FALSE");
                };
                if negated {
                    expr = expr.negated();
                }
            } else if let Some(operator) = self.operator(COMPARISONS) {
                expr = expr.binary(operator, self.predicate()?);
            } else {
                return Ok(expr);
            }
        }
    }

    fn predicate(&mut self) -> Parsed {
        let expr = self.arithmetic(0)?;
        let negated = self.take("NOT");
        let found = if self.take("IN") {
            self.expect("(")?;
            if self.is_next("SELECT") {
                return self.unexpected("values: a rule has no subqueries");
            }
            let values = self.list()?;
            expr.is_in(values)
        } else if self.take("BETWEEN") {
            let lowest = self.arithmetic(0)?;
            self.expect("AND")?;
            expr.between(lowest, self.arithmetic(0)?)
        } else if self.take("LIKE") {
            let pattern = self.arithmetic(0)?;
            if self.take("ESCAPE") {
                let mut characters = match self.peek() {
                    Token::Text(text) => text.chars(),
                    _ => "".chars(),
                };
                match (characters.next(), characters.next()) {
                    (Some(escape), None) if escape != '\\' => {
                        self.next();
                        expr.like_escaped(pattern, escape)
                    }
                    _ => {
                        return self
                            .unexpected("one character in quotes, other than the backslash");
                    }
                }
            } else {
                expr.binary(Operator::Like, pattern)
            }
        } else if negated {
            return self.unexpected("IN, BETWEEN or LIKE");
        } else {
            return Ok(expr);
        };
        Ok(if negated { found.negated() } else { found })
    }

    fn arithmetic(&mut self, level: usize) -> Parsed {
        let Some(operators) = ARITHMETIC.get(level) else {
            return self.unary();
        };
        let mut expr = self.arithmetic(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            let moves =
                matches!(operator, Operator::Plus | Operator::Minus) && self.take("INTERVAL");
            expr = if moves {
                let (amount, unit) = self.interval()?;
                expr.moved(amount, unit, operator == Operator::Minus)
            } else {
                expr.binary(operator, self.arithmetic(level + 1)?)
            };
        }
        Ok(expr)
    }

    /// Reads the number and the unit behind `INTERVAL`.
    pub(super) fn interval(&mut self) -> Result<(Expr, Unit), RuleError> {
        let amount = self.expression()?;
        Ok((amount, self.unit()?))
    }

    pub(super) fn unit(&mut self) -> Result<Unit, RuleError> {
        match Unit::ALL.into_iter().find(|unit| self.is_next(unit.sql())) {
            Some(unit) => {
                self.at += 1;
                Ok(unit)
            }
            None => self
                .unexpected("MICROSECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"),
        }
    }

    fn operator(&mut self, level: Level) -> Option<Operator> {
        let found = level
            .iter()
            .find(|(sign, _)| self.is_next(sign))
            .map(|(_, operator)| *operator);
        if found.is_some() {
            self.at += 1;
        }
        found
    }

    fn unary(&mut self) -> Parsed {
        if self.take("-") {
            return self.deeper(Self::unary).map(Expr::negative);
        }
        if self.take("+") {
            return self.deeper(Self::unary);
        }
        if self.is_next("~") {
            return self.unexpected("a value: the two vendors' `~` differ in signs");
        }
        let operand = self.operand()?;
        if self.take("->>") {
            let Token::Text(path) = self.peek().clone() else {
                return self.unexpected("a path in quotes");
            };
            self.next();
            let found = Expr::call(Function::JsonExtract, vec![operand, Expr::text(&path)]);
            return Ok(Expr::call(Function::JsonUnquote, vec![found]));
        }
        if self.is_next("->") {
            return self.unexpected("`->>`: the two vendors compare JSON differently, text alike");
        }
        Ok(operand)
    }

    /// Reads expressions up to and with the closing parenthesis.
    pub(super) fn list(&mut self) -> Result<Vec<Expr>, RuleError> {
        let mut parts = vec![self.expression()?];
        while self.take(",") {
            parts.push(self.expression()?);
        }
        self.expect(")")?;
        Ok(parts)
    }
}

/// Returns a number literal.
pub(super) fn number(digits: &str, power: Option<i32>, position: usize) -> Parsed {
    let found = match power {
        Some(power) => Expr::double(digits, power),
        None => match digits.parse::<i128>() {
            Ok(number) => Some(Expr::integer(number)),
            Err(_) => Expr::decimal(digits),
        },
    };
    found.ok_or_else(|| RuleError::new(position, "found a number that is none"))
}

fn one_or(mut parts: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        several(parts)
    }
}
