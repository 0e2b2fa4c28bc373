//! From a [`Model`] to a [`Graph`]: batch size bound, older operator forms upgraded, every shape inferred, constants
//! folded. Files with a fixed batch of 1 are re-batched on the way.

use crate::file_node::FileNode;
use crate::graph::elements;
use crate::model::{Dim, Model, Port};
use crate::ops::{self, Upgrade};
use crate::quantized;
use crate::{Attr, DType, Error, Graph, Tensor, ValueId, ValueType};
use std::collections::{HashMap, HashSet};

impl Model {
    /// The graph at a batch size: typed, upgraded to the newest operator forms, constants folded, and without what its
    /// outputs do not need. Values and nodes keep their names.
    ///
    /// The leading dimension of every input becomes `batch`, whether it is symbolic or fixed to 1; in the second case
    /// constant targets of Reshape and Resize that hold the batch of 1 follow.
    /// Errors: a node is not supported, an input has another fixed batch or a further symbolic dimension, or an output
    /// (or, for a fixed batch of 1, any value) does not follow the batch.
    pub fn graph(&self, batch: usize) -> Result<Graph, Error> {
        if let Some(error) = self.nodes.iter().find_map(refusal) {
            return Err(error);
        }
        let mut build = Build::new(self, batch)?;
        for node in &self.nodes {
            build.node(node).map_err(|error| self.without_rebatching(&build, error))?;
        }
        if build.rebatch && batch != 1 {
            check_rebatched(&build, &self.built(1)?)?;
        }
        let outputs = self.outputs().iter().map(|port| build.output(port)).collect::<Result<Vec<ValueId>, Error>>()?;
        build.graph.set_outputs(outputs);
        Ok(build.graph.pruned().0)
    }

    /// The graph at the smallest batch that it can be read at, and that batch: the fixed one, 1, or 2 where 1 does not
    /// work, as with a Squeeze that would take the batch away too.
    ///
    /// Errors: as [`Model::graph`], for a batch of 1 where the batch is open.
    pub fn smallest(&self) -> Result<(Graph, usize), Error> {
        let first = self.fixed_batch().unwrap_or(1);
        self.graph(first).map(|graph| (graph, first)).or_else(|error| match self.fixed_batch() {
            Some(_) => Err(error),
            None => self.graph(2).map(|graph| (graph, 2)).map_err(|_| error),
        })
    }

    /// Every node that keeps this model from being evaluated, not only the first: operators that are not in the table,
    /// and forms of known ones that are refused. Of nodes behind such a node only the operator is checked.
    pub fn unsupported(&self) -> Vec<Error> {
        let errors = self.unsupported_at(self.fixed_batch().unwrap_or(1));
        if errors.is_empty() || self.fixed_batch().is_some() {
            return errors;
        }
        let at_two = self.unsupported_at(2);
        if at_two.len() < errors.len() { at_two } else { errors }
    }

    fn unsupported_at(&self, batch: usize) -> Vec<Error> {
        let Ok(mut build) = Build::new(self, batch) else {
            return self.nodes.iter().filter_map(refusal).collect();
        };
        let mut errors = Vec::new();
        for node in &self.nodes {
            let known = node.inputs.iter().flatten().all(|input| build.values.contains_key(input.as_str()));
            let result = match refusal(node) {
                Some(error) => Err(error),
                None if known => build.node(node),
                None => Ok(()),
            };
            errors.extend(result.err());
        }
        errors
    }

    /// Says that it is the batch where a node only works at the batch of 1 that the file has.
    fn without_rebatching(&self, build: &Build<'_>, error: Error) -> Error {
        match error {
            Error::Node { node, op, reason } if build.rebatch && build.batch != 1 && self.built(1).is_ok() => {
                let remedy = "re-export with a symbolic batch";
                let reason = format!(
                    "the file has a fixed batch of 1 and cannot follow a batch of {}: {reason}; {remedy}",
                    build.batch
                );
                Error::Node { node, op, reason }
            }
            other => other,
        }
    }

