use anyhow::Result;
use attack::LossHead;
use graph::check::Splitmix;
use graph::{Attrs, DType, Graph, Tensor, ValueId, ValueType, encode_symbolic_batch};
use runtime::{ModelBytes, ModelSpec, OutputKind, Prepared, Provider};

/// A small classifier with random weights.
#[derive(Debug, Clone)]
pub struct Net {
    /// Its name in reports.
    pub name: &'static str,
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// The shape of a row.
    pub row: Vec<usize>,
}

/// The number of classes of both networks.
const CLASSES: usize = 10;

impl Net {
    /// The network, differentiated for these losses.
    ///
    /// Errors: ONNX Runtime can't be had or refuses it.
    pub fn prepare(&self, heads: &[LossHead]) -> Result<Prepared> {
        let map = graph::InputMap::identity(&self.row);
        let (input, output) = ("x".to_owned(), "logits".to_owned());
        let spec = ModelSpec { input, map, output, classes: CLASSES, kind: OutputKind::Logits };
        Ok(Prepared::new(ModelBytes::new(self.onnx.clone()), spec, heads, Provider::Cpu)?)
    }
}

/// Three convolutions with ReLU on 3x32x32, global pooling, a dense layer.
///
/// Errors: none that this code does not cause.
pub fn conv_net() -> Result<Net> {
    let mut random = Splitmix::new(1);
    let row = vec![3, 32, 32];
    let (mut graph, mut x) = begin("conv", &row);
    for (from, to, stride) in [(3, 16, 1), (16, 32, 2), (32, 32, 1)] {
        let attrs = Attrs::new().ints("pads", [1; 4]).ints("strides", [stride; 2]).ints("kernel_shape", [3, 3]);
        let weights = he(&mut graph, &mut random, &[to, from, 3, 3]);
        let bias = graph.constant("bias", Tensor::f32(&[to], vec![0.0; to]));
        x = graph.add("Conv", &[x, weights, bias], attrs)?;
        x = graph.add("Relu", &[x], Attrs::new())?;
    }
    x = graph.add("GlobalAveragePool", &[x], Attrs::new())?;
    x = graph.add("Flatten", &[x], Attrs::new())?;
    x = dense(&mut graph, &mut random, x, 32, CLASSES)?;
    Ok(end("conv", graph, x, row))
}

/// 784 inputs, two layers of 64 with ReLU.
///
/// Errors: none that this code does not cause.
pub fn dense_net() -> Result<Net> {
    let mut random = Splitmix::new(2);
    let row = vec![784];
    let (mut graph, mut x) = begin("dense", &row);
    for (from, to) in [(784, 64), (64, 64)] {
        x = dense(&mut graph, &mut random, x, from, to)?;
        x = graph.add("Relu", &[x], Attrs::new())?;
    }
    x = dense(&mut graph, &mut random, x, 64, CLASSES)?;
    Ok(end("dense", graph, x, row))
}

fn begin(name: &str, row: &[usize]) -> (Graph, ValueId) {
    let mut graph = Graph::new(name);
    let shape: Vec<usize> = std::iter::once(1).chain(row.iter().copied()).collect();
    let x = graph.input("x", ValueType::new(DType::F32, shape));
    (graph, x)
}

fn end(name: &'static str, mut graph: Graph, logits: ValueId, row: Vec<usize>) -> Net {
    graph.rename(logits, "logits");
    graph.set_outputs(vec![logits]);
    Net { name, onnx: encode_symbolic_batch(&graph), row }
}

fn dense(graph: &mut Graph, random: &mut Splitmix, x: ValueId, from: usize, to: usize) -> Result<ValueId> {
    let weights = he(graph, random, &[to, from]);
    let bias = graph.constant("bias", Tensor::f32(&[to], vec![0.0; to]));
    Ok(graph.add("Gemm", &[x, weights, bias], Attrs::new().int("transB", 1))?)
}

/// Uniform weights with He's variance, two over the number of inputs.
fn he(graph: &mut Graph, random: &mut Splitmix, shape: &[usize]) -> ValueId {
    let inputs: usize = shape.iter().skip(1).product();
    let limit = (6.0 / inputs as f64).sqrt();
    let weights = random.tensor(shape, -limit, limit);
    graph.constant("weights", weights)
}
