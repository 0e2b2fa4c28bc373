//! What the tests of transforms share.

use crate::{Graph, Tensor};

/// The outputs of a graph in f32, rounding after each node as ONNX Runtime does.
pub(super) fn run_in_f32(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut values: Vec<Option<Tensor>> = graph.values().iter().map(|value| value.data().cloned()).collect();
    for (id, input) in graph.inputs().iter().zip(inputs) {
        values[id.index()] = Some(input.clone());
    }
    for node in graph.nodes() {
        let inputs: Vec<Option<&Tensor>> =
            node.inputs().iter().map(|id| id.and_then(|id| values[id.index()].as_ref())).collect();
        let result = node.evaluate(&inputs).unwrap().remove(0).rounded();
        values[node.outputs()[0].index()] = Some(result);
    }
    graph.outputs().iter().map(|id| values[id.index()].clone().expect("every node was run")).collect()
}
