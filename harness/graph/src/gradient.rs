use crate::reverse::{dependents, reverse};
use crate::{Attrs, DType, Error, Graph, Node, Tensor, ValueId, ValueType};

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
    /// `Σ_k w_k (ln w_k - log softmax(z)_k)`, in nats: the divergence `KL(w ‖ softmax(z))` of a distribution `w`. A weight
    /// of 0 contributes 0.
    Kl,
    /// The margin over `z_(1) - z_(3) + 1e-12`, where `z_(1) >= z_(2) >= ...`: the difference of logits ratio of Croce and
    /// Hein 2020, arXiv:2003.01690, section 4, for `w` the one-hot of the label. Three classes or more.
    Dlr,
    /// `Σ_k w_k z_k` over `z_(1) - (z_(3) + z_(4)) / 2 + 1e-12`: their targeted ratio for `w` the one-hot of the target less
    /// that of the label. Four classes or more.
    DlrTargeted,
}

impl Head {
    /// Every head.
    pub const ALL: &[Head] = &[Head::CrossEntropy, Head::Margin, Head::Linear, Head::Kl, Head::Dlr, Head::DlrTargeted];

    /// The fewest classes that it is defined for.
    pub fn least_classes(self) -> usize {
        match self {
            Head::Linear => 1,
            Head::CrossEntropy | Head::Margin | Head::Kl => 2,
            Head::Dlr => 3,
            Head::DlrTargeted => 4,
        }
    }

    /// Whether its slope has no bound: logits may be equal.
    fn is_ratio(self) -> bool {
        matches!(self, Head::Dlr | Head::DlrTargeted)
    }
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
    /// Nodes that the loss depends on but no gradient passes, since they are piecewise constant: one text per operator,
    /// such as "`sign_1` and 2 more (Sign)". The gradient is then that of the other ways alone. Conditions of Where are
    /// left out: they only choose.
    pub stopped: Vec<String>,
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
    if classes < head.least_classes() {
        let wanted = head.least_classes();
        let reason = format!("the output has {classes} scores per row, the loss {head:?} needs {wanted} or more");
        return Err(Error::Graph(format!("differentiate the model: {reason}")));
    }
    let mut graph = classifier.clone();
    let ty = graph.value(logits).ty().clone();
    let dtype = ty.dtype;
    if !dtype.is_float() {
        return Err(Error::Graph(format!("differentiate the model: the output must be a float tensor, found {dtype}")));
    }
    free_name(&mut graph, "weights");
    let weights = graph.input("weights", ty);
    let loss = emit_head(&mut graph, head, logits, weights)?;
    let scale = if head.is_ratio() { 1.0 } else { cotangent_scale(classifier) };
    let start = graph.constant("cotangent_scale", Tensor::float(dtype, &[rows], vec![scale; rows]));
    let (mut gradients, stopped) = reverse(&mut graph, loss, start, &[x])?;
    let mut gradient = gradients.remove(0);
    if scale != 1.0 {
        let back = graph.scalar(graph.value(gradient).dtype(), 1.0 / scale);
        gradient = graph.add("Mul", &[gradient, back], Attrs::new())?;
    }
    graph.set_outputs(vec![logits, loss, gradient]);
    let (mut graph, _) = graph.pruned();
    for (index, name) in ["logits", "loss", "gradient"].into_iter().enumerate() {
        let id = graph.outputs()[index];
        if graph.find(name) != Some(id) {
            free_name(&mut graph, name);
            graph.rename(id, name);
        }
    }
    Ok(GradientGraph { graph, rows, classes, stopped: by_operator(&stopped) })
}

/// One text per operator, in the order of the nodes.
fn by_operator(nodes: &[Node]) -> Vec<String> {
    let mut ops: Vec<(&Node, usize)> = Vec::new();
    for node in nodes {
        match ops.iter_mut().find(|(first, _)| first.op().name == node.op().name) {
            Some((_, more)) => *more += 1,
            None => ops.push((node, 0)),
        }
    }
    let text = |(node, more): (&Node, usize)| {
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("`{}`{more} ({})", node.name(), node.op().name)
    };
    ops.into_iter().map(text).collect()
}

