use crate::Provider;
use graph::{Graph, Value};

/// Most rows in one run on a GPU.
const MOST: usize = 256;
/// Bytes that all activations of one run may take on a GPU: several workers' sessions share it.
const ACTIVATION_BYTES: usize = 1 << 30;

/// How many rows one session runs at once.
///
/// A pure function of the graph and the provider, never timed, because results depend on it. On the CPU it is
/// [`graph::micro_batch`]. A GPU works on many rows at a time, and what counts is how seldom it is called: the largest
/// power of two that keeps the activations of a run within 1 GiB, at least 4 and at most 256. `graph` is the model at
/// any batch.
pub(crate) fn micro_batch(graph: &Graph, provider: Provider) -> usize {
    match provider {
        Provider::Cpu => graph::micro_batch(graph),
        Provider::Cuda => {
            let activations = graph.values().iter().filter(|value| value.data().is_none());
            let total: usize = activations.map(|value: &Value| value.ty().len() * value.dtype().bytes()).sum();
            let batch = graph.inputs().first().and_then(|&input| graph.shape(input).first().copied()).unwrap_or(1);
            let rows = (ACTIVATION_BYTES / (total / batch.max(1)).max(1)).max(1);
            (1 << rows.ilog2()).clamp(4, MOST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graph::{Attrs, DType, ValueType};

    fn rows(batch: usize, elements: usize, provider: Provider) -> usize {
        let mut graph = Graph::new("row");
        let x = graph.input("x", ValueType::new(DType::F32, [batch, elements]));
        let y = graph.add("Relu", &[x], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        micro_batch(&graph, provider)
    }

    #[test]
    fn a_gpu_takes_more_rows_and_both_are_functions_of_the_graph() {
        let (cpu, cuda) = (Provider::Cpu, Provider::Cuda);
        assert_eq!([rows(1, 32 << 10, cpu), rows(1, 32 << 10, cuda), rows(8, 32 << 10, cuda)], [4, 256, 256]);
        assert_eq!([rows(1, 1 << 20, cuda), rows(2, 1 << 20, cuda), rows(1, 1 << 27, cuda)], [128, 128, 4]);
    }
}
