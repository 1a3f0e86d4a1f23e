//! Integration tests against real servers and a real sshd.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; clippy does not see that helpers belong to tests"
)]

mod apply;
mod cases;
mod commands;
mod connect;
mod faults;
mod objects;
mod page;
mod rows;
mod rules;
mod sandbox;
mod schema;
mod security;
