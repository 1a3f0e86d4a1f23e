//! The user's pager, for long text at a terminal.
//!
//! Must never come between a result and a file or pipe: off a terminal there is none.

use crate::config::child;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::Stdio;

/// Returns the pager to use: `PAGER`, otherwise `less`; `None` off a terminal, and where it is empty or `cat`.
pub fn of_user() -> Option<String> {
    let is_smart = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if !std::io::stdout().is_terminal() || !is_smart {
        return None;
    }
    chosen(std::env::var("PAGER").ok().as_deref())
}

fn chosen(named: Option<&str>) -> Option<String> {
    match named.map(str::trim) {
        None => Some("less".to_owned()),
        Some("" | "cat") => None,
        Some(other) => Some(other.to_owned()),
    }
}

/// Shows text in a pager; returns false where it cannot be started. A reader who leaves early is no error.
///
/// # Errors
/// When the pager breaks off in another way.
pub fn show(pager: &str, text: &[u8]) -> std::io::Result<bool> {
    let mut command = child::command("sh");
    command.args(["-c", pager]).stdin(Stdio::piped());
    // Short text is printed and stays; colours pass; as git sets it.
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    if std::env::var_os("LV").is_none() {
        command.env("LV", "-c");
    }
    let Ok(mut child) = command.spawn() else {
        return Ok(false);
    };
    let written = child
        .stdin
        .take()
        .map_or(Ok(()), |mut input| input.write_all(text));
    let status = child.wait()?;
    match written {
        // The shell's word for a program that is not there.
        _ if matches!(status.code(), Some(126 | 127)) => Ok(false),
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_is_chosen_as_git_chooses_it() {
        assert_eq!(chosen(None).as_deref(), Some("less"));
        assert_eq!(chosen(Some("most -s")).as_deref(), Some("most -s"));
        assert_eq!(chosen(Some("cat")), None);
        assert_eq!(chosen(Some(" ")), None);
    }

    #[test]
    fn text_reaches_the_pager_and_leaving_early_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(show(&format!("cat > '{}'", path.display()), b"text").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
        assert!(show("head -c 1 >/dev/null", &vec![b'x'; 1 << 20]).unwrap());
        assert!(!show("no-such-pager 2>/dev/null", b"text").unwrap());
    }
}
