//! What a network costs, each number in a named convention.

mod conventions;
mod flash;

pub use conventions::{CONVENTIONS, Convention};
pub use flash::Flash;

use crate::{DType, Graph, Node, ValueId};
use std::collections::HashSet;

/// Parameters and multiply-accumulates of a graph, as [`Graph::cost`] counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// All parameters: the elements of the constants that its nodes use, biases and batch-norm statistics included.
    ///
    /// Each constant counts once. What only sets an operator up, such as shapes, axes, and the bounds of Clip, is none.
    pub params: u64,
    /// The parameters that gradients train: all but the running means and variances of BatchNormalization. Keras prints
    /// it as "trainable params".
    pub params_trainable: u64,
    /// The parameters that are left once every BatchNormalization is removed; not folded, which would leave a bias.
    pub params_without_bn: u64,
    /// Multiply-accumulates of convolutions and dense layers: no bias, no batch normalisation, no pooling.
    pub macs: u64,
    /// The same and one for each element that an average pool or a mean gives, as torchprofile counts a network without
    /// batch normalisation.
    pub macs_torchprofile: u64,
}

impl Graph {
    /// Counts parameters and multiply-accumulates. The latter are of all rows: read the model at a batch of 1 for one.
    pub fn cost(&self) -> Cost {
        let parameters: HashSet<ValueId> = self.inputs_of(|op, index| !is_setting(op, index));
        let of_norms = self.inputs_of(|op, index| op == "BatchNormalization" && index > 0);
        let statistics = self.inputs_of(|op, index| op == "BatchNormalization" && index > 2);
        let elements = |without: &HashSet<ValueId>| -> u64 {
            let values = parameters.difference(without).map(|&id| self.value(id));
            let constants = values.filter(|value| value.data().is_some() && value.dtype() != DType::I64);
            constants.map(|value| value.ty().len() as u64).sum()
        };
        let macs = self.macs();
        let pools = self.nodes().iter().filter(|node| AVERAGES.contains(&node.op().name));
        let pooled: u64 = pools.map(|node| self.value(node.outputs()[0]).ty().len() as u64).sum();
        Cost {
            params: elements(&HashSet::new()),
            params_trainable: elements(&statistics),
            params_without_bn: elements(&of_norms),
            macs,
            macs_torchprofile: macs + pooled,
        }
    }

    /// The constants that a node has as parameters, by their values.
    pub fn node_parameters(&self, node: &Node) -> Vec<ValueId> {
        let inputs = node.inputs().iter().enumerate().filter(|(index, _)| !is_setting(node.op().name, *index));
        let constant = |id: &ValueId| self.value(*id).data().is_some() && self.value(*id).dtype() != DType::I64;
        inputs.filter_map(|(_, id)| *id).filter(constant).collect()
    }

    /// The bytes of all parameters in a file of integers of 8 bits: one for each element of a tensor of two or more dimensions,
    /// four for each of the others, which are biases. Scales and zero points are not counted.
    pub fn parameter_bytes_int8(&self) -> u64 {
        let parameters: HashSet<ValueId> = self.nodes().iter().flat_map(|node| self.node_parameters(node)).collect();
        let width = |id: &ValueId| if self.shape(*id).len() > 1 { 1 } else { 4 };
        parameters.iter().map(|id| (self.value(*id).ty().len() * width(id)) as u64).sum()
    }

    /// The values that stand at inputs of nodes that `wanted` accepts, by operator and position.
    fn inputs_of(&self, wanted: impl Fn(&str, usize) -> bool) -> HashSet<ValueId> {
        let mut ids = HashSet::new();
        for node in self.nodes() {
            let inputs = node.inputs().iter().enumerate().filter(|(index, _)| wanted(node.op().name, *index));
            ids.extend(inputs.filter_map(|(_, id)| *id));
        }
        ids
    }
}

/// The operators whose outputs torchprofile counts as average pools.
const AVERAGES: &[&str] = &["AveragePool", "GlobalAveragePool", "ReduceMean"];

