//! Whether a table takes another's rows as it is, and whether a change leaves those that are there as they are.
//!
//! Must never say so in doubt: an entry of rows that local's table refuses fails when it is applied, and a value that a
//! change of the table alters is lost.

use super::same_foreign_key;
use super::types::{fits, set_reordered};
use crate::schema::table::{IndexKind, Table};

/// Returns whether local's table, as it is, takes any rows that remote's table may hold.
///
/// # Errors
/// What stands against it, in words.
pub fn takes_rows_of(local: &Table, remote: &Table) -> Result<(), String> {
    for own in &local.columns {
        let name = &own.name;
        match remote.column(name) {
            Some(other) if own.generated.is_none() => {
                if !fits(other, own) {
                    return Err(format!(
                        "local's column `{name}` does not hold every value of remote's"
                    ));
                }
                if other.nullable && !own.nullable {
                    return Err(format!("local's column `{name}` takes no NULL"));
                }
            }
            None if own.generated.is_none()
                && !own.nullable
                && own.default.is_none()
                && !own.auto_increment =>
            {
                return Err(format!(
                    "local's column `{name}`, which remote lacks, has no default"
                ));
            }
            _ => {}
        }
    }
    let unique = |table: &Table| {
        table
            .indexes
            .iter()
            .filter(|index| matches!(index.kind, IndexKind::Primary | IndexKind::Unique))
            .map(|index| index.parts.clone())
            .collect::<Vec<_>>()
    };
    let known = unique(remote);
    if unique(local).iter().any(|parts| !known.contains(parts)) {
        return Err("local has a unique index that remote lacks".to_owned());
    }
    if local
        .checks
        .iter()
        .any(|check| check.enforced && !remote.checks.contains(check))
    {
        return Err("local has a check that remote lacks".to_owned());
    }
    let refers = |key| {
        remote
            .foreign_keys
            .iter()
            .any(|other| same_foreign_key(key, other))
    };
    if !local.foreign_keys.iter().all(refers) {
        return Err("local has a foreign key that remote lacks".to_owned());
    }
    if local.partitioning != remote.partitioning {
        return Err("local is partitioned otherwise".to_owned());
    }
    Ok(())
}

/// Returns whether the change from one table to another alters no stored value, whatever the rows hold and however
/// leniently the server takes them through it.
pub fn keeps_values(before: &Table, after: &Table) -> bool {
    after.columns.iter().all(|column| {
        before.column(&column.name).is_none_or(|own| {
            let computed = column.generated.is_some();
            computed
                || (fits(own, column)
                    && !set_reordered(own, column)
                    && (column.nullable || !own.nullable))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn takes(local: &str, remote: &str) -> Result<(), String> {
        let [local, remote] = [local, remote].map(|body| {
            parse::table(&format!(
                "CREATE TABLE `t` ({body}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
            ))
            .unwrap()
        });
        takes_rows_of(&local, &remote)
    }

    #[test]
    fn rows_are_taken_only_where_every_one_of_them_fits() {
        for (local, remote) in [
            ("`a` int", "`a` int"),
            ("`a` bigint, `b` int DEFAULT NULL", "`a` int, `c` text"),
            ("`a` int, KEY `k` (`a`)", "`a` int"),
        ] {
            assert_eq!(takes(local, remote), Ok(()), "{local} {remote}");
        }
        for (local, remote) in [
            ("`a` int", "`a` bigint"),
            ("`a` int NOT NULL", "`a` int"),
            ("`a` int, `b` int NOT NULL", "`a` int"),
            ("`a` int, UNIQUE KEY `k` (`a`)", "`a` int"),
            ("`a` int, CONSTRAINT `c` CHECK (`a` > 0)", "`a` int"),
            (
                "`a` int, KEY `k` (`a`), CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`a`)",
                "`a` int, KEY `k` (`a`)",
            ),
        ] {
            assert!(takes(local, remote).is_err(), "{local} {remote}");
        }
    }

    #[test]
    fn what_is_computed_alone_leaves_stored_values_as_they_are() {
        let kept = |before: &str, after: &str| {
            let [before, after] = [before, after].map(|body| {
                parse::table(&format!(
                    "CREATE TABLE `t` ({body}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
                ))
                .unwrap()
            });
            keeps_values(&before, &after)
        };
        let g = "`g` int GENERATED ALWAYS AS (`a`) STORED";
        assert!(kept("`a` varchar(5)", &format!("`a` varchar(9), {g}")));
        assert!(kept("`a` int, `g` int", &format!("`a` int, {g}")));
        assert!(kept(
            "`a` int",
            "`a` int, KEY `f` ((`a` + 1)), CONSTRAINT `c` CHECK (`a` > 1)"
        ));
        assert!(!kept("`a` varchar(9)", &format!("`a` varchar(5), {g}")));
        assert!(!kept(
            "`a` int DEFAULT NULL",
            &format!("`a` int NOT NULL, {g}")
        ));
    }
}
