use crate::{Error, Graph, Node, ValueId};

/// A graph that is copied node by node, so that single nodes can be replaced on the way. Names stay.
pub(super) struct Rewrite<'a> {
    old: &'a Graph,
    /// The graph so far.
    pub(super) graph: Graph,
    map: Vec<Option<ValueId>>,
}

impl<'a> Rewrite<'a> {
    /// Starts with the inputs and constants of `old`.
    pub(super) fn new(old: &'a Graph) -> Self {
        let mut rewrite = Self { old, graph: Graph::new(old.name()), map: vec![None; old.values().len()] };
        for value in old.values() {
            rewrite.graph.reserve(value.name());
        }
        for &id in old.inputs() {
            let new = rewrite.graph.input(old.value(id).name(), old.value(id).ty().clone());
            rewrite.place(id, new);
        }
        for id in old.ids() {
            if let Some(data) = old.value(id).shared_data() {
                let new = rewrite.graph.shared_constant(old.value(id).name(), data);
                rewrite.place(id, new);
            }
        }
        rewrite
    }

    /// Where a value of the old graph went. Panics when nothing has been put there: nodes come in topological order.
    pub(super) fn at(&self, id: ValueId) -> ValueId {
        self.map[id.index()].expect("a value is placed before it is used")
    }

    /// Puts a new value, with the name of the old one, in its place.
    pub(super) fn place(&mut self, old: ValueId, new: ValueId) {
        let value = self.old.value(old);
        self.graph.claim(new, value.name());
        if value.is_mask() {
            self.graph.mark_mask(new);
        }
        self.map[old.index()] = Some(new);
    }

    /// Lets another value of the new graph, which keeps its name, stand for the old one.
    pub(super) fn redirect(&mut self, old: ValueId, new: ValueId) {
        self.map[old.index()] = Some(new);
    }

    /// Copies a node.
    ///
    /// Errors: its new inputs do not suit it.
    pub(super) fn copy(&mut self, node: &Node) -> Result<(), Error> {
        let inputs: Vec<Option<ValueId>> = node.inputs().iter().map(|id| id.map(|id| self.at(id))).collect();
        let attrs = node.attrs().clone();
        let outputs = self.graph.add_node(node.name(), node.op().name, &inputs, attrs, node.outputs().len())?;
        node.outputs().iter().zip(outputs).for_each(|(&old, new)| self.place(old, new));
        Ok(())
    }

    /// The new graph, with the outputs of the old one and without what they do not need.
    pub(super) fn finish(mut self) -> Graph {
        let outputs = self.old.outputs().iter().map(|&id| self.at(id)).collect();
        self.graph.set_outputs(outputs);
        self.graph.pruned().0
    }
}
