use super::ending::output_scale;
use super::input_map::Quantize;
use crate::{Attrs, DType, Error, Graph, Tensor, ValueId};

/// Appends the anomaly score of an autoencoder, the mean of `(x - f(x))²` over the elements of a row, as two logits.
///
/// With `e = (√((score + threshold) / (2 threshold)) - 1) / 2` they are `(-e, e)`: equal where the score is the threshold.
///
/// - In thresholds, because a softmax of raw scores would be flat wherever they are large numbers.
/// - Under a root, because a score grows with the square of the distance: attacks that take logits for linear meet the threshold
///   at once, and a softmax goes flat thousands of thresholds away instead of a hundred. The threshold is added under it
///   so that it has a slope where a score is 0.
/// - On both sides of 0, because the gradient of a cross-entropy keeps its last digits in the logit of the class that is
///   least likely: were that one a constant, no gradient would be left 17 units away.
///
/// The input stands on both sides of the difference, so that gradients pass both. `quantize` says what an integer input
/// stands for, the QuantizeLinear that ends the graph what an integer output does: both enter as what they stand for, and
/// gradients pass them straight through. All of it is computed in float32.
///
/// Shapes: input and output `[N, row…]`; the new output is `[N, 2]`.
/// Errors: the graph has not exactly one input and one output of one shape, or an integer one stands for nothing.
pub fn append_score(graph: &Graph, threshold: f32, quantize: Option<Quantize>) -> Result<Graph, Error> {
    let (&[x], &[y]) = (graph.inputs(), graph.outputs()) else {
        let (inputs, outputs) = (graph.inputs().len(), graph.outputs().len());
        return refuse(format!("expected one input and one output, found {inputs} and {outputs}"));
    };
    let shape = graph.shape(x).to_vec();
    if shape.len() < 2 || graph.shape(y) != shape {
        return refuse(format!("the output must have the input's shape {shape:?}, found {:?}", graph.shape(y)));
    }
    let mut scored = graph.clone();
    let x = real(
        &mut scored,
        x,
        quantize.map(|quantize| (quantize.scale, quantize.zero_point)),
        "the input needs a scale",
    )?;
    let y = real(&mut scored, y, output_scale(graph), "no QuantizeLinear of one scale at the end says it")?;
    let difference = scored.add("Sub", &[x, y], Attrs::new())?;
    let squares = scored.add("Mul", &[difference, difference], Attrs::new())?;
    let squares = scored.add("Flatten", &[squares], Attrs::new().int("axis", 1))?;
    let axes = scored.constant("score_axes", Tensor::ints([1]));
    let score = scored.add("ReduceMean", &[squares, axes], Attrs::new().int("keepdims", 1))?;
    // √w - 1 as (w - 1) / (√w + 1), whose sign is that of the difference, which is exact next to the threshold.
    let [limit, quarter, half] = {
        let threshold = f64::from(threshold);
        [threshold, 0.25 / threshold, 0.5 / threshold].map(|value| scored.scalar(DType::F32, value))
    };
    let [one, middle] = [1.0, 0.5].map(|value| scored.scalar(DType::F32, value));
    let excess = scored.add("Sub", &[score, limit], Attrs::new())?;
    let excess = scored.add("Mul", &[excess, quarter], Attrs::new())?;
    let root = scored.add("Mul", &[score, half], Attrs::new())?;
    let root = scored.add("Add", &[root, middle], Attrs::new())?;
    let root = scored.add("Sqrt", &[root], Attrs::new())?;
    let divisor = scored.add("Add", &[root, one], Attrs::new())?;
    let excess = scored.add("Div", &[excess, divisor], Attrs::new())?;
    let below = scored.add("Neg", &[excess], Attrs::new())?;
    let logits = scored.add("Concat", &[below, excess], Attrs::new().int("axis", 1))?;
    scored.set_outputs(vec![logits]);
    Ok(scored)
}

