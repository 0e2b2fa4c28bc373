//! The nodes of a file: names, attributes, and what is known to be unsupported before any shape is.

use crate::external::ExternalData;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, attribute_type};
use crate::{Attr, Attrs, Error, quantized, tensor_proto};
use std::collections::HashSet;

/// A node as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct FileNode {
    /// Its name; one without a name is called after its operator and position in the file.
    pub(crate) name: String,
    /// Its operator, with the domain in front where it is not the standard one.
    pub(crate) op: String,
    pub(crate) attrs: Attrs,
    pub(crate) inputs: Vec<Option<String>>,
    pub(crate) outputs: Vec<Option<String>>,
    /// Why it cannot be supported, where that shows before any shape is known.
    pub(crate) refusal: Option<String>,
}

impl FileNode {
    pub(crate) fn unsupported(&self, reason: &str) -> Error {
        Error::Unsupported { node: self.name.clone(), op: self.op.clone(), reason: reason.to_owned() }
    }
}

/// Reads the nodes of a file, in its order.
///
/// Errors: a node has no operator, no output, or an attribute that is not valid. One that is not supported is no error.
pub(crate) fn nodes(
    graph: &GraphProto,
    functions: &[FunctionProto],
    external: &dyn ExternalData,
) -> Result<Vec<FileNode>, Error> {
    let functions: HashSet<(&str, &str)> =
        functions.iter().map(|function| (domain_name(&function.domain), function.name.as_str())).collect();
    let local = |node: &NodeProto| functions.contains(&(domain_name(&node.domain), node.op_type.as_str()));
    graph.node.iter().enumerate().map(|(index, node)| file_node(index, node, local(node), external)).collect()
}

fn domain_name(domain: &str) -> &str {
    if is_standard(domain) { "" } else { domain }
}

fn file_node(index: usize, proto: &NodeProto, local: bool, external: &dyn ExternalData) -> Result<FileNode, Error> {
    let standard = is_standard(&proto.domain);
    let op = if standard { proto.op_type.clone() } else { format!("{}.{}", proto.domain, proto.op_type) };
    let name = if proto.name.is_empty() { format!("{op}_{index}") } else { proto.name.clone() };
    let refuse = |reason: &str| Error::Graph(format!("read the graph: node `{name}` {reason}"));
    if proto.op_type.is_empty() {
        return Err(refuse("has no operator"));
    }
    let mut refusal = if local {
        Some("it is a model-local function".to_owned())
    } else {
        let foreign = !standard && quantized::find(&op).is_none();
        let reason = || format!("only operators of the standard domain are, not of `{}`", proto.domain);
        quantized::refusal(&op).or_else(|| foreign.then(reason))
    };
    let mut attrs = Attrs::new();
    for attribute in &proto.attribute {
        if attrs.get(&attribute.name).is_some() {
            return Err(refuse(&format!("has two attributes `{}`", attribute.name)));
        }
        match attr(attribute, external) {
            Ok(attr) => attrs.set(&attribute.name, attr),
            Err(Flaw::Unsupported(reason)) => {
                refusal.get_or_insert(format!("attribute `{}` {reason}", attribute.name));
            }
            Err(Flaw::Invalid(reason)) => return Err(refuse(&format!("attribute `{}` {reason}", attribute.name))),
            Err(Flaw::Tensor(error)) => return Err(error),
        }
    }
    let optional = |names: &[String]| {
        let given = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        names[..given].iter().map(|name| (!name.is_empty()).then(|| name.clone())).collect::<Vec<_>>()
    };
    let (inputs, outputs) = (optional(&proto.input), optional(&proto.output));
    if outputs.is_empty() {
        return Err(refuse("has no output"));
    }
    Ok(FileNode { name, op, attrs, inputs, outputs, refusal })
}

