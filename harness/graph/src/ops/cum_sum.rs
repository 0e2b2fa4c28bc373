//! CumSum. Spec: <https://onnx.ai/onnx/operators/onnx__CumSum.html>. Opsets: 11, 14.

use super::axes::{axis, flag};
use super::binary::{expect_inputs, float_only, wrapped};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, same_as_input, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "CumSum",
    opsets: &[11, 14],
    doc: "a constant axis; exclusive, reverse",
    attrs: &["exclusive", "reverse"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["CumSum"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    along(call)?;
    if call.ty(0)?.dtype == DType::Bool { Err("input 0 must hold numbers".to_owned()) } else { same_as_input(call) }
}

/// The axis, and whether to leave out the element itself and to run backwards.
fn along(call: &Call<'_>) -> Result<(usize, bool, bool), String> {
    let Some(&[given]) = call.ints(1)? else {
        return Err("input 1 must be one axis".to_owned());
    };
    let axis = axis(given, call.shape(0)?.len())?;
    Ok((axis, flag(call, "exclusive", false)?, flag(call, "reverse", false)?))
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    Ok(vec![match x.data() {
        Data::Float(values) => Tensor::float(x.dtype(), x.shape(), sums(call, values, 0.0, |a, b| a + b)?),
        Data::Int(values) => {
            let add = |a: i64, b| wrapped(x.dtype(), a.wrapping_add(b));
            Tensor::int(x.dtype(), x.shape(), sums(call, values, 0, add)?)
        }
    }])
}

fn sums<T: Copy>(call: &Call<'_>, x: &[T], zero: T, add: impl Fn(T, T) -> T) -> Result<Vec<T>, String> {
    let ((axis, exclusive, reverse), shape) = (along(call)?, call.shape(0)?);
    let (size, inner): (usize, usize) = (shape[axis], shape[axis + 1..].iter().product());
    let mut y = x.to_vec();
    for group in y.chunks_mut((size * inner).max(1)) {
        for first in 0..inner {
            let mut sum = zero;
            for step in 0..size {
                let element = &mut group[first + inner * if reverse { size - 1 - step } else { step }];
                let next = add(sum, *element);
                *element = if exclusive { sum } else { next };
                sum = next;
            }
        }
    }
    Ok(y)
}

/// The adjoint runs the other way.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    float_only(back)?;
    let (_, exclusive, reverse) = back.ask(along)?;
    let attrs = Attrs::new().int("exclusive", exclusive.into()).int("reverse", (!reverse).into());
    let (cotangent, axis) = (back.cotangent(), back.input(1));
    Ok(vec![Some(back.graph.add("CumSum", &[cotangent, axis], attrs)?), None])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, shape: &[usize], axis: Tensor, attrs| {
        Case::new(name, attrs, vec![Random(shape.to_vec(), -1.0, 1.0), Constant(axis)])
    };
    let axis = |axis| Tensor::int(DType::I64, &[], vec![axis]);
    let (exclusive, reverse) = (Attrs::new().int("exclusive", 1), Attrs::new().int("reverse", 1));
    let ints = Fed(Tensor::int(DType::I32, &[2, 2], vec![1, -2, 3, 4]));
    vec![
        case("rows", &[2, 3], axis(1), Attrs::new()),
        case("the middle axis", &[2, 3, 4], axis(-2), Attrs::new()),
        case("a list of one axis", &[2, 3], Tensor::ints([0]), Attrs::new()),
        case("a narrow axis", &[2, 3], Tensor::int(DType::I32, &[], vec![0]), Attrs::new()),
        case("exclusive", &[2, 4], axis(1), exclusive.clone()),
        case("in reverse", &[2, 4], axis(1), reverse),
        case("exclusive and in reverse", &[3, 2], axis(0), exclusive.int("reverse", 1)),
        Case::new("integers", Attrs::new(), vec![ints, Constant(axis(1))]),
    ]
}
