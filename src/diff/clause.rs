//! clause.
