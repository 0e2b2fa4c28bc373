//! Step graphs in f64: gradients against central differences, updates against closed formulas and PyTorch.

use super::{AttackNorm, Network, Objective, Optimiser, Role, StepSpec, attack_step, training_step};
use crate::check::Splitmix;
use crate::{Attrs, DType, Error, Graph, Head, Interpreter, Profile, Tensor, ValueId, ValueType, gradient_graph};
use std::collections::HashMap;

const PLAIN: Optimiser = Optimiser::Sgd { momentum: 0.0, nesterov: false };
const OBJECTIVES: [Objective; 4] = [
    Objective::Standard { label_smoothing: 0.0 },
    Objective::Standard { label_smoothing: 0.2 },
    Objective::Trades { beta: 6.0 },
    Objective::Mart { beta: 5.0 },
];

fn spec(objective: Objective, optimiser: Optimiser) -> StepSpec {
    StepSpec {
        objective,
        optimiser,
        weight_decay: 0.0,
        decay_all: true,
        clip_norm: None,
        statistics_momentum: f64::from(0.1_f32),
    }
}

/// A graph half built, whose constants are drawn.
struct Builder {
    graph: Graph,
    random: Splitmix,
}

impl Builder {
    fn new(name: &str, input: &[usize]) -> (Self, ValueId) {
        let mut graph = Graph::new(name);
        let x = graph.input("x", ValueType::new(DType::F32, input));
        (Self { graph, random: Splitmix::new(11) }, x)
    }

    fn drawn(&mut self, name: &str, shape: &[usize], low: f64, high: f64) -> ValueId {
        let tensor = self.random.tensor(shape, low, high);
        self.graph.constant(name, tensor)
    }

    fn add(&mut self, op: &str, inputs: &[ValueId], attrs: Attrs) -> ValueId {
        self.graph.add(op, inputs, attrs).unwrap()
    }

    fn conv(&mut self, name: &str, x: ValueId, weights: &[usize], bias: bool, attrs: Attrs) -> ValueId {
        let mut inputs = vec![x, self.drawn(&format!("{name}.weight"), weights, -0.6, 0.6)];
        if bias {
            inputs.push(self.drawn(&format!("{name}.bias"), &weights[..1], -0.3, 0.3));
        }
        self.add("Conv", &inputs, attrs)
    }

    fn norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.graph.shape(x)[1];
        let mut inputs = vec![x];
        for (part, low, high) in [("scale", 0.5, 1.5), ("bias", -0.3, 0.3), ("mean", -0.5, 0.5), ("var", 0.5, 1.5)] {
            inputs.push(self.drawn(&format!("{name}.{part}"), &[channels], low, high));
        }
        self.add("BatchNormalization", &inputs, Attrs::new().float("epsilon", 1e-3))
    }

    fn finish(mut self, logits: ValueId) -> Graph {
        self.graph.rename(logits, "logits");
        self.graph.set_outputs(vec![logits]);
        self.graph
    }
}

/// Convolutions with and without bias, batch normalisations, a depthwise convolution with a stride, a residual.
fn residual(batch: usize) -> Graph {
    let (mut b, x) = Builder::new("residual", &[batch, 2, 6, 6]);
    let same = || Attrs::new().ints("pads", [1, 1, 1, 1]);
    let strides = |attrs: Attrs| attrs.ints("strides", [2, 2]);
    let y = b.conv("stem", x, &[4, 2, 3, 3], true, same());
    let y = b.norm("stem.norm", y);
    let stem = b.add("Relu", &[y], Attrs::new());
    let y = b.conv("depthwise", stem, &[4, 1, 3, 3], false, strides(same()).int("group", 4));
    let y = b.norm("depthwise.norm", y);
    let bounds = [0.0, 6.0].map(|bound| b.graph.scalar(DType::F32, bound));
    let y = b.add("Clip", &[y, bounds[0], bounds[1]], Attrs::new());
    let y = b.conv("project", y, &[5, 4, 1, 1], false, Attrs::new());
    let y = b.norm("project.norm", y);
    let shortcut = b.conv("shortcut", stem, &[5, 4, 1, 1], true, strides(Attrs::new()));
    let y = b.add("Add", &[y, shortcut], Attrs::new());
    let y = b.add("Relu", &[y], Attrs::new());
    let y = b.add("GlobalAveragePool", &[y], Attrs::new());
    let y = b.add("Flatten", &[y], Attrs::new());
    let dense = [b.drawn("dense.weight", &[3, 5], -1.0, 1.0), b.drawn("dense.bias", &[3], -0.5, 0.5)];
    let y = b.add("Gemm", &[y, dense[0], dense[1]], Attrs::new().int("transB", 1));
    b.finish(y)
}

