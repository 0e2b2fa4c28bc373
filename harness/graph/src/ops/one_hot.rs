//! OneHot. Spec: <https://onnx.ai/onnx/operators/onnx__OneHot.html>. Opsets: 9, 11.

use super::axes::{axis, bounded, dimension};
use super::axis_map::pick;
use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "OneHot",
    opsets: &[9, 11],
    doc: "integer indices and a constant depth; no gradient",
    attrs: &["axis"],
    infer,
    eval,
    vjp: Vjp::Rule(|back| Err(back.refuse("it is piecewise constant in its indices")), &[]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn the_axis(call: &Call<'_>) -> Result<usize, String> {
    axis(call.attrs.get_int("axis", -1)?, call.shape(0)?.len() + 1)
}

fn depth(call: &Call<'_>) -> Result<usize, String> {
    match call.ints(1)?.ok_or("input 1 is missing")? {
        &[depth] => dimension(depth),
        other => Err(format!("the depth must be one integer, found {other:?}")),
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 3)?;
    let indices = call.ty(0)?;
    if indices.dtype.is_float() || indices.dtype == DType::Bool {
        return Err(format!("input 0 must be an integer tensor, found {}", indices.dtype));
    }
    if indices.shape.is_empty() {
        return Err("input 0 must have at least one axis".to_owned());
    }
    if call.shape(2)? != [2] {
        return Err(format!("input 2 must hold the off and the on value, found shape {:?}", call.shape(2)?));
    }
    let mut shape = indices.shape.clone();
    shape.insert(the_axis(call)?, depth(call)?);
    Ok(vec![ValueType::new(call.ty(2)?.dtype, bounded(shape)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (indices, depth, shape) = (call.tensor(0)?.integers()?, depth(call)?, infer(call)?.remove(0).shape);
    let inner: usize = shape[the_axis(call)? + 1..].iter().product();
    let size = depth as i64;
    let on = |flat: usize| {
        let index = indices[flat / (inner * depth) * inner + flat % inner];
        let index = if index < 0 { index.saturating_add(size) } else { index };
        Some(usize::from(index == (flat / inner % depth) as i64))
    };
    let sources: Vec<_> = (0..shape.iter().product()).map(on).collect();
    Ok(vec![pick(call.tensor(2)?, &shape, &sources, None)])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed};
    let ints = |shape: &[usize], data: &[i64]| Tensor::int(DType::I64, shape, data.to_vec());
    let case = |name, attrs, indices| {
        let values = Tensor::f32(&[2], [-1.0, 2.0]);
        Case::new(name, attrs, vec![Fed(indices), Constant(ints(&[], &[3])), Constant(values)])
    };
    vec![
        case("a vector", Attrs::new(), ints(&[4], &[0, 2, -1, 7])),
        case("axis 0", Attrs::new().int("axis", 0), ints(&[2, 2], &[0, 1, 2, 1])),
        case("a negative axis", Attrs::new().int("axis", -2), ints(&[2, 2], &[0, 1, 2, 1])),
    ]
}