    fn built(&self, batch: usize) -> Result<Build<'_>, Error> {
        let mut build = Build::new(self, batch)?;
        self.nodes.iter().try_for_each(|node| build.node(node))?;
        Ok(build)
    }

    /// The batch size that the file fixes, 1 included.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.inputs().iter().find_map(|input| match input.dims.first() {
            Some(Dim::Fixed(batch)) => Some(*batch),
            _ => None,
        })
    }
}

/// What shows before any shape is known.
fn refusal(node: &FileNode) -> Option<Error> {
    match &node.refusal {
        Some(reason) => Some(node.unsupported(reason)),
        None if node.op == "Constant" || ops::upgrade(&node.op).is_some() => None,
        None if quantized::find(&node.op).is_some() => None,
        None => Some(node.unsupported("it is not in the operator table")),
    }
}

/// A graph half built.
struct Build<'m> {
    model: &'m Model,
    graph: Graph,
    values: HashMap<&'m str, ValueId>,
    batch: usize,
    /// Whether an input's batch is fixed to 1 in the file.
    rebatch: bool,
}

impl<'m> Build<'m> {
    fn new(model: &'m Model, batch: usize) -> Result<Self, Error> {
        let rebatch = model.inputs().iter().any(|input| input.dims.first() == Some(&Dim::Fixed(1)));
        let mut build = Build { model, graph: Graph::new(&model.name), values: HashMap::new(), batch, rebatch };
        let computed = model.nodes.iter().flat_map(|node| node.outputs.iter().flatten());
        computed.for_each(|name| build.graph.reserve(name));
        for port in model.inputs() {
            let ty = bind(port, batch)?;
            let id = build.graph.input(&port.name, ty);
            build.values.insert(&port.name, id);
        }
        let used: HashSet<&str> =
            model.nodes.iter().flat_map(|node| &node.inputs).flatten().map(String::as_str).collect();
        for (name, tensor) in &model.initializers {
            if used.contains(name.as_str()) || model.outputs().iter().any(|output| output.name == *name) {
                let id = build.graph.shared_constant(name, tensor);
                build.values.insert(name, id);
            }
        }
        Ok(build)
    }

    fn node(&mut self, node: &'m FileNode) -> Result<(), Error> {
        let ids = if node.op == "Constant" { vec![self.constant(node)?] } else { self.apply(node)? };
        for (name, id) in node.outputs.iter().zip(ids) {
            if let Some(name) = name {
                self.graph.claim(id, name);
                self.values.insert(name, id);
            }
        }
        Ok(())
    }

    fn apply(&mut self, node: &FileNode) -> Result<Vec<ValueId>, Error> {
        let refuse = |reason| Error::Node { node: node.name.clone(), op: node.op.clone(), reason };
        let inputs: Vec<Option<ValueId>> =
            node.inputs.iter().map(|input| input.as_ref().map(|name| self.values[name.as_str()])).collect();
        if let Some(quantized) = quantized::find(&node.op) {
            return quantized.expand(node, self.model.opset(), &inputs, &mut self.graph);
        }
        let rewrite = ops::upgrade(&node.op).ok_or_else(|| node.unsupported("it is not in the operator table"))?;
        let mut upgrade = Upgrade {
            opset: self.model.opset(),
            op: node.op.clone(),
            attrs: node.attrs.clone(),
            inputs,
            outputs: node.outputs.len(),
            graph: &mut self.graph,
        };
        rewrite(&mut upgrade).map_err(refuse)?;
        let Upgrade { op, attrs, mut inputs, outputs, .. } = upgrade;
        let target = match op.as_str() {
            "Reshape" => 1,
            "Resize" => 3,
            _ => inputs.len(),
        };
        if self.rebatch && self.batch != 1 && target < inputs.len() {
            self.rebatch_target(&mut inputs, target);
        }
        self.graph.add_node(&node.name, &op, &inputs, attrs, outputs)
    }