/// A product with an Add behind it, a layer normalisation, and a Gemm.
fn perceptron(batch: usize) -> Graph {
    let (mut b, x) = Builder::new("perceptron", &[batch, 5]);
    let weights = b.drawn("first.weight", &[5, 7], -0.7, 0.7);
    let bias = b.drawn("first.bias", &[7], -0.3, 0.3);
    let y = b.add("MatMul", &[x, weights], Attrs::new());
    let y = b.add("Add", &[bias, y], Attrs::new());
    let y = b.add("Relu", &[y], Attrs::new());
    let (scale, shift) = (b.drawn("norm.scale", &[7], 0.5, 1.5), b.drawn("norm.bias", &[7], -0.3, 0.3));
    let y = b.add("LayerNormalization", &[y, scale, shift], Attrs::new().int("axis", -1));
    let weights = b.drawn("second.weight", &[7, 3], -0.7, 0.7);
    let bias = b.drawn("second.bias", &[3], -0.3, 0.3);
    let y = b.add("Gemm", &[y, weights, bias], Attrs::new());
    b.finish(y)
}

fn one_hot(labels: &[usize], classes: usize) -> Tensor {
    let row = |&label: &usize| (0..classes).map(move |class| f64::from(u8::from(class == label)));
    Tensor::f32(&[labels.len(), classes], labels.iter().flat_map(row))
}

/// Named inputs of a step graph.
#[derive(Clone)]
struct Inputs(HashMap<String, Tensor>);

impl Inputs {
    /// The network's own state, zero moments, random images and labels.
    fn new(network: &Network, step: &Graph) -> Self {
        let state = network.initial();
        let vector = |values: &[f32]| Tensor::f32(&[values.len()], values.iter().map(|&x| f64::from(x)));
        let mut random = Splitmix::new(5);
        let mut tensor = |name: &str, shape: &[usize]| match name {
            "parameters" => vector(&state.parameters),
            "statistics" => vector(&state.statistics),
            "learning_rate" => Tensor::scalar(1.0),
            "bias_corrections" => Tensor::f32(&[2], [1.0, 1.0]),
            "targets" => one_hot(&(0..shape[0]).map(|row| row % shape[1]).collect::<Vec<_>>(), shape[1]),
            "moment1" | "moment2" => Tensor::f32(shape, vec![0.0; shape.iter().product()]),
            _ => random.tensor(shape, -1.0, 1.0),
        };
        let names = step.inputs().iter().map(|&id| (step.value(id).name(), step.shape(id)));
        Self(names.map(|(name, shape)| (name.to_owned(), tensor(name, shape))).collect())
    }

    fn set(&mut self, name: &str, tensor: Tensor) {
        assert!(self.0.insert(name.to_owned(), tensor).is_some(), "no input `{name}`");
    }

    fn run(&self, step: &Graph) -> Outputs {
        let inputs: Vec<Tensor> = step.inputs().iter().map(|&id| self.0[step.value(id).name()].clone()).collect();
        let outputs = Interpreter.run(step, &inputs).unwrap();
        Outputs(step.outputs().iter().map(|&id| step.value(id).name().to_owned()).zip(outputs).collect())
    }
}

