//! Checks that rows were stored as the plan has them.
//!
//! Must never pass a value that changed on its way.

use crate::apply::table::Target;
use crate::connect::{LocalSession, Reader as _};
use crate::plan::PlanRow;
use crate::plan::row_sql::Values;
use crate::read::encode::{self, Encoding};
use crate::sql::expr::Operator;
use crate::sql::{Expr, Select};
use crate::value::Value;
use anyhow::{Context as _, Result, bail};

/// Rows asked for by their keys in one query.
const ASKED_ROWS: usize = 1000;

/// Checks that the rows are now what the plan says, by their hashes: no value changed on its way.
pub(super) fn verify(
    local: &mut LocalSession,
    target: &Target<'_>,
    rows: &[&PlanRow],
) -> Result<()> {
    for rows in rows.chunks(ASKED_ROWS) {
        let keys: Vec<&Values> = rows.iter().map(|row| &row.key).collect();
        let wanted = (rows.len() as u64, checksum_of_rows(rows.iter().copied())?);
        let filter = target.key_condition(&keys)?;
        if read_back(local, target, filter, encode::checksum_of)? != Some(wanted) {
            bail!(
                "the rows that were written do not read back as the plan has them: the local server stored other \
                 values (row {} to {})",
                rows[0].row,
                rows[rows.len() - 1].row
            );
        }
    }
    Ok(())
}

/// Rows that lie between two keys, and nothing else with them.
pub(super) struct Stretch {
    pub(super) first: Values,
    pub(super) last: Values,
    pub(super) rows: u64,
    pub(super) checksum: u64,
    /// Whether hardly any of them holds a NULL.
    pub(super) whole: bool,
}

impl Stretch {
    /// The stretch of rows in the order of their key; `None` where there are no rows.
    pub(super) fn of(rows: &[PlanRow], checksum: u64) -> Option<Self> {
        Some(Self {
            first: rows.first()?.key.clone(),
            last: rows.last()?.key.clone(),
            rows: rows.len() as u64,
            checksum,
            whole: false,
        })
    }
}

/// Whether local holds between the two keys the rows of the stretch, and nothing else.
pub(super) fn stands(
    local: &mut LocalSession,
    target: &Target<'_>,
    stretch: &Stretch,
) -> Result<bool> {
    let span = Expr::all(vec![
        bound(target, &stretch.first, Operator::GreaterOrEqual)?,
        bound(target, &stretch.last, Operator::LessOrEqual)?,
    ]);
    let checksum = if stretch.whole {
        encode::checksum_of_whole
    } else {
        encode::checksum_of
    };
    let found = read_back(local, target, span, checksum)?;
    Ok(found == Some((stretch.rows, stretch.checksum)))
}

/// Keys from a bound on, itself included: OR-expanded, and the first column's part said again, so that the key's index
/// serves (FACTS.md, finding 9).
fn bound(target: &Target<'_>, key: &Values, operator: Operator) -> Result<Expr> {
    let beyond = match operator {
        Operator::GreaterOrEqual => Operator::Greater,
        _ => Operator::Less,
    };
    let names = &target.shape.key;
    let part = |name: &String, operator: Operator| -> Result<Expr> {
        let value = key.get(name).unwrap_or(&Value::Null);
        let constant = encode::literal_expr(target.column(name)?, value)?;
        Ok(Expr::column(name).binary(operator, constant))
    };
    let mut alternatives = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let last = place + 1 == names.len();
        let mut parts = names[..place]
            .iter()
            .map(|name| part(name, Operator::Equal))
            .collect::<Result<Vec<_>>>()?;
        parts.push(part(name, if last { operator } else { beyond })?);
        alternatives.push(Expr::all(parts));
    }
    let lead = part(names.first().context("a key without columns")?, operator)?;
    Ok(Expr::all(vec![lead, Expr::any(alternatives)]))
}

/// Checks the same of many rows in the order of their key, with one query where nothing else lies between them.
pub(super) fn verify_span(
    local: &mut LocalSession,
    target: &Target<'_>,
    rows: &[PlanRow],
    checksum: u64,
) -> Result<()> {
    if let Some(stretch) = Stretch::of(rows, checksum)
        && stands(local, target, &stretch)?
    {
        return Ok(());
    }
    let rows: Vec<&PlanRow> = rows.iter().collect();
    verify(local, target, &rows)
}

/// Returns the checksum that rows should read back with.
pub(super) fn checksum_of_rows<'r>(rows: impl IntoIterator<Item = &'r PlanRow>) -> Result<u64> {
    let mut checksum = 0_u64;
    for row in rows {
        let hash = row
            .after_hash
            .as_deref()
            .context("a row of the plan has no after_hash")?;
        checksum ^=
            hash_bits(hash).with_context(|| format!("after_hash of row {} is no hash", row.row))?;
    }
    Ok(checksum)
}

/// The bits of a row's hash that checksums are made of; `None` where it is no hash.
pub(in crate::apply) fn hash_bits(hash: &str) -> Option<u64> {
    hash.get(..16)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
}

/// The number of rows under a condition, and their checksum.
fn read_back(
    local: &mut LocalSession,
    target: &Target<'_>,
    filter: Expr,
    checksum: fn(&[(Expr, Encoding)]) -> Expr,
) -> Result<Option<(u64, u64)>> {
    let columns = vec![Expr::count_all(), checksum(&target.hashed(false))];
    let select = Select::from(&target.name, columns).filter(filter);
    let answer = local.rows(&select.into())?;
    let number = |position: usize| -> Option<u64> {
        let cell = answer.first()?.get(position)?.as_deref()?;
        std::str::from_utf8(cell).ok()?.parse().ok()
    };
    Ok(number(0).zip(number(1)))
}

/// Returns whether one of the rows has a value that strict mode would refuse.
pub(super) fn needs_lenient_mode<'r>(
    target: &Target<'_>,
    rows: impl IntoIterator<Item = &'r PlanRow>,
) -> Result<bool> {
    for row in rows {
        let after = row.change.iter().map(|(name, (_, after))| (name, after));
        for (name, value) in row.values.iter().chain(after) {
            if encode::needs_lenient_mode(target.column(name)?, value) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
