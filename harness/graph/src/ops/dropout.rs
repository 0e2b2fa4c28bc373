//! Dropout in inference: the identity. Spec: <https://onnx.ai/onnx/operators/onnx__Dropout.html>. Opsets: 7, 10, 12
//! (ratio and training_mode become inputs), 13, 22.

use super::identity::pass;
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Dropout",
    opsets: &[7, 10, 12, 13, 22],
    doc: "in inference the identity; training mode is not supported, the mask is all true",
    attrs: &["seed"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &[]),
    macs: no_macs,
    upgrade,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    if call.has(2) && call.ints(2)?.is_some_and(|mode| mode != [0]) {
        return Err("training mode is not supported".to_owned());
    }
    let ty = call.ty(0)?;
    Ok(vec![ty.clone(), ValueType::new(DType::Bool, ty.shape.clone())])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let mask = Tensor::int(DType::Bool, x.shape(), vec![1; x.len()]);
    Ok([x.clone(), mask].into_iter().take(call.outputs).collect())
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.cotangents[0].is_none() {
        return Err(back.refuse("its mask does not depend on its input"));
    }
    pass(back)
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset < 12 {
        up.attrs.remove("ratio");
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    use CaseInput::{Absent, Constant, Random};
    let x = || Random(vec![2, 3], -1.0, 1.0);
    let off = || Constant(Tensor::int(DType::Bool, &[], vec![0]));
    let case = |name, inputs| Case::new(name, Attrs::new(), inputs);
    vec![
        case("no ratio", vec![x()]),
        case("a ratio", vec![x(), Constant(Tensor::scalar(0.3))]),
        case("training mode off", vec![x(), Constant(Tensor::scalar(0.3)), off()]),
        Case { outputs: 2, ..case("with its mask", vec![x()]) },
        case("training mode off, no ratio", vec![x(), Absent, off()]),
    ]
}
