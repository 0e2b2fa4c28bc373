//! Products: with a constant, and of a value with a gate that it makes itself, as HardSwish, Swish and Mish do.

use super::change::{Norms, up};
use super::linear::scaled;
use super::rules::{Effect, Site};
use crate::{Graph, Node, ValueId};

/// The largest slope of `x sigmoid(x)`, 1.09983932..., and so of `x sigmoid(a x)`.
const SWISH: f64 = 1.099_84;
/// The largest slope of `x tanh(ln(1 + e^x))`, 1.08849...
const MISH: f64 = 1.0886;

/// Mul.
pub(super) fn product(site: &Site<'_>) -> Result<Vec<Effect>, String> {
    match site.varying()[..] {
        [input] => scaled(site, input, site.constant(1 - input)?.iter().copied()),
        _ => gated(site).ok_or_else(|| {
            "multiplies two values that depend on the graph's input: its slope grows with them, no Lipschitz constant".to_owned()
        }),
    }
}

fn gated(site: &Site<'_>) -> Option<Vec<Effect>> {
    let [Some(a), Some(b)] = site.node.inputs()[..] else { return None };
    let (input, constant) =
        slope(site.graph, a, b).map(|slope| (0, slope)).or_else(|| Some((1, slope(site.graph, b, a)?)))?;
    (constant.is_finite()).then(|| vec![Effect::Sum(vec![(input, Norms::same(up(constant)))])])
}

/// The Lipschitz constant of `x` times `gate`, where `gate` is a function of `x` of a known kind, or a multiple of one.
fn slope(graph: &Graph, x: ValueId, gate: ValueId) -> Option<f64> {
    let node = graph.producer(gate)?;
    let op = node.op().name;
    if !matches!(op, "Mul" | "Div") {
        return slope_of(graph, x, node);
    }
    let inner = node.inputs().iter().flatten().copied().find(|id| graph.value(*id).data().is_none())?;
    let factor = scalar_of(graph, gate, op, inner)?.abs();
    Some(slope_of(graph, x, graph.producer(inner)?)? * if op == "Mul" { factor } else { 1.0 / factor })
}

fn slope_of(graph: &Graph, x: ValueId, gate: &Node) -> Option<f64> {
    let input = gate.inputs()[0]?;
    match gate.op().name {
        "HardSigmoid" if input == x => {
            // In the bend it is x (alpha x + beta), whose slope at the ends is 2 - beta and -beta; outside it is 0 and 1.
            let beta = f64::from(gate.attrs().get_float("beta", 0.5).ok()?);
            beta.is_finite().then(|| (2.0 - beta).abs().max(beta.abs()).max(1.0))
        }
        "Sigmoid" if input == x || scalar_of(graph, input, "Mul", x).is_some() => Some(SWISH),
        "Tanh" => {
            let soft = graph.producer(input)?;
            (soft.op().name == "Softplus" && soft.inputs()[0] == Some(x)).then_some(MISH)
        }
        "Clip" => clipped(graph, gate, x),
        _ => None,
    }
}

/// Of `x clip(x + shift, low, high)`, in whose bend the slope is `2 x + shift`.
fn clipped(graph: &Graph, clip: &Node, x: ValueId) -> Option<f64> {
    let shift = scalar_of(graph, clip.inputs()[0]?, "Add", x)?;
    let bound = |index: usize| scalar(graph, clip.inputs().get(index).copied().flatten()?);
    let (low, high) = (bound(1)?, bound(2)?);
    let slopes = [low, high, 2.0 * low - shift, 2.0 * high - shift];
    Some(slopes.into_iter().fold(0.0, |largest: f64, slope| largest.max(slope.abs())))
}

/// The constant number in `x + constant`, `x constant` or `x / constant`; a divisor must be on the right.
fn scalar_of(graph: &Graph, value: ValueId, op: &str, x: ValueId) -> Option<f64> {
    let node = graph.producer(value).filter(|node| node.op().name == op)?;
    match node.inputs()[..] {
        [Some(a), Some(b)] if a == x => scalar(graph, b),
        [Some(a), Some(b)] if b == x && op != "Div" => scalar(graph, a),
        _ => None,
    }
}

fn scalar(graph: &Graph, id: ValueId) -> Option<f64> {
    match graph.value(id).data()?.floats().ok()? {
        [number] if number.is_finite() => Some(*number),
        _ => None,
    }
}
