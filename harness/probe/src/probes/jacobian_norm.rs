use crate::probes::{Bound, Probe, Registered};
use crate::rows::{Answer, difference, gradients};
use crate::run::{Job, RowValue};
use crate::spectral::largest_eigenvalue;
use crate::{Error, ProbeSpec};
use attack::{Cost, LossHead, Norm, Oracle, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A norm of the Jacobian of the logits by the input at the sample, exact: one gradient for each class.
///
/// The spectral norm is the local Lipschitz constant at that point in l2, of logits by input. Both are of the model as the
/// gradient graph has it: at a kink of a ReLU the derivative is 0, through a quantizer it is straight-through.
/// Source: Hoffman, Roberts, Yaida 2019, arXiv:1908.02729, whose regulariser is half the square of the Frobenius norm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JacobianNorm {
    /// The norm.
    pub norm: MatrixNorm,
}

/// A norm of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixNorm {
    /// The square root of the sum of the squares of all elements.
    Frobenius,
    /// The largest singular value.
    Spectral,
}

pub(crate) static JACOBIAN_NORM: Registered = Registered {
    name: "jacobian-norm",
    about: "A norm of the exact Jacobian of the logits by the input at the sample. Hoffman et al. 2019, arXiv:1908.02729.",
    bound: Bound::Exact,
    falls: false,
    revision: 1,
    cases: || {
        [MatrixNorm::Frobenius, MatrixNorm::Spectral]
            .map(|norm| ProbeSpec::JacobianNorm(JacobianNorm { norm }))
            .to_vec()
    },
};

impl MatrixNorm {
    /// Of the matrix with these rows, in f64.
    fn of(self, rows: &[Vec<f32>]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + f64::from(*a) * f64::from(*b));
        match self {
            MatrixNorm::Frobenius => rows.iter().fold(0.0, |sum, row| sum + dot(row, row)).sqrt(),
            MatrixNorm::Spectral => {
                let gram = rows.iter().map(|a| rows.iter().map(|b| dot(a, b)).collect()).collect();
                largest_eigenvalue(gram).max(0.0).sqrt()
            }
        }
    }
}

impl Probe for JacobianNorm {
    fn registered(&self) -> &'static Registered {
        &JACOBIAN_NORM
    }

    fn units(&self) -> &'static str {
        "logits per unit"
    }

    fn about(&self) -> String {
        let norm = match self.norm {
            MatrixNorm::Frobenius => "Frobenius norm (the square root of the sum of squares)",
            MatrixNorm::Spectral => "spectral norm (the largest singular value)",
        };
        format!("the {norm} of the exact Jacobian of the logits by the input at the sample; all rows count.")
    }

    fn check(&self, _: &ThreatModel) -> Result<(), String> {
        Ok(())
    }

    fn head(&self) -> Option<LossHead> {
        Some(LossHead::Linear)
    }

    fn cost(&self, classes: usize) -> Cost {
        Cost { forwards: classes as u64, backwards: classes as u64, judge_forwards: 0 }
    }

    fn bounded_by(&self) -> Option<(Norm, Norm)> {
        (self.norm == MatrixNorm::Spectral).then_some((Norm::L2, Norm::L2))
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        let classes = oracle.classes();
        let mut values = Vec::with_capacity(job.len());
        let mut each = |answer: Answer<'_>| {
            let finite = answer.has_finite_gradients();
            values.push(RowValue {
                value: (finite && answer.has_finite_logits()).then(|| self.norm.of(answer.gradients)),
                step: None,
                forwards: classes as u64,
                backwards: classes as u64,
                zero_gradients: answer.zero_gradients(),
                non_finite_gradients: u32::from(!finite),
                non_finite_logits: u32::from(!answer.has_finite_logits()),
            });
        };
        gradients(oracle, job.rows.x.view(), classes, &|_, class| difference(classes, class, None), &mut each)?;
        Ok(values)
    }
}
