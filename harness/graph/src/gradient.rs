use crate::ops::{Backward, Vjp};
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType};
use std::collections::{HashMap, HashSet};

/// The scalar function of the logits that a gradient graph differentiates, per row. All are maximised.
///
/// Each takes per-row weights `w` `[N, K]`, the second input of the gradient graph, so that one graph serves every
/// label and target. With `w` the one-hot of the label the loss is the untargeted one; with minus the one-hot of a
/// target it is the targeted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Head {
    /// `-Σ_k w_k log softmax(z)_k`.
    CrossEntropy,
    /// `s · max_{k: w_k = 0} z_k - Σ_k w_k z_k` with `s = Σ_k w_k` (Carlini and Wagner's margin).
    Margin,
    /// `Σ_k w_k z_k`: a linear cotangent, one row of the Jacobian for a one-hot `w`.
    Linear,
}

impl Head {
    /// Every head.
    pub const ALL: &[Head] = &[Head::CrossEntropy, Head::Margin, Head::Linear];
}

/// A gradient graph: one run gives logits, loss and gradient.
///
/// Inputs: `x` as the model takes it, `[N, …]`, and `weights` `[N, K]`. Outputs: `logits` `[N, K]`, `loss` `[N]`,
/// `gradient` of the sum of losses with respect to `x`, so per row.
#[derive(Debug, Clone)]
pub struct GradientGraph {
    /// The graph.
    pub graph: Graph,
    /// The number of rows `N`.
    pub rows: usize,
    /// The number of classes `K`.
    pub classes: usize,
}

/// Builds the gradient graph of a classifier: forward, loss head and reverse mode to the input.
///
/// Shapes: `classifier` has one input `[N, …]` and one output `[N, K]`, the logits.
/// Errors: a node on the way has no gradient, or the classifier has another form.
pub fn gradient_graph(classifier: &Graph, head: Head) -> Result<GradientGraph, Error> {
    let (&[x], &[logits]) = (classifier.inputs(), classifier.outputs()) else {
        return Err(Error::Graph(format!(
            "differentiate the model: expected one input and one output, found {} and {}",
            classifier.inputs().len(),
            classifier.outputs().len()
        )));
    };
    let &[rows, classes] = classifier.shape(logits) else {
        let shape = classifier.shape(logits);
        return Err(Error::Graph(format!("differentiate the model: the output must be [N, K], found {shape:?}")));
    };
    let mut graph = classifier.clone();
    let ty = graph.value(logits).ty().clone();
    let dtype = ty.dtype;
    let weights = graph.input("weights", ty);
    let loss = emit_head(&mut graph, head, logits, weights)?;
    let ones = graph.constant("ones", Tensor::float(dtype, &[rows], vec![1.0; rows]));
    let gradient = differentiate(&mut graph, loss, ones, &[x])?.remove(0);
    graph.set_outputs(vec![logits, loss, gradient]);
    let (mut graph, _) = graph.pruned();
    for (index, name) in ["logits", "loss", "gradient"].into_iter().enumerate() {
        let id = graph.outputs()[index];
        if graph.value(id).name() != name {
            graph.rename(id, name);
        }
    }
    Ok(GradientGraph { graph, rows, classes })
}

fn emit_head(graph: &mut Graph, head: Head, logits: ValueId, weights: ValueId) -> Result<ValueId, Error> {
    let last = graph.constant("last_axis", Tensor::ints([1]));
    let sum = |graph: &mut Graph, x| graph.add("ReduceSum", &[x, last], Attrs::new().int("keepdims", 0));
    let plain = Attrs::new;
    match head {
        Head::Linear => {
            let product = graph.add("Mul", &[weights, logits], plain())?;
            sum(graph, product)
        }
        Head::CrossEntropy => {
            let log_p = graph.add("LogSoftmax", &[logits], plain().int("axis", 1))?;
            let product = graph.add("Mul", &[weights, log_p], plain())?;
            let total = sum(graph, product)?;
            graph.add("Neg", &[total], plain())
        }
        Head::Margin => {
            // Large enough that a class with weight is never the largest, small enough to stay finite in f32.
            let far = graph.scalar(graph.value(logits).dtype(), -1e30);
            let own = graph.add("Abs", &[weights], plain())?;
            let away = graph.add("Mul", &[own, far], plain())?;
            let others = graph.add("Add", &[logits, away], plain())?;
            let best = graph.add("ReduceMax", &[others, last], plain().int("keepdims", 0))?;
            let side = sum(graph, weights)?;
            let best = graph.add("Mul", &[side, best], plain())?;
            let product = graph.add("Mul", &[weights, logits], plain())?;
            let total = sum(graph, product)?;
            graph.add("Sub", &[best, total], plain())
        }
    }
}

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
    let depends = dependents(graph, wrt);
    let mut cotangents: HashMap<ValueId, ValueId> = HashMap::from([(output, cotangent)]);
    let nodes = graph.nodes().to_vec();
    let mut stopped = None;
    for node in nodes.iter().rev() {
        let arrived: Vec<Option<ValueId>> = node.outputs().iter().map(|id| cotangents.get(id).copied()).collect();
        let wants: Vec<bool> = node.inputs().iter().map(|id| id.is_some_and(|id| depends.contains(&id))).collect();
        if arrived.iter().all(Option::is_none) || !wants.contains(&true) {
            continue;
        }
        let rule = match node.op().vjp {
            Vjp::Rule(rule) => rule,
            Vjp::Constant => {
                stopped = Some(node.clone());
                continue;
            }
            Vjp::Missing(reason) => return Err(no_gradient(node.name(), node.op().name, reason)),
        };
        let mut back = Backward { graph: &mut *graph, node: node.clone(), cotangents: arrived, wants: wants.clone() };
        let results = rule(&mut back)?;
        for ((input, wanted), result) in node.inputs().iter().zip(wants).zip(results) {
            let (Some(input), true) = (*input, wanted) else { continue };
            let Some(result) = result else {
                return Err(no_gradient(node.name(), node.op().name, "its rule gives none for this input"));
            };
            debug_assert_eq!(graph.shape(result), graph.shape(input), "{} of {}", node.op().name, node.name());
            let sum = match cotangents.get(&input) {
                Some(&before) => graph.add("Add", &[before, result], Attrs::new())?,
                None => result,
            };
            cotangents.insert(input, sum);
        }
    }
    wrt.iter()
        .map(|id| {
            cotangents.get(id).copied().ok_or_else(|| match &stopped {
                Some(node) => no_gradient(node.name(), node.op().name, "it is piecewise constant"),
                None => Error::Graph(format!("the output does not depend on `{}`", graph.value(*id).name())),
            })
        })
        .collect()
}

fn no_gradient(node: &str, op: &str, reason: &str) -> Error {
    Error::NoGradient { node: node.to_owned(), op: op.to_owned(), reason: reason.to_owned() }
}

/// Every value that a change of `wrt` can reach, not through masks.
fn dependents(graph: &Graph, wrt: &[ValueId]) -> HashSet<ValueId> {
    let mut depends: HashSet<ValueId> = wrt.iter().copied().collect();
    for node in graph.nodes() {
        if node.inputs().iter().flatten().any(|id| depends.contains(id)) {
            depends.extend(node.outputs().iter().filter(|id| !graph.value(**id).is_mask()));
        }
    }
    depends
}

impl GradientGraph {
    /// The type of the model's input.
    pub fn input(&self) -> &ValueType {
        self.graph.value(self.graph.inputs()[0]).ty()
    }
}
