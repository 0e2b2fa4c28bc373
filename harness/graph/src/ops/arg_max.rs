//! ArgMax and ArgMin. Specs: <https://onnx.ai/onnx/operators/onnx__ArgMax.html>, `ArgMin`. Opsets: 1, 11, 12
//! (select_last_index), 13.

use super::axes::{axis, flag};
use super::binary::expect_inputs;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Tensor, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;

pub(super) const ARG_MAX: Op = op("ArgMax", &[7, 11, 12, 13], |call| eval(call, |next, held| next > held));
pub(super) const ARG_MIN: Op = op("ArgMin", &[7, 11, 12, 13], |call| eval(call, |next, held| next < held));

const fn op(name: &'static str, opsets: &'static [i64], eval: Eval) -> Op {
    let doc = "of equal elements the first (or the last, by `select_last_index`); piecewise constant, no gradient";
    let attrs = &["axis", "keepdims", "select_last_index"];
    Op { name, opsets, doc, attrs, infer, eval, vjp: Vjp::Constant, macs: no_macs, upgrade: unchanged, cases }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    let mut shape = call.shape(0)?.to_vec();
    let axis = axis(call.attrs.get_int("axis", 0)?, shape.len())?;
    if shape[axis] == 0 {
        return Err(format!("axis {axis} has no elements"));
    }
    if flag(call, "keepdims", true)? {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    Ok(vec![ValueType::new(DType::I64, shape)])
}

fn eval(call: &Call<'_>, better: impl Fn(f64, f64) -> bool) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let axis = axis(call.attrs.get_int("axis", 0)?, x.shape().len())?;
    let last = flag(call, "select_last_index", false)?;
    let (size, inner): (usize, usize) = (x.shape()[axis], x.shape()[axis + 1..].iter().product());
    let values = x.to_f64();
    let mut winners = Vec::with_capacity(values.len() / size.max(1));
    for group in values.chunks_exact((size * inner).max(1)) {
        for at in 0..inner {
            let mut best = 0;
            for index in 1..size {
                let (held, next) = (group[best * inner + at], group[index * inner + at]);
                if better(next, held) || (last && next == held) {
                    best = index;
                }
            }
            winners.push(best as i64);
        }
    }
    let shape = infer(call)?.remove(0).shape;
    Ok(vec![Tensor::int(DType::I64, &shape, winners)])
}

fn cases() -> Vec<Case> {
    let case = |name, shape, attrs| Case::new(name, attrs, vec![CaseInput::Random(shape, -1.0, 1.0)]);
    let ties = || vec![CaseInput::Fed(Tensor::f32(&[2, 3], [1.0, 2.0, 2.0, 0.0, 0.0, 0.0]))];
    vec![
        case("default axis", vec![3, 2], Attrs::new()),
        case("a negative axis, dropped", vec![2, 3, 4], Attrs::new().int("axis", -1).int("keepdims", 0)),
        case("the middle axis", vec![2, 3, 4], Attrs::new().int("axis", 1)),
        Case::new("ties", Attrs::new().int("axis", 1), ties()),
        Case::new("ties, the last", Attrs::new().int("axis", 1).int("select_last_index", 1), ties()),
    ]
}
