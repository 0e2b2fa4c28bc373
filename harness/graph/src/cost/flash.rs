//! What a network keeps in flash, in bytes.

use crate::cost::is_setting;
use crate::{DType, Error, Graph, Model, Node, ValueId, fold_batch_norm, quantized};
use std::collections::{HashMap, HashSet};

/// The bytes of a network's constants. Code, the runtime's description of the graph and alignment are not in them, so that
/// what a device stores is more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flash {
    /// Weights: tensors of two or more dimensions.
    pub weights: u64,
    /// Biases and other vectors.
    pub biases: u64,
    /// What turns sums of integers back into integers: scales and zero points, or multipliers and shifts.
    pub scales: u64,
}

/// A multiplier and a shift of 32 bits each.
const PER_CHANNEL: u64 = 8;

impl Flash {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.biases + self.scales
    }
}

impl Graph {
    /// An estimate of what the network takes at int8, batch normalisation folded into the layers: a byte for each weight, four
    /// for each bias, and for each output channel of a layer with constant weights eight, a multiplier and a shift of 32 bits,
    /// as CMSIS-NN and TinyEngine keep them. TFLite's file has 24: a float32 scale and an int64 zero point for the weights and
    /// once more for the bias; but its dense layers may be scaled as a whole, with one pair for all channels.
    ///
    /// Errors: none for a valid graph but those of building one.
    pub fn flash_int8(&self) -> Result<Flash, Error> {
        let folded = fold_batch_norm(self)?;
        let parameters: HashSet<ValueId> =
            folded.nodes().iter().flat_map(|node| folded.node_parameters(node)).collect();
        let elements = |id: &ValueId| folded.value(*id).ty().len() as u64;
        let (weights, vectors): (Vec<_>, Vec<_>) = parameters.iter().partition(|id| folded.shape(**id).len() > 1);
        // A tensor that several layers share has the scales of each.
        let layers = folded.nodes().iter().filter_map(|node| channels(&folded, node));
        Ok(Flash {
            weights: weights.into_iter().map(elements).sum(),
            biases: vectors.into_iter().map(|id| 4 * elements(id)).sum(),
            scales: PER_CHANNEL * layers.sum::<u64>(),
        })
    }
}

/// The output channels of a layer with constant weights.
fn channels(graph: &Graph, node: &Node) -> Option<u64> {
    let weights = |index: usize| {
        let id = node.inputs().get(index).copied().flatten()?;
        graph.value(id).data().is_some().then(|| graph.shape(id))
    };
    let output = graph.shape(node.outputs()[0]);
    let channels = match node.op().name {
        "Conv" | "ConvTranspose" => weights(1).and(output.get(1)),
        "Gemm" => weights(1).and(output.last()),
        // Of a constant in front the rows are the channels, as far as there are any.
        "MatMul" => weights(1).and(output.last()).or_else(|| weights(0)?.iter().rev().nth(1)),
        _ => None,
    };
    channels.map(|&channels| channels as u64)
}

impl Model {
    /// What the file has, in the types that it has it in. Scales and zero points are what Quantize- and DequantizeLinear are
    /// set up with, and vectors but int32 at operators of the QOperator format.
    pub fn flash(&self) -> Flash {
        let mut scales: HashMap<&str, bool> = HashMap::new();
        for node in &self.nodes {
            let converts = node.op.ends_with("QuantizeLinear") || node.op.ends_with("DequantizeLinear");
            let integer = !converts && quantized::find(&node.op).is_some();
            for (index, name) in node.inputs.iter().enumerate().filter(|(index, _)| !is_setting(&node.op, *index)) {
                let Some(name) = name.as_deref() else { continue };
                let scale = (converts && index > 0) || integer;
                let always = scales.entry(name).or_insert(true);
                *always &= scale;
            }
        }
        let mut flash = Flash::default();
        for (name, tensor) in self.named_parameters() {
            let bytes = (tensor.len() * tensor.dtype().bytes()) as u64;
            let only_scales = scales.get(name).copied().unwrap_or(false);
            let part = match (tensor.shape().len(), only_scales, tensor.dtype()) {
                (2.., ..) => &mut flash.weights,
                (_, true, dtype) if dtype != DType::I32 => &mut flash.scales,
                _ => &mut flash.biases,
            };
            *part += bytes;
        }
        flash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, NoExternalData, Tensor, ValueType, encode};

