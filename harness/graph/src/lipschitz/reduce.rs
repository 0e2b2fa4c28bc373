//! Rules of operators that make one number, or new ones, of a group of elements.

use super::change::{Norms, times, up};
use super::rules::{Effect, Site};

type Effects = Result<Vec<Effect>, String>;

/// Elements of a group, where every output stands for one.
fn group(site: &Site<'_>) -> Result<f64, String> {
    site.only_first()?;
    Ok(site.call.ty(0)?.len() as f64 / site.elements(0).max(1) as f64)
}

/// The sum of a group, or of its absolute values.
pub(super) fn sum(site: &Site<'_>) -> Effects {
    let size = up(group(site)?);
    Ok(vec![Effect::first(Norms::new(1.0, up(size.sqrt()), size))])
}

/// The mean of a group.
pub(super) fn mean(site: &Site<'_>) -> Effects {
    let share = up(1.0 / group(site)?);
    Ok(vec![Effect::first(Norms::new(share, up(share.sqrt()), 1.0))])
}

/// The largest or smallest of a group, or a smooth form of it, whose slopes sum to 1.
pub(super) fn largest(site: &Site<'_>) -> Effects {
    group(site)?;
    Ok(vec![Effect::first(Norms::same(1.0))])
}

/// The length of a group.
pub(super) fn euclidean(site: &Site<'_>) -> Effects {
    let root = up(group(site)?.sqrt());
    Ok(vec![Effect::first(Norms::new(1.0, 1.0, root))])
}

/// Running sums along an axis.
pub(super) fn cumulative(site: &Site<'_>) -> Effects {
    site.only_first()?;
    let longest = site.call.shape(0)?.iter().copied().max().unwrap_or(1) as f64;
    Ok(vec![Effect::first(Norms::same(longest))])
}

/// `x - log_sum_exp x`: the Jacobian is `I - 1 pᵀ`, a projection, whose norm is that of `1 pᵀ`.
pub(super) fn log_softmax(site: &Site<'_>) -> Effects {
    let shape = site.call.shape(0)?;
    let axis = site.call.attrs.get_int("axis", -1)?;
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let classes =
        usize::try_from(axis).ok().and_then(|axis| shape.get(axis)).copied().ok_or("the axis is out of range")? as f64;
    Ok(vec![Effect::first(Norms::new((classes - 1.0).max(1.0), up(classes.sqrt()), 2.0))])
}

/// Normalises all but the two leading axes.
pub(super) fn instance_normalization(site: &Site<'_>) -> Effects {
    let pixels: usize = site.call.shape(0)?.iter().skip(2).product();
    normalization(site, pixels).map(|norms| vec![Effect::first(norms)])
}

/// Normalises the trailing axes, which the scale has. Its statistics have no rule.
pub(super) fn layer_normalization(site: &Site<'_>) -> Effects {
    let norms = normalization(site, site.call.ty(1)?.len())?;
    let unknown = (1..site.call.outputs).map(|_| Effect::first(Norms::unknown()));
    Ok(std::iter::once(Effect::first(norms)).chain(unknown).collect())
}

/// `scale z / sqrt(|z|² / n + epsilon)` of a centred group `z`: its Jacobian is steepest at 0, where it is a multiple of the
/// identity.
fn normalization(site: &Site<'_>, size: usize) -> Result<Norms, String> {
    site.only_first()?;
    let largest = site.constant(1)?.iter().fold(0.0, |largest: f64, scale| largest.max(scale.abs()));
    let epsilon = f64::from(site.call.attrs.get_float("epsilon", 1e-5)?);
    if epsilon.is_nan() || epsilon <= 0.0 {
        return Err("epsilon is not positive: no Lipschitz constant".to_owned());
    }
    let l2 = up(largest / epsilon.sqrt());
    let wide = times(l2, up((size as f64).sqrt()));
    Ok(Norms::new(wide, l2, wide))
}
