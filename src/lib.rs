//! driftwarden: plan and apply for data.
//!
//! Brings local MySQL and MariaDB databases up to date with a remote production database, schema and rows, through an ssh tunnel.
//! Data flows one way: config → tunnel → connect → introspect → diff → plan → review → freshness → execute; a module
//! uses the ranks below it and its own folder, nothing else (ARCHITECTURE.md). Production is only ever read.

pub mod apply;
pub mod cli;
pub mod commands;
pub mod compare;
pub mod config;
pub mod connect;
pub mod diff;
pub mod fault;
pub mod interrupt;
pub mod introspect;
pub mod issues;
#[cfg(test)]
mod layers;
pub mod log;
pub mod nearest;
pub mod obstacles;
pub mod plan;
pub mod progress;
pub mod proof;
pub mod read;
pub mod refusal;
pub mod render;
pub mod retry;
pub mod review;
pub mod schema;
pub mod sql;
pub mod tunnel;
pub mod value;
