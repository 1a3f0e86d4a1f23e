//! A table of one vendor in the other vendor's words.
//!
//! Only what both hold is reworded, and always the same way, so that a second plan finds nothing. What the other vendor
//! cannot hold stays as it is written: the server then refuses it by name, and the table becomes unsupported. Must never
//! drop anything.

mod expression;

pub(crate) use expression::for_mariadb;

use super::Vendor;
use super::table::{Table, TypeClass};

/// Rewords a table of the other vendor for this one.
pub fn reword(table: &mut Table, vendor: Vendor) {
    if let Some(collation) = table.options.get_mut("COLLATE") {
        *collation = self::collation(collation, vendor);
    }
    if vendor == Vendor::MariaDb {
        reword_expressions(table);
    }
    let name = table.name.clone();
    for column in &mut table.columns {
        if let Some(collation) = &mut column.collation {
            *collation = self::collation(collation, vendor);
        }
        match vendor {
            Vendor::MariaDb => {
                // MariaDB has no NOT NULL for generated columns.
                if column.generated.is_some() {
                    column.nullable = true;
                }
            }
            Vendor::MySql => {
                let no_literal = matches!(
                    column.data_type.class(),
                    Some(
                        TypeClass::LongText
                            | TypeClass::Blob
                            | TypeClass::Json
                            | TypeClass::Geometry
                    )
                );
                if let Some(default) = &mut column.default
                    && !default.starts_with('(')
                    && (is_call(default) || (no_literal && default != "NULL"))
                {
                    *default = format!("({default})");
                }
            }
        }
    }
    for option in table
        .indexes
        .iter_mut()
        .flat_map(|index| &mut index.options)
    {
        match (vendor, option.as_str()) {
            (Vendor::MariaDb, "INVISIBLE") => "IGNORED".clone_into(option),
            (Vendor::MySql, "IGNORED") => "INVISIBLE".clone_into(option),
            _ => {}
        }
    }
    if vendor == Vendor::MySql {
        for check in &mut table.checks {
            // MariaDB's own names are unique in a table, MySQL's in a database.
            if let Some(number) = check.name.strip_prefix("CONSTRAINT_") {
                check.name = format!("{name}_chk_{number}");
            }
        }
    }
}

fn reword_expressions(table: &mut Table) {
    for column in &mut table.columns {
        if let Some(generated) = &mut column.generated {
            generated.expression = for_mariadb(&generated.expression);
        }
        if let Some(default) = &mut column.default
            && default.starts_with('(')
        {
            *default = for_mariadb(default);
        }
    }
    for check in &mut table.checks {
        check.expression = for_mariadb(&check.expression);
    }
}

/// Returns a collation in a vendor's words: the same rules of the same Unicode family, under the name that it has there.
pub fn collation(name: &str, vendor: Vendor) -> String {
    let known = match vendor {
        Vendor::MariaDb => match name {
            "utf8mb4_0900_ai_ci" => "utf8mb4_uca1400_nopad_ai_ci",
            "utf8mb4_0900_as_ci" => "utf8mb4_uca1400_nopad_as_ci",
            "utf8mb4_0900_as_cs" => "utf8mb4_uca1400_nopad_as_cs",
            "utf8mb4_0900_bin" => "utf8mb4_nopad_bin",
            _ => name,
        },
        Vendor::MySql => match name {
            "utf8mb4_uca1400_ai_ci" | "utf8mb4_uca1400_nopad_ai_ci" => "utf8mb4_0900_ai_ci",
            "utf8mb4_uca1400_as_ci" | "utf8mb4_uca1400_nopad_as_ci" => "utf8mb4_0900_as_ci",
            "utf8mb4_uca1400_as_cs" | "utf8mb4_uca1400_nopad_as_cs" => "utf8mb4_0900_as_cs",
            "utf8mb4_nopad_bin" => "utf8mb4_0900_bin",
            _ => name,
        },
    };
    known.to_owned()
}

/// A function called as a default, which MySQL wants in parentheses; the current time is none.
fn is_call(default: &str) -> bool {
    let Some((function, _)) = default.split_once('(') else {
        return false;
    };
    !function.is_empty()
        && function
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !matches!(
            function.to_lowercase().as_str(),
            "current_timestamp" | "now" | "localtime" | "localtimestamp"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{parse, print};

    fn reworded(text: &str, vendor: Vendor) -> String {
        let mut table = parse::table(text).unwrap();
        reword(&mut table, vendor);
        print::create_table(&table)
    }

    #[test]
    fn mysql_for_mariadb() {
        insta::assert_snapshot!(reworded(
            "CREATE TABLE `t` (`a` varchar(9) DEFAULT NULL, `g` int GENERATED ALWAYS AS (1) STORED NOT NULL, \
             KEY `a` (`a`) INVISIBLE, KEY `b` (`a`) COMMENT 'INVISIBLE') \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci",
            Vendor::MariaDb
        ), @"
        CREATE TABLE `t` (
          `a` varchar(9) DEFAULT NULL,
          `g` int GENERATED ALWAYS AS (1) STORED,
          KEY `a` (`a`) IGNORED,
          KEY `b` (`a`) COMMENT 'INVISIBLE'
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_nopad_ai_ci
        ");
    }

    #[test]
    fn mariadb_for_mysql() {
        insta::assert_snapshot!(reworded(
            "CREATE TABLE `t` (`a` text DEFAULT 'x', `u` char(36) DEFAULT uuid(), `n` text DEFAULT NULL, \
             `ts` timestamp(3) NULL DEFAULT current_timestamp(3), `e` int DEFAULT (1 + 2), \
             `s` varchar(9) COLLATE utf8mb4_uca1400_ai_ci DEFAULT 'f(x)', KEY `a` (`s`) IGNORED, \
             CONSTRAINT `CONSTRAINT_1` CHECK (`e` > 0)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
            Vendor::MySql
        ), @"
        CREATE TABLE `t` (
          `a` text DEFAULT ('x'),
          `u` char(36) DEFAULT (uuid()),
          `n` text DEFAULT NULL,
          `ts` timestamp(3) NULL DEFAULT current_timestamp(3),
          `e` int DEFAULT (1 + 2),
          `s` varchar(9) COLLATE utf8mb4_0900_ai_ci DEFAULT 'f(x)',
          KEY `a` (`s`) INVISIBLE,
          CONSTRAINT `t_chk_1` CHECK (`e` > 0)
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci
        ");
    }
}
