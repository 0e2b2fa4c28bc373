//! Functions of one element: Abs, Exp, LeakyRelu, Log, Neg, Sigmoid, Sign, Sqrt, Tanh. One line each: the function, how
//! its derivative times the cotangent is emitted, and where it is tested. Specs: <https://onnx.ai/onnx/operators/>.
//! Opsets: 6, 9 (Sign), 13, 16 (LeakyRelu).

use super::binary::{expect_inputs, wrapped};
use super::{
    Backward, Call, Case, CaseInput, Derive, Op, Vjp, expect_float, map_elements, no_macs, same_as_input, unchanged,
};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

type Eval = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;
type Cases = fn() -> Vec<Case>;

pub(super) const ABS: Op = signed(
    "Abs",
    "|x|; the gradient at 0 is 0",
    |call| signed_map(call, f64::abs, i64::wrapping_abs),
    Vjp::Rule(|back| times(back, sign), &["Cast", "Greater", "Less", "Mul", "Sub"]),
);
pub(super) const EXP: Op = float(
    "Exp",
    "e^x",
    |call| map_elements(call, f64::exp),
    |back| times(back, |back| Ok(back.output(0))),
    &["Mul"],
    || cases(-2.0, 2.0),
);
pub(super) const LOG: Op = float(
    "Log",
    "ln x",
    |call| map_elements(call, f64::ln),
    |back| divided(back, |back| Ok(back.input(0))),
    &["Div"],
    || cases(0.3, 3.0),
);
pub(super) const NEG: Op = signed(
    "Neg",
    "-x",
    |call| signed_map(call, |x| -x, i64::wrapping_neg),
    Vjp::Rule(
        |back| {
            let cotangent = back.cotangent();
            Ok(vec![Some(back.emit("Neg", &[cotangent])?)])
        },
        &["Neg"],
    ),
);
pub(super) const SIGMOID: Op = float(
    "Sigmoid",
    "1 / (1 + e^-x)",
    |call| map_elements(call, sigmoid),
    |back| times(back, sigmoid_derivative),
    &["Mul", "Sub"],
    || cases(-4.0, 4.0),
);
pub(super) const SIGN: Op = signed(
    "Sign",
    "-1, 0 or 1; piecewise constant, no gradient",
    |call| signed_map(call, |x| if x == 0.0 { 0.0 } else { x.signum() }, i64::signum),
    Vjp::Constant,
);
pub(super) const SQRT: Op = float(
    "Sqrt",
    "square root",
    |call| map_elements(call, f64::sqrt),
    |back| divided(back, twice),
    &["Add", "Div"],
    || cases(0.3, 3.0),
);
pub(super) const TANH: Op = float(
    "Tanh",
    "hyperbolic tangent",
    |call| map_elements(call, f64::tanh),
    |back| times(back, tanh_derivative),
    &["Mul", "Sub"],
    || cases(-2.0, 2.0),
);
pub(super) const LEAKY_RELU: Op = Op {
    attrs: &["alpha"],
    ..float(
        "LeakyRelu",
        "x where x > 0, else alpha · x; the gradient at 0 is alpha",
        |call| {
            let alpha = f64::from(call.attrs.get_float("alpha", 0.01)?);
            map_elements(call, |x| if x > 0.0 { x } else { alpha * x })
        },
        |back| times(back, leaky_relu_derivative),
        &["Add", "Cast", "Greater", "Max", "Mul"],
        || {
            let case = |name, attrs| Case::new(name, attrs, vec![CaseInput::Random(vec![2, 3, 4], -1.0, 1.0)]);
            vec![
                case("default alpha", Attrs::new()),
                case("alpha below one", Attrs::new().float("alpha", 0.3)),
                case("alpha above one", Attrs::new().float("alpha", 1.5)),
                case("negative alpha", Attrs::new().float("alpha", -0.5)),
            ]
        },
    )
};

/// A function of floats.
const fn float(
    name: &'static str,
    doc: &'static str,
    eval: Eval,
    vjp: Derive,
    emits: &'static [&'static str],
    cases: Cases,
) -> Op {
    let infer = float_as_input;
    Op { name, doc, attrs: &[], infer, eval, vjp: Vjp::Rule(vjp, emits), macs: no_macs, upgrade: unchanged, cases }
}

