use crate::attacks::{Attack, Registered};
use crate::descent::{self, Adam, TanhSpace};
use crate::lanes::{Row, Search};
use crate::{AttackSpec, Cost, Epsilon, Error, LossHead, LossKind, Norm, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Carlini and Wagner's attack: looks for the misclassified input nearest to the sample in L2, whatever epsilon is.
///
/// Descends the squared distance plus `c` times the margin by which the right class leads, by Adam in variables without bounds. The
/// best `c` is found by bisection: it grows tenfold until the model is wrong somewhere. The sample is broken if the nearest
/// input lies in the ball. Only the nearest of each descent is put before the judge.
/// Source: Carlini and Wagner 2017, arXiv:1608.04644, and the authors' code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CwL2 {
    /// Steps of each descent at most, at least 1. One that no longer gets better in a tenth of them ends.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// Descents, each with another `c`; at least 1. With 10 or more the last takes the least `c` that broke the sample.
    #[schemars(range(min = 1))]
    pub searches: u32,
    /// The rate of Adam, in the variable without bounds.
    pub learning_rate: Epsilon,
    /// The first `c`.
    pub c: Epsilon,
    /// By how much another logit has to exceed the right one; 0 for any misclassification.
    pub confidence: Epsilon,
}

pub(crate) static CW_L2: Registered = Registered {
    name: "cw-l2",
    about: "The nearest misclassified input in L2 by descent of distance and margin. Carlini and Wagner 2017, \
            arXiv:1608.04644.",
    revision: 1,
    cases: || {
        let decimal = |text: &str| text.parse::<Epsilon>().expect("a decimal");
        let [learning_rate, c, confidence] = ["0.05", "0.1", "0"].map(decimal);
        let plain = CwL2 { steps: 12, searches: 4, learning_rate, c, confidence };
        let sure = CwL2 { searches: 10, steps: 6, confidence: decimal("0.05"), ..plain.clone() };
        vec![AttackSpec::CwL2(plain), AttackSpec::CwL2(sure)]
    },
};

/// The least improvement in a tenth of the steps with which a descent goes on.
const BETTER: f64 = 0.9999;

impl CwL2 {
    async fn search(&self, row: &Row) {
        let space = TanhSpace::new(&row.domain);
        let start = space.enter(row.ball.center());
        let (mut c, mut failed, mut broke) = (self.c.to_f64(), 0.0f64, None::<f64>);
        for search in 0..self.searches {
            if let (true, Some(least)) = (self.searches >= 10 && search + 1 == self.searches, broke) {
                c = least;
            }
            match self.descend(row, &space, start.clone(), c).await {
                Some(x) => {
                    row.offer(&x, true).await;
                    broke = Some(broke.map_or(c, |least| least.min(c)));
                }
                None => failed = failed.max(c),
            }
            c = broke.map_or(10.0 * c, |least| (failed + least) / 2.0);
        }
    }

    /// The nearest input that the oracle misclassifies with confidence, of those on one way down.
    async fn descend(&self, row: &Row, space: &TanhSpace, mut w: Vec<f64>, c: f64) -> Option<Vec<f32>> {
        let goal = LossKind::Margin.goal(row.label, None, row.classes);
        let (center, confidence) = (row.ball.center(), self.confidence.to_f64());
        let mut adam = Adam::new(self.learning_rate.to_f64(), w.len());
        let mut best: Option<(f64, Vec<f32>)> = None;
        let mut before = f64::INFINITY;
        for step in 0..self.steps {
            let (x, slopes) = space.leave(&w);
            let answer = row.gradient(&x, &goal).await;
            let lack = confidence - f64::from(answer.loss);
            if row.is_broken_by(&answer.logits) && lack <= 0.0 {
                let seen = row.as_input(&x);
                let distance = row.ball.distance(&seen);
                if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, seen));
                }
            }
            let delta = |(x, center): (&f32, &f32)| f64::from(*x) - f64::from(*center);
            let square = x.iter().zip(center).map(delta).fold(0.0, |sum, delta| sum + delta * delta);
            let total = square + c * lack.max(0.0);
            let looks_back = step % (self.steps / 10).max(1) == 0;
            if !total.is_finite() || (looks_back && total > BETTER * before) {
                break;
            }
            if looks_back {
                before = total;
            }
            let pull = if lack > 0.0 { c } else { 0.0 };
            let parts = x.iter().zip(center).map(delta).zip(&answer.gradient).zip(&slopes);
            // An element whose gradient is not a number stands still.
            let down = parts.map(|((delta, g), slope)| (2.0 * delta - pull * f64::from(*g)) * slope);
            adam.step(&mut w, down.map(|part| if part.is_finite() { part } else { 0.0 }));
        }
        best.map(|(_, x)| x)
    }
}

impl Attack for CwL2 {
    fn registered(&self) -> &'static Registered {
        &CW_L2
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let (counts, rates) = ([self.steps, self.searches], [&self.learning_rate, &self.c]);
        descent::check(CW_L2.name, Norm::L2, threat, counts, rates)
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
