//! Reads the schemas of databases from a server, in a constant number of sends.
