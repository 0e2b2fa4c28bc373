use crate::{Graph, Value};

/// Bytes of a core's cache that the largest activation of one micro-batch should fit.
const ACTIVATION_BYTES: usize = 512 * 1024;

/// How many rows one session runs at once: the largest power of two that keeps the largest activation within 512 KiB,
/// at least 4 and at most 64.
///
/// A pure function of the graph, never timed, because results depend on it. `graph` is the model at batch 1.
pub fn micro_batch(graph: &Graph) -> usize {
    let activations = graph.values().iter().filter(|value| value.data().is_none());
    let bytes = |value: &Value| value.ty().len() * value.dtype().bytes();
    let largest = activations.map(bytes).max().unwrap_or(0).max(1);
    let rows = (ACTIVATION_BYTES / largest).max(1);
    (1 << rows.ilog2()).clamp(4, 64)
}
