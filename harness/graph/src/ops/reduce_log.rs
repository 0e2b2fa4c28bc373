//! ReduceLogSum, ReduceLogSumExp. Specs: <https://onnx.ai/onnx/operators/onnx__ReduceLogSum.html>, `ReduceLogSumExp`.
//! Opsets: 1, 11, 13, 18 (axes become an input).

use super::expand::expand_to;
use super::reduce::{cases_in, eval, float, forward_axes, op};
use super::reshape::reshape_to;
use super::{Case, CaseInput, Op};
use crate::{Attrs, Tensor};

pub(super) const REDUCE_LOG_SUM: Op = Op {
    cases: || cases_in(0.3, 2.0),
    ..op(
        "ReduceLogSum",
        &[7, 11, 13, 18],
        "ln Σ x, constant axes",
        float,
        |call| eval(call, |group| group.iter().sum::<f64>().ln(), |_| None),
        |back| {
            let ((_, kept), shape) = (forward_axes(back)?, back.shape(0));
            let (y, cotangent) = (back.output(0), back.cotangent());
            let exponent = back.emit("Neg", &[y])?;
            let inverse = back.emit("Exp", &[exponent])?;
            let share = back.emit("Mul", &[cotangent, inverse])?;
            let share = reshape_to(back, share, &kept)?;
            Ok(vec![Some(expand_to(back, share, &shape)?), None])
        },
        &["Exp", "Expand", "Mul", "Neg", "Reshape"],
    )
};
pub(super) const REDUCE_LOG_SUM_EXP: Op = Op {
    cases,
    ..op(
        "ReduceLogSumExp",
        &[7, 11, 13, 18],
        "ln Σ e^x, constant axes",
        float,
        |call| eval(call, log_sum_exp, |_| None),
        |back| {
            let (_, kept) = forward_axes(back)?;
            let (x, y, cotangent) = (back.input(0), back.output(0), back.cotangent());
            let y = reshape_to(back, y, &kept)?;
            let cotangent = reshape_to(back, cotangent, &kept)?;
            let exponent = back.emit("Sub", &[x, y])?;
            let share = back.emit("Exp", &[exponent])?;
            Ok(vec![Some(back.emit("Mul", &[cotangent, share])?), None])
        },
        &["Exp", "Mul", "Reshape", "Sub"],
    )
};

fn log_sum_exp(group: &[f64]) -> f64 {
    let largest = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest + group.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

fn cases() -> Vec<Case> {
    let far = Tensor::f32(&[2, 3], [1000.0, 999.0, -1000.0, -100.0, -101.0, -99.5]);
    let axes = CaseInput::Constant(Tensor::ints([1]));
    let mut cases = cases_in(-2.0, 2.0);
    cases.push(Case::new("far from zero", Attrs::new(), vec![CaseInput::Fed(far), axes]));
    cases
}
