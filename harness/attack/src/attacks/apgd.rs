mod l1;

use crate::attacks::{Attack, Registered, refuse_zero};
use crate::lanes::{Row, Search};
use crate::moves;
use crate::{AttackSpec, Cost, Error, LossHead, LossKind, Norm, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Auto-PGD: gradient ascent with momentum that halves its own step when the loss stops rising, and then goes on from the
/// best iterate.
///
/// Each ascent begins at a random point of the sphere and looks at `steps + 1` points. The length of a step begins at
/// twice epsilon. The first window of steps is compared with the loss at the start; the authors' code compares it with
/// a loss of 0.
///
/// In L1 it has no momentum, moves the elements with the largest gradients only, fewer as the perturbation gets sparser, and
/// comes in from outside: from balls of three times and twice epsilon, for three tenths of the steps each. A step is as long as
/// epsilon at first, never shorter than a tenth of that, and gets shorter by a third where the perturbation no longer gets sparser.
/// That the best point of one ball is looked at again in the next counts as a step.
/// Source: Croce and Hein 2020, arXiv:2003.01690, algorithm 1 and section 4; 2021, arXiv:2103.01208, section 3, for L1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apgd {
    /// Steps of each ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// What is ascended.
    pub loss: LossKind,
    /// How many rivals it heads for in turn, those with the largest logits at the sample; 0: away from the label.
    pub targets: u32,
    /// How often it begins anew, at least 1.
    #[schemars(range(min = 1))]
    pub restarts: u32,
    /// Gradients of each point that are averaged: more than 1 for models that draw random numbers.
    #[schemars(range(min = 1))]
    pub eot: u32,
}

pub(crate) static APGD: Registered = Registered {
    name: "apgd",
    about: "Gradient ascent with momentum that chooses its own steps. Croce and Hein 2020, arXiv:2003.01690.",
    revision: 1,
    cases,
};

fn cases() -> Vec<AttackSpec> {
    let plain = Apgd { steps: 20, loss: LossKind::CrossEntropy, targets: 0, restarts: 1, eot: 1 };
    [
        plain.clone(),
        Apgd { loss: LossKind::Dlr, restarts: 2, steps: 7, ..plain.clone() },
        Apgd { loss: LossKind::Margin, steps: 1, ..plain.clone() },
        Apgd { loss: LossKind::Dlr, targets: 3, steps: 10, ..plain.clone() },
        Apgd { targets: 9, steps: 5, eot: 2, ..plain },
    ]
    .map(AttackSpec::Apgd)
    .to_vec()
}

impl Apgd {
    /// How many ascents one restart takes.
    fn ascents(&self, classes: usize) -> u64 {
        match self.targets {
            0 => 1,
            targets => u64::from(targets).min(classes.saturating_sub(1) as u64),
        }
    }

    async fn search(&self, row: &Row) {
        let targets: Vec<Option<usize>> = match self.targets {
            0 => vec![None],
            targets => {
                let logits = row.logits(row.ball.center()).await;
                rivals(&logits, row.label).take(targets as usize).map(Some).collect()
            }
        };
        for restart in 0..self.restarts as usize {
            for (index, &target) in targets.iter().enumerate() {
                let ordinal = restart * targets.len() + index;
                match row.ball.norm() {
                    Norm::L1 => self.climb_l1(row, target, ordinal).await,
                    Norm::Linf | Norm::L2 => self.climb(row, target, ordinal).await,
                }
            }
        }
    }

    async fn climb(&self, row: &Row, target: Option<usize>, ordinal: usize) {
        let mut x = row.ball.center().to_vec();
        moves::to_sphere(&mut x, &row.ball, row.epsilon, &mut row.stream(APGD.name, ordinal));
        let mut here = self.look(row, x, target).await;
        let mut best = here.clone();
        let mut before = here.x.clone();
        let mut pace = Pace::new(self.steps, row.epsilon, here.loss);
        for step in 0..self.steps {
            let next = advanced(row, &here, &before, pace.size, if step == 0 { 1.0 } else { 0.75 });
            before = here.x;
            here = self.look(row, next, target).await;
            if here.is_better_than(&best) {
                best = here.clone();
            }
            if pace.slows(here.loss, best.loss) {
                here = best.clone();
            }
        }
        row.propose(&best.x, false).await;
    }

    /// Looks at a point, and puts it before the judge if it is worth that.
    pub(super) async fn look(&self, row: &Row, x: Vec<f32>, target: Option<usize>) -> Point {
        let (point, claimed) = self.seen(row, x, target).await;
        if claimed || row.ball.is_grid() {
            row.propose(&point.x, claimed).await;
        }
        point
    }

    /// A point, and whether the model misclassifies it.
    pub(super) async fn seen(&self, row: &Row, x: Vec<f32>, target: Option<usize>) -> (Point, bool) {
        let goal = self.loss.goal(row.label, target, row.classes);
        let mut answer = row.gradient(&x, &goal).await;
        for _ in 1..self.eot {
            let again = row.gradient(&x, &goal).await;
            answer.loss += again.loss;
            answer.logits.iter_mut().zip(again.logits).for_each(|(sum, logit)| *sum += logit);
            answer.gradient.iter_mut().zip(again.gradient).for_each(|(sum, g)| *sum += g);
        }
        let claimed = row.is_broken_by(&answer.logits);
        (Point { x, loss: answer.loss, gradient: answer.gradient }, claimed)
    }
}

