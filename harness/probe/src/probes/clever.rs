use crate::path::logits_of;
use crate::probes::first_order_radius::rival;
use crate::probes::{Bound, Probe, Registered};
use crate::rows::{Answer, difference, gradients};
use crate::run::{Job, RowValue};
use crate::weibull::location;
use crate::{Error, ProbeSpec};
use attack::{Ball, Cost, Epsilon, LossHead, Oracle, Start, ThreatModel, argmax, stream};
use ndarray::{Array2, ArrayView1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CLEVER: an estimate of the distance to the nearest adversarial input by extreme value theory.
///
/// For a rival `j` of the label `y`, `batches` times the largest `‖∇(z_y - z_j)‖` of `samples` random points of the ball of this
/// radius, in the norm dual to the threat model's, clipped to the input's bounds; the location of a reverse Weibull
/// distribution fitted to these maxima estimates the local Lipschitz constant `a_j`. The score is the least
/// `min((z_y - z_j) / a_j, radius)` over the rivals; 0 where the row is wrong.
///
/// It is no bound, and too large where gradients are masked (Goodfellow 2018, arXiv:1804.07870): nothing can be gated on it.
///
/// The fit maximises the likelihood, less 0.01 for each unit of the shape, with the shape at least 1, and is given up for the
/// largest maximum where a Kolmogorov-Smirnov test rejects it at 0.001.
/// Source: Weng et al. 2018, arXiv:1801.10578 (500 batches of 1,024 points, radius 5 in l2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clever {
    /// How many maxima the fit has, at least 2.
    #[schemars(range(min = 2))]
    pub batches: u32,
    /// Points that a maximum is taken over, at least 1.
    #[schemars(range(min = 1))]
    pub samples: u32,
    /// The radius of the ball that they are drawn from, and the largest score, in the norm and units of epsilon.
    pub radius: Epsilon,
    /// The rivals.
    pub rivals: Rivals,
}

/// Which other classes [`Clever`] takes for rivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rivals {
    /// Every one.
    All,
    /// The one with the largest logit at the sample, the first of equals.
    Nearest,
}

pub(crate) static CLEVER: Registered = Registered {
    name: "clever",
    about: "The CLEVER score: an estimate of the distance to the nearest adversarial input by extreme value theory; no bound. Weng \
            et al. 2018, arXiv:1801.10578.",
    bound: Bound::Estimate,
    falls: true,
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let radius: Epsilon = "1/10".parse().expect("a fraction");
    let plain = Clever { batches: 4, samples: 5, radius, rivals: Rivals::All };
    let nearest = Clever { rivals: Rivals::Nearest, batches: 3, ..plain.clone() };
    [plain, nearest].map(ProbeSpec::Clever).to_vec()
}

impl Probe for Clever {
    fn registered(&self) -> &'static Registered {
        &CLEVER
    }

    fn units(&self) -> &'static str {
        "units of epsilon"
    }

    fn about(&self) -> String {
        let rivals = match self.rivals {
            Rivals::All => "all rivals",
            Rivals::Nearest => "the rival with the largest logit",
        };
        format!(
            "the CLEVER score against {rivals}, from {} maxima of {} gradients within {}; 0 where the row is wrong, {} at most. An \
             estimate of the distance to the nearest adversarial input, too large where gradients are masked: no gate may rest on it.",
            self.batches, self.samples, self.radius, self.radius
        )
    }

    fn check(&self, _: &ThreatModel) -> Result<(), String> {
        let reason = if self.batches < 2 {
            format!("`batches` is {}; expected at least 2", self.batches)
        } else if self.samples == 0 {
            "`samples` is 0; expected at least 1".to_owned()
        } else if self.radius.is_zero() {
            "`radius` is 0; expected more".to_owned()
        } else {
            return Ok(());
        };
        Err(reason)
    }

    fn head(&self) -> Option<LossHead> {
        Some(LossHead::Linear)
    }

    fn cost(&self, classes: usize) -> Cost {
        let points = u64::from(self.batches) * u64::from(self.samples);
        let gradients = points.saturating_mul(self.rivals(classes) as u64);
        Cost { forwards: gradients.saturating_add(1), backwards: gradients, judge_forwards: 0 }
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        let logits = logits_of(oracle, job.rows.x.view())?;
        let threat = ThreatModel { epsilon: self.radius.clone(), ..job.setting.threat.clone() };
        let mut values = Vec::with_capacity(job.len());
        for (row, logits) in logits.rows().into_iter().enumerate() {
            let (logits, label) = (logits.to_vec(), job.rows.labels[row]);
            let mut value = RowValue { forwards: 1, ..RowValue::default() };
            if logits.iter().any(|z| !z.is_finite()) {
                value.non_finite_logits = 1;
            } else if argmax(&logits).0 != label {
                value.value = Some(0.0);
            } else {
                let center = job.rows.x.row(row).to_vec();
                let ball = threat
                    .ball(&center, &job.setting.domain, job.setting.grid)
                    .map_err(|source| Error::Row { row, source })?;
                self.score(&ball, label, &logits, (job.setting.seed, &job.rows.digests[row]), oracle, &mut value)?;
            }
            values.push(value);
        }
        Ok(values)
    }
}

