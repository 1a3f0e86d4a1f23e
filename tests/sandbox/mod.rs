//! The harness: a sandbox of real servers, and cases with databases of their own in it.
//!
//! [`Sandbox`] is where the servers are, [`Case`] one test's databases, project folder and runs of the binary. Must never
//! touch a server that `serve.sh` did not start.

pub(crate) mod case;
pub(crate) mod cases;
pub(crate) mod dump;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod server;

pub(crate) use server::{Sandbox, Vendor};
