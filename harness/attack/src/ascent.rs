//! Projected gradient ascent of one row: what `fgsm` and `pgd` are settings of.

use crate::lanes::Row;
use crate::moves::{self, Step};
use crate::{Cost, LossHead, LossKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an ascent begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the sample.
    None,
    /// Uniform in the ball. L-inf: within the input's bounds too; L1 and L2: then clipped to them.
    Random,
    /// Uniform in the ball as if the input had no bounds, then clipped to them.
    RandomClipped,
}

/// Which classes an ascent heads for. Whatever the target, any misclassification breaks the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// Away from the label.
    #[default]
    None,
    /// To the rival with the least logit of the sample; the first of equals.
    LeastLikely,
    /// To each rival in turn, as restarts.
    Each,
}

/// Which iterates are put before the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The last of each restart.
    Last,
    /// Every one that the oracle misclassifies, at once; at the end of a restart the last and the one with the highest
    /// loss. For integer inputs every one: there the judge's own forward chooses.
    Best,
}

/// The setting of an ascent, every number explicit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ascent {
    /// The attack's own id, part of the key of the random streams.
    pub(crate) id: &'static str,
    pub(crate) steps: u32,
    pub(crate) step: Step,
    pub(crate) start: Start,
    pub(crate) restarts: u32,
    pub(crate) loss: LossKind,
    pub(crate) targets: Targets,
    pub(crate) keep: Keep,
}

impl Targets {
    /// How many ascents one restart takes.
    pub(crate) fn count(self, classes: usize) -> u64 {
        match self {
            Targets::None | Targets::LeastLikely => 1,
            Targets::Each => classes.saturating_sub(1) as u64,
        }
    }

    /// The classes that it heads for in turn; `None` is away from the label.
    pub(crate) async fn of(self, row: &Row) -> Vec<Option<usize>> {
        match self {
            Targets::None => vec![None],
            Targets::Each => (0..row.classes).filter(|class| *class != row.label).map(Some).collect(),
            Targets::LeastLikely => vec![least_likely(&row.logits(row.ball.center()).await, row.label)],
        }
    }
}

impl Ascent {
    /// The loss heads whose gradients it needs.
    pub(crate) fn heads(&self, classes: usize) -> Vec<LossHead> {
        vec![self.loss.head(self.targets != Targets::None, classes)]
    }

    /// Whether another loss takes the place of its own.
    pub(crate) fn is_substituted(&self, classes: usize) -> bool {
        self.loss.is_substituted(self.targets != Targets::None, classes)
    }

    /// What one row costs at worst: a gradient for each step, the logits that rank the targets, and the judge's
    /// forwards for each iterate and the end of each ascent.
    pub(crate) fn cost(&self, classes: usize) -> Cost {
        let ascents = self.targets.count(classes) * u64::from(self.restarts);
        let steps = ascents * u64::from(self.steps);
        let ranking = u64::from(self.targets == Targets::LeastLikely);
        let judge_forwards = if self.keep == Keep::Best { steps + ascents } else { ascents };
        Cost { forwards: steps + ranking, backwards: steps, judge_forwards }
    }

    /// The ascents of one row, one after the other.
    pub(crate) async fn search(&self, row: &Row) {
        let targets = self.targets.of(row).await;
        for restart in 0..self.restarts as usize {
            for (index, &target) in targets.iter().enumerate() {
                self.climb(row, target, restart * targets.len() + index).await;
            }
        }
    }

    /// One ascent, from its own start; `ordinal` counts over restarts and targets.
    async fn climb(&self, row: &Row, target: Option<usize>, ordinal: usize) {
        let goal = self.loss.goal(row.label, target, row.classes);
        let mut best: Option<Best> = None;
        let mut x = row.ball.center().to_vec();
        if self.start != Start::None {
            moves::scatter(&mut x, &row.ball, self.start, row.epsilon, &mut row.stream(self.id, ordinal));
        }
        for _ in 0..self.steps {
            let answer = row.gradient(&x, &goal).await;
            if self.keep == Keep::Best {
                let claimed = row.is_broken_by(&answer.logits);
                let proposed = claimed || row.ball.is_grid();
                if proposed {
                    row.propose(&x, claimed).await;
                }
                if !answer.loss.is_nan() && best.as_ref().is_none_or(|best| answer.loss > best.loss) {
                    best = Some(Best { loss: answer.loss, x: x.clone(), proposed });
                }
            }
            moves::step(&mut x, &row.ball, &answer.gradient, self.step, row.epsilon);
        }
        row.propose(&x, false).await;
        if let Some(best) = best.filter(|best| !best.proposed) {
            row.propose(&best.x, false).await;
        }
    }
}

/// The iterate with the highest loss.
struct Best {
    loss: f32,
    x: Vec<f32>,
    /// Whether the judge has seen it.
    proposed: bool,
}

fn least_likely(logits: &[f32], label: usize) -> Option<usize> {
    let rivals = logits.iter().enumerate().filter(|(class, logit)| *class != label && !logit.is_nan());
    let least = rivals.reduce(|least, next| if next.1 < least.1 { next } else { least });
    Some(least.map_or(usize::from(label == 0), |(class, _)| class))
}
