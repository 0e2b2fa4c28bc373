use crate::ops::{self, Arg, Call, Op};
use crate::{Attrs, DType, Error, Tensor};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// No value has more elements, 1 GiB of float32: far beyond a tiny network, and products of dimensions cannot overflow.
const LARGEST_VALUE: usize = 1 << 28;
/// No constant that folding makes has more elements, so that a small file cannot ask for all memory.
const LARGEST_FOLDED: usize = 1 << 26;
/// Folding does no more work in a graph, in multiply-accumulates and elements written.
const MOST_FOLDING: u64 = 1 << 34;

/// Names one value of one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(u32);

impl ValueId {
    /// Its position in [`Graph::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Element type and dimensions. Every dimension is known: the batch size is chosen when a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueType {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Vec<usize>,
}

impl ValueType {
    /// A type.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A graph input, a constant, or the output of a node.
#[derive(Debug, Clone)]
pub struct Value {
    name: String,
    ty: ValueType,
    data: Option<Arc<Tensor>>,
    mask: bool,
}

impl Value {
    /// Its name, unique in the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its element type and dimensions.
    pub fn ty(&self) -> &ValueType {
        &self.ty
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }

    /// Its elements where it is a constant.
    pub fn data(&self) -> Option<&Tensor> {
        self.data.as_deref()
    }

    /// Its elements where it is a constant, to share them.
    pub(crate) fn shared_data(&self) -> Option<&Arc<Tensor>> {
        self.data.as_ref()
    }

    /// Whether it is an indicator mask: piecewise constant, so that no gradient passes it.
    pub fn is_mask(&self) -> bool {
        self.mask
    }
}

/// One application of an operator.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    op: &'static Op,
    attrs: Attrs,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<ValueId>,
}

impl Node {
    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its operator.
    pub fn op(&self) -> &'static Op {
        self.op
    }

    /// Its attributes.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// Its inputs; an optional one that is absent is `None`.
    pub fn inputs(&self) -> &[Option<ValueId>] {
        &self.inputs
    }

    /// Its outputs.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// Runs the operator's reference kernel.
    ///
    /// Errors: the kernel refuses its inputs.
    pub fn evaluate(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, Error> {
        let types: Vec<Option<ValueType>> =
            inputs.iter().map(|tensor| tensor.map(|tensor| ValueType::new(tensor.dtype(), tensor.shape()))).collect();
        let args: Vec<Option<Arg<'_>>> =
            types.iter().zip(inputs).map(|(ty, data)| ty.as_ref().map(|ty| Arg { ty, data: *data })).collect();
        let call = Call { attrs: &self.attrs, inputs: &args, outputs: self.outputs.len() };
        (self.op.eval)(&call).map_err(|reason| self.error(reason))
    }

    fn error(&self, reason: String) -> Error {
        Error::Node { node: self.name.clone(), op: self.op.name.to_owned(), reason }
    }
}