/// Renames the model's own value of this name, so that ours can have it.
fn free_name(graph: &mut Graph, name: &str) {
    if let Some(other) = graph.find(name) {
        graph.rename(other, &format!("model.{name}"));
    }
}

/// Reverse mode starts from this power of two, and the gradient is divided by it at the end: it keeps the tiny cotangents
/// of confident rows and dead channels out of the denormal range, where processors are ten times slower.
///
/// It is exact as long as no cotangent overflows, so it is 1 where one may come within 2^48 of the largest float32: behind
/// functions of the input whose slope has no bound. Half precision has no room for it at all.
fn cotangent_scale(classifier: &Graph) -> f64 {
    let half = classifier.values().iter().any(|value| value.dtype() == DType::F16);
    let depends = dependents(classifier, classifier.inputs());
    let steep =
        |node: &Node| is_steep(classifier, node, |index| node.inputs()[index].is_some_and(|id| depends.contains(&id)));
    if half || classifier.nodes().iter().any(steep) { 1.0 } else { (1u64 << 48) as f64 }
}

/// Whether the slope of a node has no bound where `varies` says which of its inputs the graph's input reaches.
///
/// Products have none either, but theirs grows no faster than the values that they multiply. A normalisation counts: its
/// slope is the inverse of a deviation, and networks have many, one behind the other.
fn is_steep(graph: &Graph, node: &Node, varies: impl Fn(usize) -> bool) -> bool {
    let below = |name, default, bound: f32| node.attrs().get_float(name, default).is_ok_and(|value| value < bound);
    match node.op().name {
        "Acos"
        | "Acosh"
        | "Asin"
        | "Atanh"
        | "Cosh"
        | "Exp"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "Log"
        | "Reciprocal"
        | "ReduceL2"
        | "ReduceLogSum"
        | "ReduceProd"
        | "Sinh"
        | "Sqrt"
        | "Tan" => varies(0),
        "Div" | "Mod" => varies(1),
        "Celu" => varies(0) && below("alpha", 1.0, 0.0),
        "LRN" => varies(0) && (below("bias", 1.0, 1.0) || below("alpha", 1e-4, 0.0)),
        "Pow" => varies(1) || (varies(0) && !is_low_power(graph, node)),
        _ => false,
    }
}

/// Whether a power is one that a few products make.
fn is_low_power(graph: &Graph, node: &Node) -> bool {
    let exponents = node.inputs()[1].and_then(|id| graph.value(id).data()).map(Tensor::to_f64);
    exponents.is_some_and(|all| all.iter().all(|power| *power == 0.0 || (1.0..=3.0).contains(power)))
}

/// Writes the loss of a head, `[N]`.
///
/// Errors: those of building a graph.
pub(crate) fn emit_head(graph: &mut Graph, head: Head, logits: ValueId, weights: ValueId) -> Result<ValueId, Error> {
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
        Head::Kl => {
            // A logarithm that stays finite at 0, where the product is 0.
            let dtype = graph.value(logits).dtype();
            let least = graph.scalar(dtype, if dtype == DType::F16 { 2f64.powi(-24) } else { 2f64.powi(-126) });
            let floored = graph.add("Max", &[weights, least], plain())?;
            let log_w = graph.add("Log", &[floored], plain())?;
            let log_p = graph.add("LogSoftmax", &[logits], plain().int("axis", 1))?;
            let excess = graph.add("Sub", &[log_w, log_p], plain())?;
            let product = graph.add("Mul", &[weights, excess], plain())?;
            sum(graph, product)
        }
        Head::Margin => {
            // Large enough that a class with weight is never the largest, small enough to stay finite.
            let dtype = graph.value(logits).dtype();
            let far = graph.scalar(dtype, if dtype == DType::F16 { -3e4 } else { -1e30 });
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
        Head::Dlr => {
            let margin = emit_head(graph, Head::Margin, logits, weights)?;
            ratio(graph, margin, logits, &[1.0, 0.0, -1.0])
        }
        Head::DlrTargeted => {
            let difference = emit_head(graph, Head::Linear, logits, weights)?;
            ratio(graph, difference, logits, &[1.0, 0.0, -0.5, -0.5])
        }
    }
}

