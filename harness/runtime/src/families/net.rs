//! The layers that the families are made of, with random weights.

use graph::check::Splitmix;
use graph::{Attrs, DType, Graph, Tensor, ValueId, ValueType};

/// The batch of every file: fixed, since exporters write some constants that hold it.
pub(super) const ROWS: usize = 4;

/// The number of classes: odd, so that rows of logits lie at every alignment.
pub(super) const CLASSES: usize = 5;

/// A network in the making.
pub(super) struct Net {
    graph: Graph,
    random: Splitmix,
}

/// The window of a convolution that keeps the size but for its stride.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) group: usize,
}

impl Window {
    /// Stride 1, one group.
    pub(super) fn of(kernel: usize) -> Self {
        Self { kernel, stride: 1, group: 1 }
    }

    pub(super) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub(super) fn group(self, group: usize) -> Self {
        Self { group, ..self }
    }
}

impl Net {
    /// A network and its input.
    pub(super) fn new(seed: u64, row: &[usize]) -> (Self, ValueId) {
        let mut graph = Graph::new("family");
        let shape: Vec<usize> = std::iter::once(ROWS).chain(row.iter().copied()).collect();
        let x = graph.input("x", ValueType::new(DType::F32, shape));
        (Self { graph, random: Splitmix::new(seed) }, x)
    }

    /// The finished network.
    pub(super) fn end(mut self, output: ValueId) -> Graph {
        self.graph.rename(output, "out");
        self.graph.set_outputs(vec![output]);
        self.graph
    }

    /// A node.
    pub(super) fn with(&mut self, op: &str, inputs: &[ValueId], attrs: Attrs) -> ValueId {
        self.graph.add(op, inputs, attrs).expect("the families are valid")
    }

    /// A node without attributes.
    pub(super) fn op(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.with(op, inputs, Attrs::new())
    }

    /// A node with several outputs, or with an optional input left out.
    pub(super) fn node(&mut self, op: &str, inputs: &[Option<ValueId>], attrs: Attrs, outputs: usize) -> Vec<ValueId> {
        self.graph.add_node("", op, inputs, attrs, outputs).expect("the families are valid")
    }

    pub(super) fn shape(&self, x: ValueId) -> Vec<usize> {
        self.graph.shape(x).to_vec()
    }

    pub(super) fn scalar(&mut self, value: f64) -> ValueId {
        self.graph.scalar(DType::F32, value)
    }

    pub(super) fn ints(&mut self, values: &[i64]) -> ValueId {
        self.graph.constant("ints", Tensor::ints(values.iter().copied()))
    }

    pub(super) fn floats(&mut self, values: &[f64]) -> ValueId {
        self.graph.constant("floats", Tensor::f32(&[values.len()], values.iter().copied()))
    }

    pub(super) fn uniform(&mut self, shape: &[usize], low: f64, high: f64) -> ValueId {
        let tensor = self.random.tensor(shape, low, high);
        self.graph.constant("weights", tensor)
    }

    /// Weights with He's variance for so many inputs.
    pub(super) fn he(&mut self, shape: &[usize], inputs: usize) -> ValueId {
        let limit = (6.0 / inputs as f64).sqrt();
        self.uniform(shape, -limit, limit)
    }

    /// A convolution of one or two dimensions.
    pub(super) fn conv(&mut self, x: ValueId, to: usize, window: Window) -> ValueId {
        let Window { kernel, stride, group } = window;
        let shape = self.shape(x);
        let (from, rank) = (shape[1] / group, shape.len() - 2);
        let weights: Vec<usize> = [to, from].into_iter().chain(std::iter::repeat_n(kernel, rank)).collect();
        let weights = self.he(&weights, from * kernel.pow(rank as u32));
        let bias = self.uniform(&[to], -0.5, 0.5);
        let attrs = Attrs::new()
            .ints("dilations", vec![1; rank])
            .int("group", group as i64)
            .ints("kernel_shape", vec![kernel as i64; rank])
            .ints("pads", vec![kernel as i64 / 2; 2 * rank])
            .ints("strides", vec![stride as i64; rank]);
        self.with("Conv", &[x, weights, bias], attrs)
    }

