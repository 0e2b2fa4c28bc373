use crate::path::{Keep, Pair, Path, Sensitivity, Start, logits_of, measure};
use crate::probes::label_flips::cross_entropy;
use crate::probes::{Bound, Probe, Registered, check_path};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec, softmax};
use attack::{Cost, Epsilon, Loss, LossHead, Oracle, ThreatModel, argmax};
use ndarray::Axis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far confidence is from accuracy, at the samples or where an attack ends.
///
/// The value of a row is its confidence, the largest class probability, less 1 if the row is right: the mean is confidence
/// less accuracy, positive for a model that is too sure of itself. The expected calibration error adds up the magnitudes of
/// these sums over bins of confidence `((i - 1) / n, i / n]`, divided by the number of rows. Both are of these rows alone: an
/// estimate for others, and the error of few rows is too large.
///
/// Under attack the point is the last iterate of projected gradient ascent of the cross-entropy, from the random stream of
/// the attack `pgd`.
/// Source: Guo et al. 2017, arXiv:1706.04599, eq. 5 (15 bins).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Bins of equal width, from 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub bins: u32,
    /// Where it is measured.
    pub at: At,
}

/// Where [`Calibration`] looks at the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum At {
    /// At the sample.
    Sample,
    /// At the last iterate of an ascent.
    Pgd {
        /// Steps of the ascent, at least 1.
        #[schemars(range(min = 1))]
        steps: u32,
        /// The size of a step, in the norm and units of epsilon.
        step_size: Epsilon,
        /// Where it begins.
        start: Start,
    },
}

pub(crate) static CALIBRATION: Registered = Registered {
    name: "calibration",
    about: "Confidence less accuracy, and the expected calibration error, at the samples or under attack. Guo et al. 2017, \
            arXiv:1706.04599.",
    bound: Bound::Estimate,
    falls: false,
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let attacked = At::Pgd { steps: 7, step_size, start: Start::Random };
    [Calibration { bins: 15, at: At::Sample }, Calibration { bins: 10, at: attacked }]
        .map(ProbeSpec::Calibration)
        .to_vec()
}

const MOST_BINS: u32 = 1000;

impl Probe for Calibration {
    fn registered(&self) -> &'static Registered {
        &CALIBRATION
    }

    fn units(&self) -> &'static str {
        "confidence less accuracy"
    }

    fn about(&self) -> String {
        let place = match &self.at {
            At::Sample => "at the sample".to_owned(),
            At::Pgd { steps, .. } => format!("at the last of {steps} projected gradient steps of the cross-entropy"),
        };
        format!(
            "confidence (the largest class probability) less accuracy, {place}; above 0 the model is too sure. ECE is the \
             expected calibration error in {} bins of confidence.",
            self.bins
        )
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), String> {
        if !(1..=MOST_BINS).contains(&self.bins) {
            return Err(format!("`bins` is {}; expected 1 to {MOST_BINS}", self.bins));
        }
        self.ascent().map_or(Ok(()), |path| check_path(&path, false, threat))
    }

    fn head(&self) -> Option<LossHead> {
        self.ascent().map(|_| LossHead::CrossEntropy)
    }

    fn cost(&self, _: usize) -> Cost {
        self.ascent().map_or(Cost { forwards: 1, ..Cost::default() }, |path| path.cost())
    }

    fn bins(&self) -> Option<u32> {
        Some(self.bins)
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        let mut values = match self.ascent() {
            Some(_) => measure(job, oracle, self)?,
            None => vec![RowValue::default(); job.len()],
        };
        // Where nothing moves, the sample it is.
        let still: Vec<usize> = (0..values.len()).filter(|row| values[*row].forwards == 0).collect();
        let logits = logits_of(oracle, job.rows.x.select(Axis(0), &still).view())?;
        for (row, logits) in still.into_iter().zip(logits.rows()) {
            let logits = logits.to_vec();
            let finite = logits.iter().all(|z| z.is_finite());
            values[row] = RowValue {
                value: finite.then(|| overconfidence(&logits, job.rows.labels[row])),
                forwards: 1,
                non_finite_logits: u32::from(!finite),
                ..RowValue::default()
            };
        }
        Ok(values)
    }
}

impl Calibration {
    fn ascent(&self) -> Option<Path> {
        let At::Pgd { steps, step_size, start } = &self.at else { return None };
        Some(Path {
            id: "pgd",
            steps: *steps,
            step_size: step_size.clone(),
            start: start.clone(),
            restarts: 1,
            keep: Keep::Last,
            looks: false,
        })
    }
}

impl Sensitivity for Calibration {
    fn path(&self) -> Path {
        self.ascent().expect("only a probe that ascends is measured along a path")
    }

    fn at_rest(&self) -> Option<f64> {
        None
    }

    fn value(&self, pair: &Pair<'_>) -> Option<f64> {
        Some(overconfidence(pair.logits_adv, pair.label))
    }

    fn loss(&self, pairs: &[Pair<'_>]) -> Loss {
        cross_entropy(pairs)
    }
}

/// Above -1 and at most 0 where the row is right, above 0 and at most 1 where it is wrong: so it tells confidence and verdict.
fn overconfidence(logits: &[f32], label: usize) -> f64 {
    let (class, _) = argmax(logits);
    softmax(logits)[class].min(1.0) - f64::from(u8::from(class == label))
}
