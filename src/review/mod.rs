//! Decisions on a plan, and nothing else of it.
