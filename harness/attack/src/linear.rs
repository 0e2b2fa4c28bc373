use crate::Ball;

/// The least value of `w·x + b` over the box of `ball`: the exact worst case of a linear model against one rival.
///
/// With `w` and `b` the label's row less the rival's, the model withstands every L-inf perturbation exactly when this
/// is positive for every rival. Exact up to the rounding of one f64 sum of `D` terms.
pub fn linear_worst_margin(w: &[f64], b: f64, ball: &Ball) -> f64 {
    w.iter()
        .zip(ball.lower.iter().zip(&ball.upper))
        .fold(b, |sum, (w, (lower, upper))| sum + w * f64::from(if *w > 0.0 { *lower } else { *upper }))
}
