//! A parsed ONNX file: decoded, validated as a whole and sorted, but not yet shaped.

use crate::cost::is_setting;
use crate::external::ExternalData;
use crate::file_node::{self, FileNode, is_standard};
use crate::proto::{
    DimensionProto, GraphProto, ModelProto, OperatorSetIdProto, TensorProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::{Attr, DType, Error, Tensor, quantized, tensor_proto, topology};
use prost::Message;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The versions of the file format that are read.
const IR_VERSIONS: RangeInclusive<i64> = 3..=13;
/// The versions of the standard operator set that are read.
pub(crate) const OPSETS: RangeInclusive<i64> = 7..=24;

/// An ONNX file whose bytes make sense. [`Model::graph`] turns it into a [`Graph`](crate::Graph) at a batch size.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) name: String,
    ir_version: i64,
    opset: i64,
    producer: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    pub(crate) initializers: Vec<(String, Arc<Tensor>)>,
    pub(crate) nodes: Vec<FileNode>,
}

/// An input or output as the file declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: DType,
    /// Its dimensions; for an output only what the file says, which nobody has checked.
    pub dims: Vec<Dim>,
}

/// A dimension of a [`Port`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// Any number; the name is `?` where the file gives none.
    Symbolic(String),
}

/// Decodes the bytes of a file.
///
/// Errors: they are not a protobuf message of this form.
pub(crate) fn decode(bytes: &[u8]) -> Result<ModelProto, Error> {
    ModelProto::decode(bytes).map_err(|error| Error::Decode(error.to_string()))
}

impl Model {
    /// Parses a file, reading the tensors that it keeps elsewhere from `external`.
    ///
    /// Reads IR versions 3 to 13 and the standard operator sets 7 to 24. Nodes that are not supported are no error
    /// here: [`Model::unsupported`] lists them all, and [`Model::graph`] refuses the first.
    /// Errors: the bytes are not such a file, a tensor does not fit its shape or holds NaN, a name is defined twice, a
    /// value is missing, or the nodes form a cycle.
    pub fn parse(bytes: &[u8], external: &dyn ExternalData) -> Result<Model, Error> {
        let proto = decode(bytes)?;
        check_ir_version(proto.ir_version)?;
        let opset = opset(&proto.opset_import)?;
        let graph = proto.graph.ok_or_else(|| Error::Decode("the model has no graph".to_owned()))?;
        if !graph.sparse_initializer.is_empty() {
            return Err(Error::Decode("sparse initializers are not supported: re-export with dense ones".to_owned()));
        }
        let initializers = initializers(&graph.initializer, external)?;
        let constants: HashSet<&str> = initializers.iter().map(|(name, _)| name.as_str()).collect();
        let inputs = graph.input.iter().filter(|input| !constants.contains(input.name.as_str()));
        let inputs = inputs.map(|input| port("input", input)).collect::<Result<Vec<Port>, Error>>()?;
        let outputs = graph.output.iter().map(|output| port("output", output)).collect::<Result<Vec<Port>, Error>>()?;
        let nodes = file_node::nodes(&graph, &proto.functions, external)?;
        let given: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).chain(constants).collect();
        let nodes = topology::sorted(nodes, &given, &outputs)?;
        Ok(Model {
            name: graph.name,
            ir_version: proto.ir_version,
            opset,
            producer: [proto.producer_name, proto.producer_version].join(" ").trim().to_owned(),
            inputs,
            outputs,
            initializers,
            nodes,
        })
    }

    /// The version of the file format.
    pub fn ir_version(&self) -> i64 {
        self.ir_version
    }

    /// The version of the standard operator set.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The name and version of the tool that wrote the file; may be empty.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// The inputs, without those that are initializers.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// How often each operator occurs, by name; those of other domains as `domain.name`.
    pub fn ops(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.op.clone()).or_insert(0) += 1;
        }
        counts
    }

    /// The parameters of the network: the elements of all initializers and constants, batch-norm statistics, biases,
    /// quantization scales and zero points included; int64 tensors, which hold shapes and axes, are not, nor is what only
    /// sets an operator up, such as the bounds of Clip.
    pub fn parameters(&self) -> u64 {
        self.named_parameters().map(|(_, tensor)| tensor.len() as u64).sum()
    }

    /// The bytes that these parameters take in the type that the file has them in.
    pub fn parameter_bytes(&self) -> u64 {
        self.named_parameters().map(|(_, tensor)| (tensor.len() * tensor.dtype().bytes()) as u64).sum()
    }

    /// What [`Model::parameters`] counts, by name.
    pub(crate) fn named_parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let (mut settings, mut others): (HashSet<&str>, HashSet<&str>) = (HashSet::new(), HashSet::new());
        for node in &self.nodes {
            for (index, name) in
                node.inputs.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_ref()?)))
            {
                let names = if is_setting(&node.op, index) { &mut settings } else { &mut others };
                names.insert(name);
            }
        }
        let values = self.nodes.iter().filter_map(|node| Some((node.outputs.first()?.as_deref()?, &node.attrs)));
        let values = values.flat_map(|(name, attrs)| attrs.iter().map(move |(_, attr)| (name, attr)));
        let values = values.filter_map(|(name, attr)| match attr {
            Attr::Tensor(tensor) => Some((name, tensor)),
            _ => None,
        });
        let tensors = self.initializers.iter().map(|(name, tensor)| (name.as_str(), tensor.as_ref())).chain(values);
        tensors.filter(move |(name, tensor)| {
            tensor.dtype() != DType::I64 && (!settings.contains(name) || others.contains(name))
        })
    }

    /// Whether it rounds to integers on the way.
    pub fn is_quantized(&self) -> bool {
        self.nodes.iter().any(|node| node.op == "QuantizeLinear" || quantized::find(&node.op).is_some())
    }

    /// The first input of the last `op`, in its float or its quantized form, on the way back from `output` through first
    /// inputs.
    pub fn in_front_of<'a>(&'a self, op: &str, output: &'a str) -> Option<&'a str> {
        let mut value = output;
        loop {
            let node = self.nodes.iter().find(|node| node.outputs.iter().flatten().any(|name| name == value))?;
            value = node.inputs.first()?.as_deref()?;
            if node.op == op || quantized::find(&node.op).is_some_and(|quantized| quantized.op == op) {
                return Some(value);
            }
        }
    }
}

