use crate::l1::{by_falling, spent};
use crate::{Ball, Norm};

/// The least value of `w·x + b` over the box of `ball`, or over an L1 ball itself: the exact worst case of a linear model
/// against one rival.
///
/// With `w` and `b` the label's row less the rival's, the model withstands every L-inf or L1 perturbation exactly when this
/// is positive for every rival. L1: elements go to their bounds by falling weight while epsilon lasts, on a grid in whole
/// steps. Exact up to the rounding of one f64 sum of `D` terms.
pub fn linear_worst_margin(w: &[f64], b: f64, ball: &Ball) -> f64 {
    if ball.norm() == Norm::L1 {
        return lean(w, b, ball);
    }
    w.iter()
        .zip(ball.lower.iter().zip(&ball.upper))
        .fold(b, |sum, (w, (lower, upper))| sum + w * f64::from(if *w > 0.0 { *lower } else { *upper }))
}

fn lean(w: &[f64], b: f64, ball: &Ball) -> f64 {
    let center = |index: usize| f64::from(ball.center()[index]);
    let bound = |index: usize| f64::from(if w[index] > 0.0 { ball.lower[index] } else { ball.upper[index] });
    let steps = |value: f64| ball.grid().map_or(value, |grid| grid.nearest(value as f32));
    let mut x: Vec<f64> = (0..w.len()).map(center).collect();
    let order = by_falling(w.iter().map(|w| w.abs()));
    for (index, part) in spent(&order, ball.most(), |index| (steps(bound(index)) - steps(center(index))).abs()) {
        x[index] = match ball.grid() {
            Some(grid) => f64::from(grid.value((steps(center(index)) - w[index].signum() * part) as i64)),
            None => center(index) - w[index].signum() * part,
        };
    }
    w.iter().zip(x).fold(b, |sum, (w, x)| sum + w * x)
}
