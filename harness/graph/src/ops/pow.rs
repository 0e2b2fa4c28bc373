//! Pow, with numpy broadcasting. Spec: <https://onnx.ai/onnx/operators/onnx__Pow.html>. Opsets: 7, 12 (exponents of
//! another type), 13, 15.

use super::binary::expect_inputs;
use super::broadcast::{broadcast_inputs, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Pow",
    opsets: &[7, 12, 13, 15],
    doc: "a ^ b, exponents of any number type; gradient to both; where a <= 0 the gradient to b is 0",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(
        vjp,
        &["Add", "Cast", "Equal", "Greater", "Log", "Mul", "Pow", "ReduceSum", "Reshape", "Sub", "Where"],
    ),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    let (base, exponent) = (call.ty(0)?.dtype, call.ty(1)?.dtype);
    if base == DType::Bool || exponent == DType::Bool {
        return Err("has no meaning for booleans".to_owned());
    }
    Ok(vec![ValueType::new(base, broadcast_inputs(call)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let shape = broadcast_inputs(call)?;
    let (a, b) = (stretch(call.tensor(0)?, &shape), stretch(call.tensor(1)?, &shape));
    let powers = a.to_f64().into_iter().zip(b.to_f64()).map(|(a, b)| a.powf(b));
    Ok(vec![match (a.data(), a.dtype().int_range()) {
        (Data::Int(_), Some((low, high))) => {
            // Integers truncate toward zero, as in ONNX Runtime.
            let fits = |power: f64| power >= low as f64 && power <= high as f64;
            let whole = powers.map(|power| fits(power).then_some(power as i64)).collect::<Option<_>>();
            Tensor::int(a.dtype(), &shape, whole.ok_or_else(|| format!("a power does not fit into {}", a.dtype()))?)
        }
        _ => Tensor::float(a.dtype(), &shape, powers.collect()),
    }])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (base, exponent) = (back.graph.value(back.input(0)).dtype(), back.graph.value(back.input(1)).dtype());
    if !base.is_float() || (back.wants[1] && exponent != base) {
        return Err(back.refuse(&format!("it computes in {base} with exponents in {exponent}")));
    }
    let mut results = vec![None, None];
    for index in [0, 1].into_iter().filter(|&index| back.wants[index]).collect::<Vec<_>>() {
        let result = if index == 0 { to_base(back)? } else { to_exponent(back)? };
        let shape = back.shape(index);
        results[index] = Some(unbroadcast(back, result, &shape)?);
    }
    Ok(results)
}

/// `c · b · a^(b - 1)`.
fn to_base(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let exponents = back.graph.value(back.input(1)).data().map(Tensor::to_f64);
    let uniform = exponents.filter(|all| all.windows(2).all(|pair| pair[0] == pair[1]));
    let (a, cotangent) = (back.input(0), back.cotangent());
    match uniform.and_then(|all| all.first().copied()) {
        Some(1.0) => Ok(cotangent),
        Some(2.0) => {
            let double = back.emit("Add", &[a, a])?;
            back.emit("Mul", &[cotangent, double])
        }
        _ => {
            let (exponent, lowered) = lowered(back)?;
            let power = back.emit("Pow", &[a, lowered])?;
            let slope = back.emit("Mul", &[power, exponent])?;
            back.emit("Mul", &[cotangent, slope])
        }
    }
}

/// The exponent in the type of the base, and one less; but 0 stays, so that the slope of a constant is 0 at 0 too.
fn lowered(back: &mut Backward<'_>) -> Result<(ValueId, ValueId), Error> {
    let dtype = back.graph.value(back.input(0)).dtype();
    let (exponent, one, zero) = (back.graph.cast(back.input(1), dtype)?, back.scalar(1.0), back.scalar(0.0));
    let less = back.emit("Sub", &[exponent, one])?;
    let constant = back.emit("Equal", &[exponent, zero])?;
    Ok((exponent, back.emit("Where", &[constant, zero, less])?))
}

/// `c · y · ln a`, and 0 where a <= 0.
fn to_exponent(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let (a, y, cotangent) = (back.input(0), back.output(0), back.cotangent());
    let (zero, one) = (back.scalar(0.0), back.scalar(1.0));
    let positive = back.emit("Greater", &[a, zero])?;
    let safe = back.emit("Where", &[positive, a, one])?;
    let log = back.emit("Log", &[safe])?;
    let slope = back.emit("Mul", &[y, log])?;
    back.emit("Mul", &[cotangent, slope])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random, RandomConstant};
    let case = |name, a, b| Case::new(name, Attrs::new(), vec![a, b]);
    let positive = |shape: &[usize]| Random(shape.to_vec(), 0.3, 2.0);
    let signed = || Random(vec![2, 3], -2.0, 2.0);
    let number = |x| Constant(Tensor::scalar(x));
    let ints = |dtype, data: &[i64]| Tensor::int(dtype, &[data.len()], data.to_vec());
    let zeros = || Fed(Tensor::f32(&[3], [0.0, 0.0, -1.5]));
    vec![
        case("a square", signed(), number(2.0)),
        case("a cube", signed(), number(3.0)),
        case("a first power", signed(), number(1.0)),
        case("no power", signed(), number(0.0)),
        case("a root", positive(&[2, 3]), number(0.5)),
        case("an inverse", positive(&[2, 3]), number(-1.0)),
        case("an integer exponent", signed(), Constant(ints(DType::I64, &[2]))),
        case("a narrow integer exponent", signed(), Constant(Tensor::int(DType::I32, &[], vec![3]))),
        case("several integer exponents", signed(), Constant(ints(DType::I64, &[0, 1, 3]))),
        case("several exponents that stretch the base", positive(&[2, 1]), RandomConstant(vec![3], -1.0, 3.0)),
        case("the square of zero", zeros(), number(2.0)),
        case("constant powers of zero", zeros(), Constant(Tensor::f32(&[3], [0.0, 2.0, 3.0]))),
        case("one exponent of more axes", positive(&[2]), Constant(Tensor::f32(&[1, 1], [1.0]))),
        case("a varying integer exponent", signed(), Fed(ints(DType::I64, &[0, 2, 3]))),
        case("both vary", positive(&[2, 3]), Random(vec![3], -1.0, 2.0)),
        case("a varying exponent", RandomConstant(vec![2, 1], 0.3, 2.0), Random(vec![2, 3], -1.0, 2.0)),
        case("integers", Fed(ints(DType::I64, &[2, -3, 5, 2])), Constant(ints(DType::I64, &[10, 3, 0, -1]))),
        case(
            "integers with float exponents",
            Fed(ints(DType::I32, &[2, -3, 9])),
            Constant(Tensor::f32(&[3], [0.5, 3.0, 0.5])),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Interpreter, differentiate};

    #[test]
    fn at_zero_the_gradient_is_a_number() {
        for (exponent, slope) in [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0), (3.0, 0.0)] {
            let mut graph = Graph::new("test");
            let a = graph.input("a", ValueType::new(DType::F32, [1]));
            let b = graph.input("b", ValueType::new(DType::F32, [1]));
            let one = graph.constant("one", Tensor::f32(&[1], [1.0]));
            let fixed = graph.constant("fixed", Tensor::f32(&[1], [exponent]));
            let (varying, constant) = (
                graph.add("Pow", &[a, b], Attrs::new()).unwrap(),
                graph.add("Pow", &[a, fixed], Attrs::new()).unwrap(),
            );
            let mut outputs = differentiate(&mut graph, varying, one, &[a, b]).unwrap();
            outputs.extend(differentiate(&mut graph, constant, one, &[a]).unwrap());
            graph.set_outputs(outputs);
            let inputs = [Tensor::f32(&[1], [0.0]), Tensor::f32(&[1], [exponent])];
            let found: Vec<f64> = Interpreter.run(&graph, &inputs).unwrap().iter().flat_map(Tensor::to_f64).collect();
            assert_eq!(found, [slope, 0.0, slope], "0 ^ {exponent}");
        }
    }

    #[test]
    fn an_integer_power_that_does_not_fit_is_an_error() {
        let mut graph = Graph::new("test");
        for (base, exponent) in [(2, 62), (0, -1)] {
            let base = graph.constant("base", Tensor::int(DType::I32, &[], vec![base]));
            let exponent = graph.constant("exponent", Tensor::int(DType::I32, &[], vec![exponent]));
            let error = graph.add("Pow", &[base, exponent], Attrs::new()).unwrap_err();
            assert!(error.to_string().contains("does not fit into int32"), "{error}");
        }
    }
}
