//! EyeLike. Spec: <https://onnx.ai/onnx/operators/onnx__EyeLike.html>. Opsets: 9, 22.

use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "EyeLike",
    opsets: &[9, 22],
    doc: "always a constant, since every shape is known",
    attrs: &["dtype", "k"],
    infer,
    eval,
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    let ty = call.ty(0)?;
    if ty.shape.len() != 2 {
        return Err(format!("the input must be a matrix, found {:?}", ty.shape));
    }
    call.attrs.get_int("k", 0)?;
    let number = call.attrs.get_int("dtype", ty.dtype.onnx().into())?;
    let dtype = i32::try_from(number).ok().and_then(DType::from_onnx);
    let dtype = dtype.ok_or_else(|| format!("attribute `dtype`: element type {number} is not supported"))?;
    Ok(vec![ValueType::new(dtype, ty.shape.clone())])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (ty, k) = (infer(call)?.remove(0), call.attrs.get_int("k", 0)?);
    let on = |(row, column): (usize, usize)| column as i64 - row as i64 == k;
    let (rows, columns) = (ty.shape[0], ty.shape[1]);
    let ones = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(on);
    Ok(vec![match ty.dtype.is_float() {
        true => Tensor::float(ty.dtype, &ty.shape, ones.map(|on| f64::from(u8::from(on))).collect()),
        false => Tensor::int(ty.dtype, &ty.shape, ones.map(i64::from).collect()),
    }])
}

fn cases() -> Vec<Case> {
    let case = |name, attrs| Case::new(name, attrs, vec![CaseInput::Random(vec![3, 4], -1.0, 1.0)]);
    vec![
        case("the diagonal", Attrs::new()),
        case("above, of integers", Attrs::new().int("k", 2).int("dtype", DType::I64.onnx().into())),
        case("below", Attrs::new().int("k", -1)),
        case("outside", Attrs::new().int("k", 9)),
    ]
}