/// A typed, validated graph: nodes in topological order, every shape known, every operator in the table.
///
/// It can only be built through [`Graph::add`] and its kin, which infer and check; so a `Graph` that exists is valid.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    name: String,
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    names: HashSet<String>,
    /// The work that folding has done so far.
    folding: u64,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it another name.
    pub fn set_name(&mut self, name: &str) {
        self.name = name.to_owned();
    }

    /// All values, indexed by [`ValueId::index`].
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The names of all values, in the order of [`Graph::values`].
    pub fn ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.values.len() as u32).map(ValueId)
    }

    /// One value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The dimensions of a value.
    pub fn shape(&self, id: ValueId) -> &[usize] {
        self.value(id).shape()
    }

    /// The nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The inputs in the order of the file.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The outputs in the order of the file.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The value with this name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|value| value.name == name).map(|index| ValueId(index as u32))
    }

    /// The node that computes a value; `None` for inputs and constants.
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.outputs.contains(&id))
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, ty: ValueType) -> ValueId {
        let id = self.push(name, ty, None);
        self.inputs.push(id);
        id
    }

    /// Adds a constant. `name` is made unique.
    pub fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let ty = ValueType::new(tensor.dtype(), tensor.shape());
        self.push(name, ty, Some(Arc::new(tensor)))
    }

    /// Adds a constant whose elements another graph or a model holds too. `name` is made unique.
    pub(crate) fn shared_constant(&mut self, name: &str, tensor: &Arc<Tensor>) -> ValueId {
        let ty = ValueType::new(tensor.dtype(), tensor.shape());
        self.push(name, ty, Some(Arc::clone(tensor)))
    }

    /// Gives a constant other elements. Panics: it is none of this type.
    pub(crate) fn replace_constant(&mut self, id: ValueId, tensor: Arc<Tensor>) {
        let value = &mut self.values[id.index()];
        assert!(value.data.is_some() && (value.ty.dtype, &value.ty.shape[..]) == (tensor.dtype(), tensor.shape()));
        value.data = Some(tensor);
    }

    /// Adds a float scalar constant of type `dtype`.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> ValueId {
        self.constant("scalar", Tensor::float(dtype, &[], vec![value]).rounded())
    }

    /// Casts a value, unless it has the type.
    ///
    /// Errors: none for a valid graph.
    pub(crate) fn cast(&mut self, x: ValueId, to: DType) -> Result<ValueId, Error> {
        if self.value(x).dtype() == to {
            return Ok(x);
        }
        self.add("Cast", &[x], Attrs::new().int("to", to.onnx().into()))
    }

    /// Replaces the list of outputs.
    pub fn set_outputs(&mut self, outputs: Vec<ValueId>) {
        self.outputs = outputs;
    }

    /// Declares a value to be an indicator mask: piecewise constant, so that no gradient passes it.
    pub fn mark_mask(&mut self, id: ValueId) {
        self.values[id.index()].mask = true;
    }

    /// Renames a value, for files that others read. `name` is made unique.
    pub fn rename(&mut self, id: ValueId, name: &str) {
        let old = std::mem::take(&mut self.values[id.index()].name);
        self.names.remove(&old);
        let name = self.unique(name);
        self.values[id.index()].name = name;
    }

    /// Keeps a name for a value that comes later, through [`Graph::claim`].
    pub(crate) fn reserve(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    /// Gives a value a name that was kept for it.
    pub(crate) fn claim(&mut self, id: ValueId, name: &str) {
        let old = std::mem::replace(&mut self.values[id.index()].name, name.to_owned());
        self.names.remove(&old);
    }

    /// Adds a node with one output and returns it.
    ///
    /// Errors: as [`Graph::add_node`].
    pub fn add(&mut self, op: &str, inputs: &[ValueId], attrs: Attrs) -> Result<ValueId, Error> {
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        Ok(self.add_node("", op, &inputs, attrs, 1)?[0])
    }

    /// Adds a node, infers the types of its outputs and returns them.
    ///
    /// Where all inputs are constants the node is evaluated instead, by the reference kernel in f64, and the results
    /// are constants rounded to their type: this is how Shape, Gather, Concat and Reshape chains fold away.
    ///
    /// Errors: the operator is not in the table, has attributes that it does not know, or refuses its inputs.
    pub fn add_node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[Option<ValueId>],
        attrs: Attrs,
        outputs: usize,
    ) -> Result<Vec<ValueId>, Error> {
        let name = if name.is_empty() { format!("{op}_{}", self.nodes.len()) } else { name.to_owned() };
        let def = ops::find(op).ok_or_else(|| Error::Unsupported {
            node: name.clone(),
            op: op.to_owned(),
            reason: "it is not in the operator table".to_owned(),
        })?;
        if let Some((unknown, _)) = attrs.iter().find(|(attr, _)| !def.attrs.contains(attr)) {
            return Err(Error::Unsupported {
                node: name,
                op: op.to_owned(),
                reason: format!("attribute `{unknown}` is not known"),
            });
        }
        let mut node = Node { name, op: def, attrs, inputs: inputs.to_vec(), outputs: Vec::new() };
        let types = self.infer(&node, outputs).map_err(|reason| node.error(reason))?;
        let data = inputs.iter().map(|id| id.map(|id| self.value(id).data()));
        let constants: Option<Vec<Option<&Tensor>>> =
            data.map(|data| data.map_or(Some(None), |data| data.map(Some))).collect();
        let shape_only = matches!(def.name, "EyeLike" | "Shape" | "Size");
        if let Some(constants) = constants
            && !shape_only
        {
            let folding = self.folding_with(&node, &types).map_err(|reason| node.error(reason))?;
            node.outputs = vec![ValueId(u32::MAX); outputs];
            let folded = node.evaluate(&constants)?;
            self.folding = folding;
            let name = node.name;
            return Ok(folded.into_iter().map(|tensor| self.constant(&name, tensor.rounded())).collect());
        }
        if shape_only {
            let input = inputs.first().copied().flatten().expect("inference has checked the input");
            let node_args = [Some(Arg { ty: self.value(input).ty(), data: None })];
            let call = Call { attrs: &node.attrs, inputs: &node_args, outputs };
            let folded = (def.eval)(&call).map_err(|reason| node.error(reason))?;
            return Ok(folded.into_iter().map(|tensor| self.constant(&node.name, tensor)).collect());
        }
        let ids: Vec<ValueId> =
            types.into_iter().enumerate().map(|(i, ty)| self.push(&format!("{}_{i}", node.name), ty, None)).collect();
        node.outputs = ids.clone();
        self.nodes.push(node);
        Ok(ids)
    }

    /// The work of folding once this node is folded too.
    fn folding_with(&self, node: &Node, types: &[ValueType]) -> Result<u64, String> {
        if let Some(ty) = types.iter().find(|ty| ty.len() > LARGEST_FOLDED) {
            return Err(format!("its constant result of shape {:?} is too large", ty.shape));
        }
        let written: usize = types.iter().map(ValueType::len).sum();
        let folding = self.folding.saturating_add(self.node_macs(node)).saturating_add(written as u64);
        if folding > MOST_FOLDING {
            let reason = "its inputs are constants, and to compute all such nodes would take too long";
            return Err(format!("{reason}: export the file with constants folded"));
        }
        Ok(folding)
    }

    fn infer(&self, node: &Node, outputs: usize) -> Result<Vec<ValueType>, String> {
        let args = self.args(node);
        let types = (node.op.infer)(&Call { attrs: &node.attrs, inputs: &args, outputs })?;
        if types.len() < outputs {
            return Err(format!("has {outputs} outputs, at most {} are supported", types.len()));
        }
        types.iter().take(outputs).try_for_each(|ty| elements(&ty.shape).map(drop))?;
        Ok(types.into_iter().take(outputs).collect())
    }

    /// The inputs of a node, as shape rules and kernels see them.
    pub(crate) fn args(&self, node: &Node) -> Vec<Option<Arg<'_>>> {
        node.inputs
            .iter()
            .map(|id| {
                id.map(|id| {
                    let value = self.value(id);
                    Arg { ty: value.ty(), data: value.data() }
                })
            })
            .collect()
    }

    /// Multiply-accumulates of one node by the rule of its operator.
    pub fn node_macs(&self, node: &Node) -> u64 {
        let args = self.args(node);
        (node.op.macs)(&Call { attrs: &node.attrs, inputs: &args, outputs: node.outputs.len() })
    }

    /// Multiply-accumulates of the whole graph: convolutions and dense layers, no bias, no pooling.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|node| self.node_macs(node)).sum()
    }

    /// The same graph with only what its outputs need. Inputs stay.
    ///
    /// Returns the graph and, by old [`ValueId::index`], where each value went.
    pub fn pruned(&self) -> (Graph, Vec<Option<ValueId>>) {
        let mut live: HashSet<ValueId> = self.outputs.iter().copied().collect();
        let mut keep = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().any(|id| live.contains(id)) {
                keep[index] = true;
                live.extend(node.inputs.iter().flatten());
                live.extend(&node.outputs);
            }
        }
        live.extend(&self.inputs);
        let mut map = vec![None; self.values.len()];
        let mut pruned = Graph::new(&self.name);
        for (index, value) in self.values.iter().enumerate() {
            if live.contains(&ValueId(index as u32)) {
                map[index] = Some(ValueId(pruned.values.len() as u32));
                pruned.names.insert(value.name.clone());
                pruned.values.push(value.clone());
            }
        }
        let to = |id: &ValueId| map[id.index()].expect("a live value was kept");
        pruned.inputs = self.inputs.iter().map(to).collect();
        pruned.outputs = self.outputs.iter().map(to).collect();
        for (node, _) in self.nodes.iter().zip(&keep).filter(|(_, keep)| **keep) {
            let mut node = node.clone();
            node.inputs = node.inputs.iter().map(|id| id.as_ref().map(to)).collect();
            node.outputs = node.outputs.iter().map(to).collect();
            pruned.nodes.push(node);
        }
        (pruned, map)
    }

    /// Copies every node of `other` into this graph, feeding its inputs from `inputs`, and returns where its values went.
    ///
    /// Errors: the inputs differ in type or shape from what `other` wants, so that inference refuses a node.
    pub fn append(&mut self, other: &Graph, inputs: &[ValueId]) -> Result<HashMap<ValueId, ValueId>, Error> {
        let mut map: HashMap<ValueId, ValueId> = other.inputs.iter().copied().zip(inputs.iter().copied()).collect();
        for (index, value) in other.values.iter().enumerate() {
            if let Some(data) = &value.data {
                let id = self.push(&value.name, value.ty.clone(), Some(Arc::clone(data)));
                map.insert(ValueId(index as u32), id);
            }
        }
        for node in &other.nodes {
            let inputs: Vec<Option<ValueId>> = node.inputs.iter().map(|id| id.map(|id| map[&id])).collect();
            let ids = self.add_node(&node.name, node.op.name, &inputs, node.attrs.clone(), node.outputs.len())?;
            for (old, new) in node.outputs.iter().zip(ids) {
                if other.value(*old).mask {
                    self.mark_mask(new);
                }
                if self.value(new).data.is_none() {
                    self.rename(new, &other.value(*old).name);
                }
                map.insert(*old, new);
            }
        }
        Ok(map)
    }

    fn push(&mut self, name: &str, ty: ValueType, data: Option<Arc<Tensor>>) -> ValueId {
        let name = self.unique(name);
        let id = ValueId(u32::try_from(self.values.len()).expect("a graph holds fewer than 2^32 values"));
        self.values.push(Value { name, ty, data, mask: false });
        id
    }

    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut count = 1;
        while !self.names.insert(candidate.clone()) {
            candidate = format!("{name}.{count}");
            count += 1;
        }
        candidate
    }
}

/// The number of elements of a shape.
///
/// Errors: they are more than a value may have.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, String> {
    let count = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    // A dimension can be huge where another is 0.
    let bounded = shape.iter().all(|&dim| dim <= LARGEST_VALUE);
    let count = count.filter(|&count| bounded && count <= LARGEST_VALUE);
    count.ok_or_else(|| format!("a value of shape {shape:?} is too large: more than {LARGEST_VALUE} elements"))
}
