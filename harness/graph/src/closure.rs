//! Gradient graphs are graphs like any other: differentiated once more they give second derivatives.

use crate::check::{DirectionalCheck, Splitmix, compare_differences, head_weights};
use crate::{
    Attrs, DType, Error, GradientGraph, Graph, Head, Tensor, ValueId, ValueType, differentiate, gradient_graph,
};

const ROWS: usize = 6;
const RANGE: [f64; 2] = [-1.0, 1.0];

/// What is differentiated of the input gradient `g`, per row.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// `Σ g²`.
    SquaredNorm,
    /// `Σ r g` with random `r`.
    Projection,
}

fn add(graph: &mut Graph, op: &str, inputs: &[ValueId], attrs: Attrs) -> ValueId {
    graph.add(op, inputs, attrs).unwrap()
}

fn weights(graph: &mut Graph, random: &mut Splitmix, shape: &[usize]) -> ValueId {
    graph.constant("weights", random.tensor(shape, -0.7, 0.7))
}

/// Convolutions with ReLUs, a MaxPool, a dense layer.
fn piecewise() -> Graph {
    let (mut graph, mut random) = (Graph::new("piecewise"), Splitmix::new(1));
    let x = graph.input("x", ValueType::new(DType::F32, [ROWS, 2, 6, 6]));
    let same = || Attrs::new().ints("pads", [1, 1, 1, 1]);
    let w = weights(&mut graph, &mut random, &[4, 2, 3, 3]);
    let y = add(&mut graph, "Conv", &[x, w], same());
    let y = add(&mut graph, "Relu", &[y], Attrs::new());
    let y = add(&mut graph, "MaxPool", &[y], Attrs::new().ints("kernel_shape", [2, 2]).ints("strides", [2, 2]));
    let w = weights(&mut graph, &mut random, &[4, 1, 3, 3]);
    let y = add(&mut graph, "Conv", &[y, w], same().int("group", 4).ints("strides", [2, 2]));
    let y = add(&mut graph, "Relu", &[y], Attrs::new());
    let y = add(&mut graph, "Flatten", &[y], Attrs::new());
    let w = weights(&mut graph, &mut random, &[16, 3]);
    let y = add(&mut graph, "MatMul", &[y, w], Attrs::new());
    graph.set_outputs(vec![y]);
    graph
}

/// Tokens that are normalised, attend to each other and pass Tanh and Gelu.
fn smooth() -> Graph {
    let (mut graph, mut random) = (Graph::new("smooth"), Splitmix::new(2));
    let x = graph.input("x", ValueType::new(DType::F32, [ROWS, 3, 4]));
    let w = weights(&mut graph, &mut random, &[4, 5]);
    let y = add(&mut graph, "MatMul", &[x, w], Attrs::new());
    let y = add(&mut graph, "Tanh", &[y], Attrs::new());
    let gain = weights(&mut graph, &mut random, &[5]);
    let y = add(&mut graph, "LayerNormalization", &[y, gain], Attrs::new().int("axis", -1));
    let turned = add(&mut graph, "Transpose", &[y], Attrs::new().ints("perm", [0, 2, 1]));
    let scores = add(&mut graph, "MatMul", &[y, turned], Attrs::new());
    let shares = add(&mut graph, "Softmax", &[scores], Attrs::new().int("axis", -1));
    let y = add(&mut graph, "MatMul", &[shares, y], Attrs::new());
    let y = add(&mut graph, "Gelu", &[y], Attrs::new());
    let y = add(&mut graph, "Flatten", &[y], Attrs::new());
    let w = weights(&mut graph, &mut random, &[15, 4]);
    let y = add(&mut graph, "MatMul", &[y, w], Attrs::new());
    graph.set_outputs(vec![y]);
    graph
}

/// The gradient graph of a function of the gradient, in the form of a gradient graph: the function is its loss.
fn twice(classifier: &Graph, head: Head, of: Of) -> Result<GradientGraph, Error> {
    let mut built = gradient_graph(classifier, head)?;
    let graph = &mut built.graph;
    let (x, [logits, _, gradient]) = (graph.inputs()[0], graph.outputs().try_into().expect("three outputs"));
    let other = match of {
        Of::SquaredNorm => gradient,
        Of::Projection => {
            let directions = Splitmix::new(3).tensor(graph.shape(x), -1.0, 1.0);
            graph.constant("directions", directions)
        }
    };
    let product = add(graph, "Mul", &[gradient, other], Attrs::new());
    let axes = graph.constant("axes", Tensor::ints(1..graph.shape(x).len() as i64));
    let total = add(graph, "ReduceSum", &[product, axes], Attrs::new().int("keepdims", 0));
    let ones = graph.constant("ones", Tensor::f32(&[ROWS], [1.0; ROWS]));
    let second = differentiate(graph, total, ones, &[x])?;
    graph.set_outputs(vec![logits, total, second[0]]);
    Ok(built)
}

#[test]
fn the_gradient_of_the_gradient_agrees_with_central_differences() {
    let nets = [("piecewise", piecewise(), &[Head::CrossEntropy, Head::Kl][..]), ("smooth", smooth(), Head::ALL)];
    for (name, net, heads) in nets {
        for (&head, of) in heads.iter().flat_map(|head| [Of::SquaredNorm, Of::Projection].map(|of| (head, of))) {
            let label = format!("{name}, {head:?}, {of:?}");
            let built = twice(&net, head, of).unwrap_or_else(|error| panic!("{label}: {error}"));
            let mut random = Splitmix::new(4);
            let x = random.tensor(&built.input().shape, RANGE[0], RANGE[1]);
            let weights = head_weights(&net, head, &x, &mut random).unwrap();
            let mut check = DirectionalCheck::default();
            compare_differences(&mut check, &built, &x, &weights, RANGE, &mut random).unwrap();
            assert!(check.rows > check.skipped && check.error <= 1e-6, "{label}: {check:?}");
        }
    }
}

/// A piecewise linear function has a gradient that nothing but masks ties to the input: an error, not a zero.
#[test]
fn a_second_derivative_that_is_zero_everywhere_is_an_error() {
    for head in [Head::Margin, Head::Linear] {
        let error = twice(&piecewise(), head, Of::SquaredNorm).unwrap_err();
        assert!(error.to_string().contains("does not depend on `x`"), "{head:?}: {error}");
    }
}
