//! Says what is wrong with an ssh login or a forward, and what to do about it, from ssh's own words.

use crate::config;
use crate::refusal::Problem;
use crate::retry::Transient;
use anyhow::Error;
use std::fmt::Write as _;

/// Describes an ssh that could not be started.
pub(super) fn not_started(failure: std::io::Error) -> Error {
    let problem = Problem::new(
        "the program `ssh` could not be started",
        "install the OpenSSH client (openssh-client) and see that `ssh` is in PATH",
    );
    Error::new(failure).context(problem)
}

/// Describes a failed login from what ssh wrote.
pub(super) fn login(said: &str, ssh: &config::Ssh) -> Error {
    let target = target(ssh);
    let has = |text: &str| said.contains(text);
    let by_hand = by_hand(ssh);
    let (what, remedy, transient) = if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        (
            "the host key has CHANGED: it is not the one in known_hosts",
            "ask the host's administrator for the new key's fingerprint; only if it is right, remove the old key with \
             `ssh-keygen -R` and log in once by hand"
                .to_owned(),
            false,
        )
    } else if has("Host key verification failed") || has("host key is known") {
        (
            "its host key is not known yet",
            format!(
                "log in once by hand, compare the fingerprint and accept it: `{by_hand}`; or set `ssh.known_hosts` to \
                 \"add\" to have keys of new hosts added"
            ),
            false,
        )
    } else if has("Permission denied") || has("Too many authentication failures") {
        (
            "it refuses the login: no key was accepted",
            format!(
                "see that `{by_hand}` works without a question (right `ssh.user`? key in the agent, or \
                 `ssh.identity_file` set? passphrases cannot be asked for here)"
            ),
            false,
        )
    } else if has("Could not resolve hostname") {
        (
            "the name cannot be resolved",
            "correct `ssh.host` (a host name, or an alias of your ssh config), or see to the name service".to_owned(),
            false,
        )
    } else if has("Bad configuration option")
        || has("Can't open user config file")
        || has("terminating, ")
    {
        (
            "ssh does not accept its config file",
            "correct the file that ssh names".to_owned(),
            false,
        )
    } else if has("UNKNOWN port 65535") || has("stdio forwarding failed") {
        (
            "the jump host on the way could not be passed",
            format!(
                "see that every host of its ProxyJump or ProxyCommand is up: `{by_hand}` shows which one fails"
            ),
            true,
        )
    } else if has("Connection refused") {
        (
            "nothing listens on its ssh port",
            "see that sshd runs there and that `ssh.port` is right".to_owned(),
            true,
        )
    } else if has("timed out") || has("No route to host") || has("Network is unreachable") {
        (
            "it does not answer",
            "see that the network (or VPN) is up and that `ssh.host` and `ssh.port` are right"
                .to_owned(),
            true,
        )
    } else {
        (
            "the login failed",
            format!("see what `{by_hand}` says"),
            true,
        )
    };
    let problem = Problem::new(format!("logging in to ssh host {target}: {what}"), remedy);
    let said = format!("ssh: {}", last_words(said));
    if transient {
        Error::new(Transient { what: said }).context(problem)
    } else {
        Error::msg(said).context(problem)
    }
}

/// Returns the last two lines of what ssh wrote: its banners are long.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .map(|line| line.strip_prefix("ssh: ").unwrap_or(line))
        .filter(|line| !line.is_empty() && !line.starts_with('@'))
        .collect();
    lines[lines.len().saturating_sub(2)..].join("; ")
}

/// Describes a forward that the master refused.
pub(super) fn forward(failure: &openssh::Error) -> Error {
    Error::new(Transient {
        what: format!("ssh: {failure}"),
    })
    .context(Problem::new(
        "ssh could not set up the forward",
        "run the command again; if it happens again, see whether your ssh config forbids forwarding for this host \
         (ClearAllForwardings)",
    ))
}

/// Describes a master that no longer answers.
pub(super) fn gone(destination: &str, failure: &std::io::Error) -> Error {
    Error::new(Transient {
        what: format!("the ssh connection to {destination} is gone ({failure})"),
    })
}

fn target(ssh: &config::Ssh) -> String {
    let mut target = String::new();
    if let Some(user) = &ssh.user {
        target.push_str(user);
        target.push('@');
    }
    target.push_str(&ssh.host);
    if let Some(port) = ssh.port {
        let _ = write!(target, " (port {port})");
    }
    target
}

fn by_hand(ssh: &config::Ssh) -> String {
    let mut command = String::from("ssh");
    if let Some(file) = &ssh.config_file {
        let _ = write!(command, " -F {}", file.display());
    }
    if let Some(file) = &ssh.identity_file {
        let _ = write!(command, " -i {}", file.display());
    }
    if let Some(port) = ssh.port {
        let _ = write!(command, " -p {port}");
    }
    if let Some(user) = &ssh.user {
        let _ = write!(command, " -l {user}");
    }
    format!("{command} {}", ssh.host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::remedy_of;
    use crate::retry::is_transient;

    fn describe(said: &str) -> (String, bool) {
        let ssh = config::Ssh {
            host: "prod".into(),
            user: Some("ann".into()),
            port: Some(2222),
            identity_file: None,
            config_file: None,
            known_hosts: config::KnownHosts::Strict,
        };
        let error = login(said, &ssh);
        assert!(remedy_of(&error).is_some_and(|remedy| !remedy.is_empty()));
        (format!("{error:#}"), is_transient(&error))
    }

    #[test]
    fn each_failure_has_its_own_words_and_only_passing_ones_are_tried_again() {
        let cases = [
            (
                "@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@@@\nIT IS POSSIBLE\n\
                 Host key for prod has changed and you have requested strict checking.\r\nHost key verification failed.",
                "the host key has CHANGED",
                false,
            ),
            (
                "No ED25519 host key is known for prod and you have requested strict checking.\nHost key verification failed.",
                "not known yet",
                false,
            ),
            (
                "ann@prod: Permission denied (publickey).",
                "refuses the login",
                false,
            ),
            (
                "Could not resolve hostname prod: Name or service not known",
                "cannot be resolved",
                false,
            ),
            (
                "connect to host 127.0.0.1 port 29591: Connection refused",
                "nothing listens",
                true,
            ),
            (
                "connect to host 192.0.2.1 port 22: Connection timed out",
                "does not answer",
                true,
            ),
            (
                "Connection timed out during banner exchange",
                "does not answer",
                true,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535",
                "jump host",
                true,
            ),
            ("something new", "the login failed", true),
        ];
        for (said, expected, transient) in cases {
            let (text, is_transient) = describe(said);
            assert!(text.contains(expected), "{text}");
            assert_eq!(is_transient, transient, "{text}");
            assert!(!text.contains('\n') && !text.contains("@@@"), "{text}");
        }
    }
}
