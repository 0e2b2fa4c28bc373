use super::rewrite::Rewrite;
use crate::{Attrs, DType, Data, Error, Graph, Node, Tensor, ValueId};
use std::collections::HashMap;

/// What tells most nodes apart: the operator and its inputs.
type Key = (&'static str, Vec<Option<ValueId>>);

/// Computes once what is computed twice: nodes of one operator with the same inputs and attributes, and equal constants. No
/// number changes. ONNX Runtime does so too, but takes equal lists such as shapes for different ones.
pub(crate) fn share(graph: &Graph) -> Result<Graph, Error> {
    let mut rewrite = Rewrite::new(graph);
    share_constants(graph, &mut rewrite);
    let mut known: HashMap<Key, Vec<(&Attrs, &Node)>> = HashMap::new();
    for node in graph.nodes() {
        let inputs = node.inputs().iter().map(|id| id.map(|id| rewrite.at(id))).collect();
        let same = known.entry((node.op().name, inputs)).or_default();
        let twin = same.iter().find(|(attrs, twin)| {
            // Outputs keep values of their own, for their names.
            *attrs == node.attrs()
                && twin.outputs().len() == node.outputs().len()
                && !node.outputs().iter().any(|id| graph.outputs().contains(id))
        });
        match twin {
            Some((_, twin)) => node.outputs().iter().zip(twin.outputs()).for_each(|(&id, &twin)| {
                let shared = rewrite.at(twin);
                rewrite.redirect(id, shared);
            }),
            None => {
                same.push((node.attrs(), node));
                rewrite.copy(node)?;
            }
        }
    }
    Ok(rewrite.finish())
}

fn share_constants(graph: &Graph, rewrite: &mut Rewrite<'_>) {
    let mut known: HashMap<(DType, &[usize]), Vec<(&Tensor, ValueId)>> = HashMap::new();
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
}
