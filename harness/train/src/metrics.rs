//! What a step and an epoch tell.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One step, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Counted from 1.
    pub epoch: u32,
    /// Counted from 1 within the epoch.
    pub step: u32,
    /// The learning rate.
    pub learning_rate: f64,
    /// The loss that was minimised, before the update.
    pub loss: f64,
    /// Mean cross-entropy of the rows that the network saw first: the data's, or the adversarial ones where there are
    /// only those.
    pub cross_entropy: f64,
    /// Mean divergence from natural to adversarial predictions, in nats.
    pub divergence: Option<f64>,
    /// The part of the data's rows that was classified correctly, in training mode.
    pub accuracy: Option<f64>,
    /// The same of the adversarial rows.
    pub robust_accuracy: Option<f64>,
    /// The norm of the gradient before clipping.
    pub gradient_norm: f64,
}

/// One epoch: a line of `metrics.jsonl`. It holds nothing that differs between two runs of one training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: u32,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The mean loss of the steps.
    pub loss: f64,
    /// As in [`StepReport`], the mean of the steps.
    pub cross_entropy: f64,
    /// As in [`StepReport`], the mean of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<f64>,
    /// As in [`StepReport`], the mean of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<f64>,
    /// As in [`StepReport`], the mean of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_robust_accuracy: Option<f64>,
    /// The mean of the steps.
    pub gradient_norm: f64,
    /// What the caller measured after the epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evaluation: BTreeMap<String, f64>,
}

/// Means over the steps of an epoch.
#[derive(Debug, Default)]
pub(crate) struct Means {
    steps: u32,
    sum: EpochMetrics,
}

impl Means {
    pub(crate) fn add(&mut self, step: &StepReport) {
        let sum = &mut self.sum;
        let grow = |sum: &mut Option<f64>, value: Option<f64>| *sum = value.map(|value| sum.unwrap_or(0.0) + value);
        (sum.epoch, sum.learning_rate) = (step.epoch, step.learning_rate);
        sum.loss += step.loss;
        sum.cross_entropy += step.cross_entropy;
        sum.gradient_norm += step.gradient_norm;
        grow(&mut sum.divergence, step.divergence);
        grow(&mut sum.train_accuracy, step.accuracy);
        grow(&mut sum.train_robust_accuracy, step.robust_accuracy);
        self.steps += 1;
    }

    pub(crate) fn finish(self) -> EpochMetrics {
        let mut means = self.sum;
        let count = f64::from(self.steps.max(1));
        for value in [&mut means.loss, &mut means.cross_entropy, &mut means.gradient_norm] {
            *value /= count;
        }
        for value in [&mut means.divergence, &mut means.train_accuracy, &mut means.train_robust_accuracy] {
            *value = value.map(|sum| sum / count);
        }
        means
    }
}

/// `log softmax` of one row, in f64.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, &z| most.max(f64::from(z)));
    let shifted: Vec<f64> = logits.iter().map(|&z| f64::from(z) - most).collect();
    let log_sum = shifted.iter().map(|z| z.exp()).sum::<f64>().ln();
    shifted.into_iter().map(|z| z - log_sum).collect()
}

/// The probabilities of every row.
///
/// Shapes: `logits` is `[N, K]` as rows of `classes`.
pub(crate) fn softmax(logits: &[f32], classes: usize) -> Vec<f32> {
    logits.chunks(classes).flat_map(log_softmax).map(|log| log.exp() as f32).collect()
}

/// The mean cross-entropy of labels.
pub(crate) fn cross_entropy(logits: &[f32], labels: &[usize]) -> f64 {
    let classes = logits.len() / labels.len();
    let rows = logits.chunks(classes).zip(labels);
    rows.map(|(row, &label)| -log_softmax(row)[label]).sum::<f64>() / labels.len() as f64
}

/// The mean of `KL(softmax(natural) || softmax(adversarial))`.
pub(crate) fn divergence(natural: &[f32], adversarial: &[f32], rows: usize) -> f64 {
    let classes = natural.len() / rows;
    let row = |(natural, adversarial): (&[f32], &[f32])| -> f64 {
        let (p, q) = (log_softmax(natural), log_softmax(adversarial));
        p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum()
    };
    natural.chunks(classes).zip(adversarial.chunks(classes)).map(row).sum::<f64>() / rows as f64
}

/// The part of the rows whose largest logit is that of the label.
pub(crate) fn accuracy(logits: &[f32], labels: &[usize]) -> f64 {
    let classes = logits.len() / labels.len();
    let correct = logits.chunks(classes).zip(labels).filter(|(row, label)| attack::argmax(row).0 == **label).count();
    correct as f64 / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_their_closed_forms() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(cross_entropy(&[0.0, 0.0, 5.0, 5.0], &[1, 0]), 2.0_f64.ln()));
        // softmax (ln 3, 0) = (3/4, 1/4).
        let natural = [3.0_f32.ln(), 0.0];
        let expected = 0.75 * (0.75_f64 / 0.5).ln() + 0.25 * (0.25_f64 / 0.5).ln();
        assert!((divergence(&natural, &[1.0, 1.0], 1) - expected).abs() < 1e-7);
        assert_eq!(divergence(&natural, &natural, 1), 0.0);
        assert_eq!(softmax(&[1.0, 1.0, 1.0, 1.0], 4), [0.25; 4]);
        assert_eq!(accuracy(&[1.0, 0.0, 1.0, 0.0], &[0, 1]), 0.5);
    }

    #[test]
    fn an_epoch_is_the_mean_of_its_steps() {
        let step = |loss: f64, robust| StepReport {
            epoch: 2,
            step: 1,
            learning_rate: loss / 10.0,
            loss,
            cross_entropy: loss,
            divergence: None,
            accuracy: Some(loss / 8.0),
            robust_accuracy: robust,
            gradient_norm: 1.0,
        };
        let mut means = Means::default();
        means.add(&step(1.0, Some(0.5)));
        means.add(&step(3.0, Some(0.25)));
        let epoch = means.finish();
        assert_eq!((epoch.epoch, epoch.loss, epoch.learning_rate), (2, 2.0, 0.3));
        assert_eq!((epoch.train_accuracy, epoch.train_robust_accuracy), (Some(0.25), Some(0.375)));
        assert_eq!(epoch.divergence, None);
    }
}
