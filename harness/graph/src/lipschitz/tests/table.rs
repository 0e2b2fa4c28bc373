//! Laws over all operators.

use super::lengths;
use crate::check::Splitmix;
use crate::lipschitz::change::Change;
use crate::lipschitz::rules::{Effect, Site};
use crate::lipschitz::table::{RULES, Rule, effects};
use crate::ops::{Call, Case, CaseInput, OPS, REWRITES, case_graph, rewritten_graph};
use crate::{Attrs, DType, Graph, Interpreter, Norm, Tensor, Unbounded, ValueType};

#[test]
fn every_operator_has_a_rule_or_a_reason() {
    let names: Vec<&str> = OPS.iter().map(|op| op.name).collect();
    assert_eq!(RULES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (name, rule) in RULES {
        let (Rule::Constant(constant), reason) = (rule, "") else {
            if let Rule::Refused(reason) = rule {
                assert!(!reason.is_empty() && !reason.starts_with(char::is_uppercase), "{name}");
            }
            continue;
        };
        assert!(*constant > 0.0 && reason.is_empty(), "{name}");
    }
}

/// The same case with all inputs constant but one.
fn alone(case: &Case, varying: usize) -> Case {
    let fixed = |(index, input): (usize, &CaseInput)| match input {
        CaseInput::Random(shape, low, high) if index != varying => {
            CaseInput::RandomConstant(shape.clone(), *low, *high)
        }
        CaseInput::Fed(tensor) if index != varying => CaseInput::Constant(tensor.clone()),
        other => other.clone(),
    };
    Case { inputs: case.inputs.iter().enumerate().map(fixed).collect(), ..case.clone() }
}

fn node_effects(graph: &Graph) -> Option<Vec<Effect>> {
    let node = graph.nodes().first()?;
    let args = graph.args(node);
    let call = Call { attrs: node.attrs(), inputs: &args, outputs: node.outputs().len() };
    effects(&Site { graph, node, call }).ok()
}

/// Inputs moved in one of several ways, by little and by much.
fn moved(x: &Tensor, way: usize, draws: &mut Splitmix) -> Tensor {
    if !x.dtype().is_float() || x.is_empty() {
        return x.clone();
    }
    let size = [1e-3, 0.3, 30.0][way % 3];
    let only = (draws.next_u64() % x.len() as u64) as usize;
    let step = |index: usize, draws: &mut Splitmix| match way / 3 {
        0 => draws.uniform(-size, size),
        1 if index == only => size,
        1 => 0.0,
        _ => size,
    };
    let values = x.to_f64().into_iter().enumerate().map(|(index, x)| x + step(index, draws)).collect();
    Tensor::float(x.dtype(), x.shape(), values)
}

/// No output moves further than the rule allows, in any norm, on any case of any operator.
#[test]
fn no_case_moves_further_than_its_rule_allows() {
    let mut draws = Splitmix::new(7);
    let mut untested: Vec<&str> = Vec::new();
    for op in OPS {
        let rule = RULES.iter().find(|(name, _)| *name == op.name).unwrap().1;
        let mut tested = false;
        for case in (op.cases)() {
            let variants = std::iter::once(case.clone()).chain((0..case.inputs.len()).map(|index| alone(&case, index)));
            for case in variants {
                let (graph, x) = case_graph(op, &case, 8).unwrap();
                let Some(effects) = node_effects(&graph) else { continue };
                tested |= check(&graph, &x, &effects, &mut draws, &format!("{} {}", op.name, case.name));
            }
        }
        if !tested && !matches!(rule, Rule::Refused(_)) {
            untested.push(op.name);
        }
    }
    // It has a constant at alpha 0 alone, which no case has; the slopes below are tested there.
    assert_eq!(untested, ["ThresholdedRelu"]);
}

fn check(graph: &Graph, x: &[Tensor], effects: &[Effect], draws: &mut Splitmix, name: &str) -> bool {
    let node = &graph.nodes()[0];
    let at = Interpreter.run(graph, x).unwrap();
    let mut tested = false;
    for way in (0..9).cycle().take(36) {
        let to: Vec<Tensor> = x.iter().map(|x| moved(x, way, draws)).collect();
        let Ok(there) = Interpreter.run(graph, &to) else { continue };
        let apart =
            |a: &Tensor, b: &Tensor| -> Vec<f64> { a.to_f64().iter().zip(b.to_f64()).map(|(a, b)| a - b).collect() };
        let of_input = |index: usize| -> Result<Change, ()> {
            let place = graph.inputs().iter().position(|id| node.inputs()[index] == Some(*id)).unwrap();
            Ok(Change::measured(lengths(&apart(&x[place], &to[place]))))
        };
        for ((output, before), after) in effects.iter().zip(&at).zip(&there) {
            let distance = apart(before, after);
            if !before.dtype().is_float() || distance.iter().any(|x| !x.is_finite()) {
                continue;
            }
            let allowed = output.apply(of_input).unwrap().of(distance.len());
            let allowed = [Norm::L1, Norm::L2, Norm::Linf].map(|norm| allowed.in_norm(norm));
            let rounding = 1e-12 * (1.0 + lengths(&before.to_f64())[0] + lengths(&after.to_f64())[0]);
            for (found, allowed) in lengths(&distance).into_iter().zip(allowed) {
                assert!(found <= allowed + rounding, "{name}, way {way}: {found} is above {allowed}");
            }
            tested |= allowed[1].is_finite();
        }
    }
    tested
}

/// A graph of one function, with many elements between -12 and 12.
fn grid(build: impl FnOnce(&mut Graph, crate::ValueId) -> crate::ValueId) -> (Graph, Tensor) {
    let points = 48_001;
    let mut graph = Graph::new("grid");
    let x = graph.input("x", ValueType::new(DType::F64, [points]));
    let y = build(&mut graph, x);
    graph.set_outputs(vec![y]);
    let values = (0..points).map(|at| (at as f64 - 24_000.0) / 2000.0).collect();
    (graph, Tensor::float(DType::F64, &[points], values))
}

/// The largest slope between neighbours of the grid.
fn steepest(graph: &Graph, x: &Tensor) -> f64 {
    let y = Interpreter.run(graph, std::slice::from_ref(x)).unwrap().remove(0).to_f64();
    y.windows(2).zip(x.to_f64().windows(2)).map(|(y, x)| ((y[1] - y[0]) / (x[1] - x[0])).abs()).fold(0.0, f64::max)
}

/// The constant of a function of one element is its largest slope, and no more than 0.1% above.
#[test]
fn constants_are_the_largest_slopes() {
    let moves = ["Flatten", "Identity", "Reshape", "Softmax", "Squeeze", "Transpose", "Unsqueeze"];
    let scalars = RULES
        .iter()
        .filter(|(name, rule)| matches!(rule, Rule::Constant(_) | Rule::Scalar(_)) && !moves.contains(name));
    let mut attributes = 0;
    for (name, _) in scalars {
        let op = OPS.iter().find(|op| op.name == *name).unwrap();
        let none =
            (*name == "ThresholdedRelu").then(|| Case::new("no step", Attrs::new().float("alpha", 0.0), Vec::new()));
        for case in (op.cases)().into_iter().chain(none) {
            let (graph, x) = grid(|graph, x| graph.add(name, &[x], case.attrs.clone()).unwrap());
            let Ok(bound) = graph.lipschitz_bound(Norm::Linf, Norm::Linf) else { continue };
            let slope = steepest(&graph, &x);
            // Differences of values that are rounded to 2^-53, over steps of 1/2000.
            assert!(slope <= bound + 1e-11 && slope >= 0.999 * bound, "{name} {}: {slope} {bound}", case.name);
            attributes += case.attrs.iter().count();
        }
    }
    assert!(attributes > 10);
}

/// The same for HardSwish, Mish and Swish as reading splits them, and for the forms that exporters write.
#[test]
fn gates_have_the_largest_slopes() {
    let mut graphs = Vec::new();
    for rewrite in REWRITES.iter().filter(|rewrite| ["HardSwish", "Mish", "Swish"].contains(&rewrite.name)) {
        for case in (rewrite.cases)() {
            let points = grid(|_, x| x).1;
            let case = Case { inputs: vec![CaseInput::Fed(points.clone())], ..case };
            graphs.push((rewritten_graph(rewrite, &case, 24, 0).unwrap().0, points));
        }
    }
    for (shift, low, high) in [(3.0, 0.0, 6.0), (1.0, -2.0, 5.0), (-4.0, 0.5, 2.0)] {
        for scale in [None, Some("Mul"), Some("Div")] {
            graphs.push(grid(|graph, x| {
                let [shift, low, high, six] = [shift, low, high, 6.0].map(|number| graph.scalar(DType::F64, number));
                let gate = graph.add("Add", &[shift, x], Attrs::new()).unwrap();
                let gate = graph.add("Clip", &[gate, low, high], Attrs::new()).unwrap();
                let gate = scale.map_or(gate, |op| graph.add(op, &[gate, six], Attrs::new()).unwrap());
                graph.add("Mul", &[gate, x], Attrs::new()).unwrap()
            }));
        }
    }
    assert!(graphs.len() > 15);
    for (graph, x) in graphs {
        let bound = graph.lipschitz_bound(Norm::Linf, Norm::Linf).unwrap();
        let slope = steepest(&graph, &x);
        assert!(slope <= bound + 1e-11 && slope >= 0.998 * bound, "{:?}: {slope} {bound}", graph.nodes());
    }
}

#[test]
fn what_is_not_lipschitz_is_refused_by_name() {
    type Build = fn(&mut Graph, crate::ValueId) -> crate::ValueId;
    let rows: [(Build, &str, &str); 5] = [
        (|graph, x| graph.add("Mul", &[x, x], Attrs::new()).unwrap(), "Mul", "multiplies two values"),
        (|graph, x| graph.add("Exp", &[x], Attrs::new()).unwrap(), "Exp", "its slope has no bound"),
        (|graph, x| graph.add("Floor", &[x], Attrs::new()).unwrap(), "Floor", "has steps"),
        (
            |graph, x| {
                let one = graph.scalar(DType::F64, 1.0);
                graph.add("Div", &[one, x], Attrs::new()).unwrap()
            },
            "Div",
            "the divisor depends",
        ),
        (
            |graph, x| {
                let scale = graph.scalar(DType::F64, f64::INFINITY);
                graph.add("Mul", &[x, scale], Attrs::new()).unwrap()
            },
            "Mul",
            "not finite",
        ),
    ];
    for (build, wanted, text) in rows {
        let (mut graph, _) = grid(build);
        let y = graph.add("Relu", &[graph.outputs()[0]], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let error = graph.lipschitz_bound(Norm::L2, Norm::L2).unwrap_err();
        let Unbounded::Node { op, reason, .. } = &error else { panic!("{error}") };
        assert!(op == wanted && reason.contains(text), "{error}");
        assert!(error.to_string().starts_with("bound the Lipschitz constant: node `"), "{error}");
    }
}
