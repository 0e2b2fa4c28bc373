//! A file of `.eval_results`, from which the Hub fills the leaderboard of a data set that is registered as a benchmark.
//!
//! The tasks of a benchmark are named by its own `eval.yaml`; what stands here as `task_id` is a proposal.
//!
//! Source: <https://huggingface.co/docs/hub/eval-results>.

use std::fmt::Write;

use evidence::Results;

use crate::Error;
use crate::export::metric::{metrics, rows};
use crate::export::yaml::text;
use crate::export::{Context, check_names};

/// One entry per measure. Without a model of its own file the entries say in their notes which model they are of.
pub(super) fn render(results: &Results, context: &Context) -> Result<String, Error> {
    check_names(results)?;
    let mut yaml = String::new();
    let id = context.dataset_id.as_deref().unwrap_or(&results.dataset.name);
    for model in &results.models {
        for metric in metrics(results, model) {
            let limits = metric.limits.map(|[low, high]| format!("95 % confidence limits {low} to {high}"));
            let under = metric.under.as_ref().map(|under| format!("under {under}"));
            let mut notes = vec![format!("model {}", model.name), metric.name.clone()];
            notes.extend(under.into_iter().chain(metric.caution()).chain(limits).chain([rows(results)]));
            let _ = write!(
                yaml,
                "- dataset:\n    id: {}\n    task_id: {}\n  value: {}\n",
                text(id),
                text(&slug(&metric.name)),
                metric.value,
            );
            if let Some(date) = &context.date {
                let _ = writeln!(yaml, "  date: {}", text(date));
            }
            if let Some(url) = &context.source {
                let name = format!("Tinyassay {}, suite {}", results.tinyassay, results.suite);
                let _ = write!(yaml, "  source:\n    url: {}\n    name: {}\n", text(url), text(&name));
            }
            let _ = writeln!(yaml, "  notes: {}", text(&notes.join("; ")));
        }
    }
    Ok(if yaml.is_empty() { "[]\n".to_owned() } else { yaml })
}

/// Lower-case words with hyphens between them.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::only;
    use crate::export::tests::context;
    use crate::sample::example;

    #[test]
    fn one_model_as_text() {
        let one = only(&example(), "resnet8-cifar10").unwrap();
        let context =
            Context { date: Some("2026-11-05".into()), dataset_id: Some("uoft-cs/cifar10".into()), ..context() };
        insta::assert_snapshot!(render(&one, &context).unwrap(), @r#"
        - dataset:
            id: "uoft-cs/cifar10"
            task_id: "clean-accuracy"
          value: 0.8719
          date: "2026-11-05"
          notes: "model resnet8-cifar10; clean accuracy; 95 % confidence limits 0.86519134 to 0.87839124; cifar10, split test, 10000 rows (the first 10000 by index)"
        - dataset:
            id: "uoft-cs/cifar10"
            task_id: "empirical-robust-accuracy-fgsm"
          value: 0.2034
          date: "2026-11-05"
          notes: "model resnet8-cifar10; empirical robust accuracy, fgsm; under fgsm, linf of at most 8/255 (pixels in 0..1); upper bound; 95 % confidence limits 0.19554784 to 0.21142527; cifar10, split test, 10000 rows (the first 10000 by index)"
        - dataset:
            id: "uoft-cs/cifar10"
            task_id: "empirical-robust-accuracy-pgd-20"
          value: 0.0021
          date: "2026-11-05"
          notes: "model resnet8-cifar10; empirical robust accuracy, pgd-20; under pgd-20, linf of at most 8/255 (pixels in 0..1); upper bound; 95 % confidence limits 0.00130038 to 0.0032083; cifar10, split test, 10000 rows (the first 10000 by index)"
        - dataset:
            id: "uoft-cs/cifar10"
            task_id: "empirical-robust-accuracy-all-attacks-together"
          value: 0.0021
          date: "2026-11-05"
          notes: "model resnet8-cifar10; empirical robust accuracy, all attacks together; under all attacks together, linf of at most 8/255 (pixels in 0..1); upper bound; 95 % confidence limits 0.00130038 to 0.0032083; cifar10, split test, 10000 rows (the first 10000 by index)"
        "#);
    }

    #[test]
    fn tasks_are_plain_words() {
        assert_eq!(
            slug("empirical robust accuracy, pgd-20, epsilon 2/255"),
            "empirical-robust-accuracy-pgd-20-epsilon-2-255"
        );
        assert_eq!(slug("\u{1b}[31m: A "), "31m-a");
    }
}
