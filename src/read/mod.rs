//! What is read of tables: key ranges, checksums, row hashes, rows.

pub mod checksum;
pub mod chunk;
pub mod encode;
pub mod incremental;
pub mod mask;
pub mod orphans;
pub mod rules;
