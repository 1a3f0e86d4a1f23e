//! Reads and writes plan files, whole or not at all.
