//! Orders entries and sets what depends on what.
