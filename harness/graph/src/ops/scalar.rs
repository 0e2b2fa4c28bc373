//! Functions of one element. One line each: the function, how its derivative times the cotangent is emitted, and where it
//! is tested. Specs: <https://onnx.ai/onnx/operators/>. Opsets: 6, 7 (Sin and its kin), 9 (Sign, Erf, the hyperbolic
//! functions), 10 (ThresholdedRelu), 11 (Round), 12 (Celu), 13, 16 (LeakyRelu), 20 (Gelu).

use super::elementwise::{
    cases, cases_and_far, erf, far, float, float_as_input, float_input, gelu_by_tanh, number, selu, sigmoid, signed,
    signed_map, steps, with_attrs,
};
use super::slopes::{self, divided, times};
use super::{Case, CaseInput, Op, Vjp, map_elements};
use crate::Attrs;
use std::f64::consts::FRAC_1_SQRT_2;

pub(super) const ABS: Op = signed(
    "Abs",
    &[7, 13],
    "|x|; the gradient at 0 is 0",
    |call| signed_map(call, f64::abs, i64::wrapping_abs),
    Vjp::Rule(|back| times(back, slopes::sign), &["Cast", "Greater", "Less", "Mul", "Sub"]),
);
pub(super) const EXP: Op = float(
    "Exp",
    &[7, 13],
    "e^x",
    |call| map_elements(call, f64::exp),
    |back| times(back, |back| Ok(back.output(0))),
    &["Mul"],
    || cases(-2.0, 2.0),
);
pub(super) const LOG: Op = float(
    "Log",
    &[7, 13],
    "ln x",
    |call| map_elements(call, f64::ln),
    |back| divided(back, |back| Ok(back.input(0))),
    &["Div"],
    || cases(0.3, 3.0),
);
pub(super) const NEG: Op = signed(
    "Neg",
    &[7, 13],
    "-x",
    |call| signed_map(call, |x| -x, i64::wrapping_neg),
    Vjp::Rule(
        |back| {
            let cotangent = back.cotangent();
            Ok(vec![Some(back.emit("Neg", &[cotangent])?)])
        },
        &["Neg"],
    ),
);
pub(super) const SIGMOID: Op = float(
    "Sigmoid",
    &[7, 13],
    "1 / (1 + e^-x)",
    |call| map_elements(call, sigmoid),
    |back| times(back, slopes::sigmoid),
    &["Mul", "Sub"],
    || cases(-4.0, 4.0),
);
pub(super) const SIGN: Op = signed(
    "Sign",
    &[9, 13],
    "-1, 0 or 1; piecewise constant, no gradient",
    |call| signed_map(call, |x| if x == 0.0 { 0.0 } else { x.signum() }, i64::signum),
    Vjp::Constant,
);
pub(super) const SQRT: Op = float(
    "Sqrt",
    &[7, 13],
    "square root",
    |call| map_elements(call, f64::sqrt),
    |back| divided(back, slopes::twice),
    &["Add", "Div"],
    || cases(0.3, 3.0),
);
pub(super) const TANH: Op = float(
    "Tanh",
    &[7, 13],
    "hyperbolic tangent",
    |call| map_elements(call, f64::tanh),
    |back| times(back, slopes::tanh),
    &["Mul", "Sub"],
    || cases(-2.0, 2.0),
);
pub(super) const LEAKY_RELU: Op = Op {
    attrs: &["alpha"],
    ..float(
        "LeakyRelu",
        &[7, 16],
        "x where x > 0, else alpha · x; the gradient at 0 is alpha",
        |call| {
            let alpha = f64::from(call.attrs.get_float("alpha", 0.01)?);
            map_elements(call, |x| if x > 0.0 { x } else { alpha * x })
        },
        |back| times(back, slopes::leaky_relu),
        &["Add", "Cast", "Greater", "Max", "Mul"],
        || {
            with_attrs(&[
                ("default alpha", &[]),
                ("alpha below one", &[("alpha", 0.3)]),
                ("alpha above one", &[("alpha", 1.5)]),
                ("negative alpha", &[("alpha", -0.5)]),
            ])
        },
    )
};

