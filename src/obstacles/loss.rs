//! Which values of a column another type does not take, as SQL conditions on local's rows.
//!
//! Pure. Must never call a value lost that the new type holds unchanged; what cannot be told by a condition is `None`.

use crate::diff::schema::types::{
    capacity, decimal_range, fraction, integer_range, length, members,
};
use crate::schema::charset;
use crate::schema::table::{Column, TypeClass as T};
use crate::sql::ident;

/// What a changed type does to values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// Holds for values that the server refuses to convert under strict mode.
    pub(super) refused: Option<String>,
    /// Holds for values that the server changes without a word (a fraction cut, blanks taken off).
    pub(super) altered: Option<String>,
}

/// Returns which values of a column are lost in another type; `None` where no condition tells.
pub(super) fn loss(own: &Column, to: &Column) -> Option<Loss> {
    let name = ident(&own.name);
    let (own_class, to_class) = (own.data_type.class()?, to.data_type.class()?);
    let mut refused: Vec<String> = Vec::new();
    let mut altered: Vec<String> = Vec::new();
    match (own_class, to_class) {
        (T::Integer | T::Year | T::Bit, T::Integer) => {
            refused.push(out_of_range(&format!("{name} + 0"), to));
        }
        (T::Decimal | T::Float | T::Double, T::Integer) => {
            refused.push(out_of_range(&format!("ROUND({name})"), to));
            altered.push(format!("{name} <> ROUND({name})"));
        }
        (T::Integer | T::Decimal | T::Float | T::Double, T::Decimal) => {
            let (whole, scale) = decimal_range(&to.data_type)?;
            let rounded = format!("ROUND({name}, {scale})");
            refused.push(too_many_digits(&rounded, whole));
            if to.data_type.unsigned {
                refused.push(format!("{name} < 0"));
            }
            altered.push(format!("{name} <> {rounded}"));
        }
        (T::Bit, T::Bit) => {
            refused.push(format!(
                "{name} + 0 >= {}",
                1_u128 << length(&to.data_type, 1)
            ));
        }
        (T::Text | T::LongText | T::Enum, T::Enum) => {
            refused.push(format!(
                "{name} NOT IN ({})",
                members(&to.data_type).join(", ")
            ));
            refused.extend(unmappable(&name, own, to)?);
        }
        (T::Set, T::Set) => {
            let kept = members(&to.data_type);
            for gone in members(&own.data_type) {
                if !kept.contains(&gone) {
                    refused.push(format!("FIND_IN_SET({gone}, {name}) > 0"));
                }
            }
            refused.extend(unmappable(&name, own, to)?);
        }
        (T::Text | T::LongText | T::Enum | T::Set, T::Text | T::LongText) => {
            refused.extend(too_long(&name, own, to));
            refused.extend(unmappable(&name, own, to)?);
            if to.data_type.base == "char" && own.data_type.base != "char" {
                altered.push(format!(
                    "CHAR_LENGTH(TRIM(TRAILING ' ' FROM {name})) < CHAR_LENGTH({name})"
                ));
            }
        }
        (T::Integer | T::Decimal | T::Year | T::Temporal | T::Timestamp, T::Text | T::LongText) => {
            let limit = capacity(to)?.characters;
            refused.push(format!("CHAR_LENGTH({name}) > {limit}"));
        }
        (T::Text | T::LongText | T::Binary | T::Blob, T::Binary | T::Blob)
            if to.data_type.base != "vector" =>
        {
            let limit = capacity(to)?.bytes;
            refused.push(format!("LENGTH({name}) > {limit}"));
            if to.data_type.base == "binary" {
                altered.push(format!("LENGTH({name}) < {limit}"));
            }
        }
        (T::Text | T::LongText, T::Integer) => {
            refused.push(format!("NOT ({name} REGEXP '{NUMBER}')"));
            let number = format!("ROUND(CAST({name} AS DECIMAL(65,10)))");
            refused.push(out_of_range(&number, to));
            altered.push(format!("CAST({name} AS DECIMAL(65,10)) <> {number}"));
        }
        (T::Text | T::LongText, T::Decimal) => {
            let (whole, scale) = decimal_range(&to.data_type)?;
            let number = format!("CAST({name} AS DECIMAL(65,{scale}))");
            refused.push(format!("NOT ({name} REGEXP '{NUMBER}')"));
            refused.push(too_many_digits(&number, whole));
            if to.data_type.unsigned {
                refused.push(format!("{number} < 0"));
            }
            altered.push(format!("CAST({name} AS DECIMAL(65,30)) <> {number}"));
        }
        (T::Text | T::LongText, T::Float | T::Double) => {
            refused.push(format!("NOT ({name} REGEXP '{NUMBER}')"));
        }
        (T::Text | T::LongText, T::Temporal | T::Timestamp) if to.data_type.base != "time" => {
            refused.push(format!(
                "CAST({name} AS DATETIME(6)) IS NULL AND {name} IS NOT NULL"
            ));
        }
        (T::Text | T::LongText, T::Json) => refused.push(format!("NOT JSON_VALID({name})")),
        (T::Temporal | T::Timestamp, T::Temporal | T::Timestamp) => {
            temporal(&name, own, to, &mut refused, &mut altered)?;
        }
        _ => return None,
    }
    Some(Loss {
        refused: any(&refused),
        altered: any(&altered),
    })
}