    fn constant(&mut self, node: &FileNode) -> Result<ValueId, Error> {
        if node.outputs.len() != 1 {
            let found = node.outputs.len();
            return Err(node.unsupported(&format!("a constant has exactly one output, found {found}")));
        }
        let mut attrs = node.attrs.iter();
        let (Some((name, attr)), None) = (attrs.next(), attrs.next()) else {
            return Err(node.unsupported("a constant has exactly one attribute, its value"));
        };
        let floats = |values: &[f32]| values.iter().map(|&value| value.into()).collect();
        let tensor = match (name, attr) {
            ("value", Attr::Tensor(tensor)) => tensor.clone(),
            ("value_int", Attr::Int(value)) => Tensor::int(DType::I64, &[], vec![*value]),
            ("value_ints", Attr::Ints(values)) => Tensor::ints(values.iter().copied()),
            ("value_float", Attr::Float(value)) => Tensor::float(DType::F32, &[], floats(&[*value])),
            ("value_floats", Attr::Floats(values)) => Tensor::float(DType::F32, &[values.len()], floats(values)),
            _ => return Err(node.unsupported(&format!("its attribute `{name}` is not a tensor or a list of numbers"))),
        };
        Ok(self.graph.constant(&node.name, tensor))
    }

    /// Replaces a leading 1 of a target shape by the batch, where the input has the batch and the target does not.
    fn rebatch_target(&mut self, inputs: &mut [Option<ValueId>], target: usize) {
        let (Some(data), Some(shape)) = (inputs[0], inputs[target]) else { return };
        let (data, value) = (self.graph.value(data), self.graph.value(shape));
        let Some(Ok(dims)) = value.data().map(Tensor::integers) else { return };
        if data.data().is_some() || data.shape().first() != Some(&self.batch) || dims.first() != Some(&1) {
            return;
        }
        let rebatched = Tensor::ints(std::iter::once(self.batch as i64).chain(dims[1..].iter().copied()));
        let name = format!("{}_rebatched", value.name());
        inputs[target] = Some(self.graph.constant(&name, rebatched));
    }

    fn output(&self, port: &Port) -> Result<ValueId, Error> {
        let id = self.values[port.name.as_str()];
        let (shape, batch) = (self.graph.shape(id), self.batch);
        if shape.first() == Some(&batch) {
            return Ok(id);
        }
        Err(Error::Graph(format!(
            "read the graph at batch {batch}: output `{}` has shape {shape:?}, which does not start with the batch",
            port.name
        )))
    }
}

/// The type of an input at a batch size.
fn bind(port: &Port, batch: usize) -> Result<ValueType, Error> {
    let refuse =
        |reason: String| Error::Graph(format!("read the graph at batch {batch}: input `{}` {reason}", port.name));
    let Some((first, rest)) = port.dims.split_first() else {
        return Err(refuse("is a scalar: its first dimension must be the batch".to_owned()));
    };
    if let Dim::Fixed(fixed) = first
        && ![1, batch].contains(fixed)
    {
        return Err(refuse(format!("has the fixed batch {fixed}: re-export with a symbolic batch, or with 1")));
    }
    let mut shape = vec![batch];
    for (axis, dim) in rest.iter().enumerate() {
        match dim {
            Dim::Fixed(0) => return Err(refuse(format!("has no elements: dimension {} is 0", axis + 1))),
            Dim::Fixed(dim) => shape.push(*dim),
            Dim::Symbolic(name) => {
                let axis = axis + 1;
                let reason = format!("has the symbolic dimension {axis} `{name}`: re-export with a number there");
                return Err(refuse(format!("{reason}; only the first, the batch, may be open")));
            }
        }
    }
    let ty = ValueType::new(port.dtype, shape);
    elements(&ty.shape).map_err(|_| refuse(format!("is too large: {:?}", ty.shape)))?;
    if batch == 0 { Err(refuse("needs a batch of at least 1".to_owned())) } else { Ok(ty) }
}

