//! The binary as a user runs it: exit codes, refusals, what a run says and what it leaves alone.

mod afterwards;
