use crate::ascent::{Ascent, Keep, Start, Targets};
use crate::attacks::{Attack, Registered};
use crate::lanes::{Row, Search};
use crate::moves::Step;
use crate::{AttackSpec, Cost, Epsilon, Error, LossHead, LossKind, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Projected gradient ascent: steps along the sign of the gradient (L-inf), the normalised gradient (L2) or of the elements
/// with the largest gradients (L1), each followed by projection to the ball.
///
/// A step in L1 moves the element whose gradient is largest, and the next one once that has met its bound: the steepest
/// ascent.
///
/// With restarts, and with `targets: each`, a row leaves at the first confirmed point.
///
/// Ties: an element with gradient zero stays.
/// Source: Madry et al. 2018, arXiv:1706.06083, section 2.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pgd {
    /// Steps of each ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// Where each ascent begins.
    pub start: Start,
    /// How often it begins anew, at least 1.
    #[schemars(range(min = 1))]
    pub restarts: u32,
    /// What is ascended.
    pub loss: LossKind,
    /// Which classes it heads for.
    #[serde(default)]
    pub targets: Targets,
    /// Which iterates are put before the judge.
    pub keep: Keep,
}

pub(crate) static PGD: Registered = Registered {
    name: "pgd",
    about: "Projected gradient ascent with random starts and restarts. Madry et al. 2018, arXiv:1706.06083.",
    revision: 1,
    cases,
};

fn cases() -> Vec<AttackSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let plain = Pgd {
        steps: 7,
        step_size,
        start: Start::Random,
        restarts: 1,
        loss: LossKind::CrossEntropy,
        targets: Targets::None,
        keep: Keep::Best,
    };
    [
        plain.clone(),
        Pgd { start: Start::None, keep: Keep::Last, ..plain.clone() },
        Pgd { start: Start::RandomClipped, keep: Keep::Last, loss: LossKind::Margin, ..plain.clone() },
        Pgd { restarts: 3, loss: LossKind::Margin, targets: Targets::Each, ..plain.clone() },
        Pgd { restarts: 2, targets: Targets::LeastLikely, ..plain.clone() },
        Pgd { targets: Targets::Each, start: Start::None, ..plain },
    ]
    .map(AttackSpec::Pgd)
    .to_vec()
}

impl Pgd {
    fn ascent(&self) -> Ascent {
        Ascent {
            id: PGD.name,
            steps: self.steps,
            step: Step::Size(self.step_size.to_f64()),
            start: self.start,
            restarts: self.restarts,
            loss: self.loss,
            targets: self.targets,
            keep: self.keep,
        }
    }
}

impl Attack for Pgd {
    fn registered(&self) -> &'static Registered {
        &PGD
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let reason = if self.steps == 0 {
            "`steps` is 0; expected at least 1"
        } else if self.restarts == 0 {
            "`restarts` is 0; expected at least 1"
        } else if self.restarts > 1 && self.start == Start::None {
            "restarts from the sample itself repeat each other; expected `start: random` or `restarts: 1`"
        } else if self.step_size.is_zero() && !threat.epsilon.is_zero() {
            "`step_size` is 0; expected more"
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: PGD.name, reason: reason.to_owned() })
    }

    fn heads(&self, classes: usize) -> Vec<LossHead> {
        self.ascent().heads(classes)
    }

    fn is_substituted(&self, classes: usize) -> bool {
        self.ascent().is_substituted(classes)
    }

    fn cost(&self, classes: usize) -> Cost {
        self.ascent().cost(classes)
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.ascent().search(&row).await })
    }
}
