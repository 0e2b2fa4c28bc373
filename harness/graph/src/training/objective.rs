use super::emit::Emit;
use crate::{Attrs, DType, Error, Tensor, ValueId};

/// What training minimises, a mean over the batch.
///
/// Training on adversarial inputs alone (PGD training, FGSM-RS) is [`Objective::Standard`] fed with them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// Cross-entropy, towards `(1 - label_smoothing) · target + label_smoothing / K`, as PyTorch's.
    Standard {
        /// The share of the uniform distribution in the targets.
        label_smoothing: f64,
    },
    /// Cross-entropy of the natural input plus `beta · KL(p ‖ p')` between the softmaxes of natural and adversarial logits.
    ///
    /// Zhang et al. 2019, <https://github.com/yaodongyu/TRADES>; the gradient passes both softmaxes.
    Trades {
        /// The weight of the divergence.
        beta: f64,
    },
    /// Boosted cross-entropy of the adversarial input plus `beta · KL(p ‖ p') · (1.0000001 - p_target)`.
    ///
    /// Wang et al. 2020, <https://github.com/YisenWang/MART>: the boost is `-log(1.0001 - p'_k)` with `k` the strongest
    /// wrong class, the first of tied ones.
    Mart {
        /// The weight of the divergence.
        beta: f64,
    },
}

impl Objective {
    /// Whether a step takes adversarial inputs beside the natural ones.
    pub fn takes_adversarial(&self) -> bool {
        !matches!(self, Objective::Standard { .. })
    }

    /// Writes the loss, a scalar.
    ///
    /// Shapes: `logits`, `adversarial`, `targets` `[B, K]`.
    pub(super) fn loss(
        &self,
        emit: &mut Emit<'_>,
        logits: ValueId,
        adversarial: Option<ValueId>,
        targets: ValueId,
    ) -> Result<ValueId, Error> {
        let adversarial = adversarial.unwrap_or(logits);
        match *self {
            Objective::Standard { label_smoothing } => {
                let classes = emit.graph.shape(targets)[1] as f64;
                let mut targets = targets;
                if label_smoothing > 0.0 {
                    targets = emit.with("Mul", targets, 1.0 - label_smoothing)?;
                    targets = emit.with("Add", targets, label_smoothing / classes)?;
                }
                cross_entropy(emit, logits, targets)
            }
            Objective::Trades { beta } => {
                let natural = cross_entropy(emit, logits, targets)?;
                let (p, log_p) = (emit.softmax("Softmax", logits)?, emit.softmax("LogSoftmax", logits)?);
                let log_q = emit.softmax("LogSoftmax", adversarial)?;
                let excess = emit.op("Sub", &[log_p, log_q])?;
                let divergence = emit.op("Mul", &[p, excess])?;
                weighted_sum(emit, natural, divergence, beta)
            }
            Objective::Mart { beta } => {
                let boosted = boosted_cross_entropy(emit, adversarial, targets)?;
                let (p, log_p) = (emit.softmax("Softmax", logits)?, emit.softmax("LogSoftmax", logits)?);
                let q = emit.softmax("Softmax", adversarial)?;
                let floored = emit.with("Add", q, 1e-12)?;
                let log_q = emit.op("Log", &[floored])?;
                let excess = emit.op("Sub", &[log_p, log_q])?;
                let divergence = emit.op("Mul", &[p, excess])?;
                let divergence = emit.reduce("ReduceSum", divergence, 1)?;
                let own = emit.op("Mul", &[p, targets])?;
                let own = emit.reduce("ReduceSum", own, 1)?;
                let nearly_one = emit.number(1.000_000_1);
                let doubt = emit.op("Sub", &[nearly_one, own])?;
                let weighted = emit.op("Mul", &[divergence, doubt])?;
                weighted_sum(emit, boosted, weighted, beta)
            }
        }
    }
}

/// `-Σ targets · log softmax(logits) / B`.
fn cross_entropy(emit: &mut Emit<'_>, logits: ValueId, targets: ValueId) -> Result<ValueId, Error> {
    let log_p = emit.softmax("LogSoftmax", logits)?;
    let product = emit.op("Mul", &[targets, log_p])?;
    let batch = emit.graph.shape(logits)[0] as f64;
    emit.sum_over(product, -batch)
}

/// `loss + beta · Σ terms / B`.
fn weighted_sum(emit: &mut Emit<'_>, loss: ValueId, terms: ValueId, beta: f64) -> Result<ValueId, Error> {
    let batch = emit.graph.shape(terms)[0] as f64;
    let mean = emit.sum_over(terms, batch)?;
    let weighted = emit.with("Mul", mean, beta)?;
    emit.op("Add", &[loss, weighted])
}

/// Cross-entropy and `-log(1.0001 - q_k)` of the strongest wrong class `k`.
fn boosted_cross_entropy(emit: &mut Emit<'_>, logits: ValueId, targets: ValueId) -> Result<ValueId, Error> {
    let natural = cross_entropy(emit, logits, targets)?;
    let &[batch, classes] = emit.graph.shape(logits) else { unreachable!("logits are [B, K]") };
    let q = emit.softmax("Softmax", logits)?;
    let away = emit.with("Mul", targets, -2.0)?;
    let wrong = emit.op("Add", &[q, away])?;
    let strongest = emit.graph.add("ArgMax", &[wrong], Attrs::new().int("axis", 1))?;
    let all = emit.graph.constant("classes", Tensor::int(DType::I64, &[1, classes], (0..classes as i64).collect()));
    let chosen = emit.op("Equal", &[strongest, all])?;
    let mask = emit.graph.cast(chosen, DType::F32)?;
    emit.graph.mark_mask(mask);
    let chosen = emit.op("Mul", &[q, mask])?;
    let chosen = emit.reduce("ReduceSum", chosen, 1)?;
    let nearly_one = emit.number(1.0001 + 1e-12);
    let rest = emit.op("Sub", &[nearly_one, chosen])?;
    let log = emit.op("Log", &[rest])?;
    let boost = emit.sum_over(log, -(batch as f64))?;
    emit.op("Add", &[natural, boost])
}
