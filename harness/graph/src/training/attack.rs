use super::Network;
use super::emit::Emit;
use super::forward::{Bound, forward};
use super::network::size;
use super::step::{bind, finish};
use crate::gradient::emit_head;
use crate::reverse::pull_back;
use crate::{Attrs, DType, Error, Graph, Head, Tensor, ValueId, ValueType};

/// In which norm an attack steps and stays close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttackNorm {
    /// Steps by the sign of the gradient; `lower` and `upper` bound every element.
    Linf,
    /// Steps along the gradient of every row, scaled to length 1, and projects onto a ball before the bounds.
    L2,
}

/// Writes one step of projected gradient ascent as a graph: the network in inference form, its parameters as inputs.
///
/// Inputs: `parameters` `[P]`, `statistics` `[S]` where there are any, `x`, `lower`, `upper` `[B, …]`, `weights` `[B, K]`
/// of the loss head, `step` `[]`; for [`AttackNorm::L2`] also `centre` `[B, …]` and `radius` `[]`. Outputs: `x_next`, `loss`
/// `[B]` and `logits` `[B, K]` at `x`.
///
/// Errors: a node on the way has no gradient.
pub fn attack_step(network: &Network, head: Head, norm: AttackNorm) -> Result<Graph, Error> {
    let mut graph = Graph::new(network.graph().name());
    let input = |graph: &mut Graph, name: &str, shape: &[usize]| graph.input(name, ValueType::new(DType::F32, shape));
    let shape = network.input().shape.clone();
    let (count, statistics_len) = (size(network.parameters()), size(network.statistics()));
    let parameters = input(&mut graph, "parameters", &[count]);
    let statistics = (statistics_len > 0).then(|| input(&mut graph, "statistics", &[statistics_len]));
    let [x, lower, upper] = ["x", "lower", "upper"].map(|name| input(&mut graph, name, &shape));
    let weights = input(&mut graph, "weights", &[shape[0], network.classes()]);
    let step = input(&mut graph, "step", &[]);
    let ball =
        (norm == AttackNorm::L2).then(|| (input(&mut graph, "centre", &shape), input(&mut graph, "radius", &[])));

    let bound = Bound {
        parameters: bind(&mut graph, parameters, network.parameters())?,
        statistics: match statistics {
            Some(statistics) => bind(&mut graph, statistics, network.statistics())?,
            None => Vec::new(),
        },
    };
    let logits = forward(&mut graph, network, &bound, x)?.logits;
    let loss = emit_head(&mut graph, head, logits, weights)?;
    let mut emit = Emit { graph: &mut graph };
    let ones = emit.graph.constant("ones", Tensor::f32(&[shape[0]], vec![1.0; shape[0]]));
    let unreached = || Error::Graph("attack the network: the loss does not depend on its input".to_owned());
    let gradient = pull_back(emit.graph, &[(loss, ones)], &[x])?[0].ok_or_else(unreached)?;
    let next = match ball {
        None => {
            let sign = emit.op("Sign", &[gradient])?;
            let move_by = emit.op("Mul", &[sign, step])?;
            emit.op("Add", &[x, move_by])?
        }
        Some((centre, radius)) => {
            let direction = direction(&mut emit, gradient)?;
            let move_by = emit.op("Mul", &[direction, step])?;
            let moved = emit.op("Add", &[x, move_by])?;
            let offset = emit.op("Sub", &[moved, centre])?;
            let distance = per_row(&mut emit, "ReduceL2", offset)?;
            // Inside the ball the factor is radius / radius.
            let distance = emit.op("Max", &[distance, radius])?;
            let factor = emit.op("Div", &[radius, distance])?;
            let offset = emit.op("Mul", &[offset, factor])?;
            emit.op("Add", &[centre, offset])?
        }
    };
    let bounded = emit.op("Max", &[next, lower])?;
    let bounded = emit.op("Min", &[bounded, upper])?;
    finish(graph, &[("x_next", bounded), ("loss", loss), ("logits", logits)])
}

/// Every row over its length, zeros where it is zero; first over its largest element, since squares underflow.
fn direction(emit: &mut Emit<'_>, gradient: ValueId) -> Result<ValueId, Error> {
    let least = f64::from(f32::MIN_POSITIVE);
    let size = emit.op("Abs", &[gradient])?;
    let largest = per_row(emit, "ReduceMax", size)?;
    let largest = emit.with("Max", largest, least)?;
    let scaled = emit.op("Div", &[gradient, largest])?;
    let length = per_row(emit, "ReduceL2", scaled)?;
    let length = emit.with("Max", length, least)?;
    emit.op("Div", &[scaled, length])
}

/// Reduces every row to one number, to broadcast over the rows.
fn per_row(emit: &mut Emit<'_>, op: &str, x: ValueId) -> Result<ValueId, Error> {
    let axes = emit.ints(1..emit.graph.shape(x).len());
    emit.graph.add(op, &[x, axes], Attrs::new().int("keepdims", 1))
}
