use crate::{Attrs, DType, Error, Graph, Tensor, ValueId};

/// Adds nodes to a float32 graph in few words. Every method fails as building a graph does.
pub(super) struct Emit<'a> {
    pub(super) graph: &'a mut Graph,
}

impl Emit<'_> {
    pub(super) fn op(&mut self, op: &str, inputs: &[ValueId]) -> Result<ValueId, Error> {
        self.graph.add(op, inputs, Attrs::new())
    }

    pub(super) fn number(&mut self, value: f64) -> ValueId {
        self.graph.scalar(DType::F32, value)
    }

    pub(super) fn ints(&mut self, values: impl IntoIterator<Item = usize>) -> ValueId {
        self.graph.constant("ints", Tensor::ints(values.into_iter().map(|value| value as i64)))
    }

    /// `op(x, number)`.
    pub(super) fn with(&mut self, op: &str, x: ValueId, number: f64) -> Result<ValueId, Error> {
        let number = self.number(number);
        self.op(op, &[x, number])
    }

    /// Reduces over the axes from `first` on, which go.
    pub(super) fn reduce(&mut self, op: &str, x: ValueId, first: usize) -> Result<ValueId, Error> {
        let axes = self.ints(first..self.graph.shape(x).len());
        self.graph.add(op, &[x, axes], Attrs::new().int("keepdims", 0))
    }

    /// The sum of all elements over a number.
    pub(super) fn sum_over(&mut self, x: ValueId, count: f64) -> Result<ValueId, Error> {
        let sum = self.reduce("ReduceSum", x, 0)?;
        self.with("Div", sum, count)
    }

    pub(super) fn softmax(&mut self, op: &str, logits: ValueId) -> Result<ValueId, Error> {
        self.graph.add(op, &[logits], Attrs::new().int("axis", 1))
    }

    pub(super) fn reshape(&mut self, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
        if self.graph.shape(x) == shape {
            return Ok(x);
        }
        let shape = self.ints(shape.iter().copied());
        self.op("Reshape", &[x, shape])
    }

    /// Cuts a vector into parts of these sizes.
    pub(super) fn split(&mut self, x: ValueId, sizes: &[usize]) -> Result<Vec<ValueId>, Error> {
        let parts = self.ints(sizes.iter().copied());
        self.graph.add_node("", "Split", &[Some(x), Some(parts)], Attrs::new().int("axis", 0), sizes.len())
    }

    /// Puts values one behind the other, as one vector.
    pub(super) fn flatten(&mut self, values: &[ValueId]) -> Result<ValueId, Error> {
        let rows = values.iter().map(|&id| {
            let len = self.graph.shape(id).iter().product();
            self.reshape(id, &[len])
        });
        let rows: Vec<ValueId> = rows.collect::<Result<_, _>>()?;
        match rows[..] {
            [row] => Ok(row),
            _ => self.graph.add("Concat", &rows, Attrs::new().int("axis", 0)),
        }
    }
}
