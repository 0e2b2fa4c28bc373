//! ConstantOfShape. Spec: <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>. Opsets: 9, 20, 21.

use super::axes::{bounded, dimension};
use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attr, Attrs, DType, Data, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "ConstantOfShape",
    opsets: &[9, 20, 21, 23, 24],
    doc: "the shape must be constant, so that the result is",
    attrs: &["value"],
    infer: |call| {
        expect_inputs(call, 1)?;
        Ok(vec![ValueType::new(value(call.attrs)?.dtype(), shape(call)?)])
    },
    eval: |call| {
        let (value, shape) = (value(call.attrs)?, shape(call)?);
        let len = shape.iter().product();
        Ok(vec![match value.data() {
            Data::Float(one) => Tensor::float(value.dtype(), &shape, vec![one[0]; len]),
            Data::Int(one) => Tensor::int(value.dtype(), &shape, vec![one[0]; len]),
        }])
    },
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn value(attrs: &Attrs) -> Result<Tensor, String> {
    match attrs.get("value") {
        None => Ok(Tensor::f32(&[1], [0.0])),
        Some(Attr::Tensor(tensor)) if tensor.len() == 1 => Ok(tensor.clone()),
        Some(_) => Err("attribute `value` must be a tensor of one element".to_owned()),
    }
}

fn shape(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let dims = call.ints(0)?.ok_or("input 0 is missing")?;
    if call.shape(0)?.len() != 1 {
        return Err(format!("the shape must be a list, found a tensor of shape {:?}", call.shape(0)?));
    }
    bounded(dims.iter().map(|&dim| dimension(dim)).collect::<Result<_, _>>()?)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, shape: &[i64]| {
        Case::new(name, attrs, vec![CaseInput::Constant(Tensor::ints(shape.iter().copied()))])
    };
    let value = |tensor| Attrs::new().with("value", Attr::Tensor(tensor));
    vec![
        case("zeros", Attrs::new(), &[2, 3]),
        case("a float", value(Tensor::f32(&[1], [1.5])), &[3]),
        case("integers", value(Tensor::ints([7])), &[2, 1]),
        case("a scalar", value(Tensor::int(DType::Bool, &[1], vec![1])), &[]),
        case("nothing", Attrs::new(), &[0]),
    ]
}
