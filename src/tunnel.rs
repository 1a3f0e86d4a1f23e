//! The ssh tunnel: an OpenSSH master through the crate openssh, and its forwards.