/// A loss over `Σ_i by_rank_i z_(i)`, with the logits in falling order.
fn ratio(graph: &mut Graph, loss: ValueId, logits: ValueId, by_rank: &[f64]) -> Result<ValueId, Error> {
    let dtype = graph.value(logits).dtype();
    let count = graph.constant("ranks", Tensor::ints([by_rank.len() as i64]));
    let ranked = graph.add_node("ranked", "TopK", &[Some(logits), Some(count)], Attrs::new().int("axis", 1), 2)?[0];
    let by_rank = graph.constant("by_rank", Tensor::float(dtype, &[1, by_rank.len()], by_rank.to_vec()));
    let parts = graph.add("Mul", &[ranked, by_rank], Attrs::new())?;
    let last = graph.constant("last_axis", Tensor::ints([1]));
    let spread = graph.add("ReduceSum", &[parts, last], Attrs::new().int("keepdims", 0))?;
    let least = graph.scalar(dtype, if dtype == DType::F16 { 2f64.powi(-24) } else { 1e-12 });
    let spread = graph.add("Add", &[spread, least], Attrs::new())?;
    graph.add("Div", &[loss, spread], Attrs::new())
}

impl GradientGraph {
    /// The type of the model's input.
    pub fn input(&self) -> &ValueType {
        self.graph.value(self.graph.inputs()[0]).ty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interpreter, differentiate};

    const WEIGHTS: [[f64; 2]; 3] = [[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]];
    const X: [[f64; 3]; 2] = [[1.0, -2.0, 0.5], [0.25, 1.0, -1.0]];