struct Outputs(HashMap<String, Tensor>);

impl Outputs {
    fn get(&self, name: &str) -> Vec<f64> {
        self.0[name].to_f64()
    }
}

/// The gradient: what plain descent with rate 1 takes off.
fn gradient(network: &Network, objective: Objective, inputs: &Inputs) -> Vec<f64> {
    let step = training_step(network, &spec(objective, PLAIN)).unwrap();
    let (before, after) = (inputs.0["parameters"].to_f64(), inputs.run(&step).get("next_parameters"));
    before.iter().zip(after).map(|(before, after)| before - after).collect()
}

#[test]
fn what_is_trained_is_found() {
    let network = Network::new(&residual(4)).unwrap();
    let names: Vec<&str> = network.parameters().iter().map(|slot| slot.name.as_str()).collect();
    let wanted = "stem.weight stem.bias stem.norm.scale stem.norm.bias depthwise.weight depthwise.norm.scale \
                  depthwise.norm.bias project.weight project.norm.scale project.norm.bias shortcut.weight shortcut.bias \
                  dense.weight dense.bias";
    assert_eq!(names, wanted.split_whitespace().collect::<Vec<_>>());
    let roles: Vec<Role> = network.parameters()[..4].iter().map(|slot| slot.role).collect();
    assert_eq!(roles, [Role::Weight, Role::Bias, Role::NormScale, Role::NormBias]);
    let statistics: Vec<&str> = network.statistics().iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(statistics[..2], ["stem.norm.mean", "stem.norm.var"]);
    let state = network.initial();
    let slot = &network.parameters()[12];
    let stored = network.graph().value(network.graph().find("dense.weight").unwrap()).data().unwrap();
    let flat: Vec<f64> = state.parameters[slot.offset..][..slot.len()].iter().map(|&x| f64::from(x)).collect();
    assert_eq!(flat, stored.to_f64());
    let perceptron = Network::new(&perceptron(4)).unwrap();
    let roles: Vec<Role> = perceptron.parameters().iter().map(|slot| slot.role).collect();
    use Role::{Bias, NormBias, NormScale, Weight};
    assert_eq!(roles, [Weight, Bias, NormScale, NormBias, Weight, Bias]);
}

#[test]
fn another_state_is_another_function() {
    let network = Network::new(&residual(3)).unwrap();
    let x = Splitmix::new(1).tensor(&network.input().shape, -1.0, 1.0);
    let run = |graph: &Graph| Interpreter.run(graph, std::slice::from_ref(&x)).unwrap().remove(0).to_f64();
    let mut state = network.initial();
    assert_eq!(run(&network.with_state(&state)), run(network.graph()));
    let bias = &network.parameters()[13];
    state.parameters[bias.offset] += 1.0;
    let moved = run(&network.with_state(&state));
    let differences: Vec<f64> = moved.iter().zip(run(network.graph())).map(|(a, b)| a - b).collect();
    assert!(differences.iter().enumerate().all(|(at, d)| (d - f64::from(u8::from(at % 3 == 0))).abs() < 1e-6));
    state.statistics[0] += 0.5;
    assert_ne!(run(&network.with_state(&state)), moved);
}

