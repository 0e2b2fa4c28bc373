use crate::session::{self, Opening, Optimisation};
use crate::{Error, Provider, value};
use graph::{Executor, Graph, Program, Tensor, ValueType};
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

/// Runs graphs of our own on ONNX Runtime: written as ONNX, opened as a session, run in one thread.
#[derive(Debug, Clone, Copy)]
pub struct OrtExecutor {
    provider: Provider,
    optimisation: Optimisation,
}

impl OrtExecutor {
    /// As attacks run on the CPU: with every optimisation but the fusion of quantised operators.
    pub fn new() -> Self {
        Self::on(Provider::Cpu)
    }

    /// As attacks run on a provider.
    pub fn on(provider: Provider) -> Self {
        Self { provider, optimisation: Optimisation::Own }
    }

    /// With none, so that every node runs as it is written.
    pub fn unoptimised() -> Self {
        Self { provider: Provider::Cpu, optimisation: Optimisation::Off }
    }
}

impl Default for OrtExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for OrtExecutor {
    fn compile(&self, graph: &Graph) -> Result<Box<dyn Program>, graph::Error> {
        let session = session::open(&graph::encode(graph), &Opening::new(self.provider, self.optimisation));
        let session = session.map_err(as_graph_error)?;
        let named = |id: &graph::ValueId| (graph.value(*id).name().to_owned(), graph.value(*id).ty().clone());
        let inputs = graph.inputs().iter().map(named).collect();
        let outputs = graph.outputs().iter().map(named).collect();
        Ok(Box::new(OrtProgram { session, inputs, outputs }))
    }
}

struct OrtProgram {
    session: Session,
    inputs: Vec<(String, ValueType)>,
    outputs: Vec<(String, ValueType)>,
}

impl Program for OrtProgram {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, graph::Error> {
        if inputs.len() != self.inputs.len() {
            let reason = format!("run the graph: expected {} inputs, found {}", self.inputs.len(), inputs.len());
            return Err(graph::Error::Graph(reason));
        }
        for ((name, ty), tensor) in self.inputs.iter().zip(inputs) {
            check(name, ty, tensor)?;
        }
        let values: Vec<DynValue> =
            inputs.iter().map(value::to_ort).collect::<Result<_, _>>().map_err(as_graph_error)?;
        // A graph whose output is its input gives a view of the caller's buffer: the inputs must outlive the reading.
        let names = self.inputs.iter().map(|(name, _)| name.as_str());
        let named: Vec<(&str, SessionInputValue<'_>)> =
            names.zip(&values).map(|(name, value)| (name, value.into())).collect();
        let run = self.session.run(named).map_err(|error| as_graph_error(Error::ort("run the graph", &error)))?;
        let read = |(name, ty): &(String, ValueType)| {
            let found =
                run.get(name).ok_or_else(|| graph::Error::Graph(format!("run the graph: no output `{name}`")))?;
            let tensor = value::from_ort(found).map_err(as_graph_error)?;
            check(name, ty, &tensor).map(|()| tensor)
        };
        self.outputs.iter().map(read).collect()
    }
}

fn check(name: &str, ty: &ValueType, tensor: &Tensor) -> Result<(), graph::Error> {
    if ty.dtype == tensor.dtype() && ty.shape == tensor.shape() {
        return Ok(());
    }
    let (dtype, shape, found, dims) = (ty.dtype, &ty.shape, tensor.dtype(), tensor.shape());
    Err(graph::Error::Graph(format!("run the graph: `{name}` must be {dtype}{shape:?}, found {found}{dims:?}")))
}

fn as_graph_error(error: Error) -> graph::Error {
    match error {
        Error::Graph(error) => error,
        other => graph::Error::Graph(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graph::check::Splitmix;
    use graph::{Attrs, DType, Interpreter};

    /// Float weights between quantised activations, the channels of very different size: ONNX Runtime's default would
    /// quantise the weights once more, per tensor.
    #[test]
    fn float_weights_between_quantised_activations_stay_as_they_are() {
        let mut graph = Graph::new("fake_quantised");
        let mut random = Splitmix::new(5);
        let x = graph.input("x", ValueType::new(DType::F32, [1, 4, 6, 6]));
        let (scale, zero) = (
            graph.constant("s", Tensor::scalar(0.02).rounded()),
            graph.constant("z", Tensor::int(DType::I8, &[], vec![0])),
        );
        let fake = |graph: &mut Graph, value| {
            let quantised = graph.add("QuantizeLinear", &[value, scale, zero], Attrs::new()).unwrap();
            graph.add("DequantizeLinear", &[quantised, scale, zero], Attrs::new()).unwrap()
        };
        let mut weights = random.tensor(&[8, 4, 3, 3], -0.2, 0.2).to_f64();
        weights.iter_mut().take(4 * 4 * 9).for_each(|weight| *weight *= 0.1);
        let weights = graph.constant("w", Tensor::f32(&[8, 4, 3, 3], weights).rounded());
        let input = fake(&mut graph, x);
        let conv = graph.add("Conv", &[input, weights], Attrs::new()).unwrap();
        let output = fake(&mut graph, conv);
        graph.set_outputs(vec![output]);
        let x = random.tensor(&[1, 4, 6, 6], -1.0, 1.0);
        let exact = Interpreter.run(&graph, std::slice::from_ref(&x)).unwrap().remove(0).to_f64();
        let found = OrtExecutor::new().compile(&graph).unwrap().run(&[x]).unwrap().remove(0).to_f64();
        let levels =
            |values: Vec<f64>| values.into_iter().map(|value| (value / 0.02).round() as i64).collect::<Vec<_>>();
        assert_eq!(levels(found), levels(exact));
    }
}
