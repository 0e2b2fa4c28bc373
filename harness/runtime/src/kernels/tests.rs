//! Kernels against the reference of their operators, in every instruction set and on several threads.

use super::attributes::Attributes;
use super::operators::{ENTRIES, Run};
use super::pool::{Pool, Serial};
use super::simd::Level;
use crate::OrtExecutor;
use graph::check::Splitmix;
use graph::ops::{Case, KERNELS, case_graph};
use graph::{Attr, Attrs, Executor, Graph, Interpreter, Tensor};

/// Largest difference between f32 and f64, in units of the largest element.
const TOLERANCE: f64 = 1e-5;

/// Threads that take tasks in an order that nobody knows.
struct Several;

impl Pool for Several {
    fn each(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            loop {
                match next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                    index if index < count => task(count - 1 - index),
                    _ => break,
                }
            }
        };
        std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(work))));
    }
}

fn attributes(attrs: &Attrs) -> Attributes {
    let ints = |name: &str| match attrs.get(name) {
        Some(Attr::Ints(values)) => values.clone(),
        _ => Vec::new(),
    };
    Attributes {
        kernel_shape: ints("kernel_shape"),
        strides: ints("strides"),
        dilations: ints("dilations"),
        pads: ints("pads"),
        input_shape: ints("input_shape"),
        group: attrs.get_int("group", 1).unwrap(),
        epsilon: attrs.get_float("epsilon", 1e-5).unwrap(),
        low: attrs.get_float("low", f32::NEG_INFINITY).unwrap(),
        high: attrs.get_float("high", f32::INFINITY).unwrap(),
    }
}

fn run(level: Level, pool: &dyn Pool, graph: &Graph, inputs: &[Tensor]) -> Vec<Vec<f32>> {
    let node = &graph.nodes()[0];
    let name = match node.op().name {
        "Conv" => "TrainConv",
        "ConvTranspose" => "TrainConvInputGrad",
        name => name,
    };
    let data: Vec<Vec<f32>> =
        inputs.iter().map(|tensor| tensor.to_f64().iter().map(|&value| value as f32).collect()).collect();
    let data: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
    let shapes: Vec<&[usize]> = inputs.iter().map(Tensor::shape).collect();
    let mut attributes = attributes(node.attrs());
    if name == "TrainConvInputGrad" {
        attributes.input_shape = graph.shape(node.outputs()[0])[2..].iter().map(|&size| size as i64).collect();
    }
    let entry = ENTRIES.iter().find(|entry| entry.name == name).unwrap();
    let expected: Vec<&[usize]> = node.outputs().iter().map(|&id| graph.shape(id)).collect();
    assert_eq!((entry.shapes)(&attributes, &shapes).unwrap(), expected, "{name}");
    run_kernel(level, pool, name, &attributes, &shapes, &data)
}

fn near(found: &[f64], exact: &Tensor) -> Result<(), String> {
    let exact = exact.to_f64();
    let largest = exact.iter().fold(1.0, |largest: f64, value| largest.max(value.abs()));
    match found.iter().zip(&exact).position(|(f, e)| (f - e).abs() > TOLERANCE * largest || f.is_nan()) {
        Some(at) => Err(format!("element {at} of {}: {} instead of {}", exact.len(), found[at], exact[at])),
        None => Ok(()),
    }
}

fn check(name: &str, graph: &Graph, inputs: &[Tensor]) {
    let exact = Interpreter.run(graph, inputs).unwrap();
    for level in Level::all() {
        let found = run(level, &Serial, graph, inputs);
        for (index, (found, exact)) in found.iter().zip(&exact).enumerate() {
            let wide: Vec<f64> = found.iter().map(|&value| value.into()).collect();
            near(&wide, exact).unwrap_or_else(|reason| panic!("{name}, {level:?}, output {index}: {reason}"));
        }
        let bits = |outputs: &[Vec<f32>]| outputs.concat().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&run(level, &Several, graph, inputs)), bits(&found), "{name}, {level:?}: threads change bits");
    }
}

/// Cases of the operator table in which the sizes of the zoo do not occur.
fn cases() -> impl Iterator<Item = (String, Graph, Vec<Tensor>)> {
    let all = KERNELS.iter().flat_map(|op| (op.cases)().into_iter().map(move |case| (op, case)));
    all.map(|(op, case): (_, Case)| {
        let (graph, inputs) = case_graph(op, &case, 7).unwrap();
        (format!("{} / {}", op.name, case.name), graph, inputs)
    })
}

