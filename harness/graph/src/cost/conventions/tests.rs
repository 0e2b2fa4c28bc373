use super::*;
use crate::ops::{self, OPS, case_graph};
use crate::{Attrs, DType, Tensor, ValueType};
use std::collections::BTreeSet;

/// What the tools count, as `harness/benches/peers/counts.py` found it.
fn record() -> serde_json::Value {
    let text = include_str!("../../../../../reports/acceptance/counts.json");
    serde_json::from_str(text).unwrap()
}

/// Attributes and the shapes of further inputs, all constant; with the operator.
struct One {
    op: &'static str,
    attrs: Attrs,
    constants: Vec<Tensor>,
}

fn one(op: &'static str) -> One {
    One { op, attrs: Attrs::new(), constants: Vec::new() }
}

impl One {
    fn attrs(mut self, change: impl FnOnce(Attrs) -> Attrs) -> Self {
        self.attrs = change(self.attrs);
        self
    }

    fn weights(mut self, shapes: &[&[usize]]) -> Self {
        let ones = |shape: &&[usize]| Tensor::f32(shape, vec![1.0; shape.iter().product()]);
        self.constants.extend(shapes.iter().map(ones));
        self
    }

    fn scalars(mut self, values: &[f64]) -> Self {
        self.constants.extend(values.iter().map(|&value| Tensor::scalar(value)));
        self
    }

    fn ints(mut self, values: &[i64]) -> Self {
        self.constants.push(Tensor::ints(values.iter().copied()));
        self
    }
}

/// The operator of a case of the record as PyTorch exports it; two nodes where one is not enough.
fn operators(case: &str) -> Option<Vec<One>> {
    let resize = |mode, scales: &[f64]| {
        let scales = Tensor::f32(&[scales.len()], scales.to_vec());
        let mut node = one("Resize").attrs(|attrs| attrs.text("mode", mode).text("nearest_mode", "floor"));
        node.attrs.set("coordinate_transformation_mode", Attr::Text("asymmetric".to_owned()));
        node.constants.push(scales);
        node
    };
    let halves = |op, axes: usize| {
        one(op).attrs(|attrs| attrs.ints("kernel_shape", vec![2; axes]).ints("strides", vec![2; axes]))
    };
    let strided = |groups| one("ConvTranspose").attrs(|attrs| attrs.ints("strides", [2, 2]).int("group", groups));
    Some(vec![match case {
        "conv" => one("Conv").weights(&[&[9, 6, 3, 3], &[9]]),
        "conv-no-bias" => one("Conv").weights(&[&[9, 6, 3, 3]]),
        "conv-groups" => {
            let conv = one("Conv").attrs(|attrs| attrs.ints("strides", [2, 2]).int("group", 3));
            conv.weights(&[&[9, 2, 3, 5], &[9]])
        }
        "conv-1d" => one("Conv").weights(&[&[9, 6, 3], &[9]]),
        "conv-transpose" => strided(1).weights(&[&[6, 9, 3, 3], &[9]]),
        "conv-transpose-groups" => strided(3).weights(&[&[6, 2, 3, 3], &[6]]),
        "conv-transpose-groups-wider" => strided(3).weights(&[&[6, 3, 3, 3], &[9]]),
        "dense" => one("Gemm").attrs(|attrs| attrs.int("transB", 1)).weights(&[&[5, 7], &[5]]),
        "dense-no-bias" => one("Gemm").attrs(|attrs| attrs.int("transB", 1)).weights(&[&[5, 7]]),
        "dense-3d" => return Some(vec![one("MatMul").weights(&[&[7, 5]]), one("Add").weights(&[&[5]])]),
        "matmul" => return Some(vec![one("Transpose").attrs(|attrs| attrs.ints("perm", [0, 2, 1])), one("MatMul")]),
        "einsum" => one("Einsum").attrs(|attrs| attrs.text("equation", "ncp,ncq->npq")),
        "batch-norm" => one("BatchNormalization").weights(&[[6].as_slice(); 4]),
        "instance-norm" => one("InstanceNormalization").weights(&[[6].as_slice(); 2]),
        "layer-norm" => one("LayerNormalization").weights(&[[10].as_slice(); 2]),
        "relu" => one("Relu"),
        "relu6" => one("Clip").scalars(&[0.0, 6.0]),
        "hardtanh" => one("Clip").scalars(&[-1.0, 1.0]),
        "leaky-relu" => one("LeakyRelu"),
        "prelu" => one("PRelu").weights(&[&[6, 1, 1]]),
        "elu" => one("Elu"),
        "selu" => one("Selu"),
        "gelu" => one("Gelu"),
        "hard-sigmoid" => one("HardSigmoid"),
        "sigmoid" => one("Sigmoid"),
        "tanh" => one("Tanh"),
        "softplus" => one("Softplus"),
        "softmax" => one("Softmax"),
        "log-softmax" => one("LogSoftmax"),
        "max-pool" => halves("MaxPool", 2),
        "average-pool" => halves("AveragePool", 2),
        "average-pool-1d" => halves("AveragePool", 1),
        "global-average-pool" | "global-average-pool-1d" => one("GlobalAveragePool"),
        "global-max-pool" => one("GlobalMaxPool"),
        "mean" => one("ReduceMean").ints(&[2, 3]),
        "sum" => one("ReduceSum").ints(&[2, 3]),
        "add" => one("Add"),
        "mul" => one("Mul"),
        "sub" => one("Sub"),
        "div" => one("Div"),
        "concat" => one("Concat").attrs(|attrs| attrs.int("axis", 1)),
        "pad" => one("Pad").ints(&[0, 0, 1, 1, 0, 0, 1, 1]),
        "resize-nearest" => resize("nearest", &[1.0, 1.0, 2.0, 2.0]),
        "resize-nearest-1d" => resize("nearest", &[1.0, 1.0, 2.0]),
        "resize-linear" => resize("linear", &[1.0, 1.0, 2.0]),
        "resize-bilinear" => resize("linear", &[1.0, 1.0, 2.0, 2.0]),
        "resize-bicubic" => resize("cubic", &[1.0, 1.0, 2.0, 2.0]),
        _ => return None,
    }])
}

