use std::fs;
use std::path::Path;

use evidence::{GateVerdict as Verdict, Observations, Results};

use crate::{Beside, Error, Figure, Picture, SUITE, VERDICT, pictures};

/// A report folder as it was written, without its evidence. Nothing of it is held against anything yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Every number.
    pub results: Results,
    /// What may differ between two runs; `None` where the file is not there.
    pub observations: Option<Observations>,
    /// How the models were trained; `None` where no training left anything to draw.
    pub training: Option<Figure>,
    /// The bytes of the suite's file; `None` in reports of before it was kept.
    pub suite: Option<Vec<u8>>,
    /// What the suite's gates said; `None` without any.
    pub verdict: Option<Verdict>,
    /// Rows, and what attacks made of them; none where rows are no pictures.
    pub pictures: Vec<Picture>,
}

impl Stored {
    /// Reads a report folder.
    ///
    /// Errors: [`Error::NoReport`] if there are no results in it; [`Error::Io`] and [`Error::Evidence`] with the file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let file = |name: &str| -> Result<Option<Vec<u8>>, Error> {
            let path = folder.join(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io("read", &path)(error)),
            }
        };
        let text = |name: &str| -> Result<Option<String>, Error> {
            let invalid = |_| Error::io("read", &folder.join(name))(std::io::Error::other("it is not UTF-8"));
            file(name)?.map(|bytes| String::from_utf8(bytes).map_err(invalid)).transpose()
        };
        let results = text("results.json")?.ok_or_else(|| Error::NoReport { folder: folder.into() })?;
        let within = |error| Error::Within { folder: folder.into(), source: error };
        Ok(Self {
            results: Results::from_json(&results).map_err(within)?,
            observations: text("observations.json")?
                .map(|text| Observations::from_json(&text).map_err(within))
                .transpose()?,
            training: text(Figure::FILE)?.map(|svg| Figure { svg }),
            suite: file(SUITE)?,
            verdict: text(VERDICT)?.map(|text| Verdict::from_json(&text).map_err(within)).transpose()?,
            pictures: pictures::read(folder)?,
        })
    }

    /// What its formats show beside the results.
    pub fn beside(&self) -> Beside<'_> {
        Beside {
            training: self.training.as_ref(),
            latency: self.observations.as_ref().map_or(&[], |observations| &observations.latency),
            verdict: self.verdict.as_ref(),
            pictures: &self.pictures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, figure, latency, observations, pictures};
    use crate::{Contents, write_folder};
    use evidence::SystemFiles;

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Stored::read(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("there is no results.json") && missing.contains("hint: "), "{missing}");
        let observations = Observations { latency: vec![latency()], ..observations() };
        let verdict = Verdict::of("resnet8-linf", Vec::new());
        let contents = Contents {
            results: &example(),
            observations: &observations,
            training: Some(&figure()),
            suite: b"version: 1\n",
            verdict: Some(&verdict),
            pictures: &pictures(),
        };
        write_folder(folder.path(), &contents, &SystemFiles).unwrap();
        let stored = Stored::read(folder.path()).unwrap();
        assert_eq!(stored.results, example());
        assert_eq!((stored.observations.as_ref(), stored.verdict.as_ref()), (Some(&observations), Some(&verdict)));
        assert_eq!((stored.training.as_ref(), stored.suite.as_deref()), (Some(&figure()), Some(&b"version: 1\n"[..])));
        assert_eq!((stored.beside().latency.len(), &stored.pictures), (1, &pictures()));
        for file in ["results.json", "observations.json", VERDICT] {
            let kept = fs::read(folder.path().join(file)).unwrap();
            for damaged in [&b"{"[..], b"\xff"] {
                fs::write(folder.path().join(file), damaged).unwrap();
                let error = Stored::read(folder.path()).unwrap_err().to_string();
                assert!(error.contains(file) && error.contains(folder.path().to_str().unwrap()), "{error}");
            }
            fs::write(folder.path().join(file), kept).unwrap();
        }
    }
}
