use std::fs;
use std::path::Path;

use evidence::{Files, GateVerdict as Verdict, Observations, Results, remove_leftovers, write_atomically};

use crate::attest::remove_statements;
use crate::sums::{Mismatch, SUMS, sha256sums, verify};
use crate::{Beside, Error, Figure, Picture, Stored, pictures, rendered};

/// Whether `folder` may take a report: it is not there, empty, or holds an earlier report.
///
/// Errors: [`Error::NotAReport`] for a folder with other things in it, which a report would overwrite.
pub fn check_folder(folder: &Path) -> Result<(), Error> {
    let Ok(mut entries) = fs::read_dir(folder) else { return Ok(()) };
    let known = |name: &str| folder.join(name).exists();
    if entries.next().is_none() || known("results.json") || known("evidence") {
        return Ok(());
    }
    Err(Error::NotAReport { folder: folder.into() })
}

/// What a report folder is made of, beside its evidence.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// Every number.
    pub results: &'a Results,
    /// What may differ between two runs.
    pub observations: &'a Observations,
    /// How the models were trained.
    pub training: Option<&'a Figure>,
    /// The bytes of the suite's file, whose digest the plan has.
    pub suite: &'a [u8],
    /// What the suite's gates say; `None` without any.
    pub verdict: Option<&'a Verdict>,
    /// Rows, and what attacks made of them.
    pub pictures: &'a [Picture],
}

/// The suite in a report folder, byte for byte.
pub const SUITE: &str = "suite.yaml";

/// What the gates say, in a report folder.
pub const VERDICT: &str = "verdict.json";

/// Writes every format that has a file, the figures, the pictures, the suite, the verdict, `observations.json`, and `SHA256SUMS` over all
/// that is then in `folder`.
///
/// Each file is written whole or not at all, `SHA256SUMS` last.
pub fn write_folder(folder: &Path, contents: &Contents<'_>, files: &dyn Files) -> Result<(), Error> {
    let Contents { results, observations, training, suite, verdict, pictures } = *contents;
    fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
    remove_leftovers(folder)?;
    // The list of an earlier report must not stand beside new files, nor its figure, nor what was signed of it.
    remove(&folder.join(SUMS))?;
    remove_statements(folder)?;
    match training {
        Some(figure) => write_atomically(files, &folder.join(Figure::FILE), figure.svg.as_bytes())?,
        None => remove(&folder.join(Figure::FILE))?,
    }
    pictures::write(folder, pictures, files)?;
    let beside = Beside { training, latency: &observations.latency, verdict, pictures };
    put(folder, rendered(results, beside)?, files)?;
    write_atomically(files, &folder.join(SUITE), suite)?;
    match verdict {
        Some(verdict) => write_atomically(files, &folder.join(VERDICT), verdict.to_json()?.as_bytes())?,
        None => remove(&folder.join(VERDICT))?,
    }
    write_atomically(files, &folder.join("observations.json"), observations.to_json()?.as_bytes())?;
    Ok(write_atomically(files, &folder.join(SUMS), sha256sums(folder)?.as_bytes())?)
}

