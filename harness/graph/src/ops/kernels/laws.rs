//! What holds for operators of our own alone. That they keep the laws of every operator is tested with the others.

use super::{KERNELS, expansion, zeros_like};
use crate::check::Splitmix;
use crate::ops::{Case, Op, case_graph};
use crate::reverse::pull_back;
use crate::{Graph, Interpreter, Profile, Tensor, ValueId};

/// Runs `law` on every case and panics with the list of those that break it.
fn for_all_cases(law: impl Fn(&'static Op, &Case) -> Result<(), String>) {
    let rows = KERNELS.iter().flat_map(|op| (op.cases)().into_iter().map(move |case| (*op, case)));
    let broken: Vec<String> = rows
        .filter_map(|(op, case)| law(op, &case).err().map(|reason| format!("{} ({}): {reason}", op.name, case.name)))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_kernel_has_an_expansion() {
    assert!(KERNELS.iter().all(|op| expansion(op).is_some()));
}

#[test]
fn expansions_are_standard_and_mean_the_same() {
    for_all_cases(|op, case| {
        let (graph, inputs) = case_graph(op, case, 1).map_err(|error| error.to_string())?;
        let exact = Interpreter.run(&graph, &inputs).map_err(|error| error.to_string())?;
        for profile in Profile::ALL {
            let lowered = profile.lower(&graph).map_err(|error| error.to_string())?;
            if let Some(node) = lowered.nodes().iter().find(|node| !node.op().domain().is_empty()) {
                return Err(format!("{profile:?} keeps {:?}", node.op()));
            }
            let found = Interpreter.run(&lowered, &inputs).map_err(|error| error.to_string())?;
            for (index, (found, exact)) in found.iter().zip(&exact).enumerate() {
                let near =
                    found.to_f64().iter().zip(exact.to_f64()).all(|(a, b)| (a - b).abs() < 1e-7 * b.abs().max(1.0));
                if found.shape() != exact.shape() || !near {
                    return Err(format!("{profile:?}, output {index}: {found:?} instead of {exact:?}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn one_profile_keeps_them() {
    for_all_cases(|op, case| {
        let (graph, _) = case_graph(op, case, 1).map_err(|error| error.to_string())?;
        let kept = Profile::CpuTraining.lower(&graph).map_err(|error| error.to_string())?;
        let same = kept.nodes().len() == 1 && kept.nodes()[0].op().name == op.name;
        if same { Ok(()) } else { Err(format!("becomes {:?}", kept.nodes())) }
    });
}

/// Every output, contracted with a cotangent of its own.
struct Contracted {
    graph: Graph,
    cotangents: Vec<Tensor>,
}

impl Contracted {
    fn new(graph: Graph) -> Self {
        let mut random = Splitmix::new(2);
        let cotangents = graph.outputs().iter().map(|&id| random.tensor(graph.shape(id), -1.0, 1.0)).collect();
        Self { graph, cotangents }
    }

    fn value(&self, inputs: &[Tensor]) -> f64 {
        let outputs = Interpreter.run(&self.graph, inputs).unwrap();
        let dot = |a: &Tensor, b: &Tensor| a.to_f64().iter().zip(b.to_f64()).map(|(a, b)| a * b).sum::<f64>();
        outputs.iter().zip(&self.cotangents).map(|(y, cotangent)| dot(y, cotangent)).sum()
    }

    /// The graph of the gradients to every input.
    fn gradients(&self) -> Graph {
        let mut graph = self.graph.clone();
        let (inputs, outputs) = (graph.inputs().to_vec(), graph.outputs().to_vec());
        let constants: Vec<ValueId> =
            self.cotangents.iter().map(|cotangent| graph.constant("cotangent", cotangent.clone())).collect();
        let seeds: Vec<(ValueId, ValueId)> = outputs.into_iter().zip(constants).collect();
        let gradients = pull_back(&mut graph, &seeds, &inputs).unwrap();
        let found = gradients.into_iter().zip(inputs);
        let gradients = found.map(|(gradient, input)| gradient.unwrap_or_else(|| zeros_like(&mut graph, input)));
        let gradients = gradients.collect();
        graph.set_outputs(gradients);
        graph.pruned().0
    }
}

/// The laws of all operators look at first outputs alone.
#[test]
fn gradients_of_every_output_agree_with_central_differences() {
    const STEP: f64 = 1e-6;
    for_all_cases(|op, case| {
        let (graph, inputs) = case_graph(op, case, 3).map_err(|error| error.to_string())?;
        let forward = Contracted::new(graph);
        // Once more for second derivatives: those of all gradients together.
        let again = Contracted::new(forward.gradients());
        for (order, contracted) in [forward, again].iter().enumerate() {
            let gradients = Interpreter.run(&contracted.gradients(), &inputs).map_err(|error| error.to_string())?;
            let mut random = Splitmix::new(4);
            for (index, gradient) in gradients.iter().enumerate() {
                let direction = random.tensor(gradient.shape(), -1.0, 1.0).to_f64();
                let moved = |step: f64| {
                    let mut inputs = inputs.clone();
                    let data = inputs[index].to_f64().iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                    inputs[index] = Tensor::float(inputs[index].dtype(), inputs[index].shape(), data);
                    contracted.value(&inputs)
                };
                let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                let products: Vec<f64> = gradient.to_f64().iter().zip(&direction).map(|(g, d)| g * d).collect();
                let (slope, size) = (products.iter().sum::<f64>(), products.iter().map(|p| p.abs()).sum::<f64>());
                if (slope - difference).abs() > 1e-6 * size + 1e-8 {
                    return Err(format!("order {}, input {index}: {slope}, {difference}", order + 1));
                }
            }
        }
        Ok(())
    });
}
