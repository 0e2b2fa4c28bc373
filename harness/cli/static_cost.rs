//! What a model asks of a device, from its file alone: flash and the memory of activations.

use crate::prepare;
use anyhow::{Context, Result};
use evidence::{ActivationMemory, StaticCost};
use graph::{Flash, Graph, Memory, MemoryRules, Model};
use registry::RegisteredModel;

/// Reads a registered model for what results say of it. The search for the best order is bounded, whatever the graph.
///
/// Errors: a digest does not match, or the file can't be read.
pub(crate) fn of(registered: &RegisteredModel) -> Result<StaticCost> {
    let bytes = prepare::load(registered)?;
    let read = || format!("failed to read model `{}`", registered.manifest.name);
    let model = Model::parse(&bytes.model, &bytes).with_context(read)?;
    let (graph, _) = model.smallest().with_context(read)?;
    let flash = flash(&model, &graph).with_context(read)?;
    let memory = graph.memory(MemoryRules { int8: true, in_place_depthwise: false });
    Ok(StaticCost {
        weight_bytes: model.parameter_bytes(),
        int8_bytes: flash.weights + flash.biases,
        flash_bytes: flash.total(),
        activations: ActivationMemory {
            file_order_bytes: Memory::peak(&memory.file),
            best_order_bytes: Memory::peak(&memory.best),
            best_is_optimal: memory.is_optimal,
            lower_bound_bytes: memory.lower_bound,
        },
    })
}

/// Of a quantized file what it has, of another an estimate at int8.
///
/// Errors: none for a valid graph but those of building one.
pub(crate) fn flash(model: &Model, graph: &Graph) -> Result<Flash, graph::Error> {
    if model.is_quantized() { Ok(model.flash()) } else { graph.flash_int8() }
}