/// Every value of a re-batched graph must have the shape that it had at batch 1 but for the leading dimension.
///
/// Shapes alone do not show that rows stay apart: `[8, 8, 3] - [8, 3]` broadcasts rows over another axis. Whoever runs
/// the graph at another batch has to compare values too.
fn check_rebatched(build: &Build<'_>, single: &Build<'_>) -> Result<(), Error> {
    let names = build.model.nodes.iter().flat_map(|node| node.outputs.iter().flatten().map(move |name| (node, name)));
    for (node, name) in names {
        let (id, one) = (build.values[name.as_str()], single.values[name.as_str()]);
        let (value, one) = (build.graph.value(id), single.graph.shape(one));
        let follows = value
            .shape()
            .split_first()
            .zip(one.split_first())
            .is_some_and(|((lead, rest), (one, same))| (*lead, *one) == (build.batch, 1) && rest == same);
        if value.data().is_none() && !follows {
            return Err(Error::Node {
                node: node.name.clone(),
                op: node.op.clone(),
                reason: format!(
                    "the file has a fixed batch of 1 and `{name}` cannot follow a batch of {}: its shape {one:?} becomes {:?}; \
                     re-export with a symbolic batch",
                    build.batch,
                    value.shape()
                ),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AttributeProto, GraphProto, NodeProto, attribute_type};
    use crate::sample_file::{
        check_errors, graph, int_attribute, node, parse, sample, tensor_attribute, value, with_graph,
    };
    use crate::{Interpreter, tensor_proto};

    fn graph_with(batch: usize, change: impl FnOnce(&mut GraphProto)) -> Result<Graph, Error> {
        graph(&with_graph(change), batch)
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.values().iter().map(|value| value.name()).collect()
    }

    fn constant(name: &str, attribute: AttributeProto) -> NodeProto {
        NodeProto { attribute: vec![attribute], ..node(name, "Constant", &[], &["w"]) }
    }

    /// The sample with a fixed batch of 1, whose last node is a Reshape to `target`.
    fn reshaped(batch: usize, target: &[i64]) -> Result<Graph, Error> {
        graph_with(batch, |graph| {
            graph.input[0] = value("x", &[Some(1), Some(2)]);
            graph.node[1] = node("reshape", "Reshape", &["sum", "target"], &["y"]);
            graph.initializer.push(tensor_proto::encode("target", &Tensor::ints(target.iter().copied())));
        })
    }

    #[test]
    fn names_and_shapes_are_those_of_the_file() {
        let graph = graph(&sample(), 3).unwrap();
        assert_eq!(names(&graph), ["x", "w", "sum", "y"]);
        assert_eq!(graph.nodes().iter().map(|node| node.name()).collect::<Vec<_>>(), ["add", "relu"]);
        assert_eq!(graph.shape(graph.outputs()[0]), [3, 2]);
        let y = Interpreter.run(&graph, &[Tensor::f32(&[3, 2], [0.0, 1.0, 2.0, 0.25, -1.0, 0.5])]).unwrap();
        assert_eq!(y, [Tensor::f32(&[3, 2], [0.5, 0.5, 2.5, 0.0, 0.0, 0.0])]);
    }

    #[test]
    fn nodes_without_a_name_get_one() {
        let graph = graph_with(1, |graph| graph.node[1].name.clear()).unwrap();
        assert_eq!(graph.nodes()[1].name(), "Relu_1");
    }

    #[test]
    fn names_of_the_file_win_over_ours() {
        let graph = graph_with(1, |graph| {
            graph.node[0].output[0] = "relu_0".to_owned();
            graph.node[1] = node("relu", "Relu", &["relu_0"], &["y"]);
        });
        assert_eq!(names(&graph.unwrap()), ["x", "w", "relu_0", "y"]);
    }

    #[test]
    fn what_no_output_needs_is_left_out() {
        let graph = graph_with(1, |graph| {
            graph.node.push(node("dead", "Relu", &["sum"], &["dead"]));
            graph.initializer.push(tensor_proto::encode("unused", &Tensor::scalar(1.0)));
        });
        assert_eq!(names(&graph.unwrap()), ["x", "w", "sum", "y"]);
    }

    #[test]
    fn constants_fold_under_their_names() {
        let graph = graph_with(2, |graph| {
            graph.node.insert(0, node("positive", "Relu", &["w"], &["w_positive"]));
            graph.node[1].input[1] = "w_positive".to_owned();
        })
        .unwrap();
        let folded = graph.value(graph.find("w_positive").unwrap());
        assert_eq!(folded.data(), Some(&Tensor::f32(&[2], [0.5, 0.0])));
        assert_eq!(names(&graph), ["x", "w_positive", "sum", "y"]);
    }

    #[test]
    fn shape_chains_of_exporters_fold_away() {
        let model = with_graph(|graph| {
            let ints = |name: &str, shape: &[usize], values: Vec<i64>| {
                tensor_proto::encode(name, &Tensor::int(DType::I64, shape, values))
            };
            graph.initializer.extend([ints("first", &[], vec![0]), ints("rest", &[1], vec![-1])]);
            let axes = AttributeProto {
                name: "axes".to_owned(),
                ints: vec![0],
                r#type: attribute_type::INTS,
                ..Default::default()
            };
            let concat = node("concat", "Concat", &["rows_1", "rest"], &["target"]);
            graph.node.extend([
                node("shape", "Shape", &["sum"], &["dims"]),
                node("gather", "Gather", &["dims", "first"], &["rows"]),
                NodeProto { attribute: vec![axes], ..node("unsqueeze", "Unsqueeze", &["rows"], &["rows_1"]) },
                NodeProto { attribute: vec![int_attribute("axis", 0)], ..concat },
                node("reshape", "Reshape", &["sum", "target"], &["flat"]),
            ]);
            graph.node[1].input[0] = "flat".to_owned();
        });
        let old = crate::proto::ModelProto {
            opset_import: vec![crate::proto::OperatorSetIdProto { domain: String::new(), version: 11 }],
            ..model
        };
        let graph = graph(&old, 5).unwrap();
        assert_eq!(graph.nodes().iter().map(|node| node.name()).collect::<Vec<_>>(), ["add", "reshape", "relu"]);
        let target = graph.value(graph.find("target").unwrap());
        assert_eq!(target.data(), Some(&Tensor::ints([5, -1])));
    }

    #[test]
    fn every_form_of_a_constant_is_read() {
        let attribute = |name: &str, r#type| AttributeProto { name: name.to_owned(), r#type, ..Default::default() };
        let one = AttributeProto { f: Some(0.5), ..attribute("value_float", attribute_type::FLOAT) };
        let many = AttributeProto { floats: vec![0.5, 1.0], ..attribute("value_floats", attribute_type::FLOATS) };
        let tensor = tensor_attribute("value", tensor_proto::encode("", &Tensor::f32(&[1, 2], [0.5, 1.0])));
        for (attribute, expected) in [
            (one, Tensor::scalar(0.5)),
            (many, Tensor::f32(&[2], [0.5, 1.0])),
            (tensor, Tensor::f32(&[1, 2], [0.5, 1.0])),
        ] {
            let graph = graph_with(1, |graph| {
                graph.initializer.clear();
                graph.node.push(constant("c", attribute));
            })
            .unwrap();
            assert_eq!(graph.value(graph.find("w").unwrap()).data(), Some(&expected));
        }
        let ints = AttributeProto { ints: vec![1, 2], ..attribute("value_ints", attribute_type::INTS) };
        for (attribute, expected) in
            [(int_attribute("value_int", 2), Tensor::scalar(2.0)), (ints, Tensor::f32(&[2], [1.0, 2.0]))]
        {
            let graph = graph_with(1, |graph| {
                graph.initializer.clear();
                let float = int_attribute("to", DType::F32.onnx().into());
                let cast = NodeProto { attribute: vec![float], ..node("cast", "Cast", &["w"], &["w_float"]) };
                graph.node[0].input[1] = "w_float".to_owned();
                graph.node.extend([constant("c", attribute), cast]);
            })
            .unwrap();
            assert_eq!(graph.value(graph.find("w_float").unwrap()).data(), Some(&expected));
        }
    }

    #[test]
    fn symbolic_and_odd_inputs_are_refused_with_the_remedy() {
        let x = |dims: &'static [Option<i64>]| move |graph: &mut GraphProto| graph.input[0] = value("x", dims);
        let result = |batch, change: &dyn Fn(&mut GraphProto)| graph_with(batch, |graph| change(graph)).map(|_| ());
        check_errors(vec![
            ("input `x` has the symbolic dimension 1 `N`: re-export with a number there", result(2, &x(&[None, None]))),
            ("input `x` has the fixed batch 3: re-export", result(2, &x(&[Some(3), Some(2)]))),
            ("input `x` has the fixed batch 0", result(2, &x(&[Some(0), Some(2)]))),
            ("input `x` has no elements: dimension 1 is 0", result(2, &x(&[None, Some(0)]))),
            ("input `x` is a scalar", result(2, &x(&[]))),
            ("input `x` is too large", result(2, &x(&[None, Some(1 << 40)]))),
            ("input `x` is too large", result(2, &x(&[None, Some(1 << 62), Some(1 << 62)]))),
            ("needs a batch of at least 1", result(0, &x(&[None, Some(2)]))),
            ("output `w` has shape [2], which does not start with the batch", {
                result(3, &|graph| graph.output[0].name = "w".to_owned())
            }),
        ]);
        assert!(graph_with(3, |graph| graph.input[0] = value("x", &[Some(3), Some(2)])).is_ok());
    }

    #[test]
    fn sizes_of_a_resize_follow_the_batch() {
        let graph = graph_with(3, |graph| {
            graph.input = vec![value("x", &[Some(1), Some(2), Some(2)])];
            graph.output = vec![value("y", &[Some(1), Some(2), Some(4)])];
            graph.node = vec![node("resize", "Resize", &["x", "", "", "sizes"], &["y"])];
            graph.initializer = vec![tensor_proto::encode("sizes", &Tensor::ints([1, 2, 4]))];
        });
        let graph = graph.unwrap();
        assert_eq!(graph.shape(graph.outputs()[0]), [3, 2, 4]);
    }

    #[test]
    fn a_fixed_batch_of_one_is_rebatched() {
        for target in [&[1, 2][..], &[1, -1], &[-1, 2], &[0, 2]] {
            assert_eq!(
                reshaped(4, target).unwrap().shape(reshaped(4, target).unwrap().outputs()[0]),
                [4, 2],
                "{target:?}"
            );
        }
        let rows = reshaped(2, &[1, 1, 2]).unwrap();
        assert_eq!(rows.shape(rows.outputs()[0]), [2, 1, 2]);
    }

    #[test]
    fn rows_that_would_mix_are_refused() {
        for target in [&[-1][..], &[2], &[2, -1], &[2, 1]] {
            let error = reshaped(2, target).unwrap_err();
            assert!(error.to_string().contains("reshape"), "{target:?}: {error}");
        }
        let error = reshaped(2, &[-1]).unwrap_err().to_string();
        assert!(error.contains("fixed batch of 1 and `y` cannot follow a batch of 2"), "{error}");
        assert!(reshaped(1, &[1, 2]).is_ok());
        let one_token = |batch| {
            graph_with(batch, |graph| {
                graph.input[0] = value("x", &[Some(1), Some(2)]);
                let concat = NodeProto {
                    attribute: vec![int_attribute("axis", 1)],
                    ..node("join", "Concat", &["sum", "token"], &["y"])
                };
                graph.node[1] = concat;
                graph.initializer.push(tensor_proto::encode("token", &Tensor::f32(&[1, 2], [0.5, 1.0])));
            })
        };
        assert!(one_token(1).is_ok());
        let error = one_token(2).unwrap_err().to_string();
        assert!(error.contains("fixed batch of 1 and cannot follow a batch of 2: input 1 has shape"), "{error}");
    }

    #[test]
    fn all_unsupported_nodes_are_listed() {
        let model = with_graph(|graph| {
            graph.node.push(node("odd", "NonMaxSuppression", &["y"], &["a"]));
            graph.node.push(NodeProto { domain: "com.microsoft".to_owned(), ..node("ms", "Gelu", &["a"], &["b"]) });
            graph
                .node
                .push(NodeProto { attribute: vec![int_attribute("odd", 1)], ..node("known", "Relu", &["y"], &["c"]) });
            graph.node.push(node("behind", "Relu", &["b"], &["d"]));
        });
        let model = parse(&model).unwrap();
        let found: Vec<String> = model.unsupported().iter().map(Error::to_string).collect();
        assert_eq!(
            found,
            [
                "node `odd`: operator `NonMaxSuppression` is not supported: it is not in the operator table",
                "node `ms`: operator `com.microsoft.Gelu` is not supported: only operators of the standard domain are, not of `com.microsoft`",
                "node `known`: operator `Relu` is not supported: attribute `odd` is not known",
            ]
        );
        assert_eq!(model.graph(1).unwrap_err().to_string(), found[0]);
        assert_eq!(model.ops()["com.microsoft.Gelu"], 1);
        assert!(parse(&sample()).unwrap().unsupported().is_empty());
    }

    #[test]
    fn a_constant_with_two_outputs_is_refused() {
        let two = graph_with(1, |graph| {
            let one = tensor_attribute("value", tensor_proto::encode("", &Tensor::scalar(1.0)));
            let outputs = ["c", "d"].map(str::to_owned).to_vec();
            graph.node.push(NodeProto { output: outputs, ..constant("two", one) });
            graph.node.push(node("reader", "Relu", &["d"], &["e"]));
        });
        check_errors(vec![("node `two`: operator `Constant` is not supported: a constant has exactly one output", {
            two.map(|_| ())
        })]);
    }

    #[test]
    fn a_squeeze_that_takes_a_batch_of_one_away_is_read_at_two() {
        let model = with_graph(|graph| {
            graph.node[1] = node("squeeze", "Squeeze", &["wide"], &["narrow"]);
            graph.node.push(node("unsqueeze", "Unsqueeze", &["sum", "axes"], &["wide"]));
            graph.node.push(node("concat", "MatMul", &["narrow", "square"], &["y"]));
            graph.initializer.push(tensor_proto::encode("axes", &Tensor::ints([2, 3])));
            graph.initializer.push(tensor_proto::encode("square", &Tensor::f32(&[2, 2], [0.0, 1.0, 2.0, 3.0])));
        });
        let model = parse(&model).unwrap();
        assert!(model.graph(1).is_err());
        let (graph, batch) = model.smallest().unwrap();
        assert_eq!((batch, graph.shape(graph.outputs()[0])), (2, &[2, 2][..]));
        assert!(model.unsupported().is_empty(), "{:?}", model.unsupported());
    }

    #[test]
    fn local_functions_are_not_supported() {
        let mut model = with_graph(|graph| graph.node[1].domain = "local".to_owned());
        let name = "Relu".to_owned();
        model.functions.push(crate::proto::FunctionProto { name, domain: "local".to_owned() });
        let error = graph(&model, 1).unwrap_err().to_string();
        assert_eq!(error, "node `relu`: operator `local.Relu` is not supported: it is a model-local function");
    }

    #[test]
    fn unsupported_nodes_show_behind_inputs_that_cannot_be_bound() {
        let model = with_graph(|graph| {
            graph.input[0] = value("x", &[None, None]);
            graph.node[1].op_type = "Loop".to_owned();
        });
        assert_eq!(parse(&model).unwrap().unsupported().len(), 1);
    }
}
