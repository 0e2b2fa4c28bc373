use crate::{Error, Executor, Graph, Program, Tensor, ValueId};
use std::borrow::Cow;

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
        let values = evaluate(graph, inputs, &vec![usize::MAX; graph.values().len()])?;
        Ok(values.into_iter().map(|value| value.map(Cow::into_owned)).collect())
    }

    /// The graph's outputs for these inputs.
    ///
    /// Errors: as [`Interpreter::values`].
    pub fn run(self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let values = evaluate(graph, inputs, &last_uses(graph))?;
        let take = |id: &ValueId| values[id.index()].as_deref().cloned();
        Ok(graph.outputs().iter().map(|id| take(id).expect("a valid graph computes its outputs")).collect())
    }
}

/// For each value the index of the last node that reads it; outputs of the graph are read for ever.
fn last_uses(graph: &Graph) -> Vec<usize> {
    let mut last = vec![0; graph.values().len()];
    for (index, node) in graph.nodes().iter().enumerate() {
        node.inputs().iter().flatten().for_each(|id| last[id.index()] = index);
    }
    graph.outputs().iter().for_each(|id| last[id.index()] = usize::MAX);
    last
}

/// Runs the nodes in order, borrowing inputs and constants and dropping each value after its last use.
fn evaluate<'a>(
    graph: &'a Graph,
    inputs: &'a [Tensor],
    last_uses: &[usize],
) -> Result<Vec<Option<Cow<'a, Tensor>>>, Error> {
    check_inputs(graph, inputs)?;
    let mut values: Vec<Option<Cow<'a, Tensor>>> =
        graph.values().iter().map(|value| value.data().map(Cow::Borrowed)).collect();
    for (id, tensor) in graph.inputs().iter().zip(inputs) {
        values[id.index()] = Some(Cow::Borrowed(tensor));
    }
    for (index, node) in graph.nodes().iter().enumerate() {
        let inputs: Vec<Option<&Tensor>> =
            node.inputs().iter().map(|id| id.and_then(|id| values[id.index()].as_deref())).collect();
        let results = node.evaluate(&inputs)?;
        for (id, tensor) in node.outputs().iter().zip(results) {
            values[id.index()] = (last_uses[id.index()] > index).then_some(Cow::Owned(tensor));
        }
        for id in node.inputs().iter().flatten().filter(|id| last_uses[id.index()] == index) {
            values[id.index()] = None;
        }
    }
    Ok(values)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, DType, ValueType};

    /// `relu(x)` used twice, a dead branch, and the input as an output.
    fn graph() -> Graph {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [2]));
        let relu = graph.add("Relu", &[x], Attrs::new()).unwrap();
        graph.add("Neg", &[x], Attrs::new()).unwrap();
        let square = graph.add("Mul", &[relu, relu], Attrs::new()).unwrap();
        let sum = graph.add("Add", &[square, relu], Attrs::new()).unwrap();
        graph.set_outputs(vec![sum, x, sum]);
        graph
    }

    #[test]
    fn values_are_kept_until_their_last_use() {
        let x = Tensor::f32(&[2], [-1.0, 3.0]);
        let sum = Tensor::f32(&[2], [0.0, 12.0]);
        assert_eq!(Interpreter.run(&graph(), std::slice::from_ref(&x)).unwrap(), [sum.clone(), x.clone(), sum]);
        let values = Interpreter.values(&graph(), &[x]).unwrap();
        assert!(values.iter().all(Option::is_some));
    }

    #[test]
    fn inputs_of_another_type_are_refused() {
        for inputs in [vec![], vec![Tensor::f32(&[3], [0.0; 3])], vec![Tensor::ints([1, 2])]] {
            assert!(Interpreter.run(&graph(), &inputs).is_err());
        }
    }
}