    /// `z = x W`: two rows, three features, two classes.
    fn linear() -> Graph {
        let mut graph = Graph::new("linear");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 3]));
        let w = graph.constant("w", Tensor::f32(&[3, 2], WEIGHTS.into_iter().flatten()));
        let z = graph.add("MatMul", &[x, w], Attrs::new()).unwrap();
        graph.set_outputs(vec![z]);
        graph
    }

    /// Logits, loss and gradient for these weights of the head.
    fn run(graph: &Graph, head: Head, x: &[f64], weights: &[f64]) -> [Vec<f64>; 3] {
        let built = gradient_graph(graph, head).unwrap();
        let x = Tensor::float(DType::F32, &built.input().shape.clone(), x.to_vec());
        let weights = Tensor::f32(&[built.rows, built.classes], weights.iter().copied());
        let outputs = Interpreter.run(&built.graph, &[x, weights]).unwrap();
        [0, 1, 2].map(|index: usize| outputs[index].to_f64())
    }

    fn flat() -> Vec<f64> {
        X.into_iter().flatten().collect()
    }

    fn logits(row: usize) -> [f64; 2] {
        [0, 1].map(|class| (0..3).map(|i| X[row][i] * WEIGHTS[i][class]).sum())
    }

    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{found} instead of {wanted}");
        }
    }

    /// The gradient of `Σ_k cotangent[row][k] z_k`.
    fn pulled_back(cotangent: [[f64; 2]; 2]) -> Vec<f64> {
        let element = |row: &[f64; 2], weights: &[f64; 2]| row[0] * weights[0] + row[1] * weights[1];
        cotangent.iter().flat_map(|row| WEIGHTS.iter().map(|weights| element(row, weights))).collect()
    }

    #[test]
    fn linear_head_is_a_row_of_the_jacobian() {
        let [z, loss, gradient] = run(&linear(), Head::Linear, &flat(), &[1.0, 0.0, 0.5, -2.0]);
        close(&z, &[logits(0), logits(1)].concat());
        close(&loss, &[logits(0)[0], 0.5 * logits(1)[0] - 2.0 * logits(1)[1]]);
        close(&gradient, &pulled_back([[1.0, 0.0], [0.5, -2.0]]));
    }

    #[test]
    fn cross_entropy_pulls_back_softmax_minus_one_hot() {
        let [_, loss, gradient] = run(&linear(), Head::CrossEntropy, &flat(), &[1.0, 0.0, 0.0, -1.0]);
        let softmax = |row: usize| {
            let exp = logits(row).map(f64::exp);
            exp.map(|e| e / (exp[0] + exp[1]))
        };
        let (p, q) = (softmax(0), softmax(1));
        close(&loss, &[-p[0].ln(), q[1].ln()]);
        close(&gradient, &pulled_back([[p[0] - 1.0, p[1]], [-q[0], 1.0 - q[1]]]));
    }

    #[test]
    fn divergence_pulls_back_softmax_minus_the_distribution_and_a_zero_contributes_nothing() {
        let softmax = |row: usize| {
            let exp = logits(row).map(f64::exp);
            exp.map(|e| e / (exp[0] + exp[1]))
        };
        let (p, q) = (softmax(0), softmax(1));
        let [_, loss, gradient] = run(&linear(), Head::Kl, &flat(), &[0.25, 0.75, 1.0, 0.0]);
        close(&loss, &[0.25 * (0.25 / p[0]).ln() + 0.75 * (0.75 / p[1]).ln(), -q[0].ln()]);
        close(&gradient, &pulled_back([[p[0] - 0.25, p[1] - 0.75], [q[0] - 1.0, q[1]]]));
    }

    /// Logits so far apart that the softmax underflows, and weights that are zero or denormal.
    #[test]
    fn divergence_is_finite_at_the_ends() {
        let mut graph = Graph::new("identity");
        let x = graph.input("x", ValueType::new(DType::F32, [3, 2]));
        graph.set_outputs(vec![x]);
        let z = [500.0, -500.0, 500.0, -500.0, 0.0, 0.0];
        let [_, loss, gradient] = run(&graph, Head::Kl, &z, &[1.0, 0.0, 0.0, 1.0, 1.0, 2f64.powi(-140)]);
        close(&loss, &[0.0, 1000.0, 2f64.ln()]);
        close(&gradient, &[0.0, 0.0, 1.0, -1.0, -0.5, 0.5]);
    }

    /// Four classes at `z = (4, 1, 3, 2)`, so in order 4, 3, 2, 1: the margin of class 1 is 3 over 4 - 2, and from class 1
    /// to class 3 it is 1 over 4 - (2 + 1) / 2. Gradients by the rule for quotients.
    #[test]
    fn ratios_of_logits_are_their_closed_forms() {
        let mut graph = Graph::new("identity");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 4]));
        graph.set_outputs(vec![x]);
        let z = [4.0, 1.0, 3.0, 2.0];
        let [_, loss, gradient] = run(&graph, Head::Dlr, &z, &[0.0, 1.0, 0.0, 0.0]);
        close(&loss, &[3.0 / 2.0]);
        close(&gradient, &[0.5 - 0.75, -0.5, 0.0, 0.75]);
        let [_, loss, gradient] = run(&graph, Head::DlrTargeted, &z, &[0.0, -1.0, 0.0, 1.0]);
        close(&loss, &[1.0 / 2.5]);
        close(&gradient, &[-0.16, -0.4 + 0.08, 0.0, 0.4 + 0.08]);
        for (head, classes) in [(Head::Dlr, 2), (Head::DlrTargeted, 3)] {
            let mut graph = Graph::new("few");
            let x = graph.input("x", ValueType::new(DType::F32, [1, classes]));
            graph.set_outputs(vec![x]);
            let message = gradient_graph(&graph, head).expect_err("refused").to_string();
            let wanted =
                format!("the output has {classes} scores per row, the loss {head:?} needs {} or more", classes + 1);
            assert!(message.ends_with(&wanted), "{message}");
        }
    }

    #[test]
    fn margin_of_two_classes_is_their_difference() {
        let [_, loss, gradient] = run(&linear(), Head::Margin, &flat(), &[1.0, 0.0, 0.0, -1.0]);
        close(&loss, &[logits(0)[1] - logits(0)[0], logits(1)[1] - logits(1)[0]]);
        close(&gradient, &pulled_back([[-1.0, 1.0], [-1.0, 1.0]]));
    }

    #[test]
    fn margin_takes_the_first_of_tied_rivals() {
        let mut graph = Graph::new("identity");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 4]));
        graph.set_outputs(vec![x]);
        let [_, loss, gradient] = run(&graph, Head::Margin, &[7.0, 2.0, 3.0, 3.0], &[1.0, 0.0, 0.0, 0.0]);
        close(&loss, &[-4.0]);
        close(&gradient, &[-1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn margin_stays_finite_in_float16() {
        let mut graph = Graph::new("half");
        let x = graph.input("x", ValueType::new(DType::F16, [1, 3]));
        let y = graph.add("Neg", &[x], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let built = gradient_graph(&graph, Head::Margin).unwrap();
        let row = |values: [f64; 3]| Tensor::float(DType::F16, &[1, 3], values.to_vec());
        let outputs = Interpreter.run(&built.graph, &[row([1.0, 2.0, 3.0]), row([0.0, 1.0, 0.0])]).unwrap();
        assert_eq!(outputs[1].to_f64(), [1.0]);
        assert!(
            built
                .graph
                .values()
                .iter()
                .filter_map(|value| value.data())
                .all(|data| { data.to_f64().iter().all(|element| element.is_finite()) })
        );
    }

    #[test]
    fn a_value_used_several_times_gets_the_sum_and_a_dead_branch_nothing() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 2]));
        let square = graph.add("Mul", &[x, x], Attrs::new()).unwrap();
        let cube = graph.add("Mul", &[square, x], Attrs::new()).unwrap();
        graph.add("Exp", &[cube], Attrs::new()).unwrap();
        let sum = graph.add("Add", &[cube, square], Attrs::new()).unwrap();
        let sum = graph.add("Add", &[sum, x], Attrs::new()).unwrap();
        graph.set_outputs(vec![sum]);
        let before = graph.nodes().len();
        let [_, _, gradient] = run(&graph, Head::Linear, &[2.0, -3.0], &[1.0, 1.0]);
        close(&gradient, &[12.0 + 4.0 + 1.0, 27.0 - 6.0 + 1.0]);
        let built = gradient_graph(&graph, Head::Linear).unwrap().graph;
        assert!(built.nodes().iter().all(|node| node.op().name != "Exp"), "the dead branch is pruned");
        assert!(built.nodes().len() > before);
    }

    #[test]
    fn a_gradient_of_an_intermediate_value_stops_there() {
        let mut graph = linear();
        let z = graph.outputs()[0];
        let y = graph.add("Relu", &[z], Attrs::new()).unwrap();
        let ones = graph.constant("ones", Tensor::f32(&[2, 2], [1.0; 4]));
        let gradients = differentiate(&mut graph, y, ones, &[z, y]).unwrap();
        assert_eq!(gradients[1], ones);
        assert_eq!(graph.shape(gradients[0]), [2, 2]);
    }

    #[test]
    fn one_piecewise_constant_way_is_no_obstacle_but_having_no_other_is() {
        let mut graph = linear();
        let (x, z) = (graph.inputs()[0], graph.outputs()[0]);
        let sign = graph.add("Sign", &[z], Attrs::new()).unwrap();
        let product = graph.add("Mul", &[sign, z], Attrs::new()).unwrap();
        graph.set_outputs(vec![product]);
        let [_, _, gradient] = run(&graph, Head::Linear, &flat(), &[1.0; 4]);
        let signs = [logits(0), logits(1)].map(|row| row.map(f64::signum));
        close(&gradient, &pulled_back(signs));
        let ones = graph.constant("ones", Tensor::f32(&[2, 2], [1.0; 4]));
        let error = differentiate(&mut graph, sign, ones, &[x]).unwrap_err();
        assert!(matches!(&error, Error::NoGradient { op, .. } if op == "Sign"), "{error}");
    }

    #[test]
    fn ways_that_are_dropped_are_named() {
        let mut graph = linear();
        let z = graph.outputs()[0];
        let named = |graph: &mut Graph, name: &str, op: &str, inputs: &[ValueId], attrs: Attrs| {
            let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
            graph.add_node(name, op, &inputs, attrs, 1).unwrap()[0]
        };
        let zero = graph.scalar(DType::F32, 0.0);
        let chosen = named(&mut graph, "chooses", "Greater", &[z, zero], Attrs::new());
        let y = graph.add("Where", &[chosen, z, zero], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        assert!(gradient_graph(&graph, Head::Margin).unwrap().stopped.is_empty());
        let sign = named(&mut graph, "first", "Sign", &[z], Attrs::new());
        let again = named(&mut graph, "second", "Sign", &[y], Attrs::new());
        let equal = named(&mut graph, "same", "Equal", &[z, zero], Attrs::new());
        let float = i64::from(DType::F32.onnx());
        let equal = named(&mut graph, "number", "Cast", &[equal], Attrs::new().int("to", float));
        let sum = [sign, again, equal].into_iter().fold(y, |sum, x| graph.add("Add", &[sum, x], Attrs::new()).unwrap());
        graph.set_outputs(vec![sum]);
        for head in Head::ALL.iter().filter(|head| head.least_classes() <= 2) {
            let stopped = gradient_graph(&graph, *head).unwrap().stopped;
            assert_eq!(stopped, ["`first` and 1 more (Sign)", "`same` (Equal)"]);
        }
    }

    #[test]
    fn indices_beside_values_are_reported() {
        let mut graph = linear();
        let (z, k) = (graph.outputs()[0], graph.constant("k", Tensor::ints([2])));
        let top = graph.add_node("top", "TopK", &[Some(z), Some(k)], Attrs::new(), 2).unwrap();
        graph.set_outputs(vec![top[0]]);
        assert!(gradient_graph(&graph, Head::Linear).unwrap().stopped.is_empty());
        let indices = graph.cast(top[1], DType::F32).unwrap();
        let sum = graph.add("Add", &[top[0], indices], Attrs::new()).unwrap();
        graph.set_outputs(vec![sum]);
        assert_eq!(gradient_graph(&graph, Head::Linear).unwrap().stopped, ["`top` (TopK)"]);
    }

    #[test]
    fn steep_functions_of_the_input_start_from_one() {
        let scale = |op: &str, swapped: bool| {
            let mut graph = linear();
            let (z, two) = (graph.outputs()[0], graph.scalar(DType::F32, 2.0));
            let ones = graph.constant("ones", Tensor::f32(&[2], [1.0; 2]));
            let inputs = match op {
                "Div" | "Mod" | "Pow" if swapped => vec![two, z],
                "Div" | "Mod" | "Pow" => vec![z, two],
                "LayerNormalization" => vec![z, ones],
                _ => vec![z],
            };
            let attrs = if op == "Mod" { Attrs::new().int("fmod", 1) } else { Attrs::new() };
            let y = graph.add(op, &inputs, attrs).unwrap();
            graph.set_outputs(vec![y]);
            cotangent_scale(&graph)
        };
        for op in ["Relu", "Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Div", "Mod", "Pow", "Elu", "Gelu", "Softplus"] {
            assert_eq!(scale(op, false), 2_f64.powi(48), "{op}");
        }
        for op in ["ReduceL1", "ReduceLogSumExp", "ReduceSumSquare", "Atan", "Asinh", "Erf", "Softsign", "Sin"] {
            assert_eq!(scale(op, false), 2_f64.powi(48), "{op}");
        }
        for op in ["Exp", "Log", "Sqrt", "Div", "Mod", "Pow", "Reciprocal", "Tan", "Sinh", "Cosh", "Asin", "Acosh"] {
            assert_eq!(scale(op, true), 1.0, "{op}");
        }
        for op in ["ReduceL2", "ReduceProd", "ReduceLogSum", "LayerNormalization", "Atanh", "Acos"] {
            assert_eq!(scale(op, true), 1.0, "{op}");
        }
    }

    #[test]
    fn attributes_make_some_functions_steep() {
        let scale = |op: &str, attrs: Attrs| {
            let mut graph = Graph::new("images");
            let x = graph.input("x", ValueType::new(DType::F32, [1, 2, 1, 1]));
            let y = graph.add(op, &[x], attrs).unwrap();
            graph.set_outputs(vec![y]);
            cotangent_scale(&graph)
        };
        let lrn = || Attrs::new().int("size", 1);
        for (op, attrs) in [("Celu", Attrs::new()), ("LRN", lrn()), ("LRN", lrn().float("bias", 2.0))] {
            assert_eq!(scale(op, attrs.clone()), 2_f64.powi(48), "{op} {attrs:?}");
        }
        let steep = [
            ("Celu", Attrs::new().float("alpha", -1.0)),
            ("LRN", lrn().float("bias", 0.5)),
            ("LRN", lrn().float("alpha", -1.0)),
        ];
        for (op, attrs) in steep {
            assert_eq!(scale(op, attrs.clone()), 1.0, "{op} {attrs:?}");
        }
    }

    #[test]
    fn a_power_is_steep_where_products_are_not_enough() {
        let scale = |exponents: [f64; 2]| {
            let mut graph = linear();
            let exponents = graph.constant("exponents", Tensor::f32(&[2], exponents));
            let y = graph.add("Pow", &[graph.outputs()[0], exponents], Attrs::new()).unwrap();
            graph.set_outputs(vec![y]);
            cotangent_scale(&graph)
        };
        for exponents in [[2.0, 3.0], [0.0, 1.0]] {
            assert_eq!(scale(exponents), 2_f64.powi(48), "{exponents:?}");
        }
        for exponents in [[2.0, 0.5], [-1.0, 2.0], [30.0, 2.0]] {
            assert_eq!(scale(exponents), 1.0, "{exponents:?}");
        }
    }

    #[test]
    fn a_mask_passes_no_gradient() {
        let mut graph = linear();
        let (x, z) = (graph.inputs()[0], graph.outputs()[0]);
        let half = graph.add("Exp", &[z], Attrs::new()).unwrap();
        graph.mark_mask(half);
        let product = graph.add("Mul", &[half, z], Attrs::new()).unwrap();
        let ones = graph.constant("ones", Tensor::f32(&[2, 2], [1.0; 4]));
        let gradient = differentiate(&mut graph, product, ones, &[x]).unwrap();
        graph.set_outputs(gradient);
        let found = Interpreter.run(&graph, &[Tensor::f32(&[2, 3], flat())]).unwrap().remove(0);
        close(&found.to_f64(), &pulled_back([logits(0), logits(1)].map(|row| row.map(f64::exp))));
    }

    #[test]
    fn an_output_that_does_not_depend_on_the_input_is_an_error() {
        let mut graph = linear();
        let y = graph.input("y", ValueType::new(DType::F32, [2, 2]));
        let z = graph.outputs()[0];
        let ones = graph.constant("ones", Tensor::f32(&[2, 2], [1.0; 4]));
        let error = differentiate(&mut graph, z, ones, &[y]).unwrap_err();
        assert!(error.to_string().contains("does not depend on `y`"), "{error}");
    }

    #[test]
    fn classifiers_of_another_form_are_errors() {
        let mut two_inputs = linear();
        two_inputs.input("y", ValueType::new(DType::F32, [1]));
        assert!(gradient_graph(&two_inputs, Head::Linear).is_err());
        let mut vector = Graph::new("vector");
        let x = vector.input("x", ValueType::new(DType::F32, [3]));
        vector.set_outputs(vec![x]);
        assert!(gradient_graph(&vector, Head::Linear).is_err());
        let mut single = Graph::new("single");
        let x = single.input("x", ValueType::new(DType::F32, [2, 1]));
        single.set_outputs(vec![x]);
        assert!(gradient_graph(&single, Head::Linear).is_ok());
        for head in [Head::CrossEntropy, Head::Margin, Head::Kl] {
            let error = gradient_graph(&single, head).unwrap_err().to_string();
            assert!(error.contains("the output has 1 scores per row"), "{error}");
        }
    }
}