/// Every parameter along a random direction, for every objective.
#[test]
fn gradients_to_every_parameter_agree_with_central_differences() {
    const STEP: f64 = 1e-5;
    for graph in [residual(4), perceptron(6)] {
        let network = Network::new(&graph).unwrap();
        for objective in OBJECTIVES {
            let step = training_step(&network, &spec(objective, PLAIN)).unwrap();
            let inputs = Inputs::new(&network, &step);
            let gradient = gradient(&network, objective, &inputs);
            let here = inputs.run(&step).get("loss")[0];
            let mut random = Splitmix::new(8);
            for slot in network.parameters() {
                let direction = random.tensor(&slot.shape, -1.0, 1.0).to_f64();
                let moved = |by: f64| {
                    let mut flat = inputs.0["parameters"].to_f64();
                    flat[slot.offset..].iter_mut().zip(&direction).for_each(|(p, d)| *p += by * d);
                    let mut inputs = inputs.clone();
                    inputs.set("parameters", Tensor::f32(&[flat.len()], flat));
                    inputs.run(&step).get("loss")[0]
                };
                let (before, after) = (moved(-STEP), moved(STEP));
                let products: Vec<f64> = gradient[slot.offset..].iter().zip(&direction).map(|(g, d)| g * d).collect();
                let (slope, size) = (products.iter().sum::<f64>(), products.iter().map(|p| p.abs()).sum::<f64>());
                let label = format!("{} {objective:?} {}", network.graph().name(), slot.name);
                let kink = ((after - here) - (here - before)).abs() / STEP;
                assert!(kink < 1e-3 * size.max(1e-2), "{label}: a kink, draw other inputs");
                let difference = (after - before) / (2.0 * STEP);
                assert!((slope - difference).abs() < 1e-6 * size + 1e-9, "{label}: {slope}, {difference}");
            }
        }
    }
}

#[test]
fn losses_are_those_of_their_definitions() {
    let network = Network::new(&residual(4)).unwrap();
    let softmax = |z: &[f64]| {
        let total: f64 = z.iter().map(|z| z.exp()).sum();
        z.iter().map(|z| z.exp() / total).collect::<Vec<_>>()
    };
    for objective in OBJECTIVES {
        let step = training_step(&network, &spec(objective, PLAIN)).unwrap();
        let outputs = Inputs::new(&network, &step).run(&step);
        let rows = |name: &str| outputs.get(name).chunks(3).map(softmax).collect::<Vec<_>>();
        let p = rows("logits");
        let mean = |of: &dyn Fn(usize) -> f64| (0..4).map(of).sum::<f64>() / 4.0;
        let label = |row: usize| row % 3;
        let wanted = match objective {
            Objective::Standard { label_smoothing } => mean(&|row| {
                let all: f64 = p[row].iter().map(|p| -p.ln()).sum();
                (1.0 - label_smoothing) * -p[row][label(row)].ln() + label_smoothing / 3.0 * all
            }),
            Objective::Trades { beta } => {
                let q = rows("logits_adv");
                let kl = |row: usize| p[row].iter().zip(&q[row]).map(|(p, q)| p * (p / q).ln()).sum::<f64>();
                mean(&|row| -p[row][label(row)].ln() + beta * kl(row))
            }
            Objective::Mart { beta } => {
                let q = rows("logits_adv");
                let kl = |row: usize| p[row].iter().zip(&q[row]).map(|(p, q)| p * (p.ln() - (q + 1e-12).ln()));
                let wrong = |row: usize| (0..3).filter(|&k| k != label(row)).map(|k| q[row][k]).fold(0.0, f64::max);
                let boosted = |row: usize| -q[row][label(row)].ln() - (1.0001 - wrong(row) + 1e-12).ln();
                let doubt = |row: usize| 1.0000001 - p[row][label(row)];
                mean(&|row| boosted(row) + beta * kl(row).sum::<f64>() * doubt(row))
            }
        };
        let found = outputs.get("loss")[0];
        // Constants of the formulas are float32 in the graph.
        assert!((found - wanted).abs() < 2e-7 * wanted.abs().max(1.0), "{objective:?}: {found}, {wanted}");
    }
}

