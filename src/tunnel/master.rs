//! Starts and ends the ssh master process, and what it needs on disk.
//!
//! ssh is started here rather than by openssh's builder, for it must not inherit the environment's passwords; the
//! session is then openssh's, over the control socket. Must never ask a question, and never leave a process behind.

use super::{error, mux};
use crate::config::{self, child};
use crate::interrupt;
use crate::refusal::Problem;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a master without a connection through it lives on: it ends by itself if we are killed.
const IDLE_SECONDS: u32 = 10;
/// Three unanswered probes end the master: a frozen network is noticed within 20 s (measured: 16 s).
const PROBE_SECONDS: u32 = 4;
const CONNECT_SECONDS: u32 = 15;
/// A login that hangs after the connection was made is given up: a frozen peer is noticed within 20 s.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(19);
/// ssh's control socket and its random suffix must fit into a Unix socket address (FACTS.md, 1).
const LONGEST_CONTROL_DIRECTORY: usize = 61;
const PREFIX: &str = "driftwarden-";

/// The master process and the folder of its control socket; both end with the value.
#[derive(Debug)]
pub(super) struct Master {
    control: PathBuf,
    directory: TempDir,
    _on_exit: interrupt::Guard,
}

impl Master {
    /// Logs in to the ssh host.
    pub(super) fn start(ssh: &config::Ssh) -> Result<Self> {
        remove_leftovers();
        let directory = control_directory()?;
        let control = directory.path().join("master");
        // Registered before the process is there, so that no moment is left in which it could outlive us.
        let on_exit = interrupt::on_exit({
            let (control, directory) = (control.clone(), directory.path().to_owned());
            move || {
                drop(mux::terminate(&control));
                end_frozen(&control);
                drop(fs::remove_dir_all(&directory));
            }
        });
        let master = Self {
            control,
            directory,
            _on_exit: on_exit,
        };
        let mut command = master.command(ssh)?;
        let mut child = command.spawn().map_err(error::not_started)?;
        let ended = wait(&mut child)?;
        if !ended.is_some_and(|status| status.success()) {
            let said = fs::read_to_string(master.log()).unwrap_or_default();
            let said = if ended.is_some() {
                said
            } else {
                format!("{said}\nthe login timed out")
            };
            return Err(error::login(&said, ssh));
        }
        Ok(master)
    }

    /// Returns the control socket.
    pub(super) fn control(&self) -> &Path {
        &self.control
    }

    /// Returns a folder that only we can enter, and that goes with the master.
    pub(super) fn folder(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the file ssh logs to.
    pub(super) fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    fn command(&self, ssh: &config::Ssh) -> Result<Command> {
        let mut command = child::command("ssh");
        command
            .arg("-F")
            .arg(ssh_config(ssh, self.folder())?)
            .arg("-E")
            .arg(self.log())
            .arg("-S")
            .arg(&self.control)
            .args(["-M", "-f", "-N"])
            // A Ctrl-C at the terminal is for us: we end ssh.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(user) = &ssh.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = ssh.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(file) = &ssh.identity_file {
            command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(file);
        }
        command.arg("--").arg(&ssh.host);
        Ok(command)
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
        end_frozen(&self.control);
    }
}

/// Waits for ssh to have logged in and gone to the background, or to have failed; `None` when it took too long.
fn wait(child: &mut Child) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("waiting for ssh")? {
            return Ok(Some(status));
        }
        if started.elapsed() > LOGIN_TIMEOUT || interrupt::requested() {
            end(child);
            interrupt::check()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends an ssh that is still logging in, with the proxy command it may have started.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    drop(
        child::command("kill")
            .args(["-TERM", "--", &group])
            .stderr(Stdio::null())
            .status(),
    );
    for _ in 0..50 {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(child.kill());
    drop(child.wait());
}

/// Writes the config that ssh runs with: what we insist on, then the user's. In ssh's configs the first value wins.
fn ssh_config(ssh: &config::Ssh, directory: &Path) -> Result<PathBuf> {
    let path = directory.join("config");
    // INFO has ssh log why a forwarded connection failed; the user's own forwards and commands are not for us.
    let host_keys = match ssh.known_hosts {
        config::KnownHosts::Strict => "yes",
        config::KnownHosts::Add => "accept-new",
    };
    let mut text = format!(
        "BatchMode yes\nStrictHostKeyChecking {host_keys}\nControlPersist {IDLE_SECONDS}s\n\
         ConnectTimeout {CONNECT_SECONDS}\nServerAliveInterval {PROBE_SECONDS}\nServerAliveCountMax 3\n\
         LogLevel INFO\nClearAllForwardings yes\nForwardAgent no\nForwardX11 no\nPermitLocalCommand no\n\
         RemoteCommand none\n"
    );
    let users = match &ssh.config_file {
        // ssh knows what ~ stands for; it leaves out a file that is not there.
        Some(file) if file.starts_with("~") => vec![file.clone()],
        Some(file) => {
            let file = std::path::absolute(file).context("resolving `ssh.config_file`")?;
            if fs::File::open(&file).is_err() {
                bail!(Problem::new(
                    format!("`ssh.config_file` {} cannot be read", file.display()),
                    "correct the path, or remove the key to use your own ssh config",
                ));
            }
            vec![file]
        }
        None => vec!["~/.ssh/config".into(), "/etc/ssh/ssh_config".into()],
    };
    for file in users {
        let _ = writeln!(text, "Include \"{}\"", file.display());
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn control_directory() -> Result<TempDir> {
    let preferred = std::env::temp_dir();
    let name = format!("{PREFIX}{}-", std::process::id());
    // The random part of the name has six characters.
    let fits = preferred.as_os_str().len() + 1 + name.len() + 6 <= LONGEST_CONTROL_DIRECTORY
        // ssh would expand these in the socket's path.
        && !preferred.to_string_lossy().contains(['%', '$', '~']);
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
            let control = entry.path().join("master");
            drop(mux::terminate(&control));
            end_frozen(&control);
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Kills the process that holds a control socket which is still there: a master that is stopped answers nobody.
fn end_frozen(control: &Path) {
    if !control.exists() {
        return;
    }
    let Some(control) = control.to_str() else {
        return;
    };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|pid| pid.bytes().all(|each| each.is_ascii_digit()))
        else {
            continue;
        };
        // ssh shows its control socket in its title: `ssh: /tmp/…/master [mux]`.
        let title = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let title = String::from_utf8_lossy(&title);
        if title.starts_with("ssh") && title.contains(control) {
            drop(
                child::command("kill")
                    .args(["-KILL", "--", pid])
                    .stderr(Stdio::null())
                    .status(),
            );
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
