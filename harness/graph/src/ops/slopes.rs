//! What scalar functions emit for their derivatives. Every factor that depends on the input stays differentiable; only
//! indicators are masks.

use super::Backward;
use crate::{Error, ValueId};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

type Emitted = Result<ValueId, Error>;
type Results = Result<Vec<Option<ValueId>>, Error>;

/// The cotangent times a derivative.
pub(super) fn times(back: &mut Backward<'_>, derivative: impl FnOnce(&mut Backward<'_>) -> Emitted) -> Results {
    let (cotangent, derivative) = (back.cotangent(), derivative(back)?);
    Ok(vec![Some(back.emit("Mul", &[cotangent, derivative])?)])
}

/// The cotangent divided by the inverse of a derivative.
pub(super) fn divided(back: &mut Backward<'_>, divisor: impl FnOnce(&mut Backward<'_>) -> Emitted) -> Results {
    let (cotangent, divisor) = (back.cotangent(), divisor(back)?);
    Ok(vec![Some(back.emit("Div", &[cotangent, divisor])?)])
}

/// The sign of the input, as masks.
pub(super) fn sign(back: &mut Backward<'_>) -> Emitted {
    let x = back.input(0);
    let dtype = back.graph.value(x).dtype();
    if !dtype.is_float() {
        return Err(back.refuse(&format!("it computes in {dtype}")));
    }
    let zero = back.scalar(0.0);
    let positive = back.emit("Greater", &[x, zero])?;
    let positive = back.mask(positive)?;
    let negative = back.emit("Less", &[x, zero])?;
    let negative = back.mask(negative)?;
    back.emit("Sub", &[positive, negative])
}

/// `2y`.
pub(super) fn twice(back: &mut Backward<'_>) -> Emitted {
    let y = back.output(0);
    back.emit("Add", &[y, y])
}

/// `y · (1 - y)`.
pub(super) fn sigmoid(back: &mut Backward<'_>) -> Emitted {
    let (y, one) = (back.output(0), back.scalar(1.0));
    let rest = back.emit("Sub", &[one, y])?;
    back.emit("Mul", &[y, rest])
}

/// `1 - y²`.
pub(super) fn tanh(back: &mut Backward<'_>) -> Emitted {
    let (y, one) = (back.output(0), back.scalar(1.0));
    let square = back.emit("Mul", &[y, y])?;
    back.emit("Sub", &[one, square])
}

/// `1 + y²`.
pub(super) fn tan(back: &mut Backward<'_>) -> Emitted {
    let (y, one) = (back.output(0), back.scalar(1.0));
    let square = back.emit("Mul", &[y, y])?;
    back.emit("Add", &[one, square])
}

/// 1 where x > 0, else alpha. The maximum of mask and alpha is exact; a scaled mask plus alpha would round.
pub(super) fn leaky_relu(back: &mut Backward<'_>) -> Emitted {
    let alpha = back.ask(|call| call.attrs.get_float("alpha", 0.01))?;
    let (x, zero, slope) = (back.input(0), back.scalar(0.0), back.scalar(alpha.into()));
    let positive = back.emit("Greater", &[x, zero])?;
    let mask = back.mask(positive)?;
    if (0.0..=1.0).contains(&alpha) {
        return back.emit("Max", &[mask, slope]);
    }
    let rise = back.scalar(1.0 - f64::from(alpha));
    let rise = back.emit("Mul", &[mask, rise])?;
    back.emit("Add", &[rise, slope])
}

/// `above` where x > 0, else `below · e^(x / width)`. Taken from y it would be a difference of nearly equal numbers.
pub(super) fn bent(back: &mut Backward<'_>, above: f64, below: f64, width: f64) -> Emitted {
    let (x, zero) = (back.input(0), back.scalar(0.0));
    let mut slope = back.emit("Min", &[x, zero])?;
    if width != 1.0 {
        let inverse = back.scalar(1.0 / width);
        slope = back.emit("Mul", &[slope, inverse])?;
    }
    slope = back.emit("Exp", &[slope])?;
    if below == above && above == 1.0 {
        return Ok(slope);
    }
    let (above, below) = (back.scalar(above), back.scalar(below));
    slope = back.emit("Mul", &[slope, below])?;
    let positive = back.emit("Greater", &[x, zero])?;
    back.emit("Where", &[positive, above, slope])
}

/// alpha where 0 < y < 1, else 0.
pub(super) fn hard_sigmoid(back: &mut Backward<'_>, alpha: f64) -> Emitted {
    let (y, zero, one, alpha) = (back.output(0), back.scalar(0.0), back.scalar(1.0), back.scalar(alpha));
    let above = back.emit("Greater", &[y, zero])?;
    let below = back.emit("Less", &[y, one])?;
    let inside = back.emit("And", &[above, below])?;
    let mask = back.mask(inside)?;
    back.emit("Mul", &[mask, alpha])
}

