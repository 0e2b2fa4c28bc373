use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Component, Path};

use evidence::{Digest, is_temporary};

use crate::Error;

/// The name of the list of digests.
pub const SUMS: &str = "SHA256SUMS";

/// The folder of signed statements about the others, which no list of digests holds: they sign the list.
pub const ATTESTATION: &str = "attestation";

/// One way in which a folder differs from its `SHA256SUMS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// The bytes of this file are others.
    Changed(String),
    /// This file is listed and not there.
    Missing(String),
    /// This file is there and not listed.
    Unlisted(String),
}

/// The text of `SHA256SUMS` for `folder`: every file below it but itself, temporary ones and those in [`ATTESTATION`],
/// sorted by path, in the form that `sha256sum -c` reads.
///
/// Errors: [`Error::Unlistable`] for links and names that are not UTF-8 or break a line.
pub fn sha256sums(folder: &Path) -> Result<String, Error> {
    let mut text = String::new();
    for (path, digest) in digests(folder, false)? {
        let _ = writeln!(text, "{digest}  {path}");
    }
    Ok(text)
}

/// Holds the files below `folder` against its `SHA256SUMS`; empty if all is well. Nothing is said of the files in
/// [`ATTESTATION`]: what they are worth, their signatures say.
///
/// Errors: a list that is missing or malformed, or names a file outside the folder.
pub fn verify(folder: &Path) -> Result<Vec<Mismatch>, Error> {
    let path = folder.join(SUMS);
    let listed = parse(&path, &fs::read_to_string(&path).map_err(Error::io("read", &path))?)?;
    let mut there = digests(folder, true)?;
    let mut mismatches = Vec::new();
    for (name, digest) in listed {
        match there.remove(&name) {
            Some(found) if found == digest => {}
            Some(_) => mismatches.push(Mismatch::Changed(name)),
            None => mismatches.push(Mismatch::Missing(name)),
        }
    }
    mismatches.extend(there.into_keys().map(Mismatch::Unlisted));
    Ok(mismatches)
}

/// With `temporary` also the files that a writer that was killed left, which no list holds.
fn digests(folder: &Path, temporary: bool) -> Result<BTreeMap<String, Digest>, Error> {
    let mut digests = BTreeMap::new();
    visit(folder, "", temporary, &mut digests)?;
    Ok(digests)
}

fn visit(folder: &Path, prefix: &str, temporary: bool, digests: &mut BTreeMap<String, Digest>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let path = entry.path();
        let unlistable = |reason| Error::Unlistable { path: path.clone(), reason };
        let name = entry.file_name().into_string().map_err(|_| unlistable("its name is not UTF-8"))?;
        if name.contains(['\n', '\r', '\\']) {
            return Err(unlistable("its name has a line break or a backslash"));
        }
        let kind = entry.file_type().map_err(Error::io("read", &path))?;
        let name = format!("{prefix}{name}");
        if kind.is_dir() && name == ATTESTATION {
            continue;
        } else if kind.is_dir() {
            visit(&path, &format!("{name}/"), temporary, digests)?;
        } else if !kind.is_file() {
            return Err(unlistable("it is neither a file nor a folder"));
        } else if name != SUMS && (temporary || !is_temporary(&entry.file_name().to_string_lossy())) {
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            digests.insert(name, Digest::of(&bytes));
        }
    }
    Ok(())
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Digest>, Error> {
    let mut listed = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let refuse = |reason: String| Error::Sums { path: path.into(), line: index + 1, reason };
        let (digest, name) = line
            .split_once("  ")
            .or_else(|| line.split_once(" *"))
            .ok_or_else(|| refuse("expected a digest, two spaces and a path".into()))?;
        let digest = digest.parse().map_err(|e: evidence::Error| refuse(e.to_string()))?;
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refuse(format!("`{name}` is not a path inside the folder")));
        }
        if listed.insert(name.to_owned(), digest).is_some() {
            return Err(refuse(format!("`{name}` is listed twice")));
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        fs::create_dir_all(path.join("evidence/damaged")).unwrap();
        fs::write(path.join("results.json"), b"{}\n").unwrap();
        fs::write(path.join("evidence/b.json"), b"b").unwrap();
        fs::write(path.join("evidence/damaged/a b.json"), b"").unwrap();
        fs::write(path.join(SUMS), sha256sums(&path).unwrap()).unwrap();
        (folder, path)
    }

    #[test]
    fn every_file_is_listed_by_path() {
        insta::assert_snapshot!(fs::read_to_string(folder().1.join(SUMS)).unwrap(), @r#"
        3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  evidence/b.json
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  evidence/damaged/a b.json
        ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356  results.json
        "#);
    }

    #[test]
    fn statements_about_the_files_are_not_listed() {
        let (_kept, path) = folder();
        let before = sha256sums(&path).unwrap();
        fs::create_dir_all(path.join(ATTESTATION)).unwrap();
        fs::write(path.join(ATTESTATION).join("a.dsse.json"), b"{}").unwrap();
        assert_eq!((sha256sums(&path).unwrap(), verify(&path).unwrap()), (before, vec![]));
        // Only the folder at the top is one.
        fs::create_dir_all(path.join("evidence").join(ATTESTATION)).unwrap();
        fs::write(path.join("evidence").join(ATTESTATION).join("b"), b"").unwrap();
        assert_eq!(verify(&path).unwrap(), [Mismatch::Unlisted("evidence/attestation/b".into())]);
    }

    #[test]
    fn sha256sum_agrees_where_it_is_installed() {
        let (_kept, path) = folder();
        let Ok(output) =
            std::process::Command::new("sha256sum").args(["-c", "--strict", SUMS]).current_dir(path).output()
        else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn every_difference_is_named() {
        let (_kept, path) = folder();
        assert_eq!(verify(&path).unwrap(), []);
        // A file that a killed writer left is in no list, and not passed over.
        let before = sha256sums(&path).unwrap();
        let half = path.join("evidence/.b.json.00.tmp");
        fs::write(&half, b"half").unwrap();
        assert_eq!(sha256sums(&path).unwrap(), before);
        assert_eq!(verify(&path).unwrap(), [Mismatch::Unlisted("evidence/.b.json.00.tmp".into())]);
        fs::remove_file(half).unwrap();
        fs::write(path.join("results.json"), b"{ }\n").unwrap();
        fs::remove_file(path.join("evidence/b.json")).unwrap();
        fs::write(path.join("evidence/c.json"), b"").unwrap();
        let names = ["evidence/b.json", "results.json", "evidence/c.json"].map(str::to_owned);
        let [missing, changed, unlisted] = names;
        let expected = [Mismatch::Missing(missing), Mismatch::Changed(changed), Mismatch::Unlisted(unlisted)];
        assert_eq!(verify(&path).unwrap(), expected);
    }

    #[test]
    fn a_malformed_list_is_an_error_with_its_line() {
        let (_kept, path) = folder();
        let digest = Digest::of(b"");
        let cases = [
            "results.json\n".to_owned(),
            format!("{digest}  a\nabc  b\n"),
            format!("{digest}  ../a\n"),
            format!("{digest}  /etc/passwd\n"),
            format!("{digest}  a\n{digest}  a\n"),
        ];
        for text in cases {
            fs::write(path.join(SUMS), &text).unwrap();
            let error = verify(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("line {}", text.lines().count())), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_refused() {
        let (_kept, path) = folder();
        std::os::unix::fs::symlink("/etc/passwd", path.join("link")).unwrap();
        assert!(matches!(sha256sums(&path), Err(Error::Unlistable { .. })));
    }
}
