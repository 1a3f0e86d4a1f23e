//! Views of a plan.

pub mod json;
pub mod sql;
pub mod text;
