//! What the operators are tested on: cases, and the graphs that they become.

use super::{Op, Rewrite, Upgrade};
use crate::check::Splitmix;
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType, differentiate};

/// One input of a [`Case`].
#[derive(Debug, Clone)]
pub enum CaseInput {
    /// Random floats, uniform in the interval, of float32 and this shape; gradients are checked.
    Random(Vec<usize>, f64, f64),
    /// Exactly these elements, fed as a graph input; gradients are checked for float tensors.
    Fed(Tensor),
    /// A constant (initializer).
    Constant(Tensor),
    /// A constant of random floats.
    RandomConstant(Vec<usize>, f64, f64),
    /// An optional input that is absent.
    Absent,
}

/// One call of an operator on which shape rule, kernel, gradient rule and MAC rule are tested: against ONNX Runtime's
/// shapes and values, and against central differences.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about it.
    pub name: &'static str,
    /// Attributes.
    pub attrs: Attrs,
    /// Inputs.
    pub inputs: Vec<CaseInput>,
    /// The number of outputs.
    pub outputs: usize,
    /// Multiply-accumulates, counted by hand, where the operator has any.
    pub macs: u64,
}

impl Case {
    /// A case with one output and no multiply-accumulates.
    pub fn new(name: &'static str, attrs: Attrs, inputs: Vec<CaseInput>) -> Self {
        Self { name, attrs, inputs, outputs: 1, macs: 0 }
    }

    /// The same case with the number of multiply-accumulates that it must have.
    pub fn macs(mut self, macs: u64) -> Self {
        self.macs = macs;
        self
    }
}

/// The graph of one node that a case describes, and tensors for its inputs.
///
/// The random tensors are functions of the seed alone, and every element is exact in its type.
/// Errors: the operator refuses the case.
pub fn case_graph(op: &Op, case: &Case, seed: u64) -> Result<(Graph, Vec<Tensor>), Error> {
    let mut graph = Graph::new(op.name);
    let (inputs, fed) = add_inputs(&mut graph, case, seed);
    let outputs = graph.add_node(case.name, op.name, &inputs, case.attrs.clone(), case.outputs)?;
    graph.set_outputs(outputs);
    Ok((graph, fed))
}

/// The graph that an operator is rewritten into when a file of this opset has a case of it, and tensors for its inputs.
///
/// Errors: the rewriting refuses the case, which is then the reason.
pub fn rewritten_graph(rewrite: &Rewrite, case: &Case, opset: i64, seed: u64) -> Result<(Graph, Vec<Tensor>), String> {
    let mut graph = Graph::new(rewrite.name);
    let (inputs, fed) = add_inputs(&mut graph, case, seed);
    let (op, attrs) = (rewrite.name.to_owned(), case.attrs.clone());
    let mut upgrade = Upgrade { opset, op, attrs, inputs, outputs: case.outputs, graph: &mut graph };
    (rewrite.upgrade)(&mut upgrade)?;
    let Upgrade { op, attrs, inputs, outputs, .. } = upgrade;
    let outputs = graph.add_node(case.name, &op, &inputs, attrs, outputs).map_err(|error| error.to_string())?;
    graph.set_outputs(outputs);
    Ok((graph, fed))
}

/// Adds a case's inputs to a graph and returns them, and tensors for those that are fed.
fn add_inputs(graph: &mut Graph, case: &Case, seed: u64) -> (Vec<Option<ValueId>>, Vec<Tensor>) {
    let mut random = Splitmix::new(seed);
    let mut fed = Vec::new();
    let inputs = case.inputs.iter().enumerate().map(|(index, input)| {
        let name = format!("input_{index}");
        let mut feed = |graph: &mut Graph, tensor: Tensor| {
            let ty = ValueType::new(tensor.dtype(), tensor.shape());
            fed.push(tensor);
            graph.input(&name, ty)
        };
        match input {
            CaseInput::Random(shape, low, high) => Some(feed(graph, random.tensor(shape, *low, *high))),
            CaseInput::Fed(tensor) => Some(feed(graph, tensor.clone())),
            CaseInput::Constant(tensor) => Some(graph.constant(&name, tensor.clone())),
            CaseInput::RandomConstant(shape, low, high) => {
                Some(graph.constant(&name, random.tensor(shape, *low, *high)))
            }
            CaseInput::Absent => None,
        }
    });
    (inputs.collect(), fed)
}

/// The gradient of a case: a graph that takes what the case's graph takes.
#[derive(Debug, Clone)]
pub struct CaseGradient {
    /// Its outputs are the gradients of the case's first output, contracted with `cotangent`.
    pub graph: Graph,
    /// Tensors for its inputs.
    pub inputs: Vec<Tensor>,
    /// Which of the inputs each output is the gradient with respect to.
    pub wrt: Vec<usize>,
    /// The random cotangent of the case's first output.
    pub cotangent: Tensor,
}

/// Differentiates a case with respect to every float input that the operator has a gradient for; `None` where there is
/// none between floats.
///
/// Errors: the operator refuses the case, or its rule is wrong.
pub fn case_gradient(op: &Op, case: &Case, seed: u64) -> Result<Option<CaseGradient>, Error> {
    let (mut forward, inputs) = case_graph(op, case, seed)?;
    let output = forward.outputs()[0];
    let ty = forward.value(output).ty().clone();
    if !ty.dtype.is_float() || forward.nodes().is_empty() {
        return Ok(None);
    }
    let cotangent = Splitmix::new(!seed).tensor(&ty.shape, -1.0, 1.0);
    let cotangent_id = forward.constant("cotangent", cotangent.clone());
    let mut wrt = Vec::new();
    for (index, &input) in forward.inputs().iter().enumerate() {
        if inputs[index].dtype().is_float() {
            match differentiate(&mut forward.clone(), output, cotangent_id, &[input]) {
                Ok(_) => wrt.push(index),
                Err(Error::NoGradient { .. }) => (),
                Err(error) => return Err(error),
            }
        }
    }
    if wrt.is_empty() {
        return Ok(None);
    }
    let ids: Vec<ValueId> = wrt.iter().map(|&index| forward.inputs()[index]).collect();
    let gradients = differentiate(&mut forward, output, cotangent_id, &ids)?;
    forward.set_outputs(gradients);
    let (graph, _) = forward.pruned();
    Ok(Some(CaseGradient { graph, inputs, wrt, cotangent }))
}
