use crate::{DType, Error, Graph, Node, Tensor, ValueId, ValueType};
use std::collections::HashMap;
use std::sync::Arc;

/// What a trained constant is to the node that uses it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights of a convolution or a product.
    Weight,
    /// What a convolution or a product adds.
    Bias,
    /// The factor of a normalisation.
    NormScale,
    /// What a normalisation adds.
    NormBias,
    /// The running mean of a batch normalisation.
    Mean,
    /// The running variance of a batch normalisation.
    Variance,
}

/// One trained constant and where it lies in the flat vector of its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its name in the graph.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its first element in the flat vector.
    pub offset: usize,
    /// What it is.
    pub role: Role,
}

impl Slot {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What training changes in a network, as flat vectors in the order of the slots.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The elements of [`Network::parameters`].
    pub parameters: Vec<f32>,
    /// The elements of [`Network::statistics`].
    pub statistics: Vec<f32>,
}

/// A classifier in inference form at a fixed batch size, and what is trained in it.
///
/// Parameters are the constants that are weights or biases of Conv, ConvTranspose, Gemm and MatMul (with the Add behind
/// them), or scale and bias of a batch, layer or instance normalisation; statistics are the mean and variance of batch
/// normalisations. They are listed in the order of their first use. A constant that several nodes share is one parameter.
#[derive(Debug, Clone)]
pub struct Network {
    graph: Graph,
    parameters: Vec<Slot>,
    statistics: Vec<Slot>,
    /// The constants of the parameters and of the statistics.
    ids: [Vec<ValueId>; 2],
}

impl Network {
    /// Finds what is trained in a classifier with one input `[N, …]` and one output `[N, K]`, both float32.
    ///
    /// Errors: the graph has another form, nothing in it can be trained, a constant to train is not float32, or two batch
    /// normalisations share their statistics.
    pub fn new(graph: &Graph) -> Result<Self, Error> {
        let (&[x], &[logits]) = (graph.inputs(), graph.outputs()) else {
            return Err(refuse("expected one input and one output".to_owned()));
        };
        let (input, output) = (graph.value(x).ty(), graph.value(logits).ty());
        if input.dtype != DType::F32 || output.dtype != DType::F32 || output.shape.len() != 2 {
            return Err(refuse(format!("expected float32 input and logits [N, K], found {input:?} and {output:?}")));
        }
        let mut network =
            Self { graph: graph.clone(), parameters: Vec::new(), statistics: Vec::new(), ids: Default::default() };
        let products: HashMap<ValueId, &Node> = graph
            .nodes()
            .iter()
            .filter(|node| matches!(node.op().name, "Conv" | "ConvTranspose" | "Gemm" | "MatMul"))
            .map(|node| (node.outputs()[0], node))
            .collect();
        for node in graph.nodes() {
            for (index, id) in node.inputs().iter().enumerate() {
                let Some(id) = id.filter(|&id| graph.value(id).data().is_some()) else { continue };
                if let Some(role) = role(graph, node, index, &products) {
                    network.take(node, id, role)?;
                }
            }
        }
        if network.parameters.is_empty() {
            return Err(refuse("it has no weights to train".to_owned()));
        }
        Ok(network)
    }

    fn take(&mut self, node: &Node, id: ValueId, role: Role) -> Result<(), Error> {
        let statistic = matches!(role, Role::Mean | Role::Variance);
        let value = self.graph.value(id);
        let name = value.name().to_owned();
        if value.dtype() != DType::F32 {
            return Err(refuse(format!("`{name}` is {}, only float32 can be trained", value.dtype())));
        }
        if self.ids[usize::from(!statistic)].contains(&id) {
            return Err(refuse(format!("`{name}` is a parameter of one node and a statistic of another")));
        }
        if self.ids[usize::from(statistic)].contains(&id) {
            let shared = || refuse(format!("`{name}` is a statistic of `{}` and of a node before it", node.name()));
            return if statistic { Err(shared()) } else { Ok(()) };
        }
        let slots = if statistic { &mut self.statistics } else { &mut self.parameters };
        let offset = slots.last().map_or(0, |slot| slot.offset + slot.len());
        slots.push(Slot { name, shape: value.shape().to_vec(), offset, role });
        self.ids[usize::from(statistic)].push(id);
        Ok(())
    }

