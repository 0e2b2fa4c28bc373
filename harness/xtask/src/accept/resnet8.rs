//! ResNet-8 of MLPerf Tiny on CIFAR-10: published accuracies, and what PGD-20 leaves of them.

use super::{Check, Context, Findings, named, number, percent};
use anyhow::Result;
use serde_json::json;

pub(super) const CHECK: Check = Check {
    id: "resnet8-cifar10",
    claim: "the shipped ResNet-8 files keep their published accuracy, and PGD-20 attacks float, NCHW and int8 forms",
    needs_data: true,
    run,
};

/// Name, file, layout options and published accuracy in percent on the 10,000 test images.
const MODELS: [(&str, &str, &[&str], f64); 3] = [
    ("resnet8", "resnet8_cifar10.onnx", &["--layout", "NHWC", "--range", "0", "255"], 87.19),
    ("resnet8-nchw", "resnet8_cifar10_nchw.onnx", &["--layout", "NCHW", "--range", "0", "255"], 87.19),
    (
        "resnet8-int8",
        "resnet8_cifar10_int8.onnx",
        &["--layout", "NHWC", "--range", "0", "255", "--scale", "1", "--zero-point", "-128"],
        87.07,
    ),
];

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    for (name, file, options, _) in MODELS {
        let path = context.data(&format!("models/mlperf_tiny/{file}"));
        let mut args = vec!["model", "add", path.to_str().expect("a UTF-8 path"), "--name", name];
        args.extend(["--dataset", "cifar10", "--output-kind", "softmax", "--licence", "Apache-2.0"]);
        args.extend(options);
        context.tinyassay(args)?;
    }
    let images = if context.small { 500 } else { 10_000 };
    let clean = context.run_suite("clean", &suite("clean", images, "1/255", "fgsm"), &[])?;
    let mut table = serde_json::Map::new();
    for (name, _, _, published) in MODELS {
        let accuracy = percent(number(named(&clean["models"], name)?, "clean_accuracy")?);
        table.insert(name.to_owned(), json!({ "clean_percent": accuracy, "published_percent": published }));
        let tolerance = if context.small { 3.0 } else { 0.005 };
        findings.claim((accuracy - published).abs() < tolerance, || {
            format!("{name}: clean accuracy {accuracy:.2} %, published {published:.2} %")
        });
    }
    findings.note(&format!("clean_{images}"), table.into());
    let (samples, epsilons) = if context.small { (100, [1, 8].as_slice()) } else { (1000, [1, 2, 4, 8].as_slice()) };
    let mut last = [100.0; MODELS.len()];
    for epsilon in epsilons {
        let name = format!("pgd-{epsilon}");
        let results = context.run_suite(&name, &suite(&name, samples, &format!("{epsilon}/255"), "pgd-20"), &[])?;
        let mut row = serde_json::Map::new();
        for (index, (model, ..)) in MODELS.into_iter().enumerate() {
            let attacks = &named(&results["models"], model)?["attacks"];
            let attack = named(attacks, "pgd-20")?;
            let robust = percent(number(attack, "robust_accuracy")?);
            let counts =
                json!({ "found": attack["found"], "confirmed": attack["confirmed"], "rejected": attack["rejected"] });
            row.insert(model.to_owned(), json!({ "robust_percent": robust, "counts": counts }));
            findings.claim(robust <= last[index], || {
                format!("{model}: robust accuracy rises to {robust:.2} % at {epsilon}/255")
            });
            last[index] = robust;
        }
        findings.note(&format!("pgd_20_at_{epsilon}_of_255_on_{samples}"), row.into());
    }
    for (robust, (model, ..)) in last.into_iter().zip(MODELS) {
        findings.claim(robust < 1.0, || format!("{model}: {robust:.2} % robust at 8/255, a plain net has none"));
    }
    Ok(findings)
}

fn suite(name: &str, samples: usize, epsilon: &str, attack: &str) -> String {
    format!(
        "version: 1\nname: {name}\ndataset: {{ name: cifar10, split: test, samples: {samples} }}\n\
         models: [\"resnet8*\"]\nthreat: {{ norm: linf, epsilon: {epsilon} }}\nattacks: [{attack}]\nseed: 0\n"
    )
}
