use crate::attacks::{Attack, Registered, refuse_zero};
use crate::descent::Adam;
use crate::lanes::{Row, Search};
use crate::moves::{self, Step};
use crate::seeds::{bell, sign};
use crate::{AttackSpec, Cost, Epsilon, Error, Norm, ThreatModel};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Ascent by logits alone: the gradient of the margin is estimated from differences between opposite points nearby. SPSA and NES
/// differ in the directions of these points and in the step.
///
/// Begins at the sample. Every iterate that looks misclassified is put before the judge. Points nearby may lie out of the
/// ball, but are inputs; with integer inputs they are at least a step of the grid away. A pair with a logit that is not a
/// number is left out.
/// Source: Uesato et al. 2018, arXiv:1802.05666, appendix B (SPSA); Ilyas et al. 2018, arXiv:1804.08598, section 2.1 (NES).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spsa {
    /// Steps of each ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// Pairs of opposite points in each step, at least 1.
    #[schemars(range(min = 1))]
    pub pairs: u32,
    /// In which directions these points are.
    pub directions: Directions,
    /// How far they are, in units of the input and more than 0: in every element (`rademacher`), or its deviation (`gaussian`).
    pub delta: Epsilon,
    /// How a step follows from the estimate.
    pub update: Update,
    /// The size of a step, more than 0: the rate of Adam, or in the norm of epsilon.
    pub step_size: Epsilon,
    /// How often it begins anew with other directions, at least 1.
    #[schemars(range(min = 1))]
    pub restarts: u32,
}

/// The directions in which differences are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Directions {
    /// 1 or -1 in every element: SPSA.
    Rademacher,
    /// Nearly normal in every element: NES.
    Gaussian,
}

/// How a step follows from the estimated gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// By Adam, then to the ball; L-inf only.
    Adam,
    /// Along its sign (L-inf) or itself, normalised (L2), then to the ball.
    Steepest,
}

pub(crate) static SPSA: Registered = Registered {
    name: "spsa",
    about: "Ascent by logits alone, with gradients from differences between random opposite points. Uesato et al. 2018, \
            arXiv:1802.05666; NES: Ilyas et al. 2018, arXiv:1804.08598.",
    revision: 1,
    cases: || {
        let decimal = |text: &str| text.parse::<Epsilon>().expect("a decimal");
        let (directions, update) = (Directions::Rademacher, Update::Adam);
        let [delta, step_size] = ["0.01", "0.02"].map(decimal);
        let spsa = Spsa { steps: 6, pairs: 8, directions, delta, update, step_size, restarts: 1 };
        let nes = Spsa {
            directions: Directions::Gaussian,
            update: Update::Steepest,
            delta: decimal("0.001"),
            restarts: 2,
            ..spsa.clone()
        };
        vec![AttackSpec::Spsa(spsa), AttackSpec::Spsa(nes)]
    },
};

impl Spsa {
    async fn search(&self, row: &Row) {
        let grid = row.domain.grid.filter(|_| row.ball.is_grid());
        let delta = self.delta.to_f64().max(grid.map_or(0.0, |grid| 1.0 / grid.steps(1.0)));
        for restart in 0..self.restarts as usize {
            let mut rng = row.stream(SPSA.name, restart);
            let mut x = row.ball.center().to_vec();
            let mut adam = Adam::new(self.step_size.to_f64(), x.len());
            for _ in 0..self.steps {
                let gradient = self.estimate(row, &x, delta, &mut rng).await;
                self.step(row, &mut x, &gradient, &mut adam);
                let logits = row.logits(&x).await;
                if row.is_broken_by(&logits) {
                    row.propose(&x, true).await;
                }
            }
        }
    }

    /// The estimated gradient of the margin, times a positive number.
    async fn estimate(&self, row: &Row, x: &[f32], delta: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut gradient = vec![0.0; x.len()];
        for _ in 0..self.pairs {
            let direction: Vec<f64> = match self.directions {
                Directions::Rademacher => x.iter().map(|_| sign(rng)).collect(),
                Directions::Gaussian => x.iter().map(|_| bell(rng)).collect(),
            };
            let point = |size: f64| -> Vec<f32> {
                let moved = x.iter().zip(&direction).map(|(x, part)| (f64::from(*x) + size * part) as f32);
                row.as_input(&moved.collect::<Vec<f32>>())
            };
            let (ahead, behind) = (point(delta), point(-delta));
            let difference = margin(row, &row.logits(&ahead).await) - margin(row, &row.logits(&behind).await);
            if difference.is_finite() {
                for (gradient, (ahead, behind)) in gradient.iter_mut().zip(ahead.iter().zip(&behind)) {
                    // What bounds and grid leave of the way between the two.
                    *gradient += difference * (f64::from(*ahead) - f64::from(*behind));
                }
            }
        }
        gradient
    }

    fn step(&self, row: &Row, x: &mut [f32], gradient: &[f64], adam: &mut Adam) {
        match self.update {
            Update::Adam => {
                // The rate has no meaning without the scale of the gradient but for Adam's 1e-8, below which it vanishes.
                let scale = 1.0 / (4.0 * f64::from(self.pairs) * self.delta.to_f64() * self.delta.to_f64());
                let mut w: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
                adam.step(&mut w, gradient.iter().map(|part| -scale * part));
                x.iter_mut().zip(w).for_each(|(x, w)| *x = w as f32);
                row.ball.clip(x);
            }
            Update::Steepest => {
                let length = gradient.iter().fold(0.0, |sum, part| sum + part * part).sqrt() + 1e-300;
                let direction: Vec<f32> = gradient.iter().map(|part| (part / length) as f32).collect();
                moves::step(x, &row.ball, &direction, Step::Size(self.step_size.to_f64()), row.epsilon);
            }
        }
    }
}

/// By how much the best rival's logit exceeds the label's.
fn margin(row: &Row, logits: &[f32]) -> f64 {
    if logits.iter().any(|logit| logit.is_nan()) {
        return f64::NAN;
    }
    let rivals = logits.iter().enumerate().filter(|(class, _)| *class != row.label);
    let best = rivals.fold(f32::NEG_INFINITY, |most, (_, logit)| most.max(*logit));
    f64::from(best) - f64::from(logits[row.label])
}

impl Attack for Spsa {
    fn registered(&self) -> &'static Registered {
        &SPSA
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let counts = [("steps", self.steps), ("pairs", self.pairs), ("restarts", self.restarts)];
        let reason = if let Some(reason) = threat.refuses_l1().or_else(|| refuse_zero(&counts)) {
            reason
        } else if self.delta.is_zero() || self.step_size.is_zero() {
            "`delta` or `step_size` is 0; expected more".to_owned()
        } else if self.update == Update::Adam && threat.norm != Norm::Linf {
            format!("`update: adam` is for linf, found {}; expected `update: steepest`", threat.norm)
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: SPSA.name, reason })
    }

    fn cost(&self, _: usize) -> Cost {
        let steps = u64::from(self.steps) * u64::from(self.restarts);
        let forwards = steps.saturating_mul(2 * u64::from(self.pairs) + 1);
        Cost { forwards, backwards: 0, judge_forwards: steps }
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}
