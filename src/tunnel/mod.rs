//! The ssh tunnel: one OpenSSH master process with one forward to the production server.
//!
//! The only user of openssh and tokio; no type of theirs leaves this module. Must never accept an unknown host key
//! unless the config says so, and must never leave a master process behind.

mod error;
mod master;
mod mux;
mod port;

use crate::config;
use crate::refusal::Problem;
use anyhow::{Context, Result, anyhow, bail};
use master::Master;
use openssh::{ForwardType, Session, Socket};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PORT_ATTEMPTS: u32 = 5;
/// The master answers by itself, without the other end: within a moment, or not at all.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(10);

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

impl Tunnel {
    /// Logs in to the ssh host and forwards to the server behind it.
    ///
    /// # Errors
    /// A [`Problem`] that says what is wrong with the login, with `retry::Transient` where another attempt may help.
    pub(crate) fn open(ssh: &config::Ssh, remote: &config::Remote) -> Result<Self> {
        let master = Master::start(ssh)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the runtime that talks to ssh")?;
        let session = Session::resume_mux(master.control().into(), None);
        let endpoint = runtime
            .block_on(async {
                let forward = forward(&session, master.folder(), remote);
                match tokio::time::timeout(FORWARD_TIMEOUT, forward).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(error::gone(&ssh.host, &std::io::ErrorKind::TimedOut.into())),
                }
            })
            .with_context(|| format!("forwarding through ssh host {}", ssh.host))?;
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
        mux::alive(self.master.control()).is_ok()
    }

    /// Checks that what listens at the endpoint is our own ssh process, before a password goes there.
    ///
    /// # Errors
    /// When the master does not answer (transient), or the port is held by another process.
    pub(crate) fn verify(&self) -> Result<()> {
        let pid = mux::alive(self.master.control())
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
        let log = fs::read_to_string(self.master.log()).ok()?;
        log.lines()
            .rev()
            .find(|line| line.contains("open failed"))
            .map(str::to_owned)
    }
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