#[test]
fn every_operator_has_a_kernel() {
    let kernels: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
    assert_eq!(kernels, KERNELS.iter().map(|op| op.name).collect::<Vec<_>>());
}

#[test]
fn cases_of_the_table_agree_with_their_references() {
    cases().for_each(|(name, graph, inputs)| check(&name, &graph, &inputs));
}

#[test]
fn onnx_runtime_runs_the_kernels() {
    for (name, graph, inputs) in cases() {
        let exact = Interpreter.run(&graph, &inputs).unwrap();
        for executor in [OrtExecutor::new(), OrtExecutor::unoptimised()] {
            let found = executor.compile(&graph).unwrap().run(&inputs).unwrap();
            for (found, exact) in found.iter().zip(&exact) {
                near(&found.to_f64(), exact).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            }
        }
    }
}

fn random(shapes: &[Vec<usize>]) -> Vec<Tensor> {
    let mut random = Splitmix::new(3);
    shapes.iter().map(|shape| random.tensor(shape, -1.0, 1.0).rounded()).collect()
}

fn one_node(op: &str, attrs: Attrs, shapes: &[Vec<usize>], outputs: usize) -> Graph {
    let mut graph = Graph::new("kernel");
    let inputs: Vec<_> = shapes
        .iter()
        .map(|shape| Some(graph.input("in", graph::ValueType::new(graph::DType::F32, shape.clone()))))
        .collect();
    let outputs = graph.add_node("", op, &inputs, attrs, outputs).unwrap();
    graph.set_outputs(outputs);
    graph
}

/// A convolution: channels, filters, groups, input, kernel, strides, dilations, pads.
type Sizes = (usize, usize, usize, [usize; 2], [usize; 2], [i64; 2], [i64; 2], [i64; 4]);

