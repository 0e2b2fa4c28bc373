use super::Call;
use crate::{Attrs, Error, Graph, Node, ValueId};

/// What a gradient rule works with: the graph that it extends, the forward node and the cotangents of its outputs.
pub struct Backward<'a> {
    /// The graph that the rule adds nodes to.
    pub graph: &'a mut Graph,
    /// The forward node.
    pub node: Node,
    /// For each output, the cotangent, where one arrived. Same shape as the output, float.
    pub cotangents: Vec<Option<ValueId>>,
    /// For each input, whether its cotangent is wanted. A rule may return `None` for the others.
    pub wants: Vec<bool>,
}

impl Backward<'_> {
    /// A forward input. Panics when it is absent: shape inference has checked it.
    pub fn input(&self, index: usize) -> ValueId {
        self.node.inputs()[index].expect("shape inference has checked the inputs")
    }

    /// A forward output.
    pub fn output(&self, index: usize) -> ValueId {
        self.node.outputs()[index]
    }

    /// Asks something of the forward call: its attributes, types and constant inputs.
    ///
    /// Errors: the answer is a refusal, which says why there is no gradient.
    pub fn ask<T>(&self, question: impl FnOnce(&Call<'_>) -> Result<T, String>) -> Result<T, Error> {
        let args = self.graph.args(&self.node);
        let call = Call { attrs: self.node.attrs(), inputs: &args, outputs: self.node.outputs().len() };
        question(&call).map_err(|reason| self.refuse(&reason))
    }

    /// The dimensions of a forward input.
    pub fn shape(&self, index: usize) -> Vec<usize> {
        self.graph.shape(self.input(index)).to_vec()
    }

    /// The cotangent of the first output. Panics when none arrived: reverse mode only calls rules that have one.
    pub fn cotangent(&self) -> ValueId {
        self.cotangents[0].expect("reverse mode calls a rule only with a cotangent")
    }

    /// Adds a node without attributes.
    ///
    /// Errors: inference refuses it.
    pub fn emit(&mut self, op: &str, inputs: &[ValueId]) -> Result<ValueId, Error> {
        self.graph.add(op, inputs, Attrs::new())
    }

    /// Adds a float scalar constant of the cotangent's type.
    pub fn scalar(&mut self, value: f64) -> ValueId {
        let dtype = self.graph.value(self.cotangent()).dtype();
        self.graph.scalar(dtype, value)
    }

    /// Turns a boolean into a 0/1 mask of the cotangent's type, marked as a constant for second derivatives.
    ///
    /// Errors: inference refuses the cast.
    pub fn mask(&mut self, condition: ValueId) -> Result<ValueId, Error> {
        let dtype = self.graph.value(self.cotangent()).dtype();
        let mask = self.graph.add("Cast", &[condition], Attrs::new().int("to", dtype.onnx().into()))?;
        self.graph.mark_mask(mask);
        Ok(mask)
    }

    /// An error that says why this form of the operator has no gradient.
    pub fn refuse(&self, reason: &str) -> Error {
        Error::NoGradient {
            node: self.node.name().to_owned(),
            op: self.node.op().name.to_owned(),
            reason: reason.to_owned(),
        }
    }
}
