//! Step graphs on ONNX Runtime, held against the f64 interpreter.

use crate::OrtExecutor;
use graph::check::Splitmix;
use graph::training::{AttackNorm, Network, Objective, Optimiser, StepSpec, attack_step, training_step};
use graph::{Attrs, DType, Executor, Graph, Head, Interpreter, Profile, Tensor, ValueId, ValueType};

const ROWS: usize = 6;

/// Convolutions, batch normalisations, a depthwise convolution with a stride, a residual and a dense layer.
fn network() -> Network {
    let mut random = Splitmix::new(3);
    let mut graph = Graph::new("network");
    let x = graph.input("x", ValueType::new(DType::F32, [ROWS, 3, 8, 8]));
    let mut drawn = |graph: &mut Graph, shape: &[usize], low, high| {
        let tensor = random.tensor(shape, low, high);
        graph.constant("drawn", tensor)
    };
    let add = |graph: &mut Graph, op: &str, inputs: &[ValueId], attrs| graph.add(op, inputs, attrs).unwrap();
    let mut layer = |graph: &mut Graph, x, weights: &[usize], attrs: Attrs| {
        let inputs = [x, drawn(graph, weights, -0.4, 0.4), drawn(graph, &weights[..1], -0.2, 0.2)];
        let y = add(graph, "Conv", &inputs, attrs.ints("pads", [1, 1, 1, 1]));
        let mut inputs = vec![y];
        for (low, high) in [(0.5, 1.5), (-0.3, 0.3), (-0.5, 0.5), (0.5, 1.5)] {
            inputs.push(drawn(graph, &weights[..1], low, high));
        }
        add(graph, "BatchNormalization", &inputs, Attrs::new())
    };
    let y = layer(&mut graph, x, &[8, 3, 3, 3], Attrs::new());
    let stem = add(&mut graph, "Relu", &[y], Attrs::new());
    let y = layer(&mut graph, stem, &[8, 1, 3, 3], Attrs::new().int("group", 8));
    let y = add(&mut graph, "Add", &[y, stem], Attrs::new());
    let y = layer(&mut graph, y, &[8, 1, 3, 3], Attrs::new().int("group", 8).ints("strides", [2, 2]));
    let bounds = [0.0, 6.0].map(|bound| graph.scalar(DType::F32, bound));
    let y = add(&mut graph, "Clip", &[y, bounds[0], bounds[1]], Attrs::new());
    let y = layer(&mut graph, y, &[12, 8, 3, 3], Attrs::new().ints("strides", [2, 2]));
    let y = add(&mut graph, "GlobalAveragePool", &[y], Attrs::new());
    let y = add(&mut graph, "Flatten", &[y], Attrs::new());
    let (weights, bias) = (random.tensor(&[4, 12], -1.0, 1.0), random.tensor(&[4], -0.5, 0.5));
    let inputs = [y, graph.constant("dense", weights), graph.constant("dense_bias", bias)];
    let y = add(&mut graph, "Gemm", &inputs, Attrs::new().int("transB", 1));
    graph.set_outputs(vec![y]);
    Network::new(&graph).unwrap()
}

/// Inputs by name: the network's own state, moments, images and labels.
fn inputs(network: &Network, step: &Graph) -> Vec<Tensor> {
    let state = network.initial();
    let vector = |values: &[f32]| Tensor::f32(&[values.len()], values.iter().map(|&x| f64::from(x)));
    let mut random = Splitmix::new(5);
    let input = |id: &ValueId| {
        let shape = step.shape(*id);
        match step.value(*id).name() {
            "parameters" => vector(&state.parameters),
            "statistics" => vector(&state.statistics),
            "learning_rate" | "step" => Tensor::scalar(0.0625),
            "radius" => Tensor::scalar(0.5),
            "bias_corrections" => Tensor::f32(&[2], [0.25, 0.125]),
            "targets" | "weights" => {
                let one_hot =
                    (0..shape[0] * shape[1]).map(|at| f64::from(u8::from(at / shape[1] % shape[1] == at % shape[1])));
                Tensor::f32(shape, one_hot)
            }
            "moment2" => random.tensor(shape, 0.01, 0.1),
            "moment1" => random.tensor(shape, -0.1, 0.1),
            "lower" => random.tensor(shape, -0.9, -0.5),
            "upper" => random.tensor(shape, 0.5, 0.9),
            _ => random.tensor(shape, -1.0, 1.0),
        }
    };
    step.inputs().iter().map(input).collect()
}

/// The largest difference of an output from the interpreter's, relative to its largest element, in both executors.
fn check(step: &Graph, network: &Network, profile: Profile, allowed: f64) {
    let inputs = inputs(network, step);
    let exact = Interpreter.run(step, &inputs).unwrap();
    let lowered = profile.lower(step).unwrap();
    for executor in [OrtExecutor::new(), OrtExecutor::unoptimised()] {
        let found = executor.compile(&lowered).unwrap().run(&inputs).unwrap();
        for ((found, exact), id) in found.iter().zip(&exact).zip(step.outputs()) {
            let largest = exact.to_f64().iter().fold(1e-3, |largest: f64, x| largest.max(x.abs()));
            let off = found.to_f64().iter().zip(exact.to_f64()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let name = step.value(*id).name();
            assert_eq!(found.shape(), exact.shape(), "{name}");
            assert!(off <= allowed * largest, "{profile:?}, {name}: off by {off}, largest {largest}");
        }
    }
}

fn steps(network: &Network) -> Vec<Graph> {
    let adam = Optimiser::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-3 };
    let sgd = Optimiser::Sgd { momentum: 0.9, nesterov: true };
    let rows = [
        (Objective::Standard { label_smoothing: 0.1 }, sgd, None),
        (Objective::Trades { beta: 6.0 }, sgd, Some(0.5)),
        (Objective::Mart { beta: 5.0 }, adam, None),
    ];
    let step = |(objective, optimiser, clip_norm)| {
        let spec = StepSpec {
            objective,
            optimiser,
            weight_decay: 5e-4,
            decay_all: false,
            clip_norm,
            statistics_momentum: 0.1,
        };
        training_step(network, &spec).unwrap()
    };
    rows.into_iter().map(step).collect()
}

/// Sums of a few thousand products in f32.
const TOLERANCE: f64 = 2e-5;

#[test]
fn training_steps_agree_with_the_interpreter_in_standard_operators() {
    let network = network();
    for step in steps(&network) {
        check(&step, &network, Profile::Portable, TOLERANCE);
        check(&step, &network, Profile::Cpu, TOLERANCE);
    }
}

#[test]
fn training_steps_agree_with_the_interpreter_with_kernels_of_our_own() {
    let network = network();
    for step in steps(&network) {
        check(&step, &network, Profile::CpuTraining, TOLERANCE);
    }
}

#[test]
fn attack_steps_agree_with_the_interpreter() {
    let network = network();
    for (head, norm) in [(Head::CrossEntropy, AttackNorm::L2), (Head::Kl, AttackNorm::L2)] {
        let step = attack_step(&network, head, norm).unwrap();
        check(&step, &network, Profile::Portable, TOLERANCE);
    }
}
