//! Differences between two models: pure, typed.
//!
//! Must never talk to a server.

pub mod clause;
pub mod object;
pub mod rows;
pub mod schema;
