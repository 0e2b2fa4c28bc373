//! Laws over all operators that reading rewrites: the graph that they become means what their kernel says.

use super::{Arg, Call, Case, REWRITES, Rewrite, find, rewritten_graph};
use crate::check::Splitmix;
use crate::{Attrs, Graph, Interpreter, Tensor, ValueType, differentiate};

/// Relative error allowed: constants in rewritten graphs are float32.
const TOLERANCE: f64 = 1e-6;
/// Step of the central differences.
const STEP: f64 = 1e-6;

#[test]
fn they_are_sorted_documented_and_not_in_the_table() {
    assert!(REWRITES.windows(2).all(|pair| pair[0].name < pair[1].name));
    for rewrite in REWRITES {
        assert!(!rewrite.doc.is_empty() && find(rewrite.name).is_none(), "{}", rewrite.name);
        let mut names: Vec<&str> = (rewrite.cases)().iter().map(|case| case.name).collect();
        names.sort_unstable();
        assert!(!names.is_empty() && names.windows(2).all(|pair| pair[0] != pair[1]), "{}", rewrite.name);
    }
}

#[test]
fn values_and_gradients_are_those_of_the_kernel() {
    for rewrite in REWRITES {
        for case in (rewrite.cases)() {
            let result = agrees(rewrite, &case);
            assert_eq!(result, Ok(()), "{} ({})", rewrite.name, case.name);
        }
    }
}

fn agrees(rewrite: &Rewrite, case: &Case) -> Result<(), String> {
    let (mut graph, inputs) = rewritten_graph(rewrite, case, 24, 1)?;
    let (x, y) = (graph.inputs()[0], graph.outputs()[0]);
    let (shape, mut random) = (graph.shape(y).to_vec(), Splitmix::new(2));
    let weights = random.tensor(&shape, -1.0, 1.0);
    let cotangent = graph.constant("cotangent", weights.clone());
    let constants: Vec<Tensor> = graph
        .values()
        .iter()
        .filter(|value| value.name().starts_with("input_"))
        .filter_map(|value| value.data().cloned())
        .collect();
    let gradient = differentiate(&mut graph, y, cotangent, &[x]).map_err(|error| error.to_string())?[0];
    graph.set_outputs(vec![y, gradient]);
    let found = Interpreter.run(&graph, &inputs).map_err(|error| error.to_string())?;
    let kernel = |x: &Tensor| evaluate(rewrite, case, x, &constants);
    near(&found[0].to_f64(), &kernel(&inputs[0])?)?;
    let direction = random.tensor(inputs[0].shape(), -1.0, 1.0).to_f64();
    let moved = |step: f64| {
        let data = inputs[0].to_f64().iter().zip(&direction).map(|(x, d)| x + step * d).collect();
        let y = kernel(&Tensor::float(inputs[0].dtype(), inputs[0].shape(), data))?;
        Ok::<f64, String>(y.iter().zip(weights.to_f64()).map(|(y, w)| y * w).sum())
    };
    let slope = found[1].to_f64().iter().zip(&direction).map(|(g, d)| g * d).sum();
    near(&[slope], &[(moved(STEP)? - moved(-STEP)?) / (2.0 * STEP)])
}

fn evaluate(rewrite: &Rewrite, case: &Case, x: &Tensor, constants: &[Tensor]) -> Result<Vec<f64>, String> {
    let tensors: Vec<&Tensor> = [x].into_iter().chain(constants).collect();
    let types: Vec<ValueType> = tensors.iter().map(|tensor| ValueType::new(tensor.dtype(), tensor.shape())).collect();
    let args: Vec<_> = types.iter().zip(tensors).map(|(ty, data)| Some(Arg { ty, data: Some(data) })).collect();
    let results = (rewrite.eval)(&Call { attrs: &case.attrs, inputs: &args, outputs: 1 })?;
    Ok(results[0].to_f64())
}

fn near(found: &[f64], wanted: &[f64]) -> Result<(), String> {
    let size = wanted.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
    let close = |(found, wanted): (&f64, &f64)| (found - wanted).abs() <= TOLERANCE * size;
    let same = found.len() == wanted.len() && found.iter().zip(wanted).all(close);
    if same { Ok(()) } else { Err(format!("found {found:?}, wanted {wanted:?}")) }
}

#[test]
fn a_scale_per_group_is_that_of_each_of_its_channels() {
    let rewrite = REWRITES.iter().find(|rewrite| rewrite.name == "GroupNormalization").expect("it is in the list");
    let case = |scale: Vec<f64>| {
        use super::CaseInput::{Constant, Random};
        let (shape, bias) = (vec![scale.len()], vec![0.5; scale.len()]);
        let inputs = vec![
            Random(vec![2, 4, 3], -1.0, 1.0),
            Constant(Tensor::f32(&shape, scale)),
            Constant(Tensor::f32(&shape, bias)),
        ];
        Case::new("old", Attrs::new().int("num_groups", 2), inputs)
    };
    let run = |opset, case: &Case| {
        let (graph, inputs) = rewritten_graph(rewrite, case, opset, 1)?;
        Interpreter.run(&graph, &inputs).map_err(|error| error.to_string())
    };
    let (old, new) = (case(vec![1.0, 3.0]), case(vec![1.0, 1.0, 3.0, 3.0]));
    assert_eq!(run(18, &old), run(21, &new));
    assert!(run(21, &new).is_ok() && run(21, &old).is_err() && run(18, &new).is_err());
}

#[test]
fn what_a_rewriting_does_not_know_is_refused() {
    let rows = [
        ("Mish", Attrs::new().float("alpha", 1.0), "attribute `alpha` is not known"),
        ("Swish", Attrs::new().int("alpha", 1), "must be a float"),
        ("RMSNormalization", Attrs::new(), "takes 2 inputs"),
        ("GroupNormalization", Attrs::new().int("num_groups", 2), "takes 3 inputs"),
    ];
    for (name, attrs, reason) in rows {
        let rewrite = REWRITES.iter().find(|rewrite| rewrite.name == name).expect("it is in the list");
        let case = Case::new("odd", attrs, vec![super::CaseInput::Random(vec![2, 3], -1.0, 1.0)]);
        let error = rewritten_graph(rewrite, &case, 24, 0).map(|(graph, _): (Graph, _)| graph.nodes().len());
        assert!(error.as_ref().is_err_and(|error| error.contains(reason)), "{name}: {error:?}");
    }
}
