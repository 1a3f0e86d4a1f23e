//! Integration tests against real servers and a real sshd.

mod connect;
