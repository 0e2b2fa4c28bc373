//! Every case of the operator table, held against ONNX Runtime: types, values and gradients.

use crate::{OrtExecutor, inferred_types};
use graph::check::Splitmix;
use graph::ops::{Case, KERNELS, OPS, Op, REWRITES, case_graph, rewritten_graph};
use graph::{Data, Executor, Graph, Interpreter, Profile, Tensor, ValueId, differentiate};

/// Largest difference between f32 and f64, in units of the largest element: sums of a few hundred products in f32
/// (6e-8 each), and ONNX Runtime's polynomial exp, tanh and sigmoid.
const TOLERANCE: f64 = 1e-5;

struct Built {
    graph: Graph,
    inputs: Vec<Tensor>,
    fed: Vec<ValueId>,
}

fn build(op: &Op, case: &Case) -> Result<Built, graph::Error> {
    let (graph, inputs) = case_graph(op, case, 7)?;
    Ok(Built { fed: graph.inputs().to_vec(), graph, inputs })
}

/// The same in standard operators alone.
fn standard(built: Built) -> Result<Built, graph::Error> {
    let own = |node: &graph::Node| !node.op().domain().is_empty();
    if !built.graph.nodes().iter().any(own) {
        return Ok(built);
    }
    Ok(Built { graph: Profile::Portable.lower(&built.graph)?, ..built })
}

/// The graph extended by the gradient of its first output along a random cotangent, with respect to its float inputs.
fn with_gradient(built: &Built) -> Result<Option<Built>, graph::Error> {
    let mut graph = built.graph.clone();
    let output = graph.outputs()[0];
    let wrt: Vec<ValueId> = built.fed.iter().copied().filter(|&id| graph.value(id).dtype().is_float()).collect();
    let ty = graph.value(output).ty().clone();
    let differentiable = graph.producer(output).is_some_and(|node| matches!(node.op().vjp, graph::ops::Vjp::Rule(..)));
    if wrt.is_empty() || !ty.dtype.is_float() || !differentiable {
        return Ok(None);
    }
    let cotangent = graph.input("cotangent", ty.clone());
    let gradients = match differentiate(&mut graph, output, cotangent, &wrt) {
        Err(graph::Error::NoGradient { .. }) => return Ok(None),
        result => result?,
    };
    graph.set_outputs(gradients);
    let mut inputs = built.inputs.clone();
    inputs.push(Tensor::float(ty.dtype, &ty.shape, Splitmix::new(8).tensor(&ty.shape, -1.0, 1.0).to_f64()).rounded());
    let fed = built.fed.clone();
    Ok(Some(Built { graph: graph.pruned().0, inputs, fed }))
}

/// Runs `check` on every case and reports all that fail.
fn check_all(check: impl Fn(&Op, &Case) -> Result<(), String>) {
    let cases = OPS.iter().chain(KERNELS).flat_map(|op| (op.cases)().into_iter().map(move |case| (op, case)));
    let results: Vec<(String, Result<(), String>)> =
        cases.map(|(op, case)| (format!("{} / {}", op.name, case.name), check(op, &case))).collect();
    let failed: Vec<String> =
        results.iter().filter_map(|(name, result)| Some(format!("{name}: {}", result.as_ref().err()?))).collect();
    assert!(failed.is_empty(), "{} of {} cases fail:\n{}", failed.len(), results.len(), failed.join("\n"));
}

fn compare(built: &Built, executor: OrtExecutor) -> Result<(), String> {
    let exact = Interpreter.run(&built.graph, &built.inputs).map_err(|error| error.to_string())?;
    let mut program = executor.compile(&built.graph).map_err(|error| error.to_string())?;
    let found = program.run(&built.inputs).map_err(|error| error.to_string())?;
    for (index, (found, exact)) in found.iter().zip(&exact).enumerate() {
        agree(found, exact).map_err(|reason| format!("output {index}: {reason}"))?;
    }
    Ok(())
}

fn agree(found: &Tensor, exact: &Tensor) -> Result<(), String> {
    if (found.dtype(), found.shape()) != (exact.dtype(), exact.shape()) {
        return Err(format!("{:?} {:?}", (found.dtype(), found.shape()), (exact.dtype(), exact.shape())));
    }
    match (found.data(), exact.data()) {
        (Data::Int(found), Data::Int(exact)) if found == exact => Ok(()),
        (Data::Float(found), Data::Float(exact)) => {
            let largest = exact.iter().filter(|e| e.is_finite()).fold(1.0, |largest: f64, e| largest.max(e.abs()));
            let near = |f: f64, e: f64| (f - e).abs() <= TOLERANCE * largest || f == e || (f.is_nan() && e.is_nan());
            let wrong = found.iter().zip(exact).position(|(&f, &e)| !near(f, e));
            wrong.map_or(Ok(()), |i| Err(format!("element {i}: ONNX Runtime {}, interpreter {}", found[i], exact[i])))
        }
        (found, exact) => Err(format!("ONNX Runtime {found:?}, interpreter {exact:?}")),
    }
}

