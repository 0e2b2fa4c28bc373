//! The text that a document was read from, and places in it.

use super::problem::Problem;
use crate::{Digest, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Documents are written by hand; a file above this is not one.
const LARGEST_BYTES: u64 = 1 << 20;

/// The file that a document was read from.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: Arc<str>,
    digest: Digest,
}

impl Source {
    /// Reads a file.
    ///
    /// Errors: [`Error::Document`] where it can't be read or is too large, [`Error::Yaml`] where it is not UTF-8.
    pub fn read(path: &Path) -> Result<Source, Error> {
        let refuse = |reason: String| Error::Document { path: path.to_path_buf(), reason };
        let io = |source: std::io::Error| refuse(source.to_string());
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > LARGEST_BYTES {
            return Err(refuse(format!("it has {bytes} bytes and at most {LARGEST_BYTES} are allowed")));
        }
        Source::new(path, &std::fs::read(path).map_err(io)?)
    }

    /// Takes the bytes of a file as its text.
    ///
    /// Errors: [`Error::Yaml`] where they are not UTF-8.
    pub fn new(path: &Path, bytes: &[u8]) -> Result<Source, Error> {
        let text = |bytes| Arc::from(String::from_utf8_lossy(bytes));
        let source = Source { path: path.to_path_buf(), text: text(bytes), digest: Digest::of(bytes) };
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(source),
            Err(error) => {
                let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let place = Place::end_of(&before);
                let byte = bytes[error.valid_up_to()];
                let problem = Problem::new(format!("the file is not UTF-8: byte 0x{byte:02x} does not belong there"));
                Err(Error::Yaml(Box::new(problem.at(place).read_from(&source))))
            }
        }
    }

    /// Where the file is, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The folder that relative paths in the document start from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// A place in a text. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The first character.
    pub column: usize,
    /// How many characters are meant; they may reach over the end of the line.
    pub length: usize,
}

impl Place {
    /// The place right behind a text.
    fn end_of(text: &str) -> Place {
        let last = text.rsplit('\n').next().unwrap_or_default();
        Place { line: text.matches('\n').count() + 1, column: last.chars().count() + 1, length: 1 }
    }
}
