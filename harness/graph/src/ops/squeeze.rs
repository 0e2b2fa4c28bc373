//! Squeeze and Unsqueeze. Specs: <https://onnx.ai/onnx/operators/onnx__Squeeze.html>, `Unsqueeze`. Opsets: 1, 11, 13 (axes
//! become an input), 21.

use super::axes::axes;
use super::reshape::to_input_shape;
use super::{Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attrs, DType, Tensor, ValueType};

type Shape = fn(&Call<'_>) -> Result<Vec<usize>, String>;

pub(super) const SQUEEZE: Op = Op {
    name: "Squeeze",
    opsets: &[7, 11, 13, 21, 23, 24],
    doc: "constant axes of size 1, or all of them",
    infer: |call| infer(call, squeezed),
    eval: |call| Ok(vec![call.tensor(0)?.clone().reshaped(&squeezed(call)?)]),
    cases: squeeze_cases,
    ..UNSQUEEZE
};
pub(super) const UNSQUEEZE: Op = Op {
    name: "Unsqueeze",
    opsets: &[7, 11, 13, 21, 23, 24],
    doc: "constant axes",
    attrs: &[],
    infer: |call| infer(call, unsqueezed),
    eval: |call| Ok(vec![call.tensor(0)?.clone().reshaped(&unsqueezed(call)?)]),
    vjp: Vjp::Rule(to_input_shape, &["Reshape"]),
    macs: no_macs,
    upgrade,
    cases: unsqueeze_cases,
};

fn infer(call: &Call<'_>, shape: Shape) -> Result<Vec<ValueType>, String> {
    if call.inputs.len() > 2 {
        return Err(format!("takes 1 or 2 inputs, found {}", call.inputs.len()));
    }
    Ok(vec![ValueType::new(call.ty(0)?.dtype, shape(call)?)])
}

fn squeezed(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let shape = call.shape(0)?;
    let gone = match call.ints(1)? {
        Some(given) => axes(given, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(&axis) = gone.iter().find(|&&axis| shape[axis] != 1) {
        return Err(format!("axis {axis} has size {}, only axes of size 1 can go", shape[axis]));
    }
    Ok((0..shape.len()).filter(|axis| !gone.contains(axis)).map(|axis| shape[axis]).collect())
}

fn unsqueezed(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let given = call.ints(1)?.ok_or("input 1 is missing")?;
    let rank = call.shape(0)?.len() + given.len();
    let new = axes(given, rank)?;
    let mut old = call.shape(0)?.iter().copied();
    let rest = "as many axes stay as the input has";
    Ok((0..rank).map(|axis| if new.contains(&axis) { 1 } else { old.next().expect(rest) }).collect())
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset < 13 { up.ints_to_input("axes", 1) } else { Ok(()) }
}

fn case(name: &'static str, shape: &[usize], axes: Option<&[i64]>) -> Case {
    let mut inputs = vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)];
    inputs.extend(axes.map(|axes| CaseInput::Constant(Tensor::ints(axes.iter().copied()))));
    Case::new(name, Attrs::new(), inputs)
}

fn squeeze_cases() -> Vec<Case> {
    let ints = CaseInput::Fed(Tensor::int(DType::I64, &[1, 2], vec![1, 2]));
    vec![
        case("two axes", &[2, 1, 3, 1], Some(&[3, 1])),
        case("a negative axis", &[2, 3, 1], Some(&[-1])),
        case("all axes of one", &[1, 2, 1], None),
        case("to a scalar", &[1, 1], None),
        Case::new("integers", Attrs::new(), vec![ints, CaseInput::Constant(Tensor::ints([0]))]),
    ]
}

fn unsqueeze_cases() -> Vec<Case> {
    let ints = CaseInput::Fed(Tensor::int(DType::I64, &[2], vec![1, 2]));
    vec![
        case("two axes", &[2, 3], Some(&[3, 1])),
        case("a negative axis", &[2, 3], Some(&[-1])),
        case("a scalar", &[], Some(&[0])),
        Case::new("integers", Attrs::new(), vec![ints, CaseInput::Constant(Tensor::ints([0]))]),
    ]
}
