//! What one step of a verification says, and how it is told.

use serde::Serialize;

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// All that was checked holds.
    Holds,
    /// Something does not.
    Fails,
    /// Nothing was checked.
    NotChecked,
}

/// One step: what was checked, what does not hold, and what was not checked and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Step {
    pub(super) name: &'static str,
    /// What was checked, with numbers; empty if nothing was.
    pub(super) checked: String,
    /// Each thing that does not hold, with the file that it is about.
    pub(super) wrong: Vec<String>,
    /// Differences that another runtime, or another version of the program, explains: no failure unless told so.
    pub(super) differs: Vec<String>,
    /// What was not checked, and why.
    pub(super) unchecked: Vec<String>,
    /// What a reader may want to know beside.
    pub(super) notes: Vec<String>,
}

/// So many things that do not hold, or differ, are told on the screen; a file has them all.
const SHOWN: usize = 20;

impl Step {
    /// A step that has checked nothing yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            checked: String::new(),
            wrong: Vec::new(),
            differs: Vec::new(),
            unchecked: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A step that could not be taken.
    pub(super) fn not_checked(name: &'static str, why: impl Into<String>) -> Self {
        Self { unchecked: vec![why.into()], ..Self::new(name) }
    }

    /// Counts what differs as failed.
    pub(super) fn strict(mut self) -> Self {
        self.wrong.append(&mut self.differs);
        self
    }

    pub(super) fn outcome(&self) -> Outcome {
        match (self.wrong.is_empty(), self.checked.is_empty()) {
            (false, _) => Outcome::Fails,
            (true, false) => Outcome::Holds,
            (true, true) => Outcome::NotChecked,
        }
    }

    /// One line, and one more for each thing that does not hold or differs. What was not checked is told at the end, of all
    /// steps together.
    pub(super) fn text(&self) -> String {
        let sign = match self.outcome() {
            Outcome::Holds => '✓',
            Outcome::Fails => '✗',
            Outcome::NotChecked => '–',
        };
        let said = match (self.outcome(), self.checked.is_empty()) {
            (Outcome::Fails, true) => "does not hold",
            (_, true) => "not checked",
            _ => &self.checked,
        };
        let mut text = format!("{sign} {:<10} {}\n", self.name, plain(said));
        for (sign, lines) in [('✗', &self.wrong), ('≠', &self.differs)] {
            for line in lines.iter().take(SHOWN) {
                text += &format!("    {sign} {}\n", plain(line));
            }
            if lines.len() > SHOWN {
                text += &format!("    {sign} and {} more; --json FILE has them all\n", lines.len() - SHOWN);
            }
        }
        self.notes.iter().for_each(|line| text += &format!("    · {}\n", plain(line)));
        text
    }
}

/// Text that cannot drive a terminal or break a line. The lines of a hint follow each other.
pub(super) fn plain(text: &str) -> String {
    // Marks of direction reorder what stands around them.
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace("\nhint: ", "; hint: ");
    text.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// A count and its noun in the number that it takes.
pub(super) fn count(number: usize, noun: &str) -> String {
    let ending = match (number, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {noun}{ending}")
}

/// An error of a library as a sentence's end: its messages follow "failed to".
pub(super) fn failed(error: &anyhow::Error) -> String {
    crate::exit::told(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_only_if_something_was_checked_and_nothing_is_wrong() {
        let held = Step { checked: "3 files".into(), ..Step::new("files") };
        let wrong = Step { wrong: vec!["a: changed".into()], ..held.clone() };
        let differs = Step { differs: vec!["row 3".into()], ..held.clone() };
        assert_eq!(held.outcome(), Outcome::Holds);
        assert_eq!(wrong.outcome(), Outcome::Fails);
        assert_eq!(Step::not_checked("files", "no list").outcome(), Outcome::NotChecked);
        assert_eq!((differs.outcome(), differs.strict().outcome()), (Outcome::Holds, Outcome::Fails));
    }

    #[test]
    fn text_cannot_break_out_and_long_lists_are_cut() {
        let wrong = (0..SHOWN + 5).map(|at| format!("a\u{1b}[2J\n{at}\u{202e}")).collect();
        let text = Step { wrong, ..Step::new("files") }.text();
        assert_eq!(text.lines().count(), 1 + SHOWN + 1);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        assert!(text.contains("and 5 more"), "{text}");
        assert_eq!(plain("no file\nhint: look"), "no file; hint: look");
    }
}