/// The bytes of a file which has one of its values as another output. Nothing else of it changes: a message that follows
/// another one is merged into it.
pub fn with_output(bytes: &[u8], name: &str, dtype: DType) -> Vec<u8> {
    let tensor = TensorTypeProto { elem_type: dtype.onnx(), shape: None };
    let output = ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) };
    let graph = GraphProto { output: vec![output], ..GraphProto::default() };
    let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
    [bytes, &model.encode_to_vec()].concat()
}

fn check_ir_version(version: i64) -> Result<(), Error> {
    if IR_VERSIONS.contains(&version) {
        return Ok(());
    }
    let (first, last) = (IR_VERSIONS.start(), IR_VERSIONS.end());
    Err(Error::Decode(match version {
        0 => "it does not say its ir_version, so it is not an ONNX model".to_owned(),
        _ => format!(
            "ir_version {version} is not supported, only {first} to {last}: re-export with ir_version <= {last}"
        ),
    }))
}

fn opset(imports: &[OperatorSetIdProto]) -> Result<i64, Error> {
    let versions: HashSet<i64> =
        imports.iter().filter(|import| is_standard(&import.domain)).map(|import| import.version).collect();
    let mut versions = versions.into_iter();
    match (versions.next(), versions.next()) {
        (None, _) => Err(Error::Decode("it does not import the standard operator set".to_owned())),
        (Some(_), Some(_)) => Err(Error::Decode("it imports two versions of the standard operator set".to_owned())),
        (Some(version), None) if OPSETS.contains(&version) => Ok(version),
        (Some(version), None) => {
            let (first, last) = (OPSETS.start(), OPSETS.end());
            let reason = format!("operator set {version} is not supported, only {first} to {last}: re-export with one");
            Err(Error::Decode(reason))
        }
    }
}

