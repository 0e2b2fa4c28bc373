//! Rules of operators that move, choose, add and scale elements.

use super::change::{Norms, up};
use super::rules::{Effect, Site};
use crate::Tensor;

type Effects = Result<Vec<Effect>, String>;

/// A sum of inputs, each stretched to the output's shape.
pub(super) fn sum(site: &Site<'_>) -> Effects {
    Ok(vec![Effect::Sum(stretched(site, &site.varying())?)])
}

/// The mean of the inputs.
pub(super) fn mean(site: &Site<'_>) -> Effects {
    let share = up(1.0 / site.call.inputs.len() as f64);
    let parts = stretched(site, &site.varying())?.into_iter().map(|(input, norms)| (input, norms.scaled(share)));
    Ok(vec![Effect::Sum(parts.collect())])
}

/// Every element is one of an input, or moves no further than those that it is the largest or smallest of.
pub(super) fn join(site: &Site<'_>) -> Effects {
    let concat = site.node.op().name == "Concat";
    let parts = site.varying();
    let parts = if concat {
        parts.into_iter().map(|input| (input, Norms::same(1.0))).collect()
    } else {
        stretched(site, &parts)?
    };
    Ok(vec![Effect::Join(parts)])
}

/// Each element by a constant condition.
pub(super) fn choice(site: &Site<'_>) -> Effects {
    if site.varies(0) {
        return Err(
            "the condition depends on the graph's input, so that it has steps: no Lipschitz constant".to_owned()
        );
    }
    join(site)
}

fn stretched(site: &Site<'_>, inputs: &[usize]) -> Result<Vec<(usize, Norms)>, String> {
    inputs.iter().map(|&input| Ok((input, Norms::copies(site.stretch(input)?)))).collect()
}

/// The input times a constant of these elements, stretched to the output's shape.
pub(super) fn scaled(site: &Site<'_>, input: usize, factors: impl Iterator<Item = f64>) -> Effects {
    let largest = factors.fold(0.0, |largest: f64, factor| largest.max(factor.abs()));
    if !largest.is_finite() {
        return Err("a factor is not finite".to_owned());
    }
    Ok(vec![Effect::Sum(vec![(input, Norms::copies(site.stretch(input)?).scaled(up(largest)))])])
}

/// Divides by a constant.
pub(super) fn quotient(site: &Site<'_>) -> Effects {
    if site.varies(1) {
        return Err("the divisor depends on the graph's input: no Lipschitz constant".to_owned());
    }
    let divisors = site.constant(1)?;
    if divisors.contains(&0.0) {
        return Err("divides by 0".to_owned());
    }
    scaled(site, 0, divisors.iter().map(|divisor| 1.0 / divisor))
}

/// Scales each channel.
pub(super) fn batch_normalization(site: &Site<'_>) -> Effects {
    site.only_first()?;
    let (scales, variances) = (site.constant(1)?, site.constant(4)?);
    let epsilon = f64::from(site.call.attrs.get_float("epsilon", 1e-5)?);
    if !variances.iter().all(|variance| variance + epsilon > 0.0) {
        return Err("a variance is not positive".to_owned());
    }
    scaled(site, 0, scales.iter().zip(variances).map(|(scale, variance)| scale / (variance + epsilon).sqrt()))
}

/// Slopes of 1 and of the constant.
pub(super) fn prelu(site: &Site<'_>) -> Effects {
    site.only_first()?;
    scaled(site, 0, site.constant(1)?.iter().copied().chain([1.0]))
}

pub(super) fn clip(site: &Site<'_>) -> Effects {
    site.only_first()?;
    Ok(vec![Effect::first(Norms::same(1.0))])
}

/// In inference the identity, with a constant mask.
pub(super) fn dropout(_: &Site<'_>) -> Effects {
    Ok(vec![Effect::first(Norms::same(1.0)), Effect::none()])
}

/// Between floats the identity: rounding is not in the bound.
pub(super) fn cast(site: &Site<'_>) -> Effects {
    let output = site.graph.value(site.node.outputs()[0]).dtype();
    if site.call.ty(0)?.dtype.is_float() && output.is_float() {
        return Ok(vec![Effect::first(Norms::same(1.0))]);
    }
    Err("casts between floats and integers, which has steps: no Lipschitz constant".to_owned())
}

/// Sorted values move no further than those that are sorted, in any of the norms; their places have steps.
pub(super) fn top_k(_: &Site<'_>) -> Effects {
    Ok(vec![Effect::first(Norms::same(1.0)), Effect::first(Norms::unknown())])
}

/// The nearest pixel.
pub(super) fn resize(site: &Site<'_>) -> Effects {
    match site.call.attrs.get_text("mode", "nearest")? {
        "nearest" => copies(site),
        mode => Err(format!("mode {mode}: no rule bounds it")),
    }
}

/// Every element of an output is one of the first input or a constant: counts how often each comes.
///
/// The kernel itself says where elements come from, on an input whose elements are their own places.
pub(super) fn copies(site: &Site<'_>) -> Effects {
    /// Far above what constants of the node are; places are exact beside it.
    const FIRST: f64 = (1_u64 << 40) as f64;
    site.only_first()?;
    let x = site.call.ty(0)?;
    if !x.dtype.is_float() {
        return Err(format!("moves {}, which has steps: no Lipschitz constant", x.dtype));
    }
    let places = Tensor::float(x.dtype, &x.shape, (0..x.len()).map(|place| FIRST + place as f64).collect());
    let inputs: Vec<Option<&Tensor>> =
        site.call.inputs.iter().enumerate().map(|(i, arg)| if i == 0 { Some(&places) } else { (*arg)?.data }).collect();
    let outputs = site.node.evaluate(&inputs).map_err(|error| error.to_string())?;
    let effect = |output: &Tensor| {
        let mut counts = vec![0_u32; x.len()];
        for place in output.floats()?.iter().map(|value| value - FIRST).filter(|place| *place >= 0.0) {
            if let Some(count) = counts.get_mut(place as usize) {
                *count += 1;
            }
        }
        Ok(Effect::first(Norms::copies(counts.into_iter().max().unwrap_or(0).into())))
    };
    outputs.iter().map(effect).collect()
}
