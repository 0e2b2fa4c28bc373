//! A small file to take apart: the tests of reading change one thing in it and look at what happens.

use crate::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type,
};
use crate::{DType, Error, Graph, Model, NoExternalData, Tensor, tensor_proto};
use prost::Message;

/// `y = Relu(x + w)`: `x`, `y` `[N, 2]` of float32, opset 13, with the names of a file.
pub(crate) fn sample() -> ModelProto {
    let graph = GraphProto {
        name: "sample".to_owned(),
        node: vec![node("add", "Add", &["x", "w"], &["sum"]), node("relu", "Relu", &["sum"], &["y"])],
        initializer: vec![tensor_proto::encode("w", &Tensor::f32(&[2], [0.5, -0.5]))],
        input: vec![value("x", &[None, Some(2)])],
        output: vec![value("y", &[None, Some(2)])],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: 8,
        producer_name: "test".to_owned(),
        producer_version: "1".to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        ..ModelProto::default()
    }
}

/// The sample with another graph inside.
pub(crate) fn with_graph(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = sample();
    change(model.graph.as_mut().unwrap());
    model
}

pub(crate) fn node(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        name: name.to_owned(),
        op_type: op.to_owned(),
        input: owned(inputs),
        output: owned(outputs),
        ..NodeProto::default()
    }
}

/// A float32 value; `None` is a symbolic dimension `N`.
pub(crate) fn value(name: &str, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = |dim: &Option<i64>| DimensionProto { dim_value: *dim, dim_param: dim.is_none().then(|| "N".to_owned()) };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor_type = TensorTypeProto { elem_type: DType::F32.onnx(), shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

pub(crate) fn int_attribute(name: &str, i: i64) -> AttributeProto {
    let r#type = attribute_type::INT;
    AttributeProto { name: name.to_owned(), i: Some(i), r#type, ..AttributeProto::default() }
}

pub(crate) fn tensor_attribute(name: &str, tensor: TensorProto) -> AttributeProto {
    let r#type = attribute_type::TENSOR;
    AttributeProto { name: name.to_owned(), t: Some(tensor), r#type, ..AttributeProto::default() }
}

pub(crate) fn parse(model: &ModelProto) -> Result<Model, Error> {
    Model::parse(&model.encode_to_vec(), &NoExternalData)
}

pub(crate) fn graph(model: &ModelProto, batch: usize) -> Result<Graph, Error> {
    parse(model)?.graph(batch)
}

/// Holds every case's error against a part of the message that it must have, and reports all that differ.
pub(crate) fn check_errors(cases: Vec<(&str, Result<(), Error>)>) {
    let wrong = |(part, result): (&str, Result<(), Error>)| match result {
        Err(error) if error.to_string().contains(part) => None,
        Err(error) => Some(format!("expected `{part}`, found `{error}`")),
        Ok(()) => Some(format!("expected `{part}`, found no error")),
    };
    let wrong: Vec<String> = cases.into_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
