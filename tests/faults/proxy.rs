//! A proxy between the program and a server, which strikes once when a certain statement goes by.
//!
//! Statements stand in MySQL's protocol as plain text, so that a step is hit exactly where a test wants it. Must never
//! change what it passes on.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to the connection on which the text is seen.
pub(crate) enum What {
    /// It breaks before the server gets the statement.
    Cut,
    /// It breaks after the server has answered: the answer is lost.
    LoseAnswer,
    /// It breaks in the middle of the answer, after so many bytes.
    CutAnswer(usize),
    /// Nothing goes through any more on any connection that is open, nor on so many that are opened afterwards.
    Freeze(usize),
    /// It breaks before the server gets the statement, and whoever connects from then on is turned away.
    Gone,
    /// The server does not get the statement; the program gets this error number instead.
    Answer(u16),
    /// Something else, before the statement is passed on; told the connection's number.
    Run(Box<dyn Fn(u32) + Send + Sync>),
}

/// When the fault strikes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// When a connection is opened, the first being 1.
    Connect(usize),
    /// When the n-th packet is sent to the server, of all connections; the first is the login's.
    Packet(usize),
    /// Never: the proxy only notes what goes by.
    Never,
}

/// A proxy. It ends with the test's process.
pub(crate) struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    when: When,
    what: What,
    connections: AtomicUsize,
    struck: AtomicBool,
    /// Connections opened from now on that stay silent.
    silent: AtomicUsize,
    open: Mutex<Vec<Arc<AtomicBool>>>,
    log: Mutex<Vec<String>>,
    sent: Mutex<Vec<u8>>,
}

impl Proxy {
    /// Starts a proxy before a port of 127.0.0.1.
    pub(crate) fn start(target: u16, when: When, what: What) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            target,
            when,
            what,
            connections: AtomicUsize::new(0),
            struck: AtomicBool::new(false),
            silent: AtomicUsize::new(0),
            open: Mutex::default(),
            log: Mutex::default(),
            sent: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || drop(state.serve(client)));
            }
        });
        Self { port, state }
    }

    /// Returns whether the fault has struck.
    pub(crate) fn struck(&self) -> bool {
        self.state.struck.load(Ordering::SeqCst)
    }

    /// Returns all that was sent to the server, as text.
    pub(crate) fn sent(&self) -> String {
        String::from_utf8_lossy(&self.state.sent.lock().unwrap()).into_owned()
    }

    /// Returns the packets that went by, each as the beginning of its text.
    pub(crate) fn packets(&self) -> Vec<String> {
        self.state.log.lock().unwrap().clone()
    }
}

/// One connection's two ends.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    frozen: Arc<AtomicBool>,
    /// Bytes of the answer that still go through before the connection breaks; `usize::MAX` for all.
    left: AtomicUsize,
}

impl Pair {
    fn close(&self) {
        drop(self.client.shutdown(Shutdown::Both));
        drop(self.server.shutdown(Shutdown::Both));
    }

