use crate::{Error, Executor, Graph, Program, Tensor, ValueId};

/// Runs whole graphs in f64 with the reference kernels of the operator table.
///
/// Slow and exact to f64 rounding: the oracle that ONNX Runtime's values and every gradient are held against.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interpreter;

impl Interpreter {
    /// Every value of the graph for these inputs, indexed by [`ValueId::index`].
    ///
    /// Errors: an input has another type or shape than the graph says, or a kernel refuses its inputs.
    pub fn values(self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Option<Tensor>>, Error> {
        check_inputs(graph, inputs)?;
        let mut values: Vec<Option<Tensor>> = graph.values().iter().map(|value| value.data().cloned()).collect();
        for (id, tensor) in graph.inputs().iter().zip(inputs) {
            values[id.index()] = Some(tensor.clone());
        }
        for node in graph.nodes() {
            let inputs: Vec<Option<&Tensor>> =
                node.inputs().iter().map(|id| id.and_then(|id| values[id.index()].as_ref())).collect();
            let results = node.evaluate(&inputs)?;
            for (id, tensor) in node.outputs().iter().zip(results) {
                values[id.index()] = Some(tensor);
            }
        }
        Ok(values)
    }

    /// The graph's outputs for these inputs.
    ///
    /// Errors: as [`Interpreter::values`].
    pub fn run(self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let values = self.values(graph, inputs)?;
        let take = |id: &ValueId| values[id.index()].clone();
        Ok(graph.outputs().iter().map(|id| take(id).expect("a valid graph computes its outputs")).collect())
    }
}

fn check_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<(), Error> {
    if inputs.len() != graph.inputs().len() {
        let reason = format!("run the graph: expected {} inputs, found {}", graph.inputs().len(), inputs.len());
        return Err(Error::Graph(reason));
    }
    for (&id, tensor) in graph.inputs().iter().zip(inputs) {
        let value = graph.value(id);
        if value.dtype() != tensor.dtype() || value.shape() != tensor.shape() {
            return Err(Error::Graph(format!(
                "run the graph: input `{}` must be {}{:?}, found {}{:?}",
                value.name(),
                value.dtype(),
                value.shape(),
                tensor.dtype(),
                tensor.shape()
            )));
        }
    }
    Ok(())
}

impl Executor for Interpreter {
    fn compile(&self, graph: &Graph) -> Result<Box<dyn Program>, Error> {
        Ok(Box::new(graph.clone()))
    }
}

impl Program for Graph {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        Interpreter.run(self, inputs)
    }
}
