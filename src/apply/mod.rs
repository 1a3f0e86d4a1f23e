//! Executes the approved entries of a fresh plan on local.

pub mod execute;
pub mod freshness;
pub mod state;
pub mod undo;
