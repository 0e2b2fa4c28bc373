//! Lipschitz constants of functions of one element: the largest absolute slope over all numbers. Each is tested against
//! slopes on a fine grid.

use crate::ops::Call;

type Constant = Result<f64, String>;

fn number(call: &Call<'_>, name: &str, default: f32) -> Constant {
    let value = f64::from(call.attrs.get_float(name, default)?);
    if value.is_finite() { Ok(value) } else { Err(format!("attribute `{name}` is not finite")) }
}

/// The larger of 1 and the slope on the left.
pub(super) fn leaky_relu(call: &Call<'_>) -> Constant {
    Ok(number(call, "alpha", 0.01)?.abs().max(1.0))
}

/// As [`leaky_relu`]: `alpha e^x` falls to the left.
pub(super) fn elu(call: &Call<'_>) -> Constant {
    Ok(number(call, "alpha", 1.0)?.abs().max(1.0))
}

/// On the left it is `e^(x / alpha)`.
pub(super) fn celu(call: &Call<'_>) -> Constant {
    if number(call, "alpha", 1.0)? > 0.0 {
        Ok(1.0)
    } else {
        Err("alpha is negative: its slope has no bound".to_owned())
    }
}

pub(super) fn selu(call: &Call<'_>) -> Constant {
    let (alpha, gamma) = (number(call, "alpha", 1.673_263_2)?, number(call, "gamma", 1.050_701)?);
    Ok(gamma.abs() * alpha.abs().max(1.0) * (1.0 + 8.0 * f64::EPSILON))
}

pub(super) fn hard_sigmoid(call: &Call<'_>) -> Constant {
    Ok(number(call, "alpha", 0.2)?.abs())
}

pub(super) fn thresholded_relu(call: &Call<'_>) -> Constant {
    match number(call, "alpha", 1.0)? {
        0.0 => Ok(1.0),
        alpha => Err(format!("has a step at {alpha}: no Lipschitz constant")),
    }
}

/// `2/√π`, the slope at 0.
pub(super) fn erf(_: &Call<'_>) -> Constant {
    Ok(1.128_379_168)
}

/// The slope of the exact function at `√2` is 1.12890; by tanh it is largest near there, 1.12902.
pub(super) fn gelu(_: &Call<'_>) -> Constant {
    Ok(1.1291)
}