fn initializers(protos: &[TensorProto], external: &dyn ExternalData) -> Result<Vec<(String, Arc<Tensor>)>, Error> {
    let decode = |proto: &TensorProto| {
        if proto.name.is_empty() {
            return Err(Error::Decode("an initializer has no name".to_owned()));
        }
        Ok((proto.name.clone(), Arc::new(tensor_proto::decode(proto, external)?)))
    };
    let tensors = protos.iter().map(decode).collect::<Result<Vec<_>, Error>>()?;
    let mut names = HashSet::new();
    match tensors.iter().find(|(name, _)| !names.insert(name.as_str())) {
        Some((name, _)) => Err(Error::Graph(format!("read the graph: there are two initializers `{name}`"))),
        None => Ok(tensors),
    }
}

fn port(side: &str, info: &ValueInfoProto) -> Result<Port, Error> {
    let refuse = |reason: &str| Error::Decode(format!("{side} `{}` {reason}", info.name));
    if info.name.is_empty() {
        return Err(refuse("has no name"));
    }
    let ty = info.r#type.as_ref().ok_or_else(|| refuse("has no type"))?;
    let tensor =
        ty.tensor_type.as_ref().ok_or_else(|| refuse("is not a dense tensor, which is all that is supported"))?;
    let dtype = tensor_proto::element_type(tensor.elem_type).map_err(|reason| refuse(&format!("has {reason}")))?;
    let shape = match (&tensor.shape, side) {
        (Some(shape), _) => shape.dim.as_slice(),
        (None, "output") => &[],
        (None, _) => return Err(refuse("has no shape: re-export with one")),
    };
    let dim = |dim: &DimensionProto| match (dim.dim_value, &dim.dim_param) {
        (Some(value), _) => {
            let value = usize::try_from(value).map_err(|_| refuse(&format!("has the negative dimension {value}")))?;
            Ok(Dim::Fixed(value))
        }
        (None, Some(name)) if !name.is_empty() => Ok(Dim::Symbolic(name.clone())),
        (None, _) => Ok(Dim::Symbolic("?".to_owned())),
    };
    Ok(Port { name: info.name.clone(), dtype, dims: shape.iter().map(dim).collect::<Result<_, Error>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoExternalData;
    use crate::proto::GraphProto;
    use crate::sample_file::{check_errors, int_attribute, node, parse, sample, value, with_graph};

    fn error(model: &ModelProto) -> Result<(), Error> {
        parse(model).map(|_| ())
    }

    fn with(change: impl FnOnce(&mut ModelProto)) -> Result<(), Error> {
        let mut model = sample();
        change(&mut model);
        error(&model)
    }

    fn graph_with(change: impl FnOnce(&mut GraphProto)) -> Result<(), Error> {
        error(&with_graph(change))
    }

    fn tensor_with(change: impl FnOnce(&mut TensorProto)) -> Result<(), Error> {
        graph_with(|graph| change(&mut graph.initializer[0]))
    }

    #[test]
    fn tells_what_is_in_the_file() {
        let model = parse(&sample()).unwrap();
        assert_eq!((model.ir_version(), model.opset(), model.producer()), (8, 13, "test 1"));
        let dims = vec![Dim::Symbolic("N".to_owned()), Dim::Fixed(2)];
        assert_eq!(model.inputs(), [Port { name: "x".to_owned(), dtype: DType::F32, dims: dims.clone() }]);
        assert_eq!(model.outputs(), [Port { name: "y".to_owned(), dtype: DType::F32, dims }]);
        assert_eq!(model.ops(), BTreeMap::from([("Add".to_owned(), 1), ("Relu".to_owned(), 1)]));
        assert_eq!(model.parameters(), 2);
    }

    #[test]
    fn initializers_that_are_inputs_too_are_constants() {
        let mut model = with_graph(|graph| graph.input.push(value("w", &[Some(2)])));
        model.ir_version = 3;
        assert_eq!(parse(&model).unwrap().inputs().len(), 1);
    }

    #[test]
    fn every_version_in_the_range_is_read() {
        for version in IR_VERSIONS {
            with(|model| model.ir_version = version).unwrap();
        }
        for version in OPSETS {
            with(|model| model.opset_import[0].version = version).unwrap();
        }
        let ml = OperatorSetIdProto { domain: "ai.onnx.ml".to_owned(), version: 2 };
        with(|model| model.opset_import.push(ml)).unwrap();
        with(|model| model.opset_import[0].domain = "ai.onnx".to_owned()).unwrap();
    }

    #[test]
    fn versions_outside_are_refused_with_the_remedy() {
        check_errors(vec![
            ("re-export with ir_version <= 13", with(|model| model.ir_version = 14)),
            ("ir_version 2 is not supported, only 3 to 13", with(|model| model.ir_version = 2)),
            ("ir_version -1 is not supported", with(|model| model.ir_version = -1)),
            ("it is not an ONNX model", with(|model| model.ir_version = 0)),
            ("operator set 6 is not supported, only 7 to 24", with(|model| model.opset_import[0].version = 6)),
            ("operator set 25 is not supported", with(|model| model.opset_import[0].version = 25)),
            ("does not import the standard operator set", with(|model| model.opset_import.clear())),
            (
                "two versions of the standard operator set",
                with(|model| model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx".to_owned(), version: 14 })),
            ),
            ("the model has no graph", with(|model| model.graph = None)),
        ]);
    }

    #[test]
    fn graphs_that_are_not_valid_are_refused() {
        check_errors(vec![
            ("node `add` is part of a cycle", graph_with(|graph| graph.node[0].input[1] = "y".to_owned())),
            ("node `relu` is part of a cycle", graph_with(|graph| graph.node[1].input[0] = "y".to_owned())),
            (
                "value `z`, an input of node `add`, is defined nowhere",
                graph_with(|graph| graph.node[0].input[1] = "z".to_owned()),
            ),
            (
                "value `w`, an output of node `add`, is defined twice",
                graph_with(|graph| graph.node[0].output[0] = "w".to_owned()),
            ),
            (
                "value `y`, an output of node `again`, is defined twice",
                graph_with(|graph| graph.node.push(node("again", "Relu", &["x"], &["y"]))),
            ),
            (
                "value `x`, an output of node `again`, is defined twice",
                graph_with(|graph| graph.node.push(node("again", "Relu", &["x"], &["x"]))),
            ),
            ("there are two inputs `x`", graph_with(|graph| graph.input.push(value("x", &[None])))),
            ("there are two outputs `y`", graph_with(|graph| graph.output.push(value("y", &[None])))),
            (
                "there are two initializers `w`",
                graph_with(|graph| graph.initializer.push(graph.initializer[0].clone())),
            ),
            ("output `z` is defined nowhere", graph_with(|graph| graph.output[0].name = "z".to_owned())),
            ("it has no outputs", graph_with(|graph| graph.output.clear())),
            ("node `relu` has no operator", graph_with(|graph| graph.node[1].op_type.clear())),
            ("node `relu` has no output", graph_with(|graph| graph.node[1].output.clear())),
            (
                "node `relu` has two attributes `a`",
                graph_with(|graph| graph.node[1].attribute = vec![int_attribute("a", 1); 2]),
            ),
            ("an initializer has no name", graph_with(|graph| graph.initializer[0].name.clear())),
            ("sparse initializers are not supported", graph_with(|graph| graph.sparse_initializer.push(vec![]))),
        ]);
    }

    #[test]
    fn a_node_behind_a_cycle_is_not_blamed() {
        let cyclic = graph_with(|graph| {
            graph.node.insert(0, node("behind", "Relu", &["loop"], &["unused"]));
            graph.node.push(node("on", "Relu", &["loop"], &["loop"]));
        });
        assert!(cyclic.unwrap_err().to_string().contains("node `on` is part of a cycle"));
    }

    #[test]
    fn ports_that_are_not_valid_are_refused() {
        fn dim(graph: &mut GraphProto) -> &mut crate::proto::DimensionProto {
            let ty = graph.input[0].r#type.as_mut().unwrap();
            &mut ty.tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim[1]
        }
        check_errors(vec![
            ("input `x` has the negative dimension -2", graph_with(|graph| dim(graph).dim_value = Some(-2))),
            ("input `x` has no type", graph_with(|graph| graph.input[0].r#type = None)),
            ("input `x` is not a dense tensor", graph_with(|graph| graph.input[0].r#type = Some(Default::default()))),
            ("input `` has no name", graph_with(|graph| graph.input[0].name.clear())),
            (
                "input `x` has element type 8 is not supported",
                graph_with(|graph| graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = 8),
            ),
            (
                "input `x` has no shape",
                graph_with(|graph| graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape = None),
            ),
        ]);
        let unnamed = with_graph(|graph| *dim(graph) = Default::default());
        assert_eq!(parse(&unnamed).unwrap().inputs()[0].dims[1], Dim::Symbolic("?".to_owned()));
    }

    #[test]
    fn tensors_that_are_not_valid_are_refused_by_name() {
        let raw = |values: &[f32]| Some(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        check_errors(vec![
            ("tensor `w`: element 1 is NaN", tensor_with(|w| w.raw_data = raw(&[0.0, f32::NAN]))),
            ("tensor `w`: element 0 is inf", tensor_with(|w| w.raw_data = raw(&[f32::INFINITY, 0.0]))),
            ("shape [2] of float32 needs 8 bytes of raw data, found 7", tensor_with(|w| w.raw_data = Some(vec![0; 7]))),
            ("needs 8 bytes of raw data, found 0", tensor_with(|w| w.raw_data = Some(vec![]))),
            ("needs 2 elements of float32, `float_data` has 0", tensor_with(|w| w.raw_data = None)),
            ("dimension -2 of shape [-2] is negative", tensor_with(|w| w.dims = vec![-2])),
            ("is too large", tensor_with(|w| w.dims = vec![1 << 40, 1 << 40])),
            ("is too large", tensor_with(|w| w.dims = vec![i64::MAX])),
            ("is too large", tensor_with(|w| w.dims = vec![1 << 40])),
            ("element type 0 is not supported", tensor_with(|w| w.data_type = 0)),
            ("element type 8 is not supported", tensor_with(|w| w.data_type = 8)),
            ("stored in segments", tensor_with(|w| w.segment = Some(vec![]))),
            (
                "external data of tensor `w`: it has no `location`",
                tensor_with(|w| w.data_location = crate::proto::EXTERNAL),
            ),
        ]);
    }

    #[test]
    fn an_infinite_scalar_is_a_bound() {
        let bound = tensor_proto::encode("w", &Tensor::scalar(f64::INFINITY));
        graph_with(|graph| graph.initializer[0] = bound).unwrap();
        let nan = tensor_proto::encode("w", &Tensor::scalar(f64::NAN));
        assert!(graph_with(|graph| graph.initializer[0] = nan).unwrap_err().to_string().contains("tensor `w`"));
    }

    #[test]
    fn truncated_and_flipped_bytes_never_panic() {
        let bytes = sample().encode_to_vec();
        for end in 0..bytes.len() {
            let _ = Model::parse(&bytes[..end], &NoExternalData).map(|model| model.graph(2));
        }
        for index in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[index / 8] ^= 1 << (index % 8);
            let _ = Model::parse(&flipped, &NoExternalData).map(|model| model.graph(2));
        }
        let truncated = Model::parse(&bytes[..bytes.len() / 2], &NoExternalData).unwrap_err();
        assert!(truncated.to_string().starts_with("decode ONNX: "), "{truncated}");
        assert!(Model::parse(b"not a model at all", &NoExternalData).is_err());
        assert!(Model::parse(&[], &NoExternalData).is_err());
    }

    #[test]
    fn nodes_out_of_order_are_sorted() {
        let model = with_graph(|graph| graph.node.reverse());
        let names: Vec<String> = parse(&model).unwrap().nodes.into_iter().map(|node| node.name).collect();
        assert_eq!(names, ["add", "relu"]);
    }
}