impl Clever {
    fn rivals(&self, classes: usize) -> usize {
        match self.rivals {
            Rivals::All => classes.saturating_sub(1),
            Rivals::Nearest => 1,
        }
    }

    /// The score of a row that is right.
    fn score(
        &self,
        ball: &Ball,
        label: usize,
        logits: &[f32],
        (seed, digest): (u64, &[u8; 32]),
        oracle: &mut dyn Oracle,
        value: &mut RowValue,
    ) -> Result<(), Error> {
        let others = (0..logits.len()).filter(|class| *class != label);
        let nearest = others.fold(None, |best: Option<usize>, class| {
            best.filter(|best| logits[*best] >= logits[class]).or(Some(class))
        });
        let class_of = |which: usize| match (self.rivals, nearest) {
            (Rivals::Nearest, Some(nearest)) => nearest,
            _ => rival(label, which),
        };
        let (count, radius) = (self.rivals(logits.len()), self.radius.to_f64());
        let mut maxima = vec![Vec::new(); count];
        for batch in 0..self.batches {
            let mut points = Array2::zeros((0, ball.center().len()));
            let mut rng = stream(seed, CLEVER.name, digest, u64::from(batch));
            for _ in 0..self.samples {
                let point = ball.random(Start::Random, radius, &mut rng);
                points.push_row(ArrayView1::from(&point)).expect("rows of one length");
            }
            let mut largest = vec![0.0f64; count];
            let mut each = |answer: Answer<'_>| {
                let finite = answer.has_finite_gradients();
                value.zero_gradients += answer.zero_gradients();
                value.non_finite_gradients += u32::from(!finite);
                value.non_finite_logits += u32::from(!answer.has_finite_logits());
                for (largest, gradient) in largest.iter_mut().zip(answer.gradients).filter(|_| finite) {
                    *largest = largest.max(ball.norm().dual_length(gradient));
                }
            };
            let weights = |_, which| difference(logits.len(), label, Some(class_of(which)));
            gradients(oracle, points.view(), count, &weights, &mut each)?;
            maxima.iter_mut().zip(largest).for_each(|(maxima, largest)| maxima.push(largest));
        }
        let spent = u64::from(self.batches) * u64::from(self.samples) * count as u64;
        value.forwards += spent;
        value.backwards += spent;
        let bound = |(which, maxima): (usize, &Vec<f64>)| {
            let lead = f64::from(logits[label]) - f64::from(logits[class_of(which)]);
            let slope = location(maxima);
            if lead <= 0.0 {
                0.0
            } else if slope == 0.0 {
                radius
            } else {
                (lead / slope).min(radius)
            }
        };
        let score = maxima.iter().enumerate().map(bound).fold(radius, f64::min);
        // A maximum over points that gave no number says nothing.
        value.value = (value.non_finite_gradients == 0).then_some(score);
        Ok(())
    }
}
