use crate::attacks::apgd::rivals;
use crate::attacks::{Attack, Registered, refuse_zero};
use crate::boundary::Boundary;
use crate::hyperplane::nearest_move;
use crate::l1::{by_falling, spent};
use crate::lanes::{Row, Search};
use crate::{AttackSpec, Cost, Error, LossHead, LossKind, Norm, ThreatModel, moves};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Fast adaptive boundary: looks for the misclassified point nearest to the sample, whatever epsilon is.
///
/// Each step takes the model for linear and goes to the nearest point of the domain on the boundary to a rival, drawn a
/// little towards the nearest such point of the sample itself, and a little beyond. From a misclassified point it goes back
/// towards the sample. What lies in the ball, or out of it by no more than a step goes beyond the boundary, is put before
/// the judge as the nearest point of the ball; in L1 as the point on the way there that keeps most of what crossed the boundary.
///
/// A point of the ball that the judge confirms ends the search, so that no nearest one is kept: the radius of a random
/// start, the lesser of its distance and epsilon, halved, is half of epsilon.
///
/// Ties: the boundary to the first of equally near rivals. A step on a gradient that is not finite stands still.
/// Source: Croce and Hein 2020, arXiv:1907.02044, algorithm 1; arXiv:2003.01690, section 5, for the targeted one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fab {
    /// Steps of each search, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// How many rivals it heads for in turn, those with the largest logits at the sample; 0: in each step for the one
    /// whose boundary is nearest, which takes a gradient for every rival.
    pub targets: u32,
    /// How often it begins anew, at least 1: first at the sample, then at random points half of epsilon away.
    #[schemars(range(min = 1))]
    pub restarts: u32,
}

pub(crate) static FAB: Registered = Registered {
    name: "fab",
    about: "Steps across the nearest decision boundary, and back towards the sample. Croce and Hein 2020, arXiv:1907.02044.",
    revision: 2,
    cases,
};

/// How much the sample's own way to the boundary counts in a step, at most.
const ALPHA_MAX: f64 = 0.1;
/// How far a step goes, in ways to the boundary.
const ETA: f64 = 1.05;
/// Up to how many times epsilon a point may be worth a look at the nearest one of the ball: what lies beyond a boundary at
/// epsilon by [`ETA`], and by what f32 adds to that, is not lost.
const NEAR: f64 = 1.1;
/// How much of its distance from the sample a misclassified point keeps.
const BETA: f64 = 0.9;

fn cases() -> Vec<AttackSpec> {
    let plain = Fab { steps: 12, targets: 9, restarts: 1 };
    [
        plain.clone(),
        Fab { steps: 7, targets: 2, restarts: 2 },
        Fab { steps: 8, targets: 0, ..plain.clone() },
        Fab { steps: 1, targets: 0, restarts: 3 },
    ]
    .map(AttackSpec::Fab)
    .to_vec()
}

impl Fab {
    /// How many searches one restart takes, and how many gradients each of their steps.
    fn shape(&self, classes: usize) -> (u64, u64) {
        let rivals = classes.saturating_sub(1) as u64;
        match self.targets {
            0 => (1, rivals),
            targets => (u64::from(targets).min(rivals), 1),
        }
    }

    async fn search(&self, row: &Row) {
        let all: Vec<usize> = (0..row.classes).filter(|class| *class != row.label).collect();
        let goals: Vec<Vec<usize>> = match self.targets {
            0 => vec![all],
            targets => {
                let logits = row.logits(row.ball.center()).await;
                rivals(&logits, row.label).take(targets as usize).map(|rival| vec![rival]).collect()
            }
        };
        for (index, rivals) in goals.iter().enumerate() {
            for restart in 0..self.restarts as usize {
                let mut x = row.ball.center().to_vec();
                if restart > 0 {
                    let ordinal = index * self.restarts as usize + restart;
                    moves::to_sphere(&mut x, &row.ball, row.epsilon / 2.0, &mut row.stream(FAB.name, ordinal));
                }
                self.approach(row, x, rivals).await;
            }
        }
    }

    /// One search from `x` for the boundary to the nearest of these rivals.
    async fn approach(&self, row: &Row, mut x: Vec<f32>, rivals: &[usize]) {
        for _ in 0..self.steps {
            let boundary = Boundary::nearest(row, &x, rivals).await;
            if let Some(boundary) = &boundary {
                // On its way back towards the sample it may have entered the ball, still misclassified.
                let input = row.as_input(&x);
                if boundary.misclassified && row.ball.contains(&input) {
                    row.submit(input, true).await;
                }
                x = crossed(row, x, boundary);
            }
            let misclassified = row.is_broken_by(&row.logits(&x).await);
            show(row, &x, boundary.as_ref(), misclassified).await;
            if misclassified {
                for (x, center) in x.iter_mut().zip(row.ball.center()) {
                    *x = (f64::from(*center) + BETA * (f64::from(*x) - f64::from(*center))) as f32;
                }
            }
        }
    }
}

