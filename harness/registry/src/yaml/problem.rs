//! What can be wrong with a document, said with the place.

use super::excerpt::excerpt;
use super::source::{Place, Source};
use std::fmt;

/// A complaint about one place of a document.
#[derive(Debug)]
pub struct Complaint {
    verb: &'static str,
    source: Source,
    problem: Problem,
}

impl Complaint {
    /// What is wrong, on one line, without the place.
    pub fn message(&self) -> &str {
        &self.problem.message
    }

    /// How to mend it.
    pub fn hint(&self) -> Option<&str> {
        self.problem.hint.as_deref()
    }

    /// Where it is wrong.
    pub fn place(&self) -> Option<Place> {
        self.problem.place
    }

    /// The document that it is about.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

/// The message, the line it is about with a mark under the place, and the hint.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Complaint { verb, source, problem } = self;
        write!(f, "{verb} {}", source.path().display())?;
        if let Some(Place { line, column, .. }) = problem.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", problem.message)?;
        if let Some(place) = problem.place {
            write!(f, "\n{}", excerpt(source.text(), place))?;
        }
        problem.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// What is wrong, before it is known in which file.
#[derive(Clone, Debug)]
pub struct Problem {
    message: String,
    hint: Option<String>,
    place: Option<Place>,
}

impl Problem {
    /// A problem without hint or place.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), hint: None, place: None }
    }

    /// A problem that is the failure of a look-up; the failure's own hint becomes the hint.
    pub fn caused_by(what: String, error: impl fmt::Display) -> Problem {
        let text = error.to_string();
        match text.split_once("\nhint: ") {
            Some((reason, hint)) => Problem::new(format!("{what}: failed to {reason}")).hint(hint),
            None => Problem::new(format!("{what}: failed to {text}")),
        }
    }

    /// Says how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Places the problem, unless it already knows a place.
    pub fn at(mut self, place: Place) -> Problem {
        self.place.get_or_insert(place);
        self
    }

    /// A problem found while the file was read.
    pub fn read_from(self, source: &Source) -> Complaint {
        self.complain("read", source)
    }

    /// A problem found while what the file asks for was looked up.
    pub fn planned_from(self, source: &Source) -> Complaint {
        self.complain("plan", source)
    }

    fn complain(self, verb: &'static str, source: &Source) -> Complaint {
        Complaint { verb, source: source.clone(), problem: self }
    }
}
