//! A recipe: what the user wrote, read and checked as far as that is possible without looking anything up.

mod checks;
pub mod document;
#[cfg(test)]
pub(crate) mod reading_errors;
mod schema;

pub use document::Document;
pub use schema::schema_json;

use crate::Error;
use registry::yaml::{self, Source};
use std::path::Path;

/// What the user wrote.
#[derive(Clone, Debug)]
pub struct Recipe {
    source: Source,
    document: Document,
}

impl Recipe {
    /// Reads a recipe from a file.
    ///
    /// Errors: the file can't be read, or something in it is wrong, with the place and the remedy.
    pub fn read(path: impl AsRef<Path>) -> Result<Recipe, Error> {
        Recipe::from_source(Source::read(path.as_ref())?)
    }

    /// Reads a recipe from the bytes of a file.
    ///
    /// Errors: as [`Recipe::read`].
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Recipe, Error> {
        Recipe::from_source(Source::new(path.as_ref(), bytes)?)
    }

    fn from_source(source: Source) -> Result<Recipe, Error> {
        let document = yaml::document::<Document>(source.text());
        match document.and_then(|document| checks::check(&document).map(|()| document)) {
            Ok(document) => Ok(Recipe { source, document }),
            Err(problem) => Err(Error::reading(&source)(problem)),
        }
    }

    /// The file that the recipe was read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The keys and values.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The same recipe with another number of epochs, to try it out.
    pub fn with_epochs(mut self, epochs: std::num::NonZeroU32) -> Recipe {
        self.document.epochs.value = epochs.get();
        self
    }
}
