//! Where. Spec: <https://onnx.ai/onnx/operators/onnx__Where.html>. Opsets: 9, 16.

use super::binary::{expect_inputs, same_dtype};
use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Where",
    opsets: &[9, 16],
    doc: "the gradient goes to the side that was taken, none to the condition",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "Mul", "Not", "ReduceSum", "Reshape"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 3)?;
    let condition = call.ty(0)?.dtype;
    if condition != DType::Bool {
        return Err(format!("input 0 must be a boolean tensor, found {condition}"));
    }
    Ok(vec![ValueType::new(same_dtype(call, 1, 2)?, broadcast_inputs(call)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let condition = stretch(call.tensor(0)?, &shape);
    let (a, b) = (stretch(call.tensor(1)?, &shape), stretch(call.tensor(2)?, &shape));
    let condition = condition.integers()?.iter();
    Ok(vec![match (a.data(), b.data()) {
        (Data::Float(x), Data::Float(y)) => {
            let taken = condition.zip(x.iter().zip(y)).map(|(&c, (&x, &y))| if c != 0 { x } else { y });
            Tensor::float(a.dtype(), &shape, taken.collect())
        }
        (Data::Int(x), Data::Int(y)) => {
            let taken = condition.zip(x.iter().zip(y)).map(|(&c, (&x, &y))| if c != 0 { x } else { y });
            Tensor::int(a.dtype(), &shape, taken.collect())
        }
        _ => return Err("inputs 1 and 2 must be of one type".to_owned()),
    }])
}

/// The condition's cotangent is zero almost everywhere; the comparison that made it stops it.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (cotangent, condition) = (back.cotangent(), back.input(0));
    let mut results = vec![None; 3];
    if back.wants[0] {
        let shape = back.shape(0);
        let dtype = back.graph.value(cotangent).dtype();
        let zeros = Tensor::float(dtype, &shape, vec![0.0; shape.iter().product()]);
        results[0] = Some(back.graph.constant("zeros", zeros));
    }
    for index in [1, 2].into_iter().filter(|&index| back.wants[index]).collect::<Vec<_>>() {
        let taken = if index == 1 { condition } else { back.emit("Not", &[condition])? };
        let mask = back.mask(taken)?;
        let result = back.emit("Mul", &[cotangent, mask])?;
        let shape = back.shape(index);
        results[index] = Some(unbroadcast(back, result, &shape)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let truth = |shape: &[usize], data: &[i64]| Fed(Tensor::int(DType::Bool, shape, data.to_vec()));
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    let case = |name, inputs| Case::new(name, Attrs::new(), inputs);
    vec![
        case("same shapes", vec![truth(&[4], &[0, 1, 1, 0]), random(&[4]), random(&[4])]),
        case("all three stretch", vec![truth(&[2, 1, 1], &[0, 1]), random(&[3, 1]), random(&[2])]),
        case("a constant side", vec![truth(&[2], &[0, 1]), Constant(Tensor::scalar(0.0)), random(&[3, 2])]),
        case("integers", vec![truth(&[2], &[0, 1]), Fed(Tensor::ints([1, 2])), Fed(Tensor::ints([3, 4]))]),
    ]
}
