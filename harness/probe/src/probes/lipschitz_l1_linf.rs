use crate::path::{Keep, Pair, Path, Sensitivity, Start, measure};
use crate::probes::{Bound, Probe, Registered, check_path};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, Epsilon, Loss, LossHead, Oracle, ThreatModel, argmax};
use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The empirical local Lipschitz constant `max ||z(x') - z(x)||_1 / ||x' - x||_inf` over the iterates of an ascent; `z` are
/// logits, never probabilities.
///
/// `inner: ratio` ascends the ratio itself, as LIP and PROARD do, whose numbers the paper's are taken to be: the gradient
/// of the numerator, less the ratio times that of the denominator, which is shared evenly by the elements that are
/// largest. The start and every iterate count, not only the last, and nothing is added to the denominator (LIP adds 1e-6 to
/// each difference). Logits are float32: what their rounding adds to the ratio is about `K max|z| 2^-23 / ||x' - x||`.
///
/// On the grid of an integer input a small start may round to the sample; from there the ascent leaves along the
/// subgradient that lowers the largest logit and raises the others.
///
/// A row where the sample is the only point of the ball has no value.
/// Source: Yang et al. 2020, arXiv:2003.02460, `lolip/utils.py`; Mousavi, Zoljodi, Daneshtalab 2023, eq. 4, which names no
/// norms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LipschitzL1Linf {
    /// What is ascended.
    pub inner: RatioInner,
    /// Steps of the ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// Where it begins.
    pub start: Start,
}

/// What the ascent of [`LipschitzL1Linf`] maximises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RatioInner {
    /// The ratio itself.
    Ratio,
    /// Its numerator alone.
    LogitDifference,
    /// The cross-entropy of the right class: the path is that of the attack `pgd`.
    CrossEntropy,
}

pub(crate) static LIPSCHITZ_L1_LINF: Registered = Registered {
    name: "lipschitz-l1-linf",
    about: "The empirical local Lipschitz constant: the largest l1 change of the logits over the l-inf change of the input, \
            over all iterates of an ascent. Yang et al. 2020, arXiv:2003.02460; Mousavi et al. 2023.",
    bound: Bound::Lower,
    units: "logits per unit",
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let gaussian = Start::Gaussian("0.001".parse().expect("a fraction"));
    let plain = LipschitzL1Linf { inner: RatioInner::Ratio, steps: 7, step_size, start: gaussian };
    [
        plain.clone(),
        LipschitzL1Linf { inner: RatioInner::LogitDifference, start: Start::Random, ..plain.clone() },
        LipschitzL1Linf { inner: RatioInner::CrossEntropy, start: Start::None, ..plain },
    ]
    .map(ProbeSpec::LipschitzL1Linf)
    .to_vec()
}

impl Probe for LipschitzL1Linf {
    fn registered(&self) -> &'static Registered {
        &LIPSCHITZ_L1_LINF
    }

    fn about(&self) -> String {
        let ascended = match self.inner {
            RatioInner::Ratio => "of the ratio itself",
            RatioInner::LogitDifference => "of the change of the logits",
            RatioInner::CrossEntropy => "of the cross-entropy",
        };
        format!(
            "the largest l1 change of the logits per unit of l-inf change of the input, over the start and {} \
             projected gradient steps {ascended}; all rows count. The local Lipschitz constant is at least this.",
            self.steps
        )
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), String> {
        if threat.epsilon.is_zero() {
            return Err("epsilon is 0, and a ratio needs two points".to_owned());
        }
        check_path(&self.path(), false, threat)
    }

    fn head(&self) -> LossHead {
        match self.inner {
            RatioInner::Ratio | RatioInner::LogitDifference => LossHead::Linear,
            RatioInner::CrossEntropy => LossHead::CrossEntropy,
        }
    }

    fn cost(&self) -> Cost {
        self.path().cost()
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        measure(job, oracle, self)
    }
}

impl Sensitivity for LipschitzL1Linf {
    fn path(&self) -> Path {
        Path {
            id: if self.inner == RatioInner::CrossEntropy { "pgd" } else { LIPSCHITZ_L1_LINF.name },
            steps: self.steps,
            step_size: self.step_size.clone(),
            start: self.start.clone(),
            keep: Keep::Best,
            looks: true,
        }
    }

    fn at_rest(&self) -> Option<f64> {
        None
    }

    fn value(&self, pair: &Pair<'_>) -> Option<f64> {
        let (rise, run) = (rise(pair), run(pair));
        (run > 0.0).then(|| rise / run)
    }

    fn loss(&self, pairs: &[Pair<'_>]) -> Loss {
        let classes = pairs.first().map_or(0, |pair| pair.logits.len());
        if self.inner == RatioInner::CrossEntropy {
            let labels: Vec<usize> = pairs.iter().map(|pair| pair.label).collect();
            return Loss::cross_entropy(&labels, classes);
        }
        let signs = pairs.iter().flat_map(signs).collect();
        Loss::linear(Array2::from_shape_vec((pairs.len(), classes), signs).expect("rows of one length"))
    }

    /// The gradient of the ratio, times its denominator.
    fn bend(&self, pair: &Pair<'_>, gradient: &mut [f32]) {
        let run = run(pair);
        if self.inner != RatioInner::Ratio || run == 0.0 {
            return;
        }
        let largest = |delta: f64| delta.abs() == run;
        let count = deltas(pair).filter(|delta| largest(*delta)).count();
        let share = rise(pair) / run / count as f64;
        for (g, delta) in gradient.iter_mut().zip(deltas(pair)).filter(|(_, delta)| largest(*delta)) {
            *g = (f64::from(*g) - share * delta.signum()) as f32;
        }
    }
}

/// A subgradient of the l1 norm of the change of the logits. Where nothing has changed every sign vector is one: that which
/// lowers the largest logit and raises the others.
fn signs(pair: &Pair<'_>) -> Vec<f32> {
    if pair.logits_adv == pair.logits {
        let (largest, _) = argmax(pair.logits);
        return (0..pair.logits.len()).map(|class| if class == largest { -1.0 } else { 1.0 }).collect();
    }
    let sign = |(adv, clean): (&f32, &f32)| f32::from(i8::from(adv > clean) - i8::from(adv < clean));
    pair.logits_adv.iter().zip(pair.logits).map(sign).collect()
}

/// The l1 norm of the change of the logits.
fn rise(pair: &Pair<'_>) -> f64 {
    pair.logits_adv
        .iter()
        .zip(pair.logits)
        .fold(0.0, |sum, (adv, clean)| sum + (f64::from(*adv) - f64::from(*clean)).abs())
}

/// The l-inf norm of the change of the input.
fn run(pair: &Pair<'_>) -> f64 {
    deltas(pair).fold(0.0, |most, delta| delta.abs().max(most))
}

fn deltas(pair: &Pair<'_>) -> impl Iterator<Item = f64> {
    pair.x_adv.iter().zip(pair.x).map(|(adv, x)| f64::from(*adv) - f64::from(*x))
}
