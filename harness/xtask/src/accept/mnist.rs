//! MNIST networks whose exact robust error is known: a search may never find more, and should come close.

use super::{Check, Context, Findings, named, number, percent};
use anyhow::Result;
use serde_json::json;

pub(super) const CHECK: Check = Check {
    id: "mnist-exact",
    claim: "PGD on the margin stays between the published PGD error and the exact error of two verified networks, and \
            ensemble-standard comes within 0.15 and 0.45 points of the exact one",
    needs_data: true,
    run,
};

/// Name, file, and in percent: clean error, published PGD error, exact (MILP) error, all on 10,000 test images, and how far from the
/// exact one the ensemble may stay.
const MODELS: [(&str, &str, f64, f64, f64, f64); 2] = [
    ("wk17a", "mnist_WK17a_linf0.1.onnx", 1.89, 4.11, 4.38, 0.15),
    ("lpd-mlp-b", "mnist_LPD_MLP_B_0.1.onnx", 4.09, 13.39, 14.45, 0.45),
];

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    for (name, file, ..) in MODELS {
        let path = context.data(&format!("models/verified/{file}"));
        let path = path.to_str().expect("a UTF-8 path");
        context.tinyassay(["model", "add", path, "--name", name, "--dataset", "mnist", "--licence", "MIT"])?;
    }
    let (samples, ensemble) = if context.small { (500, "ensemble-fast") } else { (10_000, "ensemble-standard") };
    let suite = format!(
        "version: 1\nname: mnist-exact\ndataset: {{ name: mnist, split: test, samples: {samples} }}\n\
         models: [wk17a, lpd-mlp-b]\nthreat: {{ norm: linf, epsilon: 0.1 }}\nattacks:\n  - pgd: {{ name: pgd-margin, \
         steps: 40, step_size: 0.01, start: random, restarts: 5, loss: margin, keep: best, targets: none }}\n  - {ensemble}\nseed: 0\n"
    );
    let results = context.run_suite("mnist-exact", &suite, &[])?;
    for (name, _, clean, published, exact, short) in MODELS {
        let model = named(&results["models"], name)?;
        let clean_error = percent(1.0 - number(model, "clean_accuracy")?);
        let error_by = |attack: &str| -> Result<f64> {
            Ok(percent(1.0 - number(named(&model["attacks"], attack)?, "robust_accuracy")?))
        };
        let (error, by_ensemble) = (error_by("pgd-margin")?, error_by(ensemble)?);
        findings.note(
            name,
            json!({ "samples": samples, "clean_error_percent": clean_error, "pgd_error_percent": error,
                "ensemble_error_percent": by_ensemble,
                "published_pgd_error_percent": published, "exact_error_percent": exact }),
        );
        if !context.small {
            findings.claim((clean_error - clean).abs() < 0.005, || format!("{name}: clean error {clean_error:.2} %"));
            findings.claim(error >= published - 0.005, || format!("{name}: PGD finds only {error:.2} %"));
            for found in [error, by_ensemble] {
                findings.claim(found <= exact + 0.005, || format!("{name}: {found:.2} % found, more than exist"));
            }
            findings.claim(by_ensemble >= exact - short - 0.005, || {
                format!("{name}: the ensemble finds only {by_ensemble:.2} %")
            });
        } else {
            let least = error.min(by_ensemble);
            findings.claim(least >= clean_error, || format!("{name}: less is found than the clean error"));
        }
    }
    Ok(findings)
}