pub(super) const ACOS: Op = float(
    "Acos",
    &[7, 22],
    "inverse cosine",
    |call| map_elements(call, f64::acos),
    |back| {
        divided(back, |back| {
            let root = slopes::root(back, slopes::one_minus_square)?;
            back.emit("Neg", &[root])
        })
    },
    &["Add", "Div", "Mul", "Neg", "Sqrt", "Sub"],
    || cases(-0.9, 0.9),
);
pub(super) const ACOSH: Op = float(
    "Acosh",
    &[9, 22],
    "inverse hyperbolic cosine",
    |call| map_elements(call, f64::acosh),
    |back| divided(back, |back| slopes::root(back, slopes::square_minus_one)),
    &["Add", "Div", "Mul", "Sqrt", "Sub"],
    || cases(1.2, 3.0),
);
pub(super) const ASIN: Op = float(
    "Asin",
    &[7, 22],
    "inverse sine",
    |call| map_elements(call, f64::asin),
    |back| divided(back, |back| slopes::root(back, slopes::one_minus_square)),
    &["Add", "Div", "Mul", "Sqrt", "Sub"],
    || cases(-0.9, 0.9),
);
pub(super) const ASINH: Op = float(
    "Asinh",
    &[9, 22],
    "inverse hyperbolic sine",
    |call| map_elements(call, f64::asinh),
    |back| divided(back, |back| slopes::root(back, slopes::one_plus_square)),
    &["Add", "Div", "Mul", "Sqrt"],
    || cases_and_far(-2.0, 2.0),
);
pub(super) const ATAN: Op = float(
    "Atan",
    &[7, 22],
    "inverse tangent",
    |call| map_elements(call, f64::atan),
    |back| divided(back, slopes::one_plus_square),
    &["Add", "Div", "Mul"],
    || cases_and_far(-2.0, 2.0),
);
pub(super) const ATANH: Op = float(
    "Atanh",
    &[9, 22],
    "inverse hyperbolic tangent",
    |call| map_elements(call, f64::atanh),
    |back| divided(back, slopes::one_minus_square),
    &["Add", "Div", "Mul", "Sub"],
    || cases(-0.8, 0.8),
);
pub(super) const COS: Op = float(
    "Cos",
    &[7, 22],
    "cosine",
    |call| map_elements(call, f64::cos),
    |back| {
        times(back, |back| {
            let sine = back.emit("Sin", &[back.input(0)])?;
            back.emit("Neg", &[sine])
        })
    },
    &["Mul", "Neg", "Sin"],
    || cases(-4.0, 4.0),
);
pub(super) const COSH: Op = float(
    "Cosh",
    &[9, 22],
    "hyperbolic cosine",
    |call| map_elements(call, f64::cosh),
    |back| times(back, |back| back.emit("Sinh", &[back.input(0)])),
    &["Mul", "Sinh"],
    || cases(-2.0, 2.0),
);
pub(super) const ERF: Op = float(
    "Erf",
    &[9, 13],
    "error function",
    |call| map_elements(call, erf),
    |back| times(back, slopes::erf),
    &["Exp", "Mul", "Neg"],
    || cases_and_far(-3.0, 3.0),
);
pub(super) const RECIPROCAL: Op = float(
    "Reciprocal",
    &[7, 13],
    "1 / x",
    |call| map_elements(call, f64::recip),
    |back| {
        // In this order the square of a large y can't overflow where the product does not.
        let (y, cotangent) = (back.output(0), back.cotangent());
        let product = back.emit("Mul", &[cotangent, y])?;
        let product = back.emit("Mul", &[product, y])?;
        Ok(vec![Some(back.emit("Neg", &[product])?)])
    },
    &["Mul", "Neg"],
    || cases(0.3, 3.0),
);
pub(super) const SIN: Op = float(
    "Sin",
    &[7, 22],
    "sine",
    |call| map_elements(call, f64::sin),
    |back| times(back, |back| back.emit("Cos", &[back.input(0)])),
    &["Cos", "Mul"],
    || cases(-4.0, 4.0),
);
pub(super) const SINH: Op = float(
    "Sinh",
    &[9, 22],
    "hyperbolic sine",
    |call| map_elements(call, f64::sinh),
    |back| times(back, |back| back.emit("Cosh", &[back.input(0)])),
    &["Cosh", "Mul"],
    || cases(-2.0, 2.0),
);
pub(super) const SOFTPLUS: Op = float(
    "Softplus",
    &[7, 22],
    "ln(1 + e^x)",
    |call| map_elements(call, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
    |back| times(back, |back| back.emit("Sigmoid", &[back.input(0)])),
    &["Mul", "Sigmoid"],
    || cases_and_far(-4.0, 4.0),
);
pub(super) const SOFTSIGN: Op = float(
    "Softsign",
    &[7, 22],
    "x / (1 + |x|)",
    |call| map_elements(call, |x| x / (1.0 + x.abs())),
    |back| divided(back, slopes::softsign_divisor),
    &["Abs", "Add", "Div", "Mul"],
    || cases_and_far(-2.0, 2.0),
);
pub(super) const TAN: Op = float(
    "Tan",
    &[7, 22],
    "tangent",
    |call| map_elements(call, f64::tan),
    |back| times(back, slopes::tan),
    &["Add", "Mul"],
    || cases(-1.2, 1.2),
);
pub(super) const CEIL: Op =
    steps("Ceil", &[7, 13], "the least integer that is not below x; piecewise constant, no gradient", |call| {
        map_elements(call, f64::ceil)
    });
pub(super) const FLOOR: Op =
    steps("Floor", &[7, 13], "the largest integer that is not above x; piecewise constant, no gradient", |call| {
        map_elements(call, f64::floor)
    });
pub(super) const ROUND: Op =
    steps("Round", &[11, 22], "the nearest integer, of two the even one; piecewise constant, no gradient", |call| {
        map_elements(call, f64::round_ties_even)
    });
pub(super) const CELU: Op = Op {
    attrs: &["alpha"],
    infer: |call| {
        if call.attrs.get_float("alpha", 1.0)? == 0.0 { Err("alpha is 0".to_owned()) } else { float_as_input(call) }
    },
    ..float(
        "Celu",
        &[12],
        "x where x > 0, else alpha · (e^(x / alpha) - 1); the gradient at 0 is 1",
        |call| {
            let alpha = number(call, "alpha", 1.0)?;
            map_elements(call, |x| if x > 0.0 { x } else { alpha * (x / alpha).exp_m1() })
        },
        |back| {
            let alpha = back.ask(|call| number(call, "alpha", 1.0))?;
            times(back, |back| slopes::bent(back, 1.0, 1.0, alpha))
        },
        &["Exp", "Min", "Mul"],
        || with_attrs(&[("default alpha", &[]), ("alpha above one", &[("alpha", 1.5)])]),
    )
};
pub(super) const ELU: Op = Op {
    attrs: &["alpha"],
    ..float(
        "Elu",
        &[7, 22],
        "x where x > 0, else alpha · (e^x - 1); the gradient at 0 is alpha",
        |call| {
            let alpha = number(call, "alpha", 1.0)?;
            map_elements(call, |x| if x > 0.0 { x } else { alpha * x.exp_m1() })
        },
        |back| {
            let alpha = back.ask(|call| number(call, "alpha", 1.0))?;
            times(back, |back| slopes::bent(back, 1.0, alpha, 1.0))
        },
        &["Exp", "Greater", "Min", "Mul", "Where"],
        || {
            with_attrs(&[
                ("default alpha", &[]),
                ("alpha below one", &[("alpha", 0.3)]),
                ("negative alpha", &[("alpha", -0.5)]),
            ])
        },
    )
};
pub(super) const GELU: Op = Op {
    attrs: &["approximate"],
    infer: |call| gelu_by_tanh(call).and(float_input(call)),
    ..float(
        "Gelu",
        &[20],
        "½ x (1 + erf(x / √2)), or by tanh with `approximate`",
        |call| match gelu_by_tanh(call)? {
            false => map_elements(call, |x| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))),
            true => map_elements(call, |x| {
                0.5 * x * (1.0 + (slopes::GELU_LINEAR * (x + slopes::GELU_CUBIC * x.powi(3))).tanh())
            }),
        },
        |back| {
            let by_tanh = back.ask(gelu_by_tanh)?;
            times(back, if by_tanh { slopes::gelu_tanh } else { slopes::gelu })
        },
        &["Add", "Erf", "Exp", "Mul", "Neg", "Sub", "Tanh"],
        || {
            let case = |name, attrs| Case::new(name, attrs, vec![CaseInput::Random(vec![2, 3, 4], -4.0, 4.0)]);
            vec![
                case("by default", Attrs::new()),
                case("exact", Attrs::new().text("approximate", "none")),
                case("by tanh", Attrs::new().text("approximate", "tanh")),
                far(),
                Case { name: "far from zero by tanh", attrs: Attrs::new().text("approximate", "tanh"), ..far() },
            ]
        },
    )
};
pub(super) const HARD_SIGMOID: Op = Op {
    attrs: &["alpha", "beta"],
    ..float(
        "HardSigmoid",
        &[7, 22],
        "alpha · x + beta between 0 and 1; the gradient at both ends is 0",
        |call| {
            let (alpha, beta) = (number(call, "alpha", 0.2)?, number(call, "beta", 0.5)?);
            map_elements(call, |x| (alpha * x + beta).clamp(0.0, 1.0))
        },
        |back| {
            let alpha = back.ask(|call| number(call, "alpha", 0.2))?;
            times(back, |back| slopes::hard_sigmoid(back, alpha))
        },
        &["And", "Cast", "Greater", "Less", "Mul"],
        || {
            with_attrs(&[
                ("by default", &[]),
                ("steep", &[("alpha", 0.9), ("beta", 0.4)]),
                ("falling", &[("alpha", -0.75)]),
            ])
        },
    )
};
pub(super) const SELU: Op = Op {
    attrs: &["alpha", "gamma"],
    ..float(
        "Selu",
        &[7, 22],
        "gamma · x where x > 0, else gamma · alpha · (e^x - 1); the gradient at 0 is gamma · alpha",
        |call| {
            let (alpha, gamma) = selu(call)?;
            map_elements(call, |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() })
        },
        |back| {
            let (alpha, gamma) = back.ask(selu)?;
            times(back, |back| slopes::bent(back, gamma, gamma * alpha, 1.0))
        },
        &["Exp", "Greater", "Min", "Mul", "Where"],
        || with_attrs(&[("by default", &[]), ("both given", &[("alpha", 0.5), ("gamma", 2.0)])]),
    )
};
pub(super) const THRESHOLDED_RELU: Op = Op {
    attrs: &["alpha"],
    ..float(
        "ThresholdedRelu",
        &[10, 22],
        "x where x > alpha, else 0; the gradient at alpha is 0",
        |call| {
            let alpha = number(call, "alpha", 1.0)?;
            map_elements(call, |x| if x > alpha { x } else { 0.0 })
        },
        |back| {
            let alpha = back.ask(|call| number(call, "alpha", 1.0))?;
            times(back, |back| slopes::step(back, alpha))
        },
        &["Cast", "Greater", "Mul"],
        || with_attrs(&[("default alpha", &[]), ("negative alpha", &[("alpha", -0.5)])]),
    )
};
