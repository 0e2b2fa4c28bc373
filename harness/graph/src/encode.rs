//! From a [`Graph`] to the bytes of an ONNX file.

use crate::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, attribute_type,
};
use crate::{Attr, Graph, Node, Value, ValueId, ops, tensor_proto};
use prost::Message;
use std::collections::HashSet;

/// The version of the file format that is written; older runtimes read it.
const IR_VERSION: i64 = 10;
/// The operator set that is written: the one of the operator table.
const OPSET: i64 = 21;
/// The version of our own operators.
const KERNELS_VERSION: i64 = 1;

/// Writes a graph as an ONNX file: IR version 10, operator set 21, tensors as raw data, names kept.
///
/// The same graph always gives the same bytes. Constants that nothing uses are left out; masks are not marked. Operators
/// of our own stand in their domain, [`ops::DOMAIN`], for a runtime that has kernels for them; no file is read that has.
pub fn encode(graph: &Graph) -> Vec<u8> {
    file(graph, None)
}

/// Writes a graph as [`encode`] does, with `N` in place of the first dimension of its inputs and outputs.
///
/// The graph must not depend on that dimension: no constant may hold it.
pub fn encode_symbolic_batch(graph: &Graph) -> Vec<u8> {
    file(graph, Some("N"))
}

fn file(graph: &Graph, batch: Option<&str>) -> Vec<u8> {
    let used: HashSet<ValueId> =
        graph.nodes().iter().flat_map(Node::inputs).flatten().chain(graph.outputs()).copied().collect();
    let port = |id: &ValueId| value_info(graph.value(*id), batch);
    let constants = graph.ids().filter(|id| used.contains(id)).map(|id| graph.value(id));
    let proto = GraphProto {
        node: nodes(graph),
        name: if graph.name().is_empty() { "graph".to_owned() } else { graph.name().to_owned() },
        initializer: constants
            .filter_map(|value| value.data().map(|tensor| tensor_proto::encode(value.name(), tensor)))
            .collect(),
        input: graph.inputs().iter().map(port).collect(),
        output: graph.outputs().iter().map(port).collect(),
        ..GraphProto::default()
    };
    let import = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let mut opset_import = vec![import("", OPSET)];
    if graph.nodes().iter().any(|node| !node.op().domain().is_empty()) {
        opset_import.push(import(ops::DOMAIN, KERNELS_VERSION));
    }
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "tinyassay".to_owned(),
        graph: Some(proto),
        opset_import,
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

fn value_info(value: &Value, batch: Option<&str>) -> ValueInfoProto {
    let dim = |&dim: &usize| DimensionProto { dim_value: Some(dim as i64), dim_param: None };
    let mut shape = TensorShapeProto { dim: value.shape().iter().map(dim).collect() };
    if let (Some(batch), Some(first)) = (batch, shape.dim.first_mut()) {
        *first = DimensionProto { dim_value: None, dim_param: Some(batch.to_owned()) };
    }
    let tensor_type = TensorTypeProto { elem_type: value.dtype().onnx(), shape: Some(shape) };
    ValueInfoProto { name: value.name().to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// The nodes under names of their own: ONNX Runtime refuses two of one name, which a graph made of others may have.
fn nodes(graph: &Graph) -> Vec<NodeProto> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut unique = |name: &str| {
        let mut candidates = std::iter::once(name.to_owned()).chain((1..).map(|count| format!("{name}.{count}")));
        candidates.find(|name| taken.insert(name.clone())).expect("there is no end of candidates")
    };
    graph.nodes().iter().map(|node| node_proto(graph, node, unique(node.name()))).collect()
}

fn node_proto(graph: &Graph, node: &Node, unique: String) -> NodeProto {
    let name = |id: ValueId| graph.value(id).name().to_owned();
    NodeProto {
        input: node.inputs().iter().map(|id| id.map(name).unwrap_or_default()).collect(),
        output: node.outputs().iter().map(|&id| name(id)).collect(),
        name: unique,
        op_type: node.op().name.to_owned(),
        attribute: node.attrs().iter().map(|(name, attr)| attribute(name, attr)).collect(),
        domain: node.op().domain().to_owned(),
    }
}

fn attribute(name: &str, attr: &Attr) -> AttributeProto {
    let mut proto = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    proto.r#type = match attr {
        Attr::Int(value) => {
            proto.i = Some(*value);
            attribute_type::INT
        }
        Attr::Float(value) => {
            proto.f = Some(*value);
            attribute_type::FLOAT
        }
        Attr::Text(value) => {
            proto.s = Some(value.clone().into_bytes());
            attribute_type::STRING
        }
        Attr::Ints(values) => {
            proto.ints = values.clone();
            attribute_type::INTS
        }
        Attr::Floats(values) => {
            proto.floats = values.clone();
            attribute_type::FLOATS
        }
        Attr::Tensor(tensor) => {
            proto.t = Some(tensor_proto::encode("", tensor));
            attribute_type::TENSOR
        }
    };
    proto
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_file::{graph, sample};
    use crate::{Attrs, DType, Model, NoExternalData, Tensor, ValueType};

    fn read(bytes: &[u8], batch: usize) -> Graph {
        Model::parse(bytes, &NoExternalData).unwrap().graph(batch).unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        let graph = graph(&sample(), 3).unwrap();
        let bytes = encode(&graph);
        let again = read(&bytes, 3);
        assert_eq!(encode(&again), bytes);
        assert_eq!(encode(&graph), bytes, "the same graph gives the same bytes");
        let model = Model::parse(&bytes, &NoExternalData).unwrap();
        assert_eq!((model.ir_version(), model.opset(), model.producer()), (10, 21, "tinyassay"));
        let values = |graph: &Graph| graph.values().iter().map(|value| format!("{value:?}")).collect::<Vec<_>>();
        assert_eq!(values(&again), values(&graph));
    }

    #[test]
    fn a_symbolic_batch_is_any_batch() {
        let mut graph = Graph::new("");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 2, 3]));
        let y = graph.add("Flatten", &[x], Attrs::new().int("axis", 1)).unwrap();
        graph.set_outputs(vec![y]);
        let bytes = encode_symbolic_batch(&graph);
        let model = Model::parse(&bytes, &NoExternalData).unwrap();
        assert_eq!(format!("{:?}", model.inputs()[0].dims), r#"[Symbolic("N"), Fixed(2), Fixed(3)]"#);
        let graph = read(&bytes, 5);
        assert_eq!(graph.shape(graph.outputs()[0]), [5, 6]);
    }

    #[test]
    fn our_own_operators_are_written_in_their_domain_and_refused_when_read() {
        let mut graph = Graph::new("");
        let ids = [[2, 3, 5, 5], [2, 4, 3, 3]].map(|shape| graph.input("x", ValueType::new(DType::F32, shape)));
        let attrs = Attrs::new().ints("kernel_shape", [3, 3]);
        let dw = graph.add("ConvWeightGrad", &ids, attrs).unwrap();
        let y = graph.add("Relu", &[dw], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let proto = ModelProto::decode(encode(&graph).as_slice()).unwrap();
        let imports: Vec<(&str, i64)> =
            proto.opset_import.iter().map(|import| (import.domain.as_str(), import.version)).collect();
        assert_eq!(imports, [("", 21), ("ai.tinyassay", 1)]);
        let domains: Vec<&str> = proto.graph.as_ref().unwrap().node.iter().map(|node| node.domain.as_str()).collect();
        assert_eq!(domains, ["ai.tinyassay", ""]);
        let refused = |bytes: &[u8]| Model::parse(bytes, &NoExternalData).unwrap().graph(2).unwrap_err().to_string();
        let reason = refused(&encode(&graph));
        assert!(reason.contains("`ai.tinyassay.ConvWeightGrad` is not supported"), "{reason}");
        let mut standard = proto;
        standard.graph.as_mut().unwrap().node[0].domain.clear();
        let reason = refused(&standard.encode_to_vec());
        assert!(reason.contains("`ConvWeightGrad` is not supported: it is not in the operator table"), "{reason}");
    }

    #[test]
    fn optional_inputs_and_attributes_stay() {
        let mut graph = Graph::new("");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 3]));
        let high = graph.constant("high", Tensor::scalar(6.0));
        let clip = graph.add_node("clip", "Clip", &[Some(x), None, Some(high)], Attrs::new(), 1).unwrap();
        let y = graph.add("Softmax", &clip, Attrs::new().int("axis", 0)).unwrap();
        graph.constant("unused", Tensor::scalar(1.0));
        graph.set_outputs(vec![y]);
        let again = read(&encode(&graph), 2);
        assert_eq!(again.nodes()[0].inputs().iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(again.nodes()[1].attrs(), graph.nodes()[1].attrs());
        assert!(again.find("unused").is_none());
    }
}
