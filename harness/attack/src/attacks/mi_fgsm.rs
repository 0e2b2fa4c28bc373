use crate::ascent::Targets;
use crate::attacks::{Attack, Registered};
use crate::lanes::{Row, Search};
use crate::moves::{self, Step};
use crate::{AttackSpec, Cost, Epsilon, Error, LossHead, LossKind, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// The momentum iterative fast gradient sign method: from the sample, steps along the sign (L2: the direction; L1: the
/// largest elements) of a sum of gradients, each divided by its own l1 length, in which older ones fade.
///
/// Ties: an element whose sum is zero stays. A gradient of zero, or one that is not finite, adds nothing.
/// Source: Dong et al. 2018, arXiv:1710.06081, algorithm 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiFgsm {
    /// How many steps, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// What an older sum keeps in each step; the authors take 1.
    pub decay: Epsilon,
    /// What is ascended.
    pub loss: LossKind,
    /// Which classes it heads for.
    #[serde(default)]
    pub targets: Targets,
}

pub(crate) static MI_FGSM: Registered = Registered {
    name: "mi-fgsm",
    about: "Steps along the sign of a sum of gradients in which older ones fade. Dong et al. 2018, arXiv:1710.06081.",
    revision: 1,
    cases: || {
        let number = |text: &str| text.parse::<Epsilon>().expect("a number");
        let plain = MiFgsm {
            steps: 6,
            step_size: number("1/100"),
            decay: number("1"),
            loss: LossKind::CrossEntropy,
            targets: Targets::None,
        };
        let each = MiFgsm { decay: number("0.5"), loss: LossKind::Margin, targets: Targets::Each, ..plain.clone() };
        vec![AttackSpec::MiFgsm(plain), AttackSpec::MiFgsm(each)]
    },
};

impl MiFgsm {
    async fn search(&self, row: &Row) {
        for target in self.targets.of(row).await {
            let goal = self.loss.goal(row.label, target, row.classes);
            let (step, decay) = (Step::Size(self.step_size.to_f64()), self.decay.to_f64());
            let mut x = row.ball.center().to_vec();
            let mut sum = vec![0.0f32; x.len()];
            for taken in 0..self.steps {
                let answer = row.gradient(&x, &goal).await;
                let claimed = row.is_broken_by(&answer.logits);
                if taken > 0 && (claimed || row.ball.is_grid()) {
                    row.propose(&x, claimed).await;
                }
                let length = answer.gradient.iter().fold(0.0, |sum, g| sum + f64::from(g.abs()));
                let share = if length > 0.0 && length.is_finite() { 1.0 / length } else { 0.0 };
                for (sum, g) in sum.iter_mut().zip(&answer.gradient) {
                    let new = if share > 0.0 { share * f64::from(*g) } else { 0.0 };
                    *sum = (decay * f64::from(*sum) + new) as f32;
                }
                moves::step(&mut x, &row.ball, &sum, step, row.epsilon);
            }
            row.propose(&x, false).await;
        }
    }
}

impl Attack for MiFgsm {
    fn registered(&self) -> &'static Registered {
        &MI_FGSM
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let reason = if self.steps == 0 {
            "`steps` is 0; expected at least 1"
        } else if self.step_size.is_zero() && !threat.epsilon.is_zero() {
            "`step_size` is 0; expected more"
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: MI_FGSM.name, reason: reason.to_owned() })
    }

    fn heads(&self, classes: usize) -> Vec<LossHead> {
        vec![self.loss.head(self.targets != Targets::None, classes)]
    }

    fn is_substituted(&self, classes: usize) -> bool {
        self.loss.is_substituted(self.targets != Targets::None, classes)
    }

    fn cost(&self, classes: usize) -> Cost {
        let steps = self.targets.count(classes) * u64::from(self.steps);
        let ranking = u64::from(self.targets == Targets::LeastLikely);
        Cost { forwards: steps + ranking, backwards: steps, judge_forwards: steps }
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::{Problem, threat};
    use crate::{Norm, Pgd, Start};

    /// Without memory only the length of the gradient is divided out, which no norm sees.
    #[test]
    fn without_memory_it_is_projected_gradient_ascent_from_the_sample() {
        let number = |text: &str| text.parse::<Epsilon>().expect("a number");
        for (norm, epsilon) in [(Norm::Linf, "16/255"), (Norm::L2, "0.2"), (Norm::L1, "0.4")] {
            let threat = threat(norm, epsilon);
            let (loss, targets, step_size) =
                (LossKind::Margin, Targets::None, number(if norm == Norm::L1 { "1/20" } else { "1/100" }));
            let mi = MiFgsm { steps: 8, step_size: step_size.clone(), decay: number("0"), loss, targets };
            let (start, keep) = (Start::None, crate::Keep::Best);
            let pgd = Pgd { steps: 8, step_size, start, restarts: 1, loss, targets, keep };
            let mut problem = Problem::mlp();
            let found = problem.attack(&AttackSpec::MiFgsm(mi), &threat);
            let wanted = problem.attack(&AttackSpec::Pgd(pgd), &threat);
            let broken = |rows: &[crate::RowOutcome]| rows.iter().map(|row| row.broken).collect::<Vec<_>>();
            assert_eq!(broken(&found), broken(&wanted), "{norm}");
            assert!(found.iter().any(|row| row.broken) && found.iter().any(|row| !row.broken));
        }
    }
}
