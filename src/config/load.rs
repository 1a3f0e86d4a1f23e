//! Finds, reads and checks the config file.