fn value_check(executor: OrtExecutor) -> impl Fn(&Op, &Case) -> Result<(), String> {
    move |op, case| compare(&build(op, case).and_then(standard).map_err(|error| error.to_string())?, executor)
}

fn gradient_check(executor: OrtExecutor, profile: Profile) -> impl Fn(&Op, &Case) -> Result<(), String> {
    move |op, case| {
        let built = build(op, case).map_err(|error| error.to_string())?;
        let Some(gradient) = with_gradient(&built).map_err(|error| error.to_string())? else { return Ok(()) };
        let graph = profile.lower(&gradient.graph).map_err(|error| error.to_string())?;
        compare(&Built { graph, ..gradient }, executor)
    }
}

fn type_check(built: &Built) -> Result<(), String> {
    let inferred = inferred_types(&built.graph).map_err(|error| error.to_string())?;
    for found in &inferred {
        let id = built.graph.find(&found.name).ok_or_else(|| format!("unknown value `{}`", found.name))?;
        let ours = built.graph.value(id);
        let dims: Vec<Option<usize>> = ours.shape().iter().copied().map(Some).collect();
        if found.dtype != Some(ours.dtype()) || found.shape != dims {
            return Err(format!("ONNX Runtime infers {found:?}, we {:?}", ours.ty()));
        }
    }
    let expected = built.graph.nodes().iter().map(|node| node.outputs().len()).sum::<usize>();
    if inferred.len() == expected { Ok(()) } else { Err(format!("{} of {expected} types", inferred.len())) }
}

#[test]
fn types_equal_those_that_onnx_runtime_infers() {
    check_all(|op, case| {
        let built = build(op, case).map_err(|error| error.to_string())?;
        let gradient = with_gradient(&built).map_err(|error| error.to_string())?;
        type_check(&standard(built).map_err(|error| error.to_string())?)?;
        match gradient.map(standard).transpose().map_err(|error| error.to_string())? {
            Some(gradient) => type_check(&gradient).map_err(|reason| format!("gradient: {reason}")),
            None => Ok(()),
        }
    });
}

#[test]
fn values_agree_with_the_interpreter_unoptimised() {
    check_all(value_check(OrtExecutor::unoptimised()));
}

#[test]
fn values_agree_with_the_interpreter_optimised() {
    check_all(value_check(OrtExecutor::new()));
}

#[test]
fn gradients_agree_with_the_interpreter_unoptimised() {
    check_all(gradient_check(OrtExecutor::unoptimised(), Profile::Portable));
}

#[test]
fn gradients_agree_with_the_interpreter_optimised() {
    check_all(gradient_check(OrtExecutor::new(), Profile::Portable));
}

#[test]
fn gradients_agree_with_the_interpreter_in_the_cpu_profile() {
    check_all(gradient_check(OrtExecutor::unoptimised(), Profile::Cpu));
    check_all(gradient_check(OrtExecutor::new(), Profile::Cpu));
}

#[test]
fn rewritten_operators_agree_with_the_interpreter() {
    for rewrite in REWRITES {
        for case in (rewrite.cases)() {
            let (graph, inputs) = rewritten_graph(rewrite, &case, 24, 7).expect("graph's tests read every case");
            let built = Built { fed: graph.inputs().to_vec(), graph, inputs };
            let gradient = with_gradient(&built).expect("the rewritten graph has a gradient");
            for built in [Some(built), gradient].into_iter().flatten() {
                let result = type_check(&built).and_then(|()| compare(&built, OrtExecutor::new()));
                assert_eq!(result, Ok(()), "{} / {}", rewrite.name, case.name);
            }
        }
    }
}

#[test]
fn a_wrong_value_is_noticed() {
    let exact = Tensor::f32(&[2], [1.0, 2.0]);
    assert!(agree(&Tensor::f32(&[2], [1.0, 2.0001]), &exact).is_err());
    assert!(agree(&Tensor::f32(&[2], [1.0, f64::NAN]), &exact).is_err());
    assert!(agree(&exact, &exact).is_ok());
}
