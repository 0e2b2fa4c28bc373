//! Laws over the whole operator table. Every one reports all rows that break it.

use super::{Arg, Call, Case, CaseGradient, CaseInput, KERNELS, OPS, Op, REWRITES, Vjp, case_gradient, case_graph};
use crate::check::Splitmix;
use crate::model::OPSETS;
use crate::{DType, Error, Graph, Interpreter, Tensor, ValueId, ValueType, differentiate};

/// Step of the central differences, for inputs and slopes of the order of 1: truncation is of the order of 1e-12 and
/// rounding of 1e-10.
const STEP: f64 = 1e-6;

/// Relative error allowed between a rule and the central difference: constants in emitted nodes are float32, so that a
/// rule may be off by 6e-8.
const TOLERANCE: f64 = 1e-6;

/// Relative change of slope between the two sides above which a point is at a kink. Curvature gives about `STEP`.
const KINK: f64 = 1e-4;

/// How often the random inputs and directions of a case are drawn.
const DRAWS: u64 = 4;

/// Every operator: the standard ones and our own.
fn table() -> impl Iterator<Item = &'static Op> {
    OPS.iter().chain(KERNELS).copied()
}

/// Runs `law` on every case of every operator and panics with the list of those that break it.
fn for_all_cases(law: impl Fn(&'static Op, &Case) -> Result<(), String>) {
    let rows = table().flat_map(|op| (op.cases)().into_iter().map(move |case| (op, case)));
    let broken: Vec<String> = rows
        .filter_map(|(op, case)| law(op, &case).err().map(|reason| format!("{} ({}): {reason}", op.name, case.name)))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn names_are_sorted_and_unique() {
    for pair in OPS.windows(2).chain(KERNELS.windows(2)) {
        assert!(pair[0].name < pair[1].name, "{} must come before {}", pair[1].name, pair[0].name);
    }
    assert!(KERNELS.iter().all(|kernel| OPS.iter().all(|op| op.name != kernel.name)));
}

#[test]
fn opsets_are_sorted_and_read() {
    let rows = OPS.iter().map(|op| (op.name, op.opsets)).chain(REWRITES.iter().map(|op| (op.name, op.opsets)));
    for (name, opsets) in rows {
        assert!(!opsets.is_empty() && opsets.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {opsets:?}");
        assert!(opsets.iter().all(|opset| OPSETS.contains(opset)), "{name}: {opsets:?}");
    }
}

#[test]
fn every_operator_has_a_doc_and_cases_with_names_of_their_own() {
    for op in table() {
        assert!(!op.doc.is_empty(), "{} has no doc", op.name);
        let mut names: Vec<&str> = (op.cases)().iter().map(|case| case.name).collect();
        assert!(!names.is_empty(), "{} has no case", op.name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{} has two cases of one name", op.name);
    }
}

#[test]
fn every_case_is_accepted() {
    for_all_cases(|op, case| case_graph(op, case, 0).map(drop).map_err(|error| error.to_string()));
}

#[test]
fn shape_rules_agree_with_kernels() {
    for_all_cases(|op, case| {
        with_call(op, case, |call| {
            let types = (op.infer)(call)?;
            let results = (op.eval)(call)?;
            if results.len() != case.outputs || types.len() < case.outputs {
                return Err(format!("{} outputs wanted, {} given, {} typed", case.outputs, results.len(), types.len()));
            }
            for (ty, result) in types.iter().zip(&results) {
                let found = ValueType::new(result.dtype(), result.shape());
                if found != *ty {
                    return Err(format!("the shape rule says {ty:?}, the kernel {found:?}"));
                }
            }
            Ok(())
        })
    });
}

#[test]
fn macs_agree_with_the_count_by_hand() {
    for_all_cases(|op, case| {
        with_call(op, case, |call| {
            let found = (op.macs)(call);
            if found == case.macs { Ok(()) } else { Err(format!("by hand {}, by rule {found}", case.macs)) }
        })
    });
}

/// Calls `check` with the case's inputs as a kernel sees them.
fn with_call(op: &Op, case: &Case, check: impl Fn(&Call<'_>) -> Result<(), String>) -> Result<(), String> {
    let mut random = Splitmix::new(0);
    let tensor = |input: &CaseInput| match input {
        CaseInput::Random(shape, low, high) | CaseInput::RandomConstant(shape, low, high) => {
            Some(random.tensor(shape, *low, *high))
        }
        CaseInput::Fed(tensor) | CaseInput::Constant(tensor) => Some(tensor.clone()),
        CaseInput::Absent => None,
    };
    let tensors: Vec<Option<Tensor>> = case.inputs.iter().map(tensor).collect();
    let typed = |tensor: &Tensor| ValueType::new(tensor.dtype(), tensor.shape());
    let types: Vec<Option<ValueType>> = tensors.iter().map(|tensor| tensor.as_ref().map(typed)).collect();
    let args: Vec<Option<Arg<'_>>> =
        types.iter().zip(&tensors).map(|(ty, data)| ty.as_ref().map(|ty| Arg { ty, data: data.as_ref() })).collect();
    check(&Call { attrs: &case.attrs, inputs: &args, outputs: case.outputs })
        .map_err(|reason| format!("{}: {reason}", op.name))
}

#[test]
fn gradient_rules_agree_with_central_differences() {
    for_all_cases(|op, case| {
        let Vjp::Rule(..) = op.vjp else { return Ok(()) };
        let drawn = case.inputs.iter().any(|input| matches!(input, CaseInput::Random(..)));
        match compared(op, case, 1.0)? {
            Some(0) if drawn => Err("every draw is at a kink".to_owned()),
            _ => Ok(()),
        }
    });
}

#[test]
fn every_gradient_rule_between_floats_is_compared() {
    for op in table().filter(|op| matches!(op.vjp, Vjp::Rule(..))) {
        let cases = (op.cases)();
        let compared = |case| compared(op, case, 1.0).is_ok_and(|count| count.is_some_and(|count| count > 0));
        assert!(
            !cases.iter().any(|case| between_floats(op, case)) || cases.iter().any(compared),
            "{} is never compared",
            op.name
        );
    }
}

fn between_floats(op: &'static Op, case: &Case) -> bool {
    let (graph, inputs) = case_graph(op, case, 0).expect("another law says that every case is accepted");
    inputs.iter().any(|input| input.dtype().is_float()) && graph.value(graph.outputs()[0]).dtype().is_float()
}

#[test]
fn a_rule_that_is_off_by_a_thousandth_is_caught() {
    for_all_cases(|op, case| {
        let (Vjp::Rule(..), Ok(Some(1..))) = (op.vjp, compared(op, case, 1.0)) else { return Ok(()) };
        match compared(op, case, 1.001) {
            Ok(_) if moves(op, case)? => Err("not caught".to_owned()),
            _ => Ok(()),
        }
    });
}

/// Whether the gradient of a case is not zero everywhere.
fn moves(op: &'static Op, case: &Case) -> Result<bool, String> {
    let Some(row) = Row::new(op, case, 0)? else { return Ok(false) };
    Ok(row.slopes()?.iter().flatten().any(|slope| *slope != 0.0))
}

/// How many draws of a case were compared and not skipped for a kink, each gradient first multiplied by `distortion`.
/// `None` where no gradient between floats is offered.
fn compared(op: &'static Op, case: &Case, distortion: f64) -> Result<Option<usize>, String> {
    let mut count = None;
    for seed in 0..DRAWS {
        let Some(row) = Row::new(op, case, seed)? else { continue };
        *count.get_or_insert(0) += usize::from(row.agrees(distortion)?);
    }
    Ok(count)
}

/// A case with its gradient and a random direction.
struct Row {
    forward: Graph,
    gradient: CaseGradient,
    directions: Vec<Vec<f64>>,
}

impl Row {
    fn new(op: &'static Op, case: &Case, seed: u64) -> Result<Option<Self>, String> {
        let Some(gradient) = case_gradient(op, case, seed).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let (mut forward, inputs) = case_graph(op, case, seed).map_err(|error| error.to_string())?;
        forward.set_outputs(vec![forward.outputs()[0]]);
        let mut random = Splitmix::new(seed.wrapping_add(DRAWS));
        let direction = |&index: &usize| random.tensor(inputs[index].shape(), -1.0, 1.0).to_f64();
        let directions = gradient.wrt.iter().map(direction).collect();
        Ok(Some(Self { forward, gradient, directions }))
    }

    /// The same for the gradient with respect to the first of the inputs that has one, as a function of all of them.
    ///
    /// Where reverse mode says that it does not depend on an input, the derivative must be zero.
    fn second(op: &'static Op, case: &Case, seed: u64) -> Result<Option<Self>, String> {
        let Some(first) = Self::new(op, case, seed)? else { return Ok(None) };
        let CaseGradient { mut graph, inputs, wrt, .. } = first.gradient;
        let output = graph.outputs()[0];
        graph.set_outputs(vec![output]);
        let forward = graph.clone();
        let cotangent = Splitmix::new(seed ^ 0x5eed).tensor(graph.shape(output), -1.0, 1.0);
        let seed = graph.constant("second_cotangent", cotangent.clone());
        let gradients = wrt.iter().map(|&index| {
            let input = graph.inputs()[index];
            match differentiate(&mut graph, output, seed, &[input]) {
                Ok(gradients) => Ok(gradients[0]),
                Err(Error::Graph(_)) => {
                    Ok(graph.constant("zeros", super::tests::zeros(&graph.value(input).ty().clone())))
                }
                Err(error) => Err(error.to_string()),
            }
        });
        let gradients = gradients.collect::<Result<_, _>>()?;
        graph.set_outputs(gradients);
        let gradient = CaseGradient { graph: graph.pruned().0, inputs, wrt, cotangent };
        Ok(Some(Self { forward, gradient, directions: first.directions }))
    }

    /// Per gradient the products of its elements with those of the direction.
    fn slopes(&self) -> Result<Vec<Vec<f64>>, String> {
        let CaseGradient { graph, inputs, wrt, .. } = &self.gradient;
        let gradients = Interpreter.run(graph, inputs).map_err(|error| error.to_string())?;
        let check = |(gradient, &index): (&Tensor, &usize)| match gradient.shape() == inputs[index].shape() {
            true => Ok(gradient.to_f64()),
            false => Err(format!("the gradient of input {index} has shape {:?}", gradient.shape())),
        };
        let gradients: Result<Vec<Vec<f64>>, String> = gradients.iter().zip(wrt).map(check).collect();
        let products = |(g, d): (Vec<f64>, &Vec<f64>)| g.iter().zip(d).map(|(g, d)| g * d).collect();
        Ok(gradients?.into_iter().zip(&self.directions).map(products).collect())
    }

    /// The contracted output, the differentiated inputs moved by `step` along their directions.
    fn value(&self, step: f64) -> Result<f64, String> {
        let mut inputs = self.gradient.inputs.clone();
        for (&index, direction) in self.gradient.wrt.iter().zip(&self.directions) {
            let moved = inputs[index].to_f64().iter().zip(direction).map(|(x, d)| x + step * d).collect();
            inputs[index] = Tensor::float(inputs[index].dtype(), inputs[index].shape(), moved);
        }
        let output = Interpreter.run(&self.forward, &inputs).map_err(|error| error.to_string())?.remove(0);
        Ok(output.to_f64().iter().zip(self.gradient.cotangent.to_f64()).map(|(y, c)| y * c).sum())
    }

    /// Whether the rule could be compared, which it can't at a kink.
    ///
    /// Errors: it disagrees.
    fn agrees(&self, distortion: f64) -> Result<bool, String> {
        let slopes = self.slopes()?;
        let slope = distortion * slopes.iter().flatten().sum::<f64>();
        let size: f64 = slopes.iter().flatten().map(|slope| slope.abs()).sum();
        let (before, here, after) = (self.value(-STEP)?, self.value(0.0)?, self.value(STEP)?);
        let bend = ((after - here) - (here - before)) / STEP;
        let difference = (after - before) / (2.0 * STEP);
        let floor = 1e-9 * here.abs().max(1.0);
        if bend.abs() > KINK * size.max(difference.abs()) + floor {
            return Ok(false);
        }
        let error = (slope - difference).abs();
        let largest =
            self.gradient.inputs.iter().flat_map(|input| input.to_f64()).fold(0.0, |a: f64, x| a.max(x.abs()));
        // Adding a step to a large input rounds the step.
        let allowed = (TOLERANCE + largest * f64::EPSILON / STEP) * size + floor;
        let reason = || format!("the rule says {slope}, the central difference {difference}");
        if error <= allowed { Ok(true) } else { Err(reason()) }
    }
}

#[test]
fn piecewise_constant_operators_refuse() {
    for_all_cases(|op, case| {
        let (mut graph, _) = case_graph(op, case, 0).map_err(|error| error.to_string())?;
        if !matches!(op.vjp, Vjp::Constant) {
            return Ok(());
        }
        let output = graph.outputs()[0];
        let shape = graph.shape(output).to_vec();
        let ones = graph.constant("ones", Tensor::float(DType::F32, &shape, vec![1.0; shape.iter().product()]));
        let gradient = |&input: &ValueId| differentiate(&mut graph.clone(), output, ones, &[input]);
        let refused = |input| matches!(gradient(input), Err(Error::NoGradient { .. } | Error::Graph(_)));
        if graph.inputs().iter().all(refused) { Ok(()) } else { Err("gives a gradient".to_owned()) }
    });
}

#[test]
fn rules_emit_what_they_list() {
    let broken: Vec<String> = table().filter_map(|op| emits_what_it_lists(op).err()).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn emits_what_it_lists(op: &'static Op) -> Result<(), String> {
    let Vjp::Rule(_, listed) = op.vjp else { return Ok(()) };
    let mut emitted: Vec<&str> = Vec::new();
    for case in (op.cases)() {
        emitted.extend(emitted_by(op, &case).map_err(|error| error.to_string())?);
        let half = in_half_precision(case);
        if case_graph(op, &half, 0).is_ok() {
            emitted.extend(emitted_by(op, &half).map_err(|error| error.to_string())?);
        }
    }
    emitted.sort_unstable();
    emitted.dedup();
    let unruled: Vec<&&str> = listed.iter().filter(|name| super::find(name).is_none()).collect();
    if emitted != listed {
        return Err(format!("{} emits {emitted:?} and lists {listed:?}", op.name));
    }
    if unruled.is_empty() { Ok(()) } else { Err(format!("{} emits {unruled:?}, which have no rule", op.name)) }
}

/// The same case with float16 for float32: some rules then go through float32.
fn in_half_precision(case: Case) -> Case {
    use CaseInput::{Absent, Constant, Fed, Random, RandomConstant};
    let mut random = Splitmix::new(0);
    let half = |tensor: Tensor| match tensor.dtype() {
        DType::F32 => Tensor::float(DType::F16, tensor.shape(), tensor.to_f64()).rounded(),
        _ => tensor,
    };
    let input = |input| match input {
        Random(shape, low, high) => Fed(half(random.tensor(&shape, low, high))),
        RandomConstant(shape, low, high) => Constant(half(random.tensor(&shape, low, high))),
        Fed(tensor) => Fed(half(tensor)),
        Constant(tensor) => Constant(half(tensor)),
        Absent => Absent,
    };
    let inputs = case.inputs.into_iter().map(input).collect();
    Case { inputs, ..case }
}

/// The operators of the nodes that the rule adds for each output and float input of a case, without the sums over several
/// uses.
fn emitted_by(op: &'static Op, case: &Case) -> Result<Vec<&'static str>, Error> {
    let (mut graph, inputs) = case_graph(op, case, 0)?;
    let outputs = graph.outputs().to_vec();
    let mut emitted = Vec::new();
    if graph.nodes().is_empty() {
        return Ok(emitted);
    }
    let shape = |id: &ValueId| graph.value(*id).ty().clone();
    for (output, ty) in outputs.iter().map(|id| (*id, shape(id))).collect::<Vec<_>>() {
        let ty = ValueType::new(if ty.dtype.is_float() { ty.dtype } else { DType::F32 }, ty.shape);
        let cotangent = graph.input("cotangent", ty);
        for (&input, _) in graph.inputs().iter().zip(&inputs) {
            let mut graph = graph.clone();
            let before = graph.nodes().len();
            match differentiate(&mut graph, output, cotangent, &[input]) {
                Ok(_) => emitted.extend(graph.nodes()[before..].iter().map(|node| node.op().name)),
                Err(Error::NoGradient { .. } | Error::Graph(_)) => (),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(emitted)
}

/// Second derivatives: the gradient of every case is differentiated once more, along a random direction, and held
/// against central differences of the gradient.
#[test]
fn gradients_can_be_differentiated_again() {
    for_all_cases(|op, case| {
        if !matches!(op.vjp, Vjp::Rule(..)) {
            return Ok(());
        }
        let mut compared = None;
        for seed in 0..DRAWS {
            let Some(row) = Row::second(op, case, seed)? else { continue };
            *compared.get_or_insert(0) += usize::from(row.agrees(1.0)?);
        }
        let drawn = case.inputs.iter().any(|input| matches!(input, CaseInput::Random(..)));
        if compared == Some(0) && drawn { Err("every draw is at a kink".to_owned()) } else { Ok(()) }
    });
}
