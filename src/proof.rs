//! Proves DDL in scratch schemas on the local server.
