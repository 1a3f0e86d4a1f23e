//! One file per command; each reads like a table of contents.
