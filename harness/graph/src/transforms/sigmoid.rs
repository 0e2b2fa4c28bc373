use super::ending::{OutputCut, cut, reshape};
use crate::{Attrs, Error, Graph, Tensor};

/// Replaces a final sigmoid, one probability a row, by the two logits `(0, z)` of its input `z`, as floats.
///
/// Their softmax is `(1 - p, p)`. What may follow the sigmoid, and which quantizers go, is as in [`super::cut_softmax`].
/// A graph that does not end in a sigmoid, or has several in a row, comes back as it is.
///
/// Shapes: the output is `[N, 2]`.
/// Errors: the graph has not exactly one output.
pub fn cut_sigmoid(graph: &Graph) -> Result<(Graph, Option<OutputCut>), Error> {
    let mut whole = graph.clone();
    let one_a_row = |graph: &Graph, _: &_| {
        let shape = graph.shape(graph.outputs()[0]);
        !shape.is_empty() && shape[1..].iter().product::<usize>() == 1
    };
    let found = cut(&mut whole, "Sigmoid", one_a_row)?;
    let Some((z, report)) = found.filter(|(_, report)| report.node.is_some()) else {
        return Ok((graph.clone(), None));
    };
    let (rows, dtype) = (whole.shape(z)[0], whole.value(z).dtype());
    let z = if whole.shape(z).len() == 2 { z } else { reshape(&mut whole, z, &[rows, 1])? };
    let none = whole.constant("logit_of_class_0", Tensor::float(dtype, &[rows, 1], vec![0.0; rows]));
    let logits = whole.add("Concat", &[none, z], Attrs::new().int("axis", 1))?;
    whole.set_outputs(vec![logits]);
    Ok((whole.pruned().0, Some(report)))
}

#[cfg(test)]
mod tests {
    use super::super::ending::output_scale;
    use super::*;
    use crate::{DType, Interpreter, ValueId, ValueType};

    /// From the identity on `[2, 1]` to what `ending` makes of it.
    fn detector(ending: impl FnOnce(&mut Graph, ValueId) -> ValueId) -> Graph {
        let mut graph = Graph::new("detector");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 1]));
        let z = graph.add("Identity", &[x], Attrs::new()).unwrap();
        let y = ending(&mut graph, z);
        graph.set_outputs(vec![y]);
        graph
    }

    fn sigmoid(graph: &mut Graph, x: ValueId) -> ValueId {
        graph.add_node("sigmoid", "Sigmoid", &[Some(x)], Attrs::new(), 1).unwrap()[0]
    }

    fn quantizer(graph: &mut Graph, op: &str, x: ValueId) -> ValueId {
        let scale = graph.constant("scale", Tensor::scalar(1.0 / 256.0));
        let zero = graph.constant("zero", Tensor::int(DType::I8, &[], vec![-128]));
        graph.add(op, &[x, scale, zero], Attrs::new()).unwrap()
    }

    fn check(graph: &Graph, quantized: bool) {
        let (cut, report) = cut_sigmoid(graph).unwrap();
        assert_eq!(report, Some(OutputCut { node: Some(("Sigmoid", "sigmoid".to_owned())), quantized }));
        let logits = Interpreter.run(&cut, &[Tensor::f32(&[2, 1], [3.0, -0.5])]).unwrap().remove(0);
        assert_eq!(logits.shape(), [2, 2]);
        assert_eq!(logits.to_f64(), [0.0, 3.0, 0.0, -0.5]);
    }

    #[test]
    fn one_probability_becomes_two_logits() {
        check(&detector(sigmoid), false);
        check(
            &detector(|graph, z| {
                let p = sigmoid(graph, z);
                let shape = graph.constant("shape", Tensor::ints([2]));
                graph.add("Reshape", &[p, shape], Attrs::new()).unwrap()
            }),
            false,
        );
    }

    #[test]
    fn quantizers_around_it_go_too_and_say_what_integers_stand_for() {
        let quantized = detector(|graph, z| {
            let q = quantizer(graph, "QuantizeLinear", z);
            let z = quantizer(graph, "DequantizeLinear", q);
            let p = sigmoid(graph, z);
            quantizer(graph, "QuantizeLinear", p)
        });
        check(&quantized, true);
        assert_eq!(output_scale(&quantized), Some((1.0 / 256.0, -128)));
        let back = detector(|graph, z| {
            let p = sigmoid(graph, z);
            let q = quantizer(graph, "QuantizeLinear", p);
            quantizer(graph, "DequantizeLinear", q)
        });
        check(&back, true);
        assert_eq!(output_scale(&back), None, "floats stand for themselves");
    }

    #[test]
    fn other_endings_stay() {
        let stays = |graph: &Graph| {
            let (same, report) = cut_sigmoid(graph).unwrap();
            assert!(report.is_none() && same.nodes().len() == graph.nodes().len(), "{report:?}");
        };
        stays(&detector(|_, z| z));
        stays(&detector(|graph, z| quantizer(graph, "QuantizeLinear", z)));
        let mut several = Graph::new("several");
        let x = several.input("x", ValueType::new(DType::F32, [2, 3]));
        let p = sigmoid(&mut several, x);
        several.set_outputs(vec![p]);
        stays(&several);
        assert_eq!(output_scale(&several), None);
        several.set_outputs(vec![p, x]);
        assert!(cut_sigmoid(&several).is_err());
    }
}
