//! IsNaN and IsInf. Specs: <https://onnx.ai/onnx/operators/onnx__IsNaN.html>, `IsInf`. Opsets: 9, 10, 13, 20.

use super::axes::flag;
use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

pub(super) const IS_NAN: Op = Op {
    name: "IsNaN",
    opsets: &[9, 13, 20],
    doc: "piecewise constant, no gradient",
    attrs: &[],
    infer,
    eval: |call| truth(call, f64::is_nan),
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases: || vec![Case::new("every kind", Attrs::new(), vec![numbers()])],
};
pub(super) const IS_INF: Op = Op {
    name: "IsInf",
    opsets: &[10, 20],
    attrs: &["detect_negative", "detect_positive"],
    eval: |call| {
        let (negative, positive) = (flag(call, "detect_negative", true)?, flag(call, "detect_positive", true)?);
        truth(call, |x| (positive && x == f64::INFINITY) || (negative && x == f64::NEG_INFINITY))
    },
    cases: || {
        let case = |name, attrs| Case::new(name, attrs, vec![numbers()]);
        vec![
            case("both", Attrs::new()),
            case("positive", Attrs::new().int("detect_negative", 0)),
            case("negative", Attrs::new().int("detect_positive", 0)),
        ]
    },
    ..IS_NAN
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    expect_float(call, 0)?;
    Ok(vec![ValueType::new(DType::Bool, call.shape(0)?)])
}

fn truth(call: &Call<'_>, is: impl Fn(f64) -> bool) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    Ok(vec![Tensor::int(DType::Bool, x.shape(), x.floats()?.iter().map(|&x| is(x).into()).collect())])
}

fn numbers() -> CaseInput {
    CaseInput::Fed(Tensor::f32(&[5], [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0]))
}
