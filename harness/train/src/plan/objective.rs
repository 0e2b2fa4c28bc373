//! What is minimised, in numbers.

use crate::recipe::document::{ObjectiveForm, StartForm};
use attack::{Epsilon, Inner, InnerStart, Start, ThreatModel};
use registry::yaml::{Located, Problem};
use serde::Serialize;

/// What is minimised.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Cross-entropy on the data as they are.
    Standard {
        /// The part of a target that is spread over all classes.
        label_smoothing: f64,
    },
    /// Cross-entropy on inputs that ascend the cross-entropy: FGSM-RS and PGD training.
    Adversarial {
        /// The part of a target that is spread over all classes.
        label_smoothing: f64,
        /// The ascent.
        inner: InnerPlan,
    },
    /// Zhang et al. 2019; the ascent is of the divergence.
    Trades {
        /// The weight of the divergence.
        beta: f64,
        /// The ascent.
        inner: InnerPlan,
    },
    /// Wang et al. 2020; the ascent is of the cross-entropy.
    Mart {
        /// The weight of the divergence.
        beta: f64,
        /// The ascent.
        inner: InnerPlan,
    },
}

/// The ascent inside of a step. The network stands still meanwhile, in evaluation mode.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InnerPlan {
    /// How many steps.
    pub steps: u32,
    /// The length of a step, in the units of epsilon.
    pub step_size: Epsilon,
    /// Where it starts.
    pub start: StartPlan,
}

/// Where an ascent starts. Every start is clipped to the ball.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartPlan {
    /// At the sample itself.
    None,
    /// Uniform in the ball as if the input had no bounds, then clipped to them.
    Uniform,
    /// At the sample plus nearly normal noise of this deviation.
    Gaussian(Epsilon),
}

impl Objective {
    /// The ascent inside of a step.
    pub fn inner(&self) -> Option<&InnerPlan> {
        match self {
            Objective::Standard { .. } => None,
            Objective::Adversarial { inner, .. } | Objective::Trades { inner, .. } | Objective::Mart { inner, .. } => {
                Some(inner)
            }
        }
    }

    /// Its numbers out of what the recipe says.
    ///
    /// Errors: a number that is not exact, or a step that goes nowhere.
    pub(super) fn resolve(form: &ObjectiveForm) -> Result<Objective, Problem> {
        let smoothing = |value: &Option<Located<f64>>| value.as_ref().map_or(0.0, |value| value.value);
        Ok(match form {
            ObjectiveForm::Standard(form) => Objective::Standard { label_smoothing: smoothing(&form.label_smoothing) },
            ObjectiveForm::FgsmRs(form) => Objective::Adversarial {
                label_smoothing: smoothing(&form.label_smoothing),
                inner: InnerPlan::resolve(1, &form.step_size, &StartForm::Uniform)?,
            },
            ObjectiveForm::Pgd(form) => Objective::Adversarial {
                label_smoothing: smoothing(&form.label_smoothing),
                inner: InnerPlan::resolve(form.steps.value, &form.step_size, &form.start)?,
            },
            ObjectiveForm::Trades(form) => Objective::Trades {
                beta: form.beta.value,
                inner: InnerPlan::resolve(form.steps.value, &form.step_size, &form.start)?,
            },
            ObjectiveForm::Mart(form) => Objective::Mart {
                beta: form.beta.value,
                inner: InnerPlan::resolve(form.steps.value, &form.step_size, &form.start)?,
            },
        })
    }
}

impl InnerPlan {
    fn resolve(steps: u32, step_size: &Located<Epsilon>, start: &StartForm) -> Result<InnerPlan, Problem> {
        if step_size.is_zero() {
            return Err(Problem::new("`step_size` is 0, and must be more").at(step_size.place));
        }
        let start = match start {
            StartForm::None => StartPlan::None,
            StartForm::Uniform => StartPlan::Uniform,
            StartForm::Gaussian(sigma) => StartPlan::Gaussian(sigma.value.clone()),
        };
        Ok(InnerPlan { steps, step_size: step_size.value.clone(), start })
    }

    /// The ascent in the balls of a threat model.
    pub(crate) fn ascent(&self, threat: &ThreatModel) -> Inner {
        Inner {
            steps: self.steps,
            step_size: self.step_size.to_f64(),
            epsilon: threat.epsilon.to_f64(),
            start: match &self.start {
                StartPlan::None => InnerStart::Attack(Start::None),
                StartPlan::Uniform => InnerStart::Attack(Start::RandomClipped),
                StartPlan::Gaussian(sigma) => InnerStart::Gaussian(sigma.to_f64()),
            },
        }
    }
}
