//! How an ascent moves: the random points where it begins, and its steps.

use crate::l1::{by_falling, spent};
use crate::seeds::{bell, sign, symmetric, unit};
use crate::{Ball, Norm, Start};
use rand_chacha::ChaCha8Rng;

/// How far one step goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// To the surface of the ball.
    Whole,
    /// This far in the norm.
    Size(f64),
}

/// One step up the gradient, then to the ball. `sign(0) = 0`. Under L-inf NaN stands still and an infinite element counts by
/// its sign; under L2 a row whose norm is not finite stands still.
///
/// Under L1 the length goes to the elements by falling magnitude of the gradient, each up to its bound, which ascends most;
/// those with a gradient of NaN or zero stand still.
pub(crate) fn step(x: &mut [f32], ball: &Ball, gradient: &[f32], step: Step, epsilon: f64) {
    match (ball.norm(), step) {
        (Norm::Linf, Step::Whole) => {
            for (index, (x, g)) in x.iter_mut().zip(gradient).enumerate() {
                if *g > 0.0 {
                    *x = ball.upper[index];
                } else if *g < 0.0 {
                    *x = ball.lower[index];
                }
            }
        }
        (Norm::Linf, Step::Size(size)) => {
            for (x, g) in x.iter_mut().zip(gradient) {
                let sign = f64::from((*g > 0.0) as u8 as f32 - (*g < 0.0) as u8 as f32);
                *x = (f64::from(*x) + size * sign) as f32;
            }
        }
        (Norm::L2, step) => {
            let norm = gradient.iter().fold(0.0, |sum, g| sum + f64::from(*g) * f64::from(*g)).sqrt();
            if norm > 0.0 && norm.is_finite() {
                let size = match step {
                    Step::Whole => epsilon,
                    Step::Size(size) => size,
                };
                for (x, g) in x.iter_mut().zip(gradient) {
                    *x = (f64::from(*x) + size / norm * f64::from(*g)) as f32;
                }
            }
        }
        (Norm::L1, step) => {
            let length = match step {
                Step::Whole => epsilon,
                Step::Size(size) => size,
            };
            climb(x, ball, gradient, length);
        }
    }
    ball.clip(x);
}

/// Moves the elements with the largest gradients to their bounds, one after the other, while the length lasts.
fn climb(x: &mut [f32], ball: &Ball, gradient: &[f32], length: f64) {
    let order = by_falling(gradient.iter().map(|g| f64::from(g.abs())));
    let bound = |index: usize| if gradient[index] > 0.0 { ball.upper[index] } else { ball.lower[index] };
    let room = |index: usize| (f64::from(bound(index)) - f64::from(x[index])).abs();
    for (index, part) in spent(&order, length, room).collect::<Vec<_>>() {
        x[index] = (f64::from(x[index]) + f64::from(gradient[index].signum()) * part) as f32;
    }
}

/// A random point of the ball around the sample that `x` holds.
///
/// L2: a direction from nearly normal draws, and as radius the largest of `D` uniform draws, which is distributed as
/// the `D`-th root that a uniform ball needs. No call of libm. L1: the gaps of `D` sorted uniform draws, the first one's from
/// 0, which are uniform where their sum is at most 1, with random signs.
pub(crate) fn scatter(x: &mut [f32], ball: &Ball, start: Start, epsilon: f64, rng: &mut ChaCha8Rng) {
    match (ball.norm(), start) {
        (_, Start::None) => {}
        (Norm::Linf, Start::Random) => {
            for (x, (lower, upper)) in x.iter_mut().zip(ball.lower.iter().zip(&ball.upper)) {
                let (lower, upper) = (f64::from(*lower), f64::from(*upper));
                *x = (lower + (upper - lower) * unit(rng)) as f32;
            }
        }
        (Norm::Linf, Start::RandomClipped) => {
            for x in x.iter_mut() {
                *x = (f64::from(*x) + epsilon * symmetric(rng)) as f32;
            }
        }
        (Norm::L2, _) => {
            let direction: Vec<f64> = x.iter().map(|_| bell(rng)).collect();
            let radius = x.iter().map(|_| unit(rng)).fold(0.0, f64::max) * epsilon;
            let norm = direction.iter().fold(0.0, |sum, d| sum + d * d).sqrt();
            if norm > 0.0 {
                for (x, d) in x.iter_mut().zip(direction) {
                    *x = (f64::from(*x) + radius / norm * d) as f32;
                }
            }
        }
        (Norm::L1, _) => {
            let mut draws: Vec<f64> = x.iter().map(|_| unit(rng)).collect();
            draws.sort_unstable_by(f64::total_cmp);
            let mut before = 0.0;
            for (x, draw) in x.iter_mut().zip(draws) {
                *x = (f64::from(*x) + epsilon * sign(rng) * (draw - before)) as f32;
                before = draw;
            }
        }
    }
    ball.clip(x);
}

/// A random point of the sphere around the sample that `x` holds, then clipped to the ball: uniform draws scaled so that
/// the largest is epsilon (L-inf), or nearly normal ones of that length (L1, L2).
pub(crate) fn to_sphere(x: &mut [f32], ball: &Ball, epsilon: f64, rng: &mut ChaCha8Rng) {
    let (direction, size): (Vec<f64>, f64) = match ball.norm() {
        Norm::Linf => {
            let direction: Vec<f64> = x.iter().map(|_| symmetric(rng)).collect();
            let size = direction.iter().fold(0.0, |most: f64, d| most.max(d.abs()));
            (direction, size)
        }
        Norm::L2 => {
            let direction: Vec<f64> = x.iter().map(|_| bell(rng)).collect();
            let size = direction.iter().fold(0.0, |sum, d| sum + d * d).sqrt();
            (direction, size)
        }
        Norm::L1 => {
            let direction: Vec<f64> = x.iter().map(|_| bell(rng)).collect();
            let size = direction.iter().fold(0.0, |sum, d| sum + d.abs());
            (direction, size)
        }
    };
    if size > 0.0 {
        for (x, d) in x.iter_mut().zip(direction) {
            *x = (f64::from(*x) + epsilon / size * d) as f32;
        }
    }
    ball.clip(x);
}

/// The sample that `x` holds, moved by a nearly normal draw of this deviation in each element, then clipped to the ball.
pub(crate) fn jitter(x: &mut [f32], ball: &Ball, sigma: f64, rng: &mut ChaCha8Rng) {
    for x in x.iter_mut() {
        *x = (f64::from(*x) + sigma * bell(rng)) as f32;
    }
    ball.clip(x);
}
