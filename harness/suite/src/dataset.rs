//! From `dataset` to verified rows.

use crate::document::{Choice, DatasetSection};
use crate::slices::Rows;
use attack::Grid;
use registry::yaml::Problem;
use registry::yaml::suggestion;
use registry::{Dataset, Datasets, Digest};
use serde::Serialize;

/// The data of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedDataset {
    /// The data set's name.
    pub name: String,
    /// The split.
    pub split: String,
    /// The digest of everything that decides its rows.
    pub digest: Digest,
    /// The samples that are used.
    pub rows: Rows,
}

/// What values an input may have. Bounds are text, because they may be infinite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedDomain {
    /// The smallest value, as text.
    pub lower: String,
    /// The largest value, as text.
    pub upper: String,
    /// The points that data stored as integers have.
    pub grid: Option<Grid>,
}

/// Loads and verifies the split, and picks the rows.
pub(crate) fn dataset(
    section: &DatasetSection,
    seed: u64,
    datasets: &Datasets,
) -> Result<(PlannedDataset, Dataset), Problem> {
    let DatasetSection { name, split, samples, choose } = section;
    let manifest = datasets.manifest(name).map_err(|error| not_found(name, error, datasets).at(name.place))?;
    let Some(part) = manifest.splits.get(split.as_str()) else {
        let splits: Vec<&str> = manifest.splits.keys().map(String::as_str).collect();
        let problem = Problem::new(format!("data set `{}` has no split `{}`", name.value, split.value));
        return Err(problem.hint(suggestion(split, &splits)).at(split.place));
    };
    let wanted = usize::try_from(samples.value).unwrap_or(usize::MAX);
    if wanted > part.samples {
        let (name, split, there) = (&name.value, &split.value, part.samples);
        let message = format!("{wanted} samples are asked for, and split `{split}` of `{name}` has {there}");
        return Err(Problem::new(message).at(samples.place));
    }
    let choice = choose.as_ref().map_or(Choice::First, |choice| choice.value);
    let rows = Rows::choose(choice, wanted, part.samples, seed);
    let data = datasets.load(name, split).map_err(|error| {
        Problem::caused_by(format!("data set `{}` cannot be used", name.value), error).at(name.place)
    })?;
    let planned = PlannedDataset { name: data.name.clone(), split: data.split.clone(), digest: data.digest, rows };
    Ok((planned, data))
}

fn not_found(wanted: &str, error: registry::Error, datasets: &Datasets) -> Problem {
    let names: Vec<String> = datasets.list().into_iter().flatten().map(|(name, _)| name).collect();
    if names.iter().any(|name| name == wanted) {
        return Problem::caused_by(format!("data set `{wanted}` cannot be used"), error);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Problem::new(format!("there is no data set `{wanted}`")).hint(suggestion(wanted, &names))
}