#[derive(Clone)]
pub(super) struct Point {
    pub(super) x: Vec<f32>,
    pub(super) loss: f32,
    pub(super) gradient: Vec<f32>,
}

impl Point {
    /// What is not a number is no better than anything, and anything is better than it.
    pub(super) fn is_better_than(&self, best: &Point) -> bool {
        self.loss > best.loss || best.loss.is_nan()
    }
}

/// The classes other than the label by falling logits, equals in their order.
pub(crate) fn rivals(logits: &[f32], label: usize) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..logits.len()).filter(|class| *class != label).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order.into_iter()
}

/// A step up the gradient, and then what is left of the last move.
fn advanced(row: &Row, here: &Point, before: &[f32], size: f64, share: f64) -> Vec<f32> {
    let mut z = here.x.clone();
    moves::step(&mut z, &row.ball, &here.gradient, moves::Step::Size(size), row.epsilon);
    for ((z, x), before) in z.iter_mut().zip(&here.x).zip(before) {
        let (x, before) = (f64::from(*x), f64::from(*before));
        *z = (x + share * (f64::from(*z) - x) + (1.0 - share) * (x - before)) as f32;
    }
    row.ball.clip(&mut z);
    z
}

/// How long steps are, and when they get shorter.
struct Pace {
    size: f64,
    /// Steps until the next look back.
    window: u32,
    least: u32,
    decrease: u32,
    taken: u32,
    rises: u32,
    last_loss: f32,
    /// The best loss at the last look back.
    best_before: f32,
    slowed_before: bool,
}

impl Pace {
    fn new(steps: u32, epsilon: f64, loss: f32) -> Self {
        let share = |percent: u32| (u64::from(steps) * u64::from(percent) / 100) as u32;
        Self {
            size: 2.0 * epsilon,
            window: share(22).max(1),
            least: share(6).max(1),
            decrease: share(3).max(1),
            taken: 0,
            rises: 0,
            last_loss: loss,
            best_before: loss,
            slowed_before: true,
        }
    }

    /// Counts a step; at the end of a window in which the loss rose in less than three steps of four, or the best did
    /// not rise at an unchanged step, halves the step and says so.
    fn slows(&mut self, loss: f32, best: f32) -> bool {
        self.taken += 1;
        self.rises += u32::from(loss > self.last_loss);
        self.last_loss = loss;
        if self.taken < self.window {
            return false;
        }
        let swings = 4 * self.rises <= 3 * self.window;
        let stuck = !self.slowed_before && self.best_before >= best;
        let slows = swings || stuck;
        if slows {
            self.size /= 2.0;
        }
        self.slowed_before = slows;
        self.best_before = best;
        self.window = self.window.saturating_sub(self.decrease).max(self.least);
        (self.taken, self.rises) = (0, 0);
        slows
    }
}

impl Attack for Apgd {
    fn registered(&self) -> &'static Registered {
        &APGD
    }

    fn check(&self, _: &ThreatModel) -> Result<(), Error> {
        match refuse_zero(&[("steps", self.steps), ("restarts", self.restarts), ("eot", self.eot)]) {
            Some(reason) => Err(Error::Spec { attack: APGD.name, reason }),
            None => Ok(()),
        }
    }

    fn heads(&self, classes: usize) -> Vec<LossHead> {
        vec![self.loss.head(self.targets > 0, classes)]
    }

    fn is_substituted(&self, classes: usize) -> bool {
        self.loss.is_substituted(self.targets > 0, classes)
    }

    fn cost(&self, classes: usize) -> Cost {
        let ascents = self.ascents(classes) * u64::from(self.restarts);
        let points = ascents * (u64::from(self.steps) + 1);
        let gradients = points * u64::from(self.eot);
        let ranking = u64::from(self.targets > 0);
        Cost { forwards: gradients + ranking, backwards: gradients, judge_forwards: points + ascents }
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the loss falls at every step, each look back halves the step.
    #[test]
    fn looks_back_when_the_authors_do() {
        for (steps, wanted) in [
            (100, &[22, 41, 57, 70, 80, 87, 93, 99][..]),
            (50, &[11, 21, 30, 38, 45]),
            (20, &[4, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
            (10, &[2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ] {
            let mut pace = Pace::new(steps, 0.5, 0.0);
            let looks: Vec<u32> = (1..=steps).filter(|step| pace.slows(-(*step as f32), 0.0)).collect();
            assert_eq!(looks, wanted);
            assert_eq!(pace.size, 0.5f64.powi(looks.len() as i32));
        }
        let mut pace = Pace::new(100, 0.5, 0.0);
        assert!((1..=100).all(|step| !pace.slows(step as f32, step as f32)), "it rises all the way");
    }

    #[test]
    fn rivals_come_by_falling_logits() {
        assert_eq!(rivals(&[1.0, 5.0, 3.0, 3.0, 7.0], 1).collect::<Vec<_>>(), [4, 2, 3, 0]);
    }
}
