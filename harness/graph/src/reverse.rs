use crate::ops::{Backward, Vjp};
use crate::{Attrs, Error, Graph, Node, ValueId};
use std::collections::{HashMap, HashSet};

/// Reverse mode: extends the graph by the vector-Jacobian products of `output` with `cotangent`, and returns the
/// cotangent of each value of `wrt`.
///
/// Shapes: `cotangent` as `output`; each result as its value.
/// Errors: a node on the way is not differentiable or has no rule, or no way leads from `wrt` to `output`: never a
/// silent zero.
pub fn differentiate(
    graph: &mut Graph,
    output: ValueId,
    cotangent: ValueId,
    wrt: &[ValueId],
) -> Result<Vec<ValueId>, Error> {
    Ok(reverse(graph, output, cotangent, wrt)?.0)
}

/// As [`differentiate`]; also the piecewise constant nodes that a cotangent other than zero reached, in order.
pub(crate) fn reverse(
    graph: &mut Graph,
    output: ValueId,
    cotangent: ValueId,
    wrt: &[ValueId],
) -> Result<(Vec<ValueId>, Vec<Node>), Error> {
    let Sweep { gradients, stopped, last } = sweep(graph, &[(output, cotangent)], wrt)?;
    let gradients = wrt
        .iter()
        .zip(gradients)
        .map(|(id, gradient)| {
            gradient.ok_or_else(|| match &last {
                Some(node) => no_gradient(node.name(), node.op().name, "it is piecewise constant"),
                None => Error::Graph(format!("the output does not depend on `{}`", graph.value(*id).name())),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((gradients, stopped))
}

/// Reverse mode from several outputs with their cotangents: the cotangent of each value of `wrt`, `None` where no way
/// leads to it.
///
/// Shapes: as in [`differentiate`].
/// Errors: a node on the way is not differentiable or has no rule.
pub(crate) fn pull_back(
    graph: &mut Graph,
    seeds: &[(ValueId, ValueId)],
    wrt: &[ValueId],
) -> Result<Vec<Option<ValueId>>, Error> {
    Ok(sweep(graph, seeds, wrt)?.gradients)
}

/// What reverse mode finds.
struct Sweep {
    /// For each value, its cotangent where one arrived.
    gradients: Vec<Option<ValueId>>,
    /// The piecewise constant nodes that a cotangent other than zero reached, in order.
    stopped: Vec<Node>,
    /// The last of the operators without a rule that a cotangent reached.
    last: Option<Node>,
}

fn sweep(graph: &mut Graph, seeds: &[(ValueId, ValueId)], wrt: &[ValueId]) -> Result<Sweep, Error> {
    let depends = dependents(graph, wrt);
    let mut cotangents: HashMap<ValueId, ValueId> = HashMap::new();
    for &(output, cotangent) in seeds {
        accumulate(graph, &mut cotangents, output, cotangent)?;
    }
    let nodes = graph.nodes().to_vec();
    let mut last = None;
    let mut stopped = Vec::new();
    for node in nodes.iter().rev() {
        let arrived: Vec<Option<ValueId>> = node.outputs().iter().map(|id| cotangents.get(id).copied()).collect();
        let wants: Vec<bool> = node.inputs().iter().map(|id| id.is_some_and(|id| depends.contains(&id))).collect();
        if arrived.iter().all(Option::is_none) || !wants.contains(&true) {
            continue;
        }
        if stops(graph, node, &arrived) {
            stopped.push(node.clone());
        }
        let Vjp::Rule(rule, _) = node.op().vjp else {
            last = Some(node);
            continue;
        };
        let mut back = Backward { graph: &mut *graph, node: node.clone(), cotangents: arrived, wants: wants.clone() };
        let results = rule(&mut back)?;
        for ((input, wanted), result) in node.inputs().iter().zip(wants).zip(results) {
            let (Some(input), true) = (*input, wanted) else { continue };
            let Some(result) = result else {
                return Err(no_gradient(node.name(), node.op().name, "its rule gives none for this input"));
            };
            if graph.shape(result) != graph.shape(input) {
                let reason = format!("its rule gives {:?} for {:?}", graph.shape(result), graph.shape(input));
                return Err(no_gradient(node.name(), node.op().name, &reason));
            }
            accumulate(graph, &mut cotangents, input, result)?;
        }
    }
    stopped.reverse();
    let gradients = wrt.iter().map(|id| cotangents.get(id).copied()).collect();
    Ok(Sweep { gradients, stopped, last: last.cloned() })
}

/// Adds a cotangent to what has arrived at a value.
fn accumulate(
    graph: &mut Graph,
    cotangents: &mut HashMap<ValueId, ValueId>,
    id: ValueId,
    more: ValueId,
) -> Result<(), Error> {
    let sum = match cotangents.get(&id) {
        Some(&before) => graph.add("Add", &[before, more], Attrs::new())?,
        None => more,
    };
    cotangents.insert(id, sum);
    Ok(())
}

/// Whether a cotangent ends at a node: one of a piecewise constant operator, or of indices or a mask beside a result, of
/// which rules pass on that of the result alone. Zeros do not count: Where sends them to its condition.
fn stops(graph: &Graph, node: &Node, arrived: &[Option<ValueId>]) -> bool {
    let constant = matches!(node.op().vjp, Vjp::Constant);
    let ends = |(index, (&output, cotangent)): (usize, (&ValueId, &Option<ValueId>))| {
        let beside = index > 0 && !graph.value(output).dtype().is_float();
        (constant || beside) && cotangent.is_some_and(|id| !is_zero(graph, id))
    };
    node.outputs().iter().zip(arrived).enumerate().any(ends)
}

fn is_zero(graph: &Graph, id: ValueId) -> bool {
    graph.value(id).data().is_some_and(|data| data.to_f64().iter().all(|&element| element == 0.0))
}

fn no_gradient(node: &str, op: &str, reason: &str) -> Error {
    Error::NoGradient { node: node.to_owned(), op: op.to_owned(), reason: reason.to_owned() }
}

/// Every value that a change of `wrt` can reach, not through masks.
pub(crate) fn dependents(graph: &Graph, wrt: &[ValueId]) -> HashSet<ValueId> {
    let mut depends: HashSet<ValueId> = wrt.iter().copied().collect();
    for node in graph.nodes() {
        if node.inputs().iter().flatten().any(|id| depends.contains(id)) {
            depends.extend(node.outputs().iter().filter(|id| !graph.value(**id).is_mask()));
        }
    }
    depends
}