/// What a tensor stands for, in float32; without scale and zero point of integers an error that says what is `missing`.
fn real(graph: &mut Graph, x: ValueId, quantized: Option<(f32, i64)>, missing: &str) -> Result<ValueId, Error> {
    let dtype = graph.value(x).dtype();
    if dtype.is_float() {
        return graph.cast(x, DType::F32);
    }
    let Some((scale, zero_point)) = quantized else {
        let name = graph.value(x).name();
        return refuse(format!("`{name}` is {dtype}, and it is not known what its integers stand for: {missing}"));
    };
    let scale = graph.constant("score_scale", Tensor::scalar(scale.into()));
    let zero = graph.constant("score_zero_point", Tensor::int(dtype, &[], vec![zero_point]));
    graph.add("DequantizeLinear", &[x, scale, zero], Attrs::new())
}

fn refuse<T>(reason: String) -> Result<T, Error> {
    Err(Error::Graph(format!("append the score: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::run_in_f32;
    use super::*;
    use crate::check::Splitmix;
    use crate::{Head, Interpreter, ValueType, gradient_graph};

    const THRESHOLD: f32 = 0.375;

    /// `x · W`, `[N, D]` to the same.
    fn autoencoder(rows: usize, width: usize, dtype: DType) -> (Graph, Vec<f64>) {
        let weights = Splitmix::new(2).tensor(&[width, width], -1.0, 1.0);
        let mut graph = Graph::new("autoencoder");
        let x = graph.input("x", ValueType::new(dtype, [rows, width]));
        let w = graph.constant("w", Tensor::float(dtype, &[width, width], weights.to_f64()).rounded());
        let y = graph.add("MatMul", &[x, w], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        (graph, weights.to_f64())
    }

    fn score(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>() / x.len() as f64
    }

    fn root(score: f64) -> f64 {
        ((score + f64::from(THRESHOLD)) / (2.0 * f64::from(THRESHOLD))).sqrt()
    }

    fn logits_of(score: f64) -> [f64; 2] {
        let excess = (root(score) - 1.0) / 2.0;
        [-excess, excess]
    }

    fn near(found: &[f64], expected: &[f64], limit: f64) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= limit)
    }

    #[test]
    fn logits_are_the_mean_squared_error_in_thresholds() {
        let x = Splitmix::new(3).tensor(&[5, 3], -2.0, 2.0);
        for (dtype, limit) in [(DType::F32, 1e-6), (DType::F16, 2e-2)] {
            let (graph, w) = autoencoder(5, 3, dtype);
            let scored = append_score(&graph, THRESHOLD, None).unwrap();
            let output = scored.value(scored.outputs()[0]);
            assert_eq!((output.dtype(), output.shape()), (DType::F32, &[5, 2][..]));
            let input = Tensor::float(dtype, &[5, 3], x.to_f64());
            let found = Interpreter.run(&scored, &[input]).unwrap().remove(0).to_f64();
            for (x, found) in x.to_f64().chunks(3).zip(found.chunks(2)) {
                let y: Vec<f64> = (0..3).map(|to| (0..3).map(|from| x[from] * w[3 * from + to]).sum()).collect();
                assert!(near(found, &logits_of(score(x, &y)), limit), "{dtype}: {found:?}");
            }
        }
    }

    /// That of the score is `2 / D (I - W) (x - W'x)`, which it is only if the input counts on both sides.
    #[test]
    fn the_gradient_passes_both_sides_of_the_difference() {
        let (graph, w) = autoencoder(4, 3, DType::F32);
        let scored = append_score(&graph, THRESHOLD, None).unwrap();
        let built = gradient_graph(&scored, Head::Linear).unwrap();
        let x = Splitmix::new(4).tensor(&[4, 3], -2.0, 2.0);
        let weights = Tensor::f32(&[4, 2], [0.0, 1.0].repeat(4));
        let gradient = Interpreter.run(&built.graph, &[x.clone(), weights]).unwrap().remove(2).to_f64();
        for (x, found) in x.to_f64().chunks(3).zip(gradient.chunks(3)) {
            let y = |to: usize| (0..3).map(|from| x[from] * w[3 * from + to]).sum::<f64>();
            let error: Vec<f64> = (0..3).map(|at| x[at] - y(at)).collect();
            let of_score = |at: usize| {
                let through: f64 = (0..3).map(|to| w[3 * at + to] * error[to]).sum();
                2.0 / 3.0 * (error[at] - through)
            };
            let of_logit = 1.0 / (8.0 * f64::from(THRESHOLD) * root(score(x, &[y(0), y(1), y(2)])));
            let expected: Vec<f64> = (0..3).map(|at| of_score(at) * of_logit).collect();
            assert!(near(found, &expected, 1e-6), "{found:?} {expected:?}");
        }
    }

    /// Float32 keeps a gradient of the cross-entropy far from the threshold, on either side.
    #[test]
    fn the_cross_entropy_has_a_gradient_far_from_the_threshold() {
        let mut graph = Graph::new("zero");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 1]));
        let none = graph.scalar(DType::F32, 0.0);
        let y = graph.add("Mul", &[x, none], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let built = gradient_graph(&append_score(&graph, 1.0, None).unwrap(), Head::CrossEntropy).unwrap();
        // Scores of 10,000 and 1e-6 thresholds, for an anomaly and a normal row.
        let x = Tensor::f32(&[2, 1], [100.0, 1e-3]);
        let labels = Tensor::f32(&[2, 2], [0.0, 1.0, 1.0, 0.0]);
        let gradient = run_in_f32(&built.graph, &[x, labels]).remove(2).to_f64();
        assert!(gradient[0] < 0.0 && gradient[1] > 0.0, "{gradient:?}");
    }

    /// int8 at both ends with steps of their own: what counts is what they stand for.
    #[test]
    fn integers_count_as_what_they_stand_for() {
        let quantize = Quantize { scale: 0.5, zero_point: -3, dtype: DType::I8 };
        let mut graph = Graph::new("int8");
        let x = graph.input("x", ValueType::new(DType::I8, [2, 2]));
        let scale = graph.constant("scale", Tensor::scalar(0.5));
        let zero = graph.constant("zero", Tensor::int(DType::I8, &[], vec![-3]));
        let real = graph.add("DequantizeLinear", &[x, scale, zero], Attrs::new()).unwrap();
        let half = graph.scalar(DType::F32, 0.5);
        let y = graph.add("Mul", &[real, half], Attrs::new()).unwrap();
        let step = graph.constant("step", Tensor::scalar(0.25));
        let none = graph.constant("none", Tensor::int(DType::I8, &[], vec![5]));
        let levels = graph.add("QuantizeLinear", &[y, step, none], Attrs::new()).unwrap();
        graph.set_outputs(vec![levels]);
        let scored = append_score(&graph, THRESHOLD, Some(quantize)).unwrap();
        let x = Tensor::int(DType::I8, &[2, 2], vec![1, -3, 5, 0]);
        let found = Interpreter.run(&scored, &[x]).unwrap().remove(0).to_f64();
        // They stand for (2, 0) and (4, 1.5), their halves are levels.
        let expected = [logits_of(score(&[2.0, 0.0], &[1.0, 0.0])), logits_of(score(&[4.0, 1.5], &[2.0, 0.75]))];
        assert!(near(&found, expected.as_flattened(), 1e-6), "{found:?}");
        let text = append_score(&graph, THRESHOLD, None).unwrap_err().to_string();
        assert!(text.contains("`x` is int8") && text.ends_with("the input needs a scale"), "{text}");
        graph.set_outputs(vec![graph.inputs()[0]]);
        let text = append_score(&graph, THRESHOLD, Some(quantize)).unwrap_err().to_string();
        assert!(text.contains("`x` is int8") && text.ends_with("at the end says it"), "{text}");
    }

    #[test]
    fn what_is_no_reconstruction_is_refused() {
        let mut graph = Graph::new("classifier");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 4]));
        let shape = graph.constant("shape", Tensor::ints([2, 2, 2]));
        let y = graph.add("Reshape", &[x, shape], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let text = append_score(&graph, 1.0, None).unwrap_err().to_string();
        assert!(text.ends_with("the output must have the input's shape [2, 4], found [2, 2, 2]"), "{text}");
        graph.set_outputs(vec![x, y]);
        assert!(append_score(&graph, 1.0, None).is_err());
    }
}