#[test]
fn running_statistics_follow_the_natural_batch_then_the_adversarial_one() {
    let network = Network::new(&residual(4)).unwrap();
    let step = training_step(&network, &spec(Objective::Trades { beta: 1.0 }, PLAIN)).unwrap();
    let inputs = Inputs::new(&network, &step);
    let next = inputs.run(&step).get("next_statistics");
    // The first statistics are those of the stem's output.
    let mut stem = network.graph().clone();
    let conv = stem.nodes()[0].outputs()[0];
    stem.set_outputs(vec![conv]);
    let (mut mean, mut variance) = ([0.0; 4], [0.0; 4]);
    for channel in 0..4 {
        (mean[channel], variance[channel]) =
            (network.initial().statistics[channel].into(), network.initial().statistics[4 + channel].into());
        for name in ["x", "x_adv"] {
            let y = Interpreter.run(&stem, std::slice::from_ref(&inputs.0[name])).unwrap().remove(0).to_f64();
            let seen: Vec<f64> = y.chunks(36).skip(channel).step_by(4).flatten().copied().collect();
            let batch = seen.iter().sum::<f64>() / seen.len() as f64;
            let unbiased = seen.iter().map(|y| (y - batch).powi(2)).sum::<f64>() / (seen.len() - 1) as f64;
            mean[channel] = 0.9 * mean[channel] + 0.1 * batch;
            variance[channel] = 0.9 * variance[channel] + 0.1 * unbiased;
        }
    }
    let wanted = mean.iter().chain(&variance);
    assert!(next.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-7), "{next:?} {mean:?} {variance:?}");
}

/// Three steps of every optimiser, with decay and clipping, next to its formulas.
#[test]
fn optimisers_follow_their_formulas() {
    let network = Network::new(&perceptron(6)).unwrap();
    let objective = Objective::Standard { label_smoothing: 0.0 };
    // Numbers that are exact in float32.
    let (rate, decay, momentum, beta1, beta2, epsilon) = (0.125, 0.0625, 0.5, 0.75, 0.875, 0.0078125);
    let sgd = |momentum, nesterov| Optimiser::Sgd { momentum, nesterov };
    let optimisers = [
        PLAIN,
        sgd(momentum, false),
        sgd(momentum, true),
        Optimiser::Adam { beta1, beta2, epsilon },
        Optimiser::AdamW { beta1, beta2, epsilon },
    ];
    for (optimiser, decay_all, clip_norm) in
        optimisers.into_iter().flat_map(|o| [(o, true, None), (o, false, Some(0.25))])
    {
        let spec = StepSpec { weight_decay: decay, decay_all, clip_norm, ..spec(objective, optimiser) };
        let step = training_step(&network, &spec).unwrap();
        let plain = training_step(&network, &self::spec(objective, PLAIN)).unwrap();
        let mut inputs = Inputs::new(&network, &step);
        let mut p = inputs.0["parameters"].to_f64();
        let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        let decays: Vec<bool> = (network.parameters().iter())
            .flat_map(|slot| std::iter::repeat_n(decay_all || slot.role == Role::Weight, slot.len()))
            .collect();
        inputs.set("learning_rate", Tensor::scalar(rate));
        for t in 1..=3 {
            let corrections = [beta1, beta2].map(|beta: f64| 1.0 - beta.powi(t));
            if optimiser.moments() == 2 {
                inputs.set("bias_corrections", Tensor::f32(&[2], corrections));
            }
            let mut at_one = inputs.clone();
            at_one.set("learning_rate", Tensor::scalar(1.0));
            at_one.0.retain(|name, _| plain.find(name).is_some());
            let gradient = gradient(&network, objective, &at_one);
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let factor = clip_norm.map_or(1.0, |limit| (limit / (norm + f64::from(1e-6_f32))).min(1.0));
            for (i, g) in gradient.iter().enumerate() {
                let decay = if decays[i] { decay } else { 0.0 };
                let mut g = g * factor;
                if matches!(optimiser, Optimiser::AdamW { .. }) {
                    p[i] *= 1.0 - rate * decay;
                } else {
                    g += decay * p[i];
                }
                match optimiser {
                    Optimiser::Sgd { momentum, nesterov } => {
                        m[i] = momentum * m[i] + g;
                        p[i] -= rate * if nesterov { g + momentum * m[i] } else { m[i] };
                    }
                    Optimiser::Adam { .. } | Optimiser::AdamW { .. } => {
                        m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                        v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
                        p[i] -= rate / corrections[0] * m[i] / ((v[i] / corrections[1]).sqrt() + epsilon);
                    }
                }
            }
            let outputs = inputs.run(&step);
            let close = |name: &str, wanted: &[f64]| {
                let found = outputs.get(name);
                let near = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9);
                assert!(near && found.len() == wanted.len(), "{optimiser:?} {decay_all} step {t}: {name}");
            };
            close("next_parameters", &p);
            close("gradient_norm", &[norm]);
            for (name, moment) in [("moment1", &m), ("moment2", &v)].into_iter().take(optimiser.moments()) {
                close(&format!("next_{name}"), moment);
                inputs.set(name, Tensor::f32(&[p.len()], moment.iter().copied()));
            }
            inputs.set("parameters", Tensor::f32(&[p.len()], p.iter().copied()));
        }
    }
}

