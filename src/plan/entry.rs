//! How an entry begins: everything that is not said of it is empty.
//!
//! Pure. Must never decide anything: a new entry is safe and pending until its maker says otherwise.

use super::{Decision, Entry, Kind, Risk};
use std::collections::BTreeMap;

impl Entry {
    /// Returns an entry with nothing in it but its name.
    pub fn new(id: String, kind: Kind, object: String) -> Self {
        Self {
            id,
            kind,
            phase: None,
            object,
            risk: Risk::Safe,
            reasons: Vec::new(),
            needs_own_approval: false,
            depends_on: Vec::new(),
            sql: Vec::new(),
            before: None,
            after: None,
            environment: None,
            count: None,
            shape: None,
            rows: Vec::new(),
            payload: None,
            preview: Vec::new(),
            row_decisions: BTreeMap::new(),
            decision: Decision::Pending,
        }
    }
}
