//! Row comparison against real servers: what is reported equals a brute-force difference, and writing it makes both
//! sides equal.

mod brute;
mod comparison;
mod hashes;
mod incremental;
mod keys;
pub(crate) mod random;
mod server;
mod shapes;
mod speed;
