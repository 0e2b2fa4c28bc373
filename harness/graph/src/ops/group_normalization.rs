//! GroupNormalization, which is a function to ONNX Runtime 1.31: reading turns it into LayerNormalization. Spec:
//! <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>. Opsets: 18 (scale and bias per group), 21 (per
//! channel).

use super::axes::dimension;
use super::{Call, Case, CaseInput, Rewrite, Upgrade};
use crate::{Attrs, Tensor, ValueId};

pub(super) const REWRITE: Rewrite = Rewrite {
    name: "GroupNormalization",
    opsets: &[18, 21],
    doc: "scale and bias per channel, or before opset 21 per group; read as LayerNormalization of every group",
    attrs: &["epsilon", "num_groups", "stash_type"],
    upgrade,
    eval,
    cases,
};

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    let attrs = up.take(3, REWRITE.attrs)?;
    let (x, opset) = (up.input(0)?, up.opset);
    let ty = up.graph.value(x).ty().clone();
    let groups = groups(&attrs, &ty.shape)?;
    if !ty.dtype.is_float() || attrs.get_int("stash_type", 1)? != 1 {
        return Err(format!("wants a float tensor and stash_type 1, found {}", ty.dtype));
    }
    let size = ty.shape[1..].iter().product::<usize>() / groups;
    let ones = up.graph.constant("ones", Tensor::float(ty.dtype, &[size], vec![1.0; size]));
    let grouped = reshape(up, x, &[0, groups, size])?;
    let attrs = Attrs::new().int("axis", 2).float("epsilon", attrs.get_float("epsilon", 1e-5)?);
    let normal = up.node("LayerNormalization", &[grouped, ones], attrs)?;
    let whole: Vec<usize> = [0].into_iter().chain(ty.shape[1..].iter().copied()).collect();
    let normal = reshape(up, normal, &whole)?;
    let (scale, bias) = (up.input(1)?, up.input(2)?);
    let scale = per_channel(up, scale, &ty.shape, groups, opset)?;
    let bias = per_channel(up, bias, &ty.shape, groups, opset)?;
    let scaled = up.node("Mul", &[normal, scale], Attrs::new())?;
    up.become_node("Add", &[scaled, bias]);
    Ok(())
}

/// The number of groups, into which the channels of `[N, C, …]` must fall.
fn groups(attrs: &Attrs, shape: &[usize]) -> Result<usize, String> {
    let groups = dimension(attrs.get_int("num_groups", 0)?)?;
    match shape {
        // 0 in a Reshape copies a dimension.
        [_, rest @ ..] if rest.is_empty() || rest.contains(&0) => Err(format!("has no elements in {shape:?}")),
        [_, channels, ..] if groups > 0 && channels % groups == 0 => Ok(groups),
        _ => Err(format!("{shape:?} can't be split into {groups} groups of channels")),
    }
}

/// Reshapes, where a leading 0 keeps the batch.
fn reshape(up: &mut Upgrade<'_>, x: ValueId, shape: &[usize]) -> Result<ValueId, String> {
    let shape = up.graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    up.node("Reshape", &[x, shape], Attrs::new())
}

/// A scale or bias as `[C, 1, …]`; of one number per group every channel of the group gets it.
fn per_channel(
    up: &mut Upgrade<'_>,
    x: ValueId,
    shape: &[usize],
    groups: usize,
    opset: i64,
) -> Result<ValueId, String> {
    let wanted = if opset < 21 { groups } else { shape[1] };
    if up.graph.shape(x) != [wanted] {
        return Err(format!("scale and bias must have shape [{wanted}], found {:?}", up.graph.shape(x)));
    }
    let column = reshape(up, x, &[wanted, 1])?;
    let repeats = up.graph.constant("repeats", Tensor::ints([wanted as i64, (shape[1] / wanted) as i64]));
    let repeated = up.node("Expand", &[column, repeats], Attrs::new())?;
    let mut aligned = vec![1; shape.len() - 1];
    aligned[0] = shape[1];
    reshape(up, repeated, &aligned)
}

/// The newest form.
fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?.floats()?, call.tensor(2)?.floats()?);
    let groups = groups(call.attrs, x.shape())?;
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let size = x.shape()[1..].iter().product::<usize>() / groups;
    let mut y = x.floats()?.to_vec();
    for group in y.chunks_mut(size) {
        let mean = group.iter().sum::<f64>() / size as f64;
        let variance = group.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / size as f64;
        group.iter_mut().for_each(|x| *x = (*x - mean) / (variance + epsilon).sqrt());
    }
    let channels = x.shape()[1];
    let pixels = x.shape()[2..].iter().product();
    for (at, y) in y.chunks_mut(pixels).enumerate() {
        y.iter_mut().for_each(|y| *y = *y * scale[at % channels] + bias[at % channels]);
    }
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Random, RandomConstant};
    let case = |name, groups, shape: &[usize]| {
        let constant = |low, high| RandomConstant(vec![shape[1]], low, high);
        let inputs = vec![Random(shape.to_vec(), -2.0, 2.0), constant(0.5, 2.0), constant(-1.0, 1.0)];
        Case::new(name, Attrs::new().int("num_groups", groups).float("epsilon", 1e-3), inputs)
    };
    vec![
        case("two groups", 2, &[2, 4, 3, 2]),
        case("one group", 1, &[2, 3, 2, 2]),
        case("a group for each channel", 3, &[2, 3, 5]),
        case("features", 2, &[2, 6]),
    ]
}
