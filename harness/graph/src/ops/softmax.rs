//! Softmax and LogSoftmax. Specs: <https://onnx.ai/onnx/operators/onnx__Softmax.html>, `LogSoftmax`. Opsets: 1, 11, 13.
//! Before 13 the input is flattened to two axes at `axis` and normalised over the second.

use super::binary::expect_inputs;
use super::{Backward, Call, Case, CaseInput, Derive, Op, Upgrade, Vjp, axes, expect_float, no_macs, same_as_input};
use crate::{Attr, Attrs, Error, Tensor, ValueId, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;

pub(super) const SOFTMAX: Op = op(
    "Softmax",
    &[7, 11, 13],
    "over one axis (default the last)",
    |call| eval(call, |x, log_sum| (x - log_sum).exp()),
    vjp,
    &["Mul", "ReduceSum", "Sub"],
);
pub(super) const LOG_SOFTMAX: Op = op(
    "LogSoftmax",
    &[7, 11, 13],
    "over one axis (default the last)",
    |call| eval(call, |x, log_sum| x - log_sum),
    log_vjp,
    &["Exp", "Mul", "ReduceSum", "Sub"],
);

const fn op(
    name: &'static str,
    opsets: &'static [i64],
    doc: &'static str,
    eval: Eval,
    vjp: Derive,
    emits: &'static [&'static str],
) -> Op {
    Op { name, opsets, doc, attrs: &["axis"], infer, eval, vjp: Vjp::Rule(vjp, emits), macs: no_macs, upgrade, cases }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    expect_float(call, 0)?;
    axis(call.attrs, call.shape(0)?.len())?;
    same_as_input(call)
}

fn axis(attrs: &Attrs, rank: usize) -> Result<usize, String> {
    axes::axis(attrs.get_int("axis", -1)?, rank)
}

fn eval(call: &Call<'_>, f: impl Fn(f64, f64) -> f64) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let axis = axis(call.attrs, x.shape().len())?;
    let (size, inner): (usize, usize) = (x.shape()[axis], x.shape()[axis + 1..].iter().product());
    let mut y = x.floats()?.to_vec();
    for group in y.chunks_mut((size * inner).max(1)) {
        for at in 0..inner {
            let largest = group[at..].iter().step_by(inner).copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = group[at..].iter().step_by(inner).map(|x| (x - largest).exp()).sum();
            let log_sum = sum.ln();
            group[at..].iter_mut().step_by(inner).for_each(|x| *x = f(*x - largest, log_sum));
        }
    }
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

/// `y · (c - Σ c · y)`.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (c, y) = (back.cotangent(), back.output(0));
    let weighted = back.emit("Mul", &[c, y])?;
    let sum = sum(back, weighted)?;
    let centred = back.emit("Sub", &[c, sum])?;
    Ok(vec![Some(back.emit("Mul", &[y, centred])?)])
}

/// `c - e^y · Σ c`.
fn log_vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (c, y) = (back.cotangent(), back.output(0));
    let sum = sum(back, c)?;
    let p = back.emit("Exp", &[y])?;
    let mean = back.emit("Mul", &[p, sum])?;
    Ok(vec![Some(back.emit("Sub", &[c, mean])?)])
}

fn sum(back: &mut Backward<'_>, x: ValueId) -> Result<ValueId, Error> {
    let axis = back.ask(|call| axis(call.attrs, call.shape(0)?.len()))?;
    let axes = back.graph.constant("axes", Tensor::ints([axis as i64]));
    back.graph.add("ReduceSum", &[x, axes], Attrs::new().int("keepdims", 1))
}

/// The old form over the flattened axes is the new one where at most one of them is longer than 1; else it becomes
/// Reshape, Softmax, Reshape.
fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset >= 13 {
        return Ok(());
    }
    let x = up.inputs.first().copied().flatten().ok_or("input 0 is missing")?;
    let shape = up.graph.shape(x).to_vec();
    let given = up.attrs.get_int("axis", 1)?;
    let split = if given == shape.len() as i64 { shape.len() } else { axes::axis(given, shape.len())? };
    let long: Vec<usize> = (split..shape.len()).filter(|&axis| shape[axis] != 1).collect();
    if split < shape.len() && long.len() <= 1 {
        let axis = long.first().copied().unwrap_or(shape.len() - 1);
        up.attrs.set("axis", Attr::Int(axis as i64));
        return Ok(());
    }
    let flat: [usize; 2] = [shape[..split].iter().product(), shape[split..].iter().product()];
    let reshape = |up: &mut Upgrade<'_>, x: ValueId, shape: &[usize]| {
        let shape = up.graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
        (vec![x, shape], Attrs::new().int("allowzero", 1))
    };
    let (inputs, attrs) = reshape(up, x, &flat);
    let rows = up.graph.add("Reshape", &inputs, attrs).map_err(|error| error.to_string())?;
    let op = up.op.clone();
    let normalised = up.graph.add(&op, &[rows], Attrs::new().int("axis", 1)).map_err(|error| error.to_string())?;
    let (inputs, attrs) = reshape(up, normalised, &shape);
    up.op = "Reshape".to_owned();
    up.inputs = inputs.into_iter().map(Some).collect();
    up.attrs = attrs;
    Ok(())
}

fn cases() -> Vec<Case> {
    let case = |name, shape, attrs| Case::new(name, attrs, vec![CaseInput::Random(shape, -2.0, 2.0)]);
    vec![
        case("rows", vec![3, 5], Attrs::new()),
        case("axis 1 of four", vec![2, 3, 2, 2], Attrs::new().int("axis", 1)),
        case("axis 0", vec![3, 2], Attrs::new().int("axis", 0)),
        case("a negative axis", vec![2, 3, 4], Attrs::new().int("axis", -2)),
        case("a vector", vec![4], Attrs::new()),
        case("one class", vec![2, 1], Attrs::new()),
        Case::new("large logits", Attrs::new(), vec![CaseInput::Fed(Tensor::f32(&[1, 3], [1000.0, 999.0, -1000.0]))]),
    ]
}
