//! Sum and Mean of any number of inputs, with numpy broadcasting. Specs:
//! <https://onnx.ai/onnx/operators/onnx__Sum.html>, `Mean`. Opsets: 6, 8 (broadcasting), 13.

use super::binary::same_dtype;
use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Derive, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;

pub(super) const SUM: Op = op(
    "Sum",
    &[7, 8, 13],
    "of any number of inputs",
    |call| eval(call, 1.0),
    |back| to_all(back, back.cotangent()),
    &["ReduceSum", "Reshape"],
);
pub(super) const MEAN: Op = op(
    "Mean",
    &[7, 8, 13],
    "of any number of inputs",
    |call| eval(call, 1.0 / call.inputs.len() as f64),
    |back| {
        let share = back.scalar(1.0 / back.node.inputs().len() as f64);
        let cotangent = back.emit("Mul", &[back.cotangent(), share])?;
        to_all(back, cotangent)
    },
    &["Mul", "ReduceSum", "Reshape"],
);

const fn op(
    name: &'static str,
    opsets: &'static [i64],
    doc: &'static str,
    eval: Eval,
    vjp: Derive,
    emits: &'static [&'static str],
) -> Op {
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
    let dtype = expect_float(call, 0)?;
    (1..call.inputs.len()).try_for_each(|index| same_dtype(call, 0, index).map(drop))?;
    Ok(vec![ValueType::new(dtype, broadcast_inputs(call)?)])
}

fn eval(call: &Call<'_>, share: f64) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let mut sum = vec![0.0; shape.iter().product()];
    for index in 0..call.inputs.len() {
        let x = stretch(call.tensor(index)?, &shape);
        sum.iter_mut().zip(x.floats()?).for_each(|(sum, x)| *sum += x);
    }
    sum.iter_mut().for_each(|sum| *sum *= share);
    Ok(vec![Tensor::float(call.ty(0)?.dtype, &shape, sum)])
}

fn to_all(back: &mut Backward<'_>, cotangent: ValueId) -> Result<Vec<Option<ValueId>>, Error> {
    let wants = back.wants.clone();
    let one = |(index, wanted)| {
        let shape = back.shape(index);
        if wanted { unbroadcast(back, cotangent, &shape).map(Some) } else { Ok(None) }
    };
    wants.into_iter().enumerate().map(one).collect()
}

fn cases() -> Vec<Case> {
    use CaseInput::{Random, RandomConstant};
    let case = |name, inputs| Case::new(name, Attrs::new(), inputs);
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    vec![
        case("two inputs", vec![random(&[2, 3]), random(&[2, 3])]),
        case("one input", vec![random(&[2, 3])]),
        case("three inputs that broadcast", vec![random(&[2, 1]), random(&[3]), random(&[])]),
        case("a constant among them", vec![random(&[2, 3]), RandomConstant(vec![3], -1.0, 1.0), random(&[2, 3])]),
    ]
}
