use crate::attacks::{Attack, Registered, refuse_zero};
use crate::decision::{HALVINGS, Nearest, OFFERS, is_adversarial, start, to_boundary};
use crate::lanes::{Row, Search};
use crate::seeds::{bell, symmetric};
use crate::{AttackSpec, Cost, Epsilon, Error, Norm, ThreatModel};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// HopSkipJump: looks for the misclassified input nearest to the sample, whatever epsilon is, by the predicted class alone.
///
/// Begins at a random misclassified input and goes back toward the sample by bisection until it is on the boundary. Each step
/// estimates the boundary's normal from the classes of random points nearby, moves along it (L2) or along its sign (L-inf), as
/// far as the class stays wrong: the distance over the root of the step's number, halved until it does; and goes back
/// to the boundary. The sample is broken if the nearest input lies in the ball. The norm is the threat model's.
///
/// Random inputs are mosaics besides noise. A way is halved 24 times at most. Points nearby are no nearer than what f32 and the
/// grid of integer inputs tell apart. A class that is none (a logit that is not a number) counts as the right one.
/// Source: Chen, Jordan and Wainwright 2020, arXiv:1904.02144, algorithm 2, and the authors' code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HopSkipJump {
    /// Steps along the boundary, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// Points nearby in the first step, at least 1; in step `t` the root of `t` times as many.
    #[schemars(range(min = 1))]
    pub initial_queries: u32,
    /// Points nearby in any step at most, at least 1.
    #[schemars(range(min = 1))]
    pub max_queries: u32,
    /// How near to the boundary bisection ends, more than 0: this part of the way over `D^1.5` (L2) or `D^2` (L-inf) for an input
    /// of `D` elements. Points nearby are this part of the distance over `D` away.
    pub gamma: Epsilon,
    /// Random inputs at most among which it looks for a misclassified one to begin at, at least 1.
    #[schemars(range(min = 1))]
    pub starts: u32,
}

pub(crate) static HOP_SKIP_JUMP: Registered = Registered {
    name: "hop-skip-jump",
    about: "The nearest misclassified input by the predicted class alone: normals of the boundary from random points nearby. \
            Chen, Jordan and Wainwright 2020, arXiv:1904.02144.",
    revision: 1,
    cases: || {
        let gamma: Epsilon = "1".parse().expect("a whole number");
        let plain = HopSkipJump { steps: 5, initial_queries: 30, max_queries: 1000, gamma, starts: 40 };
        let short = HopSkipJump { max_queries: 25, gamma: "1/10".parse().expect("a fraction"), ..plain.clone() };
        let lucky = HopSkipJump { steps: 2, starts: 2, initial_queries: 10, ..plain.clone() };
        [plain, short, lucky].map(AttackSpec::HopSkipJump).to_vec()
    },
};

/// How far points nearby are in the first step, as a part of the domain's width.
const FIRST: f64 = 0.1;

/// How far a point nearby is in each element at least, as a part of the domain's width: the roundings of f32 drown less.
const LEAST: f64 = 1e-6;

impl HopSkipJump {
    /// How many points nearby a step looks at, the first step being 0.
    fn queries(&self, step: u32) -> u32 {
        let grown = f64::from(self.initial_queries) * f64::from(step + 1).sqrt();
        // Saturates where it exceeds u32.
        (grown as u32).min(self.max_queries)
    }

    /// Where bisection ends.
    fn theta(&self, norm: Norm, len: usize) -> f64 {
        let len = len as f64;
        self.gamma.to_f64()
            / match norm {
                Norm::Linf => len * len,
                // L1 is refused.
                Norm::L1 | Norm::L2 => len * len.sqrt(),
            }
    }

    /// How far points nearby are.
    fn reach(&self, row: &Row, step: u32, distance: f64) -> f64 {
        let (len, width) = (row.ball.center().len() as f64, row.domain.width());
        let wanted = if step == 0 { FIRST * width } else { self.gamma.to_f64() / len * distance };
        // On a grid half a step, so that about a third of the elements moves by one or more.
        let element =
            row.domain.grid.filter(|_| row.ball.is_grid()).map_or(LEAST * width, |grid| 0.5 / grid.steps(1.0));
        wanted.max(element * len.sqrt())
    }

