//! Talks to an ssh master over its control socket (OpenSSH's PROTOCOL.mux): is it alive, which process is it, end it.
//!
//! Blocking, with timeouts, and without a runtime, so that it can be used while the process is ending. Must never
//! wait for a master that does not answer.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const HELLO: u32 = 0x0000_0001;
const VERSION: u32 = 4;
const ALIVE_CHECK: u32 = 0x1000_0004;
const TERMINATE: u32 = 0x1000_0005;
const OK: u32 = 0x8000_0001;
const ALIVE: u32 = 0x8000_0005;
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest message that is read: the answers asked for are a few words, a hello may list extensions.
const LONGEST: u32 = 64 * 1024;

/// Returns the process id of the master that listens on the control socket.
///
/// # Errors
/// When no master answers.
pub(super) fn alive(control: &Path) -> io::Result<u32> {
    let mut stream = greet(control)?;
    send(&mut stream, &[ALIVE_CHECK, 1])?;
    match receive(&mut stream)?.as_slice() {
        [ALIVE, 1, pid, ..] => Ok(*pid),
        _ => Err(unexpected()),
    }
}

/// Ends the master and with it every connection through it.
///
/// # Errors
/// When no master answers, or it refuses.
pub(super) fn terminate(control: &Path) -> io::Result<()> {
    let mut stream = greet(control)?;
    send(&mut stream, &[TERMINATE, 1])?;
    match receive(&mut stream)?.as_slice() {
        [OK, 1, ..] => Ok(()),
        _ => Err(unexpected()),
    }
}

fn greet(control: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(control)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    send(&mut stream, &[HELLO, VERSION])?;
    match receive(&mut stream)?.as_slice() {
        [HELLO, VERSION, ..] => Ok(stream),
        _ => Err(unexpected()),
    }
}

fn send(stream: &mut UnixStream, words: &[u32]) -> io::Result<()> {
    let length = u32::try_from(words.len() * 4).map_err(|_| unexpected())?;
    let mut message = length.to_be_bytes().to_vec();
    for word in words {
        message.extend(word.to_be_bytes());
    }
    stream.write_all(&message)
}

/// Reads one message as big-endian words; a tail that is no whole word is left out.
fn receive(stream: &mut UnixStream) -> io::Result<Vec<u32>> {
    let mut word = [0; 4];
    stream.read_exact(&mut word)?;
    let length = u32::from_be_bytes(word);
    if length > LONGEST {
        return Err(unexpected());
    }
    let mut message = vec![0; usize::try_from(length).map_err(|_| unexpected())?];
    stream.read_exact(&mut message)?;
    Ok(message
        .chunks_exact(4)
        .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect())
}

fn unexpected() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the ssh master gave an answer that is not of its protocol",
    )
}
