use crate::name::check_relative_path;
use crate::{Digest, Error};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The files of one model's folder, and nothing else: no path leads out of it and no symbolic link is followed.
#[derive(Debug, Clone)]
pub struct FolderFiles {
    folder: PathBuf,
}

impl FolderFiles {
    /// The files below `folder`. The folder itself may be reached through a link; nothing below it may.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads `length` bytes from `offset`, or all from there to the end.
    ///
    /// Errors: [`Error::Confined`] when the path leaves the folder, meets a symbolic link or is not a file, or when the
    /// range exceeds the file's real size; so a hostile length cannot make this allocate more than there is on disk.
    pub fn read(&self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, Error> {
        let path = self.path(location)?;
        let mut file = File::open(&path).map_err(Error::io(&path))?;
        let size = file.metadata().map_err(Error::io(&path))?.len();
        let available = size.checked_sub(offset);
        let wanted = length.or(available);
        let Some(wanted) = wanted.filter(|wanted| available.is_some_and(|available| *wanted <= available)) else {
            let wanted = length.map_or_else(|| "the rest".to_owned(), |length| format!("{length} bytes"));
            return Err(self.refuse(location, format!("{wanted} from byte {offset} exceed its {size} bytes")));
        };
        file.seek(SeekFrom::Start(offset)).map_err(Error::io(&path))?;
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        file.take(wanted).read_to_end(&mut bytes).map_err(Error::io(&path))?;
        if bytes.len() as u64 != wanted {
            return Err(self.refuse(location, "the file became shorter while it was read".to_owned()));
        }
        Ok(bytes)
    }

    /// Reads a whole file and compares it with `expected`.
    pub(crate) fn read_verified(&self, location: &str, expected: Digest) -> Result<Vec<u8>, Error> {
        let bytes = self.read(location, 0, None)?;
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(Error::WrongDigest { path: self.folder.join(location), expected, found });
        }
        Ok(bytes)
    }

    /// Where `location` is, once every component below the folder is known to be no link and the last one a file.
    pub(crate) fn path(&self, location: &str) -> Result<PathBuf, Error> {
        check_relative_path(location).map_err(|reason| self.refuse(location, reason))?;
        let mut path = self.folder.clone();
        let mut is_file = false;
        for part in location.split('/') {
            path.push(part);
            let kind = fs::symlink_metadata(&path).map_err(Error::io(&path))?.file_type();
            if kind.is_symlink() {
                return Err(self.refuse(location, format!("`{part}` is a symbolic link, which is not followed")));
            }
            is_file = kind.is_file();
        }
        if is_file { Ok(path) } else { Err(self.refuse(location, "it is not a regular file".to_owned())) }
    }

    /// Every path below the folder that is not a folder itself, sorted, `/` between components. Links are not entered.
    pub(crate) fn list(&self) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(prefix) = pending.pop() {
            let folder = self.folder.join(&prefix);
            for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
                let entry = entry.map_err(Error::io(&folder))?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.file_type().map_err(Error::io(&folder))?.is_dir() {
                    pending.push(format!("{name}/"));
                } else {
                    found.push(name);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn refuse(&self, location: &str, reason: String) -> Error {
        Error::Confined { folder: self.folder.clone(), location: location.to_owned(), reason }
    }
}

/// What verification found out about one file.
#[derive(Debug)]
pub struct FileCheck {
    /// Its path as the manifest has it.
    pub name: String,
    /// What was found.
    pub state: FileState,
}

/// Whether a file is what its manifest pins.
#[derive(Debug)]
pub enum FileState {
    /// Its digest is the pinned one.
    Verified,
    /// It is not, or it cannot be read.
    Failed(Error),
}

impl FileCheck {
    pub(crate) fn new(name: &str, outcome: Result<(), Error>) -> Self {
        let state = outcome.map_or_else(FileState::Failed, |()| FileState::Verified);
        Self { name: name.to_owned(), state }
    }

    /// Whether the file is what its manifest pins.
    pub fn is_verified(&self) -> bool {
        matches!(self.state, FileState::Verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, FolderFiles) {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("model");
        fs::create_dir_all(inner.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), b"secret").unwrap();
        fs::write(inner.join("sub/w.bin"), b"0123456789").unwrap();
        (outer, FolderFiles::new(inner))
    }

    #[test]
    fn ranges_are_read_and_capped_by_the_real_size() {
        let (_outer, files) = folder();
        assert_eq!(files.read("sub/w.bin", 0, None).unwrap(), b"0123456789");
        assert_eq!(files.read("sub/w.bin", 3, Some(4)).unwrap(), b"3456");
        assert_eq!(files.read("sub/w.bin", 10, None).unwrap(), b"");
        for (offset, length) in
            [(0, Some(11)), (11, None), (u64::MAX, Some(1)), (1, Some(u64::MAX)), (5, Some(1 << 60))]
        {
            let error = files.read("sub/w.bin", offset, length).unwrap_err().to_string();
            assert!(error.contains("exceed its 10 bytes"), "{error}");
        }
    }

    #[test]
    fn nothing_outside_the_folder_is_read() {
        let (outer, files) = folder();
        let absolute = outer.path().join("secret").display().to_string();
        for location in ["../secret", "sub/../../secret", &absolute, "", ".", "sub", "sub/"] {
            assert!(matches!(files.read(location, 0, None), Err(Error::Confined { .. })), "{location}");
        }
        assert!(matches!(files.read("absent", 0, None), Err(Error::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed() {
        let (outer, files) = folder();
        std::os::unix::fs::symlink(outer.path().join("secret"), files.folder().join("link")).unwrap();
        std::os::unix::fs::symlink(outer.path(), files.folder().join("up")).unwrap();
        std::os::unix::fs::symlink("sub", files.folder().join("inside")).unwrap();
        for location in ["link", "up/secret", "inside/w.bin"] {
            let error = files.read(location, 0, None).unwrap_err().to_string();
            assert!(error.contains("symbolic link"), "{error}");
        }
        assert_eq!(files.list().unwrap(), ["inside", "link", "sub/w.bin", "up"]);
    }
}
