use super::emit::Emit;
use super::forward::{Bound, Pass, forward};
use super::network::size;
use super::optimiser::{Update, clip, update};
use super::{Network, Objective, Optimiser, Role, Slot};
use crate::reverse::pull_back;
use crate::{DType, Error, Graph, Tensor, ValueId, ValueType};

/// What a training step does.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    /// The loss.
    pub objective: Objective,
    /// The update.
    pub optimiser: Optimiser,
    /// The weight decay; 0 for none.
    pub weight_decay: f64,
    /// Whether biases and the parameters of normalisations decay too.
    pub decay_all: bool,
    /// The largest norm of the whole gradient that is used as it is; larger ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// The share of the batch in the running statistics, PyTorch's `momentum`.
    pub statistics_momentum: f64,
}

/// Writes one training step as a graph.
///
/// Inputs: `parameters` `[P]`; `statistics` `[S]` where there are any; `moment1` and `moment2` `[P]` as far as the optimiser
/// has them; `x` `[B, …]`; `x_adv` `[B, …]` where the objective takes it; `targets` `[B, K]`, one-hot; `learning_rate` `[]`;
/// with two moments `bias_corrections` `[2]`: `1 - beta1^t` and `1 - beta2^t` at step `t` from 1.
///
/// Outputs: `next_parameters`, `next_statistics`, `next_moment1`, `next_moment2`, like their inputs and where these are;
/// `loss` `[]`; `logits` `[B, K]`; `logits_adv` `[B, K]` where there is `x_adv`; `gradient_norm` `[]`, before clipping. Logits
/// are those of training mode. Moments start from zeros. Running statistics follow the natural batch, then the
/// adversarial one, with unbiased variances.
///
/// The graph has operators of our own: it is written for a machine by [`Profile::lower`](crate::Profile::lower).
/// Errors: a parameter gets no gradient, a node on the way has none, or a batch normalisation sees one element a channel.
pub fn training_step(network: &Network, spec: &StepSpec) -> Result<Graph, Error> {
    let mut graph = Graph::new(network.graph().name());
    let input = |graph: &mut Graph, name: &str, shape: &[usize]| graph.input(name, ValueType::new(DType::F32, shape));
    let (count, statistics_len) = (size(network.parameters()), size(network.statistics()));
    let parameters = input(&mut graph, "parameters", &[count]);
    let statistics = (statistics_len > 0).then(|| input(&mut graph, "statistics", &[statistics_len]));
    let names = ["moment1", "moment2"].into_iter().take(spec.optimiser.moments());
    let moments: Vec<ValueId> = names.map(|name| input(&mut graph, name, &[count])).collect();
    let x_shape = network.input().shape.clone();
    let x = input(&mut graph, "x", &x_shape);
    let x_adv = spec.objective.takes_adversarial().then(|| input(&mut graph, "x_adv", &x_shape));
    let targets = input(&mut graph, "targets", &[x_shape[0], network.classes()]);
    let learning_rate = input(&mut graph, "learning_rate", &[]);
    let corrections = (moments.len() == 2).then(|| input(&mut graph, "bias_corrections", &[2]));

    let bound = Bound { parameters: bind(&mut graph, parameters, network.parameters())?, statistics: Vec::new() };
    let natural = forward(&mut graph, network, &bound, x)?;
    let adversarial = x_adv.map(|x| forward(&mut graph, network, &bound, x)).transpose()?;
    let mut emit = Emit { graph: &mut graph };
    let adversarial_logits = adversarial.as_ref().map(|pass| pass.logits);
    let loss = spec.objective.loss(&mut emit, natural.logits, adversarial_logits, targets)?;
    let gradient = gradient(&mut emit, network, loss, &bound)?;
    let norm = emit.reduce("ReduceL2", gradient, 0)?;
    let gradient = match spec.clip_norm {
        Some(limit) => clip(&mut emit, gradient, norm, limit)?,
        None => gradient,
    };
    let vectors = Update { parameters, gradient, moments, learning_rate, corrections };
    let updated = update(&mut emit, spec, network.parameters(), &vectors)?;
    let mut outputs = vec![("next_parameters", updated[0])];
    if let Some(statistics) = statistics {
        let passes = [Some(&natural), adversarial.as_ref()];
        let next = passes.into_iter().flatten().try_fold(statistics, |statistics, pass| {
            follow(&mut emit, network, spec.statistics_momentum, statistics, pass)
        })?;
        outputs.push(("next_statistics", next));
    }
    outputs.extend(["next_moment1", "next_moment2"].into_iter().zip(updated[1..].iter().copied()));
    outputs.extend([("loss", loss), ("logits", natural.logits)]);
    outputs.extend(adversarial_logits.map(|logits| ("logits_adv", logits)));
    outputs.push(("gradient_norm", norm));
    finish(graph, &outputs)
}

