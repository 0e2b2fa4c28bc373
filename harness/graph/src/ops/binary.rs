//! Add, Sub, Mul, Div: arithmetic with numpy broadcasting. Specs: <https://onnx.ai/onnx/operators/onnx__Add.html>,
//! `Sub`, `Mul`, `Div`. Opsets: 7, 13, 14.

use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Derive, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;
type Sides = [Option<ValueId>; 2];

pub(super) const ADD: Op = op(
    "Add",
    &[7, 13, 14],
    "a + b",
    |call| eval(call, |a, b| a + b, |a, b| Some(a.wrapping_add(b))),
    |back| both(back, |_, c| Ok(c), |_, c| Ok(c)),
    &["ReduceSum", "Reshape"],
);
pub(super) const SUB: Op = op(
    "Sub",
    &[7, 13, 14],
    "a - b",
    |call| eval(call, |a, b| a - b, |a, b| Some(a.wrapping_sub(b))),
    |back| both(back, |_, c| Ok(c), |back, c| back.emit("Neg", &[c])),
    &["Neg", "ReduceSum", "Reshape"],
);
pub(super) const MUL: Op = op(
    "Mul",
    &[7, 13, 14],
    "a · b",
    |call| eval(call, |a, b| a * b, |a, b| Some(a.wrapping_mul(b))),
    |back| {
        float_only(back)?;
        let (a, b) = (back.input(0), back.input(1));
        both(back, |back, c| back.emit("Mul", &[c, b]), |back, c| back.emit("Mul", &[c, a]))
    },
    &["Mul", "ReduceSum", "Reshape"],
);
pub(super) const DIV: Op = op(
    "Div",
    &[7, 13, 14],
    "a / b; integers truncate toward zero",
    |call| eval(call, |a, b| a / b, |a, b| (b != 0).then(|| a.wrapping_div(b))),
    |back| {
        float_only(back)?;
        let (b, y) = (back.input(1), back.output(0));
        both(
            back,
            |back, c| back.emit("Div", &[c, b]),
            |back, c| {
                let scaled = back.emit("Div", &[y, b])?;
                let scaled = back.emit("Mul", &[c, scaled])?;
                back.emit("Neg", &[scaled])
            },
        )
    },
    &["Div", "Mul", "Neg", "ReduceSum", "Reshape"],
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

/// The element type that two inputs share.
///
/// Errors: they differ.
pub(super) fn same_dtype(call: &Call<'_>, first: usize, second: usize) -> Result<DType, String> {
    let (a, b) = (call.ty(first)?.dtype, call.ty(second)?.dtype);
    if a == b { Ok(a) } else { Err(format!("inputs {first} and {second} must be of one type, found {a} and {b}")) }
}

/// Requires exactly so many inputs.
pub(super) fn expect_inputs(call: &Call<'_>, count: usize) -> Result<(), String> {
    let found = call.inputs.len();
    if found == count { Ok(()) } else { Err(format!("takes {count} inputs, found {found}")) }
}

/// Requires from `least` to `most` inputs.
pub(super) fn expect_inputs_between(call: &Call<'_>, least: usize, most: usize) -> Result<(), String> {
    let found = call.inputs.len();
    let fits = (least..=most).contains(&found);
    if fits { Ok(()) } else { Err(format!("takes {least} to {most} inputs, found {found}")) }
}

/// An integer brought into the range of its type as two's complement does.
pub(super) fn wrapped(dtype: DType, value: i64) -> i64 {
    match dtype {
        DType::I8 => i64::from(value as i8),
        DType::U8 => i64::from(value as u8),
        DType::I16 => i64::from(value as i16),
        DType::U16 => i64::from(value as u16),
        DType::I32 => i64::from(value as i32),
        DType::U32 => i64::from(value as u32),
        _ => value,
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    let dtype = same_dtype(call, 0, 1)?;
    if dtype == DType::Bool {
        return Err("has no meaning for booleans".to_owned());
    }
    Ok(vec![ValueType::new(dtype, broadcast_inputs(call)?)])
}

fn eval(
    call: &Call<'_>,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i64, i64) -> Option<i64>,
) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let (a, b) = (stretch(call.tensor(0)?, &shape), stretch(call.tensor(1)?, &shape));
    let dtype = a.dtype();
    Ok(vec![match (a.data(), b.data()) {
        (Data::Float(a), Data::Float(b)) => {
            Tensor::float(dtype, &shape, a.iter().zip(b).map(|(&a, &b)| float(a, b)).collect())
        }
        (Data::Int(a), Data::Int(b)) => {
            let values = a.iter().zip(b).map(|(&a, &b)| Some(wrapped(dtype, int(a, b)?)));
            Tensor::int(dtype, &shape, values.collect::<Option<_>>().ok_or("divides an integer by zero")?)
        }
        _ => return Err("inputs must be of one type".to_owned()),
    }])
}

/// Sends the cotangent to each side that wants it, summed over the axes along which that side was stretched.
fn both(
    back: &mut Backward<'_>,
    left: impl FnOnce(&mut Backward<'_>, ValueId) -> Result<ValueId, Error>,
    right: impl FnOnce(&mut Backward<'_>, ValueId) -> Result<ValueId, Error>,
) -> Result<Vec<Option<ValueId>>, Error> {
    let cotangent = back.cotangent();
    let mut sides: Sides = [None, None];
    if back.wants[0] {
        sides[0] = Some(left(back, cotangent)?);
    }
    if back.wants[1] {
        sides[1] = Some(right(back, cotangent)?);
    }
    for (index, side) in sides.iter_mut().enumerate() {
        if let Some(id) = side {
            let shape = back.shape(index);
            *id = unbroadcast(back, *id, &shape)?;
        }
    }
    Ok(sides.to_vec())
}

/// Refuses a gradient where integers are computed.
pub(super) fn float_only(back: &Backward<'_>) -> Result<(), Error> {
    let dtype = back.graph.value(back.output(0)).dtype();
    if dtype.is_float() { Ok(()) } else { Err(back.refuse(&format!("it computes in {dtype}"))) }
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random, RandomConstant};
    // The second interval stays away from 0 for Div.
    let case = |name, a, b| Case::new(name, Attrs::new(), vec![a, b]);
    let random = |shape: &[usize]| Random(shape.to_vec(), -2.0, 2.0);
    let away = |shape: &[usize]| Random(shape.to_vec(), 0.5, 2.0);
    let int = |dtype, shape: &[usize], data: &[i64]| Tensor::int(dtype, shape, data.to_vec());
    vec![
        case("same shape", random(&[2, 3]), away(&[2, 3])),
        case("constant bias", random(&[2, 3, 4, 4]), RandomConstant(vec![3, 1, 1], 0.5, 2.0)),
        case("constant on the left", RandomConstant(vec![4], 0.5, 2.0), away(&[2, 4])),
        case("both sides stretch", random(&[3, 1, 2]), away(&[4, 1])),
        case("a scalar on the left", random(&[]), away(&[2, 2])),
        case("a scalar on the right", random(&[2, 2]), away(&[])),
        case("two scalars", random(&[]), away(&[])),
        case("an inner axis of one", random(&[2, 3, 4]), away(&[2, 1, 4])),
        case("no elements", random(&[0, 3]), away(&[1, 3])),
        case(
            "integers",
            Fed(int(DType::I64, &[2, 3], &[7, -7, 8, -8, 0, 5])),
            Constant(int(DType::I64, &[3], &[2, 2, -3])),
        ),
        case("narrow integers", Fed(int(DType::I32, &[2], &[9, -9])), Fed(int(DType::I32, &[], &[4]))),
    ]
}
