//! Headless Chromium, run once per question: no driver, no port, no network.
//!
//! Must never pass in silence where there is no browser: that is a failure, unless `DRIFTWARDEN_NO_BROWSER` says
//! otherwise.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a page may take, starting the browser included.
const LIMIT: Duration = Duration::from_secs(120);

/// Where the answer stands in the page.
const ANSWER: (&str, &str) = ("<pre id=\"test-answer\">", "</pre>");

/// A page's text.
#[derive(Clone)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the page without its content security policy, which would keep a test's script from running.
    pub(super) fn without_policy(&self) -> Self {
        let start = self
            .0
            .find("<meta http-equiv=\"Content-Security-Policy\"")
            .unwrap();
        let end = start + self.0[start..].find('>').unwrap() + 1;
        Self(format!("{}{}", &self.0[..start], &self.0[end..]))
    }

    /// Returns the document after its scripts ran; `None` where the user wants no browser.
    pub(super) fn dom(&self) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        std::fs::write(&file, &self.0).unwrap();
        let program = browser()?;
        Some(dump(&program, &file, &folder.path().join("profile")))
    }

    /// Runs a function's body in the page, in a desktop's width, and returns what it returns.
    pub(super) fn run(&self, body: &str) -> Option<Value> {
        let script = format!("<script>{}</script></body>", answering("window", body));
        let text = self.without_policy().0.replace("</body>", &script);
        Some(answer(&Self(text).dom()?))
    }

    /// Runs it in a page of that width, in pixels: a frame in another page, since a window is never that narrow.
    pub(super) fn run_at(&self, width: u32, body: &str) -> Option<Value> {
        let script = format!("<script>{}</script></body>", answering("parent", body));
        let inner = self.without_policy().0.replace("</body>", &script);
        let inner = Value::from(inner).to_string().replace("</", "<\\/");
        let outer = format!(
            "<!doctype html><body style=\"margin:0\"><iframe id=\"f\" style=\"width:{width}px;height:800px;border:0\"></iframe>\
             <script>document.getElementById('f').srcdoc = {inner};</script></body>"
        );
        Some(answer(&Self(outer).dom()?))
    }
}

/// Wraps a function's body so that its result, or its error, stands in a window's document.
fn answering(window: &str, body: &str) -> String {
    format!(
        "{{ const answer = {window}.document.createElement('pre'); answer.id = 'test-answer';
           try {{ answer.textContent = JSON.stringify((() => {{ {body} }})()); }} catch (error) {{ answer.textContent = JSON.stringify({{ error: String(error) }}); }}
           {window}.document.body.append(answer); }}"
    )
}

fn answer(dom: &str) -> Value {
    let (_, rest) = dom.rsplit_once(ANSWER.0).expect("the page gave no answer");
    let text = rest.split(ANSWER.1).next().unwrap();
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(found.get("error").is_none(), "{found}");
    found
}

/// Returns the browser's program.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
fn browser() -> Option<String> {
    let programs = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let works = |program: &&&str| {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let found = programs.iter().find(works).map(|it| (*it).to_owned());
    if found.is_none() && std::env::var_os("DRIFTWARDEN_NO_BROWSER").is_some() {
        eprintln!("NOT TESTED: there is no Chromium, and DRIFTWARDEN_NO_BROWSER is set");
        return None;
    }
    Some(found.expect(
        "there is no Chromium to test the page in: `scripts/install.sh` installs it, DRIFTWARDEN_NO_BROWSER=1 goes without",
    ))
}

fn dump(program: &str, file: &Path, profile: &Path) -> String {
    let output = file.with_extension("dom");
    let mut child = Command::new(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            "--virtual-time-budget=3000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&output).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{program} did not end within {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    String::from_utf8_lossy(&std::fs::read(output).unwrap()).into_owned()
}
