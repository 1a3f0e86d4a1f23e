//! The ssh tunnel: one OpenSSH master process with one forward to the production server.
//!
//! The only user of openssh and tokio; no type of theirs leaves this module. Must never accept an unknown host key
//! unless the config says so, and must never leave a master process behind.

mod error;
mod mux;
mod port;

use crate::config;
use crate::interrupt;
use crate::refusal::Problem;
use anyhow::{Context, Result, anyhow, bail};
use openssh::{ControlPersist, ForwardType, KnownHosts, Session, SessionBuilder, Socket};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long a master without a connection through it lives on: it ends by itself if we are killed.
const IDLE_SECONDS: usize = 10;
/// Three unanswered probes end the master: a frozen network is noticed within 20 s (measured: 16 s).
const PROBE_INTERVAL: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// ssh's control socket and its random suffix must fit into a Unix socket address (FACTS.md, 1).
const LONGEST_CONTROL_DIRECTORY: usize = 61;
const PREFIX: &str = "driftwarden-";
const PORT_ATTEMPTS: u32 = 5;

/// Where the forward listens on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A Unix socket in a folder of our own.
    Socket(PathBuf),
}

/// An ssh master with a forward to the production server. Ends with the value.
#[derive(Debug)]
pub(crate) struct Tunnel {
    master: Master,
    endpoint: Endpoint,
    destination: String,
}

/// The master process and the folder of its control socket; both end with the value.
#[derive(Debug)]
struct Master {
    control: PathBuf,
    _on_exit: interrupt::Guard,
    _directory: TempDir,
}

impl Tunnel {
    /// Logs in to the ssh host and forwards to the server behind it.
    ///
    /// # Errors
    /// A [`Problem`] that says what is wrong with the login, with `retry::Transient` where another attempt may help.
    pub(crate) fn open(ssh: &config::Ssh, remote: &config::Remote) -> Result<Self> {
        remove_leftovers();
        let directory = control_directory()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the runtime that talks to ssh")?;
        let session = runtime
            .block_on(builder(ssh, directory.path())?.connect_mux(&ssh.host))
            .map_err(|failure| error::login(&failure, ssh))?;
        let forwarded = runtime.block_on(forward(&session, directory.path(), remote));
        // From here on the master is ours to end: by `Drop`, by `on_exit`, or by itself when idle.
        let (control, _log) = session.detach();
        let master = Master::new(control.into_path_buf(), directory);
        let endpoint =
            forwarded.with_context(|| format!("forwarding through ssh host {}", ssh.host))?;
        tracing::info!(ssh = ssh.host.as_str(), endpoint = ?endpoint, "tunnel opened");
        Ok(Self {
            master,
            endpoint,
            destination: ssh.host.clone(),
        })
    }

    /// Returns where the forward listens.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns whether the master process answers.
    pub(crate) fn is_alive(&self) -> bool {
        mux::alive(&self.master.control).is_ok()
    }

    /// Checks that what listens at the endpoint is our own ssh process, before a password goes there.
    ///
    /// # Errors
    /// When the master does not answer (transient), or the port is held by another process.
    pub(crate) fn verify(&self) -> Result<()> {
        let pid = mux::alive(&self.master.control)
            .map_err(|failure| error::gone(&self.destination, &failure))?;
        let Endpoint::Port(port) = self.endpoint else {
            return Ok(());
        };
        if port::is_held_by(port, pid)? {
            return Ok(());
        }
        bail!(Problem::new(
            format!(
                "the forwarded port 127.0.0.1:{port} is not held by our ssh process {pid}: another program has taken it"
            ),
            "run the command again; if it happens again, find the program with `ss -ltnp`, or forward to the server's \
             Unix socket instead by setting `remote.socket`",
        ));
    }

    /// Returns what ssh logged about the forward, when the far end could not be reached.
    pub(crate) fn forward_failure(&self) -> Option<String> {
        let log = fs::read_to_string(self.master.control.with_file_name("log")).ok()?;
        log.lines()
            .rev()
            .find(|line| line.contains("open failed"))
            .map(str::to_owned)
    }
}

