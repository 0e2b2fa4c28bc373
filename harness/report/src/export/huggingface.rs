//! The `model-index` of a model card.
//!
//! Source: <https://github.com/huggingface/hub-docs/blob/main/modelcard.md>.

use std::fmt::Write;

use evidence::{ModelResult, Results};

use crate::Error;
use crate::export::metric::{Metric, metrics, rows};
use crate::export::yaml::text;
use crate::export::{Context, check_names};

/// The block of every model.
pub(super) fn render(results: &Results, context: &Context) -> Result<String, Error> {
    check_names(results)?;
    let mut yaml = String::from("model-index:\n");
    if results.models.is_empty() {
        yaml = String::from("model-index: []\n");
    }
    for model in &results.models {
        index(&mut yaml, results, model, context);
    }
    Ok(yaml)
}

fn index(yaml: &mut String, results: &Results, model: &ModelResult, context: &Context) {
    let data = &results.dataset;
    let task = if results.threat.units.contains("pixel") { "image-classification" } else { "other" };
    let id = context.dataset_id.as_deref().unwrap_or(&data.name);
    let _ = write!(
        yaml,
        "- name: {}\n  results:\n  - task:\n      type: {}\n    dataset:\n      type: {}\n      name: {}\n      split: {}\n    metrics:\n",
        text(&model.name),
        text(task),
        text(id),
        text(&rows(results)),
        text(&data.split),
    );
    for metric in metrics(results, model) {
        entry(yaml, results, &metric);
    }
    // The Hub wants name and URL together.
    if let Some(url) = &context.source {
        let name = format!("Tinyassay {}, suite {}", results.tinyassay, results.suite);
        let _ = write!(yaml, "    source:\n      name: {}\n      url: {}\n", text(&name), text(url));
    }
}

fn entry(yaml: &mut String, results: &Results, metric: &Metric) {
    // `accuracy` is the Hub's own name of it.
    let kind = if metric.id == "clean_accuracy" { "accuracy" } else { metric.id };
    let _ = writeln!(yaml, "    - type: {}", text(kind));
    let _ = writeln!(yaml, "      value: {}", metric.value);
    let _ = writeln!(yaml, "      name: {}", text(&metric.name));
    let _ = writeln!(yaml, "      args:");
    if let Some([low, high]) = metric.limits {
        let _ = write!(yaml, "        ci_low: {low}\n        ci_high: {high}\n        confidence: 0.95\n");
    }
    if let Some(under) = &metric.under {
        let _ = writeln!(yaml, "        under: {}", text(under));
    }
    if let Some(caution) = metric.caution() {
        let _ = writeln!(yaml, "        caution: {}", text(&caution));
    }
    let _ = writeln!(yaml, "        samples: {}", results.dataset.samples);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::only;
    use crate::export::tests::context;
    use crate::sample::{detectors, example};

    #[test]
    fn one_model_as_text() {
        let one = only(&example(), "resnet8-cifar10").unwrap();
        let context = Context { source: Some("https://example.com/r".into()), ..context() };
        insta::assert_snapshot!(render(&one, &context).unwrap(), @r#"
        model-index:
        - name: "resnet8-cifar10"
          results:
          - task:
              type: "image-classification"
            dataset:
              type: "cifar10"
              name: "cifar10, split test, 10000 rows (the first 10000 by index)"
              split: "test"
            metrics:
            - type: "accuracy"
              value: 0.8719
              name: "clean accuracy"
              args:
                ci_low: 0.86519134
                ci_high: 0.87839124
                confidence: 0.95
                samples: 10000
            - type: "robust_accuracy"
              value: 0.2034
              name: "empirical robust accuracy, fgsm"
              args:
                ci_low: 0.19554784
                ci_high: 0.21142527
                confidence: 0.95
                under: "fgsm, linf of at most 8/255 (pixels in 0..1)"
                caution: "upper bound"
                samples: 10000
            - type: "robust_accuracy"
              value: 0.0021
              name: "empirical robust accuracy, pgd-20"
              args:
                ci_low: 0.00130038
                ci_high: 0.0032083
                confidence: 0.95
                under: "pgd-20, linf of at most 8/255 (pixels in 0..1)"
                caution: "upper bound"
                samples: 10000
            - type: "worst_case_robust_accuracy"
              value: 0.0021
              name: "empirical robust accuracy, all attacks together"
              args:
                ci_low: 0.00130038
                ci_high: 0.0032083
                confidence: 0.95
                under: "all attacks together, linf of at most 8/255 (pixels in 0..1)"
                caution: "upper bound"
                samples: 10000
            source:
              name: "Tinyassay 0.1.0, suite resnet8-linf"
              url: "https://example.com/r"
        "#);
    }

    #[test]
    fn a_hostile_name_stays_in_its_quotes() {
        let mut results = detectors();
        results.models[0].name = "a\"\n- evil: &x".to_owned();
        results.models[0].attacks[0].name = "\u{1b}[2J".to_owned();
        let yaml = render(&results, &Context::default()).unwrap();
        assert!(yaml.contains(r#"- name: "a\"\n- evil: &x""#) && yaml.contains(r"\u001B[2J"), "{yaml}");
        assert!(!yaml.lines().any(|line| line.starts_with("- evil")));
    }
}