/// The graph with these outputs under these names.
pub(super) fn finish(mut graph: Graph, outputs: &[(&str, ValueId)]) -> Result<Graph, Error> {
    for &(name, id) in outputs {
        if let Some(other) = graph.find(name) {
            graph.rename(other, &format!("model.{name}"));
        }
        graph.rename(id, name);
    }
    graph.set_outputs(outputs.iter().map(|&(_, id)| id).collect());
    Ok(graph.pruned().0)
}

/// Cuts a flat vector into the slots, under their names.
pub(super) fn bind(graph: &mut Graph, flat: ValueId, slots: &[Slot]) -> Result<Vec<ValueId>, Error> {
    let sizes: Vec<usize> = slots.iter().map(Slot::len).collect();
    let mut emit = Emit { graph };
    let parts = if sizes.len() == 1 { vec![flat] } else { emit.split(flat, &sizes)? };
    let place = |(part, slot): (ValueId, &Slot)| {
        let value = emit.reshape(part, &slot.shape)?;
        if value != flat {
            emit.graph.rename(value, &slot.name);
        }
        Ok(value)
    };
    parts.into_iter().zip(slots).map(place).collect()
}

/// The gradient of the loss to every parameter, as one vector.
fn gradient(emit: &mut Emit<'_>, network: &Network, loss: ValueId, bound: &Bound) -> Result<ValueId, Error> {
    let one = emit.number(1.0);
    let found = pull_back(emit.graph, &[(loss, one)], &bound.parameters)?;
    let named = found.into_iter().zip(network.parameters()).map(|(gradient, slot)| {
        let reason = || Error::Graph(format!("train the network: parameter `{}` gets no gradient", slot.name));
        gradient.ok_or_else(reason)
    });
    let gradients: Vec<ValueId> = named.collect::<Result<_, _>>()?;
    emit.flatten(&gradients)
}

/// The running statistics after a pass: `(1 - momentum) · old + momentum · batch`, variances times `n / (n - 1)`.
fn follow(
    emit: &mut Emit<'_>,
    network: &Network,
    momentum: f64,
    statistics: ValueId,
    pass: &Pass,
) -> Result<ValueId, Error> {
    let mut factors = Vec::new();
    for (slot, &id) in network.statistics().iter().zip(&pass.batch) {
        let node = emit.graph.producer(id).expect("a node computes the batch's statistics");
        let seen = emit.graph.shape(node.outputs()[0]);
        let count = (seen.iter().product::<usize>() / seen[1]) as f64;
        let factor = if slot.role == Role::Variance { momentum * count / (count - 1.0) } else { momentum };
        factors.extend(std::iter::repeat_n(factor, slot.len()));
    }
    let factors = emit.graph.constant("statistics_factors", Tensor::f32(&[factors.len()], factors).rounded());
    let batch = emit.flatten(&pass.batch)?;
    let more = emit.op("Mul", &[batch, factors])?;
    let kept = emit.with("Mul", statistics, 1.0 - momentum)?;
    emit.op("Add", &[kept, more])
}
