use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Error;

const SUFFIX: &str = ".tmp";

/// The steps of writing a file that a full disk or a dying machine can interrupt; tests put their own failures here.
pub trait Files: Send + Sync {
    /// Writes all of `bytes`.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Returns once the bytes are on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Gives the file its final name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// Writes `path` whole or not at all: a temporary file in the same folder, written, synced, renamed.
///
/// Errors: [`Error::Io`] that names `path`; then `path` is as it was, and the temporary file is gone.
pub fn write_atomically(files: &dyn Files, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (mut file, temporary) = create_temporary(path).map_err(Error::io("write", path))?;
    let written =
        files.write(&mut file, bytes).and_then(|()| files.sync(&file)).and_then(|()| files.rename(&temporary, path));
    if written.is_err() {
        // The error that counts is the first one; what stays behind is removed by the next `remove_leftovers`.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(Error::io("write", path))
}

/// Whether `name` is that of a temporary file of [`write_atomically`].
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(SUFFIX)
}

/// Removes the temporary files that a killed process left in `folder`, and none that a living one is writing: a writer
/// holds a lock on its file, and a lock dies with its process.
pub fn remove_leftovers(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        if entry.file_name().to_str().is_some_and(is_temporary) {
            remove_if_abandoned(&entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if file.try_lock().is_err() {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A new, locked file beside `path`. Between its creation and its lock another process may take it for a leftover and
/// remove it; then there is a next one.
fn create_temporary(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    loop {
        let nonce = RandomState::new().build_hasher().finish();
        let temporary = path.with_file_name(format!(".{name}.{nonce:016x}{SUFFIX}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        // A file system without locks leaves its leftovers to be removed by any process that opens the folder.
        let _ = file.lock();
        if temporary.exists() {
            return Ok((file, temporary));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A disk that has room for so many bytes, or refuses a later step.
    pub(crate) struct Failing {
        pub(crate) room: AtomicUsize,
        pub(crate) sync: bool,
        pub(crate) rename: bool,
    }

    impl Failing {
        pub(crate) fn after(bytes: usize) -> Self {
            Self { room: bytes.into(), sync: true, rename: true }
        }
    }

    impl Files for Failing {
        fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            let room = self.room.load(Ordering::Relaxed);
            file.write_all(&bytes[..room.min(bytes.len())])?;
            self.room.store(room.saturating_sub(bytes.len()), Ordering::Relaxed);
            if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&self, _: &File) -> io::Result<()> {
            if self.sync { Ok(()) } else { Err(io::Error::other("no sync")) }
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            if self.rename { fs::rename(from, to) } else { Err(io::Error::other("no rename")) }
        }
    }

    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_atomically(&SystemFiles, &path, b"first").unwrap();
        let failures = (0..6)
            .map(Failing::after)
            .chain([Failing { sync: false, ..Failing::after(99) }, Failing { rename: false, ..Failing::after(99) }]);
        for failing in failures {
            let error = write_atomically(&failing, &path, b"second").unwrap_err().to_string();
            assert!(error.contains("results.json"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), b"first");
            assert_eq!(names(folder.path()), ["results.json"]);
        }
        write_atomically(&SystemFiles, &path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let error = write_atomically(&SystemFiles, Path::new("/no/such/folder/x.json"), b"").unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/x.json"), "{error}");
    }

    #[test]
    fn leftovers_go_and_files_being_written_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (_held, living) = create_temporary(&folder.path().join("a.json")).unwrap();
        let (dropped, dead) = create_temporary(&folder.path().join("b.json")).unwrap();
        drop(dropped);
        fs::write(folder.path().join("c.json"), b"").unwrap();
        remove_leftovers(folder.path()).unwrap();
        assert!(living.exists() && !dead.exists());
        assert_eq!(names(folder.path()).len(), 2);
    }
}
