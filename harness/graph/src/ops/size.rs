//! Size. Spec: <https://onnx.ai/onnx/operators/onnx__Size.html>. Opsets: 1, 13, 19, 21.

use super::binary::expect_inputs;
use super::{Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "Size",
    opsets: &[7, 13, 19, 21, 23, 24],
    doc: "always a constant, since every shape is known",
    attrs: &[],
    infer: |call| {
        expect_inputs(call, 1)?;
        call.ty(0)?;
        Ok(vec![ValueType::new(DType::I64, [])])
    },
    eval: |call| Ok(vec![Tensor::int(DType::I64, &[], vec![call.ty(0)?.len() as i64])]),
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases: || {
        let case =
            |name, shape: &[usize]| Case::new(name, Attrs::new(), vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)]);
        vec![case("a tensor", &[2, 3, 4]), case("a scalar", &[]), case("nothing", &[2, 0])]
    },
};
