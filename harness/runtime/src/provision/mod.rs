//! Where the library of ONNX Runtime comes from.
//!
//! In this order: `ORT_DYLIB_PATH`; the cache folder; a wheel that pip downloads and that must have the pinned SHA-256;
//! an error with the command to do it by hand. The library's own digest is checked each time, a damaged one is set
//! aside and fetched again, and processes that start at the same time download once. Nothing here loads the library.

mod download;
mod pins;
mod settings;
mod slot;

pub use pins::{PINS, Pin, VERSION};
pub use settings::{Build, Installer, Settings};

use slot::{Condition, Slot, set_aside};

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why there is no library to load.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// `ORT_DYLIB_PATH` names something that is not a file.
    #[error(
        "find ONNX Runtime: ORT_DYLIB_PATH names `{}`, which is not a file\nhint: correct it, or unset it to let Tinyassay fetch version {VERSION}",
        .0.display()
    )]
    DylibMissing(PathBuf),
    /// No wheel is pinned for this platform.
    #[error(
        "find ONNX Runtime: no build is pinned for {0}\nhint: set ORT_DYLIB_PATH to the library of ONNX Runtime 1.24 or newer"
    )]
    Platform(String),
    /// No place to keep the library.
    #[error("find ONNX Runtime: there is no cache folder\nhint: set TINYASSAY_CACHE to a folder that can be written")]
    NoCache,
    /// The library is not there and TINYASSAY_OFFLINE forbids to fetch it.
    #[error("find ONNX Runtime: it is not in `{}` and TINYASSAY_OFFLINE is set\n{hint}", cache.display())]
    Offline {
        /// The cache folder.
        cache: PathBuf,
        /// The manual way.
        hint: String,
    },
    /// Every way to fetch the wheel failed.
    #[error("download ONNX Runtime {VERSION}: {reason}\n{hint}")]
    Download {
        /// What each installer said.
        reason: String,
        /// The manual way.
        hint: String,
    },
    /// Bytes that do not have the pinned digest.
    #[error("verify {what}: its SHA-256 must be {expected}, found {found}")]
    Digest {
        /// The file.
        what: String,
        /// The pinned digest.
        expected: String,
        /// The digest of what is there.
        found: String,
    },
    /// The file system refuses.
    #[error("{action} `{}`: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl Error {
    fn io(action: &'static str, path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Io { action, path: path.to_owned(), reason: error.to_string() }
    }
}

/// What provisioning is about to do, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Another process is fetching the library; waiting for it.
    Waiting {
        /// The lock file.
        lock: PathBuf,
    },
    /// A damaged library was found in the cache and moved to this path.
    SetAside {
        /// Where it is now.
        to: PathBuf,
    },
    /// Downloading the wheel.
    Downloading {
        /// The package.
        package: &'static str,
        /// The version of ONNX Runtime.
        version: &'static str,
        /// The size of the wheel in words.
        size: &'static str,
        /// The installer's command.
        installer: String,
    },
    /// Taking the library out of the wheel.
    Extracting {
        /// Where it goes.
        to: PathBuf,
    },
}

/// Where a library came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `ORT_DYLIB_PATH`.
    Variable,
    /// The cache folder.
    Cache,
    /// Downloaded just now.
    Download,
}

/// A library that is ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Names and SHA-256 of the files beside it that a build with CUDA is made of.
    pub companions: Vec<(String, String)>,
    /// Where it came from.
    pub source: Source,
}

/// Finds the library, fetching it where it must, and says what it does through `report`.
///
/// Errors: there is none and none can be fetched; the message holds the way to do it by hand.
pub fn provision(settings: &Settings, report: &mut dyn FnMut(Step)) -> Result<Library, Error> {
    if let Some(path) = &settings.dylib {
        let path = fs::canonicalize(path).ok().filter(|path| path.is_file());
        let path = path.ok_or_else(|| Error::DylibMissing(settings.dylib.clone().unwrap_or_default()))?;
        let companions = if settings.build == Build::Cuda { companions_beside(&path)? } else { Vec::new() };
        return Ok(Library { sha256: file_sha256(&path)?, path, companions, source: Source::Variable });
    }
    let pin = Pin::current(settings.build).ok_or_else(|| Error::Platform(Pin::current_platform()))?;
    cached(pin, settings, report)
}

/// The digests of the files of a build with CUDA that lie beside a library of the user's own.
fn companions_beside(library: &Path) -> Result<Vec<(String, String)>, Error> {
    let beside = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];
    let paths = beside.map(|name| (name.to_owned(), library.with_file_name(name)));
    paths.into_iter().filter(|(_, path)| path.is_file()).map(|(name, path)| Ok((name, file_sha256(&path)?))).collect()
}

/// The library of `pin` from the cache folder, fetched where it is missing or damaged.
fn cached(pin: &Pin, settings: &Settings, report: &mut dyn FnMut(Step)) -> Result<Library, Error> {
    let cache = settings.cache.as_deref().ok_or(Error::NoCache)?;
    let slot = Slot::new(pin, cache);
    if let Condition::Good(sha256) = slot.condition()? {
        return Ok(slot.into_library(sha256, Source::Cache));
    }
    if settings.offline && !slot.is_complete() {
        return Err(Error::Offline { cache: slot.folder, hint: manual(pin, cache) });
    }
    fs::create_dir_all(&slot.folder).map_err(|error| Error::io("create", &slot.folder, &error))?;
    let _lock = slot.lock(report)?;
    match slot.condition()? {
        Condition::Good(sha256) => return Ok(slot.into_library(sha256, Source::Cache)),
        Condition::Damaged { file, found } => {
            let to = set_aside(&file, &found)?;
            report(Step::SetAside { to });
        }
        Condition::Missing => {}
    }
    if settings.offline {
        return Err(Error::Offline { cache: slot.folder, hint: manual(pin, cache) });
    }
    let sha256 = download::fetch(pin, &slot, settings, report)?;
    Ok(slot.into_library(sha256, Source::Download))
}

/// How to do by hand what provisioning could not.
fn manual(pin: &Pin, cache: &Path) -> String {
    let folder = cache.join("manual");
    let folder = folder.display();
    format!(
        "hint: install pip (on Debian: apt-get install python3-pip) and try again, or fetch it by hand:\n  \
         python3 -m pip install --target {folder} {} {}=={VERSION}\n  \
         export ORT_DYLIB_PATH={folder}/{}",
        pin.selection().join(" "),
        pin.package(),
        pin.member
    )
}

/// SHA-256 of a file in hexadecimal.
fn file_sha256(path: &Path) -> Result<String, Error> {
    let hash = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex(&hasher.finalize())),
                count => hasher.update(&buffer[..count]),
            }
        }
    };
    hash().map_err(|error| Error::io("read", path, &error))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn check_digest(what: &Path, expected: &str, found: &str) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Digest { what: what.display().to_string(), expected: expected.to_owned(), found: found.to_owned() })
}

#[cfg(test)]
mod tests;