/// Whether a constant at this input of an operator sets it up, as an attribute would, rather than being a parameter.
pub(crate) fn is_setting(op: &str, input: usize) -> bool {
    input > 0 && matches!(op, "Clip" | "Dropout" | "Pad" | "Resize" | "Upsample")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, Model, NoExternalData, Tensor, ValueType, encode};

    fn ones(graph: &mut Graph, name: &str, shape: &[usize]) -> ValueId {
        graph.constant(name, Tensor::f32(shape, vec![1.0; shape.iter().product()]))
    }

    /// A convolution, batch normalisation, ReLU6, an average pool of what has 4x4 pixels, and a dense layer.
    fn net() -> Graph {
        let mut graph = Graph::new("");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 3, 8, 8]));
        let w = ones(&mut graph, "w", &[5, 3, 3, 3]);
        let norm = ["scale", "bias", "mean", "var"].map(|name| ones(&mut graph, name, &[5]));
        let dense = [ones(&mut graph, "dense", &[2, 20]), ones(&mut graph, "dense.bias", &[2])];
        let bounds = [0.0, 6.0].map(|bound| graph.constant("bound", Tensor::scalar(bound)));
        let same = Attrs::new().ints("pads", [1; 4]);
        let y = graph.add("Conv", &[x, w], same).unwrap();
        let y = graph.add("BatchNormalization", &[[y].as_slice(), &norm].concat(), Attrs::new()).unwrap();
        let y = graph.add("Clip", &[[y].as_slice(), &bounds].concat(), Attrs::new()).unwrap();
        let pool = Attrs::new().ints("kernel_shape", [4, 4]).ints("strides", [4, 4]);
        let y = graph.add("AveragePool", &[y], pool).unwrap();
        let y = graph.add("Flatten", &[y], Attrs::new()).unwrap();
        let y = graph.add("Gemm", &[[y].as_slice(), &dense].concat(), Attrs::new().int("transB", 1)).unwrap();
        graph.set_outputs(vec![y]);
        graph
    }

    #[test]
    fn every_number_is_in_its_convention() {
        let params = 5 * 27 + 4 * 5 + 40 + 2;
        let macs = 64 * 5 * 27 + 40;
        let expected = Cost {
            params,
            params_trainable: params - 10,
            params_without_bn: params - 20,
            macs,
            macs_torchprofile: macs + 20,
        };
        assert_eq!(net().cost(), expected);
    }

    #[test]
    fn a_byte_a_weight_and_four_a_bias() {
        let graph = net();
        assert_eq!(graph.parameter_bytes_int8(), 5 * 27 + 4 * 4 * 5 + 40 + 4 * 2);
        let each: u64 = graph
            .nodes()
            .iter()
            .flat_map(|node| graph.node_parameters(node))
            .map(|id| graph.value(id).ty().len() as u64)
            .sum();
        assert_eq!(each, graph.cost().params);
        let model = Model::parse(&encode(&graph), &NoExternalData).unwrap();
        assert_eq!(model.parameter_bytes(), 4 * graph.cost().params);
    }

    #[test]
    fn a_file_and_its_graph_have_the_same_parameters() {
        let graph = net();
        let model = Model::parse(&encode(&graph), &NoExternalData).unwrap();
        assert_eq!(model.parameters(), graph.cost().params);
    }

    #[test]
    fn a_constant_counts_once_and_as_a_parameter_where_any_node_uses_it_as_one() {
        let mut graph = Graph::new("");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 3]));
        let low = graph.constant("low", Tensor::scalar(0.0));
        let unused = ones(&mut graph, "unused", &[7]);
        let y = graph.add("Clip", &[x, low], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        assert_eq!((graph.cost().params, graph.shape(unused)), (0, [7].as_slice()));
        let y = graph.add("Add", &[y, low], Attrs::new()).unwrap();
        let y = graph.add("Mul", &[y, low], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        assert_eq!(graph.cost().params, 1);
        assert_eq!(Model::parse(&encode(&graph), &NoExternalData).unwrap().parameters(), 1);
    }
}
