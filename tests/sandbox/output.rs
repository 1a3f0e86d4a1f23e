//! What a run of the binary gave.
//!
//! Must never hide the run's own words from a failing test.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(180);

/// Exit code and output of a run.
#[derive(Debug)]
pub(crate) struct Output {
    /// The arguments, for messages.
    pub(crate) arguments: String,
    /// Exit code; `None` when a signal ended the run.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// Runs a command to its end, or kills it at the time limit and panics.
    pub(crate) fn of(command: &mut Command) -> Self {
        let arguments = command
            .get_args()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = drain(child.stdout.take().expect("stdout is piped"));
        let stderr = drain(child.stderr.take().expect("stderr is piped"));
        let begun = Instant::now();
        let mut hanging = false;
        let status = loop {
            if let Some(status) = child.try_wait().expect("the run can be waited for") {
                break status;
            }
            if begun.elapsed() > LIMIT {
                hanging = true;
                child.kill().expect("a hanging run can be killed");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let output = Self {
            arguments,
            code: status.code(),
            stdout: stdout.join().expect("stdout is read"),
            stderr: stderr.join().expect("stderr is read"),
        };
        assert!(!hanging, "did not end within {LIMIT:?}: {output}");
        output
    }

    /// Asserts the exit code; what the run said is in the message.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}: {self}");
        self
    }

    /// Asserts that stdout or stderr holds a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "expected {text:?}: {self}"
        );
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "driftwarden {} exited with {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.arguments, self.code, self.stdout, self.stderr
        )
    }
}

fn drain(mut stream: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks ends the text; the exit code tells the rest.
        drop(stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
