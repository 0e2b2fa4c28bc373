//! What the rows of scalar functions share: how they are built, their types, kernels and cases.

use super::binary::{expect_inputs, wrapped};
use super::{Call, Case, CaseInput, Derive, Op, Vjp, expect_float, map_elements, no_macs, same_as_input, unchanged};
use crate::{Attrs, DType, Data, Tensor, ValueType};
use std::f64::consts::FRAC_2_SQRT_PI;

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;
type Cases = fn() -> Vec<Case>;

/// A function of floats.
pub(super) const fn float(
    name: &'static str,
    opsets: &'static [i64],
    doc: &'static str,
    eval: Eval,
    vjp: Derive,
    emits: &'static [&'static str],
    cases: Cases,
) -> Op {
    let infer = float_as_input;
    Op {
        name,
        opsets,
        doc,
        attrs: &[],
        infer,
        eval,
        vjp: Vjp::Rule(vjp, emits),
        macs: no_macs,
        upgrade: unchanged,
        cases,
    }
}

/// A function of floats and integers.
pub(super) const fn signed(name: &'static str, opsets: &'static [i64], doc: &'static str, eval: Eval, vjp: Vjp) -> Op {
    let (infer, cases) = (number_as_input, signed_cases);
    Op { name, opsets, doc, attrs: &[], infer, eval, vjp, macs: no_macs, upgrade: unchanged, cases }
}

/// A function of floats that is piecewise constant.
pub(super) const fn steps(name: &'static str, opsets: &'static [i64], doc: &'static str, eval: Eval) -> Op {
    let (infer, cases) = (float_as_input, step_cases);
    Op { name, opsets, doc, attrs: &[], infer, eval, vjp: Vjp::Constant, macs: no_macs, upgrade: unchanged, cases }
}

/// The output type of functions of floats whose attributes are floats.
pub(super) fn float_as_input(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    call.attrs.iter().try_for_each(|(name, _)| call.attrs.get_float(name, 0.0).map(drop))?;
    float_input(call)
}

pub(super) fn float_input(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    expect_float(call, 0)?;
    same_as_input(call)
}

/// A float attribute.
pub(super) fn number(call: &Call<'_>, name: &str, default: f32) -> Result<f64, String> {
    call.attrs.get_float(name, default).map(f64::from)
}

/// alpha and gamma of Selu.
pub(super) fn selu(call: &Call<'_>) -> Result<(f64, f64), String> {
    Ok((number(call, "alpha", 1.673_263_2)?, number(call, "gamma", 1.050_701)?))
}

pub(super) fn gelu_by_tanh(call: &Call<'_>) -> Result<bool, String> {
    match call.attrs.get_text("approximate", "none")? {
        "none" => Ok(false),
        "tanh" => Ok(true),
        other => Err(format!("approximate is `{other}`, allowed are none and tanh")),
    }
}

/// The output type of functions of floats and integers.
pub(super) fn number_as_input(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    if call.ty(0)?.dtype == DType::Bool { Err("input 0 must hold numbers".to_owned()) } else { same_as_input(call) }
}

/// Applies a function of floats or one of integers to every element of the first input.
pub(super) fn signed_map(
    call: &Call<'_>,
    float: impl Fn(f64) -> f64,
    int: impl Fn(i64) -> i64,
) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    match x.data() {
        Data::Float(_) => map_elements(call, float),
        Data::Int(values) => {
            let data = values.iter().map(|&value| wrapped(x.dtype(), int(value))).collect();
            Ok(vec![Tensor::int(x.dtype(), x.shape(), data)])
        }
    }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// The error function, by Kummer's series, whose terms all have one sign.
pub(super) fn erf(x: f64) -> f64 {
    // Beyond 6 it rounds to ±1, and there the series would grow long.
    if x.abs() >= 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
        if term.abs() < f64::EPSILON * sum.abs() {
            break;
        }
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// One case for each list of float attributes, with inputs on both sides of every bend.
pub(super) fn with_attrs(rows: &[(&'static str, &[(&str, f32)])]) -> Vec<Case> {
    let input = || vec![CaseInput::Random(vec![2, 3, 4], -3.5, 3.5)];
    let attrs = |given: &[(&str, f32)]| given.iter().fold(Attrs::new(), |attrs, (name, x)| attrs.float(name, *x));
    rows.iter().map(|(name, given)| Case::new(name, attrs(given), input())).chain([far()]).collect()
}

/// Inputs on which an exponential or a power overflows in float32: neither value nor gradient may become NaN.
pub(super) fn far() -> Case {
    let far = Tensor::f32(&[8], [-1000.0, -100.0, -20.0, -0.5, 0.5, 20.0, 100.0, 1000.0]);
    Case::new("far from zero", Attrs::new(), vec![CaseInput::Fed(far)])
}

/// Random inputs from an interval, and some far from zero.
pub(super) fn cases_and_far(low: f64, high: f64) -> Vec<Case> {
    cases(low, high).into_iter().chain([far()]).collect()
}

pub(super) fn step_cases() -> Vec<Case> {
    let mut cases = cases(-3.0, 3.0);
    let ties = Tensor::f32(&[8], [-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.0]);
    cases.push(Case::new("ties", Attrs::new(), vec![CaseInput::Fed(ties)]));
    cases
}

pub(super) fn cases(low: f64, high: f64) -> Vec<Case> {
    let case = |name, shape| Case::new(name, Attrs::new(), vec![CaseInput::Random(shape, low, high)]);
    vec![case("a vector", vec![5]), case("a scalar", vec![]), case("four axes", vec![2, 3, 2, 2])]
}

fn signed_cases() -> Vec<Case> {
    let ints = |dtype, data| CaseInput::Fed(Tensor::int(dtype, &[3], data));
    let mut cases = cases(-2.0, 2.0);
    cases.push(Case::new("integers", Attrs::new(), vec![ints(DType::I64, vec![-5, 0, 7])]));
    cases.push(Case::new("narrow integers", Attrs::new(), vec![ints(DType::I32, vec![-9, 0, 100])]));
    cases
}
