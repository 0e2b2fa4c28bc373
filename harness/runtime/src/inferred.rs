use crate::session::{self, Opening, Optimisation};
use crate::{Error, Provider, value};
use graph::{DType, Graph};

/// The type that ONNX Runtime infers for one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferredType {
    /// The value's name in the graph.
    pub name: String,
    /// Element type; `None` for one that Tinyassay has not.
    pub dtype: Option<DType>,
    /// Dimensions; `None` where ONNX Runtime does not know it before a run.
    pub shape: Vec<Option<usize>>,
}

/// ONNX Runtime's own types of the outputs of all nodes, without running anything.
///
/// Every node output becomes a graph output that carries a name and no type, so that what comes back is inferred by
/// ONNX Runtime alone and not copied from what we declared.
/// A graph without nodes, which ONNX Runtime refuses, has none.
/// Errors: ONNX Runtime refuses the graph.
pub fn inferred_types(graph: &Graph) -> Result<Vec<InferredType>, Error> {
    if graph.nodes().is_empty() {
        return Ok(Vec::new());
    }
    let mut bare = graph.clone();
    bare.set_outputs(Vec::new());
    let names: Vec<&str> =
        graph.nodes().iter().flat_map(|node| node.outputs()).map(|&id| graph.value(id).name()).collect();
    let mut bytes = graph::encode(&bare);
    bytes.extend(more_outputs(&names));
    let session = session::open(&bytes, &Opening::new(Provider::Cpu, Optimisation::Off))?;
    let inferred = session.outputs().iter().map(|output| InferredType {
        name: output.name().to_owned(),
        dtype: output.dtype().tensor_type().and_then(value::dtype),
        shape: output.dtype().tensor_shape().map_or(Vec::new(), |shape| dims(shape)),
    });
    Ok(inferred.collect())
}

pub(crate) fn dims(shape: &[i64]) -> Vec<Option<usize>> {
    shape.iter().map(|&dim| usize::try_from(dim).ok()).collect()
}

/// A protobuf message is extended by appending another one: `ModelProto { graph: { output: [{ name }, …] } }`.
fn more_outputs(names: &[&str]) -> Vec<u8> {
    const GRAPH_OF_MODEL: u8 = 7;
    const OUTPUT_OF_GRAPH: u8 = 12;
    const NAME_OF_VALUE: u8 = 1;
    let outputs = names.iter().flat_map(|name| field(OUTPUT_OF_GRAPH, &field(NAME_OF_VALUE, name.as_bytes())));
    field(GRAPH_OF_MODEL, &outputs.collect::<Vec<u8>>())
}

pub(crate) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    const LENGTH_DELIMITED: u8 = 2;
    let mut bytes = vec![number << 3 | LENGTH_DELIMITED];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(content);
    bytes
}
