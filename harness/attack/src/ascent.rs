//! Projected gradient ascent of one row: what `fgsm` and `pgd` are settings of.

use crate::lanes::{Answer, Candidate, Query, Search, drive};
use crate::moves::{self, Step};
use crate::run::Job;
use crate::seeds::stream;
use crate::{Ball, Cost, Error, Judge, LossHead, LossKind, Oracle, RowOutcome, argmax};
use serde::{Deserialize, Serialize};

/// Where an ascent begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the sample.
    None,
    /// Uniform in the ball. L-inf: within the input's bounds too; L2: then clipped to them.
    Random,
    /// Uniform in the ball as if the input had no bounds, then clipped to them.
    RandomClipped,
}

/// Which classes an ascent heads for. Whatever the target, any misclassification breaks the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

impl Ascent {
    /// The loss heads whose gradients it needs.
    pub(crate) fn heads(&self) -> Vec<LossHead> {
        vec![self.loss.head(self.targets != Targets::None)]
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

    pub(crate) fn run(
        &self,
        job: &Job<'_>,
        oracle: &mut dyn Oracle,
        judge: &mut Judge<'_>,
    ) -> Result<Vec<RowOutcome>, Error> {
        let classes = oracle.classes();
        drive(job, self.loss, oracle, judge, |row, ball| {
            let label = job.rows.labels[row];
            let targets = match self.targets {
                Targets::None => Some(vec![None]),
                Targets::Each => Some((0..classes).filter(|class| *class != label).map(Some).collect()),
                Targets::LeastLikely => None,
            };
            let mut climb = Climb {
                plan: self,
                epsilon: job.setting.threat.epsilon.to_f64(),
                seed: job.setting.seed,
                digest: job.rows.digests[row],
                label,
                targets,
                ordinal: 0,
                taken: 0,
                x: Vec::new(),
                best: None,
            };
            climb.begin(ball);
            climb
        })
    }
}

/// The ascents of one row, one after the other.
struct Climb<'a> {
    plan: &'a Ascent,
    epsilon: f64,
    seed: u64,
    digest: [u8; 32],
    label: usize,
    /// What each ascent of a restart heads for; `None` until the logits of the sample are known.
    targets: Option<Vec<Option<usize>>>,
    /// Which ascent this is, over restarts and targets.
    ordinal: usize,
    taken: u32,
    x: Vec<f32>,
    best: Option<Best>,
}

struct Best {
    loss: f32,
    x: Vec<f32>,
    proposed: bool,
}

impl Search for Climb<'_> {
    fn query(&self) -> Option<(Query, &[f32])> {
        let query = match &self.targets {
            None => Query::Logits,
            Some(targets) if self.ordinal < targets.len() * self.plan.restarts as usize => {
                Query::Gradient { target: targets[self.ordinal % targets.len()] }
            }
            Some(_) => return None,
        };
        Some((query, &self.x))
    }

    fn advance(&mut self, ball: &Ball, answer: &Answer<'_>, flags: &mut RowOutcome) -> Vec<Candidate> {
        if self.targets.is_none() {
            self.targets = Some(vec![least_likely(answer.logits, self.label)]);
            self.begin(ball);
            return Vec::new();
        }
        let mut candidates = Vec::new();
        if self.plan.keep == Keep::Best {
            self.consider(ball, answer, &mut candidates);
        }
        self.step(ball, answer.gradient, flags);
        self.taken += 1;
        if self.taken == self.plan.steps {
            candidates.push(Candidate { x_adv: projected(ball, &self.x), claimed: false });
            if let Some(best) = self.best.take().filter(|best| !best.proposed) {
                candidates.push(Candidate { x_adv: projected(ball, &best.x), claimed: false });
            }
            self.ordinal += 1;
            self.begin(ball);
        }
        candidates
    }
}

impl Climb<'_> {
    /// Moves to the start of the current ascent.
    fn begin(&mut self, ball: &Ball) {
        self.taken = 0;
        self.best = None;
        self.x = ball.center().to_vec();
        if self.query().is_some_and(|(query, _)| query != Query::Logits) && self.plan.start != Start::None {
            let mut rng = stream(self.seed, self.plan.id, &self.digest, self.ordinal as u64);
            moves::scatter(&mut self.x, ball, self.plan.start, self.epsilon, &mut rng);
        }
    }

    /// Proposes the current iterate if it is worth it, and remembers it if it is the best.
    fn consider(&mut self, ball: &Ball, answer: &Answer<'_>, candidates: &mut Vec<Candidate>) {
        let numbers = answer.logits.iter().all(|logit| !logit.is_nan());
        let claimed = numbers && argmax(answer.logits).0 != self.label;
        let proposed = claimed || ball.is_grid();
        if proposed {
            candidates.push(Candidate { x_adv: projected(ball, &self.x), claimed });
        }
        if !answer.loss.is_nan() && self.best.as_ref().is_none_or(|best| answer.loss > best.loss) {
            self.best = Some(Best { loss: answer.loss, x: self.x.clone(), proposed });
        }
    }

    fn step(&mut self, ball: &Ball, gradient: &[f32], flags: &mut RowOutcome) {
        flags.zero_gradients += u32::from(gradient.iter().all(|g| *g == 0.0));
        // Without a branch for each element, which would keep the loop from being vectorised.
        let finite = gradient.iter().fold(true, |finite, g| finite & g.is_finite());
        flags.non_finite_gradients += u32::from(!finite);
        moves::step(&mut self.x, ball, gradient, self.plan.step, self.epsilon);
    }
}

fn projected(ball: &Ball, x: &[f32]) -> Vec<f32> {
    let mut x_adv = x.to_vec();
    ball.project(&mut x_adv);
    x_adv
}

fn least_likely(logits: &[f32], label: usize) -> Option<usize> {
    let rivals = logits.iter().enumerate().filter(|(class, logit)| *class != label && !logit.is_nan());
    let least = rivals.reduce(|least, next| if next.1 < least.1 { next } else { least });
    Some(least.map_or(usize::from(label == 0), |(class, _)| class))
}
