//! NonZero. Spec: <https://onnx.ai/onnx/operators/onnx__NonZero.html>. Opsets: 9, 13.

use super::axis_map::strides;
use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "NonZero",
    opsets: &[9, 13],
    doc: "of constants only, since the shape of the result depends on the elements",
    attrs: &[],
    infer: |call| {
        expect_inputs(call, 1)?;
        Ok(vec![ValueType::new(DType::I64, coordinates(call)?.shape())])
    },
    eval: |call| Ok(vec![coordinates(call)?]),
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// One column per element other than zero, one row per axis.
fn coordinates(call: &Call<'_>) -> Result<Tensor, String> {
    let x = call.tensor(0)?;
    let values = x.to_f64();
    let at: Vec<usize> = (0..values.len()).filter(|&flat| values[flat] != 0.0).collect();
    let row = |(&size, stride): (&usize, usize)| at.iter().map(move |flat| (flat / stride % size) as i64);
    let rows = x.shape().iter().zip(strides(x.shape())).flat_map(row).collect();
    Ok(Tensor::int(DType::I64, &[x.shape().len(), at.len()], rows))
}

fn cases() -> Vec<Case> {
    let case = |name, tensor| Case::new(name, Attrs::new(), vec![CaseInput::Constant(tensor)]);
    vec![
        case("a matrix", Tensor::f32(&[2, 3], [0.0, 1.0, -2.0, 3.0, 0.0, 0.5])),
        case("booleans", Tensor::int(DType::Bool, &[4], vec![1, 0, 0, 1])),
        case("nothing", Tensor::ints([0, 0])),
    ]
}
