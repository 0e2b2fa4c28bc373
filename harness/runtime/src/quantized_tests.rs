//! Quantized operators, each in a small file of its own: ONNX Runtime's kernel on the file against the graph that is
//! made of it, and that graph against the same file written with QuantizeLinear and DequantizeLinear by hand.

use crate::Provider;
use crate::handmade::{BOOL, FLOAT, File, INT8, INT32, Ints, UINT8};
use crate::{ModelBytes, ModelSpec, OrtExecutor, OutputKind, ShippedModel};
use attack::Predictor;
use graph::check::Splitmix;
use graph::{
    Executor, Graph, InputMap, Interpreter, Model, NoExternalData, Tensor, differentiate, quantized_operators,
};
use ndarray::Array2;

const ROWS: usize = 32;
/// Output channels, and columns of dense layers.
const CHANNELS: usize = 3;

/// A quantized operator and its float one.
///
/// Values are called `x`, `a` (activations of the file's input, in different steps), `w` (weights), `b` (a bias) and `c`
/// (a condition); those that are quantized have `_scale` and `_zero` beside them, and so has the result `y`.
struct Row {
    op: &'static str,
    inputs: &'static [&'static str],
    float: &'static str,
    operands: &'static [&'static str],
    attributes: &'static [(&'static str, &'static [u64])],
    /// Whether activations are `[N, 32]`, else `[N, 2, 4, 4]`.
    dense: bool,
    /// The shape of the weights, and the axis of their channels.
    weights: (&'static [usize], u64),
    /// How many elements a row of the result has.
    elements: usize,
    /// The step of the result; half of the reals that occur should fit its range, or more.
    step: f32,
}

/// The operands of most: `x`, `a` or `w`, and `y`.
const ONE: &[&str] = &["x", "x_scale", "x_zero", "y_scale", "y_zero"];
const TWO: &[&str] = &["x", "x_scale", "x_zero", "a", "a_scale", "a_zero", "y_scale", "y_zero"];
const WEIGHTED: &[&str] = &["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero", "b"];

const PLAIN: Row = Row {
    op: "",
    inputs: ONE,
    float: "",
    operands: &["x"],
    attributes: &[],
    dense: false,
    weights: (&[3, 2, 3, 3], 0),
    elements: 32,
    step: 0.010_331,
};

const TABLE: &[Row] = &[
    Row {
        op: "QLinearConv",
        inputs: WEIGHTED,
        float: "Conv",
        operands: &["x", "w", "b"],
        attributes: &[("pads", &[1, 1, 1, 1])],
        elements: 48,
        step: 0.060_713,
        ..PLAIN
    },
    Row {
        op: "QLinearMatMul",
        inputs: &["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero"],
        float: "MatMul",
        operands: &["x", "w"],
        dense: true,
        weights: (&[32, 3], 1),
        elements: 3,
        step: 0.060_713,
        ..PLAIN
    },
    Row {
        op: "com.microsoft.QGemm",
        inputs: &["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "b", "y_scale", "y_zero"],
        float: "Gemm",
        operands: &["x", "w", "b"],
        attributes: &[("transB", &[1])],
        dense: true,
        weights: (&[3, 32], 0),
        elements: 3,
        step: 0.060_713,
    },
    Row { op: "com.microsoft.QLinearAdd", inputs: TWO, float: "Add", operands: &["x", "a"], ..PLAIN },
    Row {
        op: "com.microsoft.QLinearAveragePool",
        float: "AveragePool",
        attributes: &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
        elements: 8,
        ..PLAIN
    },
    Row {
        op: "com.microsoft.QLinearConcat",
        inputs: &["y_scale", "y_zero", "x", "x_scale", "x_zero", "a", "a_scale", "a_zero"],
        float: "Concat",
        operands: &["x", "a"],
        attributes: &[("axis", &[1])],
        elements: 64,
        ..PLAIN
    },
    Row { op: "com.microsoft.QLinearGlobalAveragePool", float: "GlobalAveragePool", elements: 2, ..PLAIN },
    Row { op: "com.microsoft.QLinearLeakyRelu", float: "LeakyRelu", ..PLAIN },
    Row { op: "com.microsoft.QLinearMul", inputs: TWO, float: "Mul", operands: &["x", "a"], ..PLAIN },
    Row { op: "com.microsoft.QLinearSigmoid", float: "Sigmoid", ..PLAIN },
    Row {
        op: "com.microsoft.QLinearSoftmax",
        float: "Softmax",
        attributes: &[("axis", &[1]), ("opset", &[13])],
        step: 1.0 / 256.0,
        ..PLAIN
    },
    Row {
        op: "com.microsoft.QLinearWhere",
        inputs: &["c", "x", "x_scale", "x_zero", "a", "a_scale", "a_zero", "y_scale", "y_zero"],
        float: "Where",
        operands: &["c", "x", "a"],
        ..PLAIN
    },
];

/// A way to quantize.
#[derive(Debug, Clone, Copy)]
struct Scheme {
    activations: u64,
    weights: u64,
    per_channel: bool,
    symmetric: bool,
}

/// Signed activations with unsigned weights have no kernel in ONNX Runtime.
const TYPES: [(u64, u64); 3] = [(UINT8, INT8), (UINT8, UINT8), (INT8, INT8)];

fn schemes() -> impl Iterator<Item = Scheme> {
    TYPES.into_iter().flat_map(|(activations, weights)| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(per_channel, symmetric)| Scheme {
            activations,
            weights,
            per_channel,
            symmetric,
        })
    })
}

