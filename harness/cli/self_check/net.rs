//! The graphs that the self-check runs, with weights from a fixed seed.

use anyhow::Result;
use graph::check::Splitmix;
use graph::{Attrs, DType, Graph, Head, Tensor, ValueId, ValueType, gradient_graph};

/// The classes of the network.
pub(super) const CLASSES: usize = 10;
/// Elements of one of its inputs.
pub(super) const ROW: usize = 3 * 32 * 32;

/// Weights in the making.
struct Net {
    graph: Graph,
    random: Splitmix,
}

impl Net {
    fn op(&mut self, op: &str, inputs: &[ValueId], attrs: Attrs) -> Result<ValueId> {
        Ok(self.graph.add(op, inputs, attrs)?)
    }

    fn weights(&mut self, shape: &[usize], inputs: usize) -> ValueId {
        let limit = (6.0 / inputs as f64).sqrt();
        let tensor = self.random.tensor(shape, -limit, limit);
        self.graph.constant("weights", tensor)
    }

    fn conv(&mut self, x: ValueId, to: usize, kernel: usize, stride: usize, group: usize) -> Result<ValueId> {
        let from = self.graph.shape(x)[1] / group;
        let weights = self.weights(&[to, from, kernel, kernel], from * kernel * kernel);
        let bias = self.random.tensor(&[to], -0.1, 0.1);
        let bias = self.graph.constant("bias", bias);
        let attrs = Attrs::new()
            .ints("dilations", [1; 2])
            .int("group", group as i64)
            .ints("kernel_shape", [kernel as i64; 2])
            .ints("pads", [kernel as i64 / 2; 4])
            .ints("strides", [stride as i64; 2]);
        self.op("Conv", &[x, weights, bias], attrs)
    }

    fn relu(&mut self, x: ValueId) -> Result<ValueId> {
        self.op("Relu", &[x], Attrs::new())
    }
}

/// ResNet-8 for 32x32 pictures without batch norms, and a depthwise layer behind it: 12.5 million multiply-accumulates.
pub(super) fn classifier(rows: usize) -> Result<Graph> {
    let mut net = Net { graph: Graph::new("self-check"), random: Splitmix::new(11) };
    let x = net.graph.input("x", ValueType::new(DType::F32, [rows, 3, 32, 32]));
    let y = net.conv(x, 16, 3, 1, 1)?;
    let mut y = net.relu(y)?;
    for (to, stride) in [(16, 1), (32, 2), (64, 2)] {
        let z = net.conv(y, to, 3, stride, 1)?;
        let z = net.relu(z)?;
        let z = net.conv(z, to, 3, 1, 1)?;
        let past = if stride == 1 { y } else { net.conv(y, to, 1, stride, 1)? };
        let half = net.graph.scalar(DType::F32, 0.5);
        let sum = net.op("Add", &[z, past], Attrs::new())?;
        let sum = net.op("Mul", &[sum, half], Attrs::new())?;
        y = net.relu(sum)?;
    }
    let y = net.conv(y, 64, 3, 1, 64)?;
    let y = net.relu(y)?;
    let y = net.op("GlobalAveragePool", &[y], Attrs::new())?;
    let y = net.op("Flatten", &[y], Attrs::new().int("axis", 1))?;
    let weights = net.weights(&[64, CLASSES], 64);
    let logits = net.op("MatMul", &[y, weights], Attrs::new())?;
    net.graph.set_outputs(vec![logits]);
    Ok(net.graph)
}

/// From `x` and `weights` to `logits`, `loss` and `gradient`, not yet lowered.
pub(super) fn gradient(rows: usize) -> Result<Graph> {
    Ok(gradient_graph(&classifier(rows)?, Head::CrossEntropy)?.graph)
}

/// The size of one ascent.
pub(super) const STEP: f32 = 2.0 / 255.0;

/// One ascent inside the graph: `x_next` = `x` plus [`STEP`] along the gradient's signs, kept between `lower` and
/// `upper`; and the `loss` at `x`.
pub(super) fn ascent(rows: usize) -> Result<Graph> {
    let mut graph = gradient(rows)?;
    let [_, loss, gradient] = graph.outputs() else { anyhow::bail!("a gradient graph has three outputs") };
    let (loss, gradient, x) = (*loss, *gradient, graph.inputs()[0]);
    let ty = graph.value(x).ty().clone();
    let (lower, upper) = (graph.input("lower", ty.clone()), graph.input("upper", ty));
    let signs = graph.add("Sign", &[gradient], Attrs::new())?;
    let step = graph.scalar(DType::F32, f64::from(STEP));
    let step = graph.add("Mul", &[signs, step], Attrs::new())?;
    let moved = graph.add("Add", &[x, step], Attrs::new())?;
    let moved = graph.add("Max", &[moved, lower], Attrs::new())?;
    let next = graph.add("Min", &[moved, upper], Attrs::new())?;
    graph.rename(next, "x_next");
    graph.set_outputs(vec![next, loss]);
    Ok(graph)
}

/// One step of gradient descent on a dense layer: `parameters` to `next_parameters`, and the `loss`.
pub(super) fn descent(rows: usize) -> Result<Graph> {
    let mut graph = Graph::new("descent");
    let parameters = graph.input("parameters", ValueType::new(DType::F32, [ROW, CLASSES]));
    let x = graph.input("x", ValueType::new(DType::F32, [rows, ROW]));
    let targets = graph.input("targets", ValueType::new(DType::F32, [rows, CLASSES]));
    let rate = graph.constant("rate", Tensor::f32(&[], [1e-4]));
    let scores = graph.add("MatMul", &[x, parameters], Attrs::new())?;
    let error = graph.add("Sub", &[scores, targets], Attrs::new())?;
    let squares = graph.add("Mul", &[error, error], Attrs::new())?;
    let loss = graph.add("ReduceMean", &[squares], Attrs::new().int("keepdims", 0))?;
    let turned = graph.add("Transpose", &[x], Attrs::new().ints("perm", [1, 0]))?;
    let gradient = graph.add("MatMul", &[turned, error], Attrs::new())?;
    let step = graph.add("Mul", &[gradient, rate], Attrs::new())?;
    let next = graph.add("Sub", &[parameters, step], Attrs::new())?;
    graph.rename(loss, "loss");
    graph.rename(next, "next_parameters");
    graph.set_outputs(vec![next, loss]);
    Ok(graph)
}
