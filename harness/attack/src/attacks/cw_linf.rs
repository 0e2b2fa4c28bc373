use crate::attacks::{Attack, Registered};
use crate::descent::{self, Adam, TanhSpace};
use crate::lanes::{Row, Search};
use crate::{AttackSpec, Cost, Epsilon, Error, LossHead, LossKind, Norm, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Carlini and Wagner's own attack under L-inf: looks for the misclassified input nearest to the sample, whatever epsilon is. What
/// papers call CW under L-inf is mostly the preset `cw-pgd`.
///
/// Descends `c` times the margin by which the right class leads, plus what each element changes beyond `tau`, by Adam in variables
/// without bounds. Each time that both vanish `tau` shrinks to nine tenths, or to the largest change if that is less, and the next
/// descent begins there; each time that they do not `c` doubles. The sample is broken if the nearest input lies in the ball.
/// Source: Carlini and Wagner 2017, arXiv:1608.04644, section VI.C, and the authors' code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CwLinf {
    /// Steps of each descent at most, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// Descents at most, at least 1. They end before that when `c` exceeds 20.
    #[schemars(range(min = 1))]
    pub searches: u32,
    /// The rate of Adam, in the variable without bounds.
    pub learning_rate: Epsilon,
    /// The first `c`.
    pub c: Epsilon,
    /// By how much another logit has to exceed the right one; 0 for any misclassification.
    pub confidence: Epsilon,
}

pub(crate) static CW_LINF: Registered = Registered {
    name: "cw-linf",
    about: "The nearest misclassified input in L-inf by descent of margin and changes beyond a shrinking limit. Carlini and \
            Wagner 2017, arXiv:1608.04644.",
    revision: 1,
    cases: || {
        let decimal = |text: &str| text.parse::<Epsilon>().expect("a decimal");
        let [learning_rate, c, confidence] = ["0.05", "0.5", "0"].map(decimal);
        let plain = CwLinf { steps: 15, searches: 12, learning_rate, c, confidence };
        let sure = CwLinf { searches: 6, steps: 12, c: decimal("0.5"), confidence: decimal("0.05"), ..plain.clone() };
        vec![AttackSpec::CwLinf(plain), AttackSpec::CwLinf(sure)]
    },
};

const LARGEST_C: f64 = 20.0;
/// What the limit shrinks to.
const SHRINK: f64 = 0.9;
/// The part of `c` below which the loss counts as nothing.
const NOTHING: f64 = 1e-4;

/// What one descent found.
struct Descent {
    /// The misclassified input with the least change.
    nearest: Option<(f64, Vec<f32>)>,
    /// Where the loss vanished, and the largest change there.
    end: Option<(f64, Vec<f64>)>,
}

impl CwLinf {
    async fn search(&self, row: &Row) {
        let space = TanhSpace::new(&row.domain);
        let mut from = space.enter(row.ball.center());
        let (mut tau, mut c, mut least) = (row.domain.width(), self.c.to_f64(), f64::INFINITY);
        for _ in 0..self.searches {
            let Descent { nearest, end } = self.descend(row, &space, from.clone(), tau, c).await;
            if let Some((distance, x)) = nearest
                && distance < least
            {
                least = distance;
                row.offer(&x, true).await;
            }
            match end {
                Some((change, w)) => (tau, from) = ((SHRINK * tau).min(change), w),
                None => c *= 2.0,
            }
            if c > LARGEST_C {
                break;
            }
        }
    }

    async fn descend(&self, row: &Row, space: &TanhSpace, mut w: Vec<f64>, tau: f64, c: f64) -> Descent {
        let goal = LossKind::Margin.goal(row.label, None, row.classes);
        let (center, confidence) = (row.ball.center(), self.confidence.to_f64());
        let mut adam = Adam::new(self.learning_rate.to_f64(), w.len());
        let mut nearest: Option<(f64, Vec<f32>)> = None;
        for _ in 0..self.steps {
            let (x, slopes) = space.leave(&w);
            let answer = row.gradient(&x, &goal).await;
            let lack = confidence - f64::from(answer.loss);
            let delta = |(x, center): (&f32, &f32)| f64::from(*x) - f64::from(*center);
            let excess = x.iter().zip(center).map(delta).fold(0.0, |sum, delta| sum + (delta.abs() - tau).max(0.0));
            let loss = c * lack.max(0.0) + excess;
            if !loss.is_finite() {
                break;
            }
            if row.is_broken_by(&answer.logits) && lack <= 0.0 {
                let seen = row.as_input(&x);
                let distance = row.ball.distance(&seen);
                if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                    nearest = Some((distance, seen));
                }
                if loss < NOTHING * c {
                    let change = x.iter().zip(center).map(delta).fold(0.0, |most: f64, delta| most.max(delta.abs()));
                    return Descent { nearest, end: Some((change, w)) };
                }
            }
            let pull = if lack > 0.0 { c } else { 0.0 };
            let parts = x.iter().zip(center).map(delta).zip(&answer.gradient).zip(&slopes);
            let down = parts.map(|((delta, g), slope)| {
                let beyond = if delta.abs() > tau { delta.signum() } else { 0.0 };
                (beyond - pull * f64::from(*g)) * slope
            });
            // An element whose gradient is not a number stands still.
            adam.step(&mut w, down.map(|part| if part.is_finite() { part } else { 0.0 }));
        }
        Descent { nearest, end: None }
    }
}

impl Attack for CwLinf {
    fn registered(&self) -> &'static Registered {
        &CW_LINF
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let (counts, rates) = ([self.steps, self.searches], [&self.learning_rate, &self.c]);
        descent::check(CW_LINF.name, Norm::Linf, threat, counts, rates)
    }

    fn heads(&self, classes: usize) -> Vec<LossHead> {
        vec![LossKind::Margin.head(false, classes)]
    }

    fn cost(&self, _: usize) -> Cost {
        let gradients = u64::from(self.steps) * u64::from(self.searches);
        Cost { forwards: gradients, backwards: gradients, judge_forwards: u64::from(self.searches) }
    }

    fn minimises(&self) -> bool {
        true
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}
