//! PRelu. Spec: <https://onnx.ai/onnx/operators/onnx__PRelu.html>. Opsets: 7, 9, 16.

use super::binary::{expect_inputs, same_dtype};
use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, same_as_input, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "PRelu",
    opsets: &[7, 9, 16],
    doc: "x where x > 0, else slope · x; the gradient at 0 is the slope; gradient to both",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Add", "Cast", "Greater", "Mul", "Not", "ReduceSum", "Reshape"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    expect_float(call, 0)?;
    same_dtype(call, 0, 1)?;
    let (x, slope) = (call.shape(0)?, call.shape(1)?);
    if broadcast_inputs(call)? == x {
        same_as_input(call)
    } else {
        Err(format!("a slope of {slope:?} does not fit {x:?}"))
    }
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let slope = stretch(call.tensor(1)?, x.shape());
    let bend = |(&x, &slope): (&f64, &f64)| if x > 0.0 { x } else { slope * x };
    let y = x.floats()?.iter().zip(slope.floats()?).map(bend).collect();
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (x, slope, zero, cotangent) = (back.input(0), back.input(1), back.scalar(0.0), back.cotangent());
    let positive = back.emit("Greater", &[x, zero])?;
    let negative = back.emit("Not", &[positive])?;
    let negative = back.mask(negative)?;
    let mut results = vec![None, None];
    if back.wants[0] {
        let positive = back.mask(positive)?;
        let below = back.emit("Mul", &[negative, slope])?;
        let factor = back.emit("Add", &[positive, below])?;
        results[0] = Some(back.emit("Mul", &[cotangent, factor])?);
    }
    if back.wants[1] {
        let below = back.emit("Mul", &[negative, x])?;
        let product = back.emit("Mul", &[cotangent, below])?;
        let shape = back.shape(1);
        results[1] = Some(unbroadcast(back, product, &shape)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    use CaseInput::{Random, RandomConstant};
    let case = |name, x: &[usize], slope| Case::new(name, Attrs::new(), vec![Random(x.to_vec(), -1.0, 1.0), slope]);
    let constant = |shape: &[usize]| RandomConstant(shape.to_vec(), -0.5, 1.5);
    vec![
        case("a slope per channel", &[2, 3, 2, 4], constant(&[3, 1, 1])),
        case("one slope", &[2, 3], constant(&[1])),
        case("a scalar slope", &[2, 3], constant(&[])),
        case("a slope for each element", &[2, 3], constant(&[2, 3])),
        case("a varying slope", &[2, 3, 4], Random(vec![3, 1], -0.5, 1.5)),
        case("a varying slope of more axes", &[2, 3, 4], Random(vec![1, 1, 4], -0.5, 1.5)),
    ]
}
