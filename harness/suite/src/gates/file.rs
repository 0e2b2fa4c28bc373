//! A file with gates: one of its own, or a suite.

use super::document::{GateForm, GatesDocument};
use super::{Measurable, check, resolve};
use crate::error::Error;
use crate::named::Named;
use crate::suite::{Suite, VERSION};
use evidence::Gate;
use registry::yaml::{self, Located, Problem, Source};
use schemars::generate::SchemaSettings;
use serde::de::IgnoredAny;
use std::path::Path;

/// Gates as they are written, read and checked as far as that is possible without knowing what they are held against.
#[derive(Clone, Debug)]
pub struct Gates {
    source: Source,
    entries: Located<Vec<Located<GateForm>>>,
}

impl Gates {
    /// Reads a file of gates, or the gates of a suite.
    ///
    /// Errors: the file cannot be read, is neither, or has no gates.
    pub fn read(path: impl AsRef<Path>) -> Result<Gates, Error> {
        Gates::from_source(Source::read(path.as_ref())?)
    }

    /// The same from the bytes of a file.
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Gates, Error> {
        Gates::from_source(Source::new(path.as_ref(), bytes)?)
    }

    /// The gates of a suite; `None` without the section.
    pub fn of(suite: &Suite) -> Option<Gates> {
        let entries = suite.document().gates.clone()?;
        Some(Gates { source: suite.source().clone(), entries })
    }

    fn from_source(source: Source) -> Result<Gates, Error> {
        let keys: Result<Named<IgnoredAny>, Problem> = yaml::document(source.text());
        // What cannot be read here cannot be read below either, where it is said of what.
        let is_suite =
            |keys: Named<IgnoredAny>| keys.0.iter().any(|(key, _)| ["attacks", "dataset"].contains(&key.as_str()));
        if keys.is_ok_and(is_suite) {
            let suite = Suite::from_source(source)?;
            let none =
                || Problem::new("this suite has no gates").hint("add a section `gates`, or name a file of gates");
            return Gates::of(&suite).ok_or_else(|| Error::reading(suite.source())(none()));
        }
        let document: Result<GatesDocument, Problem> = yaml::document(source.text());
        match document.and_then(checked) {
            Ok(entries) => Ok(Gates { source, entries }),
            Err(problem) => Err(Error::reading(&source)(problem)),
        }
    }

    /// The file that they were read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Holds every name against what there is.
    ///
    /// Errors: a name that is not there, an estimate, a metric that nothing measured, two gates that ask for the same; with the line.
    pub fn resolve(&self, known: &Measurable) -> Result<Vec<Gate>, Error> {
        resolve(&self.entries, known).map_err(Error::planning(&self.source))
    }
}

fn checked(document: GatesDocument) -> Result<Located<Vec<Located<GateForm>>>, Problem> {
    let GatesDocument { version, gates } = document;
    if version.value != VERSION {
        let message =
            format!("version {} of the format is not known; this program reads version {VERSION}", version.value);
        return Err(Problem::new(message).at(version.place));
    }
    check(&gates)?;
    Ok(gates)
}

/// The JSON schema (draft 2020-12) of a file of gates, as it stands in `suites/gates.schema.json`.
pub fn gates_schema_json() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<GatesDocument>();
    serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
}