impl Scheme {
    /// The zero point of a type that makes its range symmetric, moved where the scheme is asymmetric.
    fn zero(&self, dtype: u64, moved: i64) -> i64 {
        (if dtype == UINT8 { 128 } else { 0 }) + if self.symmetric { 0 } else { moved }
    }

    /// Scales and zero point of the weights. ONNX Runtime's kernels want one zero point for all channels.
    fn weight_scales(&self) -> Vec<f32> {
        let least = if self.weights == UINT8 { 0.004 } else { 0.008 };
        (0..if self.per_channel { CHANNELS } else { 1 }).map(|channel| least * (1.0 + channel as f32)).collect()
    }
}

/// No simple fraction of each other, so that results seldom fall on half a step.
const X_SCALE: f32 = 0.009_137;
const A_SCALE: f32 = 0.013_019;

impl Row {
    /// The file, with the quantized operator or with the float one between quantizers of the standard domain.
    fn file(&self, scheme: Scheme, quantized: bool) -> Vec<u8> {
        let file = File::new().input("in", FLOAT, &["N", "2", "4", "4"]).output("out", FLOAT, &["N", "?"]);
        let file = self.constants(file, scheme, quantized);
        let domain = if quantized { "com.microsoft." } else { "" };
        let (quantize, dequantize) = (format!("{domain}QuantizeLinear"), format!("{domain}DequantizeLinear"));
        let from = if self.dense { "flat" } else { "in" };
        let file = if self.dense { file.node("Flatten", &["in"], "flat") } else { file };
        let file = file.node(&quantize, &[from, "x_scale", "x_zero"], "x");
        let file = if self.uses("a") { file.node(&quantize, &[from, "a_scale", "a_zero"], "a") } else { file };
        let file = if quantized { self.operator(file) } else { self.by_hand(file) };
        file.node(&dequantize, &["y", "y_scale", "y_zero"], "real").node("Flatten", &["real"], "out").bytes()
    }

    fn uses(&self, value: &str) -> bool {
        self.operands.contains(&value)
    }

    fn constants(&self, file: File, scheme: Scheme, quantized: bool) -> File {
        let one = |file: File, name: &str, scale: f32, zero: i64| {
            let file = file.floats(&format!("{name}_scale"), &[], &[scale]);
            file.integers(&format!("{name}_zero"), scheme.activations, &[], &[zero])
        };
        let zero = |moved| scheme.zero(scheme.activations, moved);
        let lowest = if scheme.activations == UINT8 { 0 } else { -128 };
        let mut file = one(file, "x", X_SCALE, zero(30));
        file = one(file, "y", self.step, if self.float == "Softmax" { lowest } else { zero(40) });
        if self.uses("a") {
            file = one(file, "a", A_SCALE, zero(-7));
        }
        if self.uses("c") {
            file = file.integers("c", BOOL, &[4], &[1, 0, 0, 1]);
        }
        if self.uses("w") { self.weights(file, scheme, quantized) } else { file }
    }

