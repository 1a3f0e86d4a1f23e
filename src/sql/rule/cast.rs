//! `CAST` and `CONVERT`.
//!
//! Must never take a type that only one vendor casts to.

use super::RuleError;
use super::lexer::Token;
use super::parse::{Parsed, Parser};
use crate::sql::expr::CastType;

impl Parser<'_> {
    pub(super) fn cast(&mut self) -> Parsed {
        self.open();
        let inner = self.expression()?;
        self.expect("AS")?;
        let target = self.cast_type()?;
        self.expect(")")?;
        Ok(inner.cast(target))
    }

    fn cast_type(&mut self) -> Result<CastType, RuleError> {
        const EXPECTED: &str =
            "SIGNED, UNSIGNED, CHAR, BINARY, DECIMAL(p,s), DATE, DATETIME or TIME";
        let Token::Word(word) = self.peek().clone() else {
            return self.unexpected(EXPECTED);
        };
        let word = word.to_ascii_uppercase();
        if ![
            "SIGNED", "UNSIGNED", "CHAR", "BINARY", "DECIMAL", "DATE", "DATETIME", "TIME",
        ]
        .contains(&word.as_str())
        {
            return self.unexpected(EXPECTED);
        }
        self.next();
        let target = match word.as_str() {
            "SIGNED" => {
                self.take("INTEGER");
                CastType::Signed
            }
            "UNSIGNED" => {
                self.take("INTEGER");
                CastType::Unsigned
            }
            "CHAR" => {
                let length = self.sizes()?.first().copied();
                if self.take("CHARACTER") {
                    self.expect("SET")?;
                    self.expect("utf8mb4")?;
                }
                length.map_or(CastType::Char, CastType::Chars)
            }
            "BINARY" => self
                .sizes()?
                .first()
                .copied()
                .map_or(CastType::Binary, CastType::Bytes),
            "DECIMAL" => {
                let sizes = self.sizes()?;
                let precision = sizes.first().copied().unwrap_or(10);
                let scale = sizes.get(1).copied().unwrap_or(0);
                if !(1..=65).contains(&precision) || scale > 30 || scale > precision {
                    return self
                        .unexpected("DECIMAL(p,s) with p up to 65, s up to 30 and not above p");
                }
                CastType::Decimal(precision, scale)
            }
            "DATE" => CastType::Date,
            "DATETIME" => CastType::Datetime(self.fraction()?),
            _ => CastType::Time(self.fraction()?),
        };
        Ok(target)
    }

    fn fraction(&mut self) -> Result<u32, RuleError> {
        match self.sizes()?.first().copied().unwrap_or(0) {
            fraction @ 0..=6 => Ok(fraction),
            _ => self.unexpected("a fraction of 0 to 6 digits"),
        }
    }

    /// Reads `(n)` or `(n,m)`, if it is next.
    fn sizes(&mut self) -> Result<Vec<u32>, RuleError> {
        let mut sizes = Vec::new();
        if !self.take("(") {
            return Ok(sizes);
        }
        loop {
            let size = match self.peek() {
                Token::Number(digits, None) => digits.parse().ok().filter(|size| *size <= 65_535),
                _ => None,
            };
            let Some(size) = size else {
                return self.unexpected("a length");
            };
            sizes.push(size);
            self.next();
            if sizes.len() == 2 || !self.take(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(sizes)
    }

    pub(super) fn convert(&mut self) -> Parsed {
        self.open();
        let inner = self.expression()?;
        self.expect("USING")?;
        self.expect("utf8mb4")?;
        self.expect(")")?;
        Ok(inner.to_utf8())
    }
}