impl Master {
    fn new(control: PathBuf, directory: TempDir) -> Self {
        let on_exit = interrupt::on_exit({
            let (control, directory) = (control.clone(), directory.path().to_owned());
            move || {
                drop(mux::terminate(&control));
                drop(fs::remove_dir_all(&directory));
            }
        });
        Self {
            control,
            _on_exit: on_exit,
            _directory: directory,
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if mux::terminate(&self.control).is_ok() {
            // The socket goes when the process has gone; a moment's patience leaves nothing behind.
            for _ in 0..50 {
                if !self.control.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Writes the config that ssh runs with: what we insist on, then the user's. In ssh's configs the first value wins.
fn ssh_config(ssh: &config::Ssh, directory: &Path) -> Result<PathBuf> {
    let path = directory.join("config");
    // INFO has ssh log why a forwarded connection failed; the user's own forwards and commands are not for us.
    let mut text = String::from(
        "LogLevel INFO\nClearAllForwardings yes\nForwardAgent no\nForwardX11 no\nPermitLocalCommand no\n\
         RemoteCommand none\nServerAliveCountMax 3\n",
    );
    let users = match &ssh.config_file {
        Some(file) => vec![std::path::absolute(file).context("resolving `ssh.config_file`")?],
        None => vec!["~/.ssh/config".into(), "/etc/ssh/ssh_config".into()],
    };
    if let Some(file) = ssh
        .config_file
        .as_ref()
        .filter(|file| fs::File::open(file).is_err())
    {
        bail!(Problem::new(
            format!("`ssh.config_file` {} cannot be read", file.display()),
            "correct the path, or remove the key to use your own ssh config",
        ));
    }
    for file in users {
        text.push_str(&format!("Include \"{}\"\n", file.display()));
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn builder(ssh: &config::Ssh, directory: &Path) -> Result<SessionBuilder> {
    let mut builder = SessionBuilder::default();
    builder
        .known_hosts_check(match ssh.known_hosts {
            config::KnownHosts::Strict => KnownHosts::Strict,
            config::KnownHosts::Add => KnownHosts::Add,
        })
        .connect_timeout(CONNECT_TIMEOUT)
        .server_alive_interval(PROBE_INTERVAL)
        .control_directory(directory)
        .config_file(ssh_config(ssh, directory)?);
    if let Some(idle) = NonZeroUsize::new(IDLE_SECONDS) {
        builder.control_persist(ControlPersist::IdleFor(idle));
    }
    if let Some(user) = &ssh.user {
        builder.user(user.clone());
    }
    if let Some(port) = ssh.port {
        builder.port(port);
    }
    if let Some(file) = &ssh.identity_file {
        builder.keyfile(file);
    }
    Ok(builder)
}

async fn forward(session: &Session, directory: &Path, remote: &config::Remote) -> Result<Endpoint> {
    if let Some(socket) = &remote.socket {
        let listen = directory.join("mysql");
        session
            .request_port_forward(
                ForwardType::Local,
                Socket::UnixSocket {
                    path: (&listen).into(),
                },
                Socket::UnixSocket {
                    path: socket.into(),
                },
            )
            .await
            .map_err(|failure| error::forward(&failure))?;
        return Ok(Endpoint::Socket(listen));
    }
    let mut last = anyhow!("no port was tried");
    for _ in 0..PORT_ATTEMPTS {
        // ssh takes no port 0: a port that was free a moment ago is tried, another one if it was taken meanwhile.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("looking for a free port of 127.0.0.1")?
            .port();
        let listen = Socket::TcpSocket {
            host: "127.0.0.1".into(),
            port,
        };
        let connect = Socket::TcpSocket {
            host: (&remote.host).into(),
            port: remote.port,
        };
        match session
            .request_port_forward(ForwardType::Local, listen, connect)
            .await
        {
            Ok(()) => return Ok(Endpoint::Port(port)),
            Err(failure) => last = error::forward(&failure),
        }
    }
    Err(last)
}

fn control_directory() -> Result<TempDir> {
    let preferred = std::env::temp_dir();
    let name = format!("{PREFIX}{}-", std::process::id());
    // The random part of the name has six characters.
    let fits = preferred.as_os_str().len() + 1 + name.len() + 6 <= LONGEST_CONTROL_DIRECTORY;
    let parent = if fits {
        preferred.as_path()
    } else {
        Path::new("/tmp")
    };
    tempfile::Builder::new()
        .prefix(&name)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .with_context(|| {
            format!(
                "making a folder for ssh's control socket in {}",
                parent.display()
            )
        })
}

/// Ends the masters and removes the folders of processes of this user that were killed before they could.
fn remove_leftovers() {
    let Ok(me) = fs::metadata("/proc/self").map(|metadata| metadata.uid()) else {
        return;
    };
    for parent in [std::env::temp_dir(), PathBuf::from("/tmp")] {
        let Ok(entries) = fs::read_dir(&parent) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(owner) = name.to_str().and_then(|name| {
                name.strip_prefix(PREFIX)?
                    .split('-')
                    .next()?
                    .parse::<u32>()
                    .ok()
            }) else {
                continue;
            };
            let ours = entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == me);
            if !ours || is_running(owner) {
                continue;
            }
            for inner in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                drop(mux::terminate(&inner.path().join("master")));
            }
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn is_running(pid: u32) -> bool {
    // A process that has ended but was not yet waited for is a zombie.
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| {
        !status.lines().any(|line| {
            line.strip_prefix("State:")
                .is_some_and(|state| state.trim().starts_with('Z'))
        })
    })
}
