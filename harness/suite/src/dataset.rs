//! From `dataset` to verified rows.

use crate::document::{Choice, DatasetSection};
use crate::slices::Rows;
use attack::Grid;
use registry::yaml::Problem;
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
    let asked = datasets.asked(name, split, Some(samples))?;
    let wanted = asked.samples;
    let choice = choose.as_ref().map_or(Choice::First, |choice| choice.value);
    let rows = Rows::choose(choice, wanted, asked.available, seed);
    let data = asked.load()?;
    let planned = PlannedDataset { name: data.name.clone(), split: data.split.clone(), digest: data.digest, rows };
    Ok((planned, data))
}
