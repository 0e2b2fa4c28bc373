//! Max and Min of any number of inputs, with numpy broadcasting. Specs:
//! <https://onnx.ai/onnx/operators/onnx__Max.html>, `Min`. Opsets: 6, 8 (broadcasting), 12, 13.

use super::binary::same_dtype;
use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Derive, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;

pub(super) const MAX: Op = op(
    "Max",
    &[7, 8, 12, 13],
    |call| eval(call, |a, b| a >= b, i64::max),
    |back| to_first(back, "Greater", "GreaterOrEqual"),
    &["And", "Cast", "Greater", "GreaterOrEqual", "Mul", "ReduceSum", "Reshape"],
);
pub(super) const MIN: Op = op(
    "Min",
    &[7, 8, 12, 13],
    |call| eval(call, |a, b| a <= b, i64::min),
    |back| to_first(back, "Less", "LessOrEqual"),
    &["And", "Cast", "Less", "LessOrEqual", "Mul", "ReduceSum", "Reshape"],
);

const fn op(name: &'static str, opsets: &'static [i64], eval: Eval, vjp: Derive, emits: &'static [&'static str]) -> Op {
    let doc = "of equal inputs the first gets the gradient";
    Op {
        name,
        opsets,
        doc,
        attrs: &[],
        infer,
        eval,
        vjp: Vjp::Rule(vjp, emits),
        macs: no_macs,
        upgrade: unchanged,
        cases,
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = call.ty(0)?.dtype;
    for index in 1..call.inputs.len() {
        same_dtype(call, 0, index)?;
    }
    if dtype == DType::Bool {
        return Err("booleans have no order".to_owned());
    }
    Ok(vec![ValueType::new(dtype, broadcast_inputs(call)?)])
}

fn eval(
    call: &Call<'_>,
    first_wins: impl Fn(f64, f64) -> bool,
    int: impl Fn(i64, i64) -> i64,
) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let mut best = stretch(call.tensor(0)?, &shape).into_owned();
    for index in 1..call.inputs.len() {
        let next = stretch(call.tensor(index)?, &shape);
        best = match (best.data(), next.data()) {
            (Data::Float(a), Data::Float(b)) => {
                let pick = |(&a, &b): (&f64, &f64)| if first_wins(a, b) || a.is_nan() { a } else { b };
                Tensor::float(best.dtype(), &shape, a.iter().zip(b).map(pick).collect())
            }
            (Data::Int(a), Data::Int(b)) => {
                Tensor::int(best.dtype(), &shape, a.iter().zip(b).map(|(&a, &b)| int(a, b)).collect())
            }
            _ => return Err("inputs must be of one type".to_owned()),
        };
    }
    Ok(vec![best])
}

/// An input wins where it beats all before it strictly and is as good as all after it.
fn to_first(back: &mut Backward<'_>, strict: &str, weak: &str) -> Result<Vec<Option<ValueId>>, Error> {
    let count = back.node.inputs().len();
    let cotangent = back.cotangent();
    let mut results = vec![None; count];
    for index in (0..count).filter(|&index| back.wants[index]).collect::<Vec<_>>() {
        let mut wins = None;
        for other in (0..count).filter(|&other| other != index) {
            let test = if other < index { strict } else { weak };
            let beats = back.emit(test, &[back.input(index), back.input(other)])?;
            wins = Some(match wins {
                Some(wins) => back.emit("And", &[wins, beats])?,
                None => beats,
            });
        }
        let mut result = cotangent;
        if let Some(wins) = wins {
            let mask = back.mask(wins)?;
            result = back.emit("Mul", &[cotangent, mask])?;
        }
        let shape = back.shape(index);
        results[index] = Some(unbroadcast(back, result, &shape)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, inputs| Case::new(name, Attrs::new(), inputs);
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    vec![
        case("two inputs", vec![random(&[2, 3]), random(&[2, 3])]),
        case("three inputs that broadcast", vec![random(&[2, 1]), random(&[3]), random(&[])]),
        case("one input", vec![random(&[2, 3])]),
        case("a constant on the right", vec![random(&[2, 3]), Constant(Tensor::scalar(0.0))]),
        case("a constant on the left", vec![Constant(Tensor::scalar(0.0)), random(&[2, 3])]),
        case("four inputs", vec![random(&[2]), random(&[2]), random(&[2]), random(&[2])]),
        case("integers", vec![Fed(Tensor::ints([1, 5])), Constant(Tensor::ints([3]))]),
    ]
}
