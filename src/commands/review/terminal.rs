//! A person at a terminal, asked key by key.
//!
//! Must never leave the terminal in another state than it was found in: `console` sets it for one key and back.

use super::wrap::wrapped;
use crate::commands::Context;
use crate::interrupt;
use crate::plan::{Decision, Entry, Plan, PlanRow};
use crate::render::escape::line;
use crate::render::style::Paint;
use crate::render::{View, text};
use crate::review::Prompt;
use anyhow::{Context as _, Result};
use console::{Key, Term};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The lines that a change's heading, questions and answers take, at most.
const AROUND: u64 = 12;

/// The person.
pub(super) struct Terminal<'a> {
    term: Term,
    out: &'a mut dyn Write,
    color: bool,
    path: PathBuf,
    /// The plan as the review began, for views of single rows.
    plan: Plan,
}

impl<'a> Terminal<'a> {
    /// Creates one who is asked about the plan in `path`.
    pub(super) fn new(context: &'a mut Context<'_>, path: &Path, plan: &Plan) -> Self {
        Self {
            term: Term::stderr(),
            color: context.color,
            out: context.err,
            path: path.to_owned(),
            plan: plan.clone(),
        }
    }

    fn view<'v>(&'v self, plan: &'v Plan, whole: bool) -> View<'v> {
        let mut view = View::new(plan, Some(&self.path));
        view.color = self.color;
        view.whole = whole;
        // A change fits the screen, its long lines aside; whole, it has more rows.
        let (height, _) = self.term.size();
        let fits = u64::from(height).saturating_sub(AROUND).clamp(5, 40);
        // A row of an update takes two lines and more.
        view.limit = if whole { 200 } else { fits / 2 };
        view
    }

    /// Prints lines that fit the terminal as it is now.
    fn print(&mut self, shown: &[u8]) -> Result<()> {
        let (_, width) = self.term.size();
        let shown = wrapped(&String::from_utf8_lossy(shown), usize::from(width));
        self.out.write_all(shown.as_bytes())?;
        Ok(())
    }

    fn read_line() -> Result<Option<String>> {
        let mut text = String::new();
        let read = std::io::stdin()
            .read_line(&mut text)
            .context("read the answer")?;
        interrupt::check()?;
        Ok((read > 0).then_some(text))
    }
}

/// Returns the longest form of a question that fits a line of the terminal, else the shortest.
fn fitting<'f>(forms: &[&'f str], width: usize) -> &'f str {
    let fits = |form: &&&str| form.chars().count() + 2 < width;
    let shortest = forms.last().copied().unwrap_or_default();
    forms.iter().find(fits).copied().unwrap_or(shortest)
}

impl Prompt for Terminal<'_> {
    fn show(
        &mut self,
        plan: &Plan,
        entry: &Entry,
        place: (usize, usize),
        whole: bool,
    ) -> Result<()> {
        let paint = Paint(self.color);
        let decided = format!(
            "{} approved, {} denied, {} pending",
            plan.count_decided(Decision::Approve),
            plan.count_decided(Decision::Deny),
            plan.count_decided(Decision::Pending)
        );
        let mut shown = format!(
            "\n{} {}  {}\n",
            paint.dim(&format!("[{}/{}]", place.0, place.1)),
            paint.bold(&line(&entry.object)),
            paint.dim(&decided)
        )
        .into_bytes();
        if let Some(table) = plan
            .tables
            .iter()
            .find(|it| entry.kind.is_rows() && it.table == entry.object)
        {
            let how = format!("  {}", line(&table.exactness));
            writeln!(shown, "{}", paint.dim(&how))?;
        }
        text::entry(&self.view(plan, whole), entry, &mut shown)?;
        self.print(&shown)
    }

    fn show_row(&mut self, entry: &Entry, row: &PlanRow, whole: bool) -> Result<()> {
        let mut shown = Vec::new();
        text::row(&self.view(&self.plan, whole), entry, row, &mut shown)?;
        self.print(&shown)
    }

    fn holds(&self, plan: &Plan, entry: &Entry, wanted: &str) -> bool {
        let mut view = View::new(plan, Some(&self.path));
        view.whole = true;
        view.limit = 1_000;
        let mut shown = Vec::new();
        text::entry(&view, entry, &mut shown).is_ok()
            && String::from_utf8_lossy(&shown)
                .to_lowercase()
                .contains(wanted)
    }

    fn say(&mut self, text: &str) -> Result<()> {
        self.print(format!("{text}\n").as_bytes())
    }

    fn key(&mut self, forms: &[&str]) -> Result<Option<String>> {
        let (_, width) = self.term.size();
        let question = Paint(self.color).bold(fitting(forms, usize::from(width)));
        write!(self.out, "{question} ")?;
        self.out.flush()?;
        if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            // A terminal that cannot be set to single keys, as inside an editor.
            let answer = Self::read_line()?;
            return Ok(answer.map(|text| {
                text.trim()
                    .chars()
                    .take(1)
                    .collect::<String>()
                    .to_lowercase()
            }));
        }
        let key = self.term.read_key_raw();
        interrupt::check()?;
        let answer = match key {
            Ok(Key::CtrlC) => {
                writeln!(self.out)?;
                return Err(interrupt::Interrupted.into());
            }
            // Ctrl-D, as a line's end of input; or the terminal is gone.
            Ok(Key::Char('\u{4}')) | Err(_) => None,
            Ok(Key::Char(letter)) => Some(letter.to_lowercase().to_string()),
            Ok(Key::ArrowRight | Key::ArrowDown | Key::PageDown | Key::Enter) => {
                Some("s".to_owned())
            }
            Ok(Key::ArrowLeft | Key::ArrowUp | Key::PageUp | Key::Backspace) => {
                Some("b".to_owned())
            }
            Ok(Key::Escape) => Some("q".to_owned()),
            Ok(_) => Some("?".to_owned()),
        };
        writeln!(self.out, "{}", answer.as_deref().unwrap_or("").trim())?;
        Ok(answer.map(|key| if key == " " { "s".to_owned() } else { key }))
    }

    fn line(&mut self, question: &str) -> Result<Option<String>> {
        write!(self.out, "{question} ")?;
        self.out.flush()?;
        Self::read_line()
    }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_question_fits_the_terminal() {
        let forms = ["Approve? [y]es [n]o", "[y]es [n]o", "[y n]"];
        assert_eq!(fitting(&forms, 80), forms[0]);
        assert_eq!(fitting(&forms, 20), forms[1]);
        assert_eq!(fitting(&forms, 3), forms[2]);
    }
}
