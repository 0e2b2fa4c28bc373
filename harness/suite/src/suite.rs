//! A suite: what the user wrote, read and checked as far as that is possible without looking anything up.

use crate::cost;
use crate::document::Document;
use crate::error::Error;
use crate::gates;
use crate::published;
use registry::yaml;
use registry::yaml::Problem;
use registry::yaml::Source;
use std::path::Path;

/// The version of the format that this program reads.
pub(crate) const VERSION: u64 = 1;

/// What the user wrote.
#[derive(Clone, Debug)]
pub struct Suite {
    source: Source,
    document: Document,
}

impl Suite {
    /// Reads a suite from a file.
    pub fn read(path: impl AsRef<Path>) -> Result<Suite, Error> {
        Suite::from_source(Source::read(path.as_ref())?)
    }

    /// Reads a suite from the bytes of a file. Relative paths in it start from the folder of `path`.
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Suite, Error> {
        Suite::from_source(Source::new(path.as_ref(), bytes)?)
    }

    pub(crate) fn from_source(source: Source) -> Result<Suite, Error> {
        let document: Result<Document, Problem> = yaml::document(source.text());
        match document.and_then(|document| check(&document).map(|()| document)) {
            Ok(document) => Ok(Suite { source, document }),
            Err(problem) => Err(Error::reading(&source)(problem)),
        }
    }

    /// The file that the suite was read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The keys and values.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The suite's name.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// The same suite on another number of samples.
    pub fn with_samples(mut self, samples: std::num::NonZeroU32) -> Suite {
        self.document.dataset.samples.value = u64::from(samples.get());
        self
    }
}

/// Checks every value that can be judged alone.
fn check(document: &Document) -> Result<(), Problem> {
    let Document {
        version, name, purpose, dataset, models, attacks, probes, corruptions, cost, published, gates, ..
    } = document;
    let reject =
        |wrong: bool, message: String, place| if wrong { Err(Problem::new(message).at(place)) } else { Ok(()) };
    reject(
        version.value != VERSION,
        format!("version {} of the format is not known; this program reads version {VERSION}", version.value),
        version.place,
    )?;
    check_name(name, "name").map_err(|p| p.at(name.place))?;
    if let Some(purpose) = purpose {
        let is_empty = purpose.value.trim().is_empty();
        reject(is_empty, "`purpose` is empty; leave it out to state none".into(), purpose.place)?;
    }
    reject(dataset.samples.value == 0, "`samples` is 0, and at least 1 is needed".into(), dataset.samples.place)?;
    reject(models.is_empty(), "`models` is empty, and a suite needs at least one".into(), models.place)?;
    reject(attacks.is_empty(), "`attacks` is empty, and a suite needs at least one".into(), attacks.place)?;
    if let Some(probes) = probes {
        reject(probes.is_empty(), "`probes` is empty; leave it out to measure none".into(), probes.place)?;
    }
    if let Some(section) = corruptions {
        reject(section.is_empty(), "`corruptions` is empty; leave it out to run none".into(), section.place)?;
    }
    if let Some(entries) = cost {
        cost::check(entries)?;
    }
    if let Some(section) = published {
        published::check(section)?;
    }
    if let Some(entries) = gates {
        gates::check(entries)?;
    }
    Ok(())
}

/// A name is a part of paths and of tables: letters, digits, `-`, `_` and `.`, at most 64.
pub(crate) fn check_name(name: &str, what: &str) -> Result<(), Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits) && name.len() <= 64 {
        return Ok(());
    }
    Err(Problem::new(format!("{what} {name:?} is not a name"))
        .hint("a name has 1 to 64 letters, digits, `-`, `_` or `.` and begins with a letter or a digit"))
}
