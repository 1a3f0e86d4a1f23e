//! The user's editor.

use crate::config::child;
use crate::refusal::Problem;
use anyhow::Result;
use std::ffi::OsString;
use std::path::Path;

const REMEDY: &str = "name your editor in VISUAL or EDITOR, or use `driftwarden approve`";

/// An editor, as `VISUAL` or `EDITOR` names it: a shell's words, so that `code --wait` and quoted paths hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Editor(String);

impl Editor {
    /// Returns the user's editor, `vi` where none is named.
    pub(super) fn of_user() -> Self {
        let named = ["VISUAL", "EDITOR"].iter().find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|text| !text.trim().is_empty())
        });
        Self(named.unwrap_or_else(|| "vi".to_owned()))
    }

    /// Opens a file, at a line where the editor is known to take one, and waits until it is closed.
    pub(super) fn open(&self, path: &Path, line: Option<usize>) -> Result<()> {
        let Self(editor) = self;
        // As git does it: the shell splits the editor's own words, the file is never one of them.
        let status = child::command("sh")
            .args(["-c", &format!("{editor} \"$@\""), editor])
            .args(self.arguments(path, line))
            .status()
            .map_err(|error| {
                Problem::new(format!("cannot open the editor {editor}: {error}"), REMEDY)
            })?;
        if !status.success() {
            return Err(Problem::new(
                format!("the editor {editor} ended with {status}: no decision was changed"),
                REMEDY,
            )
            .into());
        }
        Ok(())
    }

    fn arguments(&self, path: &Path, line: Option<usize>) -> Vec<OsString> {
        let file = path.as_os_str().to_owned();
        let Some(line) = line else { return vec![file] };
        let program = self.0.split_whitespace().next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        let mut at = file.clone();
        at.push(format!(":{line}"));
        match name {
            "vi" | "vim" | "nvim" | "gvim" | "view" | "nano" | "pico" | "emacs" | "emacsclient"
            | "micro" | "joe" | "jed" | "ne" | "mg" | "kak" | "mcedit" | "gedit" => {
                vec![format!("+{line}").into(), file]
            }
            "code" | "codium" | "cursor" | "code-insiders" => vec!["--goto".into(), at],
            "hx" | "helix" | "subl" | "zed" => vec![at],
            _ => vec![file],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(editor: &str) -> String {
        let arguments = Editor(editor.into()).arguments(Path::new("/tmp/d.yaml"), Some(7));
        arguments.join(&OsString::from(" ")).into_string().unwrap()
    }

    #[test]
    fn known_editors_open_at_the_line() {
        assert_eq!(arguments("/usr/bin/vim -n"), "+7 /tmp/d.yaml");
        assert_eq!(arguments("code --wait"), "--goto /tmp/d.yaml:7");
        assert_eq!(arguments("hx"), "/tmp/d.yaml:7");
        assert_eq!(arguments("ed"), "/tmp/d.yaml");
    }

    #[test]
    fn an_editor_that_fails_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a file's name");
        Editor("printf x >".into()).open(&path, None).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
        let error = Editor("false".into()).open(&path, None).unwrap_err();
        assert!(error.to_string().contains("the editor false ended with"));
    }
}
