//! Tries foreign keys between two tables of the scratch schema.
//!
//! A table is proven without the tables that its keys refer to; this closes the gap. Must never try a key against
//! anything but the two tables as they will be.

use super::Scratch;
use crate::connect::LocalSession;
use crate::schema::ObjectName;
use crate::schema::table::{ForeignKey, Table};
use anyhow::{Context as _, Result};

/// A foreign key to be tried.
#[derive(Debug, Clone, Copy)]
pub struct KeyProposal<'a> {
    /// The table that has it, under its local name.
    pub name: &'a ObjectName,
    /// That table, as it will be.
    pub child: &'a Table,
    /// The key.
    pub key: &'a ForeignKey,
    /// The table that it refers to, as it will be.
    pub parent: &'a Table,
}

/// A foreign key that local refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedKey {
    /// The table that has it, under its local name.
    pub table: ObjectName,
    /// Its name.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// Returns the foreign keys that local refuses.
///
/// # Errors
/// When no scratch schema can be made, or the connection breaks.
pub fn refused_keys(
    session: &mut LocalSession,
    proposals: &[KeyProposal<'_>],
) -> Result<Vec<RefusedKey>> {
    let mut refused = Vec::new();
    if proposals.is_empty() {
        return Ok(refused);
    }
    let mut scratch = Scratch::open(session)?;
    for proposal in proposals {
        let reason = scratch.try_key(proposal).with_context(|| {
            format!(
                "trying the foreign key {} of {}",
                proposal.key.name, proposal.name
            )
        })?;
        if let Some(reason) = reason {
            refused.push(RefusedKey {
                table: proposal.name.clone(),
                key: proposal.key.name.clone(),
                reason,
            });
        }
    }
    Ok(refused)
}

const PARENT: &str = "parent";
const CHILD: &str = "child";

impl Scratch<'_> {
    fn try_key(&mut self, proposal: &KeyProposal<'_>) -> Result<Option<String>> {
        let bare = |table: &Table, name: &str| Table {
            name: name.to_owned(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            ..table.clone()
        };
        let to_itself = proposal.key.referenced_database.is_none()
            && proposal
                .key
                .referenced_table
                .eq_ignore_ascii_case(&proposal.child.name);
        let parent = if to_itself { CHILD } else { PARENT };
        let mut child = bare(proposal.child, CHILD);
        child.foreign_keys.push(ForeignKey {
            referenced_database: None,
            referenced_table: parent.to_owned(),
            ..proposal.key.clone()
        });
        let mut made = Vec::new();
        let mut failure = None;
        let tables = [bare(proposal.parent, PARENT), child];
        for table in tables.iter().skip(usize::from(to_itself)) {
            failure = self.create(table)?;
            if failure.is_some() {
                break;
            }
            made.push(table.name.as_str());
        }
        for name in made.into_iter().rev() {
            self.drop_table(name)?;
        }
        Ok(failure.map(|failure| failure.reason))
    }
}