/// Operators that take the value twice where they have no constant, or the graph's input and what was made of it.
const BINARY: &[&str] = &["Add", "Concat", "Div", "Einsum", "MatMul", "Mul", "Sub"];

fn graph(case: &str, row: &[usize]) -> Graph {
    let mut graph = Graph::new(case);
    let shape: Vec<usize> = [1].into_iter().chain(row.iter().copied()).collect();
    let x = graph.input("x", ValueType::new(DType::F32, shape));
    let mut y = x;
    for One { op, attrs, constants } in operators(case).unwrap_or_else(|| panic!("no case `{case}`")) {
        let mut inputs = vec![Some(y)];
        match constants.is_empty() && BINARY.contains(&op) {
            true if op == "MatMul" => inputs = vec![Some(x), Some(y)],
            true => inputs.push(Some(y)),
            false if op == "Resize" => inputs.push(None),
            false => (),
        }
        inputs.extend(constants.into_iter().map(|tensor| Some(graph.constant("c", tensor))));
        y = graph.add_node("", op, &inputs, attrs, 1).unwrap_or_else(|error| panic!("{case}: failed to {error}"))[0];
    }
    graph.set_outputs(vec![y]);
    graph
}

/// To the unit, operator by operator: what the tools count, a convention counts.
#[test]
fn every_operator_counts_what_the_tools_count() {
    let record = record();
    let (mut wrong, mut seen, mut checked) = (Vec::new(), BTreeSet::new(), 0);
    for entry in record["numbers"]["operators"].as_array().unwrap() {
        let case = entry["case"].as_str().unwrap();
        let row: Vec<usize> = serde_json::from_value(entry["row"].clone()).unwrap();
        let graph = graph(case, &row);
        seen.extend(graph.nodes().iter().map(|node| node.op().name));
        for (tool, counted) in entry["counts"].as_object().unwrap() {
            let ours = graph.count(Convention::find(tool).unwrap());
            checked += 1;
            if Some(ours) != counted.as_u64() {
                wrong.push(format!("{case}: {tool} counts {counted}, here it is {ours}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unseen: Vec<_> = counted_operators().filter(|op| !seen.contains(op)).collect();
    assert!(unseen.is_empty() && checked > 4 * RULES.len(), "operators without a case: {unseen:?}");
}

#[test]
fn the_table_is_sound() {
    let sorted = |names: Vec<&str>| names.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(sorted(counted_operators().collect()));
    assert!(counted_operators().all(|op| ops::find(op).is_some()));
    let versions = record()["versions"].clone();
    for (index, convention) in CONVENTIONS.iter().enumerate() {
        assert_eq!((convention.column, Convention::find(convention.name)), (index, Some(convention)));
        assert_eq!(convention.version, versions[convention.name].as_str(), "{}", convention.name);
        assert!(!convention.counts.is_empty() && !convention.counts.contains('\n'));
    }
    assert_eq!(Convention::find("onnx-tool"), None);
}

/// Our own convention is the rule that every operator has, and no operator is missing in it.
#[test]
fn the_default_is_the_operators_own_rule() {
    let default = Convention::find("default").unwrap();
    for op in OPS {
        for case in (op.cases)() {
            let (graph, _) = case_graph(op, &case, 0).unwrap();
            assert_eq!(graph.count(default), graph.macs(), "{}: {}", op.name, case.name);
        }
    }
}

/// On every case of every operator no convention fails; and one that names an operator's multiply-accumulates counts no less.
#[test]
fn every_case_of_every_operator_has_a_count() {
    for op in OPS {
        for case in (op.cases)() {
            let (graph, _) = case_graph(op, &case, 0).unwrap();
            for convention in CONVENTIONS {
                let count = graph.count(convention);
                if matches!(op.name, "Conv" | "Gemm") {
                    assert!(count >= graph.macs(), "{}: {}: {}", convention.name, op.name, case.name);
                }
            }
        }
    }
}
