//! What is said of a name that is none of its kind: presets are written short, the others long.

use crate::entry::Kind;
use registry::yaml::{Problem, list, nearest};

/// The names of attacks, or of probes.
pub(crate) struct Vocabulary {
    /// `attack`.
    pub(crate) kind: &'static str,
    /// `an attack`.
    pub(crate) one: &'static str,
    /// What is done with one: `runs`.
    pub(crate) verb: &'static str,
    /// Names that stand alone, whose numbers are fixed.
    pub(crate) presets: Vec<&'static str>,
    /// Names that are followed by numbers.
    pub(crate) long: Vec<&'static str>,
    /// Names that a later version knows; writing one is no spelling mistake.
    pub(crate) later: &'static [&'static str],
}

impl Vocabulary {
    /// The names of a kind of entries.
    pub(crate) fn of<K: Kind>(verb: &'static str, later: &'static [&'static str]) -> Self {
        Self { kind: K::NAME, one: K::ONE, verb, presets: K::presets(), long: K::long(), later }
    }

    /// A name that stands alone and is no preset. `other` is the vocabulary that it may have been meant for.
    pub(crate) fn no_preset(&self, name: &str, other: &Vocabulary) -> Problem {
        if !self.long.contains(&name) {
            return self.unknown(name, &self.presets, other);
        }
        Problem::new(format!("`{name}` has no short form"))
            .hint(format!("the short names are {}; the long form is `{name}: {{ ... }}`", list(&self.presets)))
    }

    /// A name with numbers that has no long form.
    pub(crate) fn no_long_form(&self, name: &str, other: &Vocabulary) -> Problem {
        if !self.presets.contains(&name) {
            return self.unknown(name, &self.long, other);
        }
        Problem::new(format!("`{name}` is a preset, whose numbers are fixed"))
            .hint(format!("write `- {name}`, or one of {} with your own numbers", list(&self.long)))
    }

    fn unknown(&self, name: &str, known: &[&str], other: &Vocabulary) -> Problem {
        let kind = self.kind;
        let (presets, long) = (list(&self.presets), list(&self.long));
        let all = format!("this version {} {presets} and the long forms of {long}", self.verb);
        if other.presets.iter().chain(&other.long).any(|known| *known == name) {
            let problem = Problem::new(format!("`{name}` is {}, not {}", other.one, self.one));
            return problem.hint(format!("list it under `{}s`", other.kind));
        }
        if self.later.contains(&name) {
            return Problem::new(format!("{kind} `{name}` is not supported by this version")).hint(all);
        }
        let hint = match nearest(name, known.iter().chain(self.later).copied()) {
            Some(meant) => format!("did you mean `{meant}`? {all}"),
            None => all,
        };
        Problem::new(format!("there is no {kind} `{name}`")).hint(hint)
    }
}
