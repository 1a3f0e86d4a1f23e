//! Writes an expression as SQL.
//!
//! Must never write anything of a caller's but quoted identifiers and encoded literals; every operation stands in
//! parentheses of its own.

use super::{CastType, Expr, Moment, Node, Operator, Unit};
use crate::schema::ObjectName;
use crate::sql::{ident, qualified, string, write_bytes, write_string};
use std::fmt::Write as _;

impl Expr {
    /// Renders the expression.
    pub fn sql(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Renders the expression behind what is there.
    pub(crate) fn write(&self, out: &mut String) {
        match &self.0 {
            Node::Column(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::InCharset(..)
            | Node::Integer(_)
            | Node::Decimal(_)
            | Node::Double(..)
            | Node::Null
            | Node::Star
            | Node::Moment(..) => self.write_leaf(out),
            Node::Call(function, arguments) => {
                out.push_str(function.name());
                write_list(out, arguments);
            }
            Node::Binary(one, operator, other) => {
                out.push('(');
                one.write(out);
                let _ = write!(out, " {} ", operator.sql());
                other.write(out);
                out.push(')');
            }
            Node::All(conditions) => write_joined(out, conditions, " AND ", "TRUE"),
            Node::Any(conditions) => write_joined(out, conditions, " OR ", "FALSE"),
            Node::Not(inner) => wrapped(out, "(NOT ", inner, ")"),
            Node::In(inner, values) => {
                out.push('(');
                inner.write(out);
                out.push_str(" IN ");
                write_list(out, values);
                out.push(')');
            }
            Node::IsNull(inner) => wrapped(out, "(", inner, " IS NULL)"),
            Node::Cast(inner, target) => {
                out.push_str("CAST(");
                inner.write(out);
                out.push_str(" AS ");
                write_type(out, target);
                out.push(')');
            }
            Node::Convert(inner, charset) => {
                out.push_str("CONVERT(");
                inner.write(out);
                let _ = write!(out, " USING {charset})");
            }
            Node::NoMatch {
                table,
                from,
                columns,
            } => write_no_match(out, table, from, columns),
            Node::AsDouble(inner) => wrapped(out, "(", inner, " * 1e0)"),
            Node::Negative(inner) => wrapped(out, "(- ", inner, ")"),
            Node::LikeEscape(inner, pattern, escape) => {
                out.push('(');
                inner.write(out);
                out.push_str(" LIKE ");
                pattern.write(out);
                let _ = write!(out, " ESCAPE {})", string(&escape.to_string()));
            }
            Node::Between(inner, lowest, highest) => {
                out.push('(');
                inner.write(out);
                out.push_str(" BETWEEN ");
                lowest.write(out);
                out.push_str(" AND ");
                highest.write(out);
                out.push(')');
            }
            Node::Case(value, alternatives, otherwise) => {
                write_case(out, value.as_deref(), alternatives, otherwise.as_deref());
            }
            Node::Moved(inner, amount, unit, back) => {
                out.push_str(if *back { "DATE_SUB(" } else { "DATE_ADD(" });
                inner.write(out);
                out.push_str(", INTERVAL ");
                amount.write(out);
                let _ = write!(out, " {})", unit.sql());
            }
            Node::Distance(unit, from, to) => {
                let _ = write!(out, "TIMESTAMPDIFF({}, ", unit.sql());
                from.write(out);
                out.push_str(", ");
                to.write(out);
                out.push(')');
            }
        }
    }

    /// Writes a column or a literal.
    fn write_leaf(&self, out: &mut String) {
        match &self.0 {
            Node::Column(name) => out.push_str(&ident(name)),
            Node::Text(text) => write_string(out, text),
            Node::Bytes(value) => write_bytes(out, value),
            Node::InCharset(value, charset) => {
                out.push('_');
                out.push_str(charset);
                out.push(' ');
                write_bytes(out, value);
            }
            Node::Integer(value) => {
                let _ = write!(out, "{value}");
            }
            Node::Decimal(text) => out.push_str(text),
            Node::Double(mantissa, exponent) => {
                let _ = write!(out, "{mantissa}e{exponent}");
            }
            Node::Null => out.push_str("NULL"),
            Node::Star => out.push('*'),
            Node::Moment(kind, text) => {
                let _ = write!(out, "{}'{text}'", kind.sql());
            }
            _ => {}
        }
    }
}

impl Operator {
    fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NullSafeEqual => "<=>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::IntegerDivide => "DIV",
            Self::Modulo => "%",
            Self::Like => "LIKE",
            Self::NotEqual => "<>",
            Self::Xor => "XOR",
            Self::Times => "*",
            Self::Divide => "/",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 9] = [
        Self::Microsecond,
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// Returns its name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Microsecond => "MICROSECOND",
            Self::Second => "SECOND",
            Self::Minute => "MINUTE",
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
            Self::Quarter => "QUARTER",
            Self::Year => "YEAR",
        }
    }
}

impl Moment {
    fn sql(self) -> &'static str {
        match self {
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Timestamp => "TIMESTAMP",
        }
    }
}

fn write_type(out: &mut String, target: &CastType) {
    let _ = match target {
        CastType::Binary => write!(out, "BINARY"),
        CastType::Unsigned => write!(out, "UNSIGNED"),
        CastType::Signed => write!(out, "SIGNED"),
        CastType::Char => write!(out, "CHAR CHARACTER SET utf8mb4"),
        CastType::Decimal(precision, scale) => write!(out, "DECIMAL({precision},{scale})"),
        CastType::Datetime(fraction) => write!(out, "DATETIME({fraction})"),
        CastType::Time(fraction) => write!(out, "TIME({fraction})"),
        CastType::Date => write!(out, "DATE"),
        CastType::Chars(length) => write!(out, "CHAR({length}) CHARACTER SET utf8mb4"),
        CastType::Bytes(length) => write!(out, "BINARY({length})"),
    };
}

fn write_case(
    out: &mut String,
    value: Option<&Expr>,
    alternatives: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
) {
    out.push_str("(CASE");
    if let Some(value) = value {
        out.push(' ');
        value.write(out);
    }
    for (when, then) in alternatives {
        out.push_str(" WHEN ");
        when.write(out);
        out.push_str(" THEN ");
        then.write(out);
    }
    if let Some(otherwise) = otherwise {
        out.push_str(" ELSE ");
        otherwise.write(out);
    }
    out.push_str(" END)");
}

/// Writes an anti-join, under an alias of its own for a table that refers to itself.
fn write_no_match(
    out: &mut String,
    table: &ObjectName,
    from: &ObjectName,
    columns: &[(String, String)],
) {
    let _ = write!(
        out,
        "(NOT EXISTS (SELECT 1 FROM {} AS `referred to`",
        qualified(table)
    );
    for (position, (there, here)) in columns.iter().enumerate() {
        let joint = if position == 0 { "WHERE" } else { "AND" };
        let _ = write!(
            out,
            " {joint} `referred to`.{} = {}.{}",
            ident(there),
            qualified(from),
            ident(here)
        );
    }
    out.push_str("))");
}

fn wrapped(out: &mut String, before: &str, inner: &Expr, after: &str) {
    out.push_str(before);
    inner.write(out);
    out.push_str(after);
}

fn write_list(out: &mut String, parts: &[Expr]) {
    out.push('(');
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        part.write(out);
    }
    out.push(')');
}

fn write_joined(out: &mut String, parts: &[Expr], joint: &str, empty: &str) {
    if parts.is_empty() {
        out.push_str(empty);
        return;
    }
    out.push('(');
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            out.push_str(joint);
        }
        part.write(out);
    }
    out.push(')');
}
