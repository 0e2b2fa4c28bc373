//! Mod, with numpy broadcasting. Spec: <https://onnx.ai/onnx/operators/onnx__Mod.html>. Opsets: 10, 13.

use super::axes::flag;
use super::binary::{expect_inputs, float_only, same_dtype, wrapped};
use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Mod",
    opsets: &[10, 13],
    doc: "with fmod 1 the sign is that of a, else (integers only) that of b; gradient to both",
    attrs: &["fmod"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Div", "Mul", "Neg", "ReduceSum", "Reshape", "Sub"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    let (dtype, fmod) = (same_dtype(call, 0, 1)?, flag(call, "fmod", false)?);
    if dtype == DType::Bool {
        return Err("has no meaning for booleans".to_owned());
    }
    if dtype.is_float() && !fmod {
        return Err("floats want fmod 1".to_owned());
    }
    Ok(vec![ValueType::new(dtype, broadcast_inputs(call)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (shape, fmod) = (broadcast_inputs(call)?, flag(call, "fmod", false)?);
    let (a, b) = (stretch(call.tensor(0)?, &shape), stretch(call.tensor(1)?, &shape));
    Ok(vec![match (a.data(), b.data()) {
        (Data::Float(x), Data::Float(y)) => {
            Tensor::float(a.dtype(), &shape, x.iter().zip(y).map(|(x, y)| x % y).collect())
        }
        (Data::Int(x), Data::Int(y)) => {
            let rest = |(&x, &y)| Some(wrapped(a.dtype(), remainder(x, y, fmod)?));
            let rests = x.iter().zip(y).map(rest).collect::<Option<_>>();
            Tensor::int(a.dtype(), &shape, rests.ok_or("divides an integer by zero")?)
        }
        _ => return Err("inputs must be of one type".to_owned()),
    }])
}

fn remainder(x: i64, y: i64, fmod: bool) -> Option<i64> {
    let rest = (y != 0).then(|| x.wrapping_rem(y))?;
    Some(if !fmod && rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest })
}

/// `y = a - b q` with the whole quotient `q = (a - y) / b`.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (a, b, y, cotangent) = (back.input(0), back.input(1), back.output(0), back.cotangent());
    float_only(back)?;
    let mut results = vec![None, None];
    if back.wants[0] {
        let shape = back.shape(0);
        results[0] = Some(unbroadcast(back, cotangent, &shape)?);
    }
    if back.wants[1] {
        let multiple = back.emit("Sub", &[a, y])?;
        let quotient = back.emit("Div", &[multiple, b])?;
        let product = back.emit("Mul", &[cotangent, quotient])?;
        let negative = back.emit("Neg", &[product])?;
        let shape = back.shape(1);
        results[1] = Some(unbroadcast(back, negative, &shape)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random, RandomConstant};
    let fmod = || Attrs::new().int("fmod", 1);
    let ints = |dtype, data: &[i64]| Tensor::int(dtype, &[data.len()], data.to_vec());
    let (a, b) = ([7, -7, 7, -7, 6, 0], [4, 4, -4, -4, 3, 5]);
    let integers = |name, attrs, dtype| Case::new(name, attrs, vec![Fed(ints(dtype, &a)), Constant(ints(dtype, &b))]);
    vec![
        Case::new("floats", fmod(), vec![Random(vec![2, 3], -4.0, 4.0), Random(vec![2, 3], 0.5, 2.0)]),
        Case::new(
            "a constant divisor",
            fmod(),
            vec![Random(vec![2, 3], -4.0, 4.0), RandomConstant(vec![], -2.0, -0.5)],
        ),
        Case::new("both sides stretch", fmod(), vec![Random(vec![3, 1], -4.0, 4.0), Random(vec![2], 0.5, 2.0)]),
        integers("integers", Attrs::new(), DType::I64),
        integers("integers with fmod", fmod(), DType::I64),
        integers("narrow integers", Attrs::new(), DType::I8),
        integers("narrow integers with fmod", fmod(), DType::I32),
    ]
}