    /// Waits until the program gives the connection up.
    fn wait_while_frozen(&self) {
        while self.frozen.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl State {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        if matches!(self.what, What::Gone) && self.struck.load(Ordering::SeqCst) {
            return Ok(());
        }
        let frozen = Arc::new(AtomicBool::new(self.take_silent()));
        self.open.lock().unwrap().push(Arc::clone(&frozen));
        let pair = Pair {
            server: TcpStream::connect(("127.0.0.1", self.target))?,
            client,
            frozen,
            left: AtomicUsize::new(usize::MAX),
        };
        pair.server.set_nodelay(true)?;
        pair.client.set_nodelay(true)?;
        if matches!(self.when, When::Connect(wanted) if wanted == number) && !self.strike() {
            match &self.what {
                What::Cut | What::LoseAnswer | What::Gone => {
                    pair.close();
                    return Ok(());
                }
                What::CutAnswer(bytes) => pair.left.store(*bytes, Ordering::SeqCst),
                What::Freeze(more) => self.freeze(*more),
                What::Answer(code) => {
                    // Instead of a greeting.
                    (&pair.client).write_all(&error_packet(0, *code))?;
                    pair.close();
                    return Ok(());
                }
                What::Run(act) => act(0),
            }
        }
        std::thread::scope(|scope| {
            let id = Arc::new(AtomicUsize::new(0));
            let pair = &pair;
            let answers = Arc::clone(&id);
            scope.spawn(move || {
                drop(backward(pair, &answers));
                pair.close();
            });
            drop(match self.when {
                When::Connect(_) => io::copy(&mut &pair.client, &mut Thawed(pair)).map(drop),
                When::Packet(_) | When::Never => self.forward(pair, &id),
            });
            pair.close();
        });
        Ok(())
    }

    fn take_silent(&self) -> bool {
        self.silent
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    /// Whether it has struck before; from now on it has.
    fn strike(&self) -> bool {
        self.struck.swap(true, Ordering::SeqCst)
    }

    fn freeze(&self, more: usize) {
        self.silent.store(more, Ordering::SeqCst);
        for open in self.open.lock().unwrap().iter() {
            open.store(true, Ordering::SeqCst);
        }
    }

    /// Passes the program's packets on, one by one.
    fn forward(&self, pair: &Pair, id: &AtomicUsize) -> io::Result<()> {
        let (mut client, mut server) = (&pair.client, &pair.server);
        loop {
            let mut header = [0; 4];
            client.read_exact(&mut header)?;
            let length =
                usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            let mut packet = vec![0; length];
            client.read_exact(&mut packet)?;
            pair.wait_while_frozen();
            if self.hits(&packet) && !self.strike() {
                match &self.what {
                    What::Cut | What::Gone => return Ok(()),
                    What::LoseAnswer => {
                        pair.left.store(0, Ordering::SeqCst);
                    }
                    What::CutAnswer(bytes) => pair.left.store(*bytes, Ordering::SeqCst),
                    What::Freeze(more) => {
                        self.freeze(*more);
                        pair.wait_while_frozen();
                    }
                    What::Answer(code) => {
                        client.write_all(&error_packet(1, *code))?;
                        continue;
                    }
                    What::Run(act) => act(u32::try_from(id.load(Ordering::SeqCst)).unwrap()),
                }
            }
            // In one piece: in two, the second would wait for the first to be acknowledged, 40 ms a statement.
            server.write_all(&[&header[..], &packet].concat())?;
        }
    }

    fn hits(&self, packet: &[u8]) -> bool {
        self.sent.lock().unwrap().extend_from_slice(packet);
        let start = &packet[..packet.len().min(400)];
        let mut log = self.log.lock().unwrap();
        log.push(String::from_utf8_lossy(start).into_owned());
        matches!(self.when, When::Packet(wanted) if wanted == log.len())
    }
}

/// Passes the server's bytes on.
fn backward(pair: &Pair, id: &AtomicUsize) -> io::Result<()> {
    let (mut client, mut server) = (&pair.client, &pair.server);
    let mut buffer = [0; 16 * 1024];
    let mut greeted = false;
    loop {
        let length = server.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if !greeted {
            greeted = true;
            id.store(connection_id(&buffer[..length]), Ordering::SeqCst);
        }
        pair.wait_while_frozen();
        let left = pair.left.load(Ordering::SeqCst);
        if left <= length {
            client.write_all(&buffer[..left])?;
            return Ok(());
        }
        if left != usize::MAX {
            pair.left.store(left - length, Ordering::SeqCst);
        }
        client.write_all(&buffer[..length])?;
    }
}

/// Returns the connection's number, which the greeting holds behind the server's version.
fn connection_id(greeting: &[u8]) -> usize {
    let body = greeting.get(5..).unwrap_or_default();
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(0);
    match body.get(end + 1..end + 5) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => 0,
    }
}

fn error_packet(sequence: u8, code: u16) -> Vec<u8> {
    let mut body = vec![0xff];
    body.extend(code.to_le_bytes());
    if sequence > 0 {
        body.extend(b"#HY000");
    }
    body.extend(b"injected by a test");
    let mut packet = vec![u8::try_from(body.len()).unwrap(), 0, 0, sequence];
    packet.extend(body);
    packet
}

/// Writes to the server unless the connection is frozen.
struct Thawed<'a>(&'a Pair);

impl Write for Thawed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.wait_while_frozen();
        (&self.0.server).write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
