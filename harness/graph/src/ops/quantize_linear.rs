//! QuantizeLinear. Spec: <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>. Opsets: 10, 13, 19, 21.

use super::quantization::{Scheme, TYPES, expect_types, scheme};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "QuantizeLinear",
    opsets: &[10, 13, 19, 21, 23, 24],
    doc: "int8, uint8, int16, uint16; per tensor and per channel; straight-through inside the representable range, \
          gradient 0 outside",
    attrs: &["axis", "block_size", "output_dtype", "saturate"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["And", "Cast", "Div", "GreaterOrEqual", "LessOrEqual", "Mul"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_float(call, 0)?;
    let quantized = quantized(call)?;
    expect_types(call, quantized)?;
    Scheme::read(call)?;
    Ok(vec![ValueType::new(quantized, call.shape(0)?)])
}

fn quantized(call: &Call<'_>) -> Result<DType, String> {
    let number = call.attrs.get_int("output_dtype", 0)?;
    let named = i32::try_from(number).ok().and_then(DType::from_onnx);
    let dtype = match named {
        _ if number == 0 => {
            if call.has(2) {
                call.ty(2)?.dtype
            } else {
                DType::U8
            }
        }
        Some(dtype) => dtype,
        None => return Err(format!("output_dtype {number} is not supported")),
    };
    if TYPES.contains(&dtype) { Ok(dtype) } else { Err(format!("{dtype} is not a supported quantized type")) }
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let scheme = Scheme::read(call)?;
    let dtype = quantized(call)?;
    let (low, high) = dtype.int_range().expect("quantized types are integers");
    let (x, scales, zeros) = (call.tensor(0)?, call.tensor(1)?.floats()?, call.ints(2)?);
    let value = |(at, &x): (usize, &f64)| {
        let channel = scheme.of(at);
        let zero = zeros.map_or(0, |zeros| zeros[channel]);
        // Rounding jumps, so the quotient must be the float32 that every runtime rounds: symmetric weights in unsigned
        // bytes have a scale of their largest over 127.5, which puts that largest on a half.
        let steps = f64::from((x / scales[channel]) as f32);
        (steps.round_ties_even() as i64).saturating_add(zero).clamp(low, high)
    };
    let y = x.floats()?.iter().enumerate().map(value).collect();
    Ok(vec![Tensor::int(dtype, x.shape(), y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants[1..].contains(&true) {
        return Err(back.refuse("its scale and zero point must be constants"));
    }
    let scheme = scheme(back);
    let (lowest, highest) = limits(back, &scheme)?;
    let scale = scheme.scale(back)?;
    let (x, cotangent) = (back.input(0), back.cotangent());
    let steps = back.emit("Div", &[x, scale])?;
    let above = back.emit("GreaterOrEqual", &[steps, lowest])?;
    let below = back.emit("LessOrEqual", &[steps, highest])?;
    let inside = back.emit("And", &[above, below])?;
    let mask = back.mask(inside)?;
    let through = back.emit("Div", &[cotangent, scale])?;
    Ok(vec![Some(back.emit("Mul", &[through, mask])?), None, None])
}

/// The smallest and largest `x / scale` that round to an integer inside the range without clipping.
fn limits(back: &mut Backward<'_>, scheme: &Scheme) -> Result<(ValueId, ValueId), Error> {
    let x = back.graph.value(back.input(0)).dtype();
    if x != DType::F32 {
        return Err(back.refuse("only float32 tensors are supported"));
    }
    let zeros = match back.node.inputs().get(2).copied().flatten() {
        None => vec![0; scheme.shape().iter().product()],
        Some(id) => {
            let data = back.graph.value(id).data().ok_or_else(|| back.refuse("its zero point must be a constant"))?;
            data.integers().map_err(|reason| back.refuse(&reason))?.to_vec()
        }
    };
    let (low, high) = back.graph.value(back.output(0)).dtype().int_range().expect("quantized types are integers");
    // Halves round to even: the half beside an odd limit leaves the range, so its neighbouring float is the last one.
    let lowest = zeros.iter().map(|zero| low - zero).map(|limit| {
        let half = limit as f32 - 0.5;
        f64::from(if limit % 2 == 0 { half } else { half.next_up() })
    });
    let highest = zeros.iter().map(|zero| high - zero).map(|limit| {
        let half = limit as f32 + 0.5;
        f64::from(if limit % 2 == 0 { half } else { half.next_down() })
    });
    let (lowest, highest) = (Tensor::f32(&scheme.shape(), lowest), Tensor::f32(&scheme.shape(), highest));
    Ok((back.graph.constant("lowest", lowest), back.graph.constant("highest", highest)))
}

fn cases() -> Vec<Case> {
    let zero = |dtype, data: &[i64]| CaseInput::Constant(Tensor::int(dtype, &[data.len()], data.to_vec()));
    let one = |dtype, value| CaseInput::Constant(Tensor::int(dtype, &[], vec![value]));
    let scale = |values: &[f64]| CaseInput::Constant(Tensor::f32(&[values.len()], values.iter().copied()));
    let scalar = |value| CaseInput::Constant(Tensor::scalar(value));
    let x = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -3.0, 3.0);
    let halves = || CaseInput::Fed(Tensor::f32(&[9], (-4..5).map(|i| f64::from(i) / 2.0)));
    let none = Attrs::new;
    let far = || CaseInput::Fed(Tensor::f32(&[4], [-1e30, 1e30, 63.75, -64.25]));
    vec![
        Case::new("int8", none(), vec![x(&[2, 9]), scalar(0.0123), one(DType::I8, -5)]),
        Case::new("uint8, halves to even", none(), vec![halves(), scalar(1.0), one(DType::U8, 128)]),
        Case::new("saturation", none(), vec![far(), scalar(0.5), one(DType::I8, 0)]),
        Case::new("no zero point", none(), vec![x(&[2, 9]), scalar(0.02)]),
        Case::new("int16", none(), vec![x(&[7]), scalar(1e-4), one(DType::I16, 7)]),
        Case::new("uint16", none(), vec![x(&[7]), scalar(1e-4), one(DType::U16, 30_000)]),
        Case::new("output type", none().int("output_dtype", 3), vec![x(&[7]), scalar(0.03)]),
        Case::new("one scale in a vector", none(), vec![x(&[2, 3]), scale(&[0.1]), zero(DType::I8, &[1])]),
        Case::new(
            "a scalar scale, a vector of one zero point",
            none(),
            vec![x(&[6]), scalar(0.1), zero(DType::I8, &[1])],
        ),
        Case::new(
            "per channel",
            none(),
            vec![x(&[2, 3, 4]), scale(&[0.02, 0.01, 0.5]), zero(DType::U8, &[128, 3, 255])],
        ),
        Case::new("per row", none().int("axis", 0), vec![x(&[2, 5]), scale(&[0.02, 0.01]), zero(DType::I8, &[0, 9])]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Interpreter, differentiate};

    /// The gradient of `Σ c · q` at `x` with a zero point of int8, in float32.
    fn gradient(x: &[f64], scale: &[f64], zero: &[i64], axis: i64) -> Vec<f64> {
        let mut graph = Graph::new("test");
        let id = graph.input("x", ValueType::new(DType::F32, [scale.len(), x.len() / scale.len()]));
        let scale = graph.constant("scale", Tensor::f32(&[scale.len()], scale.iter().copied()));
        let zero = graph.constant("zero", Tensor::int(DType::I8, &[zero.len()], zero.to_vec()));
        let attrs = Attrs::new().int("axis", axis);
        let q = graph.add("QuantizeLinear", &[id, scale, zero], attrs).unwrap();
        let shape = graph.shape(id).to_vec();
        let cotangent = Tensor::f32(&shape, (0..x.len()).map(|i| i as f64 + 1.0));
        let cotangent = graph.constant("cotangent", cotangent);
        let gradients = differentiate(&mut graph, q, cotangent, &[id]).unwrap();
        graph.set_outputs(gradients);
        Interpreter.run(&graph, &[Tensor::f32(&shape, x.iter().copied())]).unwrap()[0].to_f64()
    }

    #[test]
    fn the_gradient_is_straight_through_inside_the_range_and_zero_outside() {
        // In steps of 0.5 around the zero point 1 the range is [-129, 126]: odd below, even above.
        let steps = [-200.0, -129.5, -129.25, -129.0, 0.0, 0.3, 126.0, 126.5, 126.75, 300.0];
        let found = gradient(&steps.map(|step| step / 2.0), &[0.5], &[1], 1);
        let wanted: Vec<f64> = [0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 0.0, 0.0].iter().map(|c| c / 0.5).collect();
        assert_eq!(found, wanted);
    }

    /// Symmetric weights in unsigned bytes, as PyTorch quantizes them: the largest lies on a half in float32 and, since
    /// the scale is rounded, beside it in f64.
    #[test]
    fn quotients_are_rounded_to_float32_before_they_are_rounded_to_steps() {
        let mut beside = 0;
        for largest in (1..200).map(|i| i as f32 * 0.013) {
            let scale = largest / 127.5;
            let mut graph = Graph::new("test");
            let x = graph.constant("x", Tensor::f32(&[2], [largest, -largest].map(f64::from)));
            let step = graph.scalar(DType::F32, scale.into());
            let zero = graph.constant("zero", Tensor::int(DType::U8, &[], vec![128]));
            let q = graph.add("QuantizeLinear", &[x, step, zero], Attrs::new()).unwrap();
            let wanted = [largest, -largest].map(|x| (i64::from((x / scale).round_ties_even() as i16) + 128).min(255));
            assert_eq!(graph.value(q).data().unwrap().integers().unwrap(), wanted, "{largest}");
            beside += usize::from((f64::from(-largest) / f64::from(scale)).round_ties_even() as i64 + 128 != wanted[1]);
        }
        assert!(beside > 50, "{beside}");
    }

    #[test]
    fn every_channel_has_its_own_range_and_step() {
        // [-128, 127] with zero point 0 in the first row, [0, 255] with zero point -128 in the second.
        let found = gradient(&[-128.0, 127.49, 128.0, -1.0, 63.75, 63.9], &[1.0, 0.25], &[0, -128], 0);
        assert_eq!(found, [1.0, 2.0, 0.0, 0.0, 20.0, 0.0]);
    }

    #[test]
    fn the_mask_agrees_with_the_kernel_at_every_half() {
        for zero in [-128, -3, 0, 4, 127] {
            let halves: Vec<f64> = (-600..600).map(|i| f64::from(i) / 2.0).collect();
            let found = gradient(&halves, &[1.0], &[zero], 1);
            for (x, found) in halves.iter().zip(found) {
                let unclipped = x.round_ties_even() as i64 + zero;
                assert_eq!(found != 0.0, (-128..=127).contains(&unclipped), "{x} with zero point {zero}");
            }
        }
    }
}
