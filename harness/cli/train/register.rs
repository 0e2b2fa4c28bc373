//! From a finished training to a registered model.

use super::dynamics;
use super::work::{METRICS, lines};
use anyhow::Result;
use registry::{
    DataUnits, Digest, ElementType, InputSpec, Layout, ModelManifest, OutputKind, OutputSpec, RegisteredModel,
    Training, TrainingData, TrainingRuntime, Units,
};
use std::collections::BTreeMap;
use std::path::Path;
use train::{EpochMetrics, Identity, Machine, Plan};

/// A training whose epochs are all complete.
pub(super) struct Finished<'a> {
    pub(super) name: &'a str,
    pub(super) folder: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) identity: &'a Identity,
    pub(super) machine: Machine,
}

impl Finished<'_> {
    /// Writes the model, its metrics and its manifest with the lineage.
    ///
    /// Errors: the folder holds a model of other origin, or a write fails.
    pub(super) fn register(&self, onnx: &[u8], metrics: &[String]) -> Result<RegisteredModel> {
        let mut files = dynamics::pictures(metrics)?;
        files.push((METRICS, lines(metrics).into_bytes()));
        let last = metrics.last().map(|line| serde_json::from_str::<EpochMetrics>(line)).transpose()?;
        let manifest = self.manifest(last.unwrap_or_default())?;
        Ok(registry::write_trained(self.folder, onnx, &files, manifest)?)
    }

    fn manifest(&self, last: EpochMetrics) -> Result<ModelManifest> {
        let plan = self.plan;
        let raw = plan.data.domain.units == DataUnits::Raw;
        let fact = |name: &str| self.identity.get(name).cloned().unwrap_or_default();
        let library: Result<Digest, String> = fact("library").parse();
        let mut metrics = last.evaluation;
        metrics.insert("loss".to_owned(), last.loss);
        Ok(ModelManifest {
            name: self.name.to_owned(),
            files: BTreeMap::new(),
            input: InputSpec {
                name: "x".to_owned(),
                dtype: ElementType::Float32,
                layout: Layout::Nchw,
                shape: plan.input.clone(),
                range: (!raw).then_some([0.0, 1.0]),
                mean: None,
                std: None,
                scale: None,
                zero_point: None,
                units: raw.then_some(Units::Raw),
            },
            output: OutputSpec {
                name: "logits".to_owned(),
                kind: OutputKind::Logits,
                classes: plan.classes,
                threshold: None,
                labels: None,
            },
            dataset: Some(plan.dataset.name.clone()),
            licence: Some("Apache-2.0".to_owned()),
            provenance: Some(format!("{} trained by `tinyassay train` from its recipe", plan.architecture)),
            training: Some(Training {
                files: BTreeMap::new(),
                plan: plan.digest(),
                data: TrainingData {
                    name: plan.dataset.name.clone(),
                    split: plan.dataset.split.clone(),
                    digest: plan.dataset.digest,
                    rows: plan.dataset.rows as u64,
                },
                tinyassay: fact("tinyassay"),
                runtime: TrainingRuntime {
                    provider: fact("provider"),
                    onnxruntime: fact("onnxruntime"),
                    library_sha256: library.map_err(anyhow::Error::msg)?,
                    instruction_set: fact("instruction set"),
                    threads: u32::try_from(self.machine.threads)?,
                },
                seed: plan.seed,
                epochs: plan.learning_rate.epochs,
                metrics,
            }),
        })
    }
}
