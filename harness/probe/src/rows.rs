//! Gradients at given points: what the probes that do not search have in common.

use crate::Error;
use attack::{Loss, Oracle};
use ndarray::{Array2, ArrayView2, s};

/// What one point gives: its logits, and the gradient of each combination of them that was asked for.
pub(crate) struct Answer<'a> {
    /// The point, by its index.
    pub(crate) point: usize,
    /// `[K]`.
    pub(crate) logits: &'a [f32],
    /// `[D]` each.
    pub(crate) gradients: &'a [Vec<f32>],
}

impl Answer<'_> {
    pub(crate) fn has_finite_logits(&self) -> bool {
        self.logits.iter().all(|z| z.is_finite())
    }

    pub(crate) fn has_finite_gradients(&self) -> bool {
        self.gradients.iter().flatten().all(|g| g.is_finite())
    }

    /// How many of the gradients are zero in every element.
    pub(crate) fn zero_gradients(&self) -> u32 {
        self.gradients.iter().filter(|gradient| gradient.iter().all(|g| *g == 0.0)).count() as u32
    }
}

/// How many numbers of gradients are kept at once, but for those of one point.
const MOST_KEPT: usize = 1 << 24;

/// For every point of `x` `[N, D]` the gradients of `count` combinations of its logits, a micro-batch at a time.
///
/// `weights` gives those of a combination at a point, `[K]`: `sum_k w_k z_k`.
pub(crate) fn gradients(
    oracle: &mut dyn Oracle,
    x: ArrayView2<'_, f32>,
    count: usize,
    weights: &dyn Fn(usize, usize) -> Vec<f32>,
    each: &mut dyn FnMut(Answer<'_>),
) -> Result<(), Error> {
    let classes = oracle.classes();
    // A point's gradients are kept until all are there.
    let fits = MOST_KEPT / (count * x.ncols()).max(1);
    let size = oracle.micro_batch().min(fits).max(1);
    for first in (0..x.nrows()).step_by(size) {
        let points = first..x.nrows().min(first + size);
        let batch = x.slice(s![points.clone(), ..]);
        let mut found: Vec<Vec<Vec<f32>>> = vec![Vec::with_capacity(count); points.len()];
        let mut logits = Array2::zeros((points.len(), classes));
        for which in 0..count {
            let rows: Vec<f32> = points.clone().flat_map(|point| weights(point, which)).collect();
            let loss = Loss::linear(Array2::from_shape_vec((points.len(), classes), rows).expect("K weights a point"));
            let answer = oracle.gradient(batch, &loss)?;
            logits.assign(&answer.logits);
            for (found, gradient) in found.iter_mut().zip(answer.gradient.rows()) {
                found.push(gradient.to_vec());
            }
        }
        for ((point, logits), gradients) in points.zip(logits.rows()).zip(&found) {
            each(Answer { point, logits: &logits.to_vec(), gradients });
        }
    }
    Ok(())
}

/// The weights of one class less another's, where there is one.
pub(crate) fn difference(classes: usize, plus: usize, minus: Option<usize>) -> Vec<f32> {
    let mut weights = vec![0.0; classes];
    weights[plus] = 1.0;
    if let Some(minus) = minus {
        weights[minus] = -1.0;
    }
    weights
}
