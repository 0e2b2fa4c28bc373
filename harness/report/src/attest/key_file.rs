use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use evidence::{SystemFiles, write_atomically};

use crate::attest::{PrivateKey, PublicKey};
use crate::{Error, SUMS};

/// What a key file may hold, in bytes.
const LARGEST: u64 = 1 << 16;

impl PrivateKey {
    /// Writes the key to `path`, which only its owner may read from the moment that it is there, and the public half beside it
    /// as `path` with `.pub` at its end, which is returned.
    ///
    /// `replace`: also where there are such files.
    ///
    /// Errors: [`Error::Key`] where a file is there, or `path` is in the folder of a report or of a model, which are
    /// given away.
    pub fn write(&self, path: &Path, replace: bool) -> Result<PathBuf, Error> {
        let public = public_path(path);
        check_place(path)?;
        if let Some(taken) = [path, &public].into_iter().find(|path| path.symlink_metadata().is_ok() && !replace) {
            return Err(exists(taken));
        }
        match write_private(path, self.to_pem().as_bytes(), replace) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
            written => written.map_err(Error::io("write", path))?,
        }
        write_atomically(&SystemFiles, &public, self.public().to_pem().as_bytes())?;
        Ok(public)
    }

    /// Reads the key in `path`.
    ///
    /// Errors: [`Error::Key`] where others than its owner may read it, or it is no private key on P-256.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        check_permissions(path, &file)?;
        Self::from_pem(&text(path, &mut file)?).map_err(|reason| refuse(path, reason))
    }
}

impl PublicKey {
    /// Reads the key in `path`.
    ///
    /// Errors: [`Error::Key`] where it is no public key on P-256.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        Self::from_pem(&text(path, &mut file)?).map_err(|reason| refuse(path, reason))
    }
}

fn refuse(path: &Path, reason: impl Into<String>) -> Error {
    Error::Key { path: path.into(), reason: reason.into() }
}

fn exists(path: &Path) -> Error {
    let hint = "hint: what it signed can only be verified with its own public half; --force writes over both files";
    refuse(path, format!("it is there already\n{hint}"))
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn text(path: &Path, file: &mut File) -> Result<String, Error> {
    let mut text = String::new();
    let read = file.take(LARGEST).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(refuse(path, "it is no text")),
        read => read.map(|_| text).map_err(Error::io("read", path)),
    }
}

/// A folder that somebody hands on is no place for a private key.
fn check_place(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let parent = fs::canonicalize(parent).map_err(Error::io("open", parent))?;
    let is_report = |folder: &&Path| folder.join("results.json").exists() && folder.join(SUMS).exists();
    if parent.ancestors().find(is_report).is_some() {
        return Err(refuse(path, "it would be in the folder of a report\nhint: keep keys where nothing is published"));
    }
    if parent.join("manifest.yaml").exists() {
        return Err(refuse(path, "it would be in the folder of a model\nhint: keep keys where nothing is published"));
    }
    Ok(())
}

/// The text is complete before the name is there, and nobody else could read it before.
fn write_private(path: &Path, text: &[u8], replace: bool) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    let named = || match replace {
        true => fs::rename(&temporary, path),
        // Unlike a rename, a link never takes the place of a file.
        false => fs::hard_link(&temporary, path),
    };
    let written = file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| named());
    let _ = fs::remove_file(&temporary);
    written
}

#[cfg(unix)]
fn check_permissions(path: &Path, file: &File) -> Result<(), Error> {
    let metadata = file.metadata().map_err(Error::io("read", path))?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let place = path.display();
    Err(refuse(path, format!("others than its owner may use it (mode {mode:04o})\nhint: `chmod 600 {place}`")))
}

#[cfg(not(unix))]
fn check_permissions(_: &Path, _: &File) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::tests::{key, private_pem};

    #[test]
    fn both_halves_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.key");
        let public = key().write(&path, false).unwrap();
        assert_eq!(public, folder.path().join("release.key.pub"));
        assert_eq!(PrivateKey::read(&path).unwrap().public(), key().public());
        assert_eq!(PublicKey::read(&public).unwrap(), key().public());
        assert!(PublicKey::read(&path).unwrap_err().to_string().contains("hint: "));
        assert!(PrivateKey::read(&public).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_key_is_not_lost_by_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let old = PrivateKey::generate().unwrap();
        old.write(&path, false).unwrap();
        assert!(key().write(&path, false).unwrap_err().to_string().contains("--force"));
        fs::remove_file(public_path(&path)).unwrap();
        assert!(key().write(&path, false).unwrap_err().to_string().contains("--force"));
        assert!(!public_path(&path).exists());
        assert_eq!(PrivateKey::read(&path).unwrap().public(), old.public());
        key().write(&path, true).unwrap();
        assert_eq!(PrivateKey::read(&path).unwrap().public(), key().public());
        fs::remove_file(&path).unwrap();
        assert!(key().write(&path, false).is_err(), "the public half of another key is there");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        key().write(&path, false).unwrap();
        key().write(&path, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in 0..0o777 {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o400)).unwrap();
            let read = PrivateKey::read(&path);
            assert_eq!(read.is_ok(), mode & 0o077 == 0, "{mode:o}");
            let told = read.err().is_none_or(|error| error.to_string().contains("hint: `chmod 600 "));
            assert!(told, "{mode:o}");
        }
    }

    #[test]
    fn no_key_is_put_where_things_are_given_away() {
        let folder = tempfile::tempdir().unwrap();
        for (name, files) in [("report", ["results.json", SUMS].as_slice()), ("model", &["manifest.yaml"])] {
            let place = folder.path().join(name);
            fs::create_dir_all(place.join("evidence")).unwrap();
            for file in files {
                fs::write(place.join(file), "").unwrap();
            }
            let error = key().write(&place.join("k"), true).unwrap_err().to_string();
            assert!(error.contains(&format!("the folder of a {name}")), "{error}");
            assert!(!place.join("k").exists() && !place.join("k.pub").exists());
        }
        assert!(key().write(&folder.path().join("report/evidence/k"), false).is_err());
        assert!(key().write(&folder.path().join("absent/k"), false).is_err());
    }

    #[test]
    fn hostile_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let (long, whole) = ("a".repeat(1 << 20), private_pem());
        let texts = [b"".as_slice(), b"\xff\xfe", long.as_bytes(), &whole.as_bytes()[..80]];
        for text in texts {
            fs::write(&path, text).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            assert!(matches!(PrivateKey::read(&path), Err(Error::Key { .. })));
            assert!(matches!(PublicKey::read(&path), Err(Error::Key { .. })));
        }
    }
}
