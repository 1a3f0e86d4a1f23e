//! The command line: clap types.
