//! Trilu. Spec: <https://onnx.ai/onnx/operators/onnx__Trilu.html>. Opset: 14.

use super::axes::flag;
use super::axis_map::pick;
use super::binary::expect_inputs_between;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Trilu",
    opsets: &[14],
    doc: "the upper or lower triangle of every matrix, constant k",
    attrs: &["upper"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Trilu"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn diagonal(call: &Call<'_>) -> Result<i64, String> {
    match call.ints(1)? {
        None => Ok(0),
        Some(&[k]) => Ok(k),
        Some(other) => Err(format!("k must be one integer, found {other:?}")),
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 1, 2)?;
    diagonal(call)?;
    flag(call, "upper", true)?;
    let ty = call.ty(0)?;
    if ty.shape.len() < 2 {
        Err(format!("the input must hold matrices, found {:?}", ty.shape))
    } else {
        Ok(vec![ty.clone()])
    }
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, k, upper) = (call.tensor(0)?, diagonal(call)?, flag(call, "upper", true)?);
    let [.., rows, columns] = x.shape() else { return Err("the input must hold matrices".to_owned()) };
    let kept = |flat: &usize| {
        let (row, column) = ((flat / columns % rows) as i64, (flat % columns) as i64);
        if upper { column - row >= k } else { column - row <= k }
    };
    let zero = match x.dtype().is_float() {
        true => Tensor::float(x.dtype(), &[], vec![0.0]),
        false => Tensor::int(x.dtype(), &[], vec![0]),
    };
    let sources: Vec<_> = (0..x.len()).map(|flat| Some(flat).filter(kept)).collect();
    Ok(vec![pick(x, x.shape(), &sources, Some(&zero))])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (mut inputs, attrs) = (back.node.inputs().to_vec(), back.node.attrs().clone());
    inputs[0] = Some(back.cotangent());
    let x = back.graph.add_node("", "Trilu", &inputs, attrs, 1)?[0];
    Ok(vec![Some(x), None])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, shape: &[usize], k: Option<i64>, attrs| {
        let k = k.map(|k| Constant(Tensor::int(DType::I64, &[], vec![k])));
        Case::new(name, attrs, [Random(shape.to_vec(), -1.0, 1.0)].into_iter().chain(k).collect())
    };
    let lower = || Attrs::new().int("upper", 0);
    vec![
        case("upper", &[3, 4], None, Attrs::new()),
        case("lower", &[3, 4], None, lower()),
        case("above the diagonal", &[2, 3, 3], Some(1), Attrs::new()),
        case("lower and one more", &[2, 2, 4, 3], Some(1), lower()),
        case("from below the diagonal", &[4, 3], Some(-2), Attrs::new()),
        case("nothing left", &[2, 2], Some(5), Attrs::new()),
        Case::new("integers", lower(), vec![Fed(Tensor::int(DType::I64, &[2, 2], vec![1, 2, 3, 4]))]),
    ]
}
