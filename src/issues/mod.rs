//! Persisted issues: one file per failure, deduplicated by fingerprint.
