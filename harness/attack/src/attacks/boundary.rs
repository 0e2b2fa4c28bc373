use crate::attacks::{Attack, Registered, refuse_zero};
use crate::decision::{HALVINGS, Nearest, OFFERS, is_adversarial, start, to_boundary};
use crate::lanes::{Row, Search};
use crate::seeds::bell;
use crate::{AttackSpec, Cost, Epsilon, Error, Norm, ThreatModel};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::rc::Rc;

/// Boundary: looks for the misclassified input nearest to the sample in L2, whatever epsilon is, by the predicted class alone.
///
/// A random walk from a random misclassified input, first taken back to the boundary by bisection. Each step goes to a random
/// point at the same distance from the sample, then toward the sample, and stays where the class is still wrong. Both lengths are
/// parts of the distance; they grow by half where too many steps succeed, and shrink by a third where too few do. The sample
/// is broken if the nearest input lies in the ball.
///
/// Random inputs are mosaics besides noise. On the grid of integer inputs the walk is between its points, and the class
/// that of the nearest. When lengths change is Foolbox's rule; the two ways back by bisection are ours.
/// Source: Brendel, Rauber and Bethge 2018, arXiv:1712.04248, and Foolbox 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundaryWalk {
    /// Steps at most, at least 1. Every tenth asks twice.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The first length of the step around the sample, as a part of the distance; more than 0.
    pub spherical_step: Epsilon,
    /// The first length of the step toward the sample, as a part of the distance; more than 0.
    pub source_step: Epsilon,
    /// It ends once the step toward the sample is shorter than this part.
    pub convergence: Epsilon,
    /// Random inputs at most among which it looks for a misclassified one to begin at, at least 1.
    #[schemars(range(min = 1))]
    pub starts: u32,
}

pub(crate) static BOUNDARY: Registered = Registered {
    name: "boundary",
    about: "The nearest misclassified input in L2 by the predicted class alone: a random walk along the boundary. Brendel, Rauber \
            and Bethge 2018, arXiv:1712.04248.",
    revision: 1,
    cases: || {
        let decimal = |text: &str| text.parse::<Epsilon>().expect("a decimal");
        let [spherical_step, source_step, convergence] = ["0.1", "0.05", "1e-7"].map(decimal);
        let plain = BoundaryWalk { steps: 400, spherical_step, source_step, convergence, starts: 40 };
        let (spherical_step, source_step) = (decimal("0.5"), decimal("0.3"));
        let short = BoundaryWalk { convergence: decimal("0.21"), spherical_step, source_step, ..plain.clone() };
        let lucky = BoundaryWalk { steps: 20, starts: 2, ..plain.clone() };
        [plain, short, lucky].map(AttackSpec::Boundary).to_vec()
    },
};

/// How often the step around the sample is asked for on its own, and the lengths change.
const EVERY: u32 = 10;

/// By how much the lengths change.
const FACTOR: f64 = 1.5;

/// The latest outcomes of one kind of step, and between which rates of success its length stays.
struct Rate {
    outcomes: VecDeque<bool>,
    window: usize,
    least: f64,
    most: f64,
}

impl Rate {
    fn new(window: usize, least: f64, most: f64) -> Self {
        Self { outcomes: VecDeque::new(), window, least, most }
    }

    /// By which factor the length changes after this outcome. A change begins a new window.
    fn factor(&mut self, success: bool) -> f64 {
        self.outcomes.push_back(success);
        if self.outcomes.len() < self.window {
            return 1.0;
        }
        if self.outcomes.len() > self.window {
            self.outcomes.pop_front();
        }
        let rate = self.outcomes.iter().filter(|success| **success).count() as f64 / self.window as f64;
        let factor = match (rate.total_cmp(&self.most), rate.total_cmp(&self.least)) {
            (Ordering::Greater, _) => FACTOR,
            (_, Ordering::Less) => 1.0 / FACTOR,
            _ => return 1.0,
        };
        self.outcomes.clear();
        factor
    }
}

