use crate::path::logits_of;
use crate::probes::{Bound, Probe, Registered};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, LossHead, Oracle, ThreatModel, margin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The logit of the label less the largest of the others at the sample: negative where the row is wrong. The smaller, the nearer
/// is the decision boundary in the space of logits; scales with the logits, so compare it within one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogitMargin {}

pub(crate) static LOGIT_MARGIN: Registered = Registered {
    name: "logit-margin",
    about: "The logit of the label less the largest of the others, at the sample.",
    bound: Bound::Exact,
    falls: true,
    revision: 1,
    cases: || vec![ProbeSpec::LogitMargin(LogitMargin {})],
};

impl Probe for LogitMargin {
    fn registered(&self) -> &'static Registered {
        &LOGIT_MARGIN
    }

    fn units(&self) -> &'static str {
        "logits"
    }

    fn about(&self) -> String {
        "the logit of the label less the largest of the others at the sample, negative where the row is wrong; all rows count."
            .to_owned()
    }

    fn check(&self, _: &ThreatModel) -> Result<(), String> {
        Ok(())
    }

    fn head(&self) -> Option<LossHead> {
        None
    }

    fn cost(&self, _: usize) -> Cost {
        Cost { forwards: 1, ..Cost::default() }
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        let logits = logits_of(oracle, job.rows.x.view())?;
        let value = |(logits, label): (ndarray::ArrayView1<'_, f32>, &usize)| {
            let logits = logits.to_vec();
            let finite = logits.iter().all(|z| z.is_finite());
            RowValue {
                value: if finite { margin(&logits, *label) } else { None },
                forwards: 1,
                non_finite_logits: u32::from(!finite),
                ..RowValue::default()
            }
        };
        Ok(logits.rows().into_iter().zip(job.rows.labels).map(value).collect())
    }
}