/// What the servers read as a number throughout.
const NUMBER: &str = "^[ ]*[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?[ ]*$";

fn any(conditions: &[String]) -> Option<String> {
    (!conditions.is_empty()).then(|| format!("({})", conditions.join(") OR (")))
}

fn out_of_range(number: &str, to: &Column) -> String {
    let (low, high) = integer_range(&to.data_type);
    format!("{number} NOT BETWEEN {low} AND {high}")
}

fn too_many_digits(number: &str, whole: u64) -> String {
    let limit = "0".repeat(usize::try_from(whole).unwrap_or(65).min(65));
    format!("ABS({number}) >= 1{limit}")
}

fn too_long(name: &str, own: &Column, to: &Column) -> Option<String> {
    let limit = capacity(to)?;
    Some(
        if matches!(to.data_type.base.as_str(), "char" | "varchar") {
            format!("CHAR_LENGTH({name}) > {}", limit.characters)
        } else {
            let bytes = match (word(own), word(to)) {
                (Some(own), Some(to)) if own != to => format!("CONVERT({name} USING {to})"),
                _ => name.to_owned(),
            };
            format!("LENGTH({bytes}) > {}", limit.bytes)
        },
    )
}

/// Characters that the other set does not have: they do not come back. `None` where that cannot be told.
fn unmappable(name: &str, own: &Column, to: &Column) -> Option<Vec<String>> {
    let (own, to) = (word(own)?, word(to)?);
    if charset::widens(own, to) {
        return Some(Vec::new());
    }
    if own == "binary" {
        return None;
    }
    Some(vec![format!(
        "CAST(CONVERT(CONVERT({name} USING {to}) USING utf8mb4) AS BINARY) <> \
         CAST(CONVERT({name} USING utf8mb4) AS BINARY)"
    )])
}