/// 1 where x > threshold, else 0.
pub(super) fn step(back: &mut Backward<'_>, threshold: f64) -> Emitted {
    let (x, threshold) = (back.input(0), back.scalar(threshold));
    let above = back.emit("Greater", &[x, threshold])?;
    back.mask(above)
}

/// `(1 + |x|)²`.
pub(super) fn softsign_divisor(back: &mut Backward<'_>) -> Emitted {
    let (x, one) = (back.input(0), back.scalar(1.0));
    let size = back.emit("Abs", &[x])?;
    let base = back.emit("Add", &[size, one])?;
    back.emit("Mul", &[base, base])
}

/// `1 + x²`.
pub(super) fn one_plus_square(back: &mut Backward<'_>) -> Emitted {
    let (x, one) = (back.input(0), back.scalar(1.0));
    let square = back.emit("Mul", &[x, x])?;
    back.emit("Add", &[square, one])
}

/// `(1 - x) (1 + x)`, which near ±1 is more exact than `1 - x²`.
pub(super) fn one_minus_square(back: &mut Backward<'_>) -> Emitted {
    let (x, one) = (back.input(0), back.scalar(1.0));
    let (left, right) = (back.emit("Sub", &[one, x])?, back.emit("Add", &[x, one])?);
    back.emit("Mul", &[left, right])
}

/// `(x - 1) (x + 1)`.
pub(super) fn square_minus_one(back: &mut Backward<'_>) -> Emitted {
    let (x, one) = (back.input(0), back.scalar(1.0));
    let (left, right) = (back.emit("Sub", &[x, one])?, back.emit("Add", &[x, one])?);
    back.emit("Mul", &[left, right])
}

/// The square root of what `square` emits.
pub(super) fn root(back: &mut Backward<'_>, square: fn(&mut Backward<'_>) -> Emitted) -> Emitted {
    let square = square(back)?;
    back.emit("Sqrt", &[square])
}

/// `2/√π · e^(-x²)`.
pub(super) fn erf(back: &mut Backward<'_>) -> Emitted {
    let x = back.input(0);
    let (bell, factor) = (bell(back, x)?, back.scalar(FRAC_2_SQRT_PI));
    back.emit("Mul", &[bell, factor])
}

/// `e^(-u²)`.
fn bell(back: &mut Backward<'_>, u: ValueId) -> Emitted {
    let square = back.emit("Mul", &[u, u])?;
    let exponent = back.emit("Neg", &[square])?;
    back.emit("Exp", &[exponent])
}

/// `½ (1 + erf u + 2/√π · u · e^(-u²))` with `u = x/√2`.
pub(super) fn gelu(back: &mut Backward<'_>) -> Emitted {
    let (x, scale, factor) = (back.input(0), back.scalar(FRAC_1_SQRT_2), back.scalar(FRAC_2_SQRT_PI));
    let u = back.emit("Mul", &[x, scale])?;
    let erf = back.emit("Erf", &[u])?;
    let bell = bell(back, u)?;
    let bump = back.emit("Mul", &[u, bell])?;
    let bump = back.emit("Mul", &[bump, factor])?;
    half_of_one_plus(back, erf, bump)
}

/// `½ (1 + t + x (1 - t²) u′)` with `t = tanh u`, `u = √(2/π) (x + 0.044715 x³)`.
pub(super) fn gelu_tanh(back: &mut Backward<'_>) -> Emitted {
    let (x, one) = (back.input(0), back.scalar(1.0));
    let (linear, cubic) = (back.scalar(GELU_LINEAR), back.scalar(GELU_LINEAR * GELU_CUBIC));
    let square = back.emit("Mul", &[x, x])?;
    let bend = back.emit("Mul", &[square, cubic])?;
    let chord = back.emit("Add", &[bend, linear])?;
    let u = back.emit("Mul", &[x, chord])?;
    let t = back.emit("Tanh", &[u])?;
    let bends = back.emit("Add", &[bend, bend])?;
    let rise = back.emit("Add", &[chord, bends])?;
    let square = back.emit("Mul", &[t, t])?;
    let rest = back.emit("Sub", &[one, square])?;
    let bump = back.emit("Mul", &[x, rest])?;
    let bump = back.emit("Mul", &[bump, rise])?;
    half_of_one_plus(back, t, bump)
}

/// √(2/π), the slope at 0 of the argument of Gelu's tanh.
pub(super) const GELU_LINEAR: f64 = FRAC_2_SQRT_PI / SQRT_2;
/// The share of the cube in the argument of Gelu's tanh.
pub(super) const GELU_CUBIC: f64 = 0.044715;

fn half_of_one_plus(back: &mut Backward<'_>, a: ValueId, b: ValueId) -> Emitted {
    let (one, half) = (back.scalar(1.0), back.scalar(0.5));
    let sum = back.emit("Add", &[a, b])?;
    let sum = back.emit("Add", &[sum, one])?;
    back.emit("Mul", &[sum, half])
}
