//! A network half written: layers that name their nodes and parameters and draw initial values.

use super::init::Init;
use graph::{Attrs, DType, Graph, Tensor, ValueId, ValueType};

/// No parameter has more elements, 256 MiB of float32.
const LARGEST_PARAMETER: usize = 1 << 26;

/// Why a layer can't be added.
#[derive(Debug)]
pub(super) enum Error {
    /// A parameter or a value would be too large.
    TooLarge(String),
    /// The graph refuses a node.
    Graph(graph::Error),
}

impl From<graph::Error> for Error {
    fn from(error: graph::Error) -> Self {
        Error::Graph(error)
    }
}

/// How the layers of a framework differ from those of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dialect {
    /// Whether the odd row of padding goes below and to the right, for `ceil(size / stride)` outputs, as in TensorFlow's
    /// "same". Else half of the kernel goes on every side.
    same: bool,
    /// Whether convolutions have a bias although batch normalisation follows.
    bias: bool,
    /// What batch normalisation adds to the variance.
    epsilon: f32,
}

/// As PyTorch's users write networks: symmetric padding, no bias before batch normalisation, PyTorch's epsilon.
pub(super) const PYTORCH: Dialect = Dialect { same: false, bias: false, epsilon: 1e-5 };
/// As Keras has it: "same" padding, biases everywhere, Keras' epsilon.
pub(super) const KERAS: Dialect = Dialect { same: true, bias: true, epsilon: 1e-3 };

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Conv {
    filters: usize,
    kernel: [usize; 2],
    stride: usize,
    groups: usize,
}

impl Conv {
    /// A square kernel.
    pub(super) fn new(filters: usize, kernel: usize) -> Self {
        Self::rectangular(filters, [kernel; 2])
    }

    /// A kernel with this height and width.
    pub(super) fn rectangular(filters: usize, kernel: [usize; 2]) -> Self {
        Self { filters, kernel, stride: 1, groups: 1 }
    }

    /// A 3x3 kernel for every channel on its own.
    pub(super) fn depthwise(channels: usize) -> Self {
        Self { groups: channels, ..Self::new(channels, 3) }
    }

    /// The same with another stride.
    pub(super) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
}

/// A network half written.
#[derive(Debug)]
pub(super) struct Net {
    graph: Graph,
    seed: u64,
    x: ValueId,
    dialect: Dialect,
    /// The bounds of ReLU6, once there is one.
    bounds: Option<[ValueId; 2]>,
}

impl Net {
    /// A network with the input `x` and no layers.
    pub(super) fn new(name: &str, input: &[usize], batch: usize, seed: u64) -> Self {
        let mut graph = Graph::new(name);
        let shape: Vec<usize> = std::iter::once(batch).chain(input.iter().copied()).collect();
        let x = graph.input("x", ValueType::new(DType::F32, shape));
        Self { graph, seed, x, dialect: PYTORCH, bounds: None }
    }

    /// Writes layers in this dialect from now on, and returns the input.
    pub(super) fn begin(&mut self, dialect: Dialect) -> ValueId {
        self.dialect = dialect;
        self.x
    }

    /// The graph with this output.
    pub(super) fn finish(mut self, output: ValueId, name: &str) -> Graph {
        self.graph.rename(output, name);
        self.graph.set_outputs(vec![output]);
        self.graph
    }

    /// The channels of an image, or the features of a row.
    pub(super) fn channels(&self, x: ValueId) -> usize {
        self.graph.shape(x)[1]
    }

    /// The number of dimensions, the batch included.
    pub(super) fn rank(&self, x: ValueId) -> usize {
        self.graph.shape(x).len()
    }

