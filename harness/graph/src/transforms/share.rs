use super::rewrite::Rewrite;
use crate::{Attrs, DType, Data, Error, Graph, Node, Tensor, ValueId};
use std::collections::HashMap;

/// What tells most nodes apart: the operator and its inputs.
type Key = (&'static str, Vec<Option<ValueId>>);

/// Computes once what is computed twice: nodes of one operator with the same inputs and attributes, and equal constants; and
/// reshapes once what is reshaped again. No number changes. ONNX Runtime does so too, but takes equal lists such as shapes
/// for different ones.
pub(crate) fn share(graph: &Graph) -> Result<Graph, Error> {
    let mut sharing = Sharing {
        old: graph,
        rewrite: Rewrite::new(graph),
        known: HashMap::new(),
        shapes: HashMap::new(),
        sources: HashMap::new(),
    };
    share_constants(graph, &mut sharing.rewrite);
    for node in graph.nodes() {
        match node.op().name {
            "Reshape" if !graph.shape(node.outputs()[0]).contains(&0) => sharing.reshape(node)?,
            _ => sharing.node(node)?,
        }
    }
    Ok(sharing.rewrite.finish())
}

struct Sharing<'a> {
    old: &'a Graph,
    rewrite: Rewrite<'a>,
    /// The nodes so far: their attributes and new outputs.
    known: HashMap<Key, Vec<(&'a Attrs, Vec<ValueId>)>>,
    /// Where reshapes go.
    shapes: HashMap<&'a [usize], ValueId>,
    /// What new values are reshapes of.
    sources: HashMap<ValueId, ValueId>,
}

impl<'a> Sharing<'a> {
    fn node(&mut self, node: &'a Node) -> Result<(), Error> {
        let inputs = node.inputs().iter().map(|id| id.map(|id| self.rewrite.at(id))).collect();
        let same = self.known.entry((node.op().name, inputs)).or_default();
        let twin = same.iter().find(|(attrs, outputs)| *attrs == node.attrs() && outputs.len() == node.outputs().len());
        match twin {
            // Outputs keep values of their own, for their names.
            Some((_, outputs)) if !node.outputs().iter().any(|id| self.old.outputs().contains(id)) => {
                node.outputs().iter().zip(outputs).for_each(|(&old, &new)| self.rewrite.redirect(old, new));
            }
            _ => {
                self.rewrite.copy(node)?;
                same.push((node.attrs(), node.outputs().iter().map(|&id| self.rewrite.at(id)).collect()));
            }
        }
        Ok(())
    }

    fn reshape(&mut self, node: &'a Node) -> Result<(), Error> {
        let (output, input) = (node.outputs()[0], self.rewrite.at(node.inputs()[0].expect("a Reshape has an input")));
        let source = self.sources.get(&input).copied().unwrap_or(input);
        let (shape, named) = (self.old.shape(output), self.old.outputs().contains(&output));
        if self.rewrite.graph.shape(source) == shape && !named {
            self.rewrite.redirect(output, source);
            return Ok(());
        }
        let graph = &mut self.rewrite.graph;
        let list = || Tensor::ints(shape.iter().map(|&dim| dim as i64));
        let to = *self.shapes.entry(shape).or_insert_with(|| graph.constant("shape", list()));
        let same = self.known.entry(("Reshape", vec![Some(source), Some(to)])).or_default();
        match same.first() {
            Some((_, outputs)) if !named => self.rewrite.redirect(output, outputs[0]),
            _ => {
                let new = graph.add("Reshape", &[source, to], Attrs::new())?;
                self.rewrite.place(output, new);
                self.sources.insert(new, source);
                same.push((node.attrs(), vec![new]));
            }
        }
        Ok(())
    }
}

/// Constants of one type and shape.
type Same<'a> = Vec<(&'a Tensor, ValueId)>;

fn share_constants(graph: &Graph, rewrite: &mut Rewrite<'_>) {
    let mut known: HashMap<(DType, &[usize]), Same<'_>> = HashMap::new();
    for id in graph.ids().filter(|id| !graph.outputs().contains(id)) {
        let Some(tensor) = graph.value(id).data() else { continue };
        let same = known.entry((tensor.dtype(), tensor.shape())).or_default();
        match same.iter().find(|(twin, _)| same_bits(twin, tensor)) {
            Some(&(_, twin)) => {
                let shared = rewrite.at(twin);
                rewrite.redirect(id, shared);
            }
            None => same.push((tensor, id)),
        }
    }
}

fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    match (a.data(), b.data()) {
        (Data::Float(a), Data::Float(b)) => a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interpreter, ValueType};

    #[test]
    fn what_is_the_same_is_computed_once() {
        let mut graph = Graph::new("twice");
        let x = graph.input("x", ValueType::new(DType::F32, [2]));
        let [one, again, zero, minus] = [1.0, 1.0, 0.0, -0.0].map(|value| graph.scalar(DType::F32, value));
        let mut add = |op: &str, inputs: &[ValueId]| graph.add(op, inputs, Attrs::new()).unwrap();
        let [a, b] = [one, again].map(|one| add("Add", &[x, one]));
        let [c, d] = [a, b].map(|y| add("Exp", &[y]));
        let [e, f] = [zero, minus].map(|zero| add("Div", &[c, zero]));
        let [sum, product] = ["Add", "Mul"].map(|op| add(op, &[c, d]));
        let twin = add("Exp", &[b]);
        graph.set_outputs(vec![sum, product, e, f, twin]);
        graph.rename(twin, "twin");
        let shared = share(&graph).unwrap();
        let ops: Vec<&str> = shared.nodes().iter().map(|node| node.op().name).collect();
        assert_eq!(ops, ["Add", "Exp", "Div", "Div", "Add", "Mul", "Exp"], "the last is an output");
        let names =
            |graph: &Graph| graph.outputs().iter().map(|&id| graph.value(id).name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&shared), names(&graph));
        let inputs = [Tensor::f32(&[2], [0.5, -2.0])];
        assert_eq!(Interpreter.run(&shared, &inputs).unwrap(), Interpreter.run(&graph, &inputs).unwrap());
    }

    #[test]
    fn a_reshape_of_a_reshape_is_one() {
        let mut graph = Graph::new("reshapes");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 6]));
        let mut reshape = |x: ValueId, shape: [i64; 2]| {
            let shape = graph.constant("to", Tensor::ints(shape));
            graph.add("Reshape", &[x, shape], Attrs::new()).unwrap()
        };
        let a = reshape(x, [3, 4]);
        let b = reshape(a, [-1, 3]);
        let back = reshape(b, [2, 6]);
        let again = reshape(b, [3, 4]);
        let last = reshape(b, [12, 1]);
        let sums = [(back, x), (again, a)].map(|(x, y)| graph.add("Add", &[x, y], Attrs::new()).unwrap());
        graph.set_outputs(vec![sums[0], sums[1], last]);
        let shared = share(&graph).unwrap();
        let ops: Vec<&str> = shared.nodes().iter().map(|node| node.op().name).collect();
        assert_eq!(ops, ["Reshape", "Reshape", "Add", "Add"]);
        assert!(
            shared
                .nodes()
                .iter()
                .filter(|node| node.op().name == "Reshape")
                .all(|node| node.inputs()[0] == Some(shared.inputs()[0]))
        );
        let inputs = [Tensor::f32(&[2, 6], (0..12).map(f64::from))];
        assert_eq!(Interpreter.run(&shared, &inputs).unwrap(), Interpreter.run(&graph, &inputs).unwrap());
    }
}
