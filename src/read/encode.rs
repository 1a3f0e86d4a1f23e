//! The canonical encoding of a column: one SQL expression per type that gives the same bytes on both servers for equal
//! values, used for checksums and row hashes (FACTS.md, section 3).
//!
//! Must never let two different values of a column encode alike, and must never depend on a session's setting.
