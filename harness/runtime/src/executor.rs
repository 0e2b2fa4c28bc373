use crate::session::{self, Optimisation};
use crate::{Error, value};
use graph::{Executor, Graph, Program, Tensor, ValueType};
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

/// Runs graphs of our own on ONNX Runtime: written as ONNX, opened as a session, run on the CPU in one thread.
#[derive(Debug, Clone, Copy)]
pub struct OrtExecutor {
    optimisation: Optimisation,
}

impl OrtExecutor {
    /// With every optimisation, as attacks run.
    pub fn new() -> Self {
        Self { optimisation: Optimisation::All }
    }

    /// With none, so that every node runs as it is written.
    pub fn unoptimised() -> Self {
        Self { optimisation: Optimisation::Off }
    }
}

impl Default for OrtExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for OrtExecutor {
    fn compile(&self, graph: &Graph) -> Result<Box<dyn Program>, graph::Error> {
        let session = session::open(&graph::encode(graph), &[], self.optimisation).map_err(as_graph_error)?;
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
