use crate::attacks::{Attack, Registered};
use crate::lanes::{Row, Search};
use crate::{AttackSpec, Cost, Error, Norm, Start, ThreatModel, moves};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Random points of the ball, each put before the judge: what a model loses to chance, and what every search must beat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// How points are drawn.
    pub kind: NoiseKind,
    /// How many points, at least 1.
    #[schemars(range(min = 1))]
    pub draws: u32,
}

/// How noise is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseKind {
    /// Uniform in the ball. L-inf: within the input's bounds too; L1 and L2: then clipped to them.
    Uniform,
    /// Nearly normal in each element, then clipped to the ball and the bounds. The deviation is epsilon/2 (L-inf), epsilon
    /// over the root of the number of elements (L2), or epsilon over 0.8 times that number (L1), so that clipping is common
    /// and not the rule.
    Gaussian,
}

pub(crate) static NOISE: Registered = Registered {
    name: "noise",
    about: "Random points of the ball, each put before the judge: a baseline that every search must beat.",
    revision: 1,
    cases: || {
        [NoiseKind::Uniform, NoiseKind::Gaussian].map(|kind| AttackSpec::Noise(Noise { kind, draws: 30 })).to_vec()
    },
};

impl Noise {
    async fn search(&self, row: &Row) {
        for draw in 0..self.draws as usize {
            let mut x = row.ball.center().to_vec();
            let rng = &mut row.stream(NOISE.name, draw);
            match (self.kind, row.ball.norm()) {
                (NoiseKind::Uniform, _) => moves::scatter(&mut x, &row.ball, Start::Random, row.epsilon, rng),
                (NoiseKind::Gaussian, Norm::Linf) => moves::jitter(&mut x, &row.ball, row.epsilon / 2.0, rng),
                (NoiseKind::Gaussian, Norm::L2) => {
                    let deviation = row.epsilon / (x.len() as f64).sqrt();
                    moves::jitter(&mut x, &row.ball, deviation, rng);
                }
                // A normal draw is 0.8 deviations long in the mean.
                (NoiseKind::Gaussian, Norm::L1) => {
                    let deviation = row.epsilon / (0.8 * x.len() as f64);
                    moves::jitter(&mut x, &row.ball, deviation, rng);
                }
            }
            row.propose(&x, false).await;
        }
    }
}

impl Attack for Noise {
    fn registered(&self) -> &'static Registered {
        &NOISE
    }

    fn check(&self, _: &ThreatModel) -> Result<(), Error> {
        match self.draws {
            0 => Err(Error::Spec { attack: NOISE.name, reason: "`draws` is 0; expected at least 1".to_owned() }),
            _ => Ok(()),
        }
    }

    fn cost(&self, _: usize) -> Cost {
        Cost { forwards: 0, backwards: 0, judge_forwards: u64::from(self.draws) }
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}
