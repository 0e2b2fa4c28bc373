//! And, Or, Xor, Not. Specs: <https://onnx.ai/onnx/operators/onnx__And.html>, `Or`, `Xor`, `Not`. Opsets: 1, 7.

use super::binary::expect_inputs;
use super::broadcast::{broadcast_inputs, stretch};
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;
type Infer = fn(&Call<'_>) -> Result<Vec<ValueType>, String>;

pub(super) const AND: Op = op("And", &[7], |call| infer(call, 2), |call| eval(call, |a, b| a & b), two);
pub(super) const OR: Op = op("Or", &[7], |call| infer(call, 2), |call| eval(call, |a, b| a | b), two);
pub(super) const XOR: Op = op("Xor", &[7], |call| infer(call, 2), |call| eval(call, |a, b| a ^ b), two);
pub(super) const NOT: Op = op("Not", &[7], |call| infer(call, 1), not, one);

const fn op(name: &'static str, opsets: &'static [i64], infer: Infer, eval: Eval, cases: fn() -> Vec<Case>) -> Op {
    let doc = "booleans; piecewise constant, no gradient";
    Op { name, opsets, doc, attrs: &[], infer, eval, vjp: Vjp::Constant, macs: no_macs, upgrade: unchanged, cases }
}

fn infer(call: &Call<'_>, count: usize) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, count)?;
    for index in 0..count {
        let dtype = call.ty(index)?.dtype;
        if dtype != DType::Bool {
            return Err(format!("input {index} must be a boolean tensor, found {dtype}"));
        }
    }
    Ok(vec![ValueType::new(DType::Bool, broadcast_inputs(call)?)])
}

fn eval(call: &Call<'_>, f: impl Fn(i64, i64) -> i64) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let (a, b) = (stretch(call.tensor(0)?, &shape), stretch(call.tensor(1)?, &shape));
    let truth = a.integers()?.iter().zip(b.integers()?).map(|(&a, &b)| f(a, b)).collect();
    Ok(vec![Tensor::int(DType::Bool, &shape, truth)])
}

fn not(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    Ok(vec![Tensor::int(DType::Bool, x.shape(), x.integers()?.iter().map(|&x| 1 - x).collect())])
}

fn truth(shape: &[usize], data: &[i64]) -> CaseInput {
    CaseInput::Fed(Tensor::int(DType::Bool, shape, data.to_vec()))
}

fn one() -> Vec<Case> {
    vec![Case::new("both values", Attrs::new(), vec![truth(&[2], &[0, 1])])]
}

fn two() -> Vec<Case> {
    let case = |name, inputs| Case::new(name, Attrs::new(), inputs);
    vec![
        case("every pair", vec![truth(&[4], &[0, 0, 1, 1]), truth(&[4], &[0, 1, 0, 1])]),
        case("both sides stretch", vec![truth(&[2, 1], &[0, 1]), truth(&[2], &[0, 1])]),
    ]
}