/// A function of floats and integers.
const fn signed(name: &'static str, doc: &'static str, eval: Eval, vjp: Vjp) -> Op {
    let (infer, cases) = (number_as_input, signed_cases);
    Op { name, doc, attrs: &[], infer, eval, vjp, macs: no_macs, upgrade: unchanged, cases }
}

fn float_as_input(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    expect_float(call, 0)?;
    same_as_input(call)
}

/// The output type of functions of floats and integers.
pub(super) fn number_as_input(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    if call.ty(0)?.dtype == DType::Bool { Err("input 0 must hold numbers".to_owned()) } else { same_as_input(call) }
}

/// Applies a function of floats or one of integers to every element of the first input.
pub(super) fn signed_map(
    call: &Call<'_>,
    float: impl Fn(f64) -> f64,
    int: impl Fn(i64) -> i64,
) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    match x.data() {
        Data::Float(_) => map_elements(call, float),
        Data::Int(values) => {
            let data = values.iter().map(|&value| wrapped(x.dtype(), int(value))).collect();
            Ok(vec![Tensor::int(x.dtype(), x.shape(), data)])
        }
    }
}

fn times(
    back: &mut Backward<'_>,
    derivative: impl FnOnce(&mut Backward<'_>) -> Result<ValueId, Error>,
) -> Result<Vec<Option<ValueId>>, Error> {
    let (cotangent, derivative) = (back.cotangent(), derivative(back)?);
    Ok(vec![Some(back.emit("Mul", &[cotangent, derivative])?)])
}

fn divided(
    back: &mut Backward<'_>,
    divisor: impl FnOnce(&mut Backward<'_>) -> Result<ValueId, Error>,
) -> Result<Vec<Option<ValueId>>, Error> {
    let (cotangent, divisor) = (back.cotangent(), divisor(back)?);
    Ok(vec![Some(back.emit("Div", &[cotangent, divisor])?)])
}

fn sign(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let x = back.input(0);
    let dtype = back.graph.value(x).dtype();
    if !dtype.is_float() {
        return Err(back.refuse(&format!("it computes in {dtype}")));
    }
    let zero = back.scalar(0.0);
    let positive = back.emit("Greater", &[x, zero])?;
    let positive = back.mask(positive)?;
    let negative = back.emit("Less", &[x, zero])?;
    let negative = back.mask(negative)?;
    back.emit("Sub", &[positive, negative])
}

fn twice(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let y = back.output(0);
    back.emit("Add", &[y, y])
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// `y · (1 - y)`.
fn sigmoid_derivative(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let (y, one) = (back.output(0), back.scalar(1.0));
    let rest = back.emit("Sub", &[one, y])?;
    back.emit("Mul", &[y, rest])
}

/// `1 - y²`.
fn tanh_derivative(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let (y, one) = (back.output(0), back.scalar(1.0));
    let square = back.emit("Mul", &[y, y])?;
    back.emit("Sub", &[one, square])
}

/// 1 where x > 0, else alpha. The maximum of mask and alpha is exact; a scaled mask plus alpha would round.
fn leaky_relu_derivative(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let alpha = back.ask(|call| call.attrs.get_float("alpha", 0.01))?;
    let (x, zero, slope) = (back.input(0), back.scalar(0.0), back.scalar(alpha.into()));
    let positive = back.emit("Greater", &[x, zero])?;
    let mask = back.mask(positive)?;
    if (0.0..=1.0).contains(&alpha) {
        return back.emit("Max", &[mask, slope]);
    }
    let rise = back.scalar(1.0 - f64::from(alpha));
    let rise = back.emit("Mul", &[mask, rise])?;
    back.emit("Add", &[rise, slope])
}

fn cases(low: f64, high: f64) -> Vec<Case> {
    let case = |name, shape| Case::new(name, Attrs::new(), vec![CaseInput::Random(shape, low, high)]);
    vec![case("a vector", vec![5]), case("a scalar", vec![]), case("four axes", vec![2, 3, 2, 2])]
}

fn signed_cases() -> Vec<Case> {
    let ints = |dtype, data| CaseInput::Fed(Tensor::int(dtype, &[3], data));
    let mut cases = cases(-2.0, 2.0);
    cases.push(Case::new("integers", Attrs::new(), vec![ints(DType::I64, vec![-5, 0, 7])]));
    cases.push(Case::new("narrow integers", Attrs::new(), vec![ints(DType::I32, vec![-9, 0, 100])]));
    cases
}