/// Three steps of five recipes in PyTorch, in float64: `pytorch/reference.py` says how the numbers were made.
#[test]
fn steps_are_those_of_pytorch() {
    let reference: serde_json::Value = serde_json::from_str(include_str!("pytorch/reference.json")).unwrap();
    let list = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let vector = |values: Vec<f64>| Tensor::f32(&[values.len()], values);
    let network = Network::new(&residual(4)).unwrap();
    for run in reference["runs"].as_array().unwrap() {
        let number = |name: &str| run[name].as_f64().unwrap();
        let betas = |name: &str| (number("beta1"), number("beta2"), number(name));
        let objective = match run["objective"].as_str().unwrap() {
            "standard" => Objective::Standard { label_smoothing: number("number") },
            "trades" => Objective::Trades { beta: number("number") },
            _ => Objective::Mart { beta: number("number") },
        };
        let optimiser = match run["optimiser"].as_str().unwrap() {
            "sgd" => Optimiser::Sgd { momentum: number("momentum"), nesterov: run["nesterov"].as_bool().unwrap() },
            name => {
                let (beta1, beta2, epsilon) = betas("epsilon");
                match name {
                    "adam" => Optimiser::Adam { beta1, beta2, epsilon },
                    _ => Optimiser::AdamW { beta1, beta2, epsilon },
                }
            }
        };
        let spec = StepSpec {
            objective,
            optimiser,
            weight_decay: number("decay"),
            decay_all: run["decay_all"].as_bool().unwrap_or(false),
            clip_norm: run["clip"].as_f64(),
            statistics_momentum: 0.1,
        };
        let step = training_step(&network, &spec).unwrap();
        let mut inputs = Inputs::new(&network, &step);
        inputs.set("parameters", vector(list(&reference["parameters"])));
        inputs.set("statistics", vector(list(&reference["statistics"])));
        for at in 0..3 {
            let image = |name: &str| Tensor::f32(&[4, 2, 6, 6], list(&reference[name][at]));
            inputs.set("x", image("x"));
            if objective.takes_adversarial() {
                inputs.set("x_adv", image("x_adv"));
            }
            let labels: Vec<usize> = list(&reference["labels"][at]).into_iter().map(|label| label as usize).collect();
            inputs.set("targets", one_hot(&labels, 3));
            inputs.set("learning_rate", Tensor::scalar(reference["rates"][at].as_f64().unwrap()));
            if optimiser.moments() == 2 {
                let corrections = [0.9_f64, 0.999].map(|beta| 1.0 - beta.powi(at as i32 + 1));
                inputs.set("bias_corrections", Tensor::f32(&[2], corrections));
            }
            let outputs = inputs.run(&step);
            let same = |name: &str, wanted: &[f64]| {
                let found = outputs.get(name);
                assert_eq!(found.len(), wanted.len());
                let size = wanted.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                let off = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                // Constants, such as 0.9, are float32 in the graph.
                assert!(off < 1e-6 * size, "{objective:?} {optimiser:?} step {at}: {name} is off by {off} of {size}");
            };
            same("loss", &[list(&run["losses"])[at]]);
            same("gradient_norm", &[list(&run["norms"])[at]]);
            if at == 2 {
                same("next_parameters", &list(&run["parameters"]));
                same("next_statistics", &list(&run["statistics"]));
            }
            for name in ["parameters", "statistics", "moment1", "moment2"] {
                if let Some(next) = outputs.0.get(&format!("next_{name}")) {
                    inputs.set(name, next.clone());
                }
            }
        }
    }
}