/// A step from `x` across a boundary, in the domain; `x` itself where the step cannot be told in f32.
fn crossed(row: &Row, x: Vec<f32>, boundary: &Boundary) -> Vec<f32> {
    let (norm, center, w) = (row.ball.norm(), row.ball.center(), &boundary.gradient);
    let between = w
        .iter()
        .zip(x.iter().zip(center))
        .fold(0.0, |sum, (w, (x, center))| sum + f64::from(*w) * (f64::from(*x) - f64::from(*center)));
    let own = nearest_move(norm, w, -boundary.lead, &x, &row.domain);
    let direct = nearest_move(norm, w, between - boundary.lead, center, &row.domain);
    let (here, there) = (norm.length(own.iter().copied()), norm.length(direct.iter().copied()));
    // Two lengths of zero count as equal: the authors' code takes each for at least 1e-8.
    let alpha = if here + there > 0.0 { (here / (here + there)).min(ALPHA_MAX) } else { ALPHA_MAX };
    let ends = x.iter().zip(&own).zip(center.iter().zip(&direct)).map(|((x, own), (center, direct))| {
        let end = (1.0 - alpha) * (f64::from(*x) + ETA * own) + alpha * (f64::from(*center) + ETA * direct);
        end.clamp(f64::from(row.domain.lower), f64::from(row.domain.upper)) as f32
    });
    let ends: Vec<f32> = ends.collect();
    if ends.iter().all(|end| end.is_finite()) { ends } else { x }
}

/// Puts `x` before the judge if it is worth that: misclassified, or on its way to a grid where it may be, and in the ball but
/// for what a step goes beyond the boundary.
///
/// A point that has to be moved for that is no longer the one that the oracle claims.
async fn show(row: &Row, x: &[f32], boundary: Option<&Boundary>, misclassified: bool) {
    let is_near = row.ball.distance(x) <= NEAR * row.epsilon;
    if !is_near || !(misclassified || row.ball.is_grid()) {
        return;
    }
    if row.ball.contains(x) {
        return row.submit(x.to_vec(), misclassified).await;
    }
    let mut inside = match boundary {
        Some(Boundary { gradient, .. }) if row.ball.norm() == Norm::L1 => kept(row, x, gradient),
        _ => x.to_vec(),
    };
    row.ball.clip(&mut inside);
    // The oracle rounds to the grid as the projection does.
    let claimed = misclassified && row.ball.is_grid() && inside == x;
    match row.ball.norm() {
        Norm::L1 => row.propose(&inside, claimed).await,
        Norm::Linf | Norm::L2 => row.propose(x, claimed).await,
    }
}

/// What epsilon allows of a perturbation, spent on the elements that gain most across the boundary for their length. Those that lose
/// go first.
fn kept(row: &Row, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let center = row.ball.center();
    let delta = |index: usize| f64::from(x[index]) - f64::from(center[index]);
    let gain = |(index, g): (usize, &f32)| f64::from(*g) * delta(index).signum();
    let order = by_falling(gradient.iter().enumerate().map(gain));
    let mut kept = center.to_vec();
    for (index, part) in spent(&order, row.epsilon, |index| delta(index).abs()) {
        kept[index] = (f64::from(center[index]) + part * delta(index).signum()) as f32;
    }
    kept
}

impl Attack for Fab {
    fn registered(&self) -> &'static Registered {
        &FAB
    }

    fn check(&self, _: &ThreatModel) -> Result<(), Error> {
        match refuse_zero(&[("steps", self.steps), ("restarts", self.restarts)]) {
            Some(reason) => Err(Error::Spec { attack: FAB.name, reason }),
            None => Ok(()),
        }
    }

    fn heads(&self, classes: usize) -> Vec<LossHead> {
        vec![LossKind::Margin.head(true, classes)]
    }

    /// A step takes its gradients, and a forward for the point that it leads to.
    fn cost(&self, classes: usize) -> Cost {
        let (searches, gradients) = self.shape(classes);
        let steps = searches * u64::from(self.restarts) * u64::from(self.steps);
        let ranking = u64::from(self.targets > 0);
        Cost { forwards: steps * (gradients + 1) + ranking, backwards: steps * gradients, judge_forwards: 2 * steps }
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}