/// Renders every format of a report folder, and its figures, from what is stored in it, and writes those that differ; then
/// `SHA256SUMS`. With `check` only compares. Returns the files that differ, or differed. Statements that were signed of the folder as it
/// was are removed with the first file that is written.
///
/// Errors: what is stored cannot be read, or a file cannot be written; [`Error::Changed`] if a file that is not rendered is not what
/// `SHA256SUMS` says, which a new list would hide.
pub fn render_again(folder: &Path, check: bool, files: &dyn Files) -> Result<Vec<String>, Error> {
    let stored = Stored::read(folder)?;
    let mut stale: Vec<(String, Option<String>)> = Vec::new();
    for (file, text) in rendered(&stored.results, stored.beside())? {
        let found = match fs::read(folder.join(file)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("read", &folder.join(file))(error)),
        };
        if found.as_deref() != text.as_deref().map(str::as_bytes) {
            stale.push((file.to_owned(), text));
        }
    }
    let mut names: Vec<String> = stale.iter().map(|(file, _)| file.clone()).collect();
    if !check {
        remove_leftovers(folder)?;
        refuse_changes(folder, &stale)?;
        // The old list stays until the new one is written, so that an interruption can be told from a change of other files.
        if !stale.is_empty() {
            remove_statements(folder)?;
        }
        put(folder, stale, files)?;
    }
    // The list is over what is there now: with `check` it is stale only where other files are.
    let sums = sha256sums(folder)?;
    if fs::read(folder.join(SUMS)).ok().as_deref() != Some(sums.as_bytes()) {
        names.push(SUMS.to_owned());
        if !check {
            write_atomically(files, &folder.join(SUMS), sums.as_bytes())?;
        }
    }
    Ok(names)
}

/// Holds every file but those that are rendered anew against the list of digests.
fn refuse_changes(folder: &Path, stale: &[(String, Option<String>)]) -> Result<(), Error> {
    let changed = verify(folder)?.into_iter().filter_map(|mismatch| match mismatch {
        Mismatch::Changed(name) | Mismatch::Missing(name) | Mismatch::Unlisted(name) => {
            let follows = name != "results.json" && stale.iter().any(|(file, _)| *file == name);
            (!follows).then_some(name)
        }
    });
    match changed.collect::<Vec<_>>() {
        names if names.is_empty() => Ok(()),
        names => Err(Error::Changed { folder: folder.into(), names: names.join(", ") }),
    }
}

/// Writes these files, and removes those without text.
fn put<F: AsRef<str>>(folder: &Path, texts: Vec<(F, Option<String>)>, files: &dyn Files) -> Result<(), Error> {
    for (file, text) in texts {
        let path = folder.join(file.as_ref());
        match text {
            Some(text) => write_atomically(files, &path, text.as_bytes())?,
            None => remove(&path)?,
        }
    }
    Ok(())
}

