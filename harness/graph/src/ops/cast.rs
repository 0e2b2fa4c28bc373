//! Cast. Spec: <https://onnx.ai/onnx/operators/onnx__Cast.html>. Opsets: 6, 9, 13, 19 (saturate), 21.

use super::binary::{expect_inputs, wrapped};
use super::{Backward, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Cast",
    opsets: &[7, 9, 13, 19, 21, 23, 24],
    doc: "floats to integers truncate toward zero (outside the range: its nearest end) and have no gradient; \
          between float types the gradient passes, to the interpreter all floats are f64",
    // `saturate` only matters for 8-bit floats, which are not read.
    attrs: &["to", "saturate"],
    infer: |call| {
        expect_inputs(call, 1)?;
        Ok(vec![ValueType::new(target(call.attrs)?, call.shape(0)?)])
    },
    eval: |call| Ok(vec![cast(call.tensor(0)?, target(call.attrs)?)]),
    vjp: Vjp::Rule(vjp, &["Cast"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn target(attrs: &Attrs) -> Result<DType, String> {
    let to = attrs.get_int("to", 0)?;
    let dtype = i32::try_from(to).ok().and_then(DType::from_onnx);
    dtype.ok_or_else(|| format!("attribute `to`: element type {to} is not supported"))
}

fn cast(x: &Tensor, to: DType) -> Tensor {
    let shape = x.shape();
    match (x.data(), to.int_range()) {
        (Data::Float(values), None) => Tensor::float(to, shape, values.clone()),
        (Data::Int(values), None) => Tensor::float(to, shape, values.iter().map(|&value| value as f64).collect()),
        (Data::Float(values), _) if to == DType::Bool => {
            Tensor::int(to, shape, values.iter().map(|&value| (value != 0.0).into()).collect())
        }
        (Data::Int(values), _) if to == DType::Bool => {
            Tensor::int(to, shape, values.iter().map(|&value| (value != 0).into()).collect())
        }
        // The conversion of f64 to i64 truncates toward zero and saturates.
        (Data::Float(values), Some((low, high))) => {
            Tensor::int(to, shape, values.iter().map(|&value| (value as i64).clamp(low, high)).collect())
        }
        (Data::Int(values), Some(_)) => {
            Tensor::int(to, shape, values.iter().map(|&value| wrapped(to, value)).collect())
        }
    }
}

/// From integers and booleans the cotangent passes as it is: whether a gradient reaches an integer is for the operator
/// that made it to say (a straight-through quantiser passes it on, a comparison stops it).
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (from, to) = (back.graph.value(back.input(0)).dtype(), back.graph.value(back.output(0)).dtype());
    let cotangent = back.cotangent();
    if from.is_float() && !to.is_float() {
        return Err(back.refuse(&format!("from {from} to {to} it is piecewise constant")));
    }
    if !from.is_float() || back.graph.value(cotangent).dtype() == from {
        return Ok(vec![Some(cotangent)]);
    }
    let attrs = Attrs::new().int("to", from.onnx().into());
    Ok(vec![Some(back.graph.add("Cast", &[cotangent], attrs)?)])
}

fn cases() -> Vec<Case> {
    let to = |dtype: DType| Attrs::new().int("to", dtype.onnx().into());
    let case = |name, dtype, input| Case::new(name, to(dtype), vec![input]);
    let fed = |tensor| CaseInput::Fed(tensor);
    vec![
        case("to a wider float", DType::F64, CaseInput::Random(vec![2, 3], -1.0, 1.0)),
        case("to the same float", DType::F32, CaseInput::Random(vec![2, 3], -1.0, 1.0)),
        case("integers to floats", DType::F32, fed(Tensor::int(DType::I64, &[3], vec![-3, 0, 70000]))),
        case("booleans to floats", DType::F32, fed(Tensor::int(DType::Bool, &[2], vec![0, 1]))),
        case("wraps integers", DType::U8, fed(Tensor::int(DType::I32, &[4], vec![-1, 255, 256, 7]))),
        case("integers to booleans", DType::Bool, fed(Tensor::int(DType::I64, &[3], vec![-1, 0, 2]))),
        Case::new(
            "truncates a constant toward zero",
            to(DType::I64),
            vec![CaseInput::Constant(Tensor::f32(&[4], [-1.7, -0.5, 0.5, 1.7]))],
        ),
        Case::new(
            "a constant to booleans",
            to(DType::Bool),
            vec![CaseInput::Constant(Tensor::f32(&[4], [-0.5, 0.0, 0.1, 2.0]))],
        ),
    ]
}
