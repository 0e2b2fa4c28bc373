//! Small models of the families that tiny devices run, made here as exporters write them, and the laws that hold for
//! every model in both profiles.
//!
//! A family is a function that builds it and a line in [`FAMILIES`]. They have random weights and say nothing of accuracy.

use crate::{ModelBytes, ModelSpec, OrtExecutor, OutputKind, Prepared, Provider, rows};
use attack::{LossHead, Oracle, Predictor};
use graph::check::{self, DirectionalCheck, ExecutorCheck, Splitmix};
use graph::{Executor, Graph, Head, InputMap, Interpreter, Profile, Tensor, encode, gradient_graph};
use ndarray::Array2;

mod autoencoders;
mod int8;
mod mobile;
mod net;
mod plain;
mod residual;
mod tokens;

use net::{CLASSES, ROWS};

/// A family's name and what makes its file; quantized ones are in [`QUANTIZED`] too.
type Family = (&'static str, fn() -> Vec<u8>);

const FAMILIES: &[Family] = &[
    ("activations", || encode(&plain::activations())),
    ("autoencoder", || encode(&autoencoders::dense())),
    ("autoencoder int8", autoencoders::int8),
    ("autoencoder of pictures", || encode(&autoencoders::convolutional())),
    ("convnext", || encode(&tokens::convnext())),
    ("densenet", || encode(&residual::densenet())),
    ("int8 qdq", int8::qdq),
    ("keras", || encode(&plain::keras())),
    ("keywords", || encode(&plain::keywords())),
    ("mnasnet", || encode(&mobile::mnasnet())),
    ("mobilenet v2", || encode(&mobile::mobilenet_v2())),
    ("mobilenet v3", || encode(&mobile::mobilenet_v3())),
    ("regnet", || encode(&residual::regnet())),
    ("resnet-8", || encode(&residual::resnet_8())),
    ("shufflenet v2", || encode(&mobile::shufflenet_v2())),
    ("squeezenet", || encode(&mobile::squeezenet())),
    ("u-net", || encode(&residual::unet())),
    ("vit", || encode(&tokens::vit())),
];

/// Those whose steps have no derivative, and whose activations may fall on the other side of half a step.
const QUANTIZED: &[&str] = &["autoencoder int8", "int8 qdq"];

/// Inputs are normalised images, or about as large.
const RANGE: [f64; 2] = [-2.0, 2.0];

/// Batches of each head.
const BATCHES: usize = 2;

/// A family, ready to run.
struct Model {
    name: &'static str,
    prepared: Prepared,
}

impl Model {
    fn new((name, make): Family) -> Result<Self, String> {
        let bytes = make();
        let model = graph::Model::parse(&bytes, &graph::NoExternalData).map_err(|error| error.to_string())?;
        let graph = model.graph(ROWS).map_err(|error| error.to_string())?;
        let softmax = graph.nodes().last().is_some_and(|node| node.op().name == "Softmax");
        let input = graph.value(graph.inputs()[0]);
        let (kind, classes) = match () {
            () if graph.shape(graph.outputs()[0]) == input.shape() => {
                (OutputKind::Score { threshold: autoencoders::THRESHOLD }, 2)
            }
            () if softmax => (OutputKind::Softmax, CLASSES),
            () => (OutputKind::Logits, CLASSES),
        };
        let quantize = (!input.dtype().is_float()).then_some(autoencoders::INPUT);
        let spec = ModelSpec {
            input: "x".into(),
            map: InputMap { quantize, ..InputMap::identity(&input.shape()[1..]) },
            output: "out".into(),
            classes,
            kind,
        };
        // The judge's rows are checked there.
        let prepared = Prepared::new(ModelBytes::new(bytes), spec, &[LossHead::Linear], Provider::Cpu);
        Ok(Self { name, prepared: prepared.map_err(|error| error.to_string())? })
    }

    fn is_quantized(&self) -> bool {
        QUANTIZED.contains(&self.name)
    }

    fn inputs(&self, random: &mut Splitmix) -> Tensor {
        let classifier = self.prepared.classifier();
        random.tensor(classifier.shape(classifier.inputs()[0]), RANGE[0], RANGE[1])
    }

    /// Holds the law for every head, on batches with weights for it.
    fn for_heads(&self, law: impl Fn(Gradients<'_>) -> Result<(), String>) -> Result<(), String> {
        let classifier = self.prepared.classifier();
        let mut random = Splitmix::new(1);
        let classes = self.prepared.spec().classes;
        for &head in Head::ALL.iter().filter(|head| head.least_classes() <= classes) {
            let built = gradient_graph(classifier, head).map_err(|error| error.to_string())?;
            let batches = (0..BATCHES).map(|_| {
                let x = self.inputs(&mut random);
                let weights = check::head_weights(classifier, head, &x, &mut random)?;
                Ok([x, weights])
            });
            let batches: Vec<[Tensor; 2]> =
                batches.collect::<Result<_, graph::Error>>().map_err(|error| error.to_string())?;
            law(Gradients { head, built: &built, batches: &batches })
                .map_err(|reason| format!("{head:?}: {reason}"))?;
        }
        Ok(())
    }
}

/// The gradient graph of one head, and what it is run on.
struct Gradients<'a> {
    head: Head,
    built: &'a graph::GradientGraph,
    batches: &'a [[Tensor; 2]],
}

impl Gradients<'_> {
    fn lowered(&self, profile: Profile) -> Result<Graph, String> {
        profile.lower(&self.built.graph).map_err(|error| error.to_string())
    }
}

