//! Pictures of rows that a report shows: files in a folder of their own, with an index that says what each is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use evidence::{Files, is_temporary, remove_leftovers, write_atomically};
use serde::{Deserialize, Serialize};

use crate::Error;

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Its file in the folder of the pictures: a name without a path that ends with `.png`.
    pub file: String,
    /// What it is, in a few words.
    pub title: String,
    /// What is to be seen.
    pub caption: String,
    /// The bytes of the file, a PNG.
    pub png: Vec<u8>,
}

impl Picture {
    /// The folder of the pictures in a report folder.
    pub const FOLDER: &str = "pictures";
}

/// What the pictures are, in their order.
const INDEX: &str = "index.json";

/// The bytes of all pictures together, at most, when they are read.
const MOST_BYTES: usize = 16 << 20;

/// What a file of the format begins with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    schema_version: u32,
    pictures: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    title: String,
    caption: String,
}

/// Replaces the pictures of a report folder; none leave no folder.
pub(crate) fn write(report: &Path, pictures: &[Picture], files: &dyn Files) -> Result<(), Error> {
    let folder = report.join(Picture::FOLDER);
    if pictures.is_empty() {
        return clear(&folder, &[]);
    }
    fs::create_dir_all(&folder).map_err(Error::io("create folder", &folder))?;
    remove_leftovers(&folder)?;
    for picture in pictures {
        check(&folder, &picture.file, &picture.png)?;
        write_atomically(files, &folder.join(&picture.file), &picture.png)?;
    }
    let entries = pictures.iter().map(|picture| Entry {
        file: picture.file.clone(),
        title: picture.title.clone(),
        caption: picture.caption.clone(),
    });
    let index = Index { schema_version: 1, pictures: entries.collect() };
    let text = serde_json::to_string_pretty(&index).map_err(|error| refuse(&folder, &error.to_string()))?;
    write_atomically(files, &folder.join(INDEX), (text + "\n").as_bytes())?;
    clear(&folder, pictures)
}

/// Removes what an earlier report left beside these pictures, and the folder without any. Another run may be writing the same
/// ones meanwhile: its files stay, whole or not, and what it has removed already is no error.
fn clear(folder: &Path, pictures: &[Picture]) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(Error::io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = !pictures.is_empty() && name == INDEX || pictures.iter().any(|picture| picture.file == name);
        if is_ours || is_temporary(&name) || entry.path().is_dir() {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &entry.path())(error));
            }
            _ => {}
        }
    }
    if pictures.is_empty() {
        // It stays where something else is in it.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Reads the pictures of a report folder; none where there is no index.
///
/// Errors: [`Error::Pictures`] for an index that is malformed or names a file elsewhere, and for a file that is no PNG;
/// [`Error::Io`] for one that cannot be read.
pub fn read(report: &Path) -> Result<Vec<Picture>, Error> {
    let folder = report.join(Picture::FOLDER);
    let path = folder.join(INDEX);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let index: Index = serde_json::from_slice(&text).map_err(|error| refuse(&folder, &format!("{INDEX}: {error}")))?;
    let (mut pictures, mut names, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for Entry { file, title, caption } in index.pictures {
        // The name is looked at before anything is opened.
        name(&folder, &file)?;
        if !names.insert(file.clone()) {
            return Err(refuse(&folder, &format!("`{file}` is listed twice")));
        }
        let path = folder.join(&file);
        let size = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
        bytes += size.len() as usize;
        if !size.is_file() || bytes > MOST_BYTES {
            return Err(refuse(&folder, &format!("`{file}` is no file, or too large")));
        }
        let png = fs::read(&path).map_err(Error::io("read", &path))?;
        check(&folder, &file, &png)?;
        pictures.push(Picture { file, title, caption, png });
    }
    Ok(pictures)
}

fn check(folder: &Path, file: &str, png: &[u8]) -> Result<(), Error> {
    name(folder, file)?;
    match png.starts_with(SIGNATURE) {
        true => Ok(()),
        false => Err(refuse(folder, &format!("`{file}` is no PNG"))),
    }
}

fn name(folder: &Path, file: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match file.ends_with(".png") && !file.starts_with('.') && file.chars().all(is_plain) {
        true => Ok(()),
        false => Err(refuse(folder, &format!("`{}` is no name of a picture", crate::text::plain(file)))),
    }
}

fn refuse(folder: &Path, reason: &str) -> Error {
    Error::Pictures { folder: folder.into(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::pictures;
    use evidence::SystemFiles;

    #[test]
    fn pictures_come_back_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pictures(), &SystemFiles).unwrap();
        assert_eq!(read(folder.path()).unwrap(), pictures());
        write(folder.path(), &pictures()[..1], &SystemFiles).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("pictures")).unwrap().count(), 2, "one and the index");
        write(folder.path(), &[], &SystemFiles).unwrap();
        assert!(read(folder.path()).unwrap().is_empty() && !folder.path().join("pictures").exists());
    }

    #[test]
    fn hostile_indices_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pictures(), &SystemFiles).unwrap();
        let index = folder.path().join("pictures/index.json");
        fs::write(folder.path().join("secret.png"), SIGNATURE).unwrap();
        fs::write(folder.path().join("pictures/text.png"), "no picture").unwrap();
        fs::create_dir(folder.path().join("pictures/folder.png")).unwrap();
        for file in ["../secret.png", "/etc/passwd", "text.png", "folder.png", "missing.png", ".png", "a\\\\b.png", ""]
        {
            let entry = format!(r#"{{ "file": "{file}", "title": "", "caption": "" }}"#);
            fs::write(&index, format!(r#"{{ "schema_version": 1, "pictures": [{entry}] }}"#)).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.starts_with("read "), "{file}: {error}");
        }
        for text in ["", "{", "[]", r#"{ "schema_version": 1, "pictures": [], "more": 1 }"#] {
            fs::write(&index, text).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("pictures: index.json: "), "{error}");
        }
    }
}
