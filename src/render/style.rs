//! Colours, where they were asked for.

use anstyle::{AnsiColor, Style};

/// Paints text, or leaves it alone.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    /// Created.
    pub fn green(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }
    /// Changed.
    pub fn yellow(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }
    /// Destroyed.
    pub fn red(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default(), text)
    }
    /// Names, headings.
    pub fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }
    /// What is said in passing.
    pub fn dim(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }
    /// What differs within a value, in reverse.
    pub fn changed(self, mark: char, text: &str) -> String {
        let color = if mark == '-' {
            AnsiColor::Red
        } else {
            AnsiColor::Green
        };
        self.with(color.on_default().invert(), text)
    }
    /// In the colour of a mark: `+`, `~`, `-`.
    pub fn mark(self, mark: char, text: &str) -> String {
        match mark {
            '+' => self.green(text),
            '-' => self.red(text),
            '~' => self.yellow(text),
            _ => text.to_owned(),
        }
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}