fn for_all(law: impl Fn(&Model) -> Result<(), String>) {
    let broken: Vec<String> = FAMILIES
        .iter()
        .filter_map(|&family| {
            let result = Model::new(family).and_then(|model| law(&model));
            Some(format!("{}: {}", family.0, result.err()?))
        })
        .collect();
    assert!(broken.is_empty(), "{} of {} families fail:\n{}", broken.len(), FAMILIES.len(), broken.join("\n"));
}

/// Exponentials over their sum.
fn softmax(logits: &Array2<f32>) -> Array2<f32> {
    let exponentials = logits.mapv(f32::exp);
    let sums = exponentials.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
    exponentials / sums
}

#[test]
fn judge_and_oracle_agree() {
    for_all(|model| {
        let x = model.inputs(&mut Splitmix::new(2)).to_f64().into_iter().map(|x| x as f32).collect();
        let x = Array2::from_shape_vec((ROWS, model.prepared.spec().map.row_len()), x).expect("one batch");
        let scores = model.prepared.predictor().map_err(|error| error.to_string())?.predict(x.view());
        let logits = model.prepared.oracle().map_err(|error| error.to_string())?.logits(x.view());
        let (scores, logits) = (scores.map_err(|error| error.to_string())?, logits.map_err(|error| error.to_string())?);
        let found = match model.prepared.spec().kind {
            OutputKind::Softmax => softmax(&logits),
            OutputKind::Score { threshold } => autoencoders::scores(&logits, threshold),
            OutputKind::Logits | OutputKind::Sigmoid => logits,
        };
        let largest = scores.iter().fold(0.0_f32, |most, score| most.max(score.abs()));
        // Hundreds of units of f32, for the sums of a network.
        let limit = if model.is_quantized() { 2e-2 } else { 1e-4 } * largest;
        let near = |(found, score): &(&f32, &f32)| (*found - *score).abs() <= limit;
        match found.iter().zip(&scores).find(|pair| !near(pair)) {
            None => Ok(()),
            Some((found, score)) => Err(format!("the oracle gives {found}, the judge {score} of up to {largest}")),
        }
    });
}

#[test]
fn gradients_agree_with_central_differences() {
    for_all(|model| {
        if model.is_quantized() {
            return Ok(());
        }
        model.for_heads(|Gradients { head, built, batches }| {
            let mut found = DirectionalCheck::default();
            for [x, weights] in batches {
                check::compare_differences(&mut found, built, x, weights, RANGE, &mut Splitmix::new(3))
                    .map_err(|error| error.to_string())?;
            }
            // As `check` allows: twice what it takes for a kink; and more for ratios, which bend between the differences.
            let allowed = if matches!(head, Head::Dlr | Head::DlrTargeted) { 1e-5 } else { 1e-6 };
            if found.error <= allowed && found.rows > found.skipped { Ok(()) } else { Err(format!("{found:?}")) }
        })
    });
}

