use crate::{Error, Graph, Tensor};

/// Something that can run graphs: the f64 [`Interpreter`](crate::Interpreter), ONNX Runtime, another machine.
pub trait Executor {
    /// Prepares a graph to run many times.
    ///
    /// Errors: the executor does not take the graph; the message names the node where it can.
    fn compile(&self, graph: &Graph) -> Result<Box<dyn Program>, Error>;
}

/// A graph that is ready to run.
pub trait Program {
    /// Runs it once. `inputs` and the result are in the order of the graph's inputs and outputs.
    ///
    /// Errors: an input has another type or shape than the graph says, or the execution fails.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error>;
}
