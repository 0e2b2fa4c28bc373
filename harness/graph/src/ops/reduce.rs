//! ReduceSum, ReduceMean, ReduceMax, ReduceMin. Specs: <https://onnx.ai/onnx/operators/onnx__ReduceSum.html> and its kin. Opsets: 1,
//! 11, 12, 13 (ReduceSum's axes become an input), 18 (the others' do), 20.

use super::axes::{axes, flag};
use super::axis_map::{pick, sources, strides, whole};
use super::binary::{expect_inputs_between, wrapped};
use super::expand::expand_to;
use super::reshape::reshape_to;
use super::transpose::{inverse, transpose};
use super::{Backward, Call, Case, CaseInput, Derive, Op, Rewriting, Upgrade, Vjp, expect_float, no_macs};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;
type Infer = fn(&Call<'_>) -> Result<Vec<ValueType>, String>;

pub(super) const REDUCE_SUM: Op = Op {
    upgrade: |up| axes_to_input(up, 13),
    ..op(
        "ReduceSum",
        &[7, 11, 13],
        "constant axes",
        number,
        |call| {
            eval(call, |group| group.iter().sum(), |group| Some(group.iter().fold(0, |sum, x| sum.wrapping_add(*x))))
        },
        |back| spread(back, None),
        &["Expand", "Reshape"],
    )
};
pub(super) const REDUCE_MEAN: Op = op(
    "ReduceMean",
    &[7, 11, 13, 18],
    "constant axes",
    float,
    |call| eval(call, |group| group.iter().sum::<f64>() / group.len() as f64, |_| None),
    |back| {
        let (from, to) = (back.shape(0), back.graph.shape(back.output(0)).to_vec());
        let count = from.iter().product::<usize>() as f64 / to.iter().product::<usize>() as f64;
        spread(back, Some(1.0 / count))
    },
    &["Expand", "Mul", "Reshape"],
);
pub(super) const REDUCE_MAX: Op = op(
    "ReduceMax",
    &[7, 11, 12, 13, 18, 20],
    "constant axes; of equal elements the first gets the gradient",
    number,
    |call| {
        eval(
            call,
            |group| group.iter().copied().reduce(larger).unwrap_or(f64::NEG_INFINITY),
            |g| g.iter().copied().max(),
        )
    },
    |back| {
        let axes = back.ask(reduced)?;
        to_winner(back, &axes, "ArgMax")
    },
    &["ArgMax", "Cast", "Equal", "Mul", "Reshape", "Transpose"],
);
pub(super) const REDUCE_MIN: Op = op(
    "ReduceMin",
    &[7, 11, 12, 13, 18, 20],
    "constant axes; of equal elements the first gets the gradient",
    number,
    |call| {
        eval(call, |group| group.iter().copied().reduce(smaller).unwrap_or(f64::INFINITY), |g| g.iter().copied().min())
    },
    |back| {
        let axes = back.ask(reduced)?;
        to_winner(back, &axes, "ArgMin")
    },
    &["ArgMin", "Cast", "Equal", "Mul", "Reshape", "Transpose"],
);

/// A reduction whose axes are a constant input since opset 18.
pub(super) const fn op(
    name: &'static str,
    opsets: &'static [i64],
    doc: &'static str,
    infer: Infer,
    eval: Eval,
    vjp: Derive,
    emits: &'static [&'static str],
) -> Op {
    let attrs = &["keepdims", "noop_with_empty_axes"];
    let upgrade: Rewriting = |up| axes_to_input(up, 18);
    Op { name, opsets, doc, attrs, infer, eval, vjp: Vjp::Rule(vjp, emits), macs: no_macs, upgrade, cases }
}

/// Turns the axes attribute of opsets before `since` into an input.
fn axes_to_input(up: &mut Upgrade<'_>, since: i64) -> Result<(), String> {
    if up.opset < since { up.ints_to_input("axes", 1) } else { Ok(()) }
}

fn larger(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

fn smaller(a: f64, b: f64) -> f64 {
    if a <= b || a.is_nan() { a } else { b }
}

/// The output type of reductions of floats.
pub(super) fn float(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_float(call, 0)?;
    number(call)
}

/// The axes that a call reduces, in ascending order.
fn reduced(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let rank = call.shape(0)?.len();
    match call.ints(1)? {
        Some(given) if !given.is_empty() => {
            let mut axes = axes(given, rank)?;
            axes.sort_unstable();
            Ok(axes)
        }
        _ if flag(call, "noop_with_empty_axes", false)? => Ok(Vec::new()),
        _ => Ok((0..rank).collect()),
    }
}

fn output_shape(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let (axes, keep) = (reduced(call)?, flag(call, "keepdims", true)?);
    let dims = call.shape(0)?.iter().enumerate();
    Ok(match keep {
        true => dims.map(|(axis, &dim)| if axes.contains(&axis) { 1 } else { dim }).collect(),
        false => dims.filter(|(axis, _)| !axes.contains(axis)).map(|(_, &dim)| dim).collect(),
    })
}

/// The output type of reductions of floats and integers.
pub(super) fn number(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 1, 2)?;
    let dtype = call.ty(0)?.dtype;
    if dtype == DType::Bool {
        return Err("input 0 must hold numbers".to_owned());
    }
    Ok(vec![ValueType::new(dtype, output_shape(call)?)])
}