#[test]
fn gradients_of_onnx_runtime_agree_in_both_profiles() {
    for_all(|model| {
        model.for_heads(|gradients| {
            for &profile in Profile::ALL {
                let lowered = gradients.lowered(profile)?;
                let mut program = OrtExecutor::new().compile(&lowered).map_err(|error| error.to_string())?;
                let mut found = ExecutorCheck::default();
                for [x, weights] in gradients.batches {
                    check::compare_executor(&mut found, gradients.built, program.as_mut(), x, weights)
                        .map_err(|error| error.to_string())?;
                }
                // The sums of a network in f32. A quantized row may be off by one step of one activation.
                let share = if model.is_quantized() { 0.75 } else { 0.99 };
                if found.median() > 1e-5 || found.share_within(1e-2) < share {
                    return Err(format!("{profile:?}: {:?}", found.errors));
                }
            }
            Ok(())
        })
    });
}

#[test]
fn lowering_does_not_change_the_function() {
    for_all(|model| {
        model.for_heads(|gradients| {
            let lowered = gradients.lowered(Profile::Cpu)?;
            let means = gradients.built.graph.nodes().iter().any(|node| node.op().name == "ReduceMean");
            let allowed = if means { 1e-6 } else { 1e-12 };
            for batch in gradients.batches {
                let [exact, found] = [&gradients.built.graph, &lowered].map(|graph| Interpreter.run(graph, batch));
                let (exact, found) = (exact.map_err(|e| e.to_string())?, found.map_err(|e| e.to_string())?);
                for (exact, found) in exact.iter().zip(&found) {
                    let (exact, found) = (exact.to_f64(), found.to_f64());
                    let largest = exact.iter().fold(0.0_f64, |most, element| most.max(element.abs()));
                    // Sums in another order, and the factors of means in float32.
                    let near = |(a, b): &(&f64, &f64)| (*a - *b).abs() <= allowed * largest;
                    if let Some((exact, found)) = exact.iter().zip(&found).find(|pair| !near(pair)) {
                        return Err(format!("{exact} becomes {found}, the largest element is {largest}"));
                    }
                }
            }
            Ok(())
        })
    });
}

/// Each row moves to another place, among other rows.
#[test]
fn rows_do_not_depend_on_their_neighbours_or_their_place() {
    for_all(|model| {
        model.for_heads(|gradients| {
            let [here, others] = [0, 1].map(|batch| &gradients.batches[batch]);
            let moved = [0, 1].map(|input| moved(&here[input], &others[input]));
            for &profile in Profile::ALL {
                let lowered = gradients.lowered(profile)?;
                let mut program = OrtExecutor::new().compile(&lowered).map_err(|error| error.to_string())?;
                let [before, after] = [here, &moved].map(|inputs| program.run(inputs));
                let (before, after) = (before.map_err(|e| e.to_string())?, after.map_err(|e| e.to_string())?);
                for (id, (before, after)) in lowered.outputs().iter().zip(before.iter().zip(&after)) {
                    let name = lowered.value(*id).name();
                    same_rows(before, after).map_err(|reason| format!("{profile:?}, {name}: {reason}"))?;
                }
            }
            Ok(())
        })
    });
}

/// The other rows, with these at their new places.
fn moved(rows: &Tensor, others: &Tensor) -> Tensor {
    let (rows_of, mut target) = (rows.to_f64(), others.to_f64());
    let row_len = target.len() / ROWS;
    for (from, to) in rows::places(ROWS) {
        target[to * row_len..][..row_len].copy_from_slice(&rows_of[from * row_len..][..row_len]);
    }
    Tensor::f32(rows.shape(), target)
}

/// Whether rows are the same, in every bit, at their new places.
fn same_rows(before: &Tensor, after: &Tensor) -> Result<(), String> {
    let (before, after) = (before.to_f64(), after.to_f64());
    let row_len = before.len() / ROWS;
    for (from, to) in rows::places(ROWS) {
        let (before, after) = (&before[from * row_len..][..row_len], &after[to * row_len..][..row_len]);
        if !before.iter().zip(after).all(|(a, b)| a.to_bits() == b.to_bits()) {
            return Err(format!("row {from} changes at {to}"));
        }
    }
    Ok(())
}

#[test]
fn batch_norms_in_front_of_layers_stay_and_those_behind_are_folded() {
    let norms = |name: &str| {
        let family = FAMILIES.iter().find(|family| family.0 == name).expect("the family is in the table");
        let model = Model::new(*family).expect("the family is a model");
        model.prepared.classifier().nodes().iter().filter(|node| node.op().name == "BatchNormalization").count()
    };
    assert_eq!([norms("densenet"), norms("resnet-8"), norms("keywords")], [6, 0, 0]);
}
