use crate::{Attrs, Graph, Tensor, ValueId};

/// A node as the file has it, on its way to the internal operator set.
pub struct Upgrade<'a> {
    /// The operator set that the file declares.
    pub opset: i64,
    /// The operator; an upgrade may replace it.
    pub op: String,
    /// The attributes; an upgrade may move them to inputs.
    pub attrs: Attrs,
    /// The inputs.
    pub inputs: Vec<Option<ValueId>>,
    /// How many outputs the file names; an upgrade may ask for more.
    pub outputs: usize,
    /// The graph so far, for constants and helper nodes.
    pub graph: &'a mut Graph,
}

impl Upgrade<'_> {
    /// Turns a list-of-integers attribute into the constant input `index`, where the attribute is there.
    ///
    /// Errors: the attribute has another type.
    pub fn ints_to_input(&mut self, attr: &str, index: usize) -> Result<(), String> {
        if let Some(values) = self.attrs.get_ints(attr)? {
            let tensor = Tensor::ints(values.iter().copied());
            self.attrs.remove(attr);
            self.set_input(index, tensor, attr);
        }
        Ok(())
    }

    /// An input.
    ///
    /// Errors: it is absent.
    pub fn input(&self, index: usize) -> Result<ValueId, String> {
        self.inputs.get(index).copied().flatten().ok_or_else(|| format!("input {index} is missing"))
    }

    /// Requires these inputs and no other attributes than these, and takes the attributes.
    ///
    /// Errors: there are others.
    pub fn take(&mut self, inputs: usize, attrs: &[&str]) -> Result<Attrs, String> {
        if self.inputs.len() != inputs {
            return Err(format!("takes {inputs} inputs, found {}", self.inputs.len()));
        }
        if let Some((unknown, _)) = self.attrs.iter().find(|(name, _)| !attrs.contains(name)) {
            return Err(format!("attribute `{unknown}` is not known"));
        }
        Ok(std::mem::take(&mut self.attrs))
    }

    /// Adds a helper node.
    ///
    /// Errors: inference refuses it.
    pub fn node(&mut self, op: &str, inputs: &[ValueId], attrs: Attrs) -> Result<ValueId, String> {
        self.graph.add(op, inputs, attrs).map_err(|error| error.to_string())
    }

    /// Replaces the node by another without attributes.
    pub fn become_node(&mut self, op: &str, inputs: &[ValueId]) {
        self.op = op.to_owned();
        self.inputs = inputs.iter().copied().map(Some).collect();
    }

    /// Puts a constant at input `index`, padding with absent inputs.
    pub fn set_input(&mut self, index: usize, tensor: Tensor, name: &str) {
        if self.inputs.len() <= index {
            self.inputs.resize(index + 1, None);
        }
        self.inputs[index] = Some(self.graph.constant(name, tensor));
    }
}
