//! Shape. Spec: <https://onnx.ai/onnx/operators/onnx__Shape.html>. Opsets: 1, 13, 15 (start, end), 19, 21.

use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "Shape",
    opsets: &[7, 13, 15, 19, 21, 23, 24],
    doc: "always a constant, since every shape is known",
    attrs: &["start", "end"],
    infer: |call| {
        expect_inputs(call, 1)?;
        Ok(vec![ValueType::new(DType::I64, [dims(call)?.len()])])
    },
    eval: |call| Ok(vec![Tensor::ints(dims(call)?.iter().map(|&dim| dim as i64))]),
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn dims<'a>(call: &Call<'a>) -> Result<&'a [usize], String> {
    let shape = call.shape(0)?;
    let rank = shape.len() as i64;
    let bound = |name, default| {
        let value = call.attrs.get_int(name, default)?;
        let from_front = if value < 0 { value.saturating_add(rank) } else { value };
        Ok::<_, String>(from_front.clamp(0, rank) as usize)
    };
    let (start, end) = (bound("start", 0)?, bound("end", rank)?);
    Ok(&shape[start..end.max(start)])
}

fn cases() -> Vec<Case> {
    let case = |name, attrs| Case::new(name, attrs, vec![CaseInput::Random(vec![2, 3, 4], -1.0, 1.0)]);
    vec![
        case("whole", Attrs::new()),
        case("from the second", Attrs::new().int("start", 1)),
        case("the last two", Attrs::new().int("start", -2)),
        case("without the last", Attrs::new().int("end", -1)),
        case("beyond the ends", Attrs::new().int("start", -9).int("end", 9)),
        case("nothing", Attrs::new().int("start", 2).int("end", 1)),
    ]
}
