use crate::path::{Keep, Pair, Path, Sensitivity, Start, measure};
use crate::probes::{Bound, Probe, Registered, check_path};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, Epsilon, Loss, LossHead, Oracle, ThreatModel, argmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the predicted class changes from a sample to a point of the ball, right or wrong as it may be: 1 if it does, else 0.
/// The mean is 1 less the *perturbation stability* of Wu et al.
///
/// The point is where projected gradient ascent of the cross-entropy of the label ends, from the random stream of the
/// attack `pgd`; with `keep: best` any iterate counts.
///
/// A row counts as robust if it is right and does not flip, so robust accuracy under the same ascent is at least clean
/// accuracy less the mean of this.
/// Source: Wu et al. 2021, arXiv:2010.01279 (20 steps of 0.007, epsilon 0.031).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelFlips {
    /// Steps of the ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// Where it begins.
    pub start: Start,
    /// Which iterate counts.
    pub keep: Keep,
}

pub(crate) static LABEL_FLIPS: Registered = Registered {
    name: "label-flips",
    about: "The share of rows whose predicted class changes in the ball: 1 less the perturbation stability of Wu et al. \
            2021, arXiv:2010.01279.",
    bound: Bound::Lower,
    falls: false,
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let plain = LabelFlips { steps: 7, step_size, start: Start::Random, keep: Keep::Last };
    let best = LabelFlips { keep: Keep::Best, start: Start::None, ..plain.clone() };
    [plain, best].map(ProbeSpec::LabelFlips).to_vec()
}

impl Probe for LabelFlips {
    fn registered(&self) -> &'static Registered {
        &LABEL_FLIPS
    }

    fn units(&self) -> &'static str {
        "share of rows"
    }

    fn about(&self) -> String {
        let which = match self.keep {
            Keep::Last => "the last of",
            Keep::Best => "any of",
        };
        format!(
            "the share of rows whose predicted class, right or wrong, changes at {which} {} projected gradient steps of the \
             cross-entropy; 1 less this is the perturbation stability of Wu et al. At least so many change in the ball.",
            self.steps
        )
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), String> {
        check_path(&self.path(), false, threat)
    }

    fn head(&self) -> Option<LossHead> {
        Some(LossHead::CrossEntropy)
    }

    fn cost(&self, _: usize) -> Cost {
        self.path().cost()
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        measure(job, oracle, self)
    }
}

impl Sensitivity for LabelFlips {
    fn path(&self) -> Path {
        Path {
            id: "pgd",
            steps: self.steps,
            step_size: self.step_size.clone(),
            start: self.start.clone(),
            restarts: 1,
            keep: self.keep,
            looks: self.keep == Keep::Best,
        }
    }

    fn at_rest(&self) -> Option<f64> {
        Some(0.0)
    }

    fn value(&self, pair: &Pair<'_>) -> Option<f64> {
        Some(f64::from(argmax(pair.logits).0 != argmax(pair.logits_adv).0))
    }

    fn loss(&self, pairs: &[Pair<'_>]) -> Loss {
        cross_entropy(pairs)
    }
}

/// The cross-entropy of the labels of these rows.
pub(crate) fn cross_entropy(pairs: &[Pair<'_>]) -> Loss {
    let labels: Vec<usize> = pairs.iter().map(|pair| pair.label).collect();
    Loss::cross_entropy(&labels, pairs.first().map_or(0, |pair| pair.logits.len()))
}
