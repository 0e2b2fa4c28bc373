//! ReduceL1, ReduceL2, ReduceSumSquare. Specs: <https://onnx.ai/onnx/operators/onnx__ReduceL2.html> and its kin. Opsets:
//! 1, 11, 13, 18 (axes become an input).

use super::binary::float_only;
use super::reduce::{eval, float, forward_axes, number, op};
use super::reshape::reshape_to;
use super::{Backward, Op, slopes};
use crate::{Error, ValueId};

pub(super) const REDUCE_L1: Op = op(
    "ReduceL1",
    &[7, 11, 13, 18],
    "Σ |x|, constant axes; the gradient at 0 is 0",
    number,
    |call| {
        let sum = |group: &[i64]| Some(group.iter().fold(0_i64, |sum, x| sum.wrapping_add(x.wrapping_abs())));
        eval(call, |group| group.iter().map(|x| x.abs()).sum(), sum)
    },
    |back| {
        let (sign, cotangent) = (slopes::sign(back)?, back.cotangent());
        to_group(back, cotangent, sign)
    },
    &["Cast", "Greater", "Less", "Mul", "Reshape", "Sub"],
);
pub(super) const REDUCE_L2: Op = op(
    "ReduceL2",
    &[7, 11, 13, 18],
    "√(Σ x²), constant axes; the gradient at the zero vector is 0",
    float,
    |call| eval(call, |group| group.iter().map(|x| x * x).sum::<f64>().sqrt(), |_| None),
    |back| {
        let (x, y, zero, cotangent) = (back.input(0), back.output(0), back.scalar(0.0), back.cotangent());
        let nothing = back.emit("Equal", &[y, zero])?;
        let nothing = back.mask(nothing)?;
        let safe = back.emit("Add", &[y, nothing])?;
        let share = back.emit("Div", &[cotangent, safe])?;
        to_group(back, share, x)
    },
    &["Add", "Cast", "Div", "Equal", "Mul", "Reshape"],
);
pub(super) const REDUCE_SUM_SQUARE: Op = op(
    "ReduceSumSquare",
    &[7, 11, 13, 18],
    "Σ x², constant axes",
    number,
    |call| {
        let sum = |group: &[i64]| Some(group.iter().fold(0_i64, |sum, x| sum.wrapping_add(x.wrapping_mul(*x))));
        eval(call, |group| group.iter().map(|x| x * x).sum(), sum)
    },
    |back| {
        float_only(back)?;
        let (x, cotangent) = (back.input(0), back.cotangent());
        let double = back.emit("Add", &[cotangent, cotangent])?;
        to_group(back, double, x)
    },
    &["Add", "Mul", "Reshape"],
);

/// One factor for each group times one for each of its elements.
fn to_group(back: &mut Backward<'_>, of_group: ValueId, of_element: ValueId) -> Result<Vec<Option<ValueId>>, Error> {
    let (_, kept) = forward_axes(back)?;
    let of_group = reshape_to(back, of_group, &kept)?;
    Ok(vec![Some(back.emit("Mul", &[of_element, of_group])?), None])
}

#[cfg(test)]
mod tests {
    use crate::{Attrs, DType, Graph, Interpreter, Tensor, ValueType, differentiate};

    #[test]
    fn the_zero_vector_has_the_gradient_zero() {
        for op in ["ReduceL1", "ReduceL2", "ReduceSumSquare"] {
            let mut graph = Graph::new("test");
            let x = graph.input("x", ValueType::new(DType::F32, [2, 2]));
            let axes = graph.constant("axes", Tensor::ints([1]));
            let y = graph.add(op, &[x, axes], Attrs::new()).unwrap();
            let ones = graph.constant("ones", Tensor::f32(&[2, 1], [1.0; 2]));
            let gradient = differentiate(&mut graph, y, ones, &[x]).unwrap();
            graph.set_outputs(gradient);
            let found = Interpreter.run(&graph, &[Tensor::f32(&[2, 2], [0.0, 0.0, 0.0, 1.0])]).unwrap()[0].to_f64();
            let slope = if op == "ReduceSumSquare" { 2.0 } else { 1.0 };
            assert_eq!(found, [0.0, 0.0, 0.0, slope], "{op}");
        }
    }
}
