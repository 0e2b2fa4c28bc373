//! MaxPool. Spec: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>. Opsets: 1, 8, 10, 11, 12, 22.

use super::elements::scatter_sum;
use super::reshape::reshape_to;
use super::window;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};
use std::borrow::Cow;

pub(super) const OP: Op = Op {
    name: "MaxPool",
    opsets: &[7, 8, 10, 11, 12, 22],
    doc: "1-D and 2-D, ceil_mode, dilations, all pads, Indices; the gradient goes to the first largest element",
    attrs: &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "MaxPool", "Reshape", "ScatterElements"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = call.ty(0)?.dtype;
    if !dtype.is_float() && !matches!(dtype, DType::I8 | DType::U8) {
        return Err(format!("the input must be a float, int8 or uint8 tensor, found {dtype}"));
    }
    if call.attrs.get_int("storage_order", 0)? != 0 {
        return Err("storage_order 1 is not supported".to_owned());
    }
    let axes = window::pooling(call)?;
    let shape: Vec<usize> = call.shape(0)?[..2].iter().copied().chain(axes.iter().map(|axis| axis.output)).collect();
    Ok(vec![ValueType::new(dtype, shape.clone()), ValueType::new(DType::I64, shape)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let types = infer(call)?;
    let indices = winners(call, x)?;
    let y = match x.data() {
        Data::Float(x) => {
            Tensor::float(types[0].dtype, &types[0].shape, indices.iter().map(|&index| x[index as usize]).collect())
        }
        Data::Int(x) => {
            Tensor::int(types[0].dtype, &types[0].shape, indices.iter().map(|&index| x[index as usize]).collect())
        }
    };
    let indices = Tensor::int(DType::I64, &types[1].shape, indices);
    Ok([y, indices].into_iter().take(call.outputs).collect())
}

/// For each window the position in the whole tensor of its first largest element.
fn winners(call: &Call<'_>, x: &Tensor) -> Result<Vec<i64>, String> {
    let axes = window::pooling(call)?;
    let (pixels, windows, _) = window::volumes(&axes);
    let (rows, columns) = window::plane(&axes);
    let values = x.floats().map_or_else(|_| Cow::Owned(x.to_f64()), Cow::Borrowed);
    let mut winners = Vec::with_capacity(windows * (values.len() / pixels.max(1)));
    for start in (0..values.len()).step_by(pixels.max(1)) {
        for window in 0..windows {
            let mut best: Option<usize> = None;
            for row in rows.covered(window / columns.output) {
                for column in columns.covered(window % columns.output) {
                    let at = start + row * columns.input + column;
                    if best.is_none_or(|best| values[at] > values[best]) {
                        best = Some(at);
                    }
                }
            }
            winners.push(best.ok_or("a window lies in the padding alone")? as i64);
        }
    }
    Ok(winners)
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let Some(cotangent) = back.cotangents[0] else {
        return Err(back.refuse("its indices are piecewise constant"));
    };
    let indices = if back.node.outputs().len() > 1 {
        back.output(1)
    } else {
        let (x, attrs) = (back.input(0), back.node.attrs().clone());
        back.graph.add_node("", "MaxPool", &[Some(x)], attrs, 2)?[1]
    };
    back.graph.mark_mask(indices);
    let shape = back.shape(0);
    let (total, windows) = (shape.iter().product(), back.graph.value(indices).ty().len());
    let indices = reshape_to(back, indices, &[windows])?;
    let cotangent = reshape_to(back, cotangent, &[windows])?;
    let sums = scatter_sum(back, &[total], 0, indices, cotangent)?;
    Ok(vec![Some(reshape_to(back, sums, &shape)?)])
}

fn cases() -> Vec<Case> {
    let case = |name, kernel: [i64; 2], strides: [i64; 2], attrs: Attrs, shape: &[usize]| {
        let attrs = attrs.ints("kernel_shape", kernel).ints("strides", strides);
        Case::new(name, attrs, vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)])
    };
    let none = Attrs::new;
    let ties = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0].into_iter().map(|x| x - 1.0);
    let window = || none().ints("kernel_shape", [2, 2]);
    vec![
        case("2x2", [2, 2], [2, 2], none(), &[2, 3, 4, 6]),
        case("overlapping, asymmetric pads", [3, 3], [2, 2], none().ints("pads", [1, 0, 2, 1]), &[2, 3, 6, 7]),
        case("ceil mode", [3, 2], [2, 2], none().int("ceil_mode", 1), &[1, 2, 6, 5]),
        case("dilated", [2, 3], [1, 2], none().ints("dilations", [2, 1]), &[1, 2, 5, 6]),
        case("same upper", [3, 3], [2, 2], none().text("auto_pad", "SAME_UPPER"), &[1, 2, 6, 5]),
        case("same lower", [2, 2], [1, 1], none().text("auto_pad", "SAME_LOWER"), &[1, 2, 4, 3]),
        case("valid", [2, 2], [1, 2], none().text("auto_pad", "VALID"), &[1, 2, 4, 5]),
        case("all negative with pads", [2, 2], [2, 2], none().ints("pads", [1, 1, 1, 1]), &[1, 1, 4, 4]),
        Case { outputs: 2, ..case("indices", [2, 2], [1, 1], none(), &[2, 2, 3, 3]) },
        Case { outputs: 2, ..Case::new("ties", window(), vec![CaseInput::Fed(Tensor::f32(&[1, 1, 3, 4], ties))]) },
        Case::new(
            "1-D",
            none().ints("kernel_shape", [3]).ints("strides", [2]).ints("pads", [1, 0]),
            vec![CaseInput::Random(vec![2, 3, 7], -1.0, 1.0)],
        ),
        Case::new(
            "float16",
            window(),
            vec![CaseInput::Fed(Tensor::float(DType::F16, &[1, 1, 2, 3], vec![0.5, -1.0, 2.0, 0.25, -0.5, 1.0]))],
        ),
        Case::new(
            "int8",
            window(),
            vec![CaseInput::Fed(Tensor::int(DType::I8, &[1, 1, 3, 3], vec![-3, 5, 127, -128, 5, 0, 1, 2, 9]))],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Interpreter, differentiate};

    /// The gradient of the weighted sum of a pooling with weights 1, 2, 3, ….
    fn gradient(shape: &[usize], attrs: Attrs, x: &[f64]) -> Vec<f64> {
        let mut graph = Graph::new("test");
        let id = graph.input("x", ValueType::new(DType::F32, shape));
        let y = graph.add("MaxPool", &[id], attrs).unwrap();
        let ty = graph.value(y).ty().clone();
        let cotangent = graph.constant("cotangent", Tensor::f32(&ty.shape, (1..=ty.len()).map(|i| i as f64)));
        let gradients = differentiate(&mut graph, y, cotangent, &[id]).unwrap();
        graph.set_outputs(gradients);
        Interpreter.run(&graph, &[Tensor::f32(shape, x.iter().copied())]).unwrap()[0].to_f64()
    }

    #[test]
    fn the_first_of_tied_elements_takes_the_gradient_of_every_window() {
        let attrs = || Attrs::new().ints("kernel_shape", [2, 2]);
        assert_eq!(gradient(&[1, 1, 3, 3], attrs(), &[0.0; 9]), [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
        let centre = [0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(gradient(&[1, 1, 3, 3], attrs(), &centre), [0.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 0.0]);
        let padded = attrs().ints("pads", [1, 1, 0, 0]).ints("strides", [2, 2]);
        assert_eq!(gradient(&[1, 1, 2, 2], padded, &[-1.0; 4]), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rows_do_not_see_their_neighbours() {
        let attrs = || Attrs::new().ints("kernel_shape", [2, 2]).ints("strides", [1, 2]);
        let first = [1.0, 2.0, 2.0, 0.0, 3.0, 3.0, -1.0, 4.0, 3.0, 0.0, 4.0, 4.0];
        let alone = gradient(&[1, 1, 3, 4], attrs(), &first);
        for other in [[9.0; 12], [-9.0; 12]] {
            let both = gradient(&[2, 1, 3, 4], attrs(), &[first, other].concat());
            assert_eq!(both[..12], alone);
        }
    }

    #[test]
    fn indices_have_no_gradient() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 1, 2, 2]));
        let attrs = Attrs::new().ints("kernel_shape", [2, 2]);
        let indices = graph.add_node("pool", "MaxPool", &[Some(x)], attrs, 2).unwrap()[1];
        let one = graph.constant("one", Tensor::f32(&[1, 1, 1, 1], [1.0]));
        assert!(matches!(differentiate(&mut graph, indices, one, &[x]), Err(Error::NoGradient { .. })));
    }
}
