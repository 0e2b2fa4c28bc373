use super::ending::{OutputCut, cut};
use crate::{Error, Graph, Node};

/// Replaces a final softmax over the classes by its input, the logits, as floats.
///
/// Recognises Softmax, then any of Identity, Dropout, Reshape, Flatten, Squeeze, Unsqueeze, Transpose that keeps the
/// order of elements, Cast between floats, QuantizeLinear and DequantizeLinear. Quantizers in front of the softmax, with
/// any of these between, go too. Where quantized logits end the graph without a softmax, only the quantizers go. Any other
/// graph comes back as it is.
///
/// Shapes: the output keeps its shape `[N, …]`.
/// Errors: the graph has not exactly one output.
pub fn cut_softmax(graph: &Graph) -> Result<(Graph, Option<OutputCut>), Error> {
    let mut whole = graph.clone();
    let over_classes = |graph: &Graph, node: &Node| is_over_classes(graph, node, graph.shape(graph.outputs()[0]));
    let Some((logits, report)) = cut(&mut whole, "Softmax", over_classes)? else {
        return Ok((graph.clone(), None));
    };
    whole.set_outputs(vec![logits]);
    Ok((whole.pruned().0, Some(report)))
}

/// Whether a softmax runs over everything but the batch: one distribution per row of the output. A reshape after it may
/// have put several distributions into one row.
fn is_over_classes(graph: &Graph, softmax: &Node, output: &[usize]) -> bool {
    let shape = graph.shape(softmax.outputs()[0]);
    let axis = softmax.attrs().get_int("axis", -1).unwrap_or(-1);
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let others = shape.iter().enumerate().skip(1).filter(|&(index, _)| index as i64 != axis);
    axis > 0 && shape.first() == output.first() && others.map(|(_, &dim)| dim).product::<usize>() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, DType, Tensor, ValueId, ValueType};

    /// A graph from logits `z`, of this shape and called `z`, to what `ending` makes of them.
    fn classifier(shape: &[usize], ending: impl FnOnce(&mut Graph, ValueId) -> ValueId) -> Graph {
        let mut graph = Graph::new("classifier");
        let x = graph.input("x", ValueType::new(DType::F32, shape));
        let z = graph.add("Relu", &[x], Attrs::new()).unwrap();
        graph.rename(z, "z");
        let y = ending(&mut graph, z);
        graph.set_outputs(vec![y]);
        graph
    }

    fn softmax(graph: &mut Graph, x: ValueId, axis: i64) -> ValueId {
        graph.add_node("softmax", "Softmax", &[Some(x)], Attrs::new().int("axis", axis), 1).unwrap()[0]
    }

    fn quantizer(graph: &mut Graph, op: &str, x: ValueId) -> ValueId {
        let scale = graph.constant("scale", Tensor::scalar(1.0 / 256.0));
        let zero = graph.constant("zero", Tensor::int(DType::I8, &[], vec![-128]));
        graph.add(op, &[x, scale, zero], Attrs::new()).unwrap()
    }

    fn check(graph: &Graph, expected: Option<bool>, nodes: usize) {
        let node = Some(("Softmax", "softmax".to_owned()));
        check_report(graph, expected.map(|quantized| OutputCut { node, quantized }), nodes);
    }

    fn check_report(graph: &Graph, expected: Option<OutputCut>, nodes: usize) {
        let (cut, report) = cut_softmax(graph).unwrap();
        assert_eq!(report, expected);
        let output = cut.value(cut.outputs()[0]);
        assert_eq!((output.dtype(), output.shape()), (DType::F32, graph.shape(graph.outputs()[0])));
        assert_eq!(cut.nodes().len(), nodes);
        assert!(report.is_none() || cut.find("z").is_some());
    }

    #[test]
    fn a_final_softmax_is_cut() {
        check(&classifier(&[2, 5], |graph, z| softmax(graph, z, -1)), Some(false), 1);
        check(&classifier(&[2, 5], |graph, z| softmax(graph, z, 1)), Some(false), 1);
    }

    #[test]
    fn quantizers_after_it_go_too() {
        let quantized = |graph: &mut Graph, z| {
            let p = softmax(graph, z, -1);
            quantizer(graph, "QuantizeLinear", p)
        };
        check(&classifier(&[2, 5], quantized), Some(true), 1);
        let back = |graph: &mut Graph, z| {
            let q = quantized(graph, z);
            quantizer(graph, "DequantizeLinear", q)
        };
        check(&classifier(&[2, 5], back), Some(true), 1);
    }

    #[test]
    fn quantized_logits_become_floats() {
        let quantized = OutputCut { node: None, quantized: true };
        assert_eq!(quantized.to_string(), "the quantisation of the output");
        let graph = classifier(&[2, 5], |graph, z| quantizer(graph, "QuantizeLinear", z));
        check_report(&graph, Some(quantized.clone()), 1);
        let back = |graph: &mut Graph, z| {
            let q = quantizer(graph, "QuantizeLinear", z);
            quantizer(graph, "DequantizeLinear", q)
        };
        check_report(&classifier(&[2, 5], back), Some(quantized), 1);
    }

    #[test]
    fn quantizers_in_front_of_it_go_too() {
        for (moved, ending) in [(false, false), (true, false), (false, true)] {
            let graph = classifier(&[2, 5], |graph, z| {
                let q = quantizer(graph, "QuantizeLinear", z);
                let mut z = quantizer(graph, "DequantizeLinear", q);
                if moved {
                    z = graph.add("Flatten", &[z], Attrs::new()).unwrap();
                }
                let p = softmax(graph, z, -1);
                if ending { quantizer(graph, "QuantizeLinear", p) } else { p }
            });
            check(&graph, Some(true), 1);
            let logits = cut_softmax(&graph).unwrap().0;
            assert_eq!(logits.value(logits.outputs()[0]).name(), "z");
        }
    }

    #[test]
    fn a_softmax_of_groups_within_a_row_stays() {
        let grouped = |graph: &mut Graph, z| {
            let groups = graph.constant("groups", Tensor::ints([-1, 5]));
            let z = graph.add("Reshape", &[z, groups], Attrs::new()).unwrap();
            let p = softmax(graph, z, -1);
            let rows = graph.constant("rows", Tensor::ints([-1, 10]));
            graph.add("Reshape", &[p, rows], Attrs::new()).unwrap()
        };
        for rows in [1, 2] {
            check(&classifier(&[rows, 10], grouped), None, 4);
            let quantized = |graph: &mut Graph, z| {
                let p = grouped(graph, z);
                quantizer(graph, "QuantizeLinear", p)
            };
            let graph = classifier(&[rows, 10], quantized);
            check_report(&graph, Some(OutputCut { node: None, quantized: true }), 4);
        }
    }

    #[test]
    fn what_only_moves_elements_is_looked_through() {
        let flattened = |graph: &mut Graph, z| {
            let p = softmax(graph, z, 1);
            let p = graph.add("Identity", &[p], Attrs::new()).unwrap();
            graph.add("Flatten", &[p], Attrs::new()).unwrap()
        };
        check(&classifier(&[2, 5, 1, 1], flattened), Some(false), 2);
        let target = |graph: &mut Graph, z| {
            let p = softmax(graph, z, -1);
            let shape = graph.constant("shape", Tensor::ints([-1, 5]));
            graph.add("Reshape", &[p, shape], Attrs::new()).unwrap()
        };
        check(&classifier(&[2, 5], target), Some(false), 1);
    }

    /// PyTorch writes a softmax over channels so where it can only be over the last axis.
    #[test]
    fn transposes_of_single_elements_are_looked_through() {
        let transpose = |graph: &mut Graph, x, perm: [i64; 4]| {
            graph.add("Transpose", &[x], Attrs::new().ints("perm", perm)).unwrap()
        };
        let ending = |perm| {
            move |graph: &mut Graph, z| {
                let z = transpose(graph, z, [0, 3, 2, 1]);
                let p = softmax(graph, z, 3);
                transpose(graph, p, perm)
            }
        };
        check(&classifier(&[2, 5, 1, 1], ending([0, 3, 2, 1])), Some(false), 3);
        check(&classifier(&[1, 5, 1, 1], ending([3, 0, 2, 1])), None, 4);
        check(&classifier(&[2, 5, 3, 1], ending([0, 3, 2, 1])), None, 4);
    }

    #[test]
    fn casts_between_floats_apply_to_the_logits() {
        let to = |graph: &mut Graph, x, dtype: DType| {
            graph.add("Cast", &[x], Attrs::new().int("to", dtype.onnx().into())).unwrap()
        };
        let half = |graph: &mut Graph, z| {
            let z = to(graph, z, DType::F16);
            let p = softmax(graph, z, -1);
            to(graph, p, DType::F32)
        };
        check(&classifier(&[2, 5], half), Some(false), 3);
        let whole = |graph: &mut Graph, z| {
            let p = softmax(graph, z, -1);
            let p = to(graph, p, DType::I32);
            to(graph, p, DType::F32)
        };
        check(&classifier(&[2, 5], whole), None, 4);
    }

    #[test]
    fn other_endings_stay() {
        check(&classifier(&[2, 5], |_, z| z), None, 1);
        check(&classifier(&[2, 5], |graph, z| softmax(graph, z, 0)), None, 2);
        check(&classifier(&[2, 5, 3], |graph, z| softmax(graph, z, 1)), None, 2);
        let inside = |graph: &mut Graph, z| {
            let p = softmax(graph, z, -1);
            graph.add("Relu", &[p], Attrs::new()).unwrap()
        };
        check(&classifier(&[2, 5], inside), None, 3);
        let mut two = classifier(&[2, 5], |graph, z| softmax(graph, z, -1));
        two.set_outputs(vec![two.outputs()[0], two.inputs()[0]]);
        assert!(cut_softmax(&two).is_err());
    }
}
