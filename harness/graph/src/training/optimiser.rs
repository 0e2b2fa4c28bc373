use super::emit::Emit;
use super::{Role, Slot, StepSpec};
use crate::{Error, Tensor, ValueId};

/// How gradients become updates, as PyTorch's optimisers of these names do it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimiser {
    /// Stochastic gradient descent; weight decay joins the gradient.
    Sgd {
        /// The share of the last update's direction that stays; 0 for none.
        momentum: f64,
        /// Whether the gradient is looked ahead for.
        nesterov: bool,
    },
    /// Adam; weight decay joins the gradient.
    Adam {
        /// The share of the mean gradient that stays.
        beta1: f64,
        /// The share of the mean square that stays.
        beta2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
    /// AdamW; weight decay shrinks the parameters by `learning rate · weight decay`.
    AdamW {
        /// The share of the mean gradient that stays.
        beta1: f64,
        /// The share of the mean square that stays.
        beta2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
}

impl Optimiser {
    /// How many vectors of moments it keeps: none, the first, or both.
    pub fn moments(&self) -> usize {
        match *self {
            Optimiser::Sgd { momentum: 0.0, .. } => 0,
            Optimiser::Sgd { .. } => 1,
            Optimiser::Adam { .. } | Optimiser::AdamW { .. } => 2,
        }
    }
}

/// Vectors of all parameters, and what the schedule says.
pub(super) struct Update {
    pub(super) parameters: ValueId,
    pub(super) gradient: ValueId,
    /// As many as [`Optimiser::moments`] says.
    pub(super) moments: Vec<ValueId>,
    pub(super) learning_rate: ValueId,
    /// `1 - beta1^t` and `1 - beta2^t`, where there are two moments.
    pub(super) corrections: Option<ValueId>,
}

/// Writes the update: the next parameters, then the next moments.
pub(super) fn update(
    emit: &mut Emit<'_>,
    spec: &StepSpec,
    slots: &[Slot],
    update: &Update,
) -> Result<Vec<ValueId>, Error> {
    let &Update { mut parameters, mut gradient, learning_rate, .. } = update;
    if let Some(decay) = decay(emit, spec, slots) {
        if matches!(spec.optimiser, Optimiser::AdamW { .. }) {
            let shrunk = emit.op("Mul", &[decay, learning_rate])?;
            let shrunk = emit.op("Mul", &[parameters, shrunk])?;
            parameters = emit.op("Sub", &[parameters, shrunk])?;
        } else {
            let pull = emit.op("Mul", &[parameters, decay])?;
            gradient = emit.op("Add", &[gradient, pull])?;
        }
    }
    match spec.optimiser {
        Optimiser::Sgd { momentum, nesterov } => {
            let Some(&moment) = update.moments.first() else {
                let step = emit.op("Mul", &[gradient, learning_rate])?;
                return Ok(vec![emit.op("Sub", &[parameters, step])?]);
            };
            let kept = emit.with("Mul", moment, momentum)?;
            let moment = emit.op("Add", &[kept, gradient])?;
            let direction = if nesterov {
                let ahead = emit.with("Mul", moment, momentum)?;
                emit.op("Add", &[gradient, ahead])?
            } else {
                moment
            };
            let step = emit.op("Mul", &[direction, learning_rate])?;
            Ok(vec![emit.op("Sub", &[parameters, step])?, moment])
        }
        Optimiser::Adam { beta1, beta2, epsilon } | Optimiser::AdamW { beta1, beta2, epsilon } => {
            let (first, second) = (update.moments[0], update.moments[1]);
            let change = emit.op("Sub", &[gradient, first])?;
            let change = emit.with("Mul", change, 1.0 - beta1)?;
            let first = emit.op("Add", &[first, change])?;
            let square = emit.op("Mul", &[gradient, gradient])?;
            let square = emit.with("Mul", square, 1.0 - beta2)?;
            let kept = emit.with("Mul", second, beta2)?;
            let second = emit.op("Add", &[kept, square])?;
            let corrections = emit.split(update.corrections.expect("Adam takes them"), &[1, 1])?;
            let root = emit.op("Sqrt", &[second])?;
            let correction = emit.op("Sqrt", &[corrections[1]])?;
            let root = emit.op("Div", &[root, correction])?;
            let root = emit.with("Add", root, epsilon)?;
            let rate = emit.op("Div", &[learning_rate, corrections[0]])?;
            let ratio = emit.op("Div", &[first, root])?;
            let step = emit.op("Mul", &[ratio, rate])?;
            Ok(vec![emit.op("Sub", &[parameters, step])?, first, second])
        }
    }
}

/// The weight decay of each parameter: a number, or a vector where some are left out. `None` where there is none.
fn decay(emit: &mut Emit<'_>, spec: &StepSpec, slots: &[Slot]) -> Option<ValueId> {
    let decays = |slot: &Slot| spec.decay_all || slot.role == Role::Weight;
    if spec.weight_decay == 0.0 || !slots.iter().any(decays) {
        return None;
    }
    if slots.iter().all(decays) {
        return Some(emit.number(spec.weight_decay));
    }
    let shares = slots.iter().flat_map(|slot| {
        let share = if decays(slot) { spec.weight_decay } else { 0.0 };
        std::iter::repeat_n(share, slot.len())
    });
    let shares: Vec<f64> = shares.collect();
    Some(emit.graph.constant("weight_decay", Tensor::f32(&[shares.len()], shares).rounded()))
}

/// Scales a gradient down to a norm of at most `limit`, as PyTorch's `clip_grad_norm_` does.
pub(super) fn clip(emit: &mut Emit<'_>, gradient: ValueId, norm: ValueId, limit: f64) -> Result<ValueId, Error> {
    let (limit, one) = (emit.number(limit), emit.number(1.0));
    let norm = emit.with("Add", norm, 1e-6)?;
    let factor = emit.op("Div", &[limit, norm])?;
    let factor = emit.op("Min", &[factor, one])?;
    emit.op("Mul", &[gradient, factor])
}
