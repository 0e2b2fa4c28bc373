//! Windows that average or take the largest. They are products of one-dimensional maps along the axes, and so are their norms.

use super::change::{Norms, times, up};
use super::rules::{Effect, Site};
use crate::ops::window::{self, Axis};

type Effects = Result<Vec<Effect>, String>;

/// Along an axis no more elements are looked at, taps times windows; beyond it a coarser bound has to do.
const LARGEST: usize = 1 << 24;

/// MaxPool: the largest moves no further than the elements of its window; windows may share an element. Its indices have steps.
pub(super) fn max(site: &Site<'_>) -> Effects {
    let shared = window::pooling(&site.call)?.iter().map(|axis| column(axis, |_| 1.0)).fold(1.0, times);
    let values = Effect::first(Norms::copies(up(shared)));
    Ok([values, Effect::first(Norms::unknown())].into_iter().take(site.call.outputs).collect())
}

/// AveragePool.
pub(super) fn average(site: &Site<'_>) -> Effects {
    let padded = site.call.attrs.get_int("count_include_pad", 0)? != 0;
    let mut norms = Norms::same(1.0);
    for axis in window::pooling(&site.call)? {
        let share = |window: usize| 1.0 / axis.counted(window, padded).max(1) as f64;
        let l1 = up(column(&axis, share));
        // Padding that counts only makes the sum of a row smaller.
        norms.l1 = times(norms.l1, l1);
        // Schur: no more than the root of the product of the largest sums.
        norms.l2 = times(norms.l2, up(l1.sqrt()));
    }
    Ok(vec![Effect::first(norms)])
}

/// The largest sum over the windows that see an element.
fn column(axis: &Axis, share: impl Fn(usize) -> f64) -> f64 {
    if axis.kernel.saturating_mul(axis.output) > LARGEST {
        // An element is under each tap once at most.
        return axis.kernel.min(axis.output) as f64;
    }
    let mut sums = vec![0.0; axis.input];
    for window in 0..axis.output {
        axis.covered(window).for_each(|at| sums[at] += share(window));
    }
    let largest = sums.into_iter().fold(0.0, f64::max);
    largest * (1.0 + axis.kernel as f64 * f64::EPSILON)
}