impl BoundaryWalk {
    async fn search(&self, row: &Row) {
        let mut rng = row.stream(BOUNDARY.name, 0);
        let Some(first) = start(row, self.starts, &mut rng).await else { return };
        let mut nearest = Nearest::new(row, &first).await;
        let mut x = to_boundary(row, &first, 0.0).await;
        nearest.update(row, &x);
        let (mut spherical, mut source) = (self.spherical_step.to_f64(), self.source_step.to_f64());
        // Foolbox's windows and rates.
        let (mut around, mut toward) = (Rate::new(100, 0.2, 0.5), Rate::new(30, 0.1, 0.25));
        for step in 1..=self.steps {
            if source < self.convergence.to_f64() {
                break;
            }
            let distance = row.ball.distance(&x);
            let sphere = around_sample(row, &x, distance, spherical, &mut rng);
            let next = toward_sample(row, &sphere, distance, source);
            let success = is_adversarial(row, &next).await;
            if success && row.ball.distance(&next) < distance {
                x = next;
                nearest.update(row, &x);
            }
            if step % EVERY == 0 {
                let both = around.factor(is_adversarial(row, &sphere).await);
                spherical *= both;
                source *= both * toward.factor(success);
            }
        }
        nearest.finish(row).await;
    }
}

/// A random point at the distance of `x` from the sample, but for the bounds: a step of this part of it at a right angle, then back
/// to the sphere.
fn around_sample(row: &Row, x: &[f32], distance: f64, step: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let center = row.ball.center();
    let way: Vec<f64> = x.iter().zip(center).map(|(x, center)| f64::from(*x) - f64::from(*center)).collect();
    let mut across: Vec<f64> = way.iter().map(|_| bell(rng)).collect();
    let along = way.iter().zip(&across).fold(0.0, |sum, (way, across)| sum + way * across) / (distance * distance);
    across.iter_mut().zip(&way).for_each(|(across, way)| *across -= along * way);
    let length = across.iter().fold(0.0, |sum, part| sum + part * part).sqrt() + 1e-300;
    let (size, hypotenuse) = (step * distance / length, (step * step + 1.0).sqrt());
    let moved = center.iter().zip(way.iter().zip(&across));
    let moved = moved.map(|(center, (way, across))| (f64::from(*center) + (way + size * across) / hypotenuse) as f32);
    let mut point: Vec<f32> = moved.collect();
    row.domain.project(&mut point, false);
    point
}

/// The point of the way back from `sphere` that is nearer to the sample than `distance` by this part.
fn toward_sample(row: &Row, sphere: &[f32], distance: f64, step: f64) -> Vec<f32> {
    let own = row.ball.distance(sphere);
    // Never away from the sample, nor beyond it.
    let part = ((step * distance + own - distance) / (own + 1e-300)).clamp(0.0, 1.0);
    let moved = sphere.iter().zip(row.ball.center());
    let moved = moved.map(|(x, center)| (f64::from(*x) + part * (f64::from(*center) - f64::from(*x))) as f32);
    let mut point: Vec<f32> = moved.collect();
    row.domain.project(&mut point, false);
    point
}

impl Attack for BoundaryWalk {
    fn registered(&self) -> &'static Registered {
        &BOUNDARY
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let reason = if threat.norm != Norm::L2 {
            format!("it looks for small changes in l2; the threat model is in {}", threat.norm)
        } else if let Some(reason) = refuse_zero(&[("steps", self.steps), ("starts", self.starts)]) {
            reason
        } else if self.spherical_step.is_zero() || self.source_step.is_zero() {
            "`spherical_step` or `source_step` is 0; expected more".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: BOUNDARY.name, reason })
    }

    fn cost(&self, _: usize) -> Cost {
        let walk = u64::from(self.steps) + u64::from(self.steps / EVERY);
        let forwards = u64::from(self.starts) + walk + 2 * u64::from(HALVINGS);
        Cost { forwards, backwards: 0, judge_forwards: OFFERS }
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
    fn lengths_follow_the_rate_of_success() {
        let mut rate = Rate::new(4, 0.25, 0.5);
        let factors = |rate: &mut Rate, outcomes: &[bool]| -> Vec<f64> {
            outcomes.iter().map(|outcome| rate.factor(*outcome)).collect()
        };
        // Three of four is too much; the window then begins anew.
        assert_eq!(factors(&mut rate, &[true, true, false, true]), [1.0, 1.0, 1.0, 1.5]);
        // Half and a quarter are neither, none is too little.
        assert_eq!(factors(&mut rate, &[true, true, false, false, false]), [1.0; 5]);
        assert_eq!(factors(&mut rate, &[false]), [1.0 / 1.5]);
    }
}