/// Deletes a file that need not be there.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FORMATS, robustness, scatter};

    #[test]
    fn a_folder_of_other_things_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        assert!(check_folder(&path).is_ok(), "not there");
        fs::create_dir(&path).unwrap();
        assert!(check_folder(&path).is_ok(), "empty");
        fs::write(path.join("thesis.md"), "text").unwrap();
        assert!(check_folder(&path).is_err());
        fs::create_dir(path.join("evidence")).unwrap();
        assert!(check_folder(&path).is_ok(), "a run that was interrupted");
    }

    use crate::sample::{example, figure, latency, observations, ranked};
    use evidence::SystemFiles;

    fn write_with(folder: &Path, training: Option<&Figure>, observations: &Observations) {
        let results = &example();
        let contents =
            Contents { results, observations, training, suite: b"version: 1\n", verdict: None, pictures: &[] };
        write_folder(folder, &contents, &SystemFiles).unwrap();
    }

    #[test]
    fn the_folder_verifies_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports/quickstart");
        fs::create_dir_all(path.join("evidence")).unwrap();
        fs::write(path.join("evidence/0.json"), b"block").unwrap();
        write_with(&path, None, &observations());
        assert_eq!(verify(&path).unwrap(), []);
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(Results::from_json(&read("results.json")).unwrap(), example());
        assert_eq!(Observations::from_json(&read("observations.json")).unwrap(), observations());
        assert_eq!((read(SUMS).lines().count(), read(SUITE)), (7, "version: 1\n".to_owned()));
        let before = read(SUMS);
        write_with(&path, None, &observations());
        assert_eq!(read(SUMS), before);
    }

    #[test]
    fn latencies_come_back_and_go_with_their_run() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let write = |observations: &Observations| {
            write_with(folder.path(), None, observations);
            ["results.json", "report.md", "observations.json"].map(read)
        };
        let [results, report, observed] = write(&observations());
        assert!(!observed.contains("latency"), "files of runs without it stay what they are");
        let measured = Observations { latency: vec![latency()], ..observations() };
        let [with, told, written] = write(&measured);
        assert_eq!((Observations::from_json(&written).unwrap(), with), (measured, results.clone()));
        assert!(told.contains("## Observed on one machine"));
        assert_eq!(write(&observations()), [results, report, observed]);
    }

    #[test]
    fn the_figure_is_listed_shown_and_goes_with_its_report() {
        let folder = tempfile::tempdir().unwrap();
        let write = |training: Option<&Figure>| {
            write_with(folder.path(), training, &observations());
        };
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        write(Some(&figure()));
        assert_eq!(read("training.svg"), figure().svg);
        assert!(read(SUMS).contains("  training.svg\n") && verify(folder.path()).unwrap().is_empty());
        assert!(read("report.md").contains("](training.svg)\n\nWhat each training measured"), "{}", read("report.md"));
        write(None);
        assert!(!folder.path().join("training.svg").exists() && !read(SUMS).contains("svg"));
        assert!(!read("report.md").contains("svg"));
    }

    #[test]
    fn formats_are_rendered_again_from_what_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (results, observations) = (ranked(), observations());
        let verdict = evidence::GateVerdict::of("resnet8-linf", Vec::new());
        let contents = Contents {
            results: &results,
            observations: &observations,
            training: Some(&figure()),
            suite: b"version: 1\n",
            verdict: Some(&verdict),
            pictures: &crate::sample::pictures(),
        };
        write_folder(path, &contents, &SystemFiles).unwrap();
        let again = |check| render_again(path, check, &SystemFiles).unwrap();
        assert_eq!((again(true), again(false)), (vec![], vec![]));
        let all = || {
            std::collections::BTreeMap::from_iter(FORMATS.iter().filter_map(|format| {
                let file = format.file?;
                Some((file, fs::read(path.join(file)).unwrap()))
            }))
        };
        let kept = all();
        // Every rendered file in turn: changed, it is named and comes back.
        for file in kept.keys().copied().chain([robustness::FILE]).filter(|file| *file != "results.json") {
            fs::write(path.join(file), "another").unwrap();
            assert_eq!(again(true), [file, SUMS]);
            assert_eq!(fs::read(path.join(file)).unwrap(), b"another", "a check changes nothing");
            assert_eq!(again(false), [file], "the list of before holds again");
            assert_eq!((again(true), verify(path).unwrap()), (vec![], vec![]), "{file}");
        }
        // What nothing else follows is not listed anew after it changed, whatever it says.
        let compact = read_json(&path.join("results.json"));
        for (file, bytes) in [("results.json", compact.as_bytes()), (SUITE, b"version: 2\n"), ("evidence.json", b"{}")]
        {
            let before = fs::read(path.join(file)).ok();
            fs::write(path.join(file), bytes).unwrap();
            assert_eq!(again(true).last().map(String::as_str), Some(SUMS));
            let error = render_again(path, false, &SystemFiles).unwrap_err().to_string();
            assert!(error.contains(file) && error.contains("changed since"), "{error}");
            match before {
                Some(before) => fs::write(path.join(file), before).unwrap(),
                None => fs::remove_file(path.join(file)).unwrap(),
            }
        }
        fs::remove_file(path.join("report.html")).unwrap();
        fs::write(path.join(scatter::FILE), "of an earlier version").unwrap();
        let statement = path.join(crate::ATTESTATION).join("robustness.dsse.json");
        fs::create_dir(path.join(crate::ATTESTATION)).unwrap();
        fs::write(&statement, "{}").unwrap();
        assert_eq!(again(false), [scatter::FILE, "report.html"]);
        assert!(!statement.exists(), "signed of other files");
        assert_eq!(all(), kept);
        assert!(!path.join(scatter::FILE).exists());
    }

    fn read_json(path: &Path) -> String {
        let value: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        value.to_string()
    }
}
