//! Hashes a plan over what its approval covers.