/// What is wrong with an attribute.
enum Flaw {
    Unsupported(&'static str),
    Invalid(String),
    Tensor(Error),
}

fn attr(proto: &AttributeProto, external: &dyn ExternalData) -> Result<Attr, Flaw> {
    if !proto.ref_attr_name.is_empty() {
        return Err(Flaw::Invalid("refers to an attribute of a function, outside of any".to_owned()));
    }
    Ok(match proto.r#type {
        attribute_type::FLOAT => Attr::Float(proto.f.unwrap_or_default()),
        attribute_type::INT => Attr::Int(proto.i.unwrap_or_default()),
        attribute_type::STRING => {
            let text = String::from_utf8(proto.s.clone().unwrap_or_default());
            Attr::Text(text.map_err(|_| Flaw::Invalid("is not UTF-8 text".to_owned()))?)
        }
        attribute_type::FLOATS => Attr::Floats(proto.floats.clone()),
        attribute_type::INTS => Attr::Ints(proto.ints.clone()),
        attribute_type::TENSOR => {
            let tensor = proto.t.as_ref().ok_or_else(|| Flaw::Invalid("has no tensor".to_owned()))?;
            Attr::Tensor(tensor_proto::decode(tensor, external).map_err(Flaw::Tensor)?)
        }
        attribute_type::GRAPH | attribute_type::GRAPHS => return Err(Flaw::Unsupported("is a subgraph")),
        attribute_type::SPARSE_TENSOR | attribute_type::SPARSE_TENSORS => {
            return Err(Flaw::Unsupported("is a sparse tensor"));
        }
        attribute_type::STRINGS => return Err(Flaw::Unsupported("is a list of texts")),
        attribute_type::TENSORS => return Err(Flaw::Unsupported("is a list of tensors")),
        attribute_type::TYPE_PROTO | attribute_type::TYPE_PROTOS => return Err(Flaw::Unsupported("is a type")),
        other => return Err(Flaw::Invalid(format!("has the unknown type {other}"))),
    })
}

/// Whether a domain is the one of the standard operators.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::sample_file::{check_errors, parse, tensor_attribute, with_graph};
    use prost::Message;

    #[test]
    fn attributes_are_checked() {
        fn attribute(r#type: i32) -> AttributeProto {
            AttributeProto { name: "a".to_owned(), r#type, ..AttributeProto::default() }
        }
        fn relu_with(attribute: AttributeProto) -> Result<(), Error> {
            parse(&with_graph(|graph| graph.node[1].attribute = vec![attribute])).map(|_| ())
        }
        let text = AttributeProto { s: Some(vec![0xff]), ..attribute(attribute_type::STRING) };
        let reference = AttributeProto { ref_attr_name: "b".to_owned(), ..attribute(attribute_type::INT) };
        let nan = tensor_proto::encode("c", &Tensor::scalar(f64::NAN));
        check_errors(vec![
            ("node `relu` attribute `a` has the unknown type 0", relu_with(attribute(0))),
            ("has the unknown type 99", relu_with(attribute(99))),
            ("is not UTF-8 text", relu_with(text)),
            ("refers to an attribute of a function", relu_with(reference)),
            ("has no tensor", relu_with(attribute(attribute_type::TENSOR))),
            ("tensor `c`: element 0 is NaN", relu_with(tensor_attribute("a", nan))),
        ]);
    }

    #[test]
    fn nesting_costs_nothing() {
        let mut nested: Vec<u8> = Vec::new();
        for _ in 0..10_000 {
            let mut outer = vec![0x32];
            prost::encoding::encode_varint(nested.len() as u64, &mut outer);
            outer.extend(nested);
            nested = outer;
        }
        let mut attribute =
            AttributeProto { name: "body".to_owned(), r#type: attribute_type::GRAPH, ..Default::default() };
        let mut bytes = attribute.encode_to_vec();
        bytes.extend(nested);
        attribute = AttributeProto::decode(bytes.as_slice()).unwrap();
        let model = with_graph(|graph| graph.node[1].attribute = vec![attribute]);
        let unsupported = parse(&model).unwrap().unsupported();
        assert!(unsupported[0].to_string().contains("attribute `body` is a subgraph"), "{unsupported:?}");
    }
}
