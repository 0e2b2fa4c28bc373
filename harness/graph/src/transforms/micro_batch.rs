use crate::{Graph, Value};

/// Bytes of the average activation of one micro-batch: a node then works long enough to be worth its call, and the
/// activations around it stay in a core's cache. Not more, since the rows that are still under attack seldom fill a large one: on
/// ResNet-8 a row costs the same at 4, 8 and 16.
const ACTIVATION_BYTES: usize = 512 * 1024;

/// How many rows one session runs at once: the largest power of two that keeps the average activation within 512 KiB,
/// at least 4 and at most 64.
///
/// A pure function of the graph, never timed, because results depend on it. `graph` is the model at any batch, which the
/// leading dimension of its input tells; where it can be, at 1.
pub fn micro_batch(graph: &Graph) -> usize {
    let activations: Vec<&Value> = graph.values().iter().filter(|value| value.data().is_none()).collect();
    let bytes = |value: &Value| value.ty().len() * value.dtype().bytes();
    let batch = graph.inputs().first().and_then(|&input| graph.shape(input).first().copied()).unwrap_or(1).max(1);
    let total: usize = activations.iter().copied().map(bytes).sum();
    let average = (total / activations.len().max(1) / batch).max(1);
    let rows = (ACTIVATION_BYTES / average).max(1);
    (1 << rows.ilog2()).clamp(4, 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, DType, Tensor, ValueType};

    fn rows(elements: usize) -> usize {
        let mut graph = Graph::new("row");
        let x = graph.input("x", ValueType::new(DType::F32, [1, elements]));
        graph.constant("weights do not count", Tensor::ints(0..1000));
        let y = graph.add("Relu", &[x], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        micro_batch(&graph)
    }

    #[test]
    fn is_a_power_of_two_within_its_limits() {
        let sizes = [1, 2048, 2049, 16 * 1024, 16 * 1024 + 1, 32 * 1024 + 1, 1 << 20];
        assert_eq!(sizes.map(rows), [64, 64, 32, 8, 4, 4, 4]);
        assert_eq!(micro_batch(&Graph::new("empty")), 64);
    }
}
