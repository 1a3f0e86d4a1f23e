//! Differences between two models: pure, typed.

pub mod clause;
pub mod object;
pub mod rows;
pub mod schema;
