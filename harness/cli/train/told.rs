//! A training as a person reads it.

use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use train::{EpochMetrics, Machine, Objective, Plan};

/// The plan, before anything runs.
pub(super) fn plan(name: &str, plan: &Plan, machine: Machine) -> String {
    let rate = &plan.learning_rate;
    let mut text = format!("train {name} ({})\n  network    {}\n", plan.digest(), plan.architecture);
    let data = &plan.dataset;
    text += &format!("  data       {}, split {}, {} rows\n", data.name, data.split, data.rows);
    let augmentation = &plan.augmentation;
    text += &format!("  augment    crop padding {}, flip {}\n", augmentation.crop_padding, augmentation.flip);
    text += &format!("  objective  {}\n", objective(plan));
    if let Some(threat) = &plan.threat {
        text += &format!("  threat     {}, epsilon {}\n", threat.norm, threat.epsilon);
    }
    let decay = if plan.weight_decay.all { "all parameters" } else { "weights" };
    text += &format!("  optimiser  {}, weight decay {} on {decay}", tagged(&plan.optimiser), plan.weight_decay.rate);
    text += &plan.clip_norm.map_or("\n".to_owned(), |norm| format!(", gradients clipped to {norm}\n"));
    text +=
        &format!("  rate       {}, {}, {} epochs of warm-up\n", rate.peak, tagged(&rate.schedule), rate.warmup_epochs);
    text += &format!(
        "  steps      {} epochs of {} steps of {} rows, {} left out of each epoch, seed {}\n",
        rate.epochs,
        rate.steps_per_epoch,
        plan.batch_size,
        data.rows - rate.steps_per_epoch as usize * plan.batch_size,
        plan.seed
    );
    if let Some(evaluation) = &plan.evaluation {
        let attack = evaluation.attack.iter().map(|attack| attack.name.clone());
        let names: Vec<String> = attack.chain(evaluation.probes.iter().map(|probe| probe.name.clone())).collect();
        let measured = &evaluation.dataset;
        text += &format!(
            "  measure    {} rows of split {} every {} epochs: accuracy {}\n",
            measured.rows,
            measured.split,
            evaluation.every,
            names.join(" ")
        );
    }
    text + &format!("  machine    {}, {} threads", machine.provider, machine.threads)
}

/// A choice and its numbers, as recipes write them: `sgd { momentum: 0.9, nesterov: true }`.
fn tagged(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(Value::Object(object)) => {
            object.iter().map(|(name, value)| format!("{name} {}", numbers(value))).collect::<Vec<_>>().join(", ")
        }
        Ok(value) => numbers(&value),
        Err(error) => error.to_string(),
    }
}

fn numbers(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let pairs: Vec<String> = object.iter().map(|(name, value)| format!("{name}: {}", numbers(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn objective(plan: &Plan) -> String {
    let inner = |inner: &train::InnerPlan| {
        format!("{} steps of {}, start {}", inner.steps, inner.step_size, tagged(&inner.start))
    };
    match &plan.objective {
        Objective::Standard { label_smoothing } => format!("standard, label smoothing {label_smoothing}"),
        Objective::Adversarial { label_smoothing, inner: ascent } => {
            format!("adversarial, {}, label smoothing {label_smoothing}", inner(ascent))
        }
        Objective::Trades { beta, inner: ascent } => format!("trades, beta {beta}, {}", inner(ascent)),
        Objective::Mart { beta, inner: ascent } => format!("mart, beta {beta}, {}", inner(ascent)),
    }
}

/// One epoch on one line.
pub(super) fn epoch(metrics: &EpochMetrics, images_per_second: f64, seconds: f64) -> String {
    let mut text = format!("epoch {:>3}  loss {:.4}", metrics.epoch, metrics.loss);
    let parts = [("train", metrics.train_accuracy), ("train robust", metrics.train_robust_accuracy)];
    for (name, value) in parts {
        text += &value.map_or(String::new(), |value| format!("  {name} {:.2} %", 100.0 * value));
    }
    for (name, value) in &metrics.evaluation {
        text += &match name.strip_suffix("_accuracy") {
            Some(kind) => format!("  {kind} {:.2} %", 100.0 * value),
            None => format!("  {name} {value:.4}"),
        };
    }
    let time = humantime::format_duration(Duration::from_secs(seconds.round() as u64));
    text + &format!("  {images_per_second:.0} images/s  {time}")
}