#[test]
fn steps_that_cannot_be_are_errors_that_name_the_reason() {
    let standard = spec(Objective::Standard { label_smoothing: 0.0 }, PLAIN);
    let reason = |result: Result<Graph, Error>| result.unwrap_err().to_string();
    // A head that does not look at what the first layer computes.
    let (mut b, x) = Builder::new("dead", &[2, 3]);
    let weights = [b.drawn("used", &[3, 2], -1.0, 1.0), b.drawn("dead", &[3, 2], -1.0, 1.0)];
    let used = b.add("MatMul", &[x, weights[0]], Attrs::new());
    let dead = b.add("MatMul", &[x, weights[1]], Attrs::new());
    let dead = b.add("Sign", &[dead], Attrs::new());
    let y = b.add("Add", &[used, dead], Attrs::new());
    let network = Network::new(&b.finish(y)).unwrap();
    assert!(reason(training_step(&network, &standard)).contains("parameter `dead` gets no gradient"));
    let one = {
        let (mut b, x) = Builder::new("one", &[1, 3]);
        let weights = b.drawn("w", &[3, 4], -1.0, 1.0);
        let y = b.add("MatMul", &[x, weights], Attrs::new());
        let y = b.norm("norm", y);
        Network::new(&b.finish(y)).unwrap()
    };
    assert!(reason(training_step(&one, &standard)).contains("sees one element a channel"));
    let (b, x) = Builder::new("nothing", &[2, 3]);
    assert!(Network::new(&b.finish(x)).unwrap_err().to_string().contains("no weights to train"));
    let (mut b, x) = Builder::new("shared", &[2, 3]);
    let [scale, shift, mean, var] = ["a", "b", "c", "d"].map(|name| b.drawn(name, &[3], 0.5, 1.0));
    let y = b.add("BatchNormalization", &[x, scale, shift, mean, var], Attrs::new());
    let y = b.add("BatchNormalization", &[y, scale, shift, mean, var], Attrs::new());
    assert!(Network::new(&b.finish(y)).unwrap_err().to_string().contains("`c` is a statistic of"));
}

