//! Greater, GreaterOrEqual, Less, LessOrEqual, Equal, with numpy broadcasting. Specs:
//! <https://onnx.ai/onnx/operators/onnx__Greater.html> and its kin. Opsets: 7, 9, 11, 12, 13, 16, 19.

use super::binary::{expect_inputs, same_dtype};
use super::broadcast::{broadcast_inputs, stretch};
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Tensor, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;
type Infer = fn(&Call<'_>) -> Result<Vec<ValueType>, String>;

pub(super) const EQUAL: Op =
    op("Equal", &[7, 11, 13, 19], infer_equal, |call| eval(call, |a, b| a == b, |a, b| a == b));
pub(super) const GREATER: Op = op("Greater", &[7, 9, 13], infer, |call| eval(call, |a, b| a > b, |a, b| a > b));
pub(super) const GREATER_OR_EQUAL: Op =
    op("GreaterOrEqual", &[12, 16], infer, |call| eval(call, |a, b| a >= b, |a, b| a >= b));
pub(super) const LESS: Op = op("Less", &[7, 9, 13], infer, |call| eval(call, |a, b| a < b, |a, b| a < b));
pub(super) const LESS_OR_EQUAL: Op =
    op("LessOrEqual", &[12, 16], infer, |call| eval(call, |a, b| a <= b, |a, b| a <= b));

const fn op(name: &'static str, opsets: &'static [i64], infer: Infer, eval: Eval) -> Op {
    let doc = "piecewise constant, no gradient";
    Op { name, opsets, doc, attrs: &[], infer, eval, vjp: Vjp::Constant, macs: no_macs, upgrade: unchanged, cases }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    if same_dtype(call, 0, 1)? == DType::Bool {
        return Err("booleans have no order".to_owned());
    }
    infer_equal(call)
}

fn infer_equal(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    same_dtype(call, 0, 1)?;
    Ok(vec![ValueType::new(DType::Bool, broadcast_inputs(call)?)])
}

fn eval(
    call: &Call<'_>,
    float: impl Fn(f64, f64) -> bool,
    int: impl Fn(i64, i64) -> bool,
) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let (a, b) = (stretch(call.tensor(0)?, &shape), stretch(call.tensor(1)?, &shape));
    let truth = match (a.data(), b.data()) {
        (Data::Float(a), Data::Float(b)) => a.iter().zip(b).map(|(&a, &b)| float(a, b).into()).collect(),
        (Data::Int(a), Data::Int(b)) => a.iter().zip(b).map(|(&a, &b)| int(a, b).into()).collect(),
        _ => return Err("inputs must be of one type".to_owned()),
    };
    Ok(vec![Tensor::int(DType::Bool, &shape, truth)])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, a, b| Case::new(name, Attrs::new(), vec![a, b]);
    vec![
        case("floats", Random(vec![2, 3], -1.0, 1.0), Random(vec![2, 3], -1.0, 1.0)),
        case("against a scalar", Random(vec![2, 3], -1.0, 1.0), Constant(Tensor::scalar(0.0))),
        case("both sides stretch", Random(vec![3, 1], -1.0, 1.0), Random(vec![4], -1.0, 1.0)),
        case("equal and unequal floats", Fed(Tensor::f32(&[3], [1.0, 2.0, 3.0])), Fed(Tensor::f32(&[3], [2.0; 3]))),
        case("integers", Fed(Tensor::ints([1, 2, 3])), Constant(Tensor::ints([2]))),
    ]
}
