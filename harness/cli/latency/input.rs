//! What a model is given where no suite says it: a sample of its data set, or random numbers.

use crate::prepare;
use anyhow::{Context, Result};
use graph::check::Splitmix;
use ndarray::Array1;
use registry::{DataUnits, Dataset, Datasets, InputAffine, ModelManifest, PixelDomain};
use runtime::ModelSpec;
use std::collections::BTreeMap;

/// One input of a model.
pub(super) struct Input {
    /// How the model is used.
    pub(super) spec: ModelSpec,
    /// A canonical row.
    pub(super) row: Array1<f32>,
    /// What it is, in words.
    pub(super) about: String,
}

/// The inputs of models, whose data sets are read once.
pub(super) struct Inputs {
    datasets: Datasets,
    read: BTreeMap<String, Option<Dataset>>,
}

impl Inputs {
    pub(super) fn new(datasets: Datasets) -> Self {
        Self { datasets, read: BTreeMap::new() }
    }

    /// The first sample of the model's data set, of the split `test` if it has one. Random numbers where the data set is not there.
    ///
    /// Errors: the data are damaged, or do not fit the model.
    pub(super) fn of(&mut self, manifest: &ModelManifest) -> Result<Input> {
        let Some(name) = &manifest.dataset else { return random(manifest, "the model is registered for no data set") };
        if !self.read.contains_key(name) {
            let dataset = first_split(&self.datasets, name)?;
            self.read.insert(name.clone(), dataset);
        }
        match self.read.get(name).and_then(Option::as_ref) {
            Some(dataset) => sample(manifest, dataset),
            None => random(manifest, &format!("the files of data set `{name}` are not there")),
        }
    }
}

/// Errors: there is no such data set, or its files are damaged.
fn first_split(datasets: &Datasets, name: &str) -> Result<Option<Dataset>> {
    if datasets.missing(name)?.is_some() {
        return Ok(None);
    }
    let splits = datasets.manifest(name)?.splits;
    let split = if splits.contains_key("test") { Some("test") } else { splits.keys().next().map(String::as_str) };
    Ok(Some(datasets.load(name, split.context("a data set has at least one split")?)?))
}

fn sample(manifest: &ModelManifest, dataset: &Dataset) -> Result<Input> {
    let affine = affine(manifest, &dataset.shape, dataset.layout, &dataset.domain)?;
    let row = Array1::from_vec(dataset.rows_at(&[0])?.x);
    let about = format!("row 0 of data set `{}`, split {}", dataset.name, dataset.split);
    Ok(Input { spec: prepare::model_spec(&manifest.input, &manifest.output, &suite::input_map(&affine))?, row, about })
}

/// Numbers in the unit interval, or from -1 to 1 where the model takes others.
fn random(manifest: &ModelManifest, reason: &str) -> Result<Input> {
    let input = &manifest.input;
    let (units, low) = if input.units.is_some() { (DataUnits::Raw, -1.0) } else { (DataUnits::Unit, 0.0) };
    let domain = PixelDomain { levels: None, lower: low, upper: 1.0, units };
    let affine = affine(manifest, &input.shape, input.layout, &domain)?;
    let spec = prepare::model_spec(input, &manifest.output, &suite::input_map(&affine))?;
    let mut random = Splitmix::new(0);
    let row = (0..spec.map.row_len()).map(|_| random.uniform(low.into(), 1.0) as f32).collect();
    Ok(Input { spec, row, about: format!("random numbers from {low} to 1, as {reason}") })
}

fn affine(
    manifest: &ModelManifest,
    shape: &[usize],
    layout: registry::Layout,
    domain: &PixelDomain,
) -> Result<InputAffine> {
    InputAffine::new(&manifest.input, shape, layout, domain).map_err(anyhow::Error::msg)
}
