//! ReduceProd. Spec: <https://onnx.ai/onnx/operators/onnx__ReduceProd.html>. Opsets: 1, 11, 13, 18 (axes become an
//! input).

use super::binary::float_only;
use super::reduce::{cases_in, eval, forward_axes, number, op};
use super::reshape::reshape_to;
use super::{Backward, Op};
use crate::{Error, Tensor, ValueId};

pub(super) const REDUCE_PROD: Op = Op {
    cases: || cases_in(0.5, 1.5),
    ..op(
        "ReduceProd",
        &[7, 11, 13, 18],
        "constant axes; second derivatives only where no element is 0",
        number,
        |call| {
            eval(call, |group| group.iter().product(), |group| Some(group.iter().fold(1, |p, x| p.wrapping_mul(*x))))
        },
        vjp,
        &["Add", "Cast", "Div", "Equal", "Mul", "ReduceProd", "ReduceSum", "Reshape", "Sub"],
    )
};

/// The product of the other elements: that of all that are not 0, divided by the element, where no other one is 0.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    float_only(back)?;
    let (axes, kept) = forward_axes(back)?;
    let (x, zero, cotangent) = (back.input(0), back.scalar(0.0), back.cotangent());
    if axes.is_empty() {
        return Ok(vec![Some(cotangent), None]);
    }
    let axes = back.graph.constant("axes", Tensor::ints(axes.iter().map(|&axis| axis as i64)));
    let zeros = back.emit("Equal", &[x, zero])?;
    let zeros = back.mask(zeros)?;
    let safe = back.emit("Add", &[x, zeros])?;
    let product = back.emit("ReduceProd", &[safe, axes])?;
    let others = back.emit("Div", &[product, safe])?;
    let count = back.emit("ReduceSum", &[zeros, axes])?;
    let other_zeros = back.emit("Sub", &[count, zeros])?;
    let none = back.emit("Equal", &[other_zeros, zero])?;
    let none = back.mask(none)?;
    let slope = back.emit("Mul", &[others, none])?;
    let cotangent = reshape_to(back, cotangent, &kept)?;
    Ok(vec![Some(back.emit("Mul", &[cotangent, slope])?), None])
}

#[cfg(test)]
mod tests {
    use crate::{Attrs, DType, Graph, Interpreter, Tensor, ValueType, differentiate};

    #[test]
    fn with_zeros_the_gradient_is_the_product_of_the_others() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [3, 3]));
        let axes = graph.constant("axes", Tensor::ints([1]));
        let y = graph.add("ReduceProd", &[x, axes], Attrs::new()).unwrap();
        let ones = graph.constant("ones", Tensor::f32(&[3, 1], [1.0; 3]));
        let gradient = differentiate(&mut graph, y, ones, &[x]).unwrap();
        graph.set_outputs(gradient);
        let x = Tensor::f32(&[3, 3], [2.0, 3.0, 4.0, 0.0, 3.0, 4.0, 0.0, 0.0, 4.0]);
        let found = Interpreter.run(&graph, &[x]).unwrap()[0].to_f64();
        assert_eq!(found, [12.0, 8.0, 6.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