/// Kinds of convolutions that the zoo has, with several vectors in a row, one, and parts of one.
const CONVOLUTIONS: &[Sizes] = &[
    (3, 16, 1, [32, 32], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    (16, 16, 1, [32, 32], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    (16, 32, 1, [32, 32], [3, 3], [2, 2], [1, 1], [0, 0, 1, 1]),
    (16, 32, 1, [32, 32], [1, 1], [2, 2], [1, 1], [0, 0, 0, 0]),
    (9, 17, 1, [16, 16], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1]),
    (64, 7, 1, [8, 8], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    (8, 48, 1, [32, 32], [1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
    (56, 112, 1, [4, 4], [1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
    (13, 11, 1, [7, 7], [1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
    (1, 64, 1, [49, 10], [10, 4], [2, 2], [1, 1], [4, 1, 5, 1]),
    (12, 8, 4, [11, 9], [3, 2], [1, 2], [2, 1], [1, 0, 2, 3]),
    (48, 48, 48, [32, 32], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    (48, 48, 48, [32, 32], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1]),
    (19, 19, 19, [8, 8], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    (19, 19, 19, [8, 8], [3, 3], [2, 2], [1, 1], [0, 0, 1, 1]),
    (37, 37, 37, [4, 4], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
    (5, 5, 5, [25, 5], [3, 3], [2, 1], [1, 1], [1, 1, 1, 1]),
    (5, 5, 5, [9, 7], [5, 5], [1, 1], [2, 1], [4, 2, 4, 2]),
];

const IMAGES: usize = 5;

impl Shapes {
    fn new(&(channels, filters, group, input, kernel, strides, dilations, pads): &Sizes) -> Self {
        let size = |axis: usize| {
            let span = (kernel[axis] as i64 - 1) * dilations[axis] + 1;
            ((input[axis] as i64 + pads[axis] + pads[axis + 2] - span) / strides[axis]) as usize + 1
        };
        let attrs = Attrs::new().ints("strides", strides).ints("dilations", dilations).ints("pads", pads);
        Self {
            attrs,
            x: vec![IMAGES, channels, input[0], input[1]],
            w: vec![filters, channels / group, kernel[0], kernel[1]],
            y: vec![IMAGES, filters, size(0), size(1)],
            group: group as i64,
        }
    }
}

struct Shapes {
    attrs: Attrs,
    x: Vec<usize>,
    w: Vec<usize>,
    y: Vec<usize>,
    group: i64,
}

#[test]
fn weight_gradients_of_the_zoo() {
    for sizes in CONVOLUTIONS {
        let shapes = Shapes::new(sizes);
        let kernel: Vec<i64> = shapes.w[2..].iter().map(|&size| size as i64).collect();
        let attrs = shapes.attrs.clone().ints("kernel_shape", kernel).int("group", shapes.group);
        let inputs = [shapes.x, shapes.y];
        check(&format!("{sizes:?}"), &one_node("ConvWeightGrad", attrs, &inputs, 1), &random(&inputs));
    }
}

#[test]
fn convolutions_of_the_zoo() {
    for sizes in CONVOLUTIONS {
        let shapes = Shapes::new(sizes);
        let attrs = shapes.attrs.clone().int("group", shapes.group);
        let forward = [shapes.x.clone(), shapes.w.clone(), shapes.w[..1].to_vec()];
        for forward in [&forward[..2], &forward] {
            check(&format!("{sizes:?}"), &one_node("Conv", attrs.clone(), forward, 1), &random(forward));
        }
        // What the last windows leave over.
        let rest = |axis: usize| {
            let (pads, stride, dilation) = (sizes.7, sizes.5[axis] as usize, sizes.6[axis] as usize);
            let seen = (shapes.y[axis + 2] - 1) * stride + (shapes.w[axis + 2] - 1) * dilation + 1;
            (shapes.x[axis + 2] as i64 + pads[axis] + pads[axis + 2]) - seen as i64
        };
        let attrs = attrs.ints("output_padding", [rest(0), rest(1)]);
        let back = [shapes.y, shapes.w];
        check(&format!("gradient {sizes:?}"), &one_node("ConvTranspose", attrs, &back, 1), &random(&back));
    }
}

#[test]
fn normalisation_of_the_zoo() {
    for x in [[IMAGES, 16, 32, 32], [IMAGES, 9, 8, 8], [33, 20, 4, 4], [2, 3, 7, 7]] {
        let (x, c) = (x.to_vec(), vec![x[1]]);
        let mut shapes = vec![x.clone(), c.clone(), c.clone()];
        let mut inputs = random(&shapes);
        // Far from zero: what one pass over squares would lose.
        inputs[0] = Tensor::f32(&x, inputs[0].to_f64().iter().map(|x| x + 100.0)).rounded();
        let exact = Interpreter.run(&one_node("BatchNormTrain", Attrs::new(), &shapes, 3), &inputs).unwrap();
        check(&format!("{x:?}"), &one_node("BatchNormTrain", Attrs::new(), &shapes, 3), &inputs);
        shapes = vec![x.clone(), x.clone(), c.clone(), c.clone(), c];
        let [x, scale] = [inputs[0].clone(), inputs[1].clone()];
        let dy = random(&shapes).remove(0);
        let inputs = [dy, x, scale, exact[1].clone().rounded(), exact[2].clone().rounded()];
        check("gradient", &one_node("BatchNormTrainGrad", Attrs::new(), &shapes, 3), &inputs);
    }
}

fn run_kernel(
    level: Level,
    pool: &dyn Pool,
    name: &str,
    attributes: &Attributes,
    shapes: &[&[usize]],
    inputs: &[&[f32]],
) -> Vec<Vec<f32>> {
    let entry = ENTRIES.iter().find(|entry| entry.name == name).unwrap();
    let results = (entry.shapes)(attributes, shapes).unwrap();
    let mut outputs: Vec<Vec<f32>> = results.iter().map(|shape| vec![f32::NAN; shape.iter().product()]).collect();
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    (entry.run)(&Run { level, pool, attributes, shapes, inputs }, &mut slices);
    if entry.in_place {
        let mut again = outputs.clone();
        again[0].copy_from_slice(inputs[0]);
        let inputs = [&[&[][..]], &inputs[1..]].concat();
        let mut slices: Vec<&mut [f32]> = again.iter_mut().map(Vec::as_mut_slice).collect();
        (entry.run)(&Run { level, pool, attributes, shapes, inputs: &inputs }, &mut slices);
        assert_eq!(again, outputs, "{name}, {level:?}, in place");
    }
    outputs
}

/// Clipping in the kernel is clipping after it, and its gradient that of the two, to the bit.
#[test]
fn normalisation_clips() {
    let (low, high) = (-0.5, 1.0);
    let attributes = Attributes { epsilon: 1e-3, low, high, ..Attributes::default() };
    for x in [[IMAGES, 3, 32, 32], [IMAGES, 9, 8, 8], [33, 20, 4, 4], [2, 3, 7, 7]] {
        let c = [x[1]];
        let tensors = random(&[x.to_vec(), x.to_vec(), c.to_vec(), c.to_vec()]);
        let data: Vec<Vec<f32>> =
            tensors.iter().map(|tensor| tensor.to_f64().iter().map(|&value| value as f32).collect()).collect();
        let [dy, data, scale, bias] = &data[..] else { unreachable!() };
        for (level, pool) in
            Level::all().into_iter().flat_map(|level| [(level, &Serial as &dyn Pool), (level, &Several)])
        {
            let run = |name: &str, shapes: &[&[usize]], inputs: &[&[f32]]| {
                run_kernel(level, pool, name, &attributes, shapes, inputs)
            };
            let forward: [&[usize]; 3] = [&x, &c, &c];
            let plain = run("BatchNormTrain", &forward, &[data, scale, bias]);
            let clipped = run("BatchNormClipTrain", &forward, &[data, scale, bias]);
            let after: Vec<f32> = plain[0].iter().map(|y| y.clamp(low, high)).collect();
            assert_eq!([&after, &plain[1], &plain[2]], [&clipped[0], &clipped[1], &clipped[2]], "{level:?} {x:?}");
            let masked = run("ClipGrad", &[&x, &x], &[dy, &clipped[0]]).remove(0);
            let zero_outside =
                |(y, (dy, masked)): (&f32, (&f32, &f32))| *masked == if low < *y && *y < high { *dy } else { 0.0 };
            assert!(clipped[0].iter().zip(dy.iter().zip(&masked)).all(zero_outside), "{level:?} {x:?}");
            let [mean, var] = [&clipped[1], &clipped[2]];
            let two = run("BatchNormTrainGrad", &[&x, &x, &c, &c, &c], &[&masked, data, scale, mean, var]);
            let one = run("BatchNormClipTrainGrad", &[&x, &x, &c, &c, &c, &c], &[dy, data, scale, bias, mean, var]);
            assert_eq!(two, one, "{level:?} {x:?}");
        }
    }
}

/// ONNX Runtime lets the kernel overwrite a gradient that nothing else reads, and keeps one that something does.
#[test]
fn gradients_are_overwritten_where_they_may_be() {
    let shapes = [vec![3, 4, 5, 5], vec![3, 4, 5, 5], vec![4], vec![4], vec![4]];
    let mut graph = Graph::new("in place");
    let inputs: Vec<_> =
        shapes.iter().map(|shape| graph.input("in", graph::ValueType::new(graph::DType::F32, shape.clone()))).collect();
    let tensors: Vec<Tensor> = random(&shapes)
        .into_iter()
        .enumerate()
        .map(|(index, tensor)| match index {
            4 => Tensor::f32(&[4], [0.5, 1.0, 1.5, 2.0]),
            _ => tensor,
        })
        .collect();
    let negated = graph.add("Neg", &[inputs[0]], Attrs::new()).unwrap();
    let kept = graph.add("Sigmoid", &[inputs[0]], Attrs::new()).unwrap();
    let mut outputs = vec![kept];
    for dy in [negated, kept] {
        let all: Vec<_> = [&[dy], &inputs[1..]].concat().into_iter().map(Some).collect();
        outputs.extend(graph.add_node("", "BatchNormTrainGrad", &all, Attrs::new(), 3).unwrap());
    }
    graph.set_outputs(outputs);
    let exact = Interpreter.run(&graph, &tensors).unwrap();
    let found = OrtExecutor::new().compile(&graph).unwrap().run(&tensors).unwrap();
    for (found, exact) in found.iter().zip(&exact) {
        near(&found.to_f64(), exact).unwrap();
    }
}

#[test]
fn what_is_not_a_number_is_not_clipped_away() {
    let attributes = Attributes { low: 0.0, high: 6.0, ..Attributes::default() };
    let mut x = vec![1.0; 32];
    x[3] = f32::NAN;
    for level in Level::all() {
        let shapes: [&[usize]; 3] = [&[2, 1, 16], &[1], &[1]];
        let found = run_kernel(level, &Serial, "BatchNormClipTrain", &attributes, &shapes, &[&x, &[1.0], &[1.0]]);
        assert!(found.concat().iter().all(|value| value.is_nan()), "{level:?}");
    }
}
