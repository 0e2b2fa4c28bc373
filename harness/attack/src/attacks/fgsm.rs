use crate::ascent::{Ascent, Keep, Start, Targets};
use crate::attacks::{Attack, Registered};
use crate::lanes::{Row, Search};
use crate::moves::Step;
use crate::{AttackSpec, Cost, Error, LossHead, LossKind, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// One step from the sample to the surface of the ball: along the sign of the gradient (L-inf: to the corner that it
/// names, exactly), along the gradient (L2), or of the elements with the largest gradients, each up to its bound while epsilon
/// lasts (L1).
///
/// Exact for linear models: untargeted for two classes, and with the margin to each target for any number.
///
/// Ties: an element with gradient zero stays.
/// Source: Goodfellow et al. 2015, arXiv:1412.6572, section 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fgsm {
    /// What is ascended.
    pub loss: LossKind,
    /// Which classes it heads for.
    #[serde(default)]
    pub targets: Targets,
}

pub(crate) static FGSM: Registered = Registered {
    name: "fgsm",
    about: "One step of size epsilon along the sign of the gradient (L2: along the gradient; L1: of the elements \
            where it is largest), from the sample. Goodfellow et al. 2015, arXiv:1412.6572.",
    revision: 1,
    cases: || {
        let all = [LossKind::CrossEntropy, LossKind::Margin];
        let targets = [Targets::None, Targets::LeastLikely, Targets::Each];
        all.iter().flat_map(|&loss| targets.map(|targets| AttackSpec::Fgsm(Fgsm { loss, targets }))).collect()
    },
};

impl Fgsm {
    fn ascent(&self) -> Ascent {
        Ascent {
            id: FGSM.name,
            steps: 1,
            step: Step::Whole,
            start: Start::None,
            restarts: 1,
            loss: self.loss,
            targets: self.targets,
            keep: Keep::Last,
        }
    }
}

impl Attack for Fgsm {
    fn registered(&self) -> &'static Registered {
        &FGSM
    }

    fn check(&self, _: &ThreatModel) -> Result<(), Error> {
        Ok(())
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