    fn constant(graph: &mut Graph, shape: &[usize]) -> ValueId {
        graph.constant("c", Tensor::f32(shape, vec![1.0; shape.iter().product()]))
    }

    /// A convolution of 3 to 5 channels with batch normalisation and no bias of its own, and a dense layer of 5 to 2 with one.
    fn net() -> Graph {
        let mut graph = Graph::new("");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 3, 4, 4]));
        let w = constant(&mut graph, &[5, 3, 3, 3]);
        let norm = [0; 4].map(|_| constant(&mut graph, &[5]));
        let y = graph.add("Conv", &[x, w], Attrs::new().ints("pads", [1; 4])).unwrap();
        let y = graph.add("BatchNormalization", &[[y].as_slice(), &norm].concat(), Attrs::new()).unwrap();
        let y = graph.add("GlobalAveragePool", &[y], Attrs::new()).unwrap();
        let y = graph.add("Flatten", &[y], Attrs::new()).unwrap();
        let (w, b) = (constant(&mut graph, &[5, 2]), constant(&mut graph, &[2]));
        let y = graph.add("Gemm", &[y, w, b], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        graph
    }

    #[test]
    fn batch_normalisation_leaves_a_bias_and_every_channel_has_a_multiplier_and_a_shift() {
        let expected = Flash { weights: 5 * 27 + 10, biases: 4 * (5 + 2), scales: 8 * (5 + 2) };
        assert_eq!(net().flash_int8().unwrap(), expected);
        assert_eq!(expected.total(), 145 + 28 + 56);
        let folded = fold_batch_norm(&net()).unwrap();
        assert_eq!(folded.flash_int8().unwrap(), expected, "it is folded already");
        assert_eq!(folded.parameter_bytes_int8(), expected.weights + expected.biases);
    }

    /// A float file has floats and no scales, and all that it has is in one part.
    #[test]
    fn a_float_file_is_counted_as_it_is() {
        let model = Model::parse(&encode(&net()), &NoExternalData).unwrap();
        let expected = Flash { weights: 4 * (5 * 27 + 10), biases: 4 * (4 * 5 + 2), scales: 0 };
        assert_eq!((model.flash(), model.flash().total()), (expected, model.parameter_bytes()));
    }

    /// Weights of int8 with a scale and a zero point for each of three channels, a bias of int32, quantized input.
    #[test]
    fn a_quantized_file_has_its_scales_and_zero_points() {
        let mut graph = Graph::new("");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 4]));
        let integers = |graph: &mut Graph, dtype, shape: &[usize]| {
            graph.constant("i", Tensor::int(dtype, shape, vec![1; shape.iter().product()]))
        };
        let step = graph.constant("step", Tensor::scalar(0.5));
        let zero = integers(&mut graph, DType::I8, &[]);
        let q = graph.add("QuantizeLinear", &[x, step, zero], Attrs::new()).unwrap();
        let y = graph.add("DequantizeLinear", &[q, step, zero], Attrs::new()).unwrap();
        // An input keeps the weights from being folded into floats while the graph is built.
        let w = graph.input("w", ValueType::new(DType::I8, [4, 3]));
        let (steps, zeros) = (constant(&mut graph, &[3]), integers(&mut graph, DType::I8, &[3]));
        let w = graph.add("DequantizeLinear", &[w, steps, zeros], Attrs::new()).unwrap();
        let y = graph.add("MatMul", &[y, w], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let model = Model::parse(&encode(&graph), &NoExternalData).unwrap();
        assert_eq!(model.flash(), Flash { weights: 0, biases: 0, scales: (4 + 1) + 3 * (4 + 1) });
        assert_eq!(model.flash().total(), model.parameter_bytes());
    }
}