    /// One convolution for every channel.
    pub(super) fn depthwise(&mut self, x: ValueId, window: Window) -> ValueId {
        let channels = self.shape(x)[1];
        self.conv(x, channels, window.group(channels))
    }

    pub(super) fn pool(&mut self, op: &str, x: ValueId, kernel: i64, stride: i64) -> ValueId {
        let rank = self.shape(x).len() - 2;
        self.with(op, &[x], Attrs::new().ints("kernel_shape", vec![kernel; rank]).ints("strides", vec![stride; rank]))
    }

    pub(super) fn relu(&mut self, x: ValueId) -> ValueId {
        self.op("Relu", &[x])
    }

    pub(super) fn relu6(&mut self, x: ValueId) -> ValueId {
        let bounds = [0.0, 6.0].map(|bound| self.scalar(bound));
        self.op("Clip", &[x, bounds[0], bounds[1]])
    }

    /// `x · Φ(x)` as exporters wrote it before the operator.
    pub(super) fn gelu(&mut self, x: ValueId) -> ValueId {
        let [root, one, half] = [2_f64.sqrt(), 1.0, 0.5].map(|value| self.scalar(value));
        let y = self.op("Div", &[x, root]);
        let y = self.op("Erf", &[y]);
        let y = self.op("Add", &[y, one]);
        let y = self.op("Mul", &[x, y]);
        self.op("Mul", &[y, half])
    }

    /// Statistics, gains and offsets are all far from 1 and 0.
    pub(super) fn batch_norm(&mut self, x: ValueId) -> ValueId {
        let channels = self.shape(x)[1];
        let [gain, variance] = [(0.5, 1.5), (0.5, 2.0)].map(|(low, high)| self.uniform(&[channels], low, high));
        let [offset, mean] = [(-0.5, 0.5); 2].map(|(low, high)| self.uniform(&[channels], low, high));
        self.with("BatchNormalization", &[x, gain, offset, mean, variance], Attrs::new().float("epsilon", 1e-5))
    }

    /// Over the last axis.
    pub(super) fn layer_norm(&mut self, x: ValueId) -> ValueId {
        let width = *self.shape(x).last().expect("tensors that are normalised have axes");
        let gain = self.uniform(&[width], 0.5, 1.5);
        let offset = self.uniform(&[width], -0.5, 0.5);
        self.with("LayerNormalization", &[x, gain, offset], Attrs::new().int("axis", -1).float("epsilon", 1e-5))
    }

    pub(super) fn reshape(&mut self, x: ValueId, shape: &[i64]) -> ValueId {
        let shape = self.ints(shape);
        self.op("Reshape", &[x, shape])
    }

    pub(super) fn transpose(&mut self, x: ValueId, perm: &[i64]) -> ValueId {
        self.with("Transpose", &[x], Attrs::new().ints("perm", perm.iter().copied()))
    }

    pub(super) fn concat(&mut self, parts: &[ValueId], axis: i64) -> ValueId {
        self.with("Concat", parts, Attrs::new().int("axis", axis))
    }

    /// A dense layer over the last axis: MatMul and Add.
    pub(super) fn linear(&mut self, x: ValueId, to: usize) -> ValueId {
        let from = *self.shape(x).last().expect("inputs of dense layers have axes");
        let weights = self.he(&[from, to], from);
        let bias = self.uniform(&[to], -0.5, 0.5);
        let y = self.op("MatMul", &[x, weights]);
        self.op("Add", &[y, bias])
    }

    /// A dense layer of `[N, C]` to the classes: Gemm.
    pub(super) fn classes(&mut self, x: ValueId) -> ValueId {
        let from = self.shape(x)[1];
        let weights = self.he(&[CLASSES, from], from);
        let bias = self.uniform(&[CLASSES], -0.5, 0.5);
        self.with("Gemm", &[x, weights, bias], Attrs::new().int("transB", 1))
    }

    /// Global pooling and a dense layer.
    pub(super) fn pooled_classes(&mut self, x: ValueId) -> ValueId {
        let y = self.op("GlobalAveragePool", &[x]);
        let y = self.with("Flatten", &[y], Attrs::new().int("axis", 1));
        self.classes(y)
    }
}
