use super::{Error, Library, Pin, Source, Step, VERSION, file_sha256, pins};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The places in the cache folder that belong to one pin.
pub(super) struct Slot<'a> {
    pub(super) pin: &'a Pin,
    pub(super) cache: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) library: PathBuf,
    /// Holds the digest that was recorded when the library came out of its verified wheel.
    pub(super) record: PathBuf,
    pub(super) companions: Vec<Companion>,
}

/// A file that must lie beside the library.
pub(super) struct Companion {
    pub(super) member: &'static str,
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) sha256: &'static str,
}

pub(super) enum Condition {
    Missing,
    Damaged { file: PathBuf, found: String },
    Good(String),
}

impl<'a> Slot<'a> {
    pub(super) fn new(pin: &'a Pin, cache: &Path) -> Self {
        let folder = cache.join(format!("{}-{VERSION}-{}", pin.package(), pin.platform));
        let library = folder.join(pin.file_name());
        let record = folder.join("library.sha256");
        let companions = pin.companions.iter().map(|&(member, sha256)| {
            let name = pins::base_name(member);
            Companion { member, name, path: folder.join(name), sha256 }
        });
        Self { pin, cache: cache.to_owned(), library, record, companions: companions.collect(), folder }
    }

    pub(super) fn into_library(self, sha256: String, source: Source) -> Library {
        let companions = self.companions.iter().map(|file| (file.name.to_owned(), file.sha256.to_owned())).collect();
        Library { path: self.library, sha256, companions, source }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.library.is_file() && self.companions.iter().all(|file| file.path.is_file())
    }

    pub(super) fn condition(&self) -> Result<Condition, Error> {
        if !self.is_complete() {
            return Ok(Condition::Missing);
        }
        for Companion { path, sha256, .. } in &self.companions {
            let found = file_sha256(path)?;
            if found != *sha256 {
                return Ok(Condition::Damaged { file: path.clone(), found });
            }
        }
        let found = file_sha256(&self.library)?;
        let expected = match self.pin.library_sha256 {
            Some(pinned) => Some(pinned.to_owned()),
            None => fs::read_to_string(&self.record).ok().map(|text| text.trim().to_owned()),
        };
        Ok(if expected.as_ref() == Some(&found) {
            Condition::Good(found)
        } else {
            Condition::Damaged { file: self.library.clone(), found }
        })
    }

    pub(super) fn lock(&self, report: &mut dyn FnMut(Step)) -> Result<File, Error> {
        let path = self.folder.join("lock");
        let fail = |error: &dyn std::fmt::Display| Error::io("lock", &path, error);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| fail(&error))?;
        if file.try_lock().is_err() {
            report(Step::Waiting { lock: path.clone() });
            file.lock().map_err(|error| fail(&error))?;
        }
        Ok(file)
    }
}

/// Moves a damaged file out of the way.
pub(super) fn set_aside(file: &Path, digest: &str) -> Result<PathBuf, Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let to = file.with_file_name(format!("{name}.damaged-{}", &digest[..8]));
    fs::rename(file, &to).map_err(|error| Error::io("set aside", file, &error))?;
    Ok(to)
}
