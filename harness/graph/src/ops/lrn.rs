//! LRN. Spec: <https://onnx.ai/onnx/operators/onnx__LRN.html>. Opsets: 1, 13.

use super::binary::expect_inputs;
use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, same_as_input, unchanged};
use crate::{Attrs, Error, Tensor, ValueId};

pub(super) const OP: Op = Op {
    name: "LRN",
    opsets: &[7, 13],
    doc: "images and odd sizes, as ONNX Runtime has it",
    attrs: &["alpha", "beta", "bias", "size"],
    infer: |call| {
        Window::read(call)?;
        same_as_input(call)
    },
    eval,
    vjp: Vjp::Rule(vjp, &["Add", "AveragePool", "Div", "Mul", "Pow", "Reshape", "Sub"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// `y = x (bias + share · Σ x²)^-beta`, the sum over the channels at most `reach` away.
struct Window {
    share: f64,
    beta: f64,
    bias: f64,
    reach: usize,
}

impl Window {
    fn read(call: &Call<'_>) -> Result<Self, String> {
        expect_inputs(call, 1)?;
        expect_float(call, 0)?;
        let &[_, channels, height, width] = call.shape(0)? else {
            return Err(format!("the input must be [N, C, H, W], found {:?}", call.shape(0)?));
        };
        if channels * height * width == 0 {
            return Err("there is nothing to normalise".to_owned());
        }
        let size = call.attrs.get_int("size", 0)?;
        if size < 1 || size % 2 == 0 {
            return Err(format!("attribute `size` must be odd and positive, found {size}"));
        }
        let number = |name, default| call.attrs.get_float(name, default).map(f64::from);
        let (alpha, beta, bias) = (number("alpha", 1e-4)?, number("beta", 0.75)?, number("bias", 1.0)?);
        let reach = usize::try_from(size / 2).unwrap_or(usize::MAX).min(channels - 1);
        Ok(Self { share: alpha / size as f64, beta, bias, reach })
    }
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (window, x) = (Window::read(call)?, call.tensor(0)?);
    let channels = x.shape()[1];
    let pixels: usize = x.shape()[2..].iter().product();
    let mut y = x.floats()?.to_vec();
    for (y, x) in y.chunks_mut(channels * pixels).zip(x.floats()?.chunks(channels * pixels)) {
        for (at, y) in y.iter_mut().enumerate() {
            let (channel, pixel) = (at / pixels, at % pixels);
            let near = channel.saturating_sub(window.reach)..(channel + window.reach + 1).min(channels);
            let sum: f64 = near.map(|channel| x[channel * pixels + pixel].powi(2)).sum();
            *y *= (window.bias + window.share * sum).powf(-window.beta);
        }
    }
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

/// `c s^-beta - 2 share beta x Σ c x s^(-beta - 1)`, the sum over the same channels, since the window is symmetric.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let window = back.ask(Window::read)?;
    let shape = back.shape(0);
    let columns = [shape[0], 1, shape[1], shape[2] * shape[3]];
    let x = reshape_to(back, back.input(0), &columns)?;
    let cotangent = reshape_to(back, back.cotangent(), &columns)?;
    let taps = (2 * window.reach + 1) as f64;
    let (share, bias) = (back.scalar(window.share * taps), back.scalar(window.bias));
    let (power, factor) = (back.scalar(-window.beta), back.scalar(2.0 * window.beta * window.share * taps));
    let square = back.emit("Mul", &[x, x])?;
    let mean = channel_mean(back, square, window.reach)?;
    let scaled = back.emit("Mul", &[mean, share])?;
    let base = back.emit("Add", &[scaled, bias])?;
    let damping = back.emit("Pow", &[base, power])?;
    let direct = back.emit("Mul", &[cotangent, damping])?;
    let product = back.emit("Mul", &[direct, x])?;
    let product = back.emit("Div", &[product, base])?;
    let mean = channel_mean(back, product, window.reach)?;
    let others = back.emit("Mul", &[x, mean])?;
    let others = back.emit("Mul", &[others, factor])?;
    let gradient = back.emit("Sub", &[direct, others])?;
    Ok(vec![Some(reshape_to(back, gradient, &shape)?)])
}

/// The mean over the channels at most `reach` away, those that are not there counted as 0.
///
/// Shapes: `[N, 1, C, pixels]`.
fn channel_mean(back: &mut Backward<'_>, x: ValueId, reach: usize) -> Result<ValueId, Error> {
    let reach = reach as i64;
    let attrs = Attrs::new()
        .int("count_include_pad", 1)
        .ints("kernel_shape", [2 * reach + 1, 1])
        .ints("pads", [reach, 0, reach, 0]);
    back.graph.add("AveragePool", &[x], attrs)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs: Attrs, size, shape: &[usize]| {
        Case::new(name, attrs.int("size", size), vec![CaseInput::Random(shape.to_vec(), -2.0, 2.0)])
    };
    let steep = || Attrs::new().float("alpha", 0.5).float("beta", 0.6).float("bias", 2.0);
    vec![
        case("by default", Attrs::new(), 5, &[2, 6, 2, 3]),
        case("three channels", steep(), 3, &[2, 5, 2, 2]),
        case("more than the channels", steep(), 11, &[1, 4, 2, 2]),
        case("one channel", steep(), 1, &[2, 3, 1, 2]),
    ]
}