    /// A convolution, with a bias where the dialect has one.
    pub(super) fn conv(&mut self, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, Error> {
        let Conv { filters, kernel: [height, width], stride, groups } = conv;
        let &[_, channels, rows, columns] = self.graph.shape(x) else { unreachable!("an image is [N, C, H, W]") };
        let pads = [self.pads(rows, height, stride), self.pads(columns, width, stride)];
        let attrs = Attrs::new()
            .ints("kernel_shape", [height as i64, width as i64])
            .ints("strides", [stride as i64; 2])
            .ints("pads", [pads[0].0, pads[1].0, pads[0].1, pads[1].1].map(|pad| pad as i64))
            .int("group", groups as i64);
        let init = Init::HeFanOut(height * width * filters / groups);
        let weight = self.parameter(&format!("{name}.weight"), &[filters, channels / groups, height, width], init)?;
        let mut inputs = vec![x, weight];
        if self.dialect.bias {
            inputs.push(self.parameter(&format!("{name}.bias"), &[filters], Init::Constant(0.0))?);
        }
        self.node(name, "Conv", &inputs, attrs)
    }

    /// Batch normalisation of the layer `name`, with the statistics of an untrained network.
    pub(super) fn norm(&mut self, name: &str, x: ValueId) -> Result<ValueId, Error> {
        let channels = self.channels(x);
        let mut inputs = vec![x];
        for (part, value) in [("scale", 1.0), ("bias", 0.0), ("mean", 0.0), ("var", 1.0)] {
            inputs.push(self.parameter(&format!("{name}.norm.{part}"), &[channels], Init::Constant(value))?);
        }
        let attrs = Attrs::new().float("epsilon", self.dialect.epsilon);
        self.node(&format!("{name}.norm"), "BatchNormalization", &inputs, attrs)
    }

    /// A convolution and batch normalisation.
    pub(super) fn conv_norm(&mut self, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, Error> {
        let y = self.conv(name, x, conv)?;
        self.norm(name, y)
    }

    /// A convolution, batch normalisation and ReLU.
    pub(super) fn conv_norm_relu(&mut self, name: &str, x: ValueId, conv: Conv) -> Result<ValueId, Error> {
        let y = self.conv_norm(name, x, conv)?;
        self.relu(name, y)
    }

    /// ReLU behind the layer `name`.
    pub(super) fn relu(&mut self, name: &str, x: ValueId) -> Result<ValueId, Error> {
        self.node(&format!("{name}.relu"), "Relu", &[x], Attrs::new())
    }

    /// ReLU6, clipping to `[0, 6]`, behind the layer `name`.
    pub(super) fn relu6(&mut self, name: &str, x: ValueId) -> Result<ValueId, Error> {
        let [low, high] = match self.bounds {
            Some(bounds) => bounds,
            None => [("relu6.low", 0.0), ("relu6.high", 6.0)]
                .map(|(name, bound)| self.graph.constant(name, Tensor::scalar(bound))),
        };
        self.bounds = Some([low, high]);
        self.node(&format!("{name}.relu6"), "Clip", &[x, low, high], Attrs::new())
    }

    /// The sum of two values of one shape.
    pub(super) fn add(&mut self, name: &str, a: ValueId, b: ValueId) -> Result<ValueId, Error> {
        self.node(&format!("{name}.add"), "Add", &[a, b], Attrs::new())
    }

    /// The mean of every channel, as a row.
    pub(super) fn pool(&mut self, x: ValueId) -> Result<ValueId, Error> {
        let y = self.node("pool", "GlobalAveragePool", &[x], Attrs::new())?;
        self.flatten(y)
    }

    /// Everything of a sample as a row.
    pub(super) fn flatten(&mut self, x: ValueId) -> Result<ValueId, Error> {
        self.node("flatten", "Flatten", &[x], Attrs::new().int("axis", 1))
    }

    /// A dense layer with bias.
    pub(super) fn dense(&mut self, name: &str, x: ValueId, outputs: usize) -> Result<ValueId, Error> {
        let fan_in = self.channels(x);
        let weight = self.parameter(&format!("{name}.weight"), &[outputs, fan_in], Init::Uniform { fan_in })?;
        let bias = self.parameter(&format!("{name}.bias"), &[outputs], Init::Constant(0.0))?;
        self.node(name, "Gemm", &[x, weight, bias], Attrs::new().int("transB", 1))
    }

    fn pads(&self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
        if !self.dialect.same {
            return (kernel / 2, kernel / 2);
        }
        let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
        (total / 2, total - total / 2)
    }

    fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> Result<ValueId, Error> {
        let count = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        if count.is_none_or(|count| count > LARGEST_PARAMETER) {
            let most = LARGEST_PARAMETER;
            return Err(Error::TooLarge(format!(
                "parameter `{name}` of shape {shape:?} has more than {most} elements"
            )));
        }
        let tensor = init.draw(self.seed, name, shape);
        Ok(self.graph.constant(name, tensor))
    }

    fn node(&mut self, name: &str, op: &str, inputs: &[ValueId], attrs: Attrs) -> Result<ValueId, Error> {
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        Ok(self.graph.add_node(name, op, &inputs, attrs, 1)?[0])
    }
}
