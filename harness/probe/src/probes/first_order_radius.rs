use crate::probes::{Bound, Probe, Registered};
use crate::rows::{Answer, difference, gradients};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, LossHead, Oracle, ThreatModel, argmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far the nearest decision boundary is if the model were linear around the sample: the least over the rivals `j` of
/// `(z_y - z_j) / ‖∇(z_y - z_j)‖`, the norm dual to the threat model's.
///
/// It is 0 where the row is wrong, and there is no value where every rival's gradient is zero. Exact for linear models;
/// else neither bound: the boundary may be nearer or farther.
/// Source: the first step of DeepFool, Moosavi-Dezfooli et al. 2016, arXiv:1511.04599, eq. 8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstOrderRadius {}

pub(crate) static FIRST_ORDER_RADIUS: Registered = Registered {
    name: "first-order-radius",
    about: "The margin over the length of its gradient: how far the decision boundary is if the model were linear. \
            Moosavi-Dezfooli et al. 2016, arXiv:1511.04599.",
    bound: Bound::Estimate,
    falls: true,
    revision: 1,
    cases: || vec![ProbeSpec::FirstOrderRadius(FirstOrderRadius {})],
};

/// A class other than the label, by its number among them.
pub(crate) fn rival(label: usize, which: usize) -> usize {
    if which < label { which } else { which + 1 }
}

impl Probe for FirstOrderRadius {
    fn registered(&self) -> &'static Registered {
        &FIRST_ORDER_RADIUS
    }

    fn units(&self) -> &'static str {
        "units of epsilon"
    }

    fn about(&self) -> String {
        "the least of (margin to a rival) / (dual norm of its gradient) at the sample, 0 where the row is wrong: the distance of \
         the boundary if the model were linear; an estimate that may err to either side."
            .to_owned()
    }

    fn check(&self, _: &ThreatModel) -> Result<(), String> {
        Ok(())
    }

    fn head(&self) -> Option<LossHead> {
        Some(LossHead::Linear)
    }

    fn cost(&self, classes: usize) -> Cost {
        let rivals = classes.saturating_sub(1) as u64;
        Cost { forwards: rivals, backwards: rivals, judge_forwards: 0 }
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        let (classes, labels, norm) = (oracle.classes(), job.rows.labels, job.setting.threat.norm);
        let rivals = classes - 1;
        let mut values = Vec::with_capacity(job.len());
        let mut each = |answer: Answer<'_>| {
            let label = labels[answer.point];
            let (logits, finite) = (answer.logits, answer.has_finite_gradients());
            let radius = |(which, gradient): (usize, &Vec<f32>)| {
                let lead = f64::from(logits[label]) - f64::from(logits[rival(label, which)]);
                // A tie is a boundary, whatever its gradient.
                if lead > 0.0 { lead / norm.dual_length(gradient) } else { 0.0 }
            };
            let value = match (finite && answer.has_finite_logits(), argmax(logits).0 == label) {
                (false, _) => None,
                (true, false) => Some(0.0),
                (true, true) => {
                    let least = answer.gradients.iter().enumerate().map(radius).fold(f64::INFINITY, f64::min);
                    least.is_finite().then_some(least)
                }
            };
            values.push(RowValue {
                value,
                step: None,
                forwards: rivals as u64,
                backwards: rivals as u64,
                zero_gradients: answer.zero_gradients(),
                non_finite_gradients: u32::from(!finite),
                non_finite_logits: u32::from(!answer.has_finite_logits()),
            });
        };
        let weights =
            |point: usize, which: usize| difference(classes, labels[point], Some(rival(labels[point], which)));
        gradients(oracle, job.rows.x.view(), rivals, &weights, &mut each)?;
        Ok(values)
    }
}