/// A column's character set, where its name is a plain word.
fn word(column: &Column) -> Option<&str> {
    column.charset.as_deref().filter(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn temporal(
    name: &str,
    own: &Column,
    to: &Column,
    refused: &mut Vec<String>,
    altered: &mut Vec<String>,
) -> Option<()> {
    let (from, into) = (own.data_type.base.as_str(), to.data_type.base.as_str());
    if (from == "time") != (into == "time") {
        return None;
    }
    if into == "date" && from != "date" {
        altered.push(format!("TIME({name}) <> '00:00:00'"));
    } else if from != "date" && fraction(&own.data_type) > fraction(&to.data_type) {
        let cut = 10_u32.pow(6_u32.saturating_sub(u32::try_from(fraction(&to.data_type)).ok()?));
        altered.push(format!("MICROSECOND({name}) % {cut} <> 0"));
    }
    if into == "timestamp" && from != "timestamp" {
        refused.push(format!(
            "{name} <> '0000-00-00 00:00:00' AND \
             ({name} < '1970-01-01 00:00:01' OR {name} >= '2038-01-19 03:14:08')"
        ));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn column(definition: &str) -> Column {
        let text = format!(
            "CREATE TABLE `t` (\n  `c` {definition}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        );
        parse::table(&text).unwrap().columns[0].clone()
    }

    fn shown(own: &str, to: &str) -> String {
        match loss(&column(own), &column(to)) {
            None => "not to be told".to_owned(),
            Some(loss) => format!(
                "refused: {}; altered: {}",
                loss.refused.as_deref().unwrap_or("-"),
                loss.altered.as_deref().unwrap_or("-")
            ),
        }
    }

    #[test]
    fn conditions_by_type() {
        insta::assert_snapshot!(shown("int", "tinyint unsigned"), @"refused: (`c` + 0 NOT BETWEEN 0 AND 255); altered: -");
        insta::assert_snapshot!(shown("decimal(10,2)", "decimal(4,1) unsigned"), @"refused: (ABS(ROUND(`c`, 1)) >= 1000) OR (`c` < 0); altered: (`c` <> ROUND(`c`, 1))");
        insta::assert_snapshot!(shown("varchar(9)", "varchar(5)"), @"refused: (CHAR_LENGTH(`c`) > 5); altered: -");
        insta::assert_snapshot!(shown("text", "varchar(5) CHARACTER SET latin1"), @"refused: (CHAR_LENGTH(`c`) > 5) OR (CAST(CONVERT(CONVERT(`c` USING latin1) USING utf8mb4) AS BINARY) <> CAST(CONVERT(`c` USING utf8mb4) AS BINARY)); altered: -");
        insta::assert_snapshot!(shown("enum('a','b')", "enum('a','c')"), @"refused: (`c` NOT IN ('a', 'c')); altered: -");
        insta::assert_snapshot!(shown("set('a','b')", "set('a')"), @"refused: (FIND_IN_SET('b', `c`) > 0); altered: -");
        insta::assert_snapshot!(shown("datetime(6)", "timestamp(3)"), @"refused: (`c` <> '0000-00-00 00:00:00' AND (`c` < '1970-01-01 00:00:01' OR `c` >= '2038-01-19 03:14:08')); altered: (MICROSECOND(`c`) % 1000 <> 0)");
        insta::assert_snapshot!(shown("datetime", "date"), @"refused: -; altered: (TIME(`c`) <> '00:00:00')");
        insta::assert_snapshot!(shown("varchar(9)", "char(9)"), @"refused: (CHAR_LENGTH(`c`) > 9); altered: (CHAR_LENGTH(TRIM(TRAILING ' ' FROM `c`)) < CHAR_LENGTH(`c`))");
        insta::assert_snapshot!(shown("blob", "binary(4)"), @"refused: (LENGTH(`c`) > 4); altered: (LENGTH(`c`) < 4)");
        insta::assert_snapshot!(shown("varchar(9)", "int"), @"refused: (NOT (`c` REGEXP '^[ ]*[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?[ ]*$')) OR (ROUND(CAST(`c` AS DECIMAL(65,10))) NOT BETWEEN -2147483648 AND 2147483647); altered: (CAST(`c` AS DECIMAL(65,10)) <> ROUND(CAST(`c` AS DECIMAL(65,10))))");
        insta::assert_snapshot!(shown("time", "datetime"), @"not to be told");
        insta::assert_snapshot!(shown("point", "polygon"), @"not to be told");
    }
}
