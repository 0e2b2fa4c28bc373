use crate::yaml::{Located, Problem, suggestion};
use crate::{Dataset, Datasets, Error};

/// Rows that a document asks for, found in the manifests; nothing is read yet.
#[derive(Debug)]
pub struct Asked<'a> {
    datasets: &'a Datasets,
    name: &'a Located<String>,
    split: &'a Located<String>,
    /// How many rows are asked for; all where the document doesn't say.
    pub samples: usize,
    /// How many rows the split has.
    pub available: usize,
}

impl Datasets {
    /// Looks up what a document asks for.
    ///
    /// Errors: there is no such data set or split, or it has fewer rows, with the place in the document.
    pub fn asked<'a>(
        &'a self,
        name: &'a Located<String>,
        split: &'a Located<String>,
        samples: Option<&Located<u64>>,
    ) -> Result<Asked<'a>, Problem> {
        let manifest = self.manifest(name).map_err(|error| self.not_found(name, error).at(name.place))?;
        let Some(part) = manifest.splits.get(split.as_str()) else {
            let splits: Vec<&str> = manifest.splits.keys().map(String::as_str).collect();
            let problem = Problem::new(format!("data set `{}` has no split `{}`", name.value, split.value));
            return Err(problem.hint(suggestion(split, &splits)).at(split.place));
        };
        let available = part.samples;
        let wanted = samples.map_or(available, |samples| usize::try_from(samples.value).unwrap_or(usize::MAX));
        match samples {
            Some(samples) if wanted > available => {
                let (name, split) = (&name.value, &split.value);
                let message =
                    format!("{wanted} samples are asked for, and split `{split}` of `{name}` has {available}");
                Err(Problem::new(message).at(samples.place))
            }
            _ => Ok(Asked { datasets: self, name, split, samples: wanted, available }),
        }
    }

    fn not_found(&self, wanted: &str, error: Error) -> Problem {
        let names: Vec<String> = self.list().into_iter().flatten().map(|(name, _)| name).collect();
        if names.iter().any(|name| name == wanted) {
            return Problem::caused_by(format!("data set `{wanted}` cannot be used"), error);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Problem::new(format!("there is no data set `{wanted}`")).hint(suggestion(wanted, &names))
    }
}

impl Asked<'_> {
    /// Reads and verifies the split.
    ///
    /// Errors: a file is missing, damaged, or holds something that the manifest does not allow.
    pub fn load(&self) -> Result<Dataset, Problem> {
        self.datasets.load(self.name, self.split).map_err(|error| {
            let what = format!("data set `{}` cannot be used", self.name.value);
            Problem::caused_by(what, error).at(self.name.place)
        })
    }
}
