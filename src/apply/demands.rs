//! Whether local's rows meet what a change asks of them, asked right before it is executed.
//!
//! Must never let the server find out half way, nor let it add a foreign key over orphans while its checks are off.

use super::foreign;
use super::table::model_of;
use crate::connect::LocalSession;
use crate::diff::schema::demand::{Demand, demands};
use crate::obstacles;
use crate::refusal::Refusal;
use crate::schema::{ObjectName, Table};
use anyhow::Result;

/// Refuses a change that local's rows would stop half way, or that the server would let pass over orphans: foreign key
/// checks are off in this session.
///
/// # Errors
/// A [`Refusal`] naming what is asked, the number of rows in its way and one of them; what the server says.
pub(super) fn met(
    local: &mut LocalSession,
    name: &ObjectName,
    now: &Table,
    after: &Table,
) -> Result<()> {
    for demand in demands(now, after) {
        let parent = match &demand {
            Demand::Reference(key) => {
                let Some(key) = foreign::added(name, Some(now), after)
                    .into_iter()
                    .find(|added| added.constraint.name == *key)
                else {
                    continue;
                };
                // A parent that is not there yet is the server's to complain of.
                if model_of(local, &key.parent)?.is_none() {
                    continue;
                }
                Some(key.parent)
            }
            _ => None,
        };
        let obstacle = obstacles::now(local, name, now, after, &demand, parent.as_ref())?;
        if obstacle.now > 0 {
            return Err(Refusal::new(
                obstacles::beforehand(&demand, &obstacle, after),
                "approve the row entries that mend these rows, or mend them by hand, and apply again",
            )
            .into());
        }
    }
    Ok(())
}