    async fn search(&self, row: &Row) {
        let mut rng = row.stream(HOP_SKIP_JUMP.name, 0);
        let Some(first) = start(row, self.starts, &mut rng).await else { return };
        let theta = self.theta(row.ball.norm(), first.len());
        let mut nearest = Nearest::new(row, &first).await;
        let mut x = to_boundary(row, &first, theta).await;
        nearest.update(row, &x);
        for step in 0..self.steps {
            let distance = row.ball.distance(&x);
            let reach = self.reach(row, step, distance);
            let normal = normal(row, &x, reach, self.queries(step), &mut rng).await;
            if let Some(beyond) = leap(row, &x, &normal, distance / f64::from(step + 1).sqrt()).await {
                x = to_boundary(row, &beyond, theta).await;
                nearest.update(row, &x);
            }
        }
        nearest.finish(row).await;
    }
}

/// The direction in which the class gets wrong, of length 1, from the classes of so many points at this distance.
async fn normal(row: &Row, x: &[f32], reach: f64, queries: u32, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (mut signed, mut plain, mut total) = (vec![0.0; x.len()], vec![0.0; x.len()], 0.0);
    for _ in 0..queries {
        let point = row.as_input(&nearby(row.ball.norm(), x, reach, rng));
        let sign = if is_adversarial(row, &point).await { 1.0 } else { -1.0 };
        total += sign;
        for (((signed, plain), point), x) in signed.iter_mut().zip(&mut plain).zip(&point).zip(x) {
            // What is left of the move within the bounds, and on the grid.
            let moved = f64::from(*point) - f64::from(*x);
            *signed += sign * moved;
            *plain += moved;
        }
    }
    // The mean sign is a baseline, but where all agree nothing would be left.
    let mean = total / f64::from(queries);
    let baseline = if mean.abs() == 1.0 { 0.0 } else { mean };
    signed.iter_mut().zip(&plain).for_each(|(signed, plain)| *signed -= baseline * plain);
    let length = signed.iter().fold(0.0, |sum, part| sum + part * part).sqrt();
    signed.iter_mut().for_each(|part| *part /= length + 1e-300);
    signed
}

/// A random point at this Euclidean distance, in a direction from nearly normal (L2) or uniform draws.
fn nearby(norm: Norm, x: &[f32], reach: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let draw = match norm {
        Norm::Linf => symmetric,
        Norm::L1 | Norm::L2 => bell,
    };
    let direction: Vec<f64> = x.iter().map(|_| draw(rng)).collect();
    let length = direction.iter().fold(0.0, |sum, part| sum + part * part).sqrt() + 1e-300;
    x.iter().zip(direction).map(|(x, part)| (f64::from(*x) + reach / length * part) as f32).collect()
}

/// The first misclassified point in this direction at this distance, or half of it, and so on.
async fn leap(row: &Row, x: &[f32], normal: &[f64], mut size: f64) -> Option<Vec<f32>> {
    for _ in 0..HALVINGS {
        let moved = x.iter().zip(normal).map(|(x, part)| {
            let part = match row.ball.norm() {
                Norm::Linf if *part == 0.0 => 0.0,
                Norm::Linf => part.signum(),
                Norm::L1 | Norm::L2 => *part,
            };
            (f64::from(*x) + size * part) as f32
        });
        let mut next: Vec<f32> = moved.collect();
        row.domain.project(&mut next, false);
        if is_adversarial(row, &next).await {
            return Some(next);
        }
        size /= 2.0;
    }
    None
}

impl Attack for HopSkipJump {
    fn registered(&self) -> &'static Registered {
        &HOP_SKIP_JUMP
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let counts = [
            ("steps", self.steps),
            ("initial_queries", self.initial_queries),
            ("max_queries", self.max_queries),
            ("starts", self.starts),
        ];
        let reason = if let Some(reason) = threat.refuses_l1().or_else(|| refuse_zero(&counts)) {
            reason
        } else if self.gamma.is_zero() {
            "`gamma` is 0; expected more".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: HOP_SKIP_JUMP.name, reason })
    }

    fn cost(&self, _: usize) -> Cost {
        let nearby: u64 = (0..self.steps).map(|step| u64::from(self.queries(step))).sum();
        // Two ways back besides a leap and a way back in each step.
        let halved = u64::from(HALVINGS) * 2 * (u64::from(self.steps) + 1);
        Cost { forwards: u64::from(self.starts) + nearby + halved, backwards: 0, judge_forwards: OFFERS }
    }

    fn minimises(&self) -> bool {
        true
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_nearby_grow_by_the_root_and_are_counted() {
        let gamma: Epsilon = "1".parse().expect("a whole number");
        let spec = HopSkipJump { steps: 5, initial_queries: 100, max_queries: 180, gamma, starts: 7 };
        assert_eq!([0, 1, 2, 3, 4].map(|step| spec.queries(step)), [100, 141, 173, 180, 180]);
        assert_eq!(spec.cost(10).forwards, 7 + 774 + 24 * 12);
    }
}