    /// The parameters in the order of their first use.
    pub fn parameters(&self) -> &[Slot] {
        &self.parameters
    }

    /// The statistics of batch normalisations in the order of their use.
    pub fn statistics(&self) -> &[Slot] {
        &self.statistics
    }

    /// The classifier.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The type of the classifier's input, `[N, …]`.
    pub fn input(&self) -> &ValueType {
        self.graph.value(self.graph.inputs()[0]).ty()
    }

    /// The number of classes `K`.
    pub fn classes(&self) -> usize {
        self.graph.shape(self.graph.outputs()[0])[1]
    }

    /// The constants of the parameters, in the order of [`Network::parameters`].
    pub(super) fn parameter_ids(&self) -> &[ValueId] {
        &self.ids[0]
    }

    /// The constants of the statistics, in the order of [`Network::statistics`].
    pub(super) fn statistic_ids(&self) -> &[ValueId] {
        &self.ids[1]
    }

    /// The values that the graph has.
    pub fn initial(&self) -> State {
        let [parameters, statistics] = [0, 1].map(|kind: usize| {
            let data = self.ids[kind].iter().map(|&id| self.graph.value(id).data().expect("slots are constants"));
            data.flat_map(|tensor| tensor.floats().expect("slots hold floats")).map(|&x| x as f32).collect()
        });
        State { parameters, statistics }
    }

    /// The classifier with these values in place of its own, in inference form; batch normalisations are not folded.
    ///
    /// Panics: the state is that of another network.
    pub fn with_state(&self, state: &State) -> Graph {
        let mut graph = self.graph.clone();
        let kinds = [(&self.parameters, &state.parameters), (&self.statistics, &state.statistics)];
        for (ids, (slots, values)) in self.ids.iter().zip(kinds) {
            assert_eq!(values.len(), size(slots), "the state of another network");
            for (&id, slot) in ids.iter().zip(slots) {
                let values = values[slot.offset..][..slot.len()].iter().map(|&x| f64::from(x)).collect();
                graph.replace_constant(id, Arc::new(Tensor::float(DType::F32, &slot.shape, values)));
            }
        }
        graph
    }
}

/// The number of elements of all slots.
pub(super) fn size(slots: &[Slot]) -> usize {
    slots.last().map_or(0, |slot| slot.offset + slot.len())
}

/// What a constant is to a node; `None` where it is not trained.
fn role(graph: &Graph, node: &Node, index: usize, products: &HashMap<ValueId, &Node>) -> Option<Role> {
    match (node.op().name, index) {
        ("Conv" | "ConvTranspose" | "Gemm", 1) | ("MatMul", _) => Some(Role::Weight),
        ("Conv" | "ConvTranspose" | "Gemm", 2) => Some(Role::Bias),
        ("Add", 0 | 1) => {
            let other = node.inputs()[1 - index]?;
            let follows = products.contains_key(&other) && graph.shape(other) == graph.shape(node.outputs()[0]);
            follows.then_some(Role::Bias)
        }
        ("BatchNormalization" | "InstanceNormalization" | "LayerNormalization", 1) => Some(Role::NormScale),
        ("BatchNormalization" | "InstanceNormalization" | "LayerNormalization", 2) => Some(Role::NormBias),
        ("BatchNormalization", 3) => Some(Role::Mean),
        ("BatchNormalization", 4) => Some(Role::Variance),
        _ => None,
    }
}

fn refuse(reason: String) -> Error {
    Error::Graph(format!("train the network: {reason}"))
}
