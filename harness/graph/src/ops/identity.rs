//! Identity. Spec: <https://onnx.ai/onnx/operators/onnx__Identity.html>. Opsets: 1, 13, 14, 16, 19, 21.

use super::binary::expect_inputs;
use super::{Backward, Case, CaseInput, Op, Vjp, no_macs, same_as_input, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId};

pub(super) const OP: Op = Op {
    name: "Identity",
    opsets: &[7, 13, 14, 16, 19, 21, 23, 24],
    doc: "x",
    attrs: &[],
    infer: |call| {
        expect_inputs(call, 1)?;
        same_as_input(call)
    },
    eval: |call| Ok(vec![call.tensor(0)?.clone()]),
    vjp: Vjp::Rule(pass, &[]),
    macs: no_macs,
    upgrade: unchanged,
    cases: || {
        let case = |name, input| Case::new(name, Attrs::new(), vec![input]);
        vec![
            case("floats", CaseInput::Random(vec![2, 3], -1.0, 1.0)),
            case("integers", CaseInput::Fed(Tensor::int(DType::I64, &[3], vec![1, 2, 3]))),
        ]
    },
};

/// The gradient rule of operators that copy their first input.
pub(super) fn pass(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let mut cotangents = vec![None; back.node.inputs().len()];
    cotangents[0] = Some(back.cotangent());
    Ok(cotangents)
}
