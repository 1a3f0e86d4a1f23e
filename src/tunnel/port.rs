//! Finds out which process listens on a loopback port, from `/proc`.
//!
//! Another user could take the forwarded port over after our ssh master died; a password must never be sent there.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Returns whether the process holds the listening socket `127.0.0.1:port`. On systems without `/proc/net/tcp`
/// nothing can be found out, and the answer is true.
///
/// # Errors
/// When `/proc` is there but cannot be read.
pub(super) fn is_held_by(port: u16, pid: u32) -> Result<bool> {
    let table = Path::new("/proc/net/tcp");
    if !table.exists() {
        return Ok(true);
    }
    let text = fs::read_to_string(table).context("reading /proc/net/tcp")?;
    let Some(inode) = listening_inode(&text, port) else {
        return Ok(false);
    };
    let folder = format!("/proc/{pid}/fd");
    let wanted = format!("socket:[{inode}]");
    let entries = fs::read_dir(&folder)
        .with_context(|| format!("reading {folder}, the files of our ssh process"))?;
    Ok(entries.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str())
    }))
}

/// Returns the inode of the socket that listens on `127.0.0.1:port`, from the text of `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    // The address is in the byte order of the machine.
    let address = u32::from_ne_bytes([127, 0, 0, 1]);
    let wanted = format!("{address:08X}:{port:04X}");
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (fields.get(1) == Some(&wanted.as_str()) && fields.get(3) == Some(&LISTEN))
            .then(|| fields.get(9)?.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn our_own_listener_is_found_and_no_other_process_holds_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_held_by(port, std::process::id()).unwrap());
        let mut other = std::process::Command::new("sleep")
            .arg("10")
            .spawn()
            .unwrap();
        let held = is_held_by(port, other.id()).unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!held || !Path::new("/proc/net/tcp").exists());
    }
}
