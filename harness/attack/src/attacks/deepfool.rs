use crate::attacks::apgd::rivals;
use crate::attacks::{Attack, Registered};
use crate::boundary::Boundary;
use crate::lanes::{Row, Search};
use crate::{AttackSpec, Cost, Epsilon, Error, LossHead, LossKind, Norm, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// DeepFool: looks for the misclassified input nearest to the sample, whatever epsilon is. Each step takes the model for linear and
/// goes just beyond the nearest decision boundary, until the model is wrong; the whole way is then lengthened a little.
///
/// The sample is broken if that input lies in the ball. The norm is the threat model's, L-inf or L2.
/// Source: Moosavi-Dezfooli et al. 2016, arXiv:1511.04599.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deepfool {
    /// Steps at most, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// How many classes count, the sample's own among them: those with the largest logits at the sample. At least 2.
    #[schemars(range(min = 2))]
    pub candidates: u32,
    /// How much of the way is added to it, such as 0.02.
    pub overshoot: Epsilon,
}

pub(crate) static DEEPFOOL: Registered = Registered {
    name: "deepfool",
    about: "Steps to the nearest decision boundary of a linear model until the class changes. Moosavi-Dezfooli et al. 2016, \
            arXiv:1511.04599.",
    revision: 1,
    cases: || {
        let overshoot: Epsilon = "0.02".parse().expect("a decimal");
        let plain = Deepfool { steps: 12, candidates: 10, overshoot };
        let narrow = Deepfool { candidates: 2, steps: 3, overshoot: "1/10".parse().expect("a fraction") };
        vec![AttackSpec::Deepfool(plain), AttackSpec::Deepfool(narrow)]
    },
};

/// How far beyond the boundary a step goes, as a part of the domain's width.
const BEYOND: f64 = 1e-4;

impl Deepfool {
    fn rivals(&self, classes: usize) -> usize {
        (self.candidates as usize).min(classes).saturating_sub(1)
    }

    async fn search(&self, row: &Row) {
        let center = row.ball.center();
        let logits = row.logits(center).await;
        let rivals: Vec<usize> = rivals(&logits, row.label).take(self.rivals(row.classes)).collect();
        let (mut x, mut way) = (center.to_vec(), vec![0.0; center.len()]);
        let stretch = 1.0 + self.overshoot.to_f64();
        let mut misclassified = false;
        for _ in 0..self.steps {
            let Some(boundary) = Boundary::nearest(row, &x, &rivals).await else { break };
            misclassified = boundary.misclassified;
            if misclassified {
                break;
            }
            advance(row, &mut way, &boundary);
            let ends = center.iter().zip(&way).map(|(center, way)| (f64::from(*center) + stretch * way) as f32);
            x = ends.collect();
            row.domain.project(&mut x, false);
        }
        row.offer(&x, misclassified).await;
    }
}

/// The way with the shortest step that crosses the boundary added.
fn advance(row: &Row, way: &mut [f64], boundary: &Boundary) {
    let size = row.ball.norm().dual_length(&boundary.gradient) + 1e-8;
    let distance = boundary.lead.abs() / size + BEYOND * row.domain.width();
    for (way, g) in way.iter_mut().zip(&boundary.gradient) {
        *way += match row.ball.norm() {
            Norm::Linf if *g == 0.0 => 0.0,
            Norm::Linf => distance * f64::from(g.signum()),
            // L1 is refused.
            Norm::L1 | Norm::L2 => distance * f64::from(*g) / size,
        };
    }
}

impl Attack for Deepfool {
    fn registered(&self) -> &'static Registered {
        &DEEPFOOL
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let reason = if let Some(reason) = threat.refuses_l1() {
            reason
        } else if self.steps == 0 {
            "`steps` is 0; expected at least 1".to_owned()
        } else if self.candidates < 2 {
            format!("`candidates` is {}; expected at least 2, the sample's own class among them", self.candidates)
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: DEEPFOOL.name, reason })
    }

    fn heads(&self, classes: usize) -> Vec<LossHead> {
        vec![LossKind::Margin.head(true, classes)]
    }

    fn cost(&self, classes: usize) -> Cost {
        let gradients = u64::from(self.steps) * self.rivals(classes) as u64;
        Cost { forwards: gradients + 1, backwards: gradients, judge_forwards: 1 }
    }

    fn minimises(&self) -> bool {
        true
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}
