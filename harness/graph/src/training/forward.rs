use super::Network;
use crate::{Attrs, Error, Graph, ValueId};
use std::collections::HashMap;

/// The state of a network as values of a graph that trains or attacks it, in the order of the slots.
pub(super) struct Bound {
    pub(super) parameters: Vec<ValueId>,
    /// Empty in training mode, which does not look at them.
    pub(super) statistics: Vec<ValueId>,
}

/// What one pass through a network gives.
pub(super) struct Pass {
    pub(super) logits: ValueId,
    /// Per statistic the batch's own, mean and biased variance; empty in inference mode.
    pub(super) batch: Vec<ValueId>,
}

/// Writes the network with `x` as its input; batch normalisations work on the batch where no statistics are bound.
///
/// Errors: a batch normalisation sees one element a channel, or those of building a graph.
pub(super) fn forward(graph: &mut Graph, network: &Network, bound: &Bound, x: ValueId) -> Result<Pass, Error> {
    let old = network.graph();
    let trains = bound.statistics.len() < network.statistics().len();
    let mut map: HashMap<ValueId, ValueId> = HashMap::from([(old.inputs()[0], x)]);
    map.extend(network.parameter_ids().iter().copied().zip(bound.parameters.iter().copied()));
    map.extend(network.statistic_ids().iter().copied().zip(bound.statistics.iter().copied()));
    let mut batch: HashMap<ValueId, ValueId> = HashMap::new();
    for node in old.nodes() {
        let normalises = trains && node.op().name == "BatchNormalization";
        let inputs = if normalises { &node.inputs()[..3] } else { node.inputs() };
        for id in inputs.iter().flatten() {
            if !map.contains_key(id) {
                let value = old.value(*id);
                let data = value.shared_data().expect("nodes come in topological order");
                map.insert(*id, graph.shared_constant(value.name(), data));
            }
        }
        let inputs: Vec<Option<ValueId>> = inputs.iter().map(|id| id.map(|id| map[&id])).collect();
        if normalises {
            let attrs = batch_norm_attrs(old.shape(node.outputs()[0]), node.name(), node.attrs())?;
            let outputs = graph.add_node(node.name(), "BatchNormTrain", &inputs, attrs, 3)?;
            map.insert(node.outputs()[0], outputs[0]);
            let statistics = node.inputs()[3..5].iter().flatten().copied();
            batch.extend(statistics.zip(outputs[1..].iter().copied()));
        } else {
            let outputs =
                graph.add_node(node.name(), node.op().name, &inputs, node.attrs().clone(), node.outputs().len())?;
            map.extend(node.outputs().iter().copied().zip(outputs));
        }
    }
    let unknown = |id: &ValueId| {
        let name = old.value(*id).name();
        Error::Graph(format!("train the network: `{name}` is no running statistic that training can follow"))
    };
    let batch = match trains {
        true => network.statistic_ids().iter().map(|id| batch.get(id).copied().ok_or_else(|| unknown(id))).collect(),
        false => Ok(Vec::new()),
    }?;
    Ok(Pass { logits: map[&old.outputs()[0]], batch })
}

/// The attributes of BatchNormTrain.
///
/// Errors: there is one element a channel, which has no variance.
fn batch_norm_attrs(shape: &[usize], node: &str, attrs: &Attrs) -> Result<Attrs, Error> {
    if shape.iter().product::<usize>() <= shape[1] {
        let reason =
            format!("batch normalisation `{node}` sees one element a channel in {shape:?}: use a larger batch");
        return Err(Error::Graph(format!("train the network: {reason}")));
    }
    Ok(Attrs::new().float("epsilon", attrs.get_float("epsilon", 1e-5).expect("shape inference has read it")))
}