/// Groups the elements that go into one output each, then reduces every group.
pub(super) fn eval(
    call: &Call<'_>,
    float: impl Fn(&[f64]) -> f64,
    int: impl Fn(&[i64]) -> Option<i64>,
) -> Result<Vec<Tensor>, String> {
    let (x, axes, shape) = (call.tensor(0)?, reduced(call)?, output_shape(call)?);
    let kept = (0..x.shape().len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let strides = strides(x.shape());
    let maps: Vec<_> = order.iter().map(|&axis| whole(x.shape()[axis])).collect();
    let sources = sources(&maps, &order.iter().map(|&axis| strides[axis]).collect::<Vec<_>>());
    let grouped = pick(x, &[sources.len()], &sources, None);
    let groups: usize = shape.iter().product();
    let size: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    let group = |index: usize| index * size..(index + 1) * size;
    Ok(vec![match grouped.data() {
        Data::Float(values) => {
            Tensor::float(x.dtype(), &shape, (0..groups).map(|at| float(&values[group(at)])).collect())
        }
        Data::Int(values) => {
            let reduced = (0..groups).map(|at| Some(wrapped(x.dtype(), int(&values[group(at)])?)));
            let reduced: Option<_> = reduced.collect();
            Tensor::int(x.dtype(), &shape, reduced.ok_or("has no result for integers or for no elements")?)
        }
    }])
}

/// The axes that the forward node reduced, and the output's shape had it kept them.
pub(super) fn forward_axes(back: &Backward<'_>) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let axes = back.ask(reduced)?;
    let mut kept = back.shape(0);
    axes.iter().for_each(|&axis| kept[axis] = 1);
    Ok((axes, kept))
}

/// Sends the cotangent, times `scale`, to every element of its group.
fn spread(back: &mut Backward<'_>, scale: Option<f64>) -> Result<Vec<Option<ValueId>>, Error> {
    let (_, kept) = forward_axes(back)?;
    let shape = back.shape(0);
    let mut cotangent = back.cotangent();
    if let Some(scale) = scale {
        let scale = back.scalar(scale);
        cotangent = back.emit("Mul", &[cotangent, scale])?;
    }
    cotangent = reshape_to(back, cotangent, &kept)?;
    Ok(vec![Some(expand_to(back, cotangent, &shape)?), None])
}

/// Sends the cotangent to the element of its group alone that ArgMax or ArgMin finds: the first of equal ones.
///
/// The reduced axes are brought to the end and joined into one, where the winner compared with the positions is the mask.
pub(super) fn to_winner(back: &mut Backward<'_>, axes: &[usize], find: &str) -> Result<Vec<Option<ValueId>>, Error> {
    let (x, shape, cotangent) = (back.input(0), back.shape(0), back.cotangent());
    if axes.is_empty() {
        return Ok(vec![Some(cotangent), None]);
    }
    let single = axes.len() == 1;
    let order: Vec<usize> = match single {
        true => (0..shape.len()).collect(),
        false => (0..shape.len()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect(),
    };
    let ordered: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let axis = if single { axes[0] } else { shape.len() - axes.len() };
    let mut joined = ordered.clone();
    if !single {
        joined.truncate(axis);
        joined.push(ordered[axis..].iter().product());
    }
    let size = joined[axis];
    let x = transpose(back, x, &order)?;
    let x = reshape_to(back, x, &joined)?;
    let winner = back.graph.add(find, &[x], Attrs::new().int("axis", axis as i64).int("keepdims", 1))?;
    let mut positions = vec![1; joined.len()];
    positions[axis] = size;
    let positions = back.graph.constant("positions", Tensor::ints(0..size as i64).reshaped(&positions));
    let wins = back.emit("Equal", &[winner, positions])?;
    let mask = back.mask(wins)?;
    let mut column = joined.clone();
    column[axis] = 1;
    let cotangent = reshape_to(back, cotangent, &column)?;
    let product = back.emit("Mul", &[cotangent, mask])?;
    let product = reshape_to(back, product, &ordered)?;
    Ok(vec![Some(transpose(back, product, &inverse(&order))?), None])
}

pub(super) fn cases() -> Vec<Case> {
    cases_in(-1.0, 1.0)
}

/// Every way to name axes, with inputs from an interval.
pub(super) fn cases_in(low: f64, high: f64) -> Vec<Case> {
    use CaseInput::{Absent, Constant, Random};
    let case =
        |name, shape: &[usize], axes, attrs| Case::new(name, attrs, vec![Random(shape.to_vec(), low, high), axes]);
    let axes = |axes: &[i64]| Constant(Tensor::ints(axes.iter().copied()));
    let plain = Attrs::new;
    vec![
        case("the last axis, kept", &[2, 3], axes(&[1]), plain()),
        case("the last axis, dropped", &[2, 3], axes(&[1]), plain().int("keepdims", 0)),
        case("the first axis", &[2, 3], axes(&[0]), plain()),
        case("spatial axes", &[2, 3, 4, 2], axes(&[2, 3]), plain().int("keepdims", 0)),
        case("scattered, unordered axes", &[2, 3, 2, 3], axes(&[-2, 0]), plain()),
        case("outer axes, dropped", &[2, 3, 2], axes(&[0, 1]), plain().int("keepdims", 0)),
        case("all axes by an absent input", &[2, 3], Absent, plain()),
        case("all axes, dropped", &[2, 3], Absent, plain().int("keepdims", 0)),
        case("all axes by an empty input", &[2, 3], axes(&[]), plain()),
        case("nothing", &[2, 3], axes(&[]), plain().int("noop_with_empty_axes", 1)),
        case("a scalar", &[], Absent, plain()),
        case("an axis of one", &[2, 1], axes(&[1]), plain()),
        Case::new("one input", plain(), vec![Random(vec![2, 2], low, high)]),
    ]
}
