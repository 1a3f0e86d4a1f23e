//! Logging: a JSON-lines file, and the same story on stderr.
