//! Linear models: the worst case in every L-infinity ball is known exactly, so every attack can be held against it.

use super::{Check, Context, Findings, named, number};
use anyhow::{Context as _, Result};
use attack::{Norm, ThreatModel, linear_worst_margin};
use graph::{Graph, Head, Interpreter, Model, NoExternalData, Tensor, gradient_graph};
use registry::{Dataset, Datasets, RegisteredModel, Registry};
use serde_json::json;

pub(super) const CHECK: Check = Check {
    id: "linear-exact",
    claim: "no attack finds more than exists on linear models; FGSM and PGD find all for two classes, FGSM on each \
            targeted margin for ten",
    needs_data: false,
    run,
};

/// Rows whose exact worst margin is closer to 0 than this, relative to the weights, may go either way in float32.
const UNDECIDED: f64 = 1e-6;

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    let samples = if context.small { 250 } else { 1000 };
    for (name, exact_attacks) in
        [("signs32-linear2", ["fgsm", "pgd-20", "fgsm-each"].as_slice()), ("signs32-linear10", &["fgsm-each"])]
    {
        context.take_model(name)?;
        for epsilon in ["1/255", "2/255", "4/255", "8/255"] {
            let suite_name = format!("{name}-{}", epsilon.replace('/', "-of-"));
            let results = context.run_suite(&suite_name, &suite(&suite_name, name, samples, epsilon), &[])?;
            let attacks = &named(&results["models"], name)?["attacks"];
            let exact = exact(name, samples, epsilon)?;
            let mut row = serde_json::Map::from_iter([
                ("exact_robust".to_owned(), json!(exact.robust)),
                ("undecided_in_f32".to_owned(), json!(exact.undecided)),
            ]);
            for attack in ["fgsm", "pgd-20", "fgsm-each"] {
                let robust = number(named(attacks, attack)?, "robust")? as usize;
                row.insert(attack.to_owned(), json!(robust));
                let label = format!("{name} at {epsilon}: {attack} leaves {robust} of {samples} rows robust");
                findings.claim(robust + exact.undecided >= exact.robust, || format!("{label}, {} are", exact.robust));
                if exact_attacks.contains(&attack) {
                    findings.claim(robust <= exact.robust + exact.undecided, || {
                        format!("{label}, only {} are", exact.robust)
                    });
                }
            }
            findings.note(&suite_name, row.into());
        }
    }
    Ok(findings)
}

fn suite(name: &str, model: &str, samples: usize, epsilon: &str) -> String {
    format!(
        "version: 1\nname: {name}\ndataset: {{ name: signs32, split: test, samples: {samples} }}\nmodels: [{model}]\n\
         threat: {{ norm: linf, epsilon: {epsilon} }}\nattacks:\n  - fgsm\n  - pgd-20\n  - fgsm: {{ name: fgsm-each, \
         loss: margin, targets: each }}\nseed: 0\n"
    )
}

/// Rows that no input of the ball makes wrong, and rows too close to tell in float32.
struct Exact {
    robust: usize,
    undecided: usize,
}

fn exact(name: &str, samples: usize, epsilon: &str) -> Result<Exact> {
    let model = Registry::open("models").find_one(name)?;
    let dataset = Datasets::open(None, "data").load("signs32", "test")?;
    let linear = Linear::of(&model, &dataset)?;
    let threat = ThreatModel { norm: Norm::Linf, epsilon: epsilon.parse()? };
    let domain = suite::attack_domain(&dataset);
    let rows = dataset.rows(0..samples)?;
    let mut exact = Exact { robust: 0, undecided: 0 };
    for (x, label) in rows.x.chunks(dataset.row_len()).zip(&rows.labels) {
        let label = model.manifest.output.label(*label).context("a label without an output")?;
        let ball = threat.ball(x, &domain, false)?;
        let rivals = (0..linear.bias.len()).filter(|class| *class != label);
        let margins = rivals.map(|rival| {
            let w: Vec<f64> = linear.rows[label].iter().zip(&linear.rows[rival]).map(|(a, b)| a - b).collect();
            linear_worst_margin(&w, linear.bias[label] - linear.bias[rival], &ball)
        });
        let worst = margins.fold(f64::INFINITY, f64::min);
        exact.robust += usize::from(worst > 0.0);
        exact.undecided += usize::from(worst.abs() <= UNDECIDED * linear.scale);
    }
    Ok(exact)
}

/// `z = W x + b` on canonical rows.
struct Linear {
    rows: Vec<Vec<f64>>,
    bias: Vec<f64>,
    /// Largest sum of absolute weights of a row: what float32 rounding is relative to.
    scale: f64,
}

impl Linear {
    /// Reads `W` off the Jacobian and `b` off the logits of 0, so that it holds however the file writes the layer.
    fn of(model: &RegisteredModel, dataset: &Dataset) -> Result<Self> {
        let classes = model.manifest.output.classes;
        let (_, bytes) = model.load()?.remove(0);
        let graph: Graph = Model::parse(&bytes, &NoExternalData)?.graph(classes)?;
        let input = graph.value(graph.inputs()[0]).ty().clone();
        anyhow::ensure!(input.shape[1..] == dataset.shape[..], "a linear model takes rows as they are");
        let zero = Tensor::f32(&input.shape, vec![0.0; input.len()]);
        let jacobian = gradient_graph(&graph, Head::Linear)?;
        let one_hot = (0..classes * classes).map(|i| f64::from(u8::from(i / classes == i % classes)));
        let outputs = Interpreter.run(&jacobian.graph, &[zero, Tensor::f32(&[classes, classes], one_hot)])?;
        let rows: Vec<Vec<f64>> = outputs[2].to_f64().chunks(dataset.row_len()).map(<[f64]>::to_vec).collect();
        let scale = rows.iter().map(|row| row.iter().map(|w| w.abs()).sum()).fold(0.0, f64::max);
        Ok(Self { bias: outputs[0].to_f64()[..classes].to_vec(), rows, scale })
    }
}
