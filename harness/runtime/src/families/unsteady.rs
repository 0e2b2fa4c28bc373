//! Sums whose last bits depend on where a row lies. ONNX Runtime's ReduceSum and ReduceMean over trailing axes add four
//! elements at a time from the first aligned address on, so that a length that four does not divide begins elsewhere in
//! every row. Its other reductions, its norms, softmaxes, pools and products of matrices do not.

use crate::OrtExecutor;
use graph::check::Splitmix;
use graph::{Attrs, DType, Executor, Graph, Node, Tensor, ValueId, ValueType};
use std::collections::HashSet;

/// Every value that such a sum is on the way to.
pub(super) fn values(graph: &Graph) -> HashSet<ValueId> {
    let mut found = HashSet::new();
    for node in graph.nodes() {
        if is_sum(graph, node) || node.inputs().iter().flatten().any(|id| found.contains(id)) {
            found.extend(node.outputs());
        }
    }
    found
}

fn is_sum(graph: &Graph, node: &Node) -> bool {
    let (Some(&Some(x)), Some(&Some(axes))) = (node.inputs().first(), node.inputs().get(1)) else { return false };
    let Some(axes) = graph.value(axes).data().and_then(|axes| axes.integers().ok()) else { return false };
    if !["ReduceMean", "ReduceSum"].contains(&node.op().name) {
        return false;
    }
    let shape = graph.shape(x);
    let kept = shape.len() - axes.len();
    let trailing = axes.iter().all(|axis| axis.rem_euclid(shape.len() as i64) >= kept as i64);
    trailing && shape[kept..].iter().product::<usize>() % 4 != 0
}

/// The lengths at which the result for one row differs between the places of a batch.
fn lengths(build: impl Fn(&mut Graph, ValueId, usize) -> ValueId) -> Vec<usize> {
    const PLACES: usize = 16;
    let differs = |&length: &usize| {
        let mut graph = Graph::new("sum");
        let x = graph.input("x", ValueType::new(DType::F32, [PLACES, length]));
        let y = build(&mut graph, x, length);
        graph.set_outputs(vec![y]);
        let row = Splitmix::new(length as u64).tensor(&[length], -2.0, 2.0).to_f64();
        let mut program = OrtExecutor::new().compile(&graph).expect("ONNX Runtime takes the graph");
        let found = program.run(&[Tensor::f32(&[PLACES, length], row.repeat(PLACES))]).expect("and runs it");
        let found = found[0].to_f64();
        found.iter().any(|element| element.to_bits() != found[0].to_bits())
    };
    (2..70).filter(differs).collect()
}

#[test]
fn sums_over_lengths_that_four_divides_are_steady_and_so_are_products() {
    for op in ["ReduceMean", "ReduceSum"] {
        let found = lengths(|graph, x, _| {
            let last = graph.constant("last", Tensor::ints([-1]));
            graph.add(op, &[x, last], Attrs::new()).expect("a valid sum")
        });
        assert!(found.len() > 10 && found.iter().all(|length| length % 4 != 0), "{op}: {found:?}");
    }
    let found = lengths(|graph, x, length| {
        let ones = graph.constant("ones", Tensor::f32(&[length, 1], vec![1.0; length]));
        graph.add("MatMul", &[x, ones], Attrs::new()).expect("a valid product")
    });
    assert!(found.is_empty(), "{found:?}");
}