    fn weights(&self, file: File, scheme: Scheme, quantized: bool) -> File {
        let (shape, _) = self.weights;
        // Signed ones have seven bits: with eight, their products with unsigned bytes saturate on processors without VNNI.
        let [low, high] = if scheme.weights == UINT8 { [0.0, 256.0] } else { [-64.0, 64.0] };
        let weights = Splitmix::new(9).tensor(shape, low, high).to_f64();
        let weights: Vec<i64> = weights.iter().map(|weight| weight.floor() as i64).collect();
        let scales = scheme.weight_scales();
        let channels: &[usize] = if scheme.per_channel { &[CHANNELS] } else { &[] };
        let zeros = vec![scheme.zero(scheme.weights, -3); scales.len()];
        let mut file = file.integers("w", scheme.weights, shape, &weights).floats("w_scale", channels, &scales);
        file = file.integers("w_zero", scheme.weights, channels, &zeros);
        if self.uses("b") {
            file = file.integers("b", INT32, &[CHANNELS], &[700, -12_345, 99]);
        }
        if self.uses("b") && !quantized {
            let bias_scales: Vec<f32> = scales.iter().map(|scale| X_SCALE * scale).collect();
            file = file.floats("b_scale", channels, &bias_scales);
        }
        file
    }

    fn attributes(&self) -> Vec<(&'static str, Ints)> {
        let value = |values: &[u64]| if values.len() == 1 { Ints::One(values[0]) } else { Ints::List(values.to_vec()) };
        self.attributes.iter().map(|(name, values)| (*name, value(values))).collect()
    }

    fn operator(&self, file: File) -> File {
        file.node_with(self.op, self.inputs, "y", &self.attributes())
    }

    fn by_hand(&self, mut file: File) -> File {
        let mut floats = Vec::new();
        for &operand in self.operands {
            if operand == "c" {
                floats.push(operand.to_owned());
                continue;
            }
            let names = [operand, &format!("{operand}_scale"), &format!("{operand}_zero")].map(str::to_owned);
            let names: Vec<&str> = names.iter().map(String::as_str).take(if operand == "b" { 2 } else { 3 }).collect();
            let axis = if operand == "w" { self.weights.1 } else { 0 };
            let float = format!("{operand}_real");
            file = file.node_with("DequantizeLinear", &names, &float, &[("axis", Ints::One(axis))]);
            floats.push(float);
        }
        let floats: Vec<&str> = floats.iter().map(String::as_str).collect();
        let attributes: Vec<_> = self.attributes().into_iter().filter(|(name, _)| *name != "opset").collect();
        let file = file.node_with(self.float, &floats, "y_real", &attributes);
        file.node("QuantizeLinear", &["y_real", "y_scale", "y_zero"], "y")
    }
}

fn read(bytes: &[u8]) -> Result<Graph, String> {
    Model::parse(bytes, &NoExternalData).and_then(|model| model.graph(ROWS)).map_err(|error| error.to_string())
}

/// Some of them beyond the range of every scheme.
fn input() -> Tensor {
    Splitmix::new(4).tensor(&[ROWS, 2, 4, 4], -1.5, 1.5)
}

/// What ONNX Runtime gives for the file.
fn shipped(bytes: Vec<u8>, row: &Row) -> Result<Vec<f32>, String> {
    let map = InputMap::identity(&[2, 4, 4]);
    let (input_name, output) = ("in".to_owned(), "out".to_owned());
    let spec = ModelSpec { input: input_name, map, output, classes: row.elements, kind: OutputKind::Logits };
    let mut judge =
        ShippedModel::new(&ModelBytes::new(bytes), &spec, ROWS, Provider::Cpu).map_err(|error| error.to_string())?;
    let x = input().to_f64().into_iter().map(|x| x as f32).collect();
    let x = Array2::from_shape_vec((ROWS, 32), x).expect("32 elements in each row");
    Ok(judge.predict(x.view()).map_err(|error| error.to_string())?.into_iter().collect())
}

