//! What attacks on the decision alone share: where they begin, the way back to the boundary, and what they keep.
//!
//! They ask for logits and look at the class only. What is asked is always an input, on a grid a point of it, so that
//! what they keep was itself misclassified when it was asked.

use crate::lanes::Row;
use crate::seeds::{symmetric, unit};
use crate::{Norm, Picture};
use rand_chacha::ChaCha8Rng;

/// How often a way is halved at most: f32 does not tell more points of it apart.
pub(crate) const HALVINGS: u32 = 24;

/// How far beyond the nearest point that was found others are put before the judge, as parts of the way. On the
/// boundary itself a rounding decides, and the judge's may be another.
const BEYOND: [f64; 2] = [0.001, 0.01];

/// The most that [`Nearest`] asks of the judge.
pub(crate) const OFFERS: u64 = 2 + BEYOND.len() as u64;

/// Whether the oracle misclassifies the nearest input.
pub(crate) async fn is_adversarial(row: &Row, x: &[f32]) -> bool {
    let logits = row.logits(&row.as_input(x)).await;
    row.is_broken_by(&logits)
}

/// The first misclassified one of so many random inputs.
pub(crate) async fn start(row: &Row, draws: u32, rng: &mut ChaCha8Rng) -> Option<Vec<f32>> {
    for draw in 0..draws {
        let x = row.as_input(&mosaic(row, draw, rng));
        if is_adversarial(row, &x).await {
            return Some(x);
        }
    }
    None
}

/// Uniform draws of the domain, each for a tile of the picture. The tiles are single elements at first, then twice as long
/// from draw to draw up to the whole picture, and so on from the beginning: most networks take all noise of single
/// elements for one class, which is no start for the samples of that class.
///
/// Where the domain has no end, the draws are from a box about the sample instead. It reaches epsilon far and twice as far each
/// time that the tiles are small again.
fn mosaic(row: &Row, draw: u32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let Picture { channels, height, width, .. } = row.picture;
    let sizes = height.max(width).next_power_of_two().ilog2() + 1;
    let side = 1 << (draw % sizes);
    let (lower, upper) = (f64::from(row.domain.lower), f64::from(row.domain.upper));
    let is_bounded = (upper - lower).is_finite();
    let reach = row.epsilon * (1u64 << (draw / sizes).min(60)) as f64;
    let mut x = row.ball.center().to_vec();
    for channel in 0..channels {
        for (top, left) in (0..height).step_by(side).flat_map(|y| (0..width).step_by(side).map(move |x| (y, x))) {
            let (share, offset) = if is_bounded { (unit(rng), 0.0) } else { (0.0, reach * symmetric(rng)) };
            for (y, column) in (top..height.min(top + side))
                .flat_map(|y| (left..width.min(left + side)).map(move |column| (y, column)))
            {
                let at = row.picture.index(channel, y, column);
                x[at] = match is_bounded {
                    true => lower + (upper - lower) * share,
                    false => f64::from(x[at]) + offset,
                } as f32;
            }
        }
    }
    x
}

/// What is left of a misclassified point on the way back to the sample, by bisection until the part of the way on which the
/// class changes is `theta` of it at most. Asks [`HALVINGS`] times at most.
///
/// L2: the way is a line. L-inf: the point of the box about the sample that is nearest to `x`, as the box shrinks.
pub(crate) async fn to_boundary(row: &Row, x: &[f32], theta: f64) -> Vec<f32> {
    let (mut low, mut high, mut best) = (0.0, 1.0, x.to_vec());
    for _ in 0..HALVINGS {
        if high - low <= theta {
            break;
        }
        let middle = (low + high) / 2.0;
        let point = retracted(row, x, middle);
        if row.as_input(&point) == row.as_input(&best) || is_adversarial(row, &point).await {
            (high, best) = (middle, point);
        } else {
            low = middle;
        }
    }
    best
}

/// The point of the way from the sample to `x` that this part of it leads to; beyond `x` where that exceeds 1.
fn retracted(row: &Row, x: &[f32], part: f64) -> Vec<f32> {
    let radius = row.ball.distance(x) * part;
    let element = |(x, center): (&f32, &f32)| {
        let (x, center) = (f64::from(*x), f64::from(*center));
        let moved = match row.ball.norm() {
            Norm::Linf if part <= 1.0 => (x - center).clamp(-radius, radius),
            _ => part * (x - center),
        };
        (center + moved) as f32
    };
    let mut point: Vec<f32> = x.iter().zip(row.ball.center()).map(element).collect();
    row.domain.project(&mut point, false);
    point
}

/// The nearest misclassified input that was found.
pub(crate) struct Nearest {
    x: Vec<f32>,
    distance: f64,
}

impl Nearest {
    /// Begins with this point, which the judge sees: it is far from the boundary as a rule.
    pub(crate) async fn new(row: &Row, x: &[f32]) -> Self {
        row.offer(x, true).await;
        let x = row.as_input(x);
        let distance = row.ball.distance(&x);
        Self { x, distance }
    }

    /// Another misclassified point, which is kept if it is nearer.
    pub(crate) fn update(&mut self, row: &Row, x: &[f32]) {
        let x = row.as_input(x);
        let distance = row.ball.distance(&x);
        if distance < self.distance {
            *self = Self { x, distance };
        }
    }

    /// Goes back from it as far as f32 allows and puts before the judge what is left, and a little more. Asks
    /// [`HALVINGS`] times at most.
    pub(crate) async fn finish(mut self, row: &Row) {
        let x = to_boundary(row, &self.x, 0.0).await;
        self.update(row, &x);
        row.offer(&self.x, true).await;
        for beyond in BEYOND {
            row.offer(&retracted(row, &self.x, 1.0 + beyond), false).await;
        }
    }
}
