//! From a registered model to one that is ready to run.

use anyhow::{Context, Result};
use graph::{DType, InputMap};
use registry::{ElementType, InputSpec, OutputKind, OutputSpec, RegisteredModel};
use runtime::{ModelBytes, ModelSpec, Prepared, Provider};
use suite::{Plan, PlannedModel};

/// Loads the verified bytes, reads the graph and differentiates it for every loss head of the plan.
///
/// Errors: a digest does not match, or anything that can't be run: an operator, a shape, an output kind.
pub(crate) fn prepare(model: &PlannedModel, plan: &Plan, provider: Provider) -> Result<Prepared> {
    let bytes = load(&model.registered)?;
    let spec = model_spec(&model.input, &model.output, &model.map);
    let spec = spec.with_context(|| format!("failed to plan model `{}`", model.name))?;
    Prepared::new(bytes, spec, &plan.heads(model.output.classes), provider)
        .with_context(|| format!("failed to prepare model `{}`", model.name))
}

/// The verified bytes of a model.
///
/// Errors: a file is missing or its digest does not match.
pub(crate) fn load(model: &RegisteredModel) -> Result<ModelBytes> {
    let mut files =
        model.load().with_context(|| format!("failed to load model `{}`", model.manifest.name))?.into_iter();
    let (_, onnx) = files.next().context("a registered model has at least one file")?;
    Ok(ModelBytes { model: onnx.into(), external: files.map(|(name, bytes)| (name, bytes.into())).collect() })
}

/// How a model is used: what its manifest says, and how rows of the data become its own.
///
/// Errors: a score has no threshold.
pub(crate) fn model_spec(input: &InputSpec, output: &OutputSpec, map: &InputMap) -> Result<ModelSpec> {
    let kind = match output.kind {
        OutputKind::Logits => runtime::OutputKind::Logits,
        OutputKind::Softmax => runtime::OutputKind::Softmax,
        OutputKind::Sigmoid => runtime::OutputKind::Sigmoid,
        OutputKind::Score => runtime::OutputKind::Score {
            threshold: output.threshold.context("a checked manifest has the threshold of a score")? as f32,
        },
    };
    Ok(ModelSpec {
        input: input.name.clone(),
        map: map.clone(),
        output: output.name.clone(),
        classes: output.classes,
        kind,
    })
}

/// The graph crate's word for a manifest's element type.
pub(crate) fn dtype(element: ElementType) -> DType {
    match element {
        ElementType::Float32 => DType::F32,
        ElementType::Float16 => DType::F16,
        ElementType::Int8 => DType::I8,
        ElementType::Uint8 => DType::U8,
    }
}
