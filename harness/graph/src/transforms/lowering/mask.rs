use super::Lowering;
use crate::{Attrs, DType, Error, Node, ValueId};

/// Steep enough that a float32 next to a kink is on one side of it: only a value within 2^-60 of zero is in between.
const STEEP: f64 = (1u64 << 60) as f64;

/// Indicators of an open interval: a steep HardSigmoid in place of comparisons, which leave the blocks.
///
/// For both bounds `|y - centre| < radius`, the modulus being a LeakyRelu of slope -1 that is fused into a depthwise
/// convolution; it rounds, so that a value within 1e-7 of the radius of a bound counts as outside.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let output = lowering.old.value(node.outputs()[0]);
    if node.op().name != "Cast" || !output.is_mask() || output.dtype() != DType::F32 {
        return Ok(None);
    }
    let Some(interval) = lowering.input(node, 0).and_then(|condition| interval(lowering, condition)) else {
        return Ok(None);
    };
    let Interval { value, low, high } = interval;
    let y = lowering.rewrite.at(value);
    if let (Some(low), Some(high)) = (low, high) {
        let (centre, radius) = (0.5 * (low + high), 0.5 * (high - low));
        let exact = f64::from(centre as f32) == centre && f64::from(radius as f32) == radius && radius > 0.0;
        if exact && lowering.rewrite.graph.shape(y).len() == 4 {
            let centred = lowering.affine(y, 1.0, Some(-centre))?;
            let distance = lowering.add("LeakyRelu", &[centred], Attrs::new().float("alpha", -1.0))?;
            return step(lowering, distance, -STEEP, radius * STEEP).map(Some);
        }
    }
    let above = low.map(|low| step(lowering, y, STEEP, -low * STEEP)).transpose()?;
    let below = high.map(|high| step(lowering, y, -STEEP, high * STEEP)).transpose()?;
    match (above, below) {
        (Some(above), Some(below)) => lowering.add("Mul", &[above, below], Attrs::new()).map(Some),
        (above, below) => Ok(above.or(below)),
    }
}

/// `low < value < high`.
pub(super) struct Interval {
    pub(super) value: ValueId,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

/// The open interval that a condition tests for.
pub(super) fn interval(lowering: &Lowering<'_>, condition: ValueId) -> Option<Interval> {
    let bound = |condition: ValueId, op: &str| {
        let node = lowering.producer(condition, op)?;
        let (value, bound) = (lowering.input(node, 0)?, lowering.scalar(node, 1)?);
        // The product with the slope must be finite, and the comparison of float32.
        let usable = bound.abs() < 1e6 && lowering.old.value(value).dtype() == DType::F32;
        // A bound of shape [1, 1] could give the result axes.
        let same = lowering.old.shape(value) == lowering.old.shape(condition);
        (usable && same).then_some((value, bound))
    };
    if let Some((value, low)) = bound(condition, "Greater") {
        return Some(Interval { value, low: Some(low), high: None });
    }
    if let Some((value, high)) = bound(condition, "Less") {
        return Some(Interval { value, low: None, high: Some(high) });
    }
    let both = lowering.producer(condition, "And")?;
    let (value, low) = bound(lowering.input(both, 0)?, "Greater")?;
    let (other, high) = bound(lowering.input(both, 1)?, "Less")?;
    (value == other).then_some(Interval { value, low: Some(low), high: Some(high) })
}

/// 1 where `slope · x + offset > 0`, else 0.
fn step(lowering: &mut Lowering<'_>, x: ValueId, slope: f64, offset: f64) -> Result<ValueId, Error> {
    let attrs = Attrs::new().float("alpha", slope as f32).float("beta", offset as f32);
    lowering.add("HardSigmoid", &[x], attrs)
}