#[test]
fn every_profile_computes_the_same_step_and_one_with_operators_of_our_own() {
    let network = Network::new(&residual(4)).unwrap();
    for objective in OBJECTIVES {
        let step = training_step(&network, &spec(objective, PLAIN)).unwrap();
        let inputs = Inputs::new(&network, &step);
        let exact = inputs.run(&step);
        for profile in [Profile::Portable, Profile::Cpu, Profile::CpuTraining] {
            let lowered = profile.lower(&step).unwrap();
            let found = inputs.run(&lowered);
            for (name, exact) in &exact.0 {
                let near = found.get(name).iter().zip(exact.to_f64()).all(|(a, b)| (a - b).abs() < 1e-6);
                assert!(near && found.0[name].shape() == exact.shape(), "{objective:?}, {profile:?}: {name}");
            }
            let own = |op: &str| lowered.nodes().iter().filter(|node| node.op().name == op).count();
            let counts =
                ["BatchNormClipTrain", "BatchNormClipTrainGrad", "BatchNormTrain", "BatchNormTrainGrad"].map(own);
            let passes = 1 + usize::from(objective.takes_adversarial());
            let wanted = if profile == Profile::CpuTraining { [2, 2, 1, 1] } else { [0; 4] };
            assert_eq!(counts, wanted.map(|count| count * passes), "{profile:?}");
            let rest = ["ClipGrad", "ConvWeightGrad", "TrainConv", "TrainConvInputGrad"].map(own);
            let wanted = if profile == Profile::CpuTraining { [1, 4, 4, 3] } else { [0; 4] };
            assert_eq!(rest, wanted.map(|count| count * passes), "{profile:?}");
            if profile == Profile::CpuTraining {
                assert_eq!(["Conv", "ConvTranspose", "Greater", "Clip"].map(own), [0; 4]);
            }
        }
    }
}

#[test]
fn an_attack_step_is_the_gradient_graphs_step() {
    for graph in [residual(4), perceptron(4)] {
        let network = Network::new(&graph).unwrap();
        for (head, norm) in
            [(Head::CrossEntropy, AttackNorm::Linf), (Head::Kl, AttackNorm::L2), (Head::CrossEntropy, AttackNorm::L2)]
        {
            let step = attack_step(&network, head, norm).unwrap();
            let mut inputs = Inputs::new(&network, &step);
            let x = inputs.0["x"].clone();
            let clean: Vec<f64> = x.to_f64().iter().map(|x| x + 0.05).collect();
            let bound = |by: f64| Tensor::f32(x.shape(), clean.iter().map(|x| (x + by).clamp(-0.9, 0.9)));
            inputs.set("lower", bound(-0.25));
            inputs.set("upper", bound(0.25));
            inputs.set("step", Tensor::scalar(0.125));
            let weights = Tensor::f32(&[4, 3], [0.5, 0.25, 0.25].repeat(4));
            inputs.set("weights", weights.clone());
            if norm == AttackNorm::L2 {
                inputs.set("centre", Tensor::f32(x.shape(), clean.iter().copied()));
                inputs.set("radius", Tensor::scalar(0.25));
            }
            let outputs = inputs.run(&step);
            let built = gradient_graph(network.graph(), head).unwrap().graph;
            let found = Interpreter.run(&built, &[x.clone(), weights]).unwrap();
            let row = x.len() / 4;
            let length = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>().sqrt();
            let mut wanted = Vec::new();
            for (at, (x, g)) in x.to_f64().chunks(row).zip(found[2].to_f64().chunks(row)).enumerate() {
                let clean = &clean[at * row..][..row];
                let mut next: Vec<f64> = match norm {
                    AttackNorm::Linf => x.iter().zip(g).map(|(x, g)| x + 0.125 * g.signum()).collect(),
                    AttackNorm::L2 => x.iter().zip(g).map(|(x, d)| x + 0.125 * d / length(g)).collect(),
                };
                if norm == AttackNorm::L2 {
                    let offset: Vec<f64> = next.iter().zip(clean).map(|(x, c)| x - c).collect();
                    let factor = 0.25 / length(&offset).max(0.25);
                    next = clean.iter().zip(&offset).map(|(c, o)| c + factor * o).collect();
                }
                let clip = next
                    .iter()
                    .zip(clean)
                    .map(|(x, c)| x.clamp((c - 0.25).clamp(-0.9, 0.9), (c + 0.25).clamp(-0.9, 0.9)));
                wanted.extend(clip);
            }
            let near = |found: Vec<f64>, wanted: &[f64]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near(outputs.get("x_next"), &wanted), "{head:?} {norm:?}");
            assert!(near(outputs.get("logits"), &found[0].to_f64()) && near(outputs.get("loss"), &found[1].to_f64()));
        }
    }
}