fn for_all(law: impl Fn(&Row, Scheme) -> Result<(), String>) {
    let cases = TABLE.iter().flat_map(|row| schemes().map(move |scheme| (row, scheme)));
    let broken: Vec<String> = cases
        .filter_map(|(row, scheme)| law(row, scheme).err().map(|reason| format!("{}, {scheme:?}: {reason}", row.op)))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_quantized_operator_is_here() {
    let copies = ["com.microsoft.DequantizeLinear", "com.microsoft.QuantizeLinear"];
    let mut here: Vec<&str> = TABLE.iter().map(|row| row.op).chain(copies).collect();
    here.sort_unstable();
    assert_eq!(here, quantized_operators().collect::<Vec<_>>(), "give the operator a row in TABLE");
}

/// Almost everything is equal; what falls on the other side of half a step is off by that step.
#[test]
fn the_graph_gives_what_the_kernel_gives() {
    for_all(|row, scheme| {
        let file = row.file(scheme, true);
        let graph = read(&file)?;
        let mut program = OrtExecutor::new().compile(&graph).map_err(|error| error.to_string())?;
        let found = program.run(&[input()]).map_err(|error| error.to_string())?.remove(0).to_f64();
        let kernel = shipped(file, row)?;
        let steps = |(found, kernel): (&f64, &f32)| ((found - f64::from(*kernel)) / f64::from(row.step)).abs();
        let worst = found.iter().zip(&kernel).map(steps).fold(0.0, f64::max);
        let off = found.iter().zip(&kernel).filter(|&pair| steps(pair) > 0.5).count();
        let varied = kernel.iter().any(|value| *value != kernel[0]);
        match found.len() == kernel.len() && varied && worst < 1.01 && off * 100 <= found.len() {
            true => Ok(()),
            false => Err(format!("{off} of {} are off, at most by {worst:.2} steps, varied {varied}", found.len())),
        }
    });
}

/// The straight-through gradient is that of the QDQ form, to the bit, and so are the values.
#[test]
fn the_gradient_is_that_of_the_form_written_by_hand() {
    for_all(|row, scheme| {
        let [quantized, by_hand] = [true, false].map(|quantized| gradient(row, scheme, quantized));
        let (quantized, by_hand) = (quantized?, by_hand?);
        let moves = quantized[1].to_f64().iter().any(|gradient| *gradient != 0.0);
        if quantized == by_hand && moves { Ok(()) } else { Err(format!("differs, or is zero: {moves}")) }
    });
}

fn gradient(row: &Row, scheme: Scheme, quantized: bool) -> Result<Vec<Tensor>, String> {
    let mut graph = read(&row.file(scheme, quantized))?;
    let (x, y) = (graph.inputs()[0], graph.outputs()[0]);
    let cotangent = graph.constant("cotangent", Splitmix::new(6).tensor(&[ROWS, row.elements], -1.0, 1.0));
    let gradients = differentiate(&mut graph, y, cotangent, &[x]).map_err(|error| error.to_string())?;
    graph.set_outputs(vec![y, gradients[0]]);
    Interpreter.run(&graph, &[input()]).map_err(|error| error.to_string())
}

/// Weights that the file itself quantizes, symmetrically in unsigned bytes, as PyTorch writes them: the largest of every
/// channel lies on a half, and one step there moved margin gradients by 5 % in the median.
#[test]
fn weights_on_half_a_step_round_as_in_onnx_runtime() {
    let weights = Splitmix::new(12).tensor(&[64, 32], -1.0, 1.0).to_f64();
    let weights: Vec<f32> = weights.into_iter().map(|weight| weight as f32).collect();
    let largest = |channel: &[f32]| channel.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
    let scales: Vec<f32> = weights.chunks(32).map(|channel| largest(channel) / 127.5).collect();
    let file = File::new().input("in", FLOAT, &["N", "2", "4", "4"]).output("out", FLOAT, &["N", "64"]);
    let file = file.floats("float", &[64, 32], &weights).floats("scale", &[64], &scales);
    let file = file.integers("zero", UINT8, &[64], &[128; 64]).node("Flatten", &["in"], "x");
    let axis = || [("axis", Ints::One(0))];
    let file = file.node_with("QuantizeLinear", &["float", "scale", "zero"], "q", &axis());
    let file = file.node_with("DequantizeLinear", &["q", "scale", "zero"], "w", &axis());
    let file = file.node_with("Gemm", &["x", "w"], "out", &[("transB", Ints::One(1))]).bytes();
    let found = Interpreter.run(&read(&file).unwrap(), &[input()]).unwrap().remove(0).to_f64();
    let kernel = shipped(file, &Row { elements: 64, ..PLAIN }).unwrap();
    let difference = |(found, kernel): (&f64, &f32)| (found - f64::from(*kernel)).abs();
    let worst = found.iter().zip(&kernel).map(difference).fold(0.0, f64::max);
    // Sums of 32 products in f32; a step of a weight is 0.0078.
    assert!(worst < 1e-5, "{worst}");
}

/// A wrong scale by one part in a hundred is noticed by the first law.
#[test]
fn a_wrong_scale_is_caught() {
    let row = &TABLE[0];
    let scheme = schemes().next().expect("there are schemes");
    let wrong = Row { step: row.step * 1.01, ..*row };
    let graph = read(&wrong.file(scheme, true)).unwrap();
    let found = Interpreter.run(&graph, &[input()]).unwrap().remove(0).to_f64();
    let kernel = shipped(row.file(scheme, true), row).unwrap();
    let off = found.iter().zip(&kernel).filter(|(found, kernel)| (*found - f64::from(**kernel)).abs() > 0.03).count();
    assert!(off > found.len() / 100, "{off}");
}
